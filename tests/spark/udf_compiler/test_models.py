"""Compares models inside pandas UDFs with the plugin off and on."""

from __future__ import annotations

import re

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sparkweld import explain
from tests.helpers.differential import check, measured
from udf_compiler.frontends.models.xgboost_ import cuts_strings

ROWS = 9000
RNG = np.random.default_rng(4)
X = RNG.normal(size=(ROWS, 4)) * [1, 10, 0.1, 100]
FRAME = pd.DataFrame(X, columns=list("abcd"))
CLASS = np.where(FRAME.a + FRAME.b / 10 > 0, "yes", "no")


@pytest.fixture
def table(parquet):
    return parquet({"id": np.arange(ROWS), **{name: FRAME[name].to_numpy() for name in FRAME}})


def test_linear_models(spark, table):
    scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, CLASS)
    plain = LinearRegression().fit(X, X @ [1, 2, 3, 4])

    @pandas_udf("string")
    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(scaled.predict(d))

    @pandas_udf("double")
    def probability(d: pd.DataFrame) -> pd.Series:
        return pd.Series(scaled.predict_proba(d)[:, 1]).round(9)

    @pandas_udf("double")
    def line(a: pd.Series, b: pd.Series, c: pd.Series, d: pd.Series) -> pd.Series:
        return pd.Series(plain.predict(np.column_stack([a, b, c, d]))).round(6)

    features = F.struct("a", "b", "c", "d")
    what = check(spark, lambda: table.select("id", label(features), probability(features), line("a", "b", "c", "d")), deopt=None)
    assert what.kernel_batches


def test_a_large_model_in_a_broadcast(spark, table):
    model = LinearRegression().fit(X, X @ [1, 2, 3, 4])
    model.note = RNG.bytes(2_000_000)  # a command over 1 MB is a broadcast
    held = spark.sparkContext.broadcast({"model": model})

    @pandas_udf("double")
    def captured(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict(d.values)).round(6)

    @pandas_udf("double")
    def broadcast(d: pd.DataFrame) -> pd.Series:
        return pd.Series(held.value["model"].predict(d.values)).round(6)

    features = F.struct("a", "b", "c", "d")
    check(spark, lambda: table.select("id", captured(features), broadcast(features)))


def test_a_model_that_is_not_read_in_time(spark, table):
    """The limit is known before the compile service receives a request."""
    model = LinearRegression().fit(X, X[:, 0])
    model.note = RNG.bytes(3_000_000)

    @pandas_udf("double")
    def score(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict(d.values)).round(6)

    query = lambda: table.select(score(F.struct("a", "b", "c", "d")))  # noqa: E731
    check(spark, query, refused="SW863", conf={"spark.sparkweld.compile.cpuTime": "100ms"})
    check(spark, query)


def test_a_broadcast_that_is_lost(spark, table):
    """SW870: an executor that cannot read a model's constants runs the UDF in Python."""
    model = RandomForestClassifier(n_estimators=3, random_state=7).fit(X, CLASS)

    @pandas_udf("double")
    def score(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict_proba(d.values)[:, 1])

    scored = table.select(score(F.struct("a", "b", "c", "d")).alias("p"))
    node = scored._jdf.queryExecution().executedPlan()
    while node.getClass().getSimpleName() != "WeldExec":
        node = node.children().head()
    sent = node.kernel().models().head().broadcast(spark.sparkContext._jsc.sc())
    spark.sparkContext._jsc.sc().cleaner().get().doCleanupBroadcast(sent.id(), True)
    assert np.array_equal(scored.toPandas().p, model.predict_proba(X)[:, 1])
    what = measured(scored)
    assert what.deoptimised_batches and not what.kernel_batches


def test_predict_batch_udf(spark, table):
    scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, CLASS)

    def make():
        return lambda x: scaled.predict_proba(x)[:, 1].round(9)

    predicted = predict_batch_udf(make, return_type=DoubleType(), batch_size=1000)
    check(spark, lambda: table.select("id", predicted(F.struct("a", "b", "c", "d")).alias("r")))


def test_a_table_of_strings_and_numbers(spark, parquet):
    ids = np.arange(ROWS)
    words = [None if i % 13 == 5 else f"w{i * 7 % 31}" for i in ids]
    values = np.where(ids % 11 == 3, np.nan, FRAME.a.to_numpy())
    given = {"id": ids, "s": words, "x": pa.array(values, from_pandas=True), "k": ids % 5}
    rows = pd.DataFrame({"s": words, "x": values, "k": ids % 5})
    numeric = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = ColumnTransformer([("n", numeric, ["x", "k"]), ("s", OneHotEncoder(handle_unknown="ignore"), ["s"])])
    model = make_pipeline(columns, LogisticRegression()).fit(rows[:500], CLASS[:500])
    table = parquet(given)

    @pandas_udf("string")
    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict(d))

    @pandas_udf("double")
    def probability(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict_proba(d)[:, 1]).round(9)

    features = F.struct("s", "x", "k")
    what = check(spark, lambda: table.select("id", label(features), probability(features)), deopt=None)
    assert what.kernel_batches


def test_models_with_blocks(spark, parquet):
    """Two networks, a string and a filter over one result share one kernel that reads two blocks; one column has NULLs."""
    names = list("abcd")
    of_labels = MLPClassifier((8,), max_iter=3, random_state=0)
    of_numbers = MLPRegressor(hidden_layer_sizes=(5, 3), max_iter=3, random_state=0)
    with pytest.warns(UserWarning, match="iterations"):
        of_labels.fit(X, CLASS), of_numbers.fit(X, X[:, 0])
    nulls = np.where(np.arange(ROWS) % 5 == 3, None, FRAME.c)
    texts = np.array([f"t{i % 17}é" for i in range(ROWS)])
    table = parquet({"id": np.arange(ROWS), **{n: FRAME[n].to_numpy() for n in "abd"}, "c": pa.array(nulls.tolist()), "s": texts})

    @pandas_udf("string")
    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(of_labels.predict(d.fillna(0.0).to_numpy()))

    @pandas_udf("double")
    def number(d: pd.DataFrame) -> pd.Series:
        return pd.Series(of_numbers.predict(d.fillna(0.0).to_numpy())).round(9)

    @pandas_udf("string")
    def text(s: pd.Series) -> pd.Series:
        return s.str.upper().str.slice(0, 3)

    features = F.struct(*names)
    what = check(spark, lambda: table.select("id", label(features), number(features).alias("n"), text("s")).where("n > 0"))
    assert what.operators == 1


def test_columns_that_a_model_never_reads(spark, parquet):
    """Unread columns are not scanned and their inputs not computed, whatever values they hold; validated columns are read."""
    rng = np.random.default_rng(12)
    wide = pd.DataFrame(rng.normal(size=(ROWS, 6)), columns=list("abcdef"))
    trees = HistGradientBoostingRegressor(max_iter=4, max_depth=2, random_state=0).fit(wide, wide.b + (wide.e > 0))
    checked = RandomForestClassifier(2, max_depth=1, random_state=0).fit(wide, wide.b > 0)
    odd = np.array([np.nan, np.inf, -np.inf, 1.0])[np.arange(ROWS) % 4]
    columns = {"id": np.arange(ROWS), **{n: wide[n].to_numpy() for n in "abef"}, "c": odd, "d": [None, 1.0, 2.0] * (ROWS // 3)}
    table = parquet(columns)

    @pandas_udf("double")
    def score(d: pd.DataFrame) -> pd.Series:
        return pd.Series(trees.predict(d))

    @pandas_udf("double")
    def feeds(v: pd.Series) -> pd.Series:
        return v * 3

    @pandas_udf("boolean")
    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(checked.predict(d))

    def query():
        return table.withColumn("f", feeds("f")).select("id", score(F.struct(*"abcdef")).alias("r"))

    what = check(spark, query)
    assert ("score", "unread") in what.rewritten
    plan = query()._jdf.queryExecution().executedPlan().toString()
    assert re.search(r"ReadSchema: struct<id:bigint,b:double,e:double>", plan), plan
    assert "feeds" not in plan
    assert "columns that score never reads: a, c, d, f" in explain(query())
    finite = table.where("c = 1 and d > 0").select("id", label(F.struct(*"abcdef")).alias("r"))
    assert "label never reads" not in explain(finite)


def test_tree_ensembles(spark, parquet):
    """Four libraries and both forms of a kernel agree over numbers with missing values."""
    rng = np.random.default_rng(11)
    holes = FRAME.mask(rng.random(FRAME.shape) < 0.05)
    table = parquet({"id": np.arange(ROWS), **{name: holes[name].to_numpy() for name in holes}})
    number = (CLASS == "yes").astype(int)
    trees = RandomForestClassifier(12, max_depth=12, random_state=0).fit(holes, CLASS)
    light = lightgbm.LGBMRegressor(n_estimators=12, n_jobs=1, verbose=-1).fit(holes, X @ [1, 2, 3, 4])
    boost = xgboost.XGBClassifier(n_estimators=12, n_jobs=1).fit(holes, number)
    cat = catboost.CatBoostClassifier(iterations=12, verbose=0, allow_writing_files=False, thread_count=1).fit(holes, CLASS)

    @pandas_udf("string")
    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(trees.predict(d))

    @pandas_udf("double")
    def fraction(d: pd.DataFrame) -> pd.Series:
        return pd.Series(trees.predict_proba(d)[:, 1])

    @pandas_udf("double")
    def value(d: pd.DataFrame) -> pd.Series:
        return pd.Series(light.predict(d))

    @pandas_udf("long")
    def flag(d: pd.DataFrame) -> pd.Series:
        return pd.Series(boost.predict(d))

    @pandas_udf("string")
    def by_cat(d: pd.DataFrame) -> pd.Series:
        return pd.Series(cat.predict(d))

    features = F.struct("a", "b", "c", "d")
    scored = (label(features), fraction(features), value(features), flag(features), by_cat(features))
    what = check(spark, lambda: table.select("id", *scored), deopt=None)
    assert what.kernel_batches


@pytest.mark.nightly(
    "tests/udf_compiler/frontends/models/test_categories.py::test_categories",
    "tests/udf_compiler/frontends/models/test_categories.py::test_a_category_that_is_new",
)
def test_categories_of_strings(spark, parquet):
    """Codes are those of the training for any strings. XGBoost raises for a new category, CatBoost for a missing one."""
    last = "Bonn" if cuts_strings() else "Köln"  # an XGBoost that cuts strings beyond ASCII is refused
    cities = np.array(["Oslo", "Rome", None, last, "new"], object)[np.arange(600) % 5]
    frame = parquet({"id": np.arange(600), "a": np.arange(600) % 7 * 1.0, "city": pa.array(cities, pa.string())})
    known = frame.filter("city <> 'new' or city is null").toPandas()
    data = known[["a"]].assign(city=known.city.astype("category"))
    target = known.a * known.city.isin(["Oslo", last])
    light = lightgbm.LGBMRegressor(n_estimators=4, num_leaves=5, verbose=-1, n_jobs=1).fit(data, target)
    options = {"enable_categorical": True, "max_cat_to_onehot": 1}
    boosted = xgboost.XGBRegressor(n_estimators=4, max_depth=3, n_jobs=1, **options).fit(data, target)

    @pandas_udf("double")
    def by_light(d: pd.DataFrame) -> pd.Series:
        return pd.Series(light.predict(d.assign(city=d["city"].astype("category"))))

    @pandas_udf("float")
    def by_boosted(d: pd.DataFrame) -> pd.Series:
        return pd.Series(boosted.predict(d.assign(city=d["city"].astype("category")), output_margin=True))

    cat = catboost.CatBoostRegressor(iterations=9, cat_features=["city"], verbose=0, allow_writing_files=False, thread_count=1)
    cat.fit(known[["a", "city"]].fillna("none"), target)

    @pandas_udf("double")
    def by_cat(d: pd.DataFrame) -> pd.Series:
        return pd.Series(cat.predict(d))

    row, full = F.struct("a", "city"), F.struct("a", F.coalesce("city", F.lit("none")).alias("city"))
    check(spark, lambda: frame.select("id", by_light(row), by_cat(full)))
    check(spark, lambda: frame.select("id", by_cat(row)), deopt=None)
    check(spark, lambda: frame.filter("id < 4").select("id", by_boosted(row)))
    check(spark, lambda: frame.select("id", by_boosted(row)), deopt=None)
