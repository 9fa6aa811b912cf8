"""Represents dateutil.parser.parse of strings of the row: common forms of ISO 8601, and 31/12/2024 with - or /, with a time.

Other rows run in Python. These forms have a year of four digits, so dateutil takes no field from the current date. Where two
numbers up to 12 remain, `dayfirst` decides which one is the day. It does so after a year, too: 2024-03-05 is the 3rd of May then.
"""

from __future__ import annotations

from typing import Any

from dateutil import parser as _module  # type: ignore[import-untyped]

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.ops.calendar import DatePart
from sparkweld.ir.types import I32, I64
from udf_compiler.frontends.python import datetime_values
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.durations import DAY
from udf_compiler.frontends.python.operands import as_text, is_text, raise_type_error
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.civil import days_of_date
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import raw

_CALL = "dateutil.parser.parse"


#: The clock after a date; "" for midnight.
_CLOCKS = ("", " %H:%M", " %H:%M:%S")


def _parse(timestr: Any, *, dayfirst: Any = None) -> Any:
    """Returns the time of a string; refuses an option of the row."""
    if dayfirst is not None and type(dayfirst) is not bool:
        refuse("SW262", call=_CALL, what="dayfirst that is not constant")
    if timestr is None or (is_scalar(timestr) and not timestr.is_list and not is_text(timestr)):
        raise_type_error("Parser must be a string or character stream")
    if not is_text(timestr):
        refuse("SW262", call=_CALL, what=raw(timestr))
    run, loop, text = explorer(), explorer().loop, as_text(timestr)
    found = _from_iso(text, bool(dayfirst))
    orders = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y")
    for order in orders if dayfirst else orders[::-1]:  # the second one where a number over 12 is no month
        for mark in "/-":
            for clock in _CLOCKS:
                other = loop.emit(StrCall("strptime", (order.format(mark) + clock,)), text)
                found = loop.select(loop.is_valid(found), found, other)
    run.guard(both(loop, loop.emit(StrCall("is_ascii"), text), loop.is_valid(found)))
    return datetime_values.new(loop.value_of(found))


def _from_iso(text: Value, dayfirst: bool) -> Value:
    """Parses a form of ISO 8601, else NULL. `dayfirst`: the second number is the day if the third can be a month."""
    loop = text.loop
    found = loop.emit(StrCall("parse_iso"), text)
    if not dayfirst:
        return found
    value = loop.value_of(found)
    days = loop.cast(datetime_values.date_of(value), I32)
    year, month, day = (loop.cast(loop.emit(DatePart(part), days), I64) for part in ("year", "month", "day"))
    least = loop.call("minimum", day, loop.const(12, I64))
    moved = loop.call("subtract", days_of_date(loop, year, least, month), loop.cast(days, I64))
    swapped = loop.call("add", value, loop.call("multiply", moved, loop.const(DAY, I64)))
    is_month = loop.call("less_equal", day, loop.const(12, I64))
    return loop.optional(loop.select(is_month, swapped, value), loop.is_valid(found))


def _called(*args: Any, **kwargs: Any) -> Any:
    check_form(_parse, args, kwargs, _CALL)
    return _parse(*args, **kwargs)


def _attribute(name: str) -> Any:
    return _called if name == "parse" else refuse("SW263", name=f"dateutil.parser.{name}")


_BY_OBJECT: dict[int, Any] = {id(_module.parse): _called, id(_module): module_stand_in(_module, "dateutil.parser", _attribute)}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module dateutil.parser or of its function parse, or None."""
    return _BY_OBJECT.get(id(obj))
