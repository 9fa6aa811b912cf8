"""Compares handlers of exceptions in functions of whole groups and batches with PySpark's worker.

A group with a flagged row runs in Python as a whole, so a handler sees the exceptions that it would see there.
"""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, StringType, StructField, StructType

from sparkweld.contract.constants import SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker
from tests.helpers.groups import compare_aggregate, compare_groups


def group(key, values, texts):
    n = len(values)
    return pa.record_batch({"k": pa.array([key] * n), "v": pa.array(values, pa.float64()), "s": pa.array(texts)})


GROUPS = [
    group("a", [1.0, 2.0, 4.0, 3.0], ["1", "2", "3", "4"]),
    group("b", [5.0], ["x"]),
    group("c", [2.0, None, -0.0, float("inf")], ["7", None, "", "9"]),
    group("d", [None, None], ["1", "no number"]),
]


def volatility(v):
    try:
        if v is None or len(v) < 2:
            return 0.0
        changes = v.pct_change().dropna()
        if len(changes) == 0:
            return 0.0
        return float(changes.std() * 100)
    except Exception:  # noqa: BLE001 - as people write it
        return 0.0


def ratio(v):
    try:
        return float(v.iloc[1]) / float(v.min())
    except (IndexError, ZeroDivisionError):
        return -1.0


def prints_the_error(v):
    try:
        return v.mean()
    except ValueError as error:
        print(f"failed: {error}")
        return None


@pytest.mark.parametrize("function", [volatility, ratio, prints_the_error])
def test_aggregates(function):
    compared = compare_aggregate(function, GROUPS, DoubleType(), ["v"])
    assert not compared.refused and compared.decided, compared


RETURNS = StructType([StructField("k", StringType()), StructField("v", DoubleType()), StructField("s", StringType())])


def scaled(frame):
    try:
        frame["v"] = (frame["v"] - frame["v"].mean()) / frame["v"].std()
    except ZeroDivisionError:
        frame["v"] = 0.0
    return frame


def converted(frame):
    try:
        return frame.assign(v=frame["s"].astype("float64"))
    except (ValueError, TypeError):
        return frame.assign(v=-1.0)


def of_each_row(frame):
    def read(text):
        try:
            return float(text)
        except (ValueError, TypeError):
            return 0.0

    return frame.assign(v=frame["s"].apply(read) / frame["v"].max())


@pytest.mark.parametrize("function", [scaled, converted, of_each_row])
def test_grouped_maps(function):
    compared = compare_groups(function, GROUPS, RETURNS)
    assert not compared.refused and compared.decided, compared


def demeaned(v, s):
    try:
        return s.astype("float64") - v.mean()
    except (ValueError, TypeError):
        return v


def test_whole_batches():
    batches = [each.select(["v", "s"]) for each in GROUPS]
    compared = compare_with_worker(demeaned, batches, DoubleType(), SCALAR_PANDAS, kernel=True, whole_batches=True)
    assert not compared.refused and compared.decided, compared


SEEN: list[int] = []
FAILED = False


def hides_a_refusal(v):
    try:
        return float(v.kurt())
    except Exception:  # noqa: BLE001
        return 0.0


def appends(v):
    try:
        return float(v.iloc[1])
    except IndexError:
        SEEN.append(1)
        return float(len(SEEN))


def assigns(v):
    global FAILED
    try:
        made = float(v.iloc[1])
    except IndexError:
        FAILED, made = True, 0.0
    return 0.0 if FAILED else made


@pytest.mark.parametrize(("function", "code"), [(hides_a_refusal, "SW312"), (appends, "SW217"), (assigns, "SW211")])
def test_refused(function, code):
    assert compare_aggregate(function, GROUPS[:1], DoubleType(), ["v"]).refused == code


def always_raises(v):
    try:
        return v.mean() + {}["x"]
    except KeyError:
        return float(v.min())


def test_an_exception_of_every_group():
    compared = compare_aggregate(always_raises, GROUPS, DoubleType(), ["v"])
    assert not compared.refused and compared.decided, compared
