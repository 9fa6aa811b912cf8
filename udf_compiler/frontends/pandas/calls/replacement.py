"""Lowers Series.replace of numbers by numbers, where the dtype stays the same for every batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir.types import BOOL, F64
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.large_dicts import is_dict
from udf_compiler.frontends.tracing.lower import constant_of, is_number, run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw, refuse_in_place

#: Maximum number of replaced values: each costs one comparison per row.
_LIMIT = 64


def replace(
    s: TracedSeries, to_replace: Any = None, value: Any = None, *, inplace: Any = False, regex: Any = False
) -> TracedSeries:
    """Implements Series.replace with a number, a list or a dict in a float64 or integer Series; replacements do not chain."""
    call = "Series.replace"
    s.kind.check_numeric(call)
    refuse_in_place(inplace, call)
    if regex is not False:
        refuse("SW262", call=call, what="the argument regex=")
    to_replace, value = constant_of(to_replace), constant_of(value)
    pairs = _pairs(to_replace, value, call)
    if not (s.value.type == F64 or s.value.type.is_int) or len(pairs) > _LIMIT:
        refuse("SW262", call=call, what=f"a {s.dtype} Series, or a table of {len(pairs)} values")
    _check(s, to_replace, value, pairs, call)
    loop, result = s.loop, s.value
    for key, new in reversed(pairs):
        if key != key:
            found = loop.call("isnan", s.value) if s.value.type.is_float else loop.const(False, BOOL)
        else:
            found = s._binary("eq", key, False).value
        if _holds(new, s.dtype):
            result = loop.select(found, loop.const(new, s.value.type), result)
    return s.new(result)


def _pairs(to_replace: Any, value: Any, call: str) -> list[tuple[Any, Any]]:
    """Returns (value, replacement) pairs with distinct values."""
    if is_dict(to_replace) and value is None:
        pairs = list(to_replace.items())
    elif isinstance(to_replace, list | tuple) and is_number(value):
        pairs = [(key, value) for key in to_replace]
    elif type(to_replace) is list and type(value) is list and len(value) == len(to_replace):
        pairs = list(zip(to_replace, value, strict=True))
    elif is_number(to_replace) and is_number(value):
        pairs = [(to_replace, value)]
    else:
        refuse("SW262", call=call, what=f"{raw(to_replace)} with {raw(value)}")
    numbers = [x for pair in pairs for x in pair]
    if not all(is_number(x) and not isinstance(x, bool | np.bool_) for x in numbers):
        refuse("SW262", call=call, what="values that are not numbers")
    keys = [key for key, _ in pairs]
    if len({k for k in keys if k == k}) + sum(k != k for k in keys) != len(keys) or sum(k != k for k in keys) > 1:
        refuse("SW262", call=call, what="a value that is listed twice")
    return pairs


def _holds(new: Any, dtype: np.dtype) -> bool:
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return bool(new == new and float(new).is_integer() and limits.min <= new <= limits.max)


def _check(s: TracedSeries, to_replace: Any, value: Any, pairs: list[tuple[Any, Any]], call: str) -> None:
    """Refuses replacements for which pandas changes the dtype of a batch (SW255) or compares in its own way (SW262)."""
    elements = [key for key, _ in pairs if _holds(key, s.dtype)] + [new for _, new in pairs if _holds(new, s.dtype)]
    around = np.array([*elements, *(e + 1 for e in elements if abs(e) < 2**31), 0, 1, 77], s.dtype)
    expected = around.copy()
    for key, new in reversed(pairs):
        at = around != around if key != key else around == key
        if _holds(new, s.dtype):
            expected[at] = new
    for rows in (around, *(around[i : i + 1] for i in range(len(around)))):
        made = run_prototype(call, pd.Series(rows).replace, to_replace, value) if value is not None else None
        made = run_prototype(call, pd.Series(rows).replace, to_replace) if made is None else made
        if made.dtype != s.dtype:
            refuse("SW255", call=call, when="such a value is", advice="Cast the Series to float64 first.")
        if rows is around and not np.array_equal(made.to_numpy(), expected, equal_nan=s.dtype.kind == "f"):
            refuse("SW262", call=call, what="values that pandas compares in its own way")
