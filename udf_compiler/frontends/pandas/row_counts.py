"""Represents the number of rows of a batch, of which a function may know only that it is not zero.

Spark hands no function a batch without rows. So ``if frame.empty: return ...`` and ``len(series) == 0`` are constants, as long as
no filter of the function has removed rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

#: Comparisons of the number of rows with zero -> their results, and with one.
_ZERO = {"eq": False, "ne": True, "gt": True, "ge": True, "lt": False, "le": False}
_ONE = {"ge": True, "lt": False}


class RowCount(StandIn):
    """The number of rows of a batch, an int of at least one."""

    __slots__ = ("call", "loop", "repeat")
    what = "number of rows"
    stands_for = int

    def __init__(self, loop: LoopBuilder, call: str, repeat: Callable[[LoopBuilder, Any], Any] | None) -> None:
        """`repeat`: returns the list of an element for each row, which ``[element] * count`` makes."""
        self.loop, self.call, self.repeat = loop, call, repeat

    def __rmul__(self, items: Any) -> Any:
        if type(items) is not list or len(items) != 1 or self.repeat is None:
            self.refuse()
        return self.repeat(self.loop, items[0])

    __mul__ = __rmul__

    def __getattr__(self, name: str) -> NoReturn:
        self.refuse()

    def refuse(self) -> NoReturn:
        """Refuses to use the number itself (SW250)."""
        refuse("SW250", call=self.call)

    def __bool__(self) -> bool:
        return True

    def _compared(self, name: str, other: Any) -> bool:
        known = {0: _ZERO, 1: _ONE}.get(other, {}) if type(other) is int else {}
        if name not in known:
            self.refuse()
        return known[name]

    def __eq__(self, other: object) -> bool:
        return self._compared("eq", other)

    def __ne__(self, other: object) -> bool:
        return self._compared("ne", other)

    def __gt__(self, other: Any) -> bool:
        return self._compared("gt", other)

    def __ge__(self, other: Any) -> bool:
        return self._compared("ge", other)

    def __lt__(self, other: Any) -> bool:
        return self._compared("lt", other)

    def __le__(self, other: Any) -> bool:
        return self._compared("le", other)

    def __hash__(self) -> int:
        self.refuse()


def row_count(loop: LoopBuilder, call: str, repeat: Callable[[LoopBuilder, Any], Any] | None = None) -> RowCount:
    """Returns the number of rows. Refuses (SW250) that of rows which a filter has kept: it may be zero."""
    if loop.where is not None:
        refuse("SW250", call=call)
    return RowCount(loop, call, repeat)


def is_empty(loop: LoopBuilder, call: str) -> bool:
    """Returns False, as a batch has rows. Refuses (SW250) rows that a filter has kept."""
    return row_count(loop, call) == 0
