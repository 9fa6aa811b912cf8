"""Compares functions of applyInPandas with PySpark's worker, group by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DoubleType, IntegerType, LongType, StringType, StructField, StructType, TimestampType

from tests.helpers.groups import compare_groups, one_form, with_nulls
from udf_compiler.process import spark_line

TYPES = {"long": LongType(), "double": DoubleType(), "int": IntegerType(), "string": StringType()}


def schema(text: str) -> StructType:
    fields = [field.split() for field in text.split(", ")]
    return StructType([StructField(name, TYPES[type]) for name, type in fields])


def group(rows: int, key: int, missing: float = 0.0) -> pa.RecordBatch:
    """Returns a group with cancelling values, ties, zeros of both signs, and a share of NULLs and NaNs."""
    rng = np.random.default_rng(key)

    def with_nulls(values):
        return [None if rng.random() < missing else value for value in values.tolist()]

    wide = rng.normal(size=rows) * 10.0 ** rng.integers(-3, 8, rows)
    wide[rng.random(rows) < missing / 2] = np.nan
    tied = np.round(rng.normal(size=rows) + 5, 1)
    counts = rng.integers(1, 40, rows)
    return pa.record_batch({
        "k": pa.array(np.full(rows, key), pa.int64()),
        "town": pa.array([f"town {key}"] * rows),
        "price": pa.array(with_nulls(wide), pa.float64()),
        "weight": pa.array(tied),
        "pieces": pa.array(with_nulls(counts), pa.int64()),
        "day": pa.array(counts, pa.int32()),
        "total": pa.array(counts * 10**15 + 1, pa.int64()),
        "open": pa.array(rng.random(rows) < 0.5),
    })  # fmt: skip


#: One row, fewer and more than eight values (NumPy's accumulators), more than a run of pairwise sums, more than a buffer.
GROUPS = [group(1, 1), group(2, 2, 0.3), group(7, 3), group(40, 4, 0.2), group(300, 5, 0.1), group(9000, 6), group(5, 7, 1.0)]


def centred(f):
    return f.assign(a=f.price - f.price.mean(), b=f["pieces"] - f["pieces"].mean())[["k", "a", "b"]]


def z_scores(f):
    f["a"] = (f["price"] - f["price"].mean()) / f["price"].std()
    f["b"] = (f["day"] - np.mean(f["day"])) / f["day"].std(ddof=0)
    return f[["k", "a", "b"]]


def shares(f):
    f["a"] = f["weight"] / f["weight"].sum()
    f["b"] = f["pieces"] / f["pieces"].sum()
    return f.drop(columns=["town", "price", "weight", "pieces", "day", "total", "open"])


def scaled(f):
    low, high = f.weight.min(), f.weight.max()
    return pd.DataFrame({"k": f.k, "a": (f.weight - low) / (high - low), "b": f.day - f.day.max()})


def ranks(key, f):
    f["a"] = f["price"].rank(ascending=False)
    f["b"] = f["pieces"].rank(method="min", pct=True)
    return f[["k", "a", "b"]]


def other_ranks(f):
    return f.assign(a=f.weight.rank(method="first", ascending=False), b=f.total.rank(method="dense"))[["k", "a", "b"]]


def steps(f):
    f["a"] = f["weight"] - f["weight"].shift(1)
    f["b"] = f["day"].diff()
    return f[["k", "a", "b"]]


def running(f):
    return f.assign(a=f.price.cumsum(), b=f.day.cumsum() / f.day.sum())[["k", "a", "b"]]


def filled(f):
    return f.assign(a=f["price"].fillna(f["price"].median()), b=f["price"].fillna(f["price"].mean()))[["k", "a", "b"]]


def winsorised(f):
    low, high = f["weight"].quantile(0.05), f["weight"].quantile(0.95)
    f["a"] = f["weight"].clip(low, high)
    f["b"] = np.where(f["weight"] > high, high, f["weight"])
    return f[["k", "a", "b"]]


def above_average(f):
    kept = f[f["weight"] >= f["weight"].mean()]
    return kept[["k", "weight", "price"]].rename(columns={"weight": "a", "price": "b"})


def of_open(f):
    mean = f[f["open"]]["weight"].mean()
    return f.assign(a=f["weight"] - mean, b=f["price"] - f.price[f.open].sum())[["k", "a", "b"]]


def first_rows(f):
    return f.head(3)[["k", "weight", "price"]].rename(columns={"weight": "a", "price": "b"})


def last_rows(f):
    return f.tail(2)[["k", "weight", "price"]].rename(columns={"weight": "a", "price": "b"})


def summary(key, f):
    return pd.DataFrame([[key[0], f["price"].mean(), f["weight"].max()]], columns=["k", "a", "b"])


def summary_of_lists(f):
    return pd.DataFrame({"k": [f["k"].iloc[0]], "a": [f["price"].std()], "b": [f["total"].mean()]})


def summary_of_records(f):
    return pd.DataFrame([{"k": f.k.iloc[-1], "a": f.price.median(), "b": float(f.weight.quantile(0.9))}])


def summary_of_a_tuple(key, f):
    return pd.DataFrame([key + (f.price.var(), f["total"].sum() / len(f))], columns=["k", "a", "b"])


def row_local(f):
    return f.assign(a=f.weight * 2, b=f.price)[["k", "a", "b"]]


def of_arrays(f):
    values = f["weight"].values
    return f.assign(a=values - values.mean(), b=(values - np.min(f["weight"])) / values.std())[["k", "a", "b"]]


def smoothed(f):
    f = f.sort_values(["day", "weight"]).reset_index(drop=True)
    f["a"] = f["weight"].rolling(3).mean()
    f["b"] = f["price"].rolling(5, min_periods=1).sum()
    return f[["k", "a", "b"]]


def extremes_so_far(f):
    f = f.sort_values(["open", "day"], ascending=[False, True], na_position="first")
    return f.assign(a=f.weight.rolling(4, 2).max(), b=f.price.rolling(2, 1).min() - f.day.cummax())[["k", "a", "b"]]


def means_so_far(f):
    return f.assign(a=f.price.expanding().mean(), b=f.pieces.expanding(2).sum())[["k", "a", "b"]]


def in_two_directions(f):
    f.sort_values(by="price", ascending=False, kind="mergesort", inplace=True)
    f.reset_index(drop=True, inplace=True)
    f["a"] = f["weight"].shift(-1)
    f["b"] = f["price"].diff()
    return f[["k", "a", "b"]]


def missing_first(f):
    f = f.sort_values("price", na_position="first", kind="stable", ignore_index=True)
    return f.assign(a=f.price, b=f.weight)[["k", "a", "b"]]


def filled_from_neighbours(f):
    return f.assign(a=f["price"].ffill(), b=f["pieces"].bfill().ffill())[["k", "a", "b"]]


def whole_frame_filled(f):
    return f[["k", "price", "pieces"]].ffill().rename(columns={"price": "a", "pieces": "b"})


def changes(f):
    return f.assign(a=f["weight"].pct_change(), b=f["price"].pct_change(2))[["k", "a", "b"]]


def distinct_days(f):
    return f.drop_duplicates(subset="day").assign(a=lambda g: g.weight, b=lambda g: g.price)[["k", "a", "b"]]


def last_of_each(f):
    return f.drop_duplicates(["day", "open"], keep="last").assign(a=lambda g: g.weight, b=lambda g: g.price)[["k", "a", "b"]]


def repeated(f):
    return f[f.duplicated("weight", keep=False)].assign(a=lambda g: g.weight, b=lambda g: g.price)[["k", "a", "b"]]


def best_row(f):
    return f.loc[[f["weight"].idxmax()]].assign(a=lambda g: g.price, b=lambda g: g.day)[["k", "a", "b"]]


def between_places(f):
    return f.iloc[1:-1].assign(a=lambda g: g.weight, b=lambda g: g.weight.shift())[["k", "a", "b"]]


def of_a_filter(f):
    g = f[f.open]
    return g.assign(a=g.weight.diff(), b=g.weight.cumsum() + g.weight.rolling(2).mean())[["k", "a", "b"]]


def sorted_filter(f):
    g = f[f.open].sort_values(["weight", "day"], ascending=False)
    return g.assign(a=g.weight - g.weight.shift(), b=g.price.rank())[["k", "a", "b"]].head(10)


def numbered(f):
    f = f.sort_values(["weight", "day"], ascending=False)
    f["a"] = np.arange(1, len(f) + 1)
    f["b"] = range(len(f))
    return f[["k", "a", "b"]]


def spreads(f):
    return f.assign(a=f.weight.rolling(4).std(), b=f.price.expanding(2).var(ddof=0))[["k", "a", "b"]]


def summary_of_distinct(f):
    latest = f.sort_values("day", kind="stable").iloc[-1]
    row = {"k": f["k"].iloc[0], "a": f["day"].nunique() + f["town"].nunique(), "b": f["weight"].mode()[0] + latest["weight"]}
    return pd.DataFrame([row])


def interpolated(f):
    f = f.sort_values("day", kind="stable")
    f["a"] = f["price"].interpolate() + f["price"].interpolate(limit_direction="backward").fillna(7.0)
    f["b"] = f["price"].interpolate(method="linear", limit_direction="both") + f["day"].interpolate()
    return f[["k", "a", "b"]]


def interpolated_after_a_filter(f):
    f = f[f["open"]]
    return f.assign(a=f["price"].interpolate(limit_direction="forward"), b=f["pieces"].interpolate())[["k", "a", "b"]]


def weighted_means(f):
    f = f.sort_values("day", kind="stable")
    f["a"] = f["price"].ewm(span=12, adjust=False).mean() + f["weight"].ewm(com=1).mean()
    f["b"] = f["price"].ewm(alpha=1 / 14, min_periods=3, adjust=True).mean() - f["day"].ewm(halflife=2.5).mean()
    return f[["k", "a", "b"]]


def weighted_means_of_a_filter(f):
    f = f[f["open"]]
    a = f["price"].ewm(alpha=0.9, adjust=False, min_periods=2).mean()
    return f.assign(a=a, b=f["weight"].where(f["day"] > 9).ewm(3).mean())[["k", "a", "b"]]


ALL = [
    weighted_means, weighted_means_of_a_filter,
    interpolated, interpolated_after_a_filter,
    smoothed, extremes_so_far, means_so_far, in_two_directions, missing_first, filled_from_neighbours, whole_frame_filled,
    changes, distinct_days, last_of_each, repeated, between_places, of_a_filter, sorted_filter, summary_of_distinct, best_row,
    numbered, spreads,
    centred, z_scores, shares, scaled, ranks, other_ranks, steps, running, filled, winsorised, above_average, of_open, first_rows,
    last_rows, summary, summary_of_lists, summary_of_records, summary_of_a_tuple, row_local, of_arrays,
]  # fmt: skip


@pytest.mark.nightly_cases(
    "weighted_means_of_a_filter",
    "summary_of_distinct",
    "of_a_filter",
    "summary_of_records",
    "centred",
    "repeated",
    "means_so_far",
)
@pytest.mark.parametrize("function", ALL)
def test_groups(function):
    compared = compare_groups(function, GROUPS, schema("k long, a double, b double"), kernel=one_form(ALL.index(function)))
    assert (compared.decided, compared.refused) == (len(GROUPS), None), compared.reason


@pytest.mark.nightly("test_groups")
@pytest.mark.parametrize("function", ALL)
def test_all_kernels(function):
    assert any(map(with_nulls, GROUPS)) and not all(map(with_nulls, GROUPS))
    compared = compare_groups(function, GROUPS, schema("k long, a double, b double"))
    assert compared.decided == len(GROUPS)


def test_strings_and_lengths():
    def summary(key, f):
        return pd.DataFrame({"t": [key[0]], "u": [f["town"].iloc[0]], "n": [len(f)], "m": [f["price"].count()]})

    compared = compare_groups(summary, GROUPS, schema("t string, u string, n long, m long"), ("town",))
    assert compared.decided == len(GROUPS)


def test_branches_on_a_group_send_the_rare_way_to_python():
    def careful(f):
        if len(f) < 3:
            return f.assign(a=0.0)[["k", "a"]]
        deviation = f["weight"].std()
        if deviation == 0 or np.isnan(deviation):
            return f.assign(a=0.0)[["k", "a"]]
        return f.assign(a=(f["weight"] - f["weight"].mean()) / deviation)[["k", "a"]]

    compared = compare_groups(careful, GROUPS, schema("k long, a double"))
    assert compared.decided == sum(len(g) >= 3 for g in GROUPS)


def test_sorts_that_may_exchange_equal_rows_run_in_python():
    def by_one(f):
        return f.sort_values("x", ascending=False)[["k", "x"]]

    def first_two(f):
        return f.nlargest(2, "x")[["k", "x"]]

    def group(*x):
        return pa.record_batch({"k": pa.array(range(len(x)), pa.int64()), "x": pa.array(x, pa.float64())})

    groups = [group(3.0, 1.0, None, 2.0), group(1.0, 2.0, 1.0), group(0.0, -0.0), group(None, None, 5.0)]
    assert compare_groups(by_one, groups, schema("k long, x double"), ()).decided == 2
    assert compare_groups(first_two, groups, schema("k long, x double"), ()).decided == 3
    by_name = pa.record_batch({"k": pa.array([1, 2, 3], pa.int64()), "x": pa.array(["b", "a", "b"])})
    assert compare_groups(by_one, [by_name], schema("k long, x string"), ()).decided == 1


def test_booleans_with_nulls():
    def unread(f):
        f = f.sort_values("x", kind="stable")
        return f.assign(x=f.x - f.x.mean())

    def filled(f):
        return f.assign(open=f.open.fillna(False), x=f.open.isna() * 1.0)

    def counted(f):
        return f.assign(x=f.open.sum())

    flags = [[True, None, False, None], [None, None], [True, False], [None]]
    groups = [
        pa.record_batch({"k": np.ones(len(x), np.int64), "x": np.arange(len(x)) % 3.0, "open": pa.array(x, pa.bool_())})
        for x in flags
    ]
    returns = StructType([StructField("k", LongType()), StructField("x", DoubleType()), StructField("open", BooleanType())])
    for function in (unread, filled):
        compared = compare_groups(function, groups, returns)
        assert (compared.decided, compared.refused) == (len(groups), None), compared.reason
    assert compare_groups(counted, groups, returns).refused == "SW102"


def test_times():
    def latest(f):
        f = f.sort_values("at", kind="stable")
        return pd.DataFrame({"k": [f["k"].iloc[-1]], "at": [f["at"].iloc[0]]})

    minutes = [50, 3, 70, 3, None]
    times = pa.array([None if m is None else m * 60_000_000 for m in minutes], pa.timestamp("us", "UTC"))
    batch = pa.record_batch({"k": pa.array(range(5), pa.int64()), "at": times})
    returns = StructType([StructField("k", LongType()), StructField("at", TimestampType())])
    assert compare_groups(latest, [batch], returns, ()).decided == 1


def _filling(name, **options):
    return lambda f: f.assign(a=f[name].interpolate(**options))[["k", "a"]]


def test_interpolation_between_infinite_numbers():
    """NumPy tries both ends where the line is undefined."""
    inf, values = float("inf"), []
    for ends in ((inf, 1.0), (1.0, inf), (inf, inf), (-inf, inf), (1e308, -1e308), (0.0, -0.0), (5e-324, 0.0)):
        values.append([None, ends[0], None, None, float("nan"), ends[1], None])
    values += [[None, None], [None, 2.0], [2.0, None], [1.0, None, None, 1.0]]
    groups = [
        pa.record_batch({"k": pa.array(range(len(x)), pa.int64()), "a": pa.array(x, pa.float64())}) for x in values
    ]
    for number, direction in enumerate(("forward", "backward", "both")):
        function = _filling("a", limit_direction=direction)
        compared = compare_groups(function, groups, schema("k long, a double"), (), kernel=one_form(number))
        assert (compared.decided, compared.refused) == (len(groups), None), compared.reason


def test_interpolations_that_are_refused():
    for options in ({"limit": 1}, {"method": "nearest"}, {"limit_area": "inside"}, {"inplace": True}):
        assert compare_groups(_filling("price", **options), GROUPS, schema("k long, a double")).refused == "SW262"


def _weighting(**options):
    return lambda f: f.assign(a=f["price"].ewm(**options).mean())[["k", "a"]]


def test_weighted_means_of_rare_numbers():
    inf, rng = float("inf"), np.random.default_rng(4)
    values = [[None, 1.0, None, None, 3.0, inf, 2.0], [0.0, -0.0, -0.0], [1e308, -1e308, 1e308], [5e-324] * 3, [None], [0.1] * 9]
    values.append([None if rng.random() < 0.4 else x for x in rng.normal(size=3000).tolist()])
    groups = [
        pa.record_batch({"k": pa.array(range(len(x)), pa.int64()), "price": pa.array(x, pa.float64())}) for x in values
    ]
    for number, options in enumerate(
        ({"span": 12, "adjust": False}, {"com": 1}, {"alpha": 1, "adjust": False}, {"alpha": 1}, {"com": 1e9}, {"halflife": 0.01})
    ):
        compared = compare_groups(_weighting(**options), groups, schema("k long, a double"), (), kernel=one_form(number))
        assert (compared.decided, compared.refused) == (len(groups), None), compared.reason


def test_weighted_means_that_are_refused():
    for options, code in (
        ({"span": 3, "ignore_na": True}, "SW262"), ({"com": 1, "adjust": False}, "SW262"), ({"span": 0.5}, "SW252"),
        ({"span": 3, "com": 1}, "SW252"), ({"span": 3, "min_periods": -1}, "SW262"), ({"span": True}, "SW262"), ({}, "SW252"),
    ):  # fmt: skip
        assert compare_groups(_weighting(**options), GROUPS, schema("k long, a double")).refused == code, options
    spread = lambda f: f.assign(a=f["price"].ewm(span=3).std())[["k", "a"]]  # noqa: E731
    assert compare_groups(spread, GROUPS, schema("k long, a double")).refused == "SW312"


def _pauses(f):
    f["a"] = f["at"].diff().dt.total_seconds().fillna(0) + f["at"].diff(-2).dt.total_seconds()
    f["at"] = f["at"].shift()
    return f


def _pauses_of_a_filter(f):
    f = f.sort_values("k", ascending=False, kind="stable")
    f = f[f["k"] != 2]
    f["a"] = (f["at"] - f["at"].shift(-1)) / pd.Timedelta(minutes=1)
    f["at"] = f["at"] + f["at"].diff(2).diff() + f["at"].diff(0)
    return f


def _fills_with_a_time(f):
    return f.assign(a=1.0, at=f["at"].shift(1, fill_value=pd.Timestamp("2024-01-01")))


def _shifts_by_a_frequency(f):
    return f.assign(a=1.0, at=f["at"].shift(1, freq="D"))


def _shifts_by_a_number_of_the_group(f):
    return f.assign(a=1.0, at=f["at"].shift(len(f)))


def test_differences_and_shifts_of_times():
    fields = [StructField("k", LongType()), StructField("at", TimestampType()), StructField("a", DoubleType())]
    groups = []
    for minutes in ([50, 3, 70, 3, None], [7], [None], [None, None, 4, 5.5, -9.25, 0], [1, 2, None], [10**7, -(10**7), 0]):
        times = pa.array([None if m is None else int(m * 60_000_000) for m in minutes], pa.timestamp("us", "UTC"))
        rows = range(len(minutes))
        groups.append(pa.record_batch({"k": pa.array(rows, pa.int64()), "at": times, "a": pa.array(map(float, rows))}))
    for number, function in enumerate((_pauses, _pauses_of_a_filter)):
        compared = compare_groups(function, groups, StructType(fields), (), kernel=one_form(number))
        assert (compared.decided, compared.refused) == (len(groups), None), compared.reason
    far = [pa.record_batch({"k": pa.array([1, 2], pa.int64()), "a": pa.array([0.0, 0.0]),
                            "at": pa.array([-(9 * 10**15), 9 * 10**15], pa.timestamp("us", "UTC"))})]  # fmt: skip
    assert compare_groups(_pauses, far, StructType(fields), ()).decided == 0  # the difference is too long for 64 bits
    refused = {_fills_with_a_time: "SW251", _shifts_by_a_frequency: "SW262", _shifts_by_a_number_of_the_group: "SW262"}
    for function, code in refused.items():
        assert compare_groups(function, groups, StructType(fields), ()).refused == code, function.__name__


def test_a_null_in_a_column_that_is_not_nullable_runs_in_python():
    fields = [StructField("k", LongType()), StructField("a", DoubleType(), nullable=False)]
    groups = [group(9, 1), group(9, 2, 1.0)]
    assert compare_groups(lambda f: f.assign(a=f.price - f.price.mean())[["k", "a"]], groups, StructType(fields)).decided == 1


def test_zeros_of_unknown_sign_run_in_python():
    def smallest(f):
        return f.assign(a=f["x"].min())[["k", "a"]]

    zeros = pa.record_batch({"k": pa.array([1, 1], pa.int64()), "x": pa.array([0.0, -0.0])})
    numbers = pa.record_batch({"k": pa.array([1, 1], pa.int64()), "x": pa.array([1.0, -1.0])})
    assert compare_groups(smallest, [zeros, numbers], schema("k long, a double")).decided == 1


def test_a_sum_of_products_is_approximate():
    def energy(f):
        x = f["weight"]
        return pd.DataFrame([[f["k"].iloc[0], np.inner(x, x)]], columns=["k", "a"])

    exact = [pa.record_batch({"k": pa.array([2] * 9, pa.int64()), "weight": pa.array(np.arange(9.0))})]
    assert compare_groups(energy, exact, schema("k long, a double")).decided == 1


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda f: f.sort_values("weight", key=lambda s: -s)[["k"]], "SW262"),
        (lambda f: f.assign(k=f.sort_values("weight").weight)[["k"]], "SW262"),
        (lambda f: f.assign(k=f.weight.kurt())[["k"]], "SW312"),
        (lambda f: f.assign(k=f.weight.rolling(3).median())[["k"]], "SW312"),
        (lambda f: f.assign(k=np.arange(0, 2 * len(f), 2))[["k"]], "SW312"),
        (lambda f: f.assign(k=f.town.cummax())[["k"]], "SW270"),
        (lambda f: f.nlargest(2, ["weight", "day"])[["k"]], "SW312"),
        (lambda f: f.assign(k=np.log(f.weight).mean())[["k"]], "SW312"),
        (lambda f: f[["k", "weight"]], "SW364"),
        (lambda f: f["k"], "SW106"),
        (lambda f, *more: f[["k"]], None),
        (lambda a, b, c: a, "SW106"),
        (lambda f: f.apply(lambda row: row, axis=1)[["k"]], "SW293"),
    ],
)
def test_refusals(function, code):
    assert compare_groups(function, [group(5, 1)], schema("k long")).refused == code


def test_lines_that_convert_results_otherwise(monkeypatch):
    monkeypatch.setattr(spark_line, "LINE", spark_line.line_of("4.1.1"))
    assert compare_groups(row_local, [group(5, 1)], schema("k long, a double, b double")).refused == "SW114"


SMALL: list[int] = []
LIMITS = {"least": 3}


def counts_small_groups(f):
    if f["weight"].std() == 0:
        SMALL.append(1)
        return pd.DataFrame({"k": [len(SMALL)], "a": [0.0]})
    return pd.DataFrame({"k": [0], "a": [f["weight"].mean()]})


def assigns_a_column(f):
    f["k"] = f["k"] + LIMITS["least"]
    if f["weight"].std() == 0:
        return f[["k", "weight"]].head(1).rename(columns={"weight": "a"})
    return f[["k", "weight"]].rename(columns={"weight": "a"})


@pytest.mark.parametrize(("function", "code"), [(counts_small_groups, "SW217"), (assigns_a_column, None)])
def test_captured_data_on_a_branch_that_few_groups_take(function, code):
    """Such groups run in Python one by one, so what they leave behind is lost."""
    assert compare_groups(function, [group(5, 1)], schema("k long, a double")).refused == code


def test_a_column_with_the_name_of_an_attribute_of_ours():
    function = lambda f: pd.DataFrame({"k": [f["k"].iloc[0]], "kind": [f["kind"].max()]})  # noqa: E731
    named = group(5, 1).rename_columns([("kind" if name == "weight" else name) for name in group(5, 1).schema.names])
    compared = compare_groups(function, [named], schema("k long, kind double"))
    assert compared.refused is None and compared.decided == 1, compared
