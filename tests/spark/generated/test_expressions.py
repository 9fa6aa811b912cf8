"""Checks that random UDFs with equivalent Catalyst expressions, many per query, produce PySpark's bits as expressions."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pyspark.sql.functions import pandas_udf

from sparkweld.errors import Refusal
from sparkweld.ir.types import Type
from tests.helpers.answers import compile_catalyst_equivalent
from tests.helpers.columns import extremes
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.differential import check
from tests.helpers.expressions import NAMES, NUMBERS, Function, functions
from tests.spark.generated.test_functions import _typed, returned

#: The first query of `QUERIES` is in `make test`, and the others are in `make nightly`.
EXAMPLES, QUERIES, ROWS = 220, 2, 400
#: Functions of a query.
FUNCTIONS = 30
SPARK = {"f64": "double", "f32": "float", "i8": "byte", "i16": "short", "i32": "integer", "i64": "long"}


def has_equivalent(function: Function) -> bool:
    """Whether the function over non-null integers and nullable floats becomes an expression."""
    types = [SPARK[kind] for kind in function.types]
    columns = [column(n, t, nullable=t in ("float", "double")) for n, t in zip(NAMES, types, strict=False)]
    made = request(python_step(r=udf(0, *columns, returns=returned(function))), inputs=dict(zip(NAMES, types, strict=False)))
    for each in made["inputs"]:
        each["nullable"] = each["type"] in ("float", "double")
        each["state"] = "nullable" if each["nullable"] else "dense"
    try:
        return bool(compile_catalyst_equivalent(made, [payload(_typed(function))])["status"] == "ok")
    except Refusal:
        return False


@cache
def with_equivalents(count: int) -> list[Function]:
    """Returns the first `count` generated functions that become expressions, or a few less."""
    found: dict[str, Function] = {}

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(functions())
    def case(function):
        if len(found) < count and has_equivalent(function):
            found.setdefault(function.source, function)

    case()
    assert len(found) > count - FUNCTIONS // 2, f"only {len(found)} of {EXAMPLES} functions have an expression"
    return list(found.values())


def table():
    random = np.random.default_rng(11)
    columns = {"id": pa.array(np.arange(ROWS))}
    for kind in NUMBERS:
        for at in range(4):
            values = np.roll(extremes(Type(kind), ROWS, at % 2), 17 * at)
            null = random.random(ROWS) < 0.2 if kind in ("f64", "f32") else None
            columns[f"{kind}_{at}"] = pa.array(values, mask=null)
    return pa.table(columns)


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.nightly) for part in range(1, QUERIES))])
def test_random_functions_as_expressions(spark, parquet, part):
    mine = with_equivalents(FUNCTIONS * (part + 1))[FUNCTIONS * part :]
    read = parquet(table())
    integers = [name for name in read.columns if name.startswith("i")]
    dense = read.where(" and ".join(f"{name} is not null" for name in integers))
    calls = []
    for at, function in enumerate(mine):
        columns = [f"{kind}_{i}" for i, kind in enumerate(function.types)]
        calls.append(pandas_udf(_typed(function), returned(function))(*columns).alias(f"r{at}"))
    query = lambda: dense.select("id", *calls)  # noqa: E731
    # Spark may fold a constant result to a literal, which has no record of its UDF
    constant = sum(len(set(map(repr, column))) == 1 for column in zip(*query().drop("id").collect(), strict=True))
    assert constant <= len(mine) // 2
    check(spark, query, rewritten=len(mine) - constant, conf={"spark.sparkweld.backend": "catalyst"})
