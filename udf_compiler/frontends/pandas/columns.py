"""Defines the base of traced arrays, Series and DataFrames, and that of constants with operators for Series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.array import TracedArray


class ColumnLike(Traced):
    """A symbolic object with a value, or one value of each of its columns, for each row of the batch."""

    __slots__ = ()

    #: An operator on two such objects belongs to the one of higher rank.
    operator_rank: int

    def outranks(self, other: ColumnLike) -> bool:
        """Whether an operator of both belongs to this object."""
        return self.operator_rank > other.operator_rank

    def to_array(self, call: str) -> TracedArray:
        """Returns np.asarray of the object. Refuses one without such an array."""
        refuse("SW262", call=call, what=raw(self))


class SeriesOperand(Traced):
    """A constant that computes its operators with a Series itself."""

    __slots__ = ()

    def with_series(self, series: Any, name: str, reflected: bool) -> Any:
        """Returns ``series op self``, or ``self op series`` when reflected."""
        raise NotImplementedError


def defers(own: ColumnLike, *others: Any) -> bool:
    """Whether an operator of `own` and other operands belongs to one of the others."""
    return any(isinstance(x, ColumnLike) and x.outranks(own) for x in others)
