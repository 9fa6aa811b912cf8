"""Lowers conversions from strings to numbers and from numbers to strings: astype and pd.to_numeric."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops.matches import RegexCall
from sparkweld.ir.types import BOOL, F64, I64, STR, of_dtype
from udf_compiler.frontends.pandas import string_dtype
from udf_compiler.frontends.pandas.batch_dependent import numbers_read
from udf_compiler.frontends.pandas.batch_dependent import plain as without_missing
from udf_compiler.frontends.pandas.calls import categoricals
from udf_compiler.frontends.pandas.calls.strings.mapping import plain
from udf_compiler.frontends.pandas.strings import str_call, text_series
from udf_compiler.frontends.regex import compile_regex
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced

_CALL = "Series.astype"
#: The dtypes of the numbers to which strings are converted.
_NUMBERS = tuple(map(np.dtype, (np.float64, np.int64, np.int32, np.int16, np.int8)))


def is_str_dtype(dtype: Any) -> bool:
    """Whether astype(dtype) converts the elements to Python strings."""
    return dtype is str or (isinstance(dtype, str) and dtype in ("str", "U"))


def text_astype(s: Any, dtype: Any, copy: Any = None, errors: str = "raise") -> Any:
    """Implements astype of a Series of strings."""
    if errors != "raise" or isinstance(dtype, dict):
        refuse("SW262", call=_CALL, what="the argument errors= or a dict")
    if categoricals.is_category(dtype):
        return categoricals.astype(s, dtype, _CALL)
    if is_str_dtype(dtype):
        return _to_str(s)
    if dtype is object or (isinstance(dtype, str) and dtype in ("object", "O")):
        return text_series(s.loop, s.value, s.missing.kept())
    made = run_prototype(_CALL, lambda: pd.Series(["1"], dtype=object).astype(dtype).dtype)
    if isinstance(made, pd.StringDtype) and made.storage == "python":
        return string_dtype.new(s, s.value if s.missing.none or s.missing.nan else s.loop.value_of(s.value))
    if made in _NUMBERS:
        return _numbers(s, made)
    if made == np.bool_:
        return _truth(s)
    refuse("SW254", call=_CALL, type=str(made))


def _to_str(s: Any) -> Any:
    """Converts missing elements to the strings 'None' and 'nan'. Guards them where both None and NaN are possible."""
    loop = s.loop
    if not s.value.type.nullable:
        return text_series(loop, s.value)
    if s.missing.none and s.missing.nan:
        loop.guard(loop.is_valid(s.value))
        return text_series(loop, plain(s))
    name = loop.const("None" if s.missing.none else "nan", STR)
    return text_series(loop, loop.select(loop.is_valid(s.value), plain(s), name))


def _numbers(s: Any, dtype: np.dtype, missing: float | None = None) -> Any:
    """Applies int() or float() to each string. Guards rows that raise or that a kernel cannot parse.

    `missing`: the number in place of a missing string; without it, that is a NaN among floats, and raises among integers.
    """
    loop, of_floats = s.loop, dtype == np.float64
    parsed = str_call(loop, "parse_float" if of_floats else "parse_int", plain(s))
    ok, value = loop.is_valid(parsed), loop.value_of(parsed)
    if s.value.type.nullable:
        valid, filled = loop.is_valid(s.value), np.nan if missing is None and of_floats else missing
        if filled is None:
            ok = loop.call("logical_and", ok, valid)
        else:
            ok = loop.call("logical_or", ok, loop.call("logical_not", valid))
            value = loop.select(valid, value, loop.const(filled, value.type))
    loop.guard(ok, local=True)
    return s.new(value) if of_floats else _narrowed(s.new(value), dtype)


class TracedFilled(Traced):
    """A Series of strings in which a constant number takes the place of missing elements; it supports conversion to numbers."""

    __slots__ = ("number", "series")
    what = "Series of strings and a number"
    stands_for = pd.Series

    def __init__(self, series: Any, number: float) -> None:
        self.series, self.number = series, number

    __class__ = pd.Series  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return self._astype if name == "astype" else refuse("SW270", call=f"Series.{name} of strings and numbers")

    def _astype(self, dtype: Any, copy: Any = None, errors: str = "raise") -> Any:
        made = run_prototype(_CALL, lambda: pd.Series([self.number], dtype=object).astype(dtype))
        if errors != "raise" or made.dtype not in _NUMBERS:
            refuse("SW270", call=f"{_CALL} of strings and numbers")
        return _numbers(self.series, made.dtype, made[0].item())


def _narrowed(series: Any, dtype: np.dtype) -> Any:
    """Casts int64 numbers to a smaller integer dtype. Guards numbers that overflow, for which pandas raises."""
    loop = series.loop
    if dtype == np.int64:
        return series
    limits = np.iinfo(dtype)
    above = loop.call("greater_equal", series.value, loop.const(int(limits.min), I64))
    below = loop.call("less_equal", series.value, loop.const(int(limits.max), I64))
    loop.guard(loop.call("logical_and", above, below), local=True)
    type = of_dtype(dtype)
    assert type is not None
    return series.new(loop.cast(series.value, type))


def _truth(s: Any) -> Any:
    """Applies bool() to each element: a nonempty string and NaN are True, None is False."""
    loop = s.loop
    found = loop.call("not_equal", plain(s), loop.const("", STR))
    if not s.value.type.nullable:
        return s.new(found)
    if s.missing.none and s.missing.nan:
        loop.guard(loop.is_valid(s.value))
        return s.new(found)
    return s.new(loop.select(loop.is_valid(s.value), found, loop.const(s.missing.nan, BOOL)))


def to_str(s: Any) -> Any:
    """Implements astype(str) of a Series of integers, float64 or bools."""
    loop = s.loop
    s = without_missing(s, _CALL)
    value: Value = s.value
    if value.type == BOOL:
        return text_series(loop, loop.select(value, loop.const("True", STR), loop.const("False", STR)))
    if value.type.is_int:
        return text_series(loop, str_call(loop, "int_to_str", loop.cast(value, I64)))
    if value.type != F64:
        refuse("SW254", call=f"{_CALL}(str)", type=str(s.dtype))
    loop.guard(str_call(loop, "float_to_str_decided", value), local=True)
    return text_series(loop, str_call(loop, "float_to_str", value))


#: Strings that pandas' parser accepts as finite numbers, with exponents of at most two digits; longer ones may overflow.
_NUMBER = r"[ \t-\r]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?[ \t-\r]*"
_WHOLE = r"[ \t-\r]*[+-]?[0-9]+[ \t-\r]*"
#: Strings that it may accept too, or read as another number: infinities, long exponents, more than the 17 digits that it reads
#: (leading zeros count), and strings cut off at a zero byte. -0 has a sign among floats, and none where all are integers.
_OTHERS = r"[ \t-\r]*(?:[+-]?(?:[iI].*|[0-9.]+[eE][+-]?[0-9]{3}.*)|-0+[ \t-\r]*)|.*(?:\0|[0-9.]{18}).*"


def to_numeric(s: Any, errors: str, call: str) -> Any:
    """Implements pd.to_numeric of strings: int64 when each is an integer, else float64; NaN for "".

    With errors="coerce", a string that is no number becomes NaN. The kernel parses numbers that need a single rounding to a
    double, which all versions of pandas parse identically. Others are guarded.
    """
    if errors not in ("coerce", "raise"):
        refuse("SW262", call=call, what=f"errors={errors!r}")
    loop, text = s.loop, plain(s)
    number = matches(loop, text, _NUMBER, call)
    whole = matches(loop, text, _WHOLE, call)
    parsed = str_call(loop, "parse_float", text)
    decided = loop.call("logical_not", matches(loop, text, _OTHERS, call))
    decided = loop.call("logical_and", decided, loop.call("logical_or", loop.is_valid(parsed), loop.call("logical_not", number)))
    valid = number
    if s.value.type.nullable:
        valid = loop.call("logical_and", number, loop.is_valid(s.value))
        whole = loop.call("logical_and", whole, loop.is_valid(s.value))
    loop.guard(decided)
    if errors == "raise":
        loop.guard(loop.call("logical_or", number, loop.call("equal", text, loop.const("", STR))))
    return numbers_read(loop, loop.value_of(parsed), valid, whole)


def matches(loop: LoopBuilder, text: Value, pattern: str, call: str) -> Value:
    """Emits whether a pattern of this module matches the whole string."""
    automaton = compile_regex(pattern, re.DOTALL.value, "fullmatch")
    return loop.emit(RegexCall("test", pattern, automaton.encode()), text)


__all__ = ["TracedFilled", "is_str_dtype", "text_astype", "to_numeric", "to_str"]
