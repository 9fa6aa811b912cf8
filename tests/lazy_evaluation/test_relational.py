"""Checks groups and joins of lazy DataFrames: results equal pandas, and only requested columns are computed."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import sparkweld
from sparkweld.lazy_evaluation.frame import LazyFrame, LazyGroups, _partners

assert_equal = {pd.DataFrame: pd.testing.assert_frame_equal, pd.Series: pd.testing.assert_series_equal}


def _tables(seed):
    """Returns a table of events, and a table of their keys with unordered labels, duplicate keys and sparse keys."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 300))
    events = pd.DataFrame({"k": rng.integers(-3, 30, n), "a": rng.normal(size=n), "b": rng.integers(0, 5, n)})
    events["s"] = rng.choice(["x", "y"], n)
    if seed % 3 == 0:
        events.index = pd.Index(rng.permutation(n) * 2)
    keys = pd.DataFrame({"k": rng.permutation(np.arange(-5, 25))[: int(rng.integers(1, 30))]})
    if seed % 4 == 0:
        keys = pd.concat([keys, keys]).reset_index(drop=True)
    if seed % 5 == 0:
        keys["k"] *= 10**12
    if seed % 7 == 0:
        keys["k"] += 1000  # no event has a match
    keys["y"], keys["t"] = rng.integers(0, 4, len(keys)), rng.choice(["p", "q"], len(keys))
    return events, keys


def _queries(events, keys):
    few = events[events["a"] > -1]
    few["z"] = few["a"] * 2
    joined, whole = few.merge(keys, on="k"), few.merge(keys, on="k")
    yield joined.groupby("y")["z"].mean()
    yield joined.groupby("t")[["z", "b"]].sum()
    yield joined.groupby("y", sort=False)["y"].count()
    yield few.groupby("b").z.sum()
    yield few.groupby("s")["z"].max()
    yield few.groupby("b", as_index=False)["z"].sum()
    yield few.groupby("b").size()
    yield few.groupby(few["b"] > 2)["z"].sum()
    yield joined["t"]
    yield joined[joined["z"] > 0].groupby("k")["y"].max()
    yield whole
    yield whole.sort_values("z")
    yield few.merge(keys, on="k", how="left")
    yield few.merge(keys, left_on="b", right_on="y")
    yield few.merge(keys.rename(columns={"y": "z"}), on="k")


@pytest.mark.parametrize("seed", range(16))
def test_groups_and_joins(seed):
    events, keys = _tables(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = list(_queries(events.copy(), keys))
        got = list(_queries(sparkweld.lazy(events.copy(), least_rows=0), keys))
    for number, (a, b) in enumerate(zip(wanted, got, strict=True)):
        (b,) = sparkweld.compute(b)
        assert type(a) is type(b), number
        assert_equal[type(a)](a, b)


def test_only_requested_values_are_computed(monkeypatch):
    events, keys = _tables(1)
    joined = sparkweld.lazy(events, least_rows=0).merge(keys, on="k")
    asked = []
    real = LazyFrame.real_columns
    monkeypatch.setattr(LazyFrame, "real_columns", lambda self, names: asked.append(names) or real(self, names))
    groups = joined.groupby("y")
    assert isinstance(groups, LazyGroups) and not asked
    groups["a"].sum()
    assert asked == [["k", "a"], ["k", "y"]] and "_source" not in joined.__dict__
    joined.compute().loc[:, "a"] = 0.0  # the result owns its memory
    assert events["a"].abs().sum() > 0


def test_names_that_pandas_refuses():
    events, keys = _tables(2)
    for change in (lambda f: f.rename_axis("k"), lambda f: f.rename(columns={"s": "k"})):
        frame = sparkweld.lazy(change(events), least_rows=0)
        with pytest.raises(ValueError, match="k.* (is both an index level|is not unique)|not 1-dimensional"):
            sparkweld.compute(frame.merge(keys, on="k"))
    with pytest.raises(KeyError, match="nothing"):
        sparkweld.lazy(events, least_rows=0).groupby("b")["nothing"]


def test_lookups_hold_at_the_ends_of_the_integers():
    ends = np.iinfo(np.int64)
    left = pd.Series([ends.min, ends.max, 0, 5, 7, -1, ends.min + 5, ends.max - 5])
    rows = _partners(left, pd.Series([7, 5]))
    assert rows is not None and rows.tolist() == [-1, -1, -1, 1, 0, -1, -1, -1]
    high = _partners(left, pd.Series([ends.max, ends.max - 5]))
    assert high is not None and high.tolist() == [-1, 0, -1, -1, -1, -1, -1, 1]
    assert _partners(left, pd.Series([ends.min, ends.min + 1])) is None
    assert _partners(left, pd.Series([5, 5])) is None and _partners(left, pd.Series([0, 10**9])) is None
