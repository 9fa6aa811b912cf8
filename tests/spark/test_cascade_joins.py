"""Checks cascades whose expensive features come from joined tables: sure rows bypass the joins, with the same rows."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

import sparkweld
from sparkweld.willump import store
from sparkweld.willump.fitting import Fitted, Promise, fit
from tests.helpers.differential import measured, run

PATH, MODE = "spark.sparkweld.cascades.path", "spark.sparkweld.cascades.joins.mode"
ROWS, KEYS = 3000, 60
JOINED = "rows of which the cascade's small model is sure are not joined"


def fact(seed: int = 0, count: int = ROWS) -> pd.DataFrame:
    """Returns rows whose `a` determines the label unless it is near zero; keys above KEYS match no side row, some are NULL."""
    rng = np.random.default_rng(seed)
    key = rng.integers(0, KEYS + 5, count).astype(float)
    key[rng.random(count) < 0.02] = np.nan
    a, w = rng.normal(size=count).round(3), rng.integers(0, 9, count)
    return pd.DataFrame({"id": np.arange(count), "key": key, "a": a, "w": w})


def side() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame({"k": np.arange(KEYS, dtype=float), "b": rng.normal(size=KEYS), "c": rng.normal(size=KEYS),
                         "n": rng.integers(0, 9, KEYS), "title": [f"title {i}" for i in range(KEYS)]})  # fmt: skip


def joined(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.merge(side(), how="left", left_on="key", right_on="k")


def costs(estimators, data) -> list[float]:
    """Returns costs in which the joined features cost nine times the rest."""
    return [_cost(estimator, data) for estimator in estimators]


def _cost(estimator, data) -> float:
    if hasattr(estimator, "threshold"):
        return 1 + 10 * float(np.mean(~estimator.sure(data)))
    return 1.0 if len(estimator[0].transformers) == 1 else 10.0


def pipeline(model, *names) -> Pipeline:
    return Pipeline([("parts", ColumnTransformer([(n, "passthrough", [n]) for n in names])), ("model", model)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Saves two cascades: one with string labels, one with numbers."""
    path = tmp_path_factory.mktemp("joins")
    rows = joined(fact(5, 8000))
    rng = np.random.default_rng(2)
    shown = np.where(np.abs(rows["a"]) > 0.3, rows["a"], rows["b"].fillna(0))
    label = np.where(shown + 0.05 * rng.normal(size=len(rows)) > 0, "yes", "no")
    trees = {"max_iter": 20, "random_state": 0}
    made = fit(pipeline(HistGradientBoostingClassifier(**trees), "a", "b", "c"), rows[["a", "b", "c"]], label,
               Promise(0.02, 0.95), costs, pipeline(HistGradientBoostingClassifier(**trees), "a"))  # fmt: skip
    store.save(made, path / "labels")
    numbers = rows["a"] + np.where(np.abs(rows["a"]) > 0.5, 0.0, 3.0 * rows["b"].fillna(0))
    made = fit(pipeline(HistGradientBoostingRegressor(**trees), "a", "b", "c"), rows[["a", "b", "c"]], numbers.to_numpy(),
               Promise(0.03, 0.95, band=0.4), costs, pipeline(HistGradientBoostingRegressor(**trees), "a"))  # fmt: skip
    store.save(made, path / "numbers")
    return path


@pytest.fixture
def tables(parquet):
    """Returns the rows and the joined tables: one that Spark knows to have unique keys, and the original one."""
    rows = parquet({name: column.to_numpy() for name, column in fact().items()}, name="fact", row_group_size=700)
    rows = rows.withColumn("key", F.when(~F.isnan("key"), F.col("key")))
    more = parquet({name: column.to_numpy() for name, column in side().items()}, name="side")
    return rows, more.dropDuplicates(["k"]), more


def labelling(model, kind="string"):
    @pandas_udf(kind)
    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict(d))

    return label


def below(folder) -> dict[str, str]:
    """Returns the settings that place cascades below joins regardless of the saving."""
    return {PATH: str(folder), MODE: "always"}


def was_joined(frame) -> bool:
    return JOINED in sparkweld.explain(frame)


def unsure_of(frame) -> int:
    report = json.loads(frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))
    return sum(o["unsureRows"] for o in report["operators"])


@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_sure_rows_are_answered_below_the_join(spark, folder, tables, kind):
    rows, unique, _ = tables
    cascade = store.load(folder / kind)[0]
    label = labelling(cascade.full, "string" if kind == "labels" else "double")

    def query():
        both = rows.join(unique, rows.key == unique.k, "left")
        return both.select("id", "w", label(F.struct("a", "b", "c")).alias("l"), (F.col("a") + 1).alias("more"))

    made, frame = run(spark, query, below(folder))
    data = joined(fact())
    expected = cascade.predict(data[["a", "b", "c"]])
    assert [row[2] for row in sorted(made.rows)] == expected.tolist()
    assert [row[3] for row in sorted(made.rows)] == (data["a"] + 1).tolist()
    sure = cascade.sure(data[["a", "b", "c"]])
    assert 0.3 < sure.mean() < 1 and unsure_of(frame) == np.count_nonzero(~sure)
    assert was_joined(frame), sparkweld.explain(frame)
    assert measured(frame).kernel_batches and not measured(frame).deoptimised_batches


def test_python_gives_the_same(spark, folder, tables):
    """Python produces the same rows, both without kernels and by `sparkweld.score`, whose function holds the cascade itself."""
    rows, unique, _ = tables
    cascade = store.load(folder / "labels")[0]
    both = rows.join(F.broadcast(unique), rows.key == unique.k, "left").select("id", "a", "b", "c")

    def query():
        return sparkweld.score(both, cascade.full, ["a", "b", "c"], cascade=folder / "labels").select("id", "prediction")

    expected = cascade.predict(joined(fact())[["a", "b", "c"]]).tolist()
    for conf in ({}, {"spark.sparkweld.exact.enabled": "true"}, {"spark.sparkweld.enabled": "false"}):
        made, frame = run(spark, query, {MODE: "always", **conf})
        assert [row[1] for row in sorted(made.rows)] == expected, conf
        assert was_joined(frame) == (conf == {})


def test_two_joins(spark, folder, tables):
    """Both joins apply to unsure rows only; the second uses a column of the first."""
    rows, unique, more = tables
    names = more.select(F.col("title").alias("t"), F.col("c").alias("c2")).dropDuplicates(["t"])
    cascade = store.load(folder / "labels")[0]
    label = labelling(cascade.full)

    def query():
        first = rows.join(unique.select("k", "b", "title"), rows.key == unique.k, "left")
        both = first.join(names, first.title == names.t, "left")
        return both.select("id", label(F.struct("a", "b", F.col("c2").alias("c"))).alias("l"))

    made, frame = run(spark, query, below(folder))
    assert [row[1] for row in sorted(made.rows)] == cascade.predict(joined(fact())[["a", "b", "c"]]).tolist()
    assert was_joined(frame)
    assert frame._jdf.queryExecution().optimizedPlan().toString().count("(if (sure") == 2


def test_what_cannot_be_proved_stays_above_the_join(spark, folder, tables):
    """Non-unique sides, inner joins, columns with other readers, integers and other uses of the answer stay above the join."""
    rows, unique, more = tables
    twice = more.union(more.where("k < 10").withColumn("b", -F.col("b")))
    model = store.load(folder / "labels")[0].full
    label, features = labelling(model), F.struct("a", "b", "c")

    @pandas_udf("double")
    def length(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict(d)).str.len().astype("float64")

    def of(other, how="left", *columns):
        return lambda: rows.join(other, rows.key == other.k, how).select("id", *(columns or (label(features).alias("l"),)))

    queries = {
        "twice": of(twice), "unproved": of(more), "inner": of(unique, "inner"), "right": of(unique, "right"),
        "shown": of(unique, "left", label(features).alias("l"), "title"),
        "whole": of(unique.withColumn("c", F.col("n")), "left", label(features).alias("l")),
        "changed": of(unique, "left", length(features).alias("l")),
        "shuffled": lambda: of(unique.hint("shuffle_hash"))(),
    }  # fmt: skip
    for name, query in queries.items():
        made, frame = run(spark, query, below(folder))
        apart, _ = run(spark, query, {PATH: str(folder), MODE: "never"})
        assert not was_joined(frame), name
        key = lambda row: tuple(map(str, row))  # noqa: E731
        assert sorted(made.rows, key=key) == sorted(apart.rows, key=key) and len(made.rows) >= ROWS // 2, name


def test_models_in_broadcasts_go_below_only_where_that_pays(spark, folder, tables, tmp_path):
    """The join's measured cost decides: nothing, less than planning for so few rows, and more. Never for null-safe joins."""
    rows, unique, _ = tables
    cascade, told = store.load(folder / "labels")
    expected = cascade.predict(joined(fact())[["a", "b", "c"]]).tolist()
    for cost in (0.0, 1e4, 1e8):
        path = tmp_path / str(cost)
        store.save(Fitted(cascade, dataclasses.replace(told, join_cost=cost), ()), path)
        for plain in (True, False):
            def query(plain=plain):
                both = rows.join(unique, rows.key == unique.k if plain else rows.key.eqNullSafe(unique.k), "left")
                return sparkweld.score(both, cascade.full, ["a", "b", "c"], output="l").select("id", "l")

            made, frame = run(spark, query, {PATH: str(path)})
            assert [row[1] for row in sorted(made.rows)] == expected
            assert was_joined(frame) == (plain and cost > 1e4), (cost, plain)


@pytest.mark.parametrize("partitions", [1, 40])
def test_tables_without_rows(spark, folder, tables, partitions):
    rows, unique, _ = tables
    label = labelling(store.load(folder / "labels")[0].full)
    expected = store.load(folder / "labels")[0].predict(joined(fact())[["a", "b", "c"]])
    for left, right, wanted in ((rows.limit(0), unique, 0), (rows, unique.where("k < 0"), ROWS), (rows, unique, ROWS)):
        def query(left=left, right=right):
            few = left.repartition(partitions)
            return few.join(right, few.key == right.k, "left").select("id", label(F.struct("a", "b", "c")).alias("l"))

        made, _ = run(spark, query, below(folder))
        assert len(made.rows) == wanted
    assert [row[1] for row in sorted(made.rows)] == expected.tolist()
