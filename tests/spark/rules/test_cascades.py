"""Checks unmodified jobs whose UDFs hold a certified model: their rows are the cascade's, in kernels and in Python."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import shutil

import joblib
import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier

import sparkweld
from jobs.fit_cascade import arguments
from jobs.fit_cascade import run as run_job
from sparkweld.cascades import store
from sparkweld.cascades.cascade import Cascade
from sparkweld.cascades.certificate import CascadeCertificate
from sparkweld.cascades.fingerprint import fingerprint
from sparkweld.cascades.fitting import fit
from sparkweld.cascades.promises import LossPromise
from sparkweld.errors import Refusal, RefusalWarning, UserError
from tests.cascades.test_cascades import ROWS, text_pipeline, texts, tree_cascade
from tests.cascades.test_cascades import table as numbers
from tests.helpers.differential import ENABLED, measured, run, session_conf

PATH = "spark.sparkweld.cascades.path"


def by_groups(estimators, data) -> list[float]:
    """Returns deterministic costs, independent of machine load: those of words and character n-grams."""
    return [_by_groups(estimator, data) for estimator in estimators]


def _by_groups(estimator, data) -> float:
    if hasattr(estimator, "threshold"):
        return _by_groups(estimator.small, data) + 10 * float(np.mean(~estimator.sure(data)))
    return sum({"words": 1.0, "chars": 9.0}[name] for name, _ in estimator[0].transformer_list)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Saves two cascades. The small model of one negates its predictions, which identifies its answers."""
    path = tmp_path_factory.mktemp("cascades")
    data, label = texts()
    made = fit(text_pipeline(), data, label, LossPromise(0.01, 0.95), by_groups)
    opposite = clone(made.cascade.small).fit(data, np.where(label == "yes", "no", "yes"))
    store.save(dataclasses.replace(made, cascade=Cascade(opposite, made.cascade.full, made.cascade.threshold)), path / "reviews")
    store.save(tree_cascade(), path / "numbers")
    store.save(made, path.with_name("as-fitted"))
    large = copy.deepcopy(made.cascade.full)
    large[-1].ballast_ = bytes(16 << 20)
    store.save(dataclasses.replace(made, cascade=Cascade(opposite, large, made.cascade.threshold)), path.with_name("large"))
    return path


@pytest.fixture(scope="module")
def reviews(folder):
    return store.load(folder / "reviews")[0]


@pytest.fixture
def table(parquet):
    return parquet({"id": np.arange(ROWS), "text": texts()[0].to_numpy()}, row_group_size=1500)



def test_an_unmodified_job_uses_the_cascade(spark, table, folder, reviews):
    model = reviews.full
    held = spark.sparkContext.broadcast(model)

    @pandas_udf("string")
    def captured(text: pd.Series) -> pd.Series:
        return pd.Series(model.predict(text))

    @pandas_udf("string")
    def broadcast(text: pd.Series) -> pd.Series:
        return pd.Series(held.value.predict(text))

    def query():
        both = table.select("id", captured("text").alias("label"), broadcast("text").alias("other"))
        return both.where("id % 3 > 0")

    on = {PATH: str(folder), "spark.sparkweld.compile.timeout": "60s"}  # two cascades, also on a machine that runs other tests
    cascade, frame = run(spark, query, on)
    what = measured(frame)
    assert what.kernel_batches and not what.deoptimised_batches
    # From here on in Python: the same rows, by the same function.
    expected = reviews.predict(texts()[0])
    rows = {row[0]: row[1:] for row in cascade.rows}
    assert all(rows[i] == (expected[i], expected[i]) for i in range(ROWS) if i % 3)
    full = model.predict(texts()[0])
    assert 0.5 < (full != expected).mean() < 1  # the cascade's rows, not the model's
    plain, _ = run(spark, query, {})
    assert all(row[1:] == (full[row[0]],) * 2 for row in plain.rows)
    off, _ = run(spark, query, {**on, ENABLED: "false"})
    assert sorted(off.rows) == sorted(plain.rows)
    told = re.sub(r"\s+", " ", explained(spark, query, on))
    for part in ("certified: loses less than 1.0000% of rows", "efficient features: words of words, chars", "threshold 0."):
        assert part in told


@pytest.mark.gate_cases("inner")
@pytest.mark.parametrize("kind", ["left", "inner"])
def test_a_cascade_scores_the_rows_of_a_join(spark, table, folder, reviews, kind):
    """The full model's column comes from a joined table with one row per key, which Spark broadcasts."""
    label = labelling(reviews.full)

    def query():
        side = table.where("id % 3 > 0").dropDuplicates(["id"]).withColumnRenamed("id", "key")
        both = table.select("id").join(F.broadcast(side), F.col("id") == F.col("key"), kind)
        return both.select("id", label(F.coalesce("text", F.lit("the"))).alias("label"))

    made, frame = run(spark, query, {PATH: str(folder)})
    expected = reviews.predict(pd.Series([t if i % 3 else "the" for i, t in enumerate(texts()[0])]))
    assert sorted(made.rows) == [(i, expected[i]) for i in range(ROWS) if i % 3 or kind == "left"]
    assert measured(frame).kernel_batches


def told(spark, code: str) -> bool:
    """Whether a warning reported this code."""
    return spark._jvm.io.sparkweld.support.WarnOnce.warned(code)


def explained(spark, query, conf) -> str:
    with session_conf(spark, conf):
        return sparkweld.explain(query())


def test_batches_that_python_runs_have_the_cascades_answers(spark, folder, reviews, parquet):
    """A NULL raises in Python and sends its batch there; all batches have the cascade's answers."""
    model = reviews.full
    data = texts()[0].to_numpy()
    frame = parquet({"id": np.arange(ROWS), "text": [None if i == 5 else t for i, t in enumerate(data)]}, row_group_size=1000)

    @pandas_udf("string")
    def label(text: pd.Series) -> pd.Series:
        return pd.Series(model.predict(text.fillna("the")))

    def query():
        return frame.select("id", label("text").alias("label"))

    expected = reviews.predict(pd.Series(["the" if i == 5 else t for i, t in enumerate(data)]))
    made, _ = run(spark, query, {PATH: str(folder / "reviews"), "spark.sparkweld.kernel.maxTextBytes": "2k"})
    assert [value for _, value in sorted(made.rows)] == expected.tolist()


@pytest.mark.nightly("test_an_unmodified_job_uses_the_cascade")
def test_a_model_of_many_megabytes(spark, folder, table):
    path = folder.with_name("large")
    cascade = store.load(path)[0]
    label = labelling(cascade.full)
    made, frame = run(spark, lambda: table.select("id", label("text")), {PATH: str(path)})
    assert [value for _, value in sorted(made.rows)] == cascade.predict(texts()[0]).tolist() and measured(frame).kernel_batches


@pytest.mark.nightly(
    "test_an_unmodified_job_uses_the_cascade",
    "tests/cascades/test_cascades.py::test_the_kernel_equals_python_and_a_row_depends_on_no_other",
)
def test_numbers_and_probabilities(spark, folder, parquet):
    cascade = store.load(folder / "numbers")[0]
    model = cascade.full
    rows = numbers()[0]
    frame = parquet({"id": np.arange(len(rows)), **{name: rows[name].to_numpy() for name in rows}})

    @pandas_udf("double")
    def probability(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict_proba(d)[:, 1])

    def query():
        return frame.select("id", probability(F.struct(*"abcde")).alias("p"))

    made, done = run(spark, query, {PATH: str(folder)})
    assert measured(done).kernel_batches
    np.testing.assert_allclose([p for _, p in sorted(made.rows)], cascade.predict_proba(rows)[:, 1], rtol=1e-12)


def test_a_model_without_a_cascade_scores_in_full(spark, table, folder, reviews, tmp_path):
    model = reviews.full

    @pandas_udf("string")
    def label(text: pd.Series) -> pd.Series:
        return pd.Series(model.predict(text))

    @pandas_udf("double")
    def margin(text: pd.Series) -> pd.Series:
        return pd.Series(model.decision_function(text))

    @pandas_udf("string")
    def upper(text: pd.Series) -> pd.Series:
        return text.str.upper()

    edited = tmp_path / "edited"
    edited.mkdir()
    for file in (folder / "reviews").iterdir():
        (edited / file.name).write_bytes(file.read_bytes())
    record = json.loads((edited / "certificate.json").read_text())
    (edited / "certificate.json").write_text(json.dumps({**record, "allowed": 0.9}))
    full = model.predict(texts()[0])
    for path, code in ((edited, "SW950"), (tmp_path / "nothing", "SW950"), (folder / "numbers", "SW952")):
        made, _ = run(spark, lambda: table.select("id", label("text")), {PATH: str(path)})
        assert [value for _, value in sorted(made.rows)] == full.tolist(), path
        assert told(spark, code)
    run(spark, lambda: table.select("id", margin("text")), {PATH: str(folder)})
    assert told(spark, "SW953")
    spark._jvm.io.sparkweld.support.WarnOnce.reset()
    run(spark, lambda: table.select("id", upper("text")), {PATH: str(folder)})
    assert not told(spark, "SW95")


def labelling(model):
    @pandas_udf("string")
    def label(text: pd.Series) -> pd.Series:
        return pd.Series(model.predict(text))

    return label


def counted(frame) -> tuple[int, int]:
    """Returns (rows that cascades answered, those that the full model scored)."""
    report = json.loads(frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))
    return tuple(sum(o[name] for o in report["operators"]) for name in ("watchedRows", "unsureRows"))


def test_rows_are_held_against_the_certificate(spark, folder, parquet):
    """Rows distributed as in the fit are counted without a warning; rows without known words cause one."""
    path = folder.with_name("as-fitted")
    cascade = store.load(path)[0]
    label = labelling(cascade.full)
    spark._jvm.io.sparkweld.support.WarnOnce.reset()
    for easy in (0.8, 0.3):
        data = texts(5, easy)[0]
        table = parquet({"id": np.arange(ROWS), "text": data.to_numpy()}, name=f"easy{easy}", row_group_size=1000)
        made, frame = run(spark, lambda table=table: table.select("id", label("text").alias("l")), {PATH: str(path)})
        assert [row[1] for row in sorted(made.rows)] == cascade.predict(data).tolist()
        assert measured(frame).deoptimised_batches == 0
        assert counted(frame) == (ROWS, np.count_nonzero(~cascade.sure(data)))
        assert told(spark, "SW954") == (easy == 0.3)
        share = 100 * np.mean(~cascade.sure(data))
        promised = sparkweld.cascade.certificate(path)
        gain = promised.full_cost / (promised.sure_cost + share / 100 * promised.full_cost)
        assert f"measured: {ROWS:,} rows, {share:.1f}% deferred to the full model: {gain:.2f}x" in sparkweld.explain(frame)
    # Rows that a filter keeps are not a sample of the scored rows, so they are not counted.
    _, frame = run(spark, lambda: table.where(label("text") == "yes").select("id"), {PATH: str(path)})
    assert measured(frame).kernel_batches and counted(frame) == (0, 0)


def test_a_cascade_that_changes_more_than_it_should_is_turned_off(spark, folder, tmp_path, parquet):
    """The full model also scores a sample of batches, which reveals a small model replaced by its opposite."""
    data = texts(6)[0]
    table = parquet({"id": np.arange(ROWS), "text": data.to_numpy()}, row_group_size=1000)
    for name, source in (("honest", folder.with_name("as-fitted")), ("opposite", folder / "reviews")):
        path = shutil.copytree(source, tmp_path / name)
        model = store.load(path)[0].full

        label = labelling(model)
        conf = {PATH: str(path), "spark.sparkweld.shadow.fraction": "1"}
        query = lambda label=label: table.select("id", label("text").alias("l"))  # noqa: E731
        spark._jvm.io.sparkweld.support.WarnOnce.reset()
        made, frame = run(spark, query, conf)
        assert [row[1] for row in sorted(made.rows)] == store.load(path)[0].predict(data).tolist()
        assert measured(frame).deoptimised_batches == 0 and not told(spark, "SW955")
        assert told(spark, "SW957") == (name == "opposite")
        after, _ = run(spark, query, {PATH: str(path)})
        expected = model.predict(data).tolist() if name == "opposite" else [row[1] for row in sorted(made.rows)]
        assert [row[1] for row in sorted(after.rows)] == expected


@pytest.mark.nightly("test_a_cascade_that_changes_more_than_it_should_is_turned_off")
def test_a_cascade_that_a_query_names_is_turned_off_too(spark, folder, tmp_path, parquet):
    data = texts(6)[0]
    table = parquet({"id": np.arange(ROWS), "text": data.to_numpy()}, row_group_size=1000)
    path = shutil.copytree(folder / "reviews", tmp_path / "named")
    cascade = store.load(path)[0]
    own = labelling(cascade)
    queries = [
        lambda: sparkweld.score(table, cascade.full, ["text"], cascade=path).select("id", "prediction"),
        lambda: table.select("id", own("text").alias("l")),
    ]  # fmt: skip
    spark._jvm.io.sparkweld.support.WarnOnce.reset()
    made, _ = run(spark, queries[0], {"spark.sparkweld.shadow.fraction": "1"})
    assert [row[1] for row in sorted(made.rows)] == cascade.predict(data).tolist() and told(spark, "SW957")
    for query in queries:
        after, frame = run(spark, query, {})
        assert [row[1] for row in sorted(after.rows)] == cascade.full.predict(data).tolist() and measured(frame).kernel_batches


def test_drift_is_distinguished_from_chance(spark):
    """Samples of one distribution are reported no more often than the level allows; shifted ones are, also with equal unsure
    shares.
    """
    jvm, gateway = spark._jvm, spark.sparkContext._gateway

    def array(kind, values):
        made = gateway.new_array(kind, len(values))
        for i, value in enumerate(values):
            made[i] = value
        return made

    def found(then, now, level):
        edges = array(jvm.double, [float(k) for k in range(len(then) - 1)])
        watch = jvm.io.sparkweld.compile.Watch("p", edges, array(jvm.long, then), 5, 0, 0.0, True, 1.0, 9.0)
        return jvm.io.sparkweld.plan.Drift.found(watch, array(jvm.long, now), level).isDefined()

    rng = np.random.default_rng(0)
    shares = np.full(8, 0.125)
    draws = [(rng.multinomial(2000, shares).tolist(), rng.multinomial(5000, shares).tolist()) for _ in range(200)]
    assert sum(found(*draw, 0.05) for draw in draws) <= 10
    moved = np.array([0.25, 0.0, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125])
    unsure = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2])
    for other in (moved, unsure):
        assert found(draws[0][0], rng.multinomial(5000, other).tolist(), 1e-4)
    assert found([0, 2000] + [0] * 6, [0] * 7 + [5000], 1e-4) and not found([0, 2000] + [0] * 6, [0, 5000] + [0] * 6, 1e-4)


def test_score_takes_a_cascade(spark, table, folder, reviews):
    model = reviews.full
    scored = sparkweld.score(table, model, ["text"], cascade=folder / "reviews")
    done = scored.orderBy("id").toPandas()
    assert done["prediction"].tolist() == reviews.predict(texts()[0]).tolist()
    assert "certified: " in sparkweld.explain(scored)
    with pytest.warns(RefusalWarning, match="SW952"):
        plain = sparkweld.score(table, model, ["text"], cascade=folder / "numbers")
    assert plain.orderBy("id").toPandas()["prediction"].tolist() == model.predict(texts()[0]).tolist()


@pytest.fixture
def given(tmp_path):
    """Returns a forest, of which a tenth of the trees suffices for most rows, and the arguments of the job for it."""
    rows, _ = numbers()
    label = (rows["a"] > 0).astype(int)
    model = RandomForestClassifier(200, max_depth=6, random_state=0).fit(rows[:1500], label[:1500])
    joblib.dump(model, tmp_path / "model")
    rows[1500:].assign(label=label[1500:]).to_parquet(tmp_path / "t.parquet")
    return model, ["--input", str(tmp_path / "t.parquet"), "--model", str(tmp_path / "model"), "--label", "label"]


def test_the_job_makes_one(spark, given, tmp_path, capsys):
    model, given = given
    run_job(spark, arguments([*given, "--output", str(tmp_path / "made"), "--accuracy-loss", "0.02", "--query"]))
    printed = capsys.readouterr().out
    assert "certified: loses less than 2.0000% of rows" in printed and "time per row of a query of " in printed
    told = store.read_certificate(tmp_path / "made", CascadeCertificate)
    assert told.model == fingerprint(model)
    assert told.query_rows >= told.rows and told.query_full_cost > 0 and told.query_cost > 0


@pytest.mark.nightly(
    "test_the_job_makes_one",
    "tests/cascades/test_selections.py::test_a_filter_by_the_cascade_selects_nearly_the_rows_of_the_full_model",
)
def test_the_job_makes_one_of_a_filter_or_none(spark, given, tmp_path, capsys):
    _, given = given
    filtered = [*given[:-2], "--selected", "1", "--recall", "0.9", "--precision", "0.9", "--output", str(tmp_path / "filter")]
    run_job(spark, arguments(filtered))
    assert "finds more than 90.00% of the rows that the full model answers with 1; more" in capsys.readouterr().out
    assert sparkweld.cascade.certificate(tmp_path / "filter").selected == (1,)
    with pytest.raises(UserError, match="some of the model's classes"):
        run_job(spark, arguments([*given[:-2], "--selected", "none", "--recall", "0.9", "--output", str(tmp_path / "other")]))
    with pytest.raises(UserError, match="'none'"):
        run_job(spark, arguments([*given[:-1], "none", "--output", str(tmp_path / "other")]))
    with pytest.raises(Refusal, match="SW941"):
        run_job(spark, arguments([*given, "--output", str(tmp_path / "other"), "--accuracy-loss", "0.0001"]))
    assert not (tmp_path / "other").exists()
