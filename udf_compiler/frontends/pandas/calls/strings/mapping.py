"""Applies a function to each string of a Series and handles missing elements, for all methods of `Series.str`."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkweld.ir import Value
from udf_compiler.frontends.pandas.batch_dependent import batch_dependent_series
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.strings import optional, str_call, text_series, validity
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.utf8 import check_text
from udf_compiler.frontends.tracing.values import raw

#: Maximum length of a string: the batch of a column is smaller than 2 GiB.
LONGEST = 2**31

#: Marks the argument `na` as not given, like pandas' `lib.no_default`.
NOT_GIVEN = object()


def strings(series: Any, fn: str, *params: Any) -> Any:
    """Applies a function from string to string to each string."""
    return with_value(series, str_call(series.loop, fn, plain(series), params=params))


def with_value(series: Any, value: Value) -> Any:
    """Returns the Series of `value` where `series` has strings; missing elements stay unchanged."""
    loop = series.loop
    return text_series(loop, optional(loop, value, validity(loop, series.value)), series.missing.kept())


def integers(series: Any, value: Value, bound: int = 2 * LONGEST) -> Any:
    """Returns a Series of an i64 value for each string: int64, float64 if some are missing, object if all are."""
    return batch_dependent_series(series.loop, value, validity(series.loop, series.value), Missing(), void=True, bound=bound)


def bools(series: Any, value: Value, na: Any, call: str) -> Any:
    """Returns a Series of a bool for each string, and `na` for each missing element."""
    loop, valid = series.loop, validity(series.loop, series.value)
    if na is NOT_GIVEN or na is np.nan:  # pandas compares `na` by identity: the missing element stays unchanged
        return batch_dependent_series(loop, value, valid, series.missing.kept())
    if na is None:
        return batch_dependent_series(loop, value, valid, Missing(none=True))
    if type(na) is not bool:
        refuse("SW262", call=call, what=f"na={raw(na)}")
    return series.new(value if valid is None else loop.select(valid, value, loop.const(na, value.type)))


def plain(series: Any) -> Value:
    """Returns the string of each row, empty where missing."""
    value: Value = series.loop.value_of(series.value)
    return value


def known_text(x: Any, call: str) -> str:
    """Checks that `x` is a constant string and returns it. Refuses SW262 and SW270."""
    if type(x) is not str:
        refuse("SW262", call=call, what=f"{raw(x)} where a constant string is expected")
    return check_text(x, call)


def known_int(x: Any, call: str) -> int:
    """Checks that `x` is a constant integer below 2**62 in magnitude and returns it. Refuses SW262."""
    if (type(x) is not int and not isinstance(x, np.integer)) or not -(2**62) < x < 2**62:
        refuse("SW262", call=call, what=f"{raw(x)} where a constant integer is expected")
    return int(x)


def known_bound(x: Any, call: str) -> int | None:
    """Returns the bound of a slice: a constant integer or None. Refuses SW262."""
    return None if x is None else known_int(x, call)
