"""Checks scalar pandas UDFs that read other rows of their batch against PySpark's worker, batch by batch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DoubleType, StringType, StructField, StructType

from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.compiled import compare_with_worker

RNG = np.random.default_rng(3)
VALUES, KEYS = RNG.normal(size=1500), RNG.integers(0, 9, 1500)
WITH_NULLS = [None if at % 7 == 0 else float(x) for at, x in enumerate(VALUES)]
FLOATS = [
    pa.array(VALUES), pa.array(WITH_NULLS, pa.float64()), pa.array([1.5]), pa.array([None], pa.float64()),
    pa.array([1.0, -0.0, float("nan"), float("inf")]), pa.array([3.0, 3.0, 3.0]),
]  # fmt: skip
INTS = [
    pa.array(KEYS), pa.array([None if at % 5 == 0 else int(k) for at, k in enumerate(KEYS)], pa.int64()),
    pa.array([7]), pa.array([None, None], pa.int64()),
]  # fmt: skip
TEXTS = [pa.array([None if at % 9 == 0 else "abc"[at % 3] * (at % 4) for at in range(100)]), pa.array(["x"])]


def standard(v: pd.Series) -> pd.Series:
    centred = v - v.mean()
    return centred / v.std(ddof=0)


def scaled(v: pd.Series) -> pd.Series:
    return (v - v.min()) / (v.max() - v.min())


def filled(v: pd.Series) -> pd.Series:
    return v.fillna(v.median())


def clipped(v: pd.Series) -> pd.Series:
    return v.clip(v.quantile(0.05), v.quantile(0.95))


def of_array(v: pd.Series) -> pd.Series:
    a = v.to_numpy()
    return pd.Series((a - a.mean()) / a.std())


def branching(v: pd.Series) -> pd.Series:
    if v.std() == 0:
        return v * 0.0
    return (v - v.mean()) / v.std()


def most_frequent(v: pd.Series) -> pd.Series:
    return v.fillna(v.mode()[0])


NUMERIC = {
    "standard": standard, "scaled": scaled, "filled": filled, "of an array": of_array, "branching": branching,
    "most frequent": most_frequent, "rank": lambda v: v.rank(pct=True), "running": lambda v: v.cumsum(),
    "step": lambda v: v.diff().fillna(0), "earlier": lambda v: v.shift(1), "share": lambda v: v / v.sum(),
    "window": lambda v: v.rolling(3).mean(), "forward": lambda v: v.ffill(), "by length": lambda v: v / len(v),
    "above": lambda v: pd.Series(np.where(v > v.mean(), 1.0, 0.0)),
}  # fmt: skip


@pytest.mark.parametrize("number", range(len(NUMERIC)))
@pytest.mark.parametrize("arrays", [FLOATS, INTS], ids=["floats", "integers"])
def test_numbers(number, arrays):
    name = list(NUMERIC)[number]
    batches = [pa.record_batch({"v": array}) for array in arrays]
    compared = compare_with_worker(NUMERIC[name], batches, DoubleType(), kernel=True, whole_batches=True)
    assert not compared.refused and compared.decided + compared.flagged == len(arrays)
    assert compared.decided >= len(arrays) - 1


def test_quantiles_of_floats():
    batches = [pa.record_batch({"v": array}) for array in FLOATS]
    assert compare_with_worker(clipped, batches, DoubleType(), kernel=True, whole_batches=True).decided == len(FLOATS)


@pytest.mark.parametrize("arrays", [FLOATS, INTS, TEXTS], ids=["floats", "integers", "strings"])
def test_repeated_values(arrays):
    batches = [pa.record_batch({"v": array}) for array in arrays]
    compared = compare_with_worker(lambda v: v.duplicated(), batches, BooleanType(), kernel=True, whole_batches=True)
    assert compared.decided == len(arrays)


def test_several_columns_and_structs():
    def beside(a: pd.Series, b: pd.Series) -> pd.Series:
        return a - b.mean()

    def both(f: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"low": f["a"] - f["a"].mean(), "place": f["b"].rank()})

    batch = pa.record_batch({"a": pa.array(VALUES), "b": pa.array(WITH_NULLS, pa.float64())})
    assert compare_with_worker(beside, [batch], DoubleType(), kernel=True, whole_batches=True).decided == 1
    frame = pa.record_batch({"f": pa.StructArray.from_arrays([pa.array(VALUES), pa.array(KEYS)], ["a", "b"])})
    returns = StructType([StructField("low", DoubleType()), StructField("place", DoubleType())])
    assert compare_with_worker(both, [frame], returns, kernel=True, whole_batches=True).decided == 1


def test_a_flagged_row_flags_its_batch():
    """A branch that most batches do not take, and a conversion that fails in one row."""
    same = pa.record_batch({"v": pa.array([2.0] * 5)})
    assert compare_with_worker(branching, [same], DoubleType(), kernel=True, whole_batches=True).flagged == 1

    def text(v: pd.Series) -> pd.Series:
        return (v.astype("int64") - v.min()).astype(str)

    missing = pa.record_batch({"v": pa.array([1.0, None, 3.0])})
    compared = compare_with_worker(text, [missing], StringType(), kernel=True, whole_batches=True)
    assert (compared.refused, compared.flagged, compared.raised) == ("", 1, 1)


@pytest.mark.parametrize(("function", "code"), [
    (lambda v: v.mean(), "SW250"), (lambda v: v[v > v.mean()], "SW250"), (lambda v: v.ewm(span=3).std(), "SW250"),
    (lambda v: np.exp(v - v.max()) / np.exp(v - v.max()).sum(), "SW250"),
])  # fmt: skip
def test_refused(function, code):
    batches = [pa.record_batch({"v": pa.array(VALUES)})]
    assert compare_with_worker(function, batches, DoubleType(), whole_batches=True).refused == code


def of_one_column(**options):
    return request(python_step(r=udf(0, column("a", "double"), returns="double")), inputs={"a": "double"}, **options)


@pytest.mark.parametrize("regrouped", [False, True])
def test_other_batches(regrouped):
    """Where the kernel gets other batches than Spark's, the reply says whether it would compile with those of Spark."""
    given = of_one_column() | {"regrouped": regrouped}
    answer = compile_pipeline(given, [payload(standard, DoubleType())])
    assert [refusal["code"] for refusal in answer["refusals"]] == ["SW235" if regrouped else "SW250"]
    answer = compile_pipeline(given, [payload(lambda v: v.ewm(span=3).std(), DoubleType())])
    assert [refusal["code"] for refusal in answer["refusals"]] == ["SW250"]


def test_the_reply_names_the_function_that_reads_its_batch():
    answer = compile_pipeline(of_one_column(whole_batches=True), [payload(standard, DoubleType())])
    assert answer["batchwise"] == "f reads its batch" and not answer["repeatable"] and not answer["piecewise"]
    answer = compile_pipeline(of_one_column(whole_batches=True), [payload(lambda v: v + 1, DoubleType())])
    assert answer["batchwise"] is None


def test_captured_data_on_a_branch_that_few_batches_take():
    seen: list[int] = []

    def counting(v: pd.Series) -> pd.Series:
        if v.std() == 0:
            seen.append(1)
            return v * 0 + len(seen)
        return v - v.mean()

    batches = [pa.record_batch({"v": pa.array(VALUES)})]
    assert compare_with_worker(counting, batches, DoubleType(), whole_batches=True).refused == "SW250"
