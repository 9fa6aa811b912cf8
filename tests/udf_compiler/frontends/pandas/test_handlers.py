"""Compares handlers of exceptions in code that sees whole columns with PySpark's worker: a flagged row concerns its batch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, StringType
from sklearn.tree import DecisionTreeRegressor

from sparkweld.contract.constants import SCALAR_ARROW, SCALAR_PANDAS
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.compiled import compare_with_worker
from tests.helpers.kinds import codes, compile_udf

BATCHES = [
    pa.record_batch({"x": pa.array([1.5, -2.0, 0.0]), "s": pa.array(["1", "22", "-3"])}),
    pa.record_batch({"x": pa.array([8.0, float("inf"), 1.0]), "s": pa.array(["7", "no number", "9"])}),
    pa.record_batch({"x": pa.array([None, 3.0, 4.0]), "s": pa.array([None, "", "5"])}),
]
TREE = DecisionTreeRegressor(max_depth=3).fit(np.arange(20.0).reshape(10, 2), np.arange(10.0))


def never_raises(x, s):
    try:
        return x * 2 + 1
    except Exception as error:  # noqa: BLE001 - as people write it
        print(f"failed: {error}")
        return pd.Series([0.0] * len(x))


def converts(x, s):
    try:
        return s.astype("int64").astype("float64")
    except (ValueError, TypeError):
        return x


def scores(x, s):
    try:
        made = TREE.predict(pd.DataFrame({"a": x, "b": x + 1}).to_numpy())
    except ValueError:
        made = np.zeros(len(x))
    return pd.Series(made)


def of_each_row(x, s):
    made = []
    for text in s:
        try:
            made.append(float(text))
        except Exception:  # noqa: BLE001
            made.append(-1.0)
    return pd.Series(made)


def passes_through_finally(x, s):
    for factor in (2.0, 3.0):
        try:
            x = x * factor
        finally:
            continue  # noqa: B012
    return x


@pytest.mark.parametrize("function", [never_raises, converts, scores, of_each_row, passes_through_finally])
def test_handlers_around_columns(function):
    compared = compare_with_worker(function, BATCHES, DoubleType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided, compared


@pytest.mark.parametrize("function", [converts, scores])
def test_a_flagged_row_concerns_its_batch(function):
    """The handler replaces the results of all rows of the batch in which one raises, so batches must be Spark's own."""
    call = udf(0, column("x", "double"), column("s", "string"), returns="double", evalType=SCALAR_PANDAS)
    given = {**request(python_step(r=call), inputs={"x": "double", "s": "string"}), "regrouped": True}
    reply = compile_pipeline(given, [payload(function)])
    assert reply["status"] == "ok" and reply["batchwise"], reply


def catches_everything(x, s):
    try:
        return pd.Series([text.upper() for text in s])
    except:  # noqa: E722 - as people write it
        return s


def test_a_handler_that_would_end_the_trace_of_a_loop():
    assert compare_with_worker(catches_everything, BATCHES[:1], StringType(), SCALAR_PANDAS).refused == "SW600"


def hides_a_refusal(x, s):
    try:
        return x - x.mean()
    except Exception:  # noqa: BLE001
        return x


def test_a_refusal_wins_over_the_handler():
    assert compare_with_worker(hides_a_refusal, BATCHES[:1], DoubleType(), SCALAR_PANDAS).refused == "SW250"


def of_arrow(x):
    try:
        return x
    except Exception:  # noqa: BLE001
        return None


def test_other_kinds_of_functions_are_refused():
    assert codes(compile_udf(of_arrow, SCALAR_ARROW, {"x": "long"}, "long")) == ["SW213"]
