"""Approximate top-K queries: a small model chooses the candidates, the full one orders them; where not certified, all rows."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

import sparkweld
from jobs.score import arguments, predictions
from sparkweld.errors import RefusalWarning, UserError

ROWS = 8000


@pytest.fixture(scope="module")
def made(spark, tmp_path_factory):
    """(folder of model, rows and ranking; the model; the rows, of which some have a NULL feature)."""
    folder = tmp_path_factory.mktemp("ranking")
    x = pd.DataFrame(np.random.default_rng(1).normal(size=(3 * ROWS, 3)), columns=list("abc"))
    model = HistGradientBoostingRegressor(max_iter=120, random_state=0).fit(x[:ROWS], (x["a"] + 0.2 * np.sin(3 * x["b"]))[:ROWS])
    sparkweld.ranking.fit(model, x[ROWS : 2 * ROWS], (10, 50), 0.9, path=folder / "ranking")
    rows = x[2 * ROWS : 2 * ROWS + 2000].reset_index(drop=True).assign(id=range(2000))
    rows.loc[::50, "b"] = np.nan
    rows.to_parquet(folder / "rows.parquet")
    joblib.dump(model, folder / "model")
    return folder, model, rows


def _ids(frame):
    return [row["id"] for row in frame.collect()]


def test_the_answer_is_that_of_the_candidates(spark, made):
    folder, model, rows = made
    table = spark.read.parquet(str(folder / "rows.parquet"))
    scores = rows.assign(p=-model.predict(rows[["a", "b", "c"]]))
    exact = scores.sort_values(["p", "a", "b", "c", "id"], na_position="first")["id"].tolist()
    assert _ids(sparkweld.score(table, model, top_k=40)) == exact[:40]
    near = sparkweld.score(table, model, top_k=40, approximate=folder / "ranking")
    assert "TakeOrderedAndProject" in near._jdf.queryExecution().executedPlan().toString()
    found = _ids(near)
    assert len(found) == 40 and len(set(found) & set(exact[:40])) >= 36
    assert found == [i for i in exact if i in set(found)]  # the full model's order
    assert [list(r) for r in near.collect()] == [list(r) for r in near.collect()]
    short = table.where("id < 300")
    assert _ids(sparkweld.score(short, model, top_k=400, approximate=folder / "ranking")) == [i for i in exact if i < 300]


def test_what_is_not_certified_scores_all_rows(spark, made):
    folder, model, rows = made
    table = spark.read.parquet(str(folder / "rows.parquet"))
    other = LinearRegression().fit(rows[["a", "c"]], rows["a"])
    for scored, k, code in ((other, 40, "SW952"), (model, 3, "SW958")):
        with pytest.warns(RefusalWarning, match=code):
            near = sparkweld.score(table, scored, top_k=k, approximate=folder / "ranking")
        assert near.collect() == sparkweld.score(table, scored, top_k=k).collect()
    with pytest.warns(RefusalWarning, match="SW950"):
        sparkweld.score(table, model, top_k=40, approximate=folder / "none")
    with pytest.raises(UserError, match="give top_k"):
        sparkweld.score(table, model, approximate=folder / "ranking")
    with pytest.raises(UserError, match="takes 1 or more"):
        sparkweld.score(table, model, top_k=0)


def test_the_job_takes_a_ranking(spark, made):
    folder, model, _ = made
    table = spark.read.parquet(str(folder / "rows.parquet"))
    given = ["--input", "t", "--output", "o", "--model", str(folder / "model"), "--keep", "id", "--top-k", "40"]
    near = predictions(table, arguments([*given, "--approximate", str(folder / "ranking")]))
    wanted = sparkweld.score(table, model, top_k=40, approximate=folder / "ranking")
    assert _ids(near) == _ids(wanted) and near.columns == ["id", "prediction"]
    with pytest.raises(UserError, match="--approximate DIR chooses candidates of all rows"):
        predictions(table, arguments([*given, "--approximate", str(folder / "ranking"), "--where", "a > 0"]))
