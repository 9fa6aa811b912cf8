"""Checks that `sparkweld.score` returns the library's own predictions, in kernels and without them."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

import sparkweld
from sparkweld.errors import UserError
from tests.api.test_scoring import BOOSTED, NAMELESS, NUMBERS, PIPELINE, TABLE, TEXTS

TEXT = np.where(TABLE.city == "x", "good day", "bad bad day")


def weld(df):
    return "Weld [" in df._jdf.queryExecution().executedPlan().toString()


def both(spark, query):
    """Returns the rows of kernels, which must equal those of PySpark's workers."""
    scored = query()
    assert weld(scored), sparkweld.explain(scored)
    on = scored.toPandas()
    spark.conf.set("spark.sparkweld.enabled", "false")
    try:
        scored = query()
        assert not weld(scored)
        off = scored.toPandas()
    finally:
        spark.conf.unset("spark.sparkweld.enabled")
    pd.testing.assert_frame_equal(on, off, rtol=1e-12)
    return on


def test_models_and_paths(spark, parquet, tmp_path):
    df = parquet({**TABLE, "text": TEXT})
    joblib.dump(PIPELINE, tmp_path / "model")

    def query():
        scored = sparkweld.score(df, tmp_path / "model")
        scored = sparkweld.score(scored, PIPELINE, proba="no", output="p. no")
        scored = sparkweld.score(scored, BOOSTED, proba=True, output="boosted")
        scored = sparkweld.score(scored, NAMELESS.get_booster(), features=["a.b", "größe c"], output="x")
        return sparkweld.score(scored, TEXTS, features=["text"], output="t")

    rows = both(spark, query)
    assert list(rows) == [*df.columns, "prediction", "p. no", *(f"boosted_{c}" for c in range(3)), "x", "t"]
    assert (rows.prediction == PIPELINE.predict(TABLE)).all() and (rows.t == TEXTS.predict(TEXT)).all()
    np.testing.assert_allclose(rows["p. no"], PIPELINE.predict_proba(TABLE)[:, 0], rtol=1e-12)
    np.testing.assert_allclose(rows[[f"boosted_{c}" for c in range(3)]], BOOSTED.predict_proba(NUMBERS), rtol=1e-12)
    assert (rows.x == NAMELESS.predict(NUMBERS.to_numpy())).all()
    assert sparkweld.score(df.where("false"), PIPELINE).count() == 0


def test_models_of_spark(spark, parquet, tmp_path):
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import StringIndexer, VectorAssembler

    df = parquet({"a": TABLE["a.b"], "city": TABLE.city, "label": (TABLE["a.b"] > 0).astype(float)})
    assembler = VectorAssembler(inputCols=["a", "n"], outputCol="features")
    model = Pipeline(stages=[StringIndexer(inputCol="city", outputCol="n"), assembler, LogisticRegression(maxIter=2)]).fit(df)
    model.save(str(tmp_path / "ml"))
    labels = sparkweld.score(df, model).toPandas()
    rows = sparkweld.score(df, str(tmp_path / "ml"), output="p", proba=True).toPandas()
    assert list(rows) == ["a", "city", "label", "p"] and list(labels) == ["a", "city", "label", "prediction"]
    assert ((rows.p > 0.5) == labels.prediction).all() and rows.p.nunique() > 10
    for says, ask in (
        ("no column 'city', which StringIndexerModel needs", lambda: sparkweld.score(df.drop("city"), model)),
        ("has a column 'n', which StringIndexerModel creates", lambda: sparkweld.score(df.withColumn("n", F.lit(1)), model)),
        ("omit features=", lambda: sparkweld.score(df, model, ["a"])),
        ("no class 7", lambda: sparkweld.score(df, model, proba=7)),
        ("has a column 'Label' already", lambda: sparkweld.score(df.withColumnRenamed("label", "Label"), model, output="Label")),
        ("returns no probabilities", lambda: sparkweld.score(df, model.stages[0], proba=True)),
    ):
        with pytest.raises(UserError, match=says):
            ask()


def test_tables_that_do_not_fit(spark, parquet):
    df = parquet(dict(TABLE))
    with pytest.raises(UserError, match="has a column 'CITY' already"):
        sparkweld.score(df, PIPELINE, output="CITY")
    with pytest.raises(UserError, match="two columns 'city'"):
        sparkweld.score(df.select("*", "city"), PIPELINE)
    with pytest.raises(UserError, match="there is no model at"):
        sparkweld.score(df, "nofs://host/model")
