"""Translates Spark's date and time functions to IR.

The calendar is java.time's, which equals NumPy's; time zones must have a constant offset.
"""

from __future__ import annotations

from collections.abc import Callable

from sparkweld.contract.expressions import Expression
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import DatePart
from sparkweld.ir.ops.calendar import DAY_LIMIT
from sparkweld.ir.types import DATE, I32, I64
from sparkweld.reasons import refusal
from udf_compiler.frontends.tracing.expression_rules import Maybe, Rule, Translator
from udf_compiler.frontends.tracing.zones import current_zone
from udf_compiler.frontends.tracing.zones import zone as zone_of

_SECOND = 10**6
_DAY = 86_400 * _SECOND

_Number = Callable[[LoopBuilder, Value], Value]


def _part(name: str) -> _Number:
    return lambda loop, days: loop.emit(DatePart(name), days)


def _quarter(loop: LoopBuilder, days: Value) -> Value:
    month = _part("month")(loop, days)
    return loop.call("floor_divide", loop.call("add", month, loop.const(2, I32)), loop.const(3, I32))


def _day_of_week(loop: LoopBuilder, days: Value) -> Value:
    """Returns the day of the week, where 1 is Sunday."""
    weekday = loop.call("add", _part("weekday")(loop, days), loop.const(1, I32))
    return loop.call("add", loop.call("remainder", weekday, loop.const(7, I32)), loop.const(1, I32))


#: Function of a date -> its rule, from days since 1970 to the result.
_DATE_PARTS: dict[str, _Number] = {
    "Year": _part("year"),
    "Quarter": _quarter,
    "Month": _part("month"),
    "DayOfMonth": _part("day"),
    "DayOfYear": _part("day_of_year"),
    "DayOfWeek": _day_of_week,
    "WeekDay": _part("weekday"),
    "WeekOfYear": _part("iso_week"),
}

#: Function of a timestamp -> (seconds of the unit, units per next larger one).
_CLOCK_PARTS = {"Hour": (3600, 24), "Minute": (60, 60), "Second": (1, 60)}


def _date_part(translator: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Translates a function of a date; flags dates outside the range of `DatePart`."""
    (x,) = translator.operands(expr, demand)
    loop = translator.loop
    days = loop.cast(x.value, I32)
    above = loop.call("greater_equal", days, loop.const(-DAY_LIMIT + 7, I32))  # the Thursday of the week must be in range as well
    inside = loop.call("logical_and", above, loop.call("less_equal", days, loop.const(DAY_LIMIT - 7, I32)))
    translator.guard(inside, demand, x.valid)
    return Maybe(_DATE_PARTS[expr.op](loop, days), x.valid)


def _clock_part(translator: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Returns the hour, minute or second of a timestamp. Refuses SW242."""
    (x,) = translator.operands(expr, demand)
    loop, (seconds, units) = translator.loop, _CLOCK_PARTS[expr.op]
    local = _local(loop, x.value, expr)
    whole = loop.call("floor_divide", local, loop.const(seconds * _SECOND, I64))
    return Maybe(loop.cast(loop.call("remainder", whole, loop.const(units, I64)), I32), x.valid)


TIME_RULES: dict[str, Rule] = {**dict.fromkeys(_DATE_PARTS, _date_part), **dict.fromkeys(_CLOCK_PARTS, _clock_part)}


def day_of(loop: LoopBuilder, time: Value, cast: Expression) -> Value:
    """Returns the date of a timestamp, for the expression `cast`. Refuses SW242."""
    days = loop.call("floor_divide", _local(loop, time, cast), loop.const(_DAY, I64))
    return loop.cast(loop.cast(days, I32), DATE)


def _local(loop: LoopBuilder, time: Value, expr: Expression) -> Value:
    """Returns local microseconds in the expression's zone.

    Refuses (SW242) zones whose offset changes, as Java has its own rules.
    """
    microseconds = loop.cast(time, I64)
    if expr.args[0].type == "timestamp_ntz":
        return microseconds
    limit = 2**62  # beyond this, the local time may overflow
    above = loop.call("greater_equal", microseconds, loop.const(-limit, I64))
    loop.guard(loop.call("logical_and", above, loop.call("less_equal", microseconds, loop.const(limit, I64))))
    zone = zone_of(expr.zone) if expr.zone is not None else current_zone()
    if zone.to_local.bounds:
        raise refusal("SW242", "", zone=zone.name)
    return zone.local(loop, microseconds)
