"""Checks feature groups: which exist, the smaller pipelines made of them, their importance, and the sets that pay."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sparkweld.cascades.cost import efficient_sets, knapsack, nanoseconds
from sparkweld.cascades.features import feature_groups, importances

RNG = np.random.default_rng(5)
TABLE = pd.DataFrame({
    "a": RNG.normal(size=300), "b": RNG.normal(size=300), "noise": RNG.normal(size=300), "kind": RNG.choice(["x", "y"], 300),
})  # fmt: skip
LABEL = 3 * TABLE["a"] + TABLE["b"] + 0.1 * RNG.normal(size=300)


class Counted(TransformerMixin, BaseEstimator):
    """Passes all values through and counts the rows."""

    rows = 0

    def fit(self, x, y=None):
        return self

    def transform(self, x):
        type(self).rows += len(x)
        return x


def mixed() -> Pipeline:
    parts = [("scaled", StandardScaler(), ["a", "b"]), ("coded", OneHotEncoder(), ["kind"]), ("gone", "drop", ["noise"])]
    return Pipeline([("shared", Counted()), ("parts", ColumnTransformer(parts)), ("model", LinearRegression())])


def test_groups_are_the_steps_after_their_shared_steps():
    groups = feature_groups(mixed(), TABLE)
    assert groups.names == ("scaled", "coded") and groups.at == 1 and not groups.free
    fitted = mixed().fit(TABLE, LABEL)
    Counted.rows = 0
    parts, tail = groups.matrices(fitted, TABLE)
    assert Counted.rows == len(TABLE)  # the shared step ran once for all groups
    assert {name: part.shape[1] for name, part in parts.items()} == {"scaled": 2, "coded": 2}
    np.testing.assert_array_equal(tail.predict(np.hstack(list(parts.values()))), fitted.predict(TABLE))


def test_a_smaller_pipeline_reads_only_its_groups():
    groups = feature_groups(mixed(), TABLE)
    small = groups.pipeline({"scaled"}, LinearRegression()).fit(TABLE, LABEL)
    assert small[:-1].transform(TABLE).shape[1] == 2
    alone = feature_groups(LinearRegression(), TABLE[["a", "b", "noise"]])
    assert alone.free and alone.names == ("a", "b", "noise")
    assert list(alone.pipeline({"a", "noise"}, LinearRegression()).fit(TABLE, LABEL)[-1].feature_names_in_) == ["a", "noise"]


@pytest.mark.parametrize("pipeline", [
    mixed(),
    Pipeline([("model", LinearRegression())]),
    Pipeline([("columns", FunctionTransformer()), ("union", FeatureUnion([("one", StandardScaler()), ("two", "passthrough")])),
              ("model", LinearRegression())]),
], ids=["columns", "alone", "union"])  # fmt: skip
def test_importance_is_the_loss_by_shuffling(pipeline):
    table = TABLE if "parts" in dict(pipeline.steps) else TABLE[["a", "b", "noise"]]
    groups = feature_groups(pipeline, table)

    def score(answers, label):
        return -float(np.mean(np.abs(answers - label)))

    lost = importances(groups, pipeline.fit(table, LABEL), table, LABEL, score)
    assert set(lost) == set(groups.names)
    if "a" in lost:
        assert lost["a"] > 2 * lost["b"] > 10 * abs(lost["noise"])
    if "scaled" in lost:
        assert lost["scaled"] > 100 * abs(lost["coded"])


def test_groups_of_strings():
    texts = pd.Series(["good film", "bad film", "good day", "bad day"] * 10)
    union = FeatureUnion([("words", TfidfVectorizer()), ("chars", TfidfVectorizer(analyzer="char", ngram_range=(1, 2)))])
    pipeline = Pipeline([("terms", union), ("model", LogisticRegression())])
    label = np.array([1, 0, 1, 0] * 10)
    groups = feature_groups(pipeline, texts)
    assert groups.names == ("words", "chars")
    fitted = pipeline.fit(texts, label)
    parts, tail = groups.matrices(fitted, texts)
    assert parts["words"].shape[1] + parts["chars"].shape[1] == tail.n_features_in_
    assert groups.pipeline({"words"}, LogisticRegression()).fit(texts, label).predict(texts).tolist() == label.tolist()


@pytest.mark.parametrize("seed", range(30))
def test_the_knapsack_is_as_good_as_every_subset(seed):
    rng = np.random.default_rng(seed)
    names = [f"g{i}" for i in range(rng.integers(1, 11))]
    values = dict(zip(names, rng.choice([-1.0, 0.0, 0.5, 1.0, 2.25, 3.0], len(names)).tolist(), strict=True))
    weights = dict(zip(names, rng.integers(0, 30, len(names)).tolist(), strict=True))
    for capacity in (0, 10, 35, 1000):
        chosen = knapsack(values, weights, capacity)
        assert sum(weights[n] for n in chosen) <= capacity and all(values[n] > 0 for n in chosen)
        subsets = itertools.chain.from_iterable(itertools.combinations(names, k) for k in range(len(names) + 1))
        best = max(sum(values[n] for n in s) for s in subsets if sum(weights[n] for n in s) <= capacity)
        assert sum(values[n] for n in chosen) == pytest.approx(best)


def test_efficient_sets_are_distinct_and_cheap():
    values, costs = {"a": 3.0, "b": 2.0, "c": 1.0, "d": -0.5}, {"a": 60.0, "b": 10.0, "c": 5.0, "d": 0.0}
    sets = efficient_sets(values, costs)
    assert len(set(sets)) == len(sets) and all("d" not in s and "a" not in s for s in sets)
    assert sets[0] == {"c"} and sets[-1] == {"b", "c"}
    assert efficient_sets(values, dict.fromkeys(values, 0.0)) == [{"a", "b", "c"}]
    assert efficient_sets(dict.fromkeys(values, -1.0), costs) == []


def test_cost_is_the_median_and_a_first_run_counts_for_nothing():
    import time

    def work(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    works = iter([0.05, 0.002, 0.03, 0.002, 0.002, 0.002])
    turns = []
    slow, fast = nanoseconds([lambda: work(next(works)), lambda: turns.append(time.sleep(0.001))], 1000, repeats=5)
    assert 1.9e3 < slow < 8e3 and fast < slow and len(turns) == 6
