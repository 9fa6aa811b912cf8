"""Lowers isin, and map with a dict, to IR lookup tables; checks each table against the installed pandas when tracing.

The check compares the results on the keys and their neighbouring values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import IsIn, Lookup
from sparkweld.ir.types import BOOL, DATE, F64, I64, STR, Type, of_dtype
from udf_compiler.frontends.pandas import dates, datetimes
from udf_compiler.frontends.pandas.apply.elementwise import apply_function
from udf_compiler.frontends.pandas.apply.results import RowSeries
from udf_compiler.frontends.pandas.array import TracedArray, as_array
from udf_compiler.frontends.pandas.calls import list_tables
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import is_missing, text_series
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.large_dicts import is_dict
from udf_compiler.frontends.tracing.lower import BY_VALUE, constant_of, is_number, run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.utf8 import check_text
from udf_compiler.frontends.tracing.values import Traced, raw

#: Maximum number of table entries that a kernel stores.
TABLE_LIMIT = 10_000


def series_isin(series: TracedSeries, values: Any) -> TracedSeries:
    """Implements Series.isin: NaN matches NaN among `values`; numbers compare equal across types."""
    call, values = "Series.isin", constant_of(values)
    series.kind.check_numeric(call)
    keys = _keys(values, call)
    numbers = _numbers(keys, call)
    loop, value = series.loop, series.value
    # pandas compares a list with a signed integer Series in their common dtype, and with any other Series as objects.
    # It always compares an array in the common dtype.
    as_objects = isinstance(values, list | tuple | set | frozenset | dict) and not value.type.is_int
    wide: np.dtype | None
    if as_objects:
        wide = np.dtype(np.float64) if all(abs(k) <= 2**53 for k in numbers if k == k) else None
    else:
        target = np.asarray(keys).dtype if len(keys) else value.type.dtype
        wide = np.dtype(np.bool_) if target == value.type.dtype == np.bool_ else np.result_type(target, value.type.dtype)
    type = None if wide is None else of_dtype(wide)
    if type is None:
        refuse("SW262", call=call, what="a mix of values")
    result = _in_table(loop, value, [k for k in numbers if k == k], type)
    if value.type.is_float and any(k != k for k in numbers):
        result = loop.call("logical_or", result, loop.call("isnan", value))
    probe = _probe(numbers, value.type)
    wanted = run_prototype(call, lambda: pd.Series(probe).isin(values).to_numpy())
    table = np.asarray([k for k in numbers if k == k], type.dtype)
    got = np.isin(probe.astype(type.dtype), table) | (
        np.isnan(probe) & any(k != k for k in numbers) if value.type.is_float else False
    )
    if not np.array_equal(wanted, got):
        refuse("SW262", call=call, what="a mix of values that pandas compares in its own way")
    return series.new(result)


def dates_isin(series: TracedSeries, values: Any) -> TracedSeries:
    """Implements Series.isin of dates."""
    call, values = "Series.isin", constant_of(values)
    keys = list(values) if isinstance(values, list | tuple | set | frozenset) else None
    if keys is None or not all(map(dates.is_date, keys)):
        refuse("SW264", call=call)
    dates.settle(series)
    loop = series.loop
    found = loop.emit(IsIn.of([dates.days(k) for k in keys], DATE), loop.value_of(series.value))
    return series.new(loop.call("logical_and", found, loop.is_valid(series.value)))


def times_isin(series: TracedSeries, values: Any) -> TracedSeries:
    """Implements isin of a list of times of the Series' own kind; NaT never matches, as the list has no missing value."""
    call, values = "Series.isin", constant_of(values)
    keys = list(values) if isinstance(values, list | tuple | set | frozenset) else []
    found = [datetimes.constant(constant_of(k), call) for k in keys]
    if not found or any(f is None or datetimes.kind_of(f) is not series.kind for f in found):
        refuse("SW262", call=call, what="anything but a list of times")
    proto = datetimes.proto(series)
    given = [datetimes.plain(unwrapped(k)) for k in keys]
    wanted = run_prototype(call, lambda: pd.concat([proto, pd.Series(found, dtype=series.dtype)]).isin(given))
    if list(wanted[1:]) != [True] * len(found):
        refuse("SW262", call=call, what="times that pandas compares in its own way")
    loop = series.loop
    member = loop.emit(IsIn.of([f._value for f in found if f is not None], I64), loop.value_of(series.value))
    return datetimes.bools(series, member)


def numpy_isin(element: Any, test_elements: Any) -> TracedArray:
    """Implements np.isin: compares in the common dtype; NaN never matches."""
    call = "np.isin"
    if not isinstance(element, Traced):
        refuse("SW250", call=call)
    x = as_array(element, call)
    if not isinstance(test_elements, list | tuple | np.ndarray):
        refuse("SW262", call=call, what=raw(test_elements))
    keys = np.asarray(test_elements)
    if keys.dtype.kind not in "biuf" or keys.size > TABLE_LIMIT or keys.size == 0:
        refuse("SW262", call=call, what=f"a table of {keys.size} values of type {keys.dtype}")
    type = of_dtype(np.result_type(keys.dtype, x.dtype))
    if type is None:
        refuse("SW262", call=call, what=f"a table of type {keys.dtype}")
    keys = keys.ravel().astype(type.dtype)
    if BY_VALUE and x.dtype == np.float32 and not np.array_equal(keys.astype(np.float32), keys, equal_nan=True):
        refuse("SW251", call=f"{call} of keys that NumPy before 2 rounds to float32, depending on the number of rows,")
    columns = [_in_table(x.loop, v, list(keys[keys == keys]), type) for v in x.columns]
    return TracedArray(x.loop, columns, x.ndim, x.order)


def _in_table(loop: LoopBuilder, value: Value, keys: list[Any], type: Type) -> Value:
    if type == BOOL:
        members = {bool(k) for k in keys}
        return loop.select(value, loop.const(True in members, BOOL), loop.const(False in members, BOOL))
    return loop.emit(IsIn.of(np.asarray(keys, type.dtype), type), loop.cast(value, type))


def _keys(values: Any, call: str) -> Any:
    if isinstance(values, pd.Series | pd.Index):
        values = values.to_numpy()
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            refuse("SW262", call=call, what="an array of several dimensions")
        return values
    if not isinstance(values, list | tuple | set | frozenset | dict | range):
        refuse("SW262", call=call, what=raw(values))
    return list(values)


def _numbers(keys: Any, call: str) -> list[Any]:
    numbers = [k.item() if isinstance(k, np.generic) else k for k in keys]
    if len(numbers) > TABLE_LIMIT or not all(map(is_number, numbers)):
        refuse("SW262", call=call, what=f"{len(numbers)} values that are not all numbers")
    if any(isinstance(n, int) and not -(2**63) <= n < 2**63 for n in numbers):
        refuse("SW262", call=call, what="an integer beyond 64 bits")
    return numbers


def _probe(numbers: list[Any], type: Type) -> np.ndarray:
    """Returns the values at which a table of `numbers` may change its result: keys, their neighbours, zeros, NaN, extremes."""
    if type == BOOL:
        return np.array([False, True])
    if type.is_float:
        with np.errstate(all="ignore"):
            keys = np.asarray([float(n) for n in numbers], np.float64).astype(type.dtype)
            extra = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 0.5, 1.0], type.dtype)
            return np.concatenate(
                [keys, np.nextafter(keys, type.dtype.type(np.inf)), np.nextafter(keys, type.dtype.type(-np.inf)), extra]
            )
    info = np.iinfo(type.dtype)
    around = {int(n) + d for n in numbers if np.isfinite(n) for d in (-1, 0, 1)} | {0, 1, info.min, info.max}
    return np.array(sorted(n for n in around if info.min <= n <= info.max), type.dtype)


def series_map(series: TracedSeries, arg: Any, na_action: Any = None) -> TracedSeries | RowSeries:
    """Implements Series.map with a dict or a Series of constants, or with a function of each value.

    A row without a key becomes NaN. Float values keep their dtype then; for other values the dtype would depend on the batch,
    so such rows are guarded.
    """
    call, arg = "Series.map", constant_of(arg)
    if callable(arg) and not isinstance(arg, np.ufunc) and na_action in (None, "ignore"):
        return apply_function(series, arg, call, ignore_missing=na_action == "ignore")
    if na_action is not None:
        refuse("SW262", call=call, what="the argument na_action=")
    series.kind.check_numeric(call)
    if not isinstance(arg, pd.Series) and not is_dict(arg):
        refuse("SW251", call=f"Series.map with {raw(arg)}")
    mapper = arg if isinstance(arg, pd.Series) else run_prototype(call, lambda: pd.Series(arg, dtype=None if arg else np.float64))
    if len(mapper) > TABLE_LIMIT or not mapper.index.is_unique:
        refuse("SW262", call=call, what=f"a table of {len(mapper)} keys")
    numbers = _numbers(list(mapper.index), call)
    if mapper.dtype == object and numbers:
        return _map_to_texts(series, mapper, call)
    value_type = of_dtype(mapper.dtype) if isinstance(mapper.dtype, np.dtype) else None
    if value_type is None:
        refuse("SW254", call=call, type=str(mapper.dtype))
    loop, value = series.loop, series.value
    probe = _probe(numbers, value.type)
    proto = pd.Series(probe)
    wanted = run_prototype(call, lambda: np.array([proto.iloc[[i]].map(arg).iloc[0] for i in range(len(probe))], np.float64))
    present = run_prototype(call, lambda: mapper.index.get_indexer(pd.Index(probe)) >= 0)
    if value.type == BOOL:
        return _map_bool(series, mapper, present, value_type, call)
    common = np.result_type(mapper.index.dtype, value.type.dtype) if mapper.index.dtype.kind in "if" else None
    key_type = {np.dtype(np.float64): F64, np.dtype(np.int64): I64}.get(common) if common is not None else None
    if key_type is None:
        refuse("SW262", call=call, what=f"keys of type {mapper.index.dtype}")
    values = mapper.to_numpy()
    pairs = {k: v for k, v in zip(numbers, values, strict=True) if k == k}
    if len({key_type.dtype.type(k) for k in pairs}) != len(pairs):
        refuse("SW262", call=call, what="keys that are equal as floats")
    table = Lookup.of(pairs, key_type, value_type)
    found = loop.emit(table, loop.cast(value, key_type))
    result, valid = loop.value_of(found), loop.is_valid(found)
    nans = [v for k, v in zip(numbers, values, strict=True) if k != k]
    if nans and key_type.is_float:
        at = loop.call("isnan", loop.cast(value, key_type))
        result = loop.select(at, loop.const(nans[0], value_type), result)
        valid = loop.call("logical_or", valid, at)
    _check_map(table, nans, probe, wanted, present, key_type, call)
    if value_type.is_float:
        return series.new(loop.select(valid, result, loop.const(np.nan, value_type)))
    loop.guard(valid)
    return series.new(result)


def _map_to_texts(series: TracedSeries, mapper: pd.Series, call: str) -> Any:
    """Maps numbers to strings or lists: looks up the key's position in a float table, then the value at that position."""
    if list_tables.are_lists(mapper.tolist()):
        return list_tables.chosen(series.loop, mapper.tolist(), *_position(series, mapper), call)
    known = {at: v for at, v in enumerate(mapper.tolist()) if not is_missing(v)}
    if not all(type(v) is str for v in known.values()):
        refuse("SW262", call=call, what="values of several types")
    texts: dict[object, object] = {at: check_text(v, call) for at, v in known.items()}
    loop, (at, there) = series.loop, _position(series, mapper)
    found = loop.emit(Lookup.of(texts, I64, STR), at)
    valid = loop.call("logical_and", there, loop.is_valid(found))
    nones = any(v is None for v in mapper.tolist())
    return text_series(loop, loop.optional(loop.value_of(found), valid), Missing(none=nones, nan=True))


def _position(series: TracedSeries, mapper: pd.Series) -> tuple[Value, Value]:
    """Returns the position of the row's key, 0 where there is none, and whether there is one."""
    positions, loop = series_map(series, pd.Series(np.arange(len(mapper), dtype=np.float64), index=mapper.index)), series.loop
    there = loop.call("logical_not", loop.call("isnan", positions.value))
    return loop.cast(loop.select(there, positions.value, loop.const(0.0, F64)), I64), there


def _map_bool(series: TracedSeries, mapper: pd.Series, present: np.ndarray, type: Type, call: str) -> TracedSeries:
    loop = series.loop
    if not type.is_float and not present.all():
        refuse("SW255", call=call, when="a value without a key is", advice="Give both keys, or float values.")
    proto = run_prototype(call, lambda: pd.Series([False, True]).map(mapper))
    if proto.dtype != type.dtype:
        refuse("SW255", call=call, when="a value without a key is", advice="Give both keys, or float values.")
    return series.new(loop.select(series.value, loop.const(proto[1], type), loop.const(proto[0], type)))


def _check_map(
    table: Lookup,
    nans: list[Any],
    probe: np.ndarray,
    wanted: np.ndarray,
    present: np.ndarray,
    key_type: Type,
    call: str,
) -> None:
    """Refuses (SW262) a table whose results on the probe differ from those of pandas."""
    with np.errstate(all="ignore"):
        found = table.evaluate(probe.astype(key_type.dtype))
        got = np.where(found.valid, found.values, np.nan).astype(np.float64)  # type: ignore[union-attr]
        if nans:
            got = np.where(probe != probe, np.float64(nans[0]), got)
        known = found.valid | ((probe != probe) & bool(nans))  # type: ignore[union-attr]
    if not (np.array_equal(got, wanted, equal_nan=True) and np.array_equal(known, present)):
        refuse("SW262", call=call, what="keys that pandas compares in its own way")
