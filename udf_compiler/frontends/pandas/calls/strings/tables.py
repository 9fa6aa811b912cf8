"""Lowers isin, map with a dict, and replace of strings to lookup tables of constants."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import Type, Value
from sparkweld.ir.ops import IsIn, KeyTable, Lookup
from sparkweld.ir.types import BOOL, F64, I64, STR
from udf_compiler.frontends.pandas.apply.elementwise import apply_function
from udf_compiler.frontends.pandas.batch_dependent import batch_dependent_series
from udf_compiler.frontends.pandas.calls import list_tables
from udf_compiler.frontends.pandas.calls.strings.mapping import known_text, plain
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.strings import is_missing, optional, some_string, text_series, validity
from udf_compiler.frontends.tracing.large_dicts import is_dict
from udf_compiler.frontends.tracing.lower import constant_of, run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw, refuse_in_place

#: Maximum number of keys in a kernel's code; larger tables are stored in a constant block.
CODE_LIMIT = 10_000
#: Maximum number of table entries; a UDF with a larger table runs in Python.
TABLE_LIMIT = 5_000_000

#: Maximum magnitude of a mapped integer: exact in float64, which is the dtype of a batch with an unmapped string.
_EXACT = 2**53


def isin(s: Any, values: Any) -> Any:
    """Implements Series.isin with constants that are strings or missing: None matches None, and NaN matches NaN."""
    call, values = "Series.isin", constant_of(values)
    containers = (list, tuple, set, frozenset, dict, pd.Series, pd.Index, np.ndarray)
    if isinstance(values, Traced) or not isinstance(values, containers):
        refuse("SW262", call=call, what=raw(values))
    keys = [str(v) if isinstance(v, np.str_) else v for v in values]
    if len(keys) > TABLE_LIMIT:
        refuse("SW262", call=call, what=f"{len(keys)} values")
    if not all(type(k) is str or is_missing(k) for k in keys):
        refuse("SW262", call=call, what="values that are not strings")
    loop = s.loop
    texts = [known_text(k, call) for k in keys if type(k) is str]
    found = _is_key(s, texts) if texts else loop.const(False, BOOL)
    valid = validity(loop, s.value)
    if valid is None:
        return s.new(found)
    return s.new(loop.select(valid, found, loop.const(len(texts) < len(keys) and _missing_is_in(s, values, call), BOOL)))


def _is_key(s: Any, texts: list[str]) -> Value:
    loop, distinct = s.loop, dict.fromkeys(texts)
    if len(distinct) <= CODE_LIMIT:
        return loop.emit(IsIn.of(texts, STR), plain(s))
    return loop.call("greater_equal", loop.emit(KeyTable.of(list(distinct)), plain(s)), loop.const(0, I64))


def _missing_is_in(s: Any, values: Any, call: str) -> bool:
    """Whether a missing element matches values with a missing one; calls pandas for each kind that the Series may have."""
    some_string(s)
    kinds = [x for x, may in ((None, s.missing.none), (np.nan, s.missing.nan)) if may]
    found = {bool(run_prototype(call, lambda x=x: pd.Series(["", x], dtype=object).isin(values).iloc[1])) for x in kinds}
    if len(found) > 1:
        refuse("SW262", call=call, what="None and NaN, of which only one is among the values,")
    return found == {True}


def map_(s: Any, arg: Any, na_action: Any = None) -> Any:
    """Implements Series.map with a dict, a Series of constants or a function; a string without a key becomes NaN."""
    call, arg = "Series.map", constant_of(arg)
    if na_action not in (None, "ignore"):
        refuse("SW262", call=call, what=f"na_action={raw(na_action)}")
    if not is_dict(arg) and not isinstance(arg, pd.Series):
        if not callable(arg) or isinstance(arg, Traced | np.ufunc):
            refuse("SW251", call=f"{call} with {raw(arg)}")
        return apply_function(s, arg, call, ignore_missing=na_action == "ignore")
    mapper = arg if isinstance(arg, pd.Series) else run_prototype(call, lambda: pd.Series(arg, dtype=None if arg else np.float64))
    keys = list(mapper.index)
    if len(keys) > TABLE_LIMIT:
        refuse("SW262", call=call, what=f"a table of {len(keys)} keys")
    if not mapper.index.is_unique or not all(type(k) is str for k in keys):
        refuse("SW262", call=call, what="a table of keys that are not all distinct strings")
    for key in keys:
        known_text(key, call)
    return _mapped(s, dict(zip(keys, mapper.tolist(), strict=True)), mapper.dtype, call)


def _mapped(s: Any, pairs: dict[Any, Any], dtype: Any, call: str) -> Any:
    loop, kind = s.loop, getattr(dtype, "kind", "")
    if kind == "O":
        return _mapped_to_text(s, pairs, call)
    if kind not in "biuf" or any(kind in "iu" and abs(v) > _EXACT for v in pairs.values()):
        refuse("SW254", call=call, type=str(dtype))
    type_ = {"b": BOOL, "f": F64}.get(kind, I64)
    if dtype not in (np.dtype(np.bool_), np.dtype(np.float64), np.dtype(np.int64)):
        refuse("SW254", call=call, type=str(dtype))
    value, valid = _value_of_key(s, pairs, type_)
    if s.value.type.nullable:
        valid = loop.call("logical_and", valid, loop.is_valid(s.value))
    if type_ == F64:
        return s.new(loop.select(valid, value, loop.const(np.nan, F64)))
    bound = max(map(abs, map(int, pairs.values())), default=0)
    return batch_dependent_series(loop, value, valid, Missing(nan=True), bound=bound)


def _value_of_key(s: Any, pairs: dict[str, Any], type_: Type) -> tuple[Value, Value]:
    """Returns the value of each string's key, arbitrary where there is none, and whether there is one."""
    loop = s.loop
    if len(pairs) <= CODE_LIMIT:
        found = loop.emit(Lookup.of(dict(pairs.items()), STR, type_), plain(s))
        return loop.value_of(found), loop.is_valid(found)
    values = np.array(list(pairs.values()), np.float64 if type_ == F64 else np.int64)
    table = KeyTable.of(list(pairs), values)
    number, value = loop.emit(table, plain(s)), loop.emit(table.at(1), plain(s))
    valid = loop.call("greater_equal", number, loop.const(0, I64))
    return loop.call("not_equal", value, loop.const(0, I64)) if type_ == BOOL else value, valid


def _mapped_to_text(s: Any, pairs: dict[Any, Any], call: str) -> Any:
    """Maps to strings or None, or to lists, in an object Series."""
    loop = s.loop
    if len(pairs) > CODE_LIMIT:
        refuse("SW262", call=call, what=f"a table of {len(pairs)} strings")
    if list_tables.are_lists([*pairs.values()]):
        found = loop.emit(Lookup.of({known_text(k, call): n for n, k in enumerate(pairs)}, STR, I64), plain(s))
        present = validity(loop, s.value, found)
        assert present is not None
        return list_tables.chosen(loop, [*pairs.values()], loop.value_of(found), present, call)
    texts = {k: v for k, v in pairs.items() if not is_missing(v)}
    if not all(type(v) is str for v in texts.values()):
        refuse("SW262", call=call, what="values of several types")
    nones = any(v is None for v in pairs.values())
    table = Lookup.of({k: known_text(v, call) for k, v in texts.items()}, STR, STR)
    found = loop.emit(table, plain(s))
    return text_series(loop, optional(loop, loop.value_of(found), validity(loop, s.value, found)), Missing(none=nones, nan=True))


def replace(s: Any, to_replace: Any = None, value: Any = None, *, inplace: Any = False, regex: Any = False) -> Any:
    """Implements Series.replace of whole strings by a str, a list or a dict."""
    call, to_replace = "Series.replace", constant_of(to_replace)
    refuse_in_place(inplace, call)
    if regex is not False:
        refuse("SW262", call=call, what="the argument regex=")
    if is_dict(to_replace) and value is None:
        pairs = dict(to_replace)
    elif type(to_replace) is list and type(value) is str:
        pairs = dict.fromkeys(to_replace, value)
    elif type(to_replace) is list and type(value) is list and len(value) == len(to_replace):
        pairs = dict(zip(to_replace, value, strict=True))
    elif type(to_replace) is str and type(value) is str:
        pairs = {to_replace: value}
    else:
        refuse("SW262", call=call, what=f"{raw(to_replace)} with {raw(value)}")
    if len(pairs) > CODE_LIMIT:
        refuse("SW262", call=call, what=f"a table of {len(pairs)} keys")
    texts: dict[Any, Any] = {known_text(k, call): known_text(v, call) for k, v in pairs.items()}
    loop = s.loop
    found = loop.emit(Lookup.of(dict(texts.items()), STR, STR), plain(s))
    chosen = loop.select(loop.is_valid(found), loop.value_of(found), plain(s))
    missing = dataclasses.replace(s.missing, void=s.missing.void or s.missing.nan)  # a batch of NaN only becomes float64
    return text_series(loop, optional(loop, chosen, validity(loop, s.value)), missing)
