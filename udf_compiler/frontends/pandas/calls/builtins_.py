"""Selects the Python builtins that compiled functions may call, and replaces `len`.

Most builtins run unchanged: `abs`, `round`, `sum` and `float` call a method of the traced value, which records or refuses.
"""

from __future__ import annotations

import collections
import functools
import itertools
import operator
import types
import typing
from typing import Any

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.pandas.apply.comprehensions import Mapped, MappedList, Values, enumerate_, map_, range_, zip_
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.constructors import Index, make_series
from udf_compiler.frontends.pandas.calls.series_choices import KeptElements
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts, texts_of
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.row_counts import RowCount, row_count
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.python import bisecting
from udf_compiler.frontends.python.builtin_calls import STAND_INS, builtin_class, unbound_method
from udf_compiler.frontends.python.regions import largest as heaps
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.lower import is_number
from udf_compiler.frontends.tracing.session import current, refuse
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


def len_(x: Any) -> Any:
    """Implements len(x): the number of rows of a group in an aggregate UDF or of a batch, the length of a string of a row."""
    groups = current().groups
    if groups is not None and isinstance(x, Traced):
        return groups.length(x)
    if current().group is not None:
        x = x.alone() if type(x) is KeptElements else texts_of(x)
    group = current().group
    if group is not None and (type(x) in (TracedSeries, TracedFrame, TracedArray, Values) or group.has_length(x)):
        return group.length(x, f"len() of a {x.what}")
    if type(x) is MappedList:
        x = x.values
    if type(x) in (TracedSeries, TracedFrame, Values):
        return row_count(x.loop, f"len() of a {x.what}", _repeated)
    return STAND_INS[len](x)


def _repeated(loop: LoopBuilder, x: Any) -> Values:
    """Implements ``[x] * len(series)`` of a constant number or string."""
    if not (is_number(x) or type(x) is str):
        refuse("SW250", call="a list of a value for each row")
    return Values(make_series(x, Index(loop)))


def _count(*args: Any, **kwargs: Any) -> Any:
    """Implements ``itertools.count`` of constants, which counts from 1 for True; refuses (SW262) traced arguments."""
    if any(isinstance(x, Traced) for x in (*args, *kwargs.values())):
        refuse("SW262", call="itertools.count", what="a value of the row")
    return as_python(itertools.count, *args, **kwargs)


def _has_values(x: Any) -> bool:
    if current().group is not None and current().group.takes_lists((x,)):  # type: ignore[union-attr]
        return True
    return type(x) in (TracedSeries, TracedArray, TracedTexts, Values, Mapped, MappedList)


def _list(x: Any) -> Any:
    """Implements ``list(x)`` of a column, of a function that is mapped over columns, or of a list of a group."""
    group = current().group
    if group is not None and type(x) not in (Mapped, MappedList, Values, TracedSeries, TracedArray) and group.takes_lists((x,)):
        return group.of_lists("list", (x,), {})
    if type(x) is Mapped:
        made = MappedList(x)
        made.results()  # now: the function may read variables that change later, and it may raise
        return made
    return x if type(x) in (Values, MappedList) else Values(texts_of(x))


def _is_of_group(x: Any) -> bool:
    group = current().group
    return group is not None and group.takes_lists((x,))


def _of_group(name: str, x: Any) -> Any:
    """Implements ``set(x)`` and ``Counter(x)`` of a list of the values of a group."""
    return current().group.of_lists(name, (x,), {})


LIST = builtin_class(list, _list, _has_values)
SET = builtin_class(set, functools.partial(_of_group, "set"), _is_of_group)
COUNTER = builtin_class(collections.Counter, functools.partial(_of_group, "Counter"), _is_of_group)


def _range(*args: Any) -> Any:
    """Implements ``range`` up to the number of rows of a group or of a batch, or to an int of the row."""
    group = current().group
    if group is not None and any(group.has_scalar(x) for x in args):
        return group.range(*args)
    if any(type(x) is RowCount for x in args):
        return range_(*args)
    return STAND_INS[range](*args)


RANGE = class_stand_in(range, "range", _range)
_BY_OBJECT: dict[int, Any] = {
    id(len): len_, id(list): LIST, id(set): SET, id(range): RANGE, id(itertools.count): _count, id(collections.Counter): COUNTER,
    **bisecting.STAND_INS, **heaps.STAND_INS,
}  # fmt: skip


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of a builtin, or None."""
    if id(obj) in _BY_OBJECT:
        return _BY_OBJECT[id(obj)]
    if type(obj) is types.MethodDescriptorType:
        method = unbound_method(obj)
        return None if method is obj else method
    if obj is operator.attrgetter or obj is operator.methodcaller:
        return None  # they access attributes by names that the code check does not see
    try:
        known = obj in _PURE
    except TypeError:
        return None
    if known:
        return {zip: zip_, map: map_, enumerate: enumerate_}.get(obj) or STAND_INS.get(obj, obj)
    module = getattr(obj, "__module__", None)
    return obj if callable(obj) and module in ("_operator", "operator", "itertools") else None
