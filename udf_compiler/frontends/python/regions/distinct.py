"""Models sets that a function makes from a list of its row: supports their size, membership and sorted elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from sparkweld.ir.types import I64
from udf_compiler.frontends.python import key_lists, lists
from udf_compiler.frontends.python.builtin_calls import STAND_INS, is_builtin
from udf_compiler.frontends.python.key_lists import place
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, called_by_user, in_place


def _unknown(*args: Any) -> NoReturn:
    refuse("SW282", what="a set, for an operation that depends on more than its elements")


class Distinct(StandIn):
    """A symbolic ``set(xs)``, or ``list(set(xs))`` where `kind` is list.

    `items` is the list of its distinct elements in sorted order. Python's own order depends on hashes, so operations that depend
    on it are refused.
    """

    __slots__ = ("items", "kind")
    __dataclass_fields__ = ("items", "kind")  # as in the other elements of a state
    what = "set"

    def __init__(self, items: Any, kind: type = set) -> None:
        self.items, self.kind = items, kind

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return self.kind

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return self.kind

    def __bool__(self) -> bool:
        return bool(self.items)

    def __contains__(self, x: Any) -> bool:
        loop = explorer().loop
        return explorer().decide(loop.call("greater_equal", place("find", self.items, x, "in"), loop.const(0, I64)))

    def __getattr__(self, name: str) -> NoReturn:
        _unknown()

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __iter__ = _unknown  # type: ignore[assignment]
    __and__ = __or__ = __sub__ = __xor__ = __rand__ = __ror__ = __rsub__ = __rxor__ = _unknown

    def __hash__(self) -> int:
        return _unknown() if called_by_user() else object.__hash__(self)


def distinct(x: Any) -> Distinct:
    """Returns the set of a list of the row; guards rows with a NaN, which fall back to Python: each NaN is a separate element.

    `x` may also be a list of tuples, of a kind of keys (`key_lists`).
    """
    if lists.is_list(x):
        lists.guard_ordered(x)
    return Distinct(key_lists.distinct(x))


def call_of_set(function: Callable[..., Any], x: Distinct, kwargs: dict[str, Any]) -> Any:
    """Evaluates ``len(x)``, ``sorted(x)``, ``min(x)``, ``list(x)`` and similar; refuses other calls (SW282)."""
    known = next((f for f in (len, sorted, min, max, list, set, frozenset, bool) if is_builtin(function, f)), None)
    if known is None or (known not in (sorted, min, max) and kwargs):
        _unknown()
    if known in (list, set, frozenset):
        return Distinct(x.items, known)
    if known is bool:
        return bool(x)
    if known is len or lists.is_list(x.items):
        return STAND_INS[known](x.items, **kwargs)
    if kwargs:
        _unknown()
    if known is sorted:
        return x.items
    return x.items[-1 if known is max else 0] if x.items else raise_empty()


def raise_empty() -> NoReturn:
    """Raises the ValueError of min and max of an empty set."""
    raise in_place(ValueError("iterable argument is empty"))
