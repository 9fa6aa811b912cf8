"""Selects the Python builtins that compiled functions may call, and replaces `type`, `len` and the classes of datetime.

Most builtins run unchanged: `abs`, `round`, `sum` and `float` call a method of the traced value, which records or refuses.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import operator
import typing
from typing import Any

from udf_compiler.frontends.pandas.apply.comprehensions import Mapped, Values, map_, zip_
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts, texts_of
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.row_counts import row_count
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.python.builtin_calls import STAND_INS, builtin_class
from udf_compiler.frontends.tracing.class_stand_ins import ClassStandIn, class_stand_in
from udf_compiler.frontends.tracing.constants import ConstantDate, ConstantDatetime, constant_date
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import Traced

_PURE = frozenset(
    {
        abs, all, any, bin, bool, bytes, callable, chr, complex, dict, divmod, enumerate, filter, float, format, frozenset,
        hex, int, isinstance, issubclass, iter, len, list, map, max, min, next, oct, ord, pow, range, repr, reversed, round,
        set, slice, sorted, str, sum, tuple, zip, getattr, hasattr, ArithmeticError, AttributeError, Exception, IndexError,
        KeyError, NotImplementedError, OverflowError, TypeError, ValueError, ZeroDivisionError, AssertionError, RuntimeError,
        functools.reduce, functools.partial, typing.cast, staticmethod, property,
    }
)  # fmt: skip


class _DateMeta(ClassStandIn):
    """The metaclass of the stand-ins of date and datetime: constructors and constants, but not the clock."""

    constants: frozenset[str]
    made: Any

    def __getattr__(cls, name: str) -> Any:
        if name not in cls.constants:
            refuse("SW263", name=f"{cls.label}.{name}")
        return constant_date(getattr(cls.stands_for, name)) if name in ("min", "max") else getattr(cls.made, name)


def _date(*args: Any, **kwargs: Any) -> datetime.date:
    return as_python(ConstantDate, *args, **kwargs)  # type: ignore[no-any-return]


def _datetime(*args: Any, **kwargs: Any) -> datetime.datetime:
    """Creates a naive datetime; refuses (SW263) one with a time zone."""
    if len(args) > 7 or "tzinfo" in kwargs:
        refuse("SW263", name="a datetime with a time zone")
    return as_python(ConstantDatetime, *args, **kwargs)  # type: ignore[no-any-return]


DATE = class_stand_in(
    datetime.date, "datetime.date", _date, _DateMeta, made=ConstantDate,
    constants=frozenset({"min", "max", "fromisoformat", "fromordinal", "fromisocalendar"}),
)  # fmt: skip
DATETIME_CLASS = class_stand_in(
    datetime.datetime, "datetime.datetime", _datetime, _DateMeta, made=ConstantDatetime,
    constants=frozenset({"min", "max", "fromisoformat"}),
)  # fmt: skip


class _TimedeltaMeta(ClassStandIn):
    """The metaclass of the stand-in of timedelta; its objects are ordinary constants."""

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.stands_for, name)


def _timedelta(*args: Any, **kwargs: Any) -> datetime.timedelta:
    if any(isinstance(x, Traced) for x in (*args, *kwargs.values())):
        refuse("SW262", call="datetime.timedelta", what="a value of the row")
    return as_python(datetime.timedelta, *args, **kwargs)  # type: ignore[no-any-return]


TIMEDELTA = class_stand_in(datetime.timedelta, "datetime.timedelta", _timedelta, _TimedeltaMeta)


_CLASSES = {"date": DATE, "datetime": DATETIME_CLASS, "timedelta": TIMEDELTA}


def _attribute(name: str) -> Any:
    if name not in _CLASSES:
        refuse("SW263", name=f"datetime.{name}")
    return _CLASSES[name]


DATETIME = module_stand_in(datetime, "datetime", _attribute)


def len_(x: Any) -> Any:
    """Implements len(x): the number of rows of a group in an aggregate UDF or of a batch, the length of a string of a row."""
    groups = current().groups
    if groups is not None and isinstance(x, Traced):
        return groups.length(x)
    if type(x) in (TracedSeries, TracedFrame, Values):
        return row_count(x.loop, f"len() of a {x.what}")
    return STAND_INS[len](x)


def _count(*args: Any, **kwargs: Any) -> Any:
    """Implements ``itertools.count`` of constants, which counts from 1 for True; refuses (SW262) traced arguments."""
    if any(isinstance(x, Traced) for x in (*args, *kwargs.values())):
        refuse("SW262", call="itertools.count", what="a value of the row")
    return as_python(itertools.count, *args, **kwargs)


def _has_values(x: Any) -> bool:
    return type(x) in (TracedSeries, TracedArray, TracedTexts, Values, Mapped)


def _list(x: Any) -> Any:
    """Implements ``list(x)`` of a column, or of a function that is mapped over columns."""
    return x if type(x) in (Values, Mapped) else Values(texts_of(x))


LIST = builtin_class(list, _list, _has_values)

_BY_OBJECT: dict[int, Any] = {id(len): len_, id(list): LIST, id(datetime): DATETIME, id(itertools.count): _count}
_BY_OBJECT |= {id(getattr(datetime, name)): made for name, made in _CLASSES.items()}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of a builtin, or None."""
    if id(obj) in _BY_OBJECT:
        return _BY_OBJECT[id(obj)]
    if obj is operator.attrgetter or obj is operator.methodcaller:
        return None  # they access attributes by names that the code check does not see
    try:
        known = obj in _PURE
    except TypeError:
        return None
    if known:
        return {zip: zip_, map: map_}.get(obj) or STAND_INS.get(obj, obj)
    module = getattr(obj, "__module__", None)
    return obj if callable(obj) and module in ("_operator", "operator", "itertools") else None
