"""Converts decimal columns to Decimals of the row, and the Decimals that a function returns to a column, as PySpark does.

In: a Decimal has the scale of its column. Out over Arrow: `Decimal.quantize` to the declared type, half to even, which raises
where the digits do not fit. Out by pickle: the JVM rounds half up, and raises there; an object of another class is NULL.
"""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from typing import Any

from sparkweld.contract.spark_types import unscaled_type
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, I32, I64
from sparkweld.reasons import refusal
from udf_compiler.frontends.python.arguments import Parts
from udf_compiler.frontends.python.decimals import check_context, divided, parts_of
from udf_compiler.frontends.python.path_explorer import Node, explorer
from udf_compiler.frontends.python.result_kinds import kind_of_result, kinds_of, merged
from udf_compiler.frontends.python.undecided import Undecided
from udf_compiler.frontends.python.values import DECIMALS, TracedScalar, is_scalar, shown
from udf_compiler.frontends.tracing.integer_checks import between

#: Kinds of results that are NULL as a decimal column of pickled values.
_NULL_WHERE_PICKLED = frozenset({"None", "bool", "int", "float", "str"})

#: The JVM pickles a number with more zeros behind the point than this with trailing zeros.
_MOST_ZEROS = 6


@dataclass(frozen=True, slots=True)
class DecimalArgument(Parts):
    """A decimal column of at most 18 digits, stored without the decimal point. `pickled`: whether the JVM pickles it."""

    precision: int = 1
    scale: int = 0
    pickled: bool = False

    @property
    def value(self) -> Value:
        return self.columns[0]

    def python(self) -> Any:
        """Returns the Decimal on the explored path; whether it is None is decided where it is first used."""
        check_context()
        loop = self.value.loop
        known = explorer().known(loop.is_valid(self.value))
        if known is not None:
            return self.present() if known else None
        return Undecided(TracedScalar("bool", loop.is_valid(self.value)), self.present())

    def made(self, values: list[Any]) -> Any:
        most = 10**self.precision - 1
        return TracedScalar(f"decimal{self.scale}", values[0].loop.cast(values[0], I64), (-most, most))

    def guard(self, loop: LoopBuilder) -> None:
        """Guards numbers of more digits than the type has, which a file may hold.

        Also those that the JVM pickles with other digits than the column has, such as 100E-9 for 1E-7.
        """
        value = loop.cast(loop.value_of(self.value), I64)
        most = 10**self.precision - 1
        loop.guard(between(loop, value, -most, most))
        if not self.pickled or self.scale <= _MOST_ZEROS:
            return
        least = 10 ** (self.scale - _MOST_ZEROS)
        ends = (("equal", 0), ("less_equal", -least), ("greater_equal", least))
        zero, below, above = (loop.call(fn, value, loop.const(end, I64)) for fn, end in ends)
        loop.guard(loop.call("logical_or", zero, loop.call("logical_or", below, above)))


@dataclass(frozen=True, slots=True)
class DecimalColumn:
    """The conversion of results to a decimal type. `pickled`: by the JVM, otherwise by PySpark for Arrow."""

    loop: LoopBuilder
    precision: int
    scale: int
    pickled: bool

    def number(self, x: Any) -> Value:
        """Returns the result without the decimal point; any value where `fits` is False."""
        loop, scale = self.loop, self._scale_of(x)
        if scale is None:
            return loop.const(0, I64)
        if not is_scalar(x):
            return loop.const(self._of_constant(x) or 0, I64)
        if scale <= self.scale:
            return loop.call("multiply", x.value, loop.const(10 ** (self.scale - scale), I64))
        return divided(loop, x.value, scale - self.scale, self._rounding)

    def fits(self, x: Any) -> Value:
        """Returns the condition that the result has at most as many digits as the type; true for NULL."""
        loop, scale = self.loop, self._scale_of(x)
        if scale is None or not is_scalar(x):
            return loop.const(scale is None or self._of_constant(x) is not None, BOOL)
        most = 10**self.precision - 1
        if scale <= self.scale:
            fitting = most // 10 ** (self.scale - scale)
            return between(loop, x.value, -fitting, fitting)
        return between(loop, self.number(x), -most, most)

    def holds(self, x: Any) -> Value:
        """Returns the condition that the result is not NULL."""
        return self.loop.const(self._scale_of(x) is not None, BOOL)

    def _scale_of(self, x: Any) -> int | None:
        return DECIMALS.get(kind_of_result(x))

    @property
    def _rounding(self) -> str:
        return decimal.ROUND_HALF_UP if self.pickled else decimal.ROUND_HALF_EVEN

    def _of_constant(self, x: Any) -> int | None:
        """Returns a constant without the decimal point, or None where it does not fit."""
        number, scale = parts_of(x)
        exact = decimal.Context(prec=100, rounding=self._rounding)
        made = int(exact.to_integral_value(decimal.Decimal(number).scaleb(self.scale - scale, exact)))
        return made if abs(made) < 10**self.precision else None


def decimal_of_row(
    loop: LoopBuilder, tree: Node, pruned: Node | None, column: DecimalColumn, place: str, return_type: str
) -> Value:
    """Returns the decimal column of a function's results. Refuses (SW298) results of other classes, on `pruned` paths, too."""
    for paths in (tree,) if pruned is None else (tree, pruned):
        found = kinds_of(paths)
        if not found <= (DECIMALS.keys() | (_NULL_WHERE_PICKLED if column.pickled else {"None"})):
            raise refusal("SW298", place, kinds=shown(found - {"None"}), type=return_type)
    loop.guard(merged(loop, tree, BOOL, column.fits))
    narrow = unscaled_type(return_type) == "integer"
    value = merged(loop, tree, I64, column.number)
    made = loop.cast(value, I32) if narrow else value
    if kinds_of(tree) <= DECIMALS.keys():
        return made
    return loop.optional(made, merged(loop, tree, BOOL, column.holds))


__all__ = ["DecimalArgument", "DecimalColumn", "decimal_of_row"]
