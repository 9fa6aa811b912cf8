"""Checks the words of refusals: no name of our own classes, and hints that name what to write instead."""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import math
import operator
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark import cloudpickle
from pyspark.sql.types import DataType, DoubleType, LongType, StringType

from sparkweld.api.verdict import answer_of
from sparkweld.contract.replies import RefusalRecord, Refused
from tests.helpers.lines import PLAIN as PLAIN_UDF

#: Functions of one value that nobody writes, each refused for some type.
PLAIN: list[Callable[..., Any]] = [
    lambda x: next(x), lambda x: {**x}, lambda x: x(), lambda x: x @ x, lambda x: ~x, lambda x: ord(x) + 1, lambda x: type(x),
    lambda x: iter(x), lambda x: zip(x, x, strict=True), lambda x: map(str, x), lambda x: enumerate(x),
    lambda x: (y for y in x), lambda x: set(x), lambda x: [1, 2][x:"a"], lambda x: x[{}], lambda x: x < {}, lambda x: [x, {}],
    lambda x: bytes(x, "utf8"), lambda x: bin([x]), lambda x: "a".join([x, 1]), lambda x: functools.reduce(operator.add, x),
    lambda x: math.fsum(x), lambda x: np.array(x).foo, lambda x: pd.Series([x]), lambda x: json.dumps(x, cls=int),
    lambda x: json.loads(x).foo, lambda x: hashlib.md5(x), lambda x: datetime.date(x, 1, 1), lambda x: re.match("a", x),
    lambda x: isinstance(x, x), lambda x: int(x, "a"), lambda x: slice(x), lambda x: f"{x!r:>{x}}",
    lambda x: sorted([x, "a", 1]), lambda x: max(x, key=len), lambda x: dict(x), lambda x: reversed(x),
]  # fmt: skip

#: Functions of columns.
COLUMNS: list[Callable[..., Any]] = [
    lambda s: s.index, lambda s: s.str, lambda s: s.dt, lambda s: s.loc, lambda s: [s], lambda s: {"a": s}, lambda s: iter(s),
    lambda s: s(1), lambda s: s.to_frame(), lambda s: s.to_frame().columns, lambda s: s.to_frame().iterrows(),
    lambda s: s.str.split(), lambda s: s + {}, lambda s: s.dtype, lambda s: pd, lambda s: s.map,
    lambda s: s.apply(lambda x: [x, {}]), lambda s: float(s), lambda s: [1, 2][s], lambda s: range(s), lambda s: np.stack(s),
    lambda s: np.concatenate([s, 1]), lambda s: s.where(lambda x: x), lambda s: np.select(s, s), lambda s: s.isin(s),
    lambda s: s.fillna({}), lambda s: s.pipe(1), lambda s: s.case_when([]), lambda s: json.dumps(s), lambda s: s.values[0],
    lambda s: s.rolling(2), lambda s: pd.Series(s, index=s), lambda s: s.str.extract("(a)(b)"),
    lambda s: s.dt.tz_localize("UTC").dt,
]  # fmt: skip


def refusals(
    function: Callable[..., Any], types: tuple[str, ...], eval_type: int, returns: DataType
) -> tuple[RefusalRecord, ...]:
    reply = answer_of(cloudpickle.dumps((function, returns)), "f", returns, eval_type, types).reply
    return reply.refusals if isinstance(reply, Refused) else ()


def own_names() -> Iterator[str]:
    """Yields the names of our classes that are not also words or names of other libraries."""
    ours = ("udf_compiler", "sparkweld")
    for module in [module for name, module in sys.modules.items() if name.partition(".")[0] in ours]:
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__.partition(".")[0] in ours:
                if name.startswith(("_", "Traced")) or re.fullmatch(r"(?:[A-Z][a-z]+){2,}", name):
                    yield name


@pytest.mark.parametrize(("functions", "eval_type"), [(PLAIN, PLAIN_UDF), (COLUMNS, 200)])
def test_messages_name_none_of_our_classes(functions, eval_type):
    returns = StringType() if eval_type == PLAIN_UDF else DoubleType()
    types = ("double", "string", "array<double>") if eval_type == PLAIN_UDF else ("double", "string", "timestamp")
    found = [one for f in functions for type in types for one in refusals(f, (type,), eval_type, returns)]
    assert len(found) > len(functions), "most of these are refused"
    names = set(own_names())
    leaks = {one.message: one.code for one in found if names & set(re.findall(r"\w+", f"{one.message} {one.hint}"))}
    assert leaks == {}
    assert not [one.message for one in found if re.search(r"\ba (?:int|array|ellipsis|object)\b", one.message)]


LABELS = ["a", "b", "c"]


def combined(price: pd.Series, fee: pd.Series) -> pd.Series:
    large = price[price > 100]
    return large + fee


@pytest.mark.parametrize(
    ("function", "eval_type", "types", "code", "words"),
    [
        (lambda x: hashlib.blake2b(x.encode()).hexdigest(), PLAIN_UDF, ("string",), "SW238", "pyspark.sql.functions"),
        (lambda x: x + np.random.rand(), PLAIN_UDF, ("double",), "SW230", "rand()"),
        (lambda x: datetime.datetime.now().year + x, PLAIN_UDF, ("long",), "SW230", "current_timestamp()"),
        (combined, 200, ("double", "double"), "SW237", "s.where(~mask, s + v)"),
        (lambda s: LABELS[s], 200, ("long",), "SW259", "column.map(dict(enumerate(labels)))"),
        (lambda s: s.ewm(span=3).std(), 200, ("double",), "SW250", "an aggregate, a window"),
    ],
)
def test_hints_name_what_to_write(function, eval_type, types, code, words):
    returns = {"long": LongType(), "string": StringType(), "double": DoubleType()}[types[0]]
    found = refusals(function, types, eval_type, returns)
    assert [one.code for one in found][:1] == [code] and words in found[0].hint, found
