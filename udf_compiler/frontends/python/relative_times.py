"""Represents dateutil's relativedelta: months and days that are added to a date of the row, or the difference of two dates."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from dateutil import relativedelta as _module  # type: ignore[import-untyped]
from dateutil.relativedelta import relativedelta  # type: ignore[import-untyped]

from udf_compiler.frontends.python import datetime_values
from udf_compiler.frontends.python.builtin_calls import STAND_INS
from udf_compiler.frontends.python.operands import is_number, kind_of, raise_type_error
from udf_compiler.frontends.python.time_classes import DATE_CLASS, DATETIME_CLASS, TIMEDELTA_CLASS
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.constants import ConstantDate, ConstantDatetime
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import Traced, raw, symbol

_CALL = "relativedelta"
_DATES = (datetime.date, ConstantDate)
_DATETIMES = (datetime.datetime, ConstantDatetime)
_DAY = 86_400
#: Kinds of values to which no relativedelta can be added.
_STRANGERS = ("bool", "int", "float", "str")
_CLOCK = ("hours", "minutes", "seconds", "microseconds")


class RelativeDelta(Traced):
    """A relativedelta. `count`: its months, with those of its years. `more`: its days. `absolute`: what replaces year, month and
    day of a date, or 0. `clock`: hours, minutes, seconds and microseconds that are added.

    `rest`: the seconds that remain in the difference of two dates, whose fields can be read as those of an empty one; else None.
    """

    __slots__ = ("absolute", "clock", "count", "more", "rest")
    what = "relativedelta"
    stands_for = relativedelta
    of_instances = frozenset(vars(relativedelta()))

    def __init__(
        self, count: Any, more: Any = 0, absolute: tuple[int, ...] = (0, 0, 0), clock: tuple[Any, ...] = (), rest: Any = None
    ) -> None:
        self.count, self.more, self.absolute, self.clock, self.rest = count, more, absolute, clock, rest

    def __getattr__(self, name: str) -> Any:
        empty = self.rest is None and _is_nothing((self.count, self.more, *self.absolute, *self.clock))
        rest = 0 if empty else self.rest
        if name not in _FIELDS or rest is None:
            refuse("SW264", call=f".{name} of a relativedelta other than the difference of two dates")
        return _FIELDS[name](self.count, rest)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if name in ("add", "sub") and (other is None or (is_scalar(other) and other.kind in _STRANGERS)):
            raise_type_error(f"unsupported operand type(s) for {symbol(name)}")
        if self.rest is not None or not _kind(other) or not (name == "add" or (name == "sub" and reflected)):
            refuse("SW264", call=f"{symbol(name)} of a relativedelta")
        return _sum(other, self if name == "add" else self._unary("neg"))

    def _unary(self, name: str) -> RelativeDelta:
        if name != "neg" or self.rest is not None:
            refuse("SW264", call=f"{name} of a relativedelta")
        return RelativeDelta(-self.count, -self.more, self.absolute, tuple(-x for x in self.clock))


def _is_nothing(parts: tuple[Any, ...]) -> bool:
    return all(type(x) is int and not x for x in parts)


def _sum(x: Any, delta: RelativeDelta) -> Any:
    """Returns a date or datetime plus a relativedelta; refuses (SW264) hours with a date, which make it a datetime."""
    parts = dict(zip(_CLOCK, delta.clock, strict=True)) if delta.clock else {}
    parts = {name: part for name, part in {"days": delta.more, **parts}.items() if is_scalar(part) or part}
    if _kind(x) == "date" and parts.keys() & {*_CLOCK}:
        refuse("SW264", call="a date and hours of a relativedelta")
    moved = _moved(x, delta.count, delta.absolute)
    return moved + TIMEDELTA_CLASS(**parts) if parts else moved


def _kind(x: Any) -> str:
    """Returns the kind of a date or datetime, "" for anything else."""
    if is_scalar(x):
        return x.kind if x.kind in ("date", "datetime", "utc") else ""  # type: ignore[no-any-return]
    return "datetime" if type(x) in _DATETIMES else "date" if type(x) in _DATES else ""


def _moved(x: Any, months: Any, absolute: tuple[int, ...] = (0, 0, 0)) -> Any:
    """Returns a date `months` later, on the last day of the month if the day does not exist there. ValueError as in Python."""
    year, month, day = (fixed or getattr(x, name) for fixed, name in zip(absolute, ("year", "month", "day"), strict=True))
    count = year * 12 + (month - 1) + months
    year, month = count // 12, count % 12 + 1
    day = STAND_INS[min](day, _days_of(year, month))
    if is_scalar(x):
        return x.replace(year=year, month=month, day=day)
    if _kind(x) == "date":
        return DATE_CLASS(year, month, day)
    return DATETIME_CLASS(year, month, day, x.hour, x.minute, x.second, x.microsecond, x.tzinfo)


def _days_of(year: Any, month: Any) -> Any:
    """Returns the number of days of a month, without a path for each case."""
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return 30 + (month + month // 8) % 2 - (month == 2) * (2 - leap * 1)


def _signed(x: Any, part: Callable[[Any], Any]) -> Any:
    """Returns a part of the absolute value, with the sign of the value."""
    return part(abs(x)) * (1 - 2 * (x < 0))


#: Field -> its value for the months and seconds of a difference.
_FIELDS: dict[str, Callable[[Any, Any], Any]] = {
    "years": lambda months, seconds: _signed(months, lambda n: n // 12),
    "months": lambda months, seconds: _signed(months, lambda n: n % 12),
    "days": lambda months, seconds: _signed(seconds, lambda n: n // _DAY),
    "hours": lambda months, seconds: _signed(seconds, lambda n: n // 3600 % 24),
    "minutes": lambda months, seconds: _signed(seconds, lambda n: n // 60 % 60),
    "seconds": lambda months, seconds: _signed(seconds, lambda n: n % 60),
}


def _difference(a: Any, b: Any) -> RelativeDelta:
    """Returns the months from `b` to `a`, as many as end before `a`, and the seconds that remain, as dateutil counts them."""
    if {_kind(a), _kind(b)} == {"date", "datetime"}:  # dateutil takes midnight of the date
        a, b = (_midnight(x) if _kind(x) == "date" else x for x in (a, b))
    if not _kind(a) or _kind(a) != _kind(b):
        refuse("SW264", call="relativedelta of other values than two dates or two datetimes")
    months = (a.year - b.year) * 12 + (a.month - b.month)
    there, before = _moved(b, months), a < b
    months = months + before * (a > there) - (1 - before * 1) * (a < there)
    rest = a - _moved(b, months)
    return RelativeDelta(months, rest=rest.days * _DAY + rest.seconds)


def _midnight(x: Any) -> Any:
    return DATETIME_CLASS(x.year, x.month, x.day) if not is_scalar(x) else datetime_values.new(datetime_values.of_date(x.value))


def _new(
    dt1: Any = None, dt2: Any = None, years: Any = 0, months: Any = 0, days: Any = 0, *, weeks: Any = 0, hours: Any = 0,
    minutes: Any = 0, seconds: Any = 0, microseconds: Any = 0, year: Any = None, month: Any = None, day: Any = None,
) -> RelativeDelta:  # fmt: skip
    if dt1 is not None and dt2 is not None:
        return _difference(dt1, dt2)
    if dt1 is not None or dt2 is not None:  # dateutil ignores a date without the other
        given = (years, months, days, weeks, hours, minutes, seconds, microseconds, year or 0, month or 0, day or 0)
        if not (_kind(dt1) or _kind(dt2)) or not _is_nothing(given):
            refuse("SW262", call=_CALL, what="one date without the other")
    for x in (years, months, days, weeks, hours, minutes, seconds, microseconds):
        if x is None:
            raise_type_error("int() argument must be a string or a real number, not 'NoneType'")
        if not is_number(x) or kind_of(x) != "int" or (is_scalar(x) and x.numpy):
            refuse("SW262", call=_CALL, what=raw(x))
    absolute = tuple(0 if x is None else x for x in (year, month, day))
    if not all(type(x) is int and 0 <= x <= most for x, most in zip(absolute, (9999, 12, 31), strict=True)):
        refuse("SW262", call=_CALL, what="a year, month or day that is not constant")
    clock = (hours, minutes, seconds, microseconds)
    return RelativeDelta(years * 12 + months, weeks * 7 + days, absolute, clock)


def _called(*args: Any, **kwargs: Any) -> RelativeDelta:
    check_form(_new, args, kwargs, _CALL)
    return _new(*args, **kwargs)


def _attribute(name: str) -> Any:
    return _called if name == "relativedelta" else refuse("SW263", name=f"dateutil.relativedelta.{name}")


_BY_OBJECT: dict[int, Any] = {
    id(relativedelta): _called, id(_module): module_stand_in(_module, "dateutil.relativedelta", _attribute)
}  # fmt: skip


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module dateutil.relativedelta or of its class, or None."""
    return _BY_OBJECT.get(id(obj))
