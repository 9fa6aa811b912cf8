"""Compares aggregate UDFs that run group by group with PySpark's worker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DateType, DoubleType, IntegerType, LongType, StringType

from tests.helpers.groups import compare_aggregate, one_form
from tests.udf_compiler.eval_types.test_grouped_maps import GROUPS
from udf_compiler.process import spark_line


def middle(v):
    return v.median()


def spread(v):
    return v.quantile(0.75) - v.quantile(0.25)


def trimmed(v):
    low, high = v.quantile(0.1), v.quantile(0.9)
    return v[(v >= low) & (v <= high)].mean()


def deviation(v):
    return (v - v.mean()).abs().max()


def share(v, w):
    return float((v * w).sum() / w.sum())


def rounded(v):
    return round(v.mean(), 2)


def constant(v):
    return 1.5


def weighted(v, w):
    return np.average(v, weights=w)


def weighted_part(v, w):
    known = v.notna() & (w > 0)
    return np.average(v[known], weights=w[known]) - (v[known] * w[known]).sum() / len(v[known])


def percentiles(v):
    return float(np.percentile(v, 95)) - np.quantile(v, 0.05)


def of_known(v):
    return np.nanmedian(v) - np.median(v.fillna(0))


def last_by(v, t):
    return v.loc[t.idxmax()]


def largest(v):
    return v.nlargest(3).sum() / v.sort_values(kind="stable").iloc[0]


def distinct(v):
    return v.nunique() / len(v.unique())


def frequent(v):
    return v.mode()[0] + v.mode().iloc[-1]


def first_known(v):
    return v.dropna().iloc[0] if v.notna().any() else None


def product(v):
    return float(v.prod()) + np.prod(v.fillna(2.0))


def growth(v):
    return float((1 + v / 1000).prod() - 1)


def of_two_quantiles(v):
    low, high = v.quantile([0.25, 0.75])
    return v[v.between(low, high)].sum() + (high - low) + v.quantile([0.5, 0.1])[0.1]


def of_several_percentiles(v):
    low, middle, high = np.percentile(v, [25, 50.5, 75])
    return (high - low) * middle + np.quantile(v, (0.1, 0.9))[-1] + len(np.nanquantile(v, [0.5]))


def geometric_mean(v):
    return float(v.abs().prod() ** (1 / len(v))) + (v.mean() ** 2) ** len(v)


ALL = [
    (of_several_percentiles, ["weight"]), (of_several_percentiles, ["day"]),
    (product, ["weight"]), (product, ["price"]), (growth, ["weight"]), (of_two_quantiles, ["weight"]),
    (of_two_quantiles, ["day"]),
    (middle, ["price"]), (middle, ["pieces"]), (spread, ["weight"]), (spread, ["day"]), (trimmed, ["price"]),
    (deviation, ["weight"]), (share, ["price", "weight"]), (rounded, ["weight"]), (constant, ["price"]),
    (weighted_part, ["day", "weight"]),
    (weighted, ["price", "weight"]), (weighted, ["day", "weight"]), (weighted, ["weight", "day"]), (percentiles, ["weight"]),
    (percentiles, ["day"]), (last_by, ["price", "day"]), (distinct, ["weight"]), (distinct, ["day"]), (frequent, ["weight"]),
    (frequent, ["day"]),
]  # fmt: skip


@pytest.mark.nightly_cases("frequent-columns26", "percentiles-columns20", "weighted-columns18")
@pytest.mark.parametrize(("function", "columns"), ALL)
def test_groups(function, columns):
    number = ALL.index((function, columns))
    compared = compare_aggregate(function, GROUPS, DoubleType(), columns, one_form(number))
    assert (compared.decided, compared.refused) == (len(GROUPS), None), compared.reason


@pytest.mark.nightly("test_groups")
@pytest.mark.parametrize(("function", "columns"), ALL)
def test_all_kernels(function, columns):
    assert compare_aggregate(function, GROUPS, DoubleType(), columns).decided == len(GROUPS)


def test_results_of_every_type():
    days = [group.append_column("when", group["day"].cast(pa.date32())) for group in GROUPS]
    for function, returns, name in [
        (len, LongType(), "price"), (lambda v: v.count(), IntegerType(), "price"), (lambda v: v.iloc[-1], StringType(), "town"),
        (lambda v: v.iloc[0], DateType(), "when"), (lambda v: None, DoubleType(), "price"),
        (lambda v: "x", StringType(), "price"), (lambda v: int(v.sum()), LongType(), "day"),
        (lambda v: float(len(v)), DoubleType(), "town"),
    ]:  # fmt: skip
        compared = compare_aggregate(function, days, returns, [name])
        assert (compared.decided, compared.refused) == (len(days), None), compared.reason


def test_values_that_are_not_there_run_in_python():
    for function, decided in ((of_known, 6), (first_known, 6), (largest, 7), (frequent, 6), (last_by, 6)):
        columns = ["weight", "price"] if function is last_by else ["price"]
        assert compare_aggregate(function, GROUPS, DoubleType(), columns).decided == decided, function.__name__


def latest(o, d):
    frame = pd.DataFrame({"order": o, "data": d})
    row = frame.loc[frame["order"].idxmax()]
    return row["data"]


def earliest(o, d):
    frame = pd.DataFrame({"order": o, "data": d})
    return frame.loc[frame["order"].idxmin()].data


LATEST = [
    pa.record_batch({"o": pa.array(o, pa.int64()), "d": pa.array(d, pa.float64()), "s": s})
    for o, d, s in [
        ([3, 9, 2], [1.5, 2.5, -1.0], ["a", "b", "c"]), ([3, 3, 2], [None, 2.5, -1.0], [None, "b", "c"]),
        ([None, 3], [None, 2.5], [None, "b"]), ([7], [1.0], ["z"]), ([2**60, 2**60 + 1], [0.5, -0.0], ["é", ""]),
    ]
]  # fmt: skip


@pytest.mark.gate_cases("d-returns0-earliest-5", "s-returns1-latest-5")
@pytest.mark.parametrize(("function", "decided"), [(latest, 5), (earliest, 5)])
@pytest.mark.parametrize(("name", "returns"), [("d", DoubleType()), ("s", StringType())])
def test_the_row_of_a_label(function, decided, name, returns):
    compared = compare_aggregate(function, LATEST, returns, ["o", name])
    assert (compared.decided, compared.refused) == (decided, None), compared
    missing = pa.record_batch({"o": pa.array([None, None], pa.int64()), "d": [1.0, 2.0], "s": ["a", "b"]})
    assert compare_aggregate(function, [missing], returns, ["o", name]).decided == 0


def test_the_row_of_a_label_has_a_common_dtype():
    def label(o, d):
        frame = pd.DataFrame({"order": o, "data": d})
        return frame.loc[frame["data"].idxmax()]["order"]

    compared = compare_aggregate(label, LATEST[:1], DoubleType(), ["o", "d"])
    assert (compared.decided, compared.refused) == (1, None), compared.reason


def test_zeros_of_both_signs():
    """NumPy's partition does not define their order, and a quantile may have the sign of either."""
    random = np.random.default_rng(3)
    numbers = [random.choice([0.0, -0.0, 1.0, -1.0, 3.0, -3.0], int(size)) for size in random.integers(2, 40, 60)]
    groups = [pa.record_batch({"x": x}) for x in numbers]
    for function in (lambda v: v.quantile(0.3), lambda v: float(np.percentile(v, 75)), middle, lambda v: float(np.median(v))):
        compared = compare_aggregate(function, groups, DoubleType(), ["x"], kernel=lambda group: False)
        assert compared.decided >= 20 and compared.refused is None
    group = pa.record_batch({"x": [1.0, 0.0, 0.0, 0.0, -1.0]})
    assert compare_aggregate(lambda v: v.quantile(0.4), [group], DoubleType(), ["x"]).decided == 1


@pytest.mark.parametrize("form", [0, pytest.param(1, marks=pytest.mark.nightly)])
def test_strings(form):
    groups = [
        pa.record_batch({"s": pa.array(values, pa.string())})
        for values in (list("babac"), ["é", None, "z", "é"], ["only"], [None, None], [f"{x % 7:03}" for x in range(99)])
    ]
    for number, (function, returns) in enumerate([
        (lambda v: v.nunique(), LongType()), (lambda v: v.mode()[0], StringType()), (lambda v: v.iloc[0], StringType()),
        (lambda v: v.sort_values(kind="stable").iloc[0], StringType()), (lambda v: v.dropna().iloc[-1], StringType()),
        (lambda v: v.drop_duplicates().tail(1).iloc[0], StringType()), (lambda v: len(v[v == "b"]), LongType()),
        (lambda v: v[v.duplicated()].count(), LongType()), (lambda v: v.dropna().max(), StringType()),
        (lambda v: v.fillna("").min(), StringType()),
    ]):  # fmt: skip
        compared = compare_aggregate(function, groups, returns, ["s"], one_form(number + form))
        assert compared.decided >= 4, compared.reason


def test_powers_by_numbers_of_the_group():
    """Kernels compute powers within 4 ULP, so only the program itself is compared."""
    compared = compare_aggregate(geometric_mean, GROUPS, DoubleType(), ["weight"], kernel=lambda group: False)
    assert (compared.decided, compared.refused) == (len(GROUPS), None), compared.reason


def test_powers_and_percentiles_that_are_refused():
    for function, code in (
        (lambda v: np.percentile(v, [25, 150])[0], "SW262"),
        (lambda v: np.percentile(v, [])[0], "SW262"),
        (lambda v: np.percentile(v, [25, 50]).sum(), "SW251"),
        (lambda v: np.percentile(v, [25, 50])[2], "SW251"),
        (lambda v: v.sum() ** v.mean(), "SW251"),
        (lambda v: len(v) ** 0.5, "SW251"),
    ):
        assert compare_aggregate(function, GROUPS, DoubleType(), ["weight"]).refused == code


def test_groups_that_take_the_rare_way_run_in_python():
    def known(v):
        v = v[v.notna()]
        if v.empty:
            return None
        return v.median()

    compared = compare_aggregate(known, GROUPS, DoubleType(), ["price"])
    assert compared.decided == sum(group["price"].null_count < group.num_rows for group in GROUPS)


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda v: v.kurt(), "SW312"),
        (lambda v: v, "SW385"),
        (lambda v: [v.sum()], "SW385"),
        (lambda v: np.random.rand(), "SW230"),
    ],
)
def test_refusals(function, code):
    assert compare_aggregate(function, GROUPS[2:3], DoubleType(), ["price"]).refused == code


def test_lines_that_convert_results_otherwise(monkeypatch):
    monkeypatch.setattr(spark_line, "LINE", spark_line.line_of("4.1.1"))
    assert compare_aggregate(middle, GROUPS[2:3], DoubleType(), ["price"]).refused == "SW114"
