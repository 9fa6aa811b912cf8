"""Supplies the methods and properties of each kind of Series from the tables of `calls`."""

from __future__ import annotations

from typing import Any

from udf_compiler.frontends.pandas import decimal_series, masked, string_dtype
from udf_compiler.frontends.pandas.apply.positions import Located
from udf_compiler.frontends.pandas.batch_dependent import BATCH_DEPENDENT
from udf_compiler.frontends.pandas.calls import (
    batch_dependent_methods,
    datetime_accessor,
    lists,
    membership,
    microsecond_accessor,
    series_methods,
    time_conversions,
)
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.calls.attributes import IN_PLACE, ROW_MIXING, VALUES
from udf_compiler.frontends.pandas.calls.constructors import Index
from udf_compiler.frontends.pandas.calls.periods import to_period
from udf_compiler.frontends.pandas.calls.series_choices import filled_bools
from udf_compiler.frontends.pandas.calls.strings import methods as string_methods
from udf_compiler.frontends.pandas.calls.strings import of_dtype
from udf_compiler.frontends.pandas.calls.strings.accessor import accessor
from udf_compiler.frontends.pandas.calls.time_strings import METHODS as FORMATS
from udf_compiler.frontends.pandas.calls.zoned import tz_localize
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import DATETIMES, TIMEDELTAS
from udf_compiler.frontends.pandas.kind import ARRAY_OBJECTS, BOOL_OBJECTS, CATEGORIES, UNSIGNED, SeriesKind
from udf_compiler.frontends.pandas.microseconds import MICROSECONDS, SPANS
from udf_compiler.frontends.pandas.row_counts import is_empty, row_count
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.string_dtype import STRING_DTYPE
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.session import current, refuse

_NUMERIC: dict[str, Any] = series_methods.METHODS
_TIMES: dict[str, Any] = {"isin": membership.times_isin, "clip": time_conversions.clip, "astype": time_conversions.astype}
#: Methods of a batch-dependent Series that need no guard.
_INDEPENDENT: dict[str, Any] = {**series_methods.OF_ANY_KIND, **batch_dependent_methods.METHODS}
#: Methods that do not depend on the unit of times.
_OF_ANY_UNIT = {
    name: _NUMERIC[name] for name in "isna isnull notna notnull between eq ne lt le gt ge copy rename pipe transpose".split()
}
_METHODS: dict[SeriesKind, dict[str, Any]] = {
    NUMBERS: _NUMERIC,
    BATCH_DEPENDENT: {**_NUMERIC, **_INDEPENDENT},
    STRINGS: {**series_methods.OF_ANY_KIND, **string_methods.METHODS},
    DATES: {**_NUMERIC, "isin": membership.dates_isin},
    DATETIMES: {**_NUMERIC, **_TIMES},
    TIMEDELTAS: {**_NUMERIC, **_TIMES},
    MICROSECONDS: _OF_ANY_UNIT,
    SPANS: _OF_ANY_UNIT,
    UNSIGNED: {**_NUMERIC, "astype": time_conversions.unsigned_astype},
    ARRAY_OBJECTS: lists.METHODS,
    BOOL_OBJECTS: {
        **{name: _NUMERIC[name] for name in "isna isnull notna notnull copy rename pipe".split()},
        "fillna": filled_bools,
    },
    CATEGORIES: {},
    masked.INTEGERS: {**_OF_ANY_UNIT, **masked.METHODS},
    masked.BOOLS: {**_OF_ANY_UNIT, **masked.METHODS},
    STRING_DTYPE: {
        **{name: _NUMERIC[name] for name in "isna isnull notna notnull copy rename pipe".split()},
        **{name: series_methods.OF_ANY_KIND[name] for name in ("tolist", "to_list")},
        **{name: string_methods.METHODS[name] for name in ("apply", "map")}, **string_dtype.METHODS,
    },
}
_COARSE = {**{name: series_methods.PROPERTIES[name] for name in ("T", "dtypes", "ndim")}, "dt": microsecond_accessor.accessor}
_PROPERTIES: dict[SeriesKind, dict[str, Any]] = {
    STRINGS: string_methods.PROPERTIES,
    ARRAY_OBJECTS: lists.PROPERTIES,
    BOOL_OBJECTS: {},
    CATEGORIES: {},
    MICROSECONDS: _COARSE,
    SPANS: _COARSE,
    masked.INTEGERS: {name: series_methods.PROPERTIES[name] for name in ("T", "ndim")},
    masked.BOOLS: {name: series_methods.PROPERTIES[name] for name in ("T", "ndim")},
    STRING_DTYPE: of_dtype.PROPERTIES,
}


def _supply() -> None:
    for kind, methods in _METHODS.items():
        kind.methods, kind.properties = methods, _PROPERTIES.get(kind, series_methods.PROPERTIES)
    ARRAY_OBJECTS.operator = lists.operator
    decimal_series.DecimalObjects.methods, decimal_series.DecimalObjects.properties = decimal_series.METHODS, {}
    BATCH_DEPENDENT.independent = frozenset(_INDEPENDENT)
    STRINGS.unsupported = frozenset(series_methods.METHODS) | frozenset(series_methods.PROPERTIES)
    DATETIMES.fields, TIMEDELTAS.fields = datetime_accessor.DATETIME_FIELDS, datetime_accessor.TIMEDELTA_FIELDS
    of_zones: dict[str, Any] = {"to_period": to_period, "tz_localize": tz_localize}
    DATETIMES.dt_methods = {**datetime_accessor.DATETIME_METHODS, **FORMATS, **of_zones}
    TIMEDELTAS.dt_methods = datetime_accessor.TIMEDELTA_METHODS
    TracedSeries.kinds_of_constants = (DATES, DATETIMES)


_supply()


def series_attribute(series: TracedSeries, name: str) -> Any:
    """Returns a property or a bound method of a Series, or refuses it."""
    call, kind = f"Series.{name}", series.kind
    series = kind.receiver(series, name, call)
    if name in kind.methods:
        method, group = bound(kind.methods[name], series, call), current().group
        return method if group is None else group.with_columns(method, name, series)
    if name in kind.properties:
        return kind.properties[name](series)
    if name == "str":
        return accessor(series)
    if name == "index":
        return Index(series.loop)
    if name in ROW_MIXING:
        if current().groups is not None:
            return current().groups.series_attribute(series, name)
        if current().group is not None:
            return current().group.series_attribute(series, name)
        if name == "empty":
            return is_empty(series.loop, call)
        if name in ("size", "shape"):
            count = row_count(series.loop, call)
            return count if name == "size" else (count,)
        if name == "iloc":
            return Located(series)
        refuse("SW250", call=call)
    if name in VALUES:
        refuse("SW259", call=call)
    if name in IN_PLACE:
        refuse("SW256", call=call)
    refuse("SW251", call=call)
