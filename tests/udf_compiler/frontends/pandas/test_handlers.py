"""Compares handlers of exceptions in code that sees whole columns with PySpark's worker: a flagged row concerns its batch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, StringType, StructField, StructType
from sklearn.tree import DecisionTreeRegressor

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_ARROW, SCALAR_PANDAS, SCALAR_PANDAS_ITERATOR
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


def ends_the_stream(frames):
    try:
        for frame in frames:
            yield pd.DataFrame({"r": frame["s"].astype("float64")})
    except ValueError:
        return


def remembers_an_error(batches):
    known = True
    for s in batches:
        try:
            made = s.astype("float64")
        except ValueError:
            made, known = s.str.len() * 1.0, False
        yield made if known else made * 0


@pytest.mark.parametrize(("function", "eval_type"), [(ends_the_stream, MAP_PANDAS), (remembers_an_error, SCALAR_PANDAS_ITERATOR)])
def test_a_handler_may_decide_about_later_batches(function, eval_type):
    returns = StructType([StructField("r", DoubleType())]) if eval_type == MAP_PANDAS else DoubleType()
    batches = [pa.record_batch({"s": pa.array(["1", "2"])})]
    assert compare_with_worker(function, batches, returns, eval_type).refused == "SW213"


SEEN: list[int] = []
COUNTS = {"errors": 0}
FAILED = False


def appends(s):
    try:
        return s.astype("float64")
    except ValueError:
        SEEN.append(1)
        return s.str.len() * 1.0 * len(SEEN)


def counts(s):
    try:
        return s.astype("float64")
    except ValueError:
        COUNTS["errors"] += 1
        return s.str.len() * 1.0 + COUNTS["errors"]


def by_another_name(s):
    mine = SEEN
    try:
        return s.astype("float64")
    except ValueError:
        mine.append(1)
        return s.str.len() * 1.0 * len(mine)


def by_a_helper(s):
    def note(items):
        items.append(1)

    try:
        return s.astype("float64")
    except ValueError:
        note(SEEN)
        return s.str.len() * 1.0 * len(SEEN)


def assigns(s):
    global FAILED
    try:
        made = s.astype("float64")
    except ValueError:
        FAILED, made = True, s.str.len() * 1.0
    return made * 0 if FAILED else made


@pytest.mark.parametrize(("function", "code"), [
    (appends, "SW217"), (counts, "SW217"), (by_another_name, "SW217"), (by_a_helper, "SW217"), (assigns, "SW211"),
])  # fmt: skip
def test_a_handler_may_change_what_later_batches_see(function, code):
    batches = [pa.record_batch({"s": pa.array(["1", "2"])})]
    assert compare_with_worker(function, batches, DoubleType(), SCALAR_PANDAS).refused == code


def changes_its_own(s):
    parts = []
    try:
        made = s.astype("float64")
    except ValueError:
        parts.append(1.0)
        made = s.str.len() * COUNTS["errors"] * 1.0
    return made + len(parts)


def test_a_handler_may_change_objects_of_its_own():
    compared = compare_with_worker(changes_its_own, [batch.select(["s"]) for batch in BATCHES], DoubleType(), SCALAR_PANDAS)
    assert not compared.refused and compared.decided, compared
