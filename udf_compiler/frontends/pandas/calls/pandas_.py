"""Provides the stand-in of the module pandas: its functions, the classes Series and DataFrame, and their attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.pandas import batch_dependent as maybe
from udf_compiler.frontends.pandas import dates, time_constants
from udf_compiler.frontends.pandas.apply.comprehensions import collect, is_collection
from udf_compiler.frontends.pandas.apply.results import RowSeries
from udf_compiler.frontends.pandas.array import TracedArray, as_array
from udf_compiler.frontends.pandas.calls import (
    batch_dependent_methods,
    categoricals,
    cuts,
    frames,
    lists,
    offsets,
    series_choices,
    series_methods,
    time_conversions,
)
from udf_compiler.frontends.pandas.calls.arrays import bound, called
from udf_compiler.frontends.pandas.calls.strings import methods as text_methods
from udf_compiler.frontends.pandas.calls.strings.accessor import accessor
from udf_compiler.frontends.pandas.calls.strings.choose import texts_of
from udf_compiler.frontends.pandas.calls.strings.convert import to_numeric as text_to_numeric
from udf_compiler.frontends.pandas.frame import TracedFrame, refuse_renumbered
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import constant, text_series
from udf_compiler.frontends.python.numbers import make_bool
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.constants import unwrapped, wrapped
from udf_compiler.frontends.tracing.lower import cast, is_number, run_prototype, type_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, module_stand_in
from udf_compiler.frontends.tracing.values import Traced, raw

set_where = series_choices.set_where

#: Attributes of Series whose values depend on other rows, on the number of rows or on the index.
ROW_MIXING = frozenset(
    """size shape index empty iloc iat at head tail sample sort_values sort_index cumsum cumprod cummax cummin shift diff
    pct_change mean sum std var sem min max median mode any all prod product rank quantile unique nunique duplicated
    drop_duplicates rolling expanding ewm groupby resample describe value_counts count skew kurt kurtosis cov corr autocorr
    argmax argmin argsort idxmax idxmin nlargest nsmallest ffill bfill pad backfill interpolate dropna drop reindex align append
    explode
    factorize hasnans is_unique is_monotonic_increasing is_monotonic_decreasing first_valid_index last_valid_index searchsorted
    dot take truncate asof agg aggregate transform filter first last name axes keys items squeeze repeat reset_index
    compare update swaplevel droplevel unstack stack nbytes memory_usage flags attrs set_axis set_flags
    asfreq between_time at_time reindex_like reorder_levels""".split()
)
_VALUES = frozenset("tolist to_list to_dict to_string to_json to_csv item bool __iter__ iteritems array".split())
_IN_PLACE = frozenset("insert pop __delitem__".split())


def series_attribute(series: TracedSeries, name: str) -> Any:
    """Returns a property or a bound method of a Series, or refuses it."""
    call = f"Series.{name}"
    if series.kind == "list":
        return lists.attribute(series, name)
    if series.kind == "category":
        refuse("SW251", call=f"{call} of categories")
    if name in series_methods.OF_ANY_KIND:
        return bound(series_methods.OF_ANY_KIND[name], series, call)
    if series.kind == "text":
        methods, properties = text_methods.METHODS, text_methods.PROPERTIES
    else:
        methods, properties = series_methods.METHODS, series_methods.PROPERTIES
        if series.kind == "maybe" and name in batch_dependent_methods.METHODS:
            return bound(batch_dependent_methods.METHODS[name], series, call)
        if series.kind == "maybe" and (name in methods or name in properties):
            series = maybe.plain(series, call)
    if name in methods:
        return bound(methods[name], series, call)
    if name in properties:
        return properties[name](series)
    if series.kind == "text" and (name in series_methods.METHODS or name in series_methods.PROPERTIES):
        refuse("SW270", call=call)
    if name == "str":
        return accessor(series)
    if name == "index":
        return Index(series.loop)
    if name in ROW_MIXING:
        if current().groups is not None:
            return current().groups.series_attribute(series, name)
        refuse("SW250", call=call)
    if name in _VALUES:
        refuse("SW259", call=call)
    if name in _IN_PLACE:
        refuse("SW256", call=call)
    refuse("SW251", call=call)


class Index(StandIn):
    """The index of a traced Series; it can only be passed to pd.Series or pd.DataFrame."""

    __slots__ = ("_loop",)
    what = "Series.index"
    stands_for = pd.RangeIndex

    def __init__(self, loop: LoopBuilder) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        refuse("SW250", call=f"Series.index.{name}")

    def __bool__(self) -> bool:
        refuse("SW250", call="Series.index")

    __len__ = __iter__ = __eq__ = __getitem__ = __hash__ = __array__ = __add__ = __array_ufunc__ = lambda self, *args: refuse(
        "SW250", call="Series.index"
    )


def frame_attribute(frame: TracedFrame, name: str) -> Any:
    """Returns an attribute of a DataFrame; as in pandas, a method takes precedence over a column of that name."""
    call = f"DataFrame.{name}"
    if name in frames.METHODS:
        return bound(frames.METHODS[name], frame, call)
    if name in frames.PROPERTIES:
        return frames.PROPERTIES[name](frame)
    if name == "index":
        return Index(frame.loop)
    if name in frame.series and not hasattr(pd.DataFrame, name):
        return frame.column(name)
    refuse("SW250" if name in ROW_MIXING else "SW251", call=call)


def _check_index(data: Any, index: Any, call: str) -> None:
    """Refuses (SW250) any index but that of the data's own rows; None is allowed where it yields the same index."""
    if index is not None and type(index) is not Index:
        refuse("SW250", call=f"{call} with an index of its own")
    if index is None and isinstance(data, TracedArray):
        refuse_renumbered(data.loop, call)
    if index is not None and isinstance(data, TracedSeries | TracedArray) and data.loop is not index._loop:
        refuse("SW250", call=f"{call} with the index of other rows")


def make_series(data: Any = None, index: Any = None, dtype: Any = None, name: Any = None, copy: Any = None) -> Any:
    """Implements pd.Series(...) of a traced value, or of a scalar on a traced index."""
    call = "pd.Series"
    if is_collection(data):
        data = collect(data)
        if type(data) is RowSeries and dtype is None:
            return data
        if type(data) is RowSeries:
            return data.astype(dtype)
    _check_index(data, index, call)
    data = texts_of(data)
    if isinstance(data, TracedSeries):
        data.shared = True
        made = data.twin(shared=True)
    elif isinstance(data, TracedArray):
        if data.ndim != 1:
            refuse("SW252", call=call, error="ValueError: Data must be 1-dimensional")
        data.shared = True
        made = TracedSeries(data.loop, data.value, data.dtype, shared=True)
    elif is_number(data) and index is not None:
        return _scalar_series(index._loop, data, dtype, call)
    elif type(data) is str and index is not None and dtype in (None, object, "object", str, "str"):
        return text_series(index._loop, constant(index._loop, data, call))
    else:
        refuse("SW250", call=f"pd.Series of {raw(data)}")
    if dtype is None:
        return made
    if made.kind == "text" and (dtype is object or dtype is str or dtype in ("object", "str")):
        return made if dtype in (object, "object") else made.astype(str)
    dates.refuse_date(made, call)
    made = maybe.plain(made, call)
    wanted = run_prototype(call, lambda: pd.Series(np.ones(1, made.dtype), dtype=dtype).dtype)
    if not isinstance(wanted, np.dtype) or not np.can_cast(made.dtype, wanted, "safe"):
        refuse("SW262", call=call, what=f"dtype={dtype} for {made.dtype} values")
    return made.new(cast(made.loop, made.value, type_of(wanted, call)))


def _scalar_series(loop: LoopBuilder, value: Any, dtype: Any, call: str) -> TracedSeries:
    proto = run_prototype(call, lambda: pd.Series(value, index=range(1), dtype=dtype))
    if not isinstance(proto.dtype, np.dtype):
        refuse("SW254", call=call, type=str(proto.dtype))
    return TracedSeries(loop, loop.const(proto.iloc[0], type_of(proto.dtype, call)), proto.dtype)


def isna(obj: Any) -> Any:
    """Implements pd.isna of a traced value."""
    if is_scalar(obj):
        return make_bool(obj.value.loop.call("isnan", obj.value)) if obj.kind == "float" else False
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
    if arg.kind == "text":
        return text_to_numeric(arg, errors, call)
    dates.refuse_date(arg, call)
    arg.shared = True
    return TracedSeries(arg.loop, arg.value, arg._dtype, arg.kind, shared=True, maybe=arg.maybe)


def _make_series(*args: Any, **kwargs: Any) -> Any:
    from udf_compiler.frontends.pandas.calls.numpy_ import has_traced

    given = (*args, *kwargs.values())
    if has_traced(args) or has_traced(kwargs) or any(type(x) is Index or is_collection(x) for x in given):
        return called(make_series, "pd.Series")(*args, **kwargs)
    refuse("SW262", call="pd.Series", what="a Series of constants")  # a real Series could read and write files


def _make_frame(*args: Any, **kwargs: Any) -> Any:
    from udf_compiler.frontends.pandas.calls.numpy_ import has_traced

    if has_traced(args) or has_traced(kwargs):
        return called(frames.make_frame, "pd.DataFrame")(*args, **kwargs)
    refuse("SW262", call="pd.DataFrame", what="a DataFrame of constants")


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
        from udf_compiler.frontends.pandas.calls.numpy_ import has_traced

        call = f"pd.{self.__name__}"
        if has_traced(args) or has_traced(kwargs):
            handler = _FUNCTIONS[self.__name__]
            return called(handler, call)(*args, **kwargs)
        return wrapped(run_prototype(call, self.stands_for, *map(unwrapped, args), **kwargs), call)


class TimeFunction(Function):
    """The stand-in of pd.to_datetime or pd.to_timedelta, which converts constants to guarded times."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from udf_compiler.frontends.pandas.calls.numpy_ import has_traced

        if has_traced(args) or has_traced(kwargs):
            return super().__call__(*args, **kwargs)
        return time_constants.converted(self.stands_for, args, kwargs)



def _function(name: str) -> Any:
    real = getattr(pd, name)
    made = Function(name, real)
    return class_stand_in(real, f"pd.{name}", made) if isinstance(real, type) else made


_STAND_INS = {id(getattr(pd, name)): _function(name) for name in _FUNCTIONS}
_STAND_INS |= {id(f): TimeFunction(f.__name__, f) for f in (pd.to_datetime, pd.to_timedelta)}


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
    "Traced",
    "frame_attribute",
    "series_attribute",
    "set_where",
    "stand_in",
]
