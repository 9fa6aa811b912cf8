"""Provides the stand-in of the module pandas: its functions, the classes Series and DataFrame, and their attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from udf_compiler.frontends.pandas import time_constants
from udf_compiler.frontends.pandas.apply.comprehensions import is_collection
from udf_compiler.frontends.pandas.apply.expanded import row_of_frame
from udf_compiler.frontends.pandas.apply.frame_loops import Located
from udf_compiler.frontends.pandas.array import TracedArray, as_array
from udf_compiler.frontends.pandas.calls import (
    categoricals,
    constant_merges,
    cuts,
    frames,
    offsets,
    queries,
    time_conversions,
)
from udf_compiler.frontends.pandas.calls.arrays import bound, called
from udf_compiler.frontends.pandas.calls.attributes import ROW_MIXING
from udf_compiler.frontends.pandas.calls.constructors import Index, make_series
from udf_compiler.frontends.pandas.calls.numpy_ import has_traced
from udf_compiler.frontends.pandas.calls.strings.convert import to_numeric as text_to_numeric
from udf_compiler.frontends.pandas.decimal_series import DecimalObjects, floats
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.python.ndarrays import holds_none, leave_none
from udf_compiler.frontends.python.numbers import make_bool
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.constants import unwrapped, wrapped
from udf_compiler.frontends.tracing.lower import run_prototype, type_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, module_stand_in
from udf_compiler.frontends.tracing.values import raw

#: Methods of a DataFrame that a compiled function may call.
FRAME_METHODS: dict[str, Callable[..., Any]] = {**frames.METHODS, "merge": constant_merges.merge, "query": queries.query}


def frame_attribute(frame: TracedFrame, name: str) -> Any:
    """Returns an attribute of a DataFrame; as in pandas, a method takes precedence over a column of that name."""
    call = f"DataFrame.{name}"
    if name == "loc" and current().group is not None:
        return current().group.frame_attribute(frame, name)
    if name in FRAME_METHODS:
        return bound(FRAME_METHODS[name], frame, call)
    if name in frames.PROPERTIES:
        return frames.PROPERTIES[name](frame)
    if name == "index":
        return Index(frame.loop)
    if name in frame.series and not hasattr(pd.DataFrame, name):
        return frame.column(name)
    if name in ("iloc", "at", "iat") and current().group is None and current().groups is None:
        return Located(frame, name)
    found = None if current().group is None else current().group.frame_attribute(frame, name)
    if found is not None:
        return found
    if current().group is not None and name in ROW_MIXING:
        refuse("SW312", call=call, what="not among the supported methods")
    refuse("SW250" if name in ROW_MIXING else "SW251", call=call)


def isna(obj: Any) -> Any:
    """Implements pd.isna of a traced value."""
    if is_scalar(obj):
        return make_bool(obj.value.loop.call("isnan", obj.value)) if obj.kind == "float" else False
    if current().group is not None and current().group.has_scalar(obj):
        return np.isnan(obj)
    if isinstance(obj, TracedSeries):
        return obj.isna()
    array = as_array(obj, "pd.isna")
    if isinstance(obj, TracedArray):
        loop = array.loop
        found = [
            loop.call("isnan", v) if v.type.is_float else loop.const(False, type_of(np.dtype(bool), "pd.isna"))
            for v in array.columns
        ]
        return TracedArray(loop, found, array.ndim, array.order)
    refuse("SW251", call="pd.isna of a DataFrame")


def notna(obj: Any) -> Any:
    """Implements pd.notna of a traced value."""
    if is_scalar(obj):
        return not isna(obj)
    return ~isna(obj)


def to_numeric(arg: Any, errors: str = "raise", downcast: Any = None) -> Any:
    """Implements pd.to_numeric; a numeric Series is returned as a shared copy, strings are parsed."""
    call = "pd.to_numeric"
    if not isinstance(arg, TracedSeries) or downcast is not None:
        refuse("SW262", call=call, what=raw(arg) if downcast is None else "the argument downcast=")
    if arg.kind is STRINGS:
        return text_to_numeric(arg, errors, call)
    if isinstance(arg.kind, DecimalObjects):
        return arg.new(floats(arg))
    arg.kind.check_numeric(call)
    arg.shared = arg.viewed = True
    return TracedSeries(arg.loop, arg.value, arg._dtype, arg.kind, shared=True, batch_dependent=arg.batch_dependent)


def _make_series(*args: Any, **kwargs: Any) -> Any:
    given = (*args, *kwargs.values())
    of_row = is_exploring() and row_of_frame(args[0] if args else None, kwargs.get("index")) is not None
    if of_row or has_traced(args) or has_traced(kwargs) or any(type(x) is Index or is_collection(x) for x in given):
        return called(make_series, "pd.Series")(*args, **kwargs)
    refuse("SW262", call="pd.Series", what="a Series of constants")  # a real Series could read and write files


def _make_frame(*args: Any, **kwargs: Any) -> Any:
    given = (*args, *kwargs.values())
    if has_traced(args) or has_traced(kwargs) or any(map(_holds_rows, given)):
        made = None if current().group is None else _frame_of_group(args, kwargs)
        return called(frames.make_frame, "pd.DataFrame")(*args, **kwargs) if made is None else made
    if is_exploring() and any(map(holds_none, given)):
        leave_none()
    refuse("SW262", call="pd.DataFrame", what="a DataFrame of constants")


def _holds_rows(x: Any) -> bool:
    """Whether x may have the elements of a loop over rows, which are constants on some paths."""
    return is_collection(x) or (type(x) is dict and any(map(is_collection, x.values())))


def _frame_of_group(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Returns the DataFrame of one row of scalars of the group, or None."""
    given = dict(zip(("data", "index", "columns"), args, strict=False)) | kwargs
    if len(args) > 3 or not given.keys() <= {"data", "index", "columns"}:
        return None
    return current().group.make_frame(given.get("data"), given.get("columns"), given.get("index"))


SeriesStandIn = class_stand_in(pd.Series, "pd.Series", _make_series)
FrameStandIn = class_stand_in(pd.DataFrame, "pd.DataFrame", _make_frame)

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "isna": isna,
    "isnull": isna,
    "notna": notna,
    "notnull": notna,
    "to_numeric": to_numeric,
    "to_datetime": time_conversions.to_datetime,
    "to_timedelta": time_conversions.to_timedelta,
    "concat": frames.concat,
    "merge": constant_merges.merge,
    "cut": cuts.cut,
    "Categorical": categoricals.categorical,
}


class Function(StandIn):
    """The stand-in of a pandas function."""

    __slots__ = ("__name__", "stands_for")
    what = "function of pandas"

    def __init__(self, name: str, real: Any) -> None:
        self.__name__, self.stands_for = name, real

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = f"pd.{self.__name__}"
        if has_traced(args) or has_traced(kwargs):
            handler = _FUNCTIONS[self.__name__]
            return called(handler, call)(*args, **kwargs)
        return wrapped(run_prototype(call, self.stands_for, *map(unwrapped, args), **kwargs), call)


class TimeFunction(Function):
    """The stand-in of pd.to_datetime or pd.to_timedelta, which converts constants to guarded times."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if has_traced(args) or has_traced(kwargs):
            return super().__call__(*args, **kwargs)
        return time_constants.converted(self.stands_for, args, kwargs)


def _function(name: str) -> Any:
    real = getattr(pd, name)
    made = Function(name, real)
    # the method, as `inspect.signature` of Python before 3.13 reads private attributes of other objects
    return class_stand_in(real, f"pd.{name}", made.__call__) if isinstance(real, type) else made


_STAND_INS = {id(getattr(pd, name)): _function(name) for name in _FUNCTIONS}
_STAND_INS |= {id(f): TimeFunction(f.__name__, f) for f in (pd.to_datetime, pd.to_timedelta)}


#: Questions of `pandas.api.types` that a Series answers by its dtype alone.
_QUESTIONS = ("is_numeric_dtype", "is_float_dtype", "is_integer_dtype", "is_bool_dtype")


def _question(real: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Returns a question about a dtype, also for a traced Series. Refuses (SW262) one whose dtype depends on the batch."""
    call = f"pd.api.types.{real.__name__}"

    def ask(arr_or_dtype: Any) -> bool:
        x = unwrapped(arr_or_dtype)
        if isinstance(x, TracedSeries) and x.kind in (NUMBERS, STRINGS):
            x = x.dtype
        elif not isinstance(x, np.dtype | type | str):
            refuse("SW262", call=call, what=raw(x))
        return bool(run_prototype(call, real, x))

    return ask


_STAND_INS |= {id(real): _question(real) for name in _QUESTIONS if (real := getattr(pd.api.types, name))}


def _type_question(name: str) -> Any:
    if name not in _QUESTIONS:
        refuse("SW263", name=f"pd.api.types.{name}")
    return _STAND_INS[id(getattr(pd.api.types, name))]


def _api(name: str) -> Any:
    if name != "types":
        refuse("SW263", name=f"pd.api.{name}")
    return _STAND_INS[id(pd.api.types)]


_STAND_INS |= {
    id(pd.api): module_stand_in(pd.api, "pd.api", _api),
    id(pd.api.types): module_stand_in(pd.api.types, "pd.api.types", _type_question),
}


def _attribute(name: str) -> Any:
    found = stand_in(getattr(pd, name, None)) if not name.startswith("_") else None
    if found is None:
        refuse("SW263", name=f"pd.{name}")
    return found


PANDAS = module_stand_in(pd, "pd", _attribute)
_STAND_INS |= {
    id(pd): PANDAS, id(pd.Series): SeriesStandIn, id(pd.DataFrame): FrameStandIn,
    id(pd.CategoricalDtype): categoricals.CategoricalDtypeStandIn,
}  # fmt: skip


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of an object of pandas, or None."""
    if isinstance(obj, pd.CategoricalDtype):
        return categoricals.Dtype(obj)
    for table in (time_constants, offsets):
        found = table.stand_in(obj)
        if found is not None:
            return found
    return _STAND_INS.get(id(obj))


__all__ = [
    "PANDAS",
    "FrameStandIn",
    "SeriesStandIn",
    "frame_attribute",
    "stand_in",
]
