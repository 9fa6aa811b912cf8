"""Lowers date parts to LLVM, without a branch or a table, so that loops vectorise.

The algorithm is Howard Hinnant's `civil_from_days` (https://howardhinnant.github.io/date_algorithms.html). Years begin in March,
so the leap day is the last one, and 400 years (an era) have 146097 days. All divisions are unsigned, 32-bit and by constants.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from sparkweld.ir.ops.calendar import DAY_LIMIT, DatePart
from sparkweld.kernels.llvm.integers import Builder, constant

_ERA_DAYS = 146097
_TO_MARCH = 719468  # days from 0000-03-01 to 1970-01-01
_ERAS = -(-DAY_LIMIT // _ERA_DAYS)  # added first and subtracted last, so that no day is negative in between
_WEEKS = -(-DAY_LIMIT // 7)


@dataclass(frozen=True)
class _Civil:
    """A date, and its position in the era: the year of the era (0 to 399) that began in March, the day of that year."""

    year: ir.Value
    month: ir.Value
    day: ir.Value
    march_year: ir.Value
    march_day: ir.Value


def date_part(b: Builder, op: DatePart, days: ir.Value) -> ir.Value:
    """Returns a part of the date `days` (i32) after 1970-01-01."""
    limit = constant(days, DAY_LIMIT)
    days = b.select(b.icmp_signed(">", days, limit), limit, days)
    days = b.select(b.icmp_signed("<", days, constant(days, -DAY_LIMIT)), constant(days, -DAY_LIMIT), days)
    match op.part:
        case "weekday":
            return _weekday(b, days)
        case "day_of_year":
            return _day_of_year(b, _civil(b, days))
        case "days_in_month":
            return _days_in_month(b, _civil(b, days))
        case "iso_year":
            return _civil(b, _thursday(b, days)).year
        case "iso_week":
            ordinal = _day_of_year(b, _civil(b, _thursday(b, days)))
            return _plus(b, _over(b, _plus(b, ordinal, -1), 7), 1)
        case part:
            return getattr(_civil(b, days), part)  # type: ignore[no-any-return]


def _civil(b: Builder, days: ir.Value) -> _Civil:
    shifted = _plus(b, days, _TO_MARCH + _ERAS * _ERA_DAYS)
    era = _over(b, shifted, _ERA_DAYS)
    day_of_era = b.sub(shifted, _times(b, era, _ERA_DAYS))
    leaps = b.sub(_over(b, day_of_era, 36524), b.add(_over(b, day_of_era, 1460), _over(b, day_of_era, 146096)))
    march_year = _over(b, b.add(day_of_era, leaps), 365)
    before = b.sub(b.add(_times(b, march_year, 365), _over(b, march_year, 4)), _over(b, march_year, 100))
    march_day = b.sub(day_of_era, before)
    march_month = _over(b, _plus(b, _times(b, march_day, 5), 2), 153)
    day = _plus(b, b.sub(march_day, _over(b, _plus(b, _times(b, march_month, 153), 2), 5)), 1)
    spring = b.icmp_unsigned("<", march_month, constant(days, 10))
    month = b.select(spring, _plus(b, march_month, 3), _plus(b, march_month, -9))
    year = b.add(march_year, _times(b, _plus(b, era, -_ERAS), 400))
    year = b.select(spring, year, _plus(b, year, 1))
    return _Civil(year, month, day, march_year, march_day)


def _is_leap(b: Builder, year: ir.Value) -> ir.Value:
    """Whether a year from 0 to 400 is a leap year."""
    fourth = b.icmp_unsigned("==", b.urem(year, constant(year, 4)), constant(year, 0))
    hundredth = b.icmp_unsigned("==", b.urem(year, constant(year, 100)), constant(year, 0))
    era = b.icmp_unsigned("==", b.urem(year, constant(year, 400)), constant(year, 0))
    return b.and_(fourth, b.or_(b.not_(hundredth), era))


def _day_of_year(b: Builder, date: _Civil) -> ir.Value:
    """Returns the day of the year. March 1 is day 60, or 61 of a leap year; January 1 is day 306 after it."""
    leap = b.zext(_is_leap(b, date.march_year), date.day.type)
    spring = b.icmp_unsigned("<", date.march_day, constant(date.day, 306))
    return b.select(spring, b.add(_plus(b, date.march_day, 60), leap), _plus(b, date.march_day, -305))


def _days_in_month(b: Builder, date: _Civil) -> ir.Value:
    """Returns the days of the month; February belongs to the year after `march_year`.

    From January on they are 31, 28, 31, 30, ..., 30, 31, 31, 30, ..., 31.
    """
    month = date.month
    odd = b.and_(b.xor(month, b.lshr(month, constant(month, 3))), constant(month, 1))
    february = _plus(b, b.zext(_is_leap(b, _plus(b, date.march_year, 1)), month.type), 28)
    return b.select(b.icmp_unsigned("==", month, constant(month, 2)), february, _plus(b, odd, 30))


def _weekday(b: Builder, days: ir.Value) -> ir.Value:
    return b.urem(_plus(b, days, 3 + 7 * _WEEKS), constant(days, 7))


def _thursday(b: Builder, days: ir.Value) -> ir.Value:
    return _plus(b, b.sub(days, _weekday(b, days)), 3)


def _plus(b: Builder, x: ir.Value, number: int) -> ir.Value:
    return b.add(x, constant(x, number))


def _times(b: Builder, x: ir.Value, number: int) -> ir.Value:
    return b.mul(x, constant(x, number))


def _over(b: Builder, x: ir.Value, number: int) -> ir.Value:
    return b.udiv(x, constant(x, number))
