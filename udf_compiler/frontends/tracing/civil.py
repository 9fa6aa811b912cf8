"""Computes days since 1970 from the year, month and day of a date."""

from __future__ import annotations

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import I64


def days_of_date(loop: LoopBuilder, year: Value, month: Value, day: Value) -> Value:
    """Computes the days since 1970 of a date by Howard Hinnant's days_from_civil.

    The numbers are int64. A day past the month's end continues into the next month.
    """

    def plus(x: Value, y: Value | int) -> Value:
        return loop.call("add", x, loop.const(y, I64) if isinstance(y, int) else y)

    def times(x: Value, factor: int) -> Value:
        return loop.call("multiply", x, loop.const(factor, I64))

    def over(x: Value, divisor: int) -> Value:
        return loop.call("floor_divide", x, loop.const(divisor, I64))

    late = loop.call("greater", month, loop.const(2, I64))
    march_year = loop.select(late, year, plus(year, -1))
    march_month = loop.select(late, plus(month, -3), plus(month, 9))
    leaps = plus(plus(over(march_year, 4), times(over(march_year, 100), -1)), over(march_year, 400))
    days = plus(plus(times(march_year, 365), leaps), over(plus(times(march_month, 153), 2), 5))
    return plus(plus(days, day), -1 - 719468)
