"""Finds the object that a compiled function sees in place of a library's module, class or function."""

from __future__ import annotations

import datetime
from typing import Any

from udf_compiler.frontends.pandas.calls import builtins_, math_, numpy_module, pandas_, re_, scipy_, statsmodels_
from udf_compiler.frontends.python import (
    data_types,
    date_parsers,
    decimal_methods,
    dict_classes,
    digest_calls,
    hmac_calls,
    ip_calls,
    json_calls,
    library_calls,
    literal_calls,
    output_calls,
    relative_times,
    row_class,
    statistics_calls,
    struct_calls,
    time_classes,
    url_calls,
    vector_classes,
    zone_classes,
)
from udf_compiler.frontends.tracing.constants import ConstantDate, ConstantDatetime, unwrapped
from udf_compiler.frontends.tracing.large_dicts import LARGE
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, exact_class
from udf_compiler.frontends.tracing.values import raw
from udf_compiler.function.libraries import is_library

#: Guarded subclass of a constant -> the class that it represents.
_GUARDED: dict[type, type] = {ConstantDate: datetime.date, ConstantDatetime: datetime.datetime, **LARGE}

#: Py_TPFLAGS_HEAPTYPE.
_MADE_IN_PYTHON = 1 << 9


#: SciPy is before NumPy, whose table takes any ufunc.
_TABLES = (
    *(scipy_, numpy_module, pandas_, math_, re_, builtins_, time_classes, output_calls, digest_calls, url_calls, json_calls),
    *(statsmodels_, literal_calls, library_calls, dict_classes, vector_classes, row_class, statistics_calls, data_types),
    *(relative_times, date_parsers, decimal_methods, zone_classes, hmac_calls, ip_calls, struct_calls),
)


def stand_in(obj: Any) -> Any:
    """Returns the stand-in that a compiled function sees in place of `obj`; None when `obj` is not allowed."""
    if obj is type:
        return type_
    for table in _TABLES:
        found = table.stand_in(obj)
        if found is not None:
            return found
    return None


def type_(x: Any, *rest: Any) -> type:
    """Implements type(x); returns the stand-in class of a traced value, so that ``type(x) is pd.Series`` holds as in Spark."""
    if rest:
        refuse("SW263", name="type() with three arguments")
    kind = _GUARDED.get(type(x)) or type(unwrapped(x))
    if issubclass(kind, StandIn):
        kind = exact_class(x)
    found = stand_in(kind)
    if found is None and (kind.__flags__ & _MADE_IN_PYTHON or kind is type(None)) and not is_library(kind):
        return kind  # a rebuilt user class, or NoneType
    if found is None:
        refuse("SW263", name=f"type() of {raw(x)}")
    return found  # type: ignore[no-any-return]
