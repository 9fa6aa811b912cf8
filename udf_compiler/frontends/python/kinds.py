"""Lists the kinds of symbolic scalars with their operators and protocols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from udf_compiler.frontends.python import (
    calendar,
    datetimes,
    decimal_methods,
    decimal_quotients,
    decimals,
    durations,
    list_operators,
    lists,
    lookups,
    methods,
    ndarray_calls,
    ndarrays,
    new_lists,
    numbers,
    numpy_scalars,
    rounding,
    strings,
    undefined,
    vectors,
)
from udf_compiler.frontends.python.formats import format_
from udf_compiler.frontends.python.operands import as_float, make_float
from udf_compiler.frontends.python.values import VECTOR
from udf_compiler.frontends.tracing.dispatch import ScalarKind

_NUMBER = ScalarKind(
    rank=0,
    truth=numbers.truth,
    binary=new_lists.number_binary,
    unary=numbers.unary,
    ufunc=numpy_scalars.call_ufunc,
    attribute=methods.attribute,
    in_place=undefined.immutable,
    contains=undefined.not_a("container or iterable"),
    item=undefined.not_a("subscriptable"),
    iterate=undefined.not_a("iterable"),
    length=None,
    hash=lookups.hash_of,
    format=format_,
    round=rounding.round_,
    whole=rounding.whole,
    to_int=rounding.to_int,
    to_float=lambda x: make_float(as_float(x)),
)

_STR = replace(
    _NUMBER,
    rank=1,
    truth=strings.truth,
    binary=strings.binary,
    unary=undefined.unary,
    attribute=strings.method,
    contains=strings.contains,
    item=strings.item,
    iterate=strings.characters,
    length=strings.length,
    round=undefined.round_,
    whole=undefined.whole,
    to_int=strings.to_int,
    to_float=strings.to_float,
)

_DATE = replace(
    _NUMBER,
    rank=3,
    truth=lambda x: True,
    binary=calendar.binary,
    unary=undefined.unary,
    attribute=calendar.attribute,
    round=undefined.round_,
    whole=undefined.whole,
    to_int=undefined.conversion("int()"),
    to_float=undefined.conversion("float()"),
)

_TIMEDELTA = replace(
    _DATE,
    rank=2,
    truth=durations.truth,
    binary=durations.binary,
    unary=durations.unary,
    attribute=durations.attribute,
)

_DECIMAL = replace(
    _NUMBER,
    rank=2,
    truth=decimals.truth,
    binary=decimal_quotients.binary,
    unary=decimals.unary,
    ufunc=decimal_methods.refuse_ufunc,
    attribute=decimal_methods.attribute,
    hash=decimal_methods.refuse_hash,
    round=decimals.round_,
    whole=decimals.whole,
    to_int=decimals.to_int,
    to_float=decimals.to_float,
)

_DATETIME = replace(_DATE, rank=4, binary=datetimes.binary, attribute=datetimes.attribute)

_NUMPY = replace(
    _NUMBER,
    rank=5,
    binary=numpy_scalars.binary,
    unary=numpy_scalars.unary,
    attribute=numpy_scalars.attribute,
    round=numpy_scalars.round_,
)

_LIST = ScalarKind(
    rank=6,
    truth=lists.truth,
    binary=list_operators.binary,
    unary=list_operators.unary,
    ufunc=ndarray_calls.call_ufunc,
    attribute=lists.attribute,
    in_place=list_operators.refuse_in_place,
    contains=lists.contains,
    item=lists.item,
    iterate=list_operators.iterate,
    length=lists.length,
    hash=list_operators.refuse_hash,
    format=list_operators.refuse_format,
    round=list_operators.refuse_round,
    whole=list_operators.refuse_whole,
    to_int=undefined.conversion("int()"),
    to_float=undefined.conversion("float()"),
)

_NDARRAY = replace(
    _LIST,
    rank=7,
    binary=ndarray_calls.binary,
    unary=ndarray_calls.unary,
    in_place=ndarrays.refuse_in_place,
)

_VECTOR = replace(
    _NDARRAY,
    rank=8,
    truth=vectors.truth,
    binary=vectors.binary,
    unary=vectors.unary,
    attribute=vectors.attribute,
    in_place=undefined.immutable,
    item=vectors.item,
)

#: Name of a kind -> its operators and protocols; "numpy" holds all NumPy scalars.
KINDS: Mapping[str, ScalarKind] = {
    **dict.fromkeys(("bool", "int", "float"), _NUMBER),
    **{"str": _STR, "date": _DATE, "datetime": _DATETIME, "utc": _DATETIME, "timedelta": _TIMEDELTA},
    "decimal": _DECIMAL,
    **{"numpy": _NUMPY, "list": _LIST, "ndarray": _NDARRAY, VECTOR: _VECTOR},
}
