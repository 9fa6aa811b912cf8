"""Compares random UDFs over every type, NULL pattern and batch size, with SparkWeld off and on, bit for bit.

Exact mode refuses libm functions, so every compiled function must be equal. A refused function must report its code; too few
compiled ones fail the test, so that it cannot pass by refusing everything.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pyspark.sql.functions import pandas_udf

from sparkweld.ir.types import Type
from tests.helpers.columns import extremes
from tests.helpers.differential import ENABLED, measured, run
from tests.helpers.expressions import NAMES, NUMBERS, Function, functions
from tests.helpers.outcomes import differences

#: Batch size -> rows of the table.
BATCHES = {1: 24, 7: 120, 4096: 9000, 10_000: 21_000}
#: Functions for each batch size: in `make test`, and of the same seed in `make nightly`.
EXAMPLES, MORE = 4, 14


def table(rows: int) -> pa.Table:
    """Returns for each type three columns: without NULLs, with some, and with NULLs in some batches only."""
    columns = {"id": pa.array(np.arange(rows))}
    for at, kind in enumerate(NUMBERS):
        values = extremes(Type(kind), rows, at % 2)
        tame = np.where(np.isfinite(values), np.clip(values, -100, 100), values).astype(values.dtype)
        random = np.random.default_rng(at)
        for name, data in (("wild", values), ("tame", tame)):
            columns[f"{kind}_{name}_dense"] = pa.array(data)
            columns[f"{kind}_{name}_nulls"] = pa.array(data, mask=random.random(rows) < 0.3)
            columns[f"{kind}_{name}_late"] = pa.array(data, mask=(np.arange(rows) > rows * 2 // 3) & (random.random(rows) < 0.1))
    return pa.table(columns)


@pytest.fixture(scope="module")
def frames(spark, tmp_path_factory):
    made = {}
    for batch, rows in BATCHES.items():
        path = str(tmp_path_factory.mktemp("generated") / f"{batch}.parquet")
        pq.write_table(table(rows), path, use_dictionary=batch == 7)
        made[batch] = spark.read.parquet(path)
    return made


def returned(function: Function) -> str:
    """Returns a Spark type that the function's results convert to, inferred from its dtype over ordinary values."""
    arguments = [pd.Series([1, 2, 3]).astype(Type(kind).dtype) for kind in function.types]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dtype = eval(function.source, {"np": np, "pd": pd})(*arguments).dtype
        except Exception:  # noqa: BLE001 - it raises in Spark as well, and the test compares that
            return "double"
    return {"b": "boolean", "i": "long"}.get(dtype.kind, "double")


@pytest.mark.gate_cases("7", "10000")
@pytest.mark.parametrize("batch", list(BATCHES))
def test_random_functions(spark, frames, batch):
    check_functions(spark, frames, batch, EXAMPLES)


@pytest.mark.nightly("test_random_functions")
@pytest.mark.parametrize("batch", list(BATCHES))
def test_more_random_functions(spark, frames, batch):
    check_functions(spark, frames, batch, MORE)


def check_functions(spark, frames, batch, count):
    compiled, refused = [], []
    conf = {
        "spark.sql.parquet.columnarReaderBatchSize": str(batch),
        "spark.sql.execution.arrow.maxRecordsPerBatch": "10000",
        "spark.sparkweld.exact.enabled": "true",
    }
    patterns = ("tame_dense", "wild_nulls", "tame_late", "tame_nulls", "wild_dense")

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(functions())
    def case(function):
        udf = pandas_udf(returned(function))(_typed(function))
        turn = len(compiled) + len(refused)
        columns = [f"{kind}_{patterns[(turn + i) % len(patterns)]}" for i, kind in enumerate(function.types)]
        query = lambda: frames[batch].select("id", udf(*columns).alias("r"))  # noqa: E731
        expected, _ = run(spark, query, {**conf, ENABLED: "false"})
        actual, frame = run(spark, query, {**conf, ENABLED: "true"})
        what = measured(frame)
        problems = differences(expected, actual)
        assert not problems, f"{function.source} of {columns}\n" + "\n".join(problems)
        if what.operators:
            compiled.append(what.kernel_batches > 0)
        else:
            assert what.refusals, f"{function.source} of {columns} was left alone without a reason"
            refused.append(what.refusals)

    case()
    assert len(compiled) >= count // 3, f"only {len(compiled)} functions were compiled; refused: {refused}"
    assert sum(compiled) >= len(compiled) // 2, f"batches of {sum(compiled)} of {len(compiled)} functions went through a kernel"


def _typed(function: Function):
    names = NAMES[: len(function.types)]
    body = function.source.partition(":")[2]
    head = ", ".join(f"{name}: pd.Series" for name in names)
    scope = {"np": np, "pd": pd}
    exec(f"def generated({head}) -> pd.Series:\n    return {body}\n", scope)
    return scope["generated"]


@pytest.mark.nightly("test_random_functions")
def test_empty_partitions_and_rows_from_an_exchange(spark, frames):
    udf = pandas_udf("double")(_typed(Function("lambda a, b: np.where(a > b, a, b * 2.0) + pd.Series(b)", ("f64", "f64"))))
    scattered = frames[7].repartition(40, "i8_tame_dense")
    query = lambda: scattered.select("id", udf("f64_tame_nulls", "f64_tame_dense").alias("r")).orderBy("id")  # noqa: E731
    kernels = {"spark.sparkweld.backend": "native"}  # over rows the cost model would choose expressions
    expected, _ = run(spark, query, {**kernels, ENABLED: "false"})
    actual, frame = run(spark, query, {**kernels, ENABLED: "true"})
    assert differences(expected, actual) == []
    assert measured(frame).kernel_batches > 0
