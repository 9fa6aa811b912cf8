"""Implements functions of the modules calendar, os.path and unicodedata for values of the row, and gc without effect.

Calls with constants run the functions themselves. Names of months and days are those of the locale C.
"""

from __future__ import annotations

import calendar
import gc
import os.path
import unicodedata
from collections.abc import Callable
from enum import Enum
from typing import Any, NoReturn

from sparkweld.ir import Value
from sparkweld.ir.ops import Lookup, StrCall
from sparkweld.ir.types import I64, STR
from udf_compiler.frontends.python.library_modules import module_of
from udf_compiler.frontends.python.operands import is_number, is_text, kind_of, make_int, make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, in_place
from udf_compiler.frontends.tracing.values import raw

_FORMS = ("NFC", "NFD", "NFKC", "NFKD")


def _checked_ints(call: str, *numbers: Any) -> None:
    for x in numbers:
        if not is_number(x) or kind_of(x) != "int":
            refuse("SW262", call=call, what=raw(x))


def _is_leap(year: Any) -> Any:
    _checked_ints("calendar.isleap", year)
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


class Day(StandIn):
    """The weekday that calendar.monthrange returns first. It may only be ignored: from Python 3.12 on it is an enum."""

    __slots__ = ()
    what = "weekday of calendar.monthrange"
    stands_for = type(calendar.monthrange(2024, 1)[0])
    of_instances = frozenset({"name", "value"}) if issubclass(stands_for, Enum) else frozenset()

    def __getattr__(self, name: str) -> NoReturn:
        refuse("SW263", name=f"the {self.what}")


class Collected(StandIn):
    """The number that gc.collect returns. It may only be ignored: it depends on everything else in the process."""

    __slots__ = ()
    what = "result of gc.collect"
    stands_for = int


def _collect(generation: int = 2) -> Collected:
    """Implements gc.collect, which changes no value that a function can read."""
    if type(generation) is not int or not 0 <= generation <= 2:
        refuse("SW262", call="gc.collect", what=raw(generation))
    return Collected()


def _month_range(year: Any, month: Any) -> tuple[Any, Any]:
    _checked_ints("calendar.monthrange", year, month)
    if not 1 <= month <= 12:
        raise in_place(calendar.IllegalMonthError(13))
    if month == 2:
        return Day(), 29 if _is_leap(year) else 28
    return Day(), 30 + (month + month // 8) % 2


def _text(x: Any, call: str) -> Value:
    if not (is_scalar(x) and is_text(x)):
        refuse("SW262", call=call, what=raw(x))
    return x.value  # type: ignore[no-any-return]


def _normalize(form: Any, unistr: Any) -> Any:
    """Implements unicodedata.normalize of an ASCII string, which every form leaves unchanged; guards other rows."""
    text = _text(unistr, "unicodedata.normalize")
    if form not in _FORMS:
        refuse("SW262", call="unicodedata.normalize", what=raw(form))
    explorer().guard(explorer().loop.emit(StrCall("is_ascii"), text))
    return unistr


def _property(name: str) -> Callable[[Any], Any]:
    """Returns a function of one character, for ASCII; guards other rows."""
    real = getattr(unicodedata, name)
    known: dict[object, object] = {chr(code): real(chr(code)) for code in range(128)}
    is_int = isinstance(known["a"], int)
    table = Lookup.of(known, STR, I64 if is_int else STR)

    def of_character(chr: Any, /) -> Any:
        loop = explorer().loop
        found = loop.emit(table, _text(chr, f"unicodedata.{name}"))
        explorer().guard(loop.is_valid(found))
        return make_int(loop.value_of(found)) if is_int else make_text(loop.value_of(found))

    return of_character


def _base_name(p: Any) -> Any:
    _text(p, "os.path.basename")
    return p[p.rfind("/") + 1 :]


def _folder(p: Any) -> Any:
    _text(p, "os.path.dirname")
    head = p[: p.rfind("/") + 1]
    bare = head.rstrip("/")
    return bare if bare else head


def _split_extension(p: Any) -> tuple[Any, Any]:
    """Implements os.path.splitext: dots at the start of the file's name begin no extension."""
    _text(p, "os.path.splitext")
    begin, dot = p.rfind("/") + 1, p.rfind(".")
    if dot >= begin and p[begin:dot].lstrip("."):
        return p[:dot], p[dot:]
    return p, ""


def _joined(a: Any, *p: Any) -> Any:
    for part in (a, *p):
        if not is_text(part):
            refuse("SW262", call="os.path.join", what=raw(part))
    for part in p:
        if part.startswith("/"):
            a = part
        else:
            a = a + part if not a or a.endswith("/") else a + "/" + part
    return a


_NAMES = {name: tuple(map(str, getattr(calendar, name))) for name in ("month_name", "month_abbr", "day_name", "day_abbr")}
_PATHS: dict[str, Callable[..., Any]] = {
    "basename": _base_name, "dirname": _folder, "splitext": _split_extension, "join": _joined,
}  # fmt: skip

_BY_OBJECT = module_of(calendar, "calendar", {"isleap": _is_leap, "monthrange": _month_range}, _NAMES)
_BY_OBJECT |= module_of(
    unicodedata,
    "unicodedata",
    {"normalize": _normalize, "category": _property("category"), "combining": _property("combining")},
    {},
)
_BY_OBJECT |= module_of(os.path, "os.path", _PATHS, {})
_BY_OBJECT |= module_of(gc, "gc", {}, {"collect": _collect})
_BY_OBJECT |= module_of(os, "os", {}, {"path": _BY_OBJECT[id(os.path)]})


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of one of the modules or of its function, or None."""
    return _BY_OBJECT.get(id(obj))


__all__ = ["Collected", "Day", "stand_in"]
