"""Models a boolean column whose group holds a NULL: an object Series of True, False and None.

Only a few reductions of such a Series are sound.
"""

from __future__ import annotations

from typing import Any, NoReturn

import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced


class ObjectBools(Traced):
    """`value` where `valid`, else None. Sums and means skip None (nanops replaces it with 0).

    A window frame may be a slice without None. The sum of a single object is that object. It is then a bool among the ints of
    other frames, which Arrow does not convert to an integer column.
    """

    __slots__ = ("column", "loop", "shared", "valid", "value")
    what = "boolean Series with None"
    stands_for = pd.Series

    def __init__(self, loop: LoopBuilder, value: Value, column: str) -> None:
        self.loop, self.column, self.shared = loop, column, True
        self.valid = loop.is_valid(value)
        self.value = loop.call("logical_and", loop.value_of(value), self.valid)

    def __getattr__(self, name: str) -> Any:
        if name in ("sum", "mean", "count"):
            return lambda: self._reduced(name)
        if name in ("notna", "notnull", "isna", "isnull"):
            missing = self.loop.call("logical_not", self.valid)
            found = TracedSeries(self.loop, missing if name.startswith("is") else self.valid, bool)
            return lambda: found
        if name in ("size", "shape"):
            length = current().groups.length(self)
            return length if name == "size" else (length,)
        self._refused()

    def _reduced(self, name: str) -> GroupScalar:
        groups = current().groups
        if groups.frames and name == "sum":
            self._refused()
        true = groups.aggregate("sum", self.loop.cast(self.value, I64))
        count = groups.aggregate("sum", self.loop.cast(self.valid, I64))
        if name == "mean":
            return groups.scalar(groups.loop.call("divide", groups.loop.cast(true, F64), groups.loop.cast(count, F64)))  # type: ignore[no-any-return]
        return groups.scalar(true if name == "sum" else count)  # type: ignore[no-any-return]

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        self._refused()

    def _unary(self, name: str) -> Any:
        self._refused()

    def _in_place(self, name: str, other: Any) -> Any:
        self._refused()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        self._refused()

    def _refused(self) -> NoReturn:
        refuse("SW102", column=self.column)
