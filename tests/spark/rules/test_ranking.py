"""Checks approximate top-K: a small model selects candidates, the full one orders them; otherwise all rows are scored."""

from __future__ import annotations

import json
import shutil

import joblib
import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression

import sparkweld
from jobs.score import arguments, predictions
from sparkweld.cascades import ranking, store
from sparkweld.cascades.ranking import RankPromise
from sparkweld.errors import RefusalWarning, UserError
from tests.helpers.differential import ENABLED, run, session_conf
from tests.helpers.lines import differs_before

ROWS, K = 4000, 40
PATH = "spark.sparkweld.rankings.path"


def costs(estimators, data):
    return [100.0, *[1.0] * (len(estimators) - 1)]


class Made:
    """Two models with rankings in one folder, and rows."""

    def __init__(self, folder) -> None:
        rng = np.random.default_rng(1)
        self.folder, self.rankings = folder, folder / "rankings"
        given = pd.DataFrame(rng.normal(size=(6000, 3)), columns=list("abc"))
        self.linear = LinearRegression().fit(given, given["a"] + 0.3 * given["b"])
        noise = rng.normal(size=6000)
        self.classes = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(given, given["a"] + 0.5 * noise > 0.5)
        promise = RankPromise((20, K), 2000, 0.9, 0.95, extrapolate=True)
        made = ranking.fit(self.linear, given, self.linear.predict(given), -1, "the prediction", promise, costs)
        store.save(made, self.rankings / "numbers")
        strict = RankPromise((K,), 1500, 0.9, 0.95)
        made = ranking.fit(self.linear, given, self.linear.predict(given), -1, "the prediction", strict, costs)
        store.save(made, folder / "strict")
        scores = self.classes.predict_proba(given)[:, 1]
        made = ranking.fit(self.classes, given, scores, 1, "the probability of True", promise, costs)
        store.save(made, self.rankings / "classes")
        self.rows = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=list("abc")).assign(id=range(ROWS))
        self.rows.to_parquet(folder / "rows.parquet", row_group_size=500)
        joblib.dump(self.linear, folder / "model")

    def best(self, scores: np.ndarray, k: int = K) -> list[int]:
        return np.argsort(-scores, kind="stable")[:k].tolist()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("ranking"))


@pytest.fixture
def table(spark, made):
    spark._jvm.io.sparkweld.support.WarnOnce.reset()
    return spark.read.parquet(str(made.folder / "rows.parquet"))


def told(spark, code: str) -> bool:
    return spark._jvm.io.sparkweld.support.WarnOnce.warned(code)


def ids(outcome) -> list[int]:
    return [row[0] for row in outcome.rows]


def ran_by_candidates(frame) -> bool:
    text = sparkweld.explain(frame)
    return " among the candidates of " in text and "the full model scored every row" not in text


def score_of(model, factor=None, column=None):
    @pandas_udf("double")
    def score(d: pd.DataFrame) -> pd.Series:
        made = model.predict(d) if column is None else model.predict_proba(d)[:, column]
        return pd.Series(made if factor is None else factor * made)

    return score


def top(table, score, k=K):
    scored = table.withColumn("score", score(F.struct("a", "b", "c")))
    return scored.select("id", "score").orderBy(F.desc("score"), "id").limit(k)


def test_an_unmodified_job_is_answered_by_candidates(spark, made, table):
    score = score_of(made.linear)
    exact, plain = run(spark, lambda: top(table, score), {})
    assert " among the candidates of " not in sparkweld.explain(plain)
    near, frame = run(spark, lambda: top(table, score), {PATH: str(made.rankings)})
    assert ran_by_candidates(frame) and not told(spark, "SW95")
    assert ids(exact) == made.best(made.linear.predict(made.rows[list("abc")]))
    assert len(set(ids(near)) & set(ids(exact))) >= 0.9 * K
    scores = dict(near.rows)
    assert [scores[i] for i in ids(near)] == sorted(scores.values(), reverse=True)
    text = sparkweld.explain(frame)
    for part in ("approximate: 40 rows by score among the candidates of", "certified: finds 90.0% of rows by",
                 "efficient features: a, b, c of a, b, c", "for each row of that share", "ranking: "):  # fmt: skip
        assert part in text
    counted = text.partition("measured: the small model scored ")[2]
    assert counted.startswith(f"{ROWS:,} rows, the full one ")
    candidates = int(counted.partition("the full one ")[2].partition(" ")[0].replace(",", ""))
    assert K <= candidates < 0.3 * ROWS
    off, _ = run(spark, lambda: top(table, score), {PATH: str(made.rankings), ENABLED: "false"})
    assert ids(off) == ids(exact)


@pytest.mark.nightly("test_an_unmodified_job_is_answered_by_candidates", "test_ties")
def test_probabilities_filters_and_columns_above(spark, made, table):
    score = score_of(made.classes, column=1)

    def query():
        scored = table.where("id % 2 = 0").withColumn("p", score(F.struct("a", "b", "c"))).where("p > 0.2")
        return scored.orderBy(F.desc("p"), "id").select("id", (F.col("p") * 2).alias("q")).limit(K)

    exact, _ = run(spark, query, {})
    near, frame = run(spark, query, {PATH: str(made.rankings / "classes")})
    assert ran_by_candidates(frame) and not told(spark, "SW95")
    assert len(set(ids(near)) & set(ids(exact))) >= 0.9 * K


def ordered(table, score):
    return table.orderBy(score.desc(), "id")


IN_THE_SORT = {
    "selected": lambda t, s: ordered(t, s).select("id").limit(K),
    "limited": lambda t, s: ordered(t, s).limit(K).select("id", "a"),
    "also below": lambda t, s: ordered(t.select("id", s.alias("s")), s).limit(K),
    "also above": lambda t, s: ordered(t, s).limit(K).select("id", s.alias("s")),
    "filtered": lambda t, s: ordered(t.where(s > 0), s).limit(K).select("id"),
}


# Before Spark 4.3, rules run after the optimizer's first pass.
below_the_limit = differs_before((4, 3), "it computes the columns above a limit below it, and hides the sort")
through_a_union = differs_before((4, 3), "it computes scores in each branch of a union, below which no filter is put")
in_one_projection = differs_before((4, 3), "it makes the other function an argument of the score, which no ranking serves")


@pytest.mark.gate_cases("also below", "selected")
@pytest.mark.parametrize("name", [pytest.param(name, marks=[below_the_limit] * (name == "also above")) for name in IN_THE_SORT])
def test_the_score_may_be_made_in_the_sort(spark, made, table, name):
    call = score_of(made.linear)(F.struct("a", "b", "c"))
    query = lambda: IN_THE_SORT[name](table, call)  # noqa: E731
    exact, plain = run(spark, query, {})
    near, frame = run(spark, query, {PATH: str(made.rankings)})
    assert ids(exact) == made.best(made.linear.predict(made.rows[list("abc")]))
    assert frame.columns == plain.columns and ran_by_candidates(frame) and not told(spark, "SW95")
    assert len(set(ids(near)) & set(ids(exact))) >= 0.9 * K


def check_candidates(spark, made, frame, score, share):
    exact, _ = run(spark, lambda: top(frame, score), {})
    near, plan = run(spark, lambda: top(frame, score), {PATH: str(made.rankings)})
    left = list(exact.rows)
    for row in near.rows:
        left.remove(row) if row in left else None
    assert len(left) <= (1 - share) * K and [s for _, s in near.rows] == sorted((s for _, s in near.rows), reverse=True)
    assert ran_by_candidates(plan) and not told(spark, "SW95")


@through_a_union
def test_ties(spark, made, table):
    """Of equal scores any may be found, in the requested order."""
    check_candidates(spark, made, table.union(table).union(table), score_of(made.linear), 0.9)


@pytest.mark.nightly("test_an_unmodified_job_is_answered_by_candidates", "test_ties")
def test_partitions_and_missing_values(spark, made, table):
    """Negative scores are among the linear ones."""
    linear, classes = score_of(made.linear), score_of(made.classes, column=1)
    holed = table.withColumn("a", F.when(F.col("id") % 3 > 0, F.col("a")))  # a missing feature still has a score
    parts = (table.repartition(40), linear, 0.9), (table.coalesce(1), classes, 0.9)
    for frame, score, share in ((holed, classes, 0.5), *parts):  # rows with NULL were not certified
        check_candidates(spark, made, frame, score, share)


def test_tables_without_enough_certified_scores(spark, made, table):
    linear, nothing = score_of(made.linear), score_of(made.classes, factor=np.nan, column=1)  # NaN of pandas is NULL
    low = table.where("a < -1")  # all scores are below the certified ones
    for frame, score, k in ((low, linear, K), (table.where("id < 0"), linear, K), (table, linear, 0), (table.limit(5), linear, K),
                            (table, nothing, K), (table, linear, ROWS)):  # fmt: skip
        exact, _ = run(spark, lambda frame=frame, score=score, k=k: top(frame, score, k), {})
        near, plan = run(spark, lambda frame=frame, score=score, k=k: top(frame, score, k), {PATH: str(made.rankings)})
        assert near.rows == exact.rows and not ran_by_candidates(plan)


def test_without_extrapolation_scores_above_those_certified_are_not_served(spark, made, table):
    """A few rows of a larger table may end with a higher score; more of them may not."""
    many = 5 * K // 2
    score = score_of(made.linear)
    near, frame = run(spark, lambda: top(table, score, many), {PATH: str(made.folder / "strict")})
    exact, _ = run(spark, lambda: top(table, score, many), {})
    assert ran_by_candidates(frame) and len(set(ids(near)) & set(ids(exact))) >= 0.9 * many
    near, frame = run(spark, lambda: top(table, score), {PATH: str(made.folder / "strict")})
    assert near.rows == exact.rows[:K] and not ran_by_candidates(frame) and told(spark, "SW958")
    assert "certified up to" in sparkweld.explain(frame)


def test_features_that_need_a_join_are_joined_for_candidates(spark, made, table, parquet):
    """The small model reads columns from before the join; its filter is pushed below it, so that fewer rows are joined."""
    side = parquet({"id": np.arange(ROWS), "bonus": np.zeros(ROWS)}, name="side")
    score = score_of(made.linear)

    def query():
        scored = table.join(side, "id", "left").withColumn("score", score(F.struct("a", "b", "c")))
        return scored.select("id", "bonus", "score").orderBy(F.desc("score"), "id").limit(K)

    exact, _ = run(spark, query, {})
    near, frame = run(spark, query, {PATH: str(made.rankings)})
    assert ran_by_candidates(frame) and len(set(ids(near)) & set(ids(exact))) >= 0.9 * K
    plan = frame._jdf.queryExecution().optimizedPlan().toString()
    assert plan.index("Join") < plan.index("Filter"), plan


WRONG = ("small share", "short", "nulls", "few", "other", "scaled", "edited", "none", "ascending", "batch")


@pytest.mark.gate_cases("nulls", "other", "edited", "small share", "none")
@pytest.mark.parametrize("what", [pytest.param(what, marks=[in_one_projection] * (what == "batch")) for what in WRONG])
def test_queries_that_are_not_certified_are_scored_in_full(spark, made, table, tmp_path, what):
    """The full model's rows are returned, with one warning."""
    path, model, k, factor, code = made.rankings, made.linear, K, None, "SW958"
    match what:
        case "small share":
            k = ROWS // 4  # the last of that many rows has an uncertified score
        case "short":
            k = 2 * ROWS
        case "nulls":
            table = table.withColumn("a", F.lit(None).cast("double"))
            model, path = made.classes, made.rankings / "classes"
        case "few":
            k = 10
        case "other":
            model, code = LinearRegression().fit(made.rows[list("abc")], made.rows["b"]), "SW952"
        case "scaled":
            factor, code = 2.0, "SW953"
        case "edited":
            path, code = shutil.copytree(made.rankings / "numbers", tmp_path / "r"), "SW950"
            record = json.loads((path / "ranking.json").read_text())
            (path / "ranking.json").write_text(json.dumps({**record, "recall": 0.1}))
        case "none":
            path, code = tmp_path / "nothing", "SW950"
    column = 1 if model is made.classes else None
    score = score_of(model, factor, column)

    @pandas_udf("double")
    def centred(b: pd.Series) -> pd.Series:
        return b - b.mean()

    if what == "batch":  # the results of another function would change
        table = table.withColumn("b", centred("b"))

    def query():
        first = top(table, score, k)
        return first if what != "ascending" else table.withColumn("s", score(F.struct("a", "b", "c"))).orderBy("s", "id").limit(k)

    exact, _ = run(spark, query, {})
    near, frame = run(spark, query, {PATH: str(path)})
    assert near.rows == exact.rows
    assert told(spark, "SW95") == (what != "ascending") and (what == "ascending" or told(spark, code))
    assert not ran_by_candidates(frame)


def test_score_takes_a_ranking(spark, made, table):
    exact = sparkweld.score(table, made.linear, top_k=K)
    near = sparkweld.score(table, made.linear, top_k=K, approximate=made.rankings / "numbers")
    found, wanted = near.collect(), exact.collect()
    assert ran_by_candidates(near) and not told(spark, "SW95")
    assert len({r.id for r in found} & {r.id for r in wanted}) >= 0.9 * K and near.columns == exact.columns
    assert [r.prediction for r in found] == sorted((r.prediction for r in found), reverse=True)
    other = LinearRegression().fit(made.rows[["a", "c"]], made.rows["a"])
    wrong = (other, K, "numbers", "SW952"), (made.linear, 3, "numbers", "SW958"), (made.linear, K, "none", "SW950")
    for model, k, path, code in wrong:
        with pytest.warns(RefusalWarning, match=code):
            full = sparkweld.score(table, model, top_k=k, approximate=made.rankings / path)
        assert full.collect() == sparkweld.score(table, model, top_k=k).collect()
    with pytest.raises(UserError, match="pass top_k"):
        sparkweld.score(table, made.linear, approximate=made.rankings)
    for k in (0, -3):
        with pytest.raises(UserError, match="must be 1 or more"):
            sparkweld.score(table, made.linear, top_k=k, approximate=made.rankings / "numbers")
    with session_conf(spark, {ENABLED: "false"}):
        off = sparkweld.score(table, made.linear, top_k=K, approximate=made.rankings / "numbers")
        assert [r.id for r in off.collect()] == [r.id for r in wanted]


def test_the_job_takes_a_ranking(spark, made, table):
    given = ["--input", "t", "--output", "o", "--model", str(made.folder / "model"), "--keep", "id", "--top-k", str(K)]
    near = predictions(table, arguments([*given, "--approximate", str(made.rankings / "numbers")]))
    wanted = sparkweld.score(table, made.linear, top_k=K, approximate=made.rankings / "numbers")
    assert sorted(r.id for r in near.collect()) == sorted(r.id for r in wanted.collect()) and near.columns == ["id", "prediction"]
    assert ran_by_candidates(near)
    with pytest.raises(UserError, match="--approximate DIR applies to the first of all rows"):
        predictions(table, arguments([*given, "--approximate", str(made.rankings), "--where", "a > 0"]))
