"""Checks functions behind cascades in Spark: the rows with the plugin off and on, iterators, and row-local functions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
import pytest
from pyspark import cloudpickle
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sparkweld
from sparkweld.annotations import row_local
from sparkweld.cascades.black_box import BlackBox
from sparkweld.cascades.cascade import Cascade
from sparkweld.errors import UserError
from tests.helpers.differential import check
from tests.helpers.lines import WORKER_PIPELINES

# As if the job's own file defined the functions: pickled by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

WORDS = ("refund", "order", "late", "thanks", "great", "broken", "when", "arrives")


def intent(strings: pd.Series) -> pd.Series:
    """A black box: the first letters decide, and few rare rows differ."""
    bad = [t is not None and ("broken" in t or t.startswith("late")) for t in strings]
    return pd.Series(np.where(strings.isna(), "none", np.where(bad, "complaint", "other")))


def intents(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    for strings in batches:
        yield intent(strings)


def sentences(seed: int, rows: int) -> pd.Series:
    random = np.random.default_rng(seed)
    return pd.Series([" ".join(random.choice(WORDS, random.integers(1, 7))) for _ in range(rows)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("cascades")
    small = make_pipeline(CountVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000, C=10))
    with pytest.MonkeyPatch.context() as patch:
        cost = {BlackBox: 1e6, Cascade: 3e5}
        patch.setattr(sparkweld.cascade, "measure_in_python", lambda models, data: [cost.get(type(m), 1e4) for m in models])
        for function in (intent, intents):
            sparkweld.cascade.fit(function, sentences(0, 8000), small=small, accuracy_loss=0.02, path=made / function.__name__)
    return made


@pytest.mark.parametrize("name", ["plain", "iterator", "row_local"])
def test_rows_are_those_of_the_decorated_function(spark, parquet, folder, name):
    strings = sentences(1, 3000)
    strings[::50] = None
    table = parquet({"id": np.arange(3000), "text": strings.tolist()}, row_group_size=700, name="sentences")
    decorated = sparkweld.cascade.apply(folder / ("intents" if name == "iterator" else "intent"))(
        intents if name == "iterator" else intent
    )
    function = pandas_udf("string")(row_local(decorated) if name == "row_local" else decorated)
    query = lambda: table.select("id", function("text").alias("made")).orderBy("id")  # noqa: E731
    made = {}
    for enabled in ("false", "true"):
        spark.conf.set("spark.sparkweld.enabled", enabled)
        try:
            made[enabled] = query().toPandas()["made"]
        finally:
            spark.conf.unset("spark.sparkweld.enabled")
    assert made["true"].equals(made["false"])
    if name == "row_local" and WORKER_PIPELINES:
        assert "1. call: intent, declared row-local, " in sparkweld.explain(query())
    alone = sparkweld.cascade.apply(folder / "intent")(intent)(strings)
    different = (made["true"] != alone).sum()
    assert different == 0 if name != "iterator" else different < 10
    assert (made["true"][::50] == "none").all() and (made["true"] == "complaint").any()
    assert (made["true"] != intent(strings)).mean() < 0.02


def test_the_plan_states_that_the_function_runs_in_python(spark, parquet, folder):
    table = parquet({"text": sentences(2, 50).tolist()}, name="few")
    function = pandas_udf("string")(sparkweld.cascade.apply(folder / "intent")(intent))
    query = lambda: table.select(function(F.col("text")))  # noqa: E731
    check(spark, query, refused="SW960")
    assert "Black box behind a cascade: intent runs in Python for the rows" in sparkweld.explain(query())


def test_the_certificate_states_the_times_of_a_query(spark, parquet, folder, monkeypatch):
    cost = {BlackBox: 1e6, Cascade: 3e5}
    monkeypatch.setattr(sparkweld.cascade, "measure_in_python", lambda models, data: [cost.get(type(m), 1e4) for m in models])
    small = make_pipeline(CountVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000, C=10))
    table = parquet({"id": np.arange(900), "text": sentences(3, 900).tolist()}, name="timed")
    fit = partial(sparkweld.cascade.fit, intent, small=small, accuracy_loss=0.02)
    told = fit(sentences(0, 8000).rename("text"), query=table).certificate
    assert told.query_rows == 900 and min(told.query_full_cost, told.query_cost) > 0
    lines = told.lines()
    assert not any("so it gains less" in line for line in lines)
    assert lines[-1].startswith("time per row of a query of 900 rows: full model ") and lines[-1].endswith("x)")
    with pytest.raises(UserError, match="name of the column of strings"):
        fit(sentences(0, 8000), query=table)
    with pytest.raises(UserError, match="query has no column 'words': id, text"):
        fit(sentences(0, 8000).rename("words"), query=table)
    with pytest.raises(UserError, match="pass a DataFrame of Spark"):
        fit(sentences(0, 8000).rename("text"), query=table.toPandas())
