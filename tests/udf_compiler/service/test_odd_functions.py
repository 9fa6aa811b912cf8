"""Checks that odd functions are compiled or refused, and never cause an internal error."""

from __future__ import annotations

import datetime
import itertools
import math
import re

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DateType,
    DayTimeIntervalType,
    DecimalType,
    DoubleType,
    LongType,
    MapType,
    NullType,
    StringType,
    StructField,
    StructType,
    YearMonthIntervalType,
)

from sparkweld.api.asking import Given, request_of
from sparkweld.contract.decoding import encode
from tests.helpers.compile_requests import payload
from tests.helpers.lines import is_refused
from udf_compiler.service.protocol import Message
from udf_compiler.service.server import Service

DATE = datetime.date(2024, 1, 1)
TEXTS, NUMBERS = "array<string>", "array<double>"


def no_arguments():
    return 1.0


def keyword_only(a, *, b):
    return a + b


def exits(x):
    raise SystemExit


def interrupts(x):
    raise KeyboardInterrupt


def interrupts_on_a_path(x):
    if x > 3:
        raise KeyboardInterrupt
    return x


def recursive(x):
    return recursive(x)


def text_of_an_error(x):
    try:
        return float(1 / x)
    except TypeError as error:
        return float(len(str(error)))


def argument_of_an_error(x):
    try:
        return float(int(x))
    except ValueError as error:
        return float(len(error.args[0]))


def lengths_of_names(xs):
    n = 0
    for x in xs:
        m = re.match(r"(\w+)@(\w+)", x)
        if m:
            n += len(m.group(1))
    return n


def match_in_a_loop(s):
    m = re.search(r"\d+", s)
    n = 0
    for c in s:
        if m and c in m.group():
            n += 1
    return n


def pieces_in_a_tuple(s):
    n = 0
    for _ in s:
        n += 1
    held = (s.split(","), s)
    return held[0][0] if n > 3 else held[1]


def method_of_a_string(s):
    n = 0
    for _ in s:
        n += 1
    upper = s.upper
    return upper() if n > 3 else s


def group_without_groups(s):
    m = re.search(r"\d+", s)
    return m.group(1) if m else ""


STRUCT = StructType([StructField("a", DoubleType()), StructField("b", ArrayType(DoubleType()))])

#: (function, types of its columns, eval type, return type, code or "ok").
CASES = [
    (no_arguments, "double", 101, DoubleType(), "SW261"), (no_arguments, "double", 200, DoubleType(), "SW261"),
    (keyword_only, "double double", 101, DoubleType(), "SW261"), (keyword_only, "double double", 204, DoubleType(), "SW261"),
    (lambda a, b, c: a, "double", 250, DoubleType(), "SW261"), (lambda a, b: a.sum(), "double", 202, DoubleType(), "SW261"),
    (lambda s: s.apply(no_arguments), "double", 200, DoubleType(), "SW261"),
    (lambda s: s.pipe(no_arguments), "double", 200, DoubleType(), "SW261"),
    (lambda s: np.vectorize(no_arguments)(s), "double", 200, DoubleType(), "SW261"),
    (exits, "double", 101, DoubleType(), "SW261"), (exits, "double", 200, DoubleType(), "SW261"),
    (interrupts, "double", 101, DoubleType(), "SW261"), (interrupts, "double", 200, DoubleType(), "SW261"),
    (interrupts_on_a_path, "double", 101, DoubleType(), "SW261"), (recursive, "double", 101, DoubleType(), "SW231"),
    (recursive, "double", 200, DoubleType(), "SW231"), (text_of_an_error, "string", 101, DoubleType(), "ok"),
    (argument_of_an_error, "string", 101, DoubleType(), "SW259"), (lengths_of_names, TEXTS, 101, LongType(), "ok"),
    (match_in_a_loop, "string", 101, LongType(), "ok"), (pieces_in_a_tuple, "string", 101, StringType(), "ok"),
    (method_of_a_string, "string", 101, StringType(), "ok"), (group_without_groups, "string", 101, StringType(), "ok"),
    (lambda v: np.mean(v, 0), NUMBERS, 202, DoubleType(), "SW101"),
    (lambda v: np.mean(v, 0), NUMBERS, 202, ArrayType(DoubleType()), "SW101"),
    (lambda v: v.apply(np.asarray).mean(), NUMBERS, 202, STRUCT, "SW101"), (len, NUMBERS, 202, DoubleType(), "SW101"),
    (lambda v: pc.sum(v), "double", 252, STRUCT, "SW104"),
    (lambda xs: f"{xs}", NUMBERS, 101, StringType(), "SW222"),
    (lambda s: [i for i in range(len(s)) if i % 2], "string", 101, DoubleType(), "SW298"),
    (lambda s: "ab" * 10**30, "string", 101, StringType(), "SW261"), (lambda s: s * 10**30, "string", 101, StringType(), "SW262"),
    (lambda s: s * 2**70, "string", 200, StringType(), "SW262"), (lambda x: 10**400 * x, "double", 101, DoubleType(), "SW261"),
    (lambda x: math.log(x, 0), "double", 101, DoubleType(), "SW261"),
    (lambda x: issubclass(x, float), "double", 101, DoubleType(), "SW299"),
    (lambda x: getattr(None, "real"), "double", 101, DoubleType(), "SW261"),  # noqa: B009
    (lambda x: list(map(abs)), "double", 101, DoubleType(), "SW261"),
    (lambda x: datetime.timedelta(x), "double", 101, DoubleType(), "SW298"),
    (lambda x: DATE.get(x), "double", 101, DoubleType(), "SW261"),
    (lambda x: next(itertools.count(x)), "boolean", 101, LongType(), "SW262"),
    (lambda s: np.asanyarray(s, [1, 2]), "double", 200, DoubleType(), "SW252"),
    (lambda s: np.around([s, s]), "double", 200, DoubleType(), "SW262"),
    (lambda s: s.to_numpy("no dtype"), "double", 200, DoubleType(), "SW252"),
    (lambda s: np.datetime64(s, axis=0), "double", 200, DoubleType(), "SW262"),
    (lambda s: np.vectorize(s, axis=0), "double", 200, DoubleType(), "SW262"),
    (lambda s: pd.Series(np.vectorize(lambda x: x)(s)), "double", 200, DoubleType(), "ok"),
    (lambda s: -np.array([s, s]), "double", 200, DoubleType(), "SW251"),
]  # fmt: skip


def _with_types(part, types):
    """Converts an element of a request: types of arrays in Spark's notation."""
    if isinstance(part, dict):
        return {key: _with_types(value, types) for key, value in part.items()}
    if isinstance(part, str):
        return types.get(part, part)
    return [_with_types(p, types) for p in part] if isinstance(part, list) else part


@pytest.mark.parametrize(
    ("function", "columns", "eval_type", "returns", "code"), CASES, ids=lambda x: getattr(x, "__name__", str(x))
)
def test_an_odd_function_is_no_internal_error(function, columns, eval_type, returns, code):
    given = [Given(name, type) for name, type in zip("ab", columns.split(), strict=False)]
    types = {f"array<{of}>": {"type": "array", "elementType": of, "containsNull": True} for of in ("double", "string")}
    header = _with_types(encode(request_of("f", returns.jsonValue(), eval_type, given)), types)
    reply, _ = Service().answer(Message({**header, "id": 1}, (payload(function, returns),)))
    assert reply["status"] != "error", reply["trace"]
    made = reply["refusals"][0]["code"] if reply["status"] == "refused" else "ok"
    assert made == ("SW114" if is_refused(eval_type) else code), reply.get("refusals")


#: Types that kernels do not support, and functions of every kind.
SELDOM = (
    DecimalType(20, 2), BinaryType(), DayTimeIntervalType(), YearMonthIntervalType(), NullType(), ArrayType(DateType()),
    MapType(StringType(), LongType()), ArrayType(ArrayType(LongType())), ArrayType(DecimalType(5, 1)),
    StructType([StructField("a", LongType())]),
)  # fmt: skip
OF_SELDOM = [
    (101, lambda v: v), (101, lambda v: [x.a for x in v]), (100, lambda v: len(v)), (200, lambda v: v.isna()),
    (200, lambda v: v.apply(lambda x: x["a"])), (204, lambda batches: (v.isna() for v in batches)), (202, lambda v: v.max()),
    (250, lambda v: pc.is_null(v)), (250, lambda v: pc.add(v, v)), (251, lambda batches: (pc.is_null(v) for v in batches)),
    (252, lambda v: pc.max(v)),
]  # fmt: skip


@pytest.mark.parametrize("type", SELDOM, ids=str)
def test_functions_of_types_that_no_kernel_holds_are_refused(type):
    service = Service()
    for eval_type, function in OF_SELDOM:
        if type == BinaryType() and eval_type == 101:
            continue  # compiled: tests/udf_compiler/eval_types/test_part_arguments.py
        for returns in (DoubleType(), type):
            header = encode(request_of("f", returns.jsonValue(), eval_type, [Given("a", "its type")]))
            header = _with_types(header, {"its type": type.jsonValue()})
            reply, _ = service.answer(Message({**header, "id": 1}, (payload(function, returns),)))
            assert reply["status"] == "refused", reply.get("trace") or (eval_type, returns)
            wanted = ("SW114",) if is_refused(eval_type) else ("SW101", "SW104")
            assert reply["refusals"][0]["code"] in wanted, reply["refusals"]
