"""Checks the advice on cascades of a query: which rows each kind of function passes to models, costs, and what it cannot try."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from pyspark.errors import PythonException
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import BooleanType, DoubleType, IntegerType
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sparkweld
from sparkweld.api import cascade_advice, recording
from sparkweld.bridge import profiled
from sparkweld.errors import UserError
from tests.helpers.lines import of_named_arguments
from udf_compiler.frontends.models.estimators import is_model
from udf_compiler.function.payload import load_command

ROWS = pd.DataFrame(np.random.default_rng(0).random((400, 2)), columns=["a", "b"])
FOREST = RandomForestClassifier(40, random_state=0).fit(ROWS, ROWS.a > 0.5)
ARRAYS = LogisticRegression().fit(ROWS.to_numpy(), ROWS.a > ROWS.b)
WORDS = make_pipeline(CountVectorizer(), LogisticRegression()).fit(["good day", "bad day", "good", "bad"] * 5, [1, 0, 1, 0] * 5)


def costs(estimators, data):
    """Prices the first estimator, the full model, at 100 ns a row and the others at 10, so that no test depends on a clock."""
    return [100.0, *[10.0] * (len(estimators) - 1)]


def advise(df, accuracy_loss=0.02, rows=1500):
    return cascade_advice.advise(df, accuracy_loss, 0.95, rows, costs)


@pytest.fixture
def table(spark):
    text = "if(id % 2 = 0, 'good day', 'bad') as t"
    return spark.range(0, 2000, 1, 2).selectExpr("id", "id * 7919 % 2000 / 2000 as a", "id * 104729 % 2003 / 2003 as b", text)


def calls_of(df, most=100):
    (function,) = profiled.functions(df)
    pickled, models = recording.pickled_recording(load_command(function.command).function, is_model)
    return recording.recorded(profiled.arguments(df, function.command), function.eval_type, pickled, most), models


@pandas_udf(DoubleType())
def share(a: pd.Series, b: pd.Series) -> pd.Series:
    return pd.Series(FOREST.predict_proba(pd.DataFrame({"a": a, "b": b}))[:, 1])


@pandas_udf(DoubleType())
def shares(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
    for a, b in batches:
        yield pd.Series(ARRAYS.predict_proba(np.column_stack([a, b]))[:, 1])


@udf(BooleanType())
def one(a, b):
    return bool(ARRAYS.predict([[a, b]])[0])


@pandas_udf(IntegerType())
def words(t: pd.Series) -> pd.Series:
    return pd.Series(WORDS.predict(t))


@pytest.mark.parametrize(
    ("function", "columns", "method"),
    [(share, "ab", "predict_proba"), (shares, "ab", "predict_proba"), (one, "ab", "predict"), (words, "t", "predict")],
    ids=["columns", "batches", "values", "text"],
)
def test_recorded_rows_are_those_that_models_receive(table, function, columns, method):
    calls, models = calls_of(table.select(function(*columns)))
    assert len(models) == 1 and {(number, name) for number, name, _ in calls} == {(0, method)}
    found = cascade_advice.table(models[0], [rows for _, _, rows in calls])
    assert found.to_numpy().tolist() == table.select(*columns).limit(100).toPandas().squeeze().to_numpy().tolist()


@of_named_arguments
def test_named_arguments_and_calls_below_other_nodes(table):
    df = table.where("id > 50").groupBy("id").agg(F.sum(share("b", b="a")).alias("s")).where("s > 0")
    calls, _ = calls_of(df, 10)
    expected = table.where("id > 50").limit(10).toPandas()
    assert pd.concat(rows for _, _, rows in calls)[["b", "a"]].to_numpy().tolist() == expected[["a", "b"]].to_numpy().tolist()


def test_a_cascade_would_pay(table):
    (advice,) = advise(table.select(share("a", "b")))
    assert (advice.function, advice.model, advice.methods) == ("share", "RandomForestClassifier", ("predict_proba",))
    made = advice.certificate
    assert advice.rows == 1500 and made.full_cost == 100 and made.cascade_cost == 10 and advice.gain == 10
    text = str(advice)
    assert "a cascade would pay" in text and "(10.0x)" in text and "predict_proba" in text
    assert "changes the full model's answer for less than 2.0000%" in text and "accuracy_loss=0.02" in text


def test_models_of_one_function_with_a_broadcast(spark, table):
    held, other = spark.sparkContext.broadcast({"forest": FOREST}), RandomForestRegressor(3, random_state=0).fit(ROWS, ROWS.a)

    @pandas_udf(DoubleType())
    def of_both(a: pd.Series, b: pd.Series) -> pd.Series:
        rows = pd.DataFrame({"a": a, "b": b})
        labels = held.value["forest"].predict(rows)
        return pd.Series(labels * 1.0) if len(rows) else pd.Series(other.predict(rows))

    found = {advice.model: advice for advice in advise(table.select(of_both("a", "b")))}
    assert found["RandomForestClassifier"].certificate is not None
    assert "did not call" in found["RandomForestRegressor"].why


def test_reasons(spark, table):
    assert advise(table.select(F.col("a") + 1)) == [] == advise(table.select(udf(lambda a: a + 1, "double")("a")))
    few = advise(table.select(share("a", "b")), rows=50)
    assert few[0].certificate is None and few[0].why.startswith("SW941") and "no cascade" in str(few[0])
    nothing = advise(table.where("id < 0").select(share("a", "b")))
    assert "did not call" in nothing[0].why

    other = table.selectExpr("b as c")
    assert "only scalar functions of one table" in advise(table.join(other, share(table.a, other.c) > 0.5))[0].why


def test_faults_of_the_user(spark, table):
    @pandas_udf(DoubleType())
    def broken(a: pd.Series) -> pd.Series:
        return pd.Series(FOREST.predict(a.to_frame().assign(c=1)))

    with pytest.raises(PythonException, match="feature names"):
        advise(table.select(broken("a")))
    assert spark.conf.get("spark.sparkweld.enabled", "unset") == "unset"
    for arguments in ({"rows": 0}, {"rows": True}, {"accuracy_loss": 0.7}, {"confidence": 1}):
        with pytest.raises(UserError):
            sparkweld.cascade.advise(table, **arguments)
    with pytest.raises(UserError, match="requires a DataFrame of Spark, not a DataFrame"):
        sparkweld.cascade.advise(ROWS)
