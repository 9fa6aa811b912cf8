"""Checks functions of one value that read captured objects: named tuples and dataclasses with methods in lists and dicts."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import ARROW_BATCHED


class Band(NamedTuple):
    label: str
    low: float
    high: float = 100.0

    def covers(self, x):
        return self.low <= x < self.high

    @property
    def width(self):
        return self.high - self.low

    @classmethod
    def of(cls, label):
        return cls(label, -1.0, 1.0)


class Point(namedtuple("Point", "x y")):
    __slots__ = ()

    def norm(self):
        return abs(self.x) + abs(self.y)


class Counted(Point):
    def __len__(self):
        return 5


@dataclass(frozen=True)
class Rate:
    code: str
    weight: int = 1

    def scaled(self, factor):
        return self.weight * factor


BANDS = [Band("low", 0.0, 10.0), Band("mid", 10.0, 50.0), Band("high", 50.0)]
POINTS = {"a": Point(1, -2), "é": Point(0, 3)}
RATES = {"a": Rate("A"), "b": Rate("B", 2)}
BY_RATE = {Rate("A"): 1}
COUNTED = Counted(1, 2)
EXTREMES = [0.0, -0.0, 9.99, 10.0, 99.5, 1e300, -1.0, float("nan"), float("inf"), None]
FLOATS = pa.RecordBatch.from_pydict({"x": pa.array(EXTREMES, pa.float64())})
TEXTS = pa.RecordBatch.from_pydict({"s": pa.array(["a", "b", "", "é", None, "A", "😀"], pa.string())})
NUMBERS = pa.RecordBatch.from_pydict({"n": pa.array([0, 1, 2, -1, -3, 3, -4, None, 2**63 - 1, -(2**63)], pa.int64())})
LISTS = pa.RecordBatch.from_pydict({"xs": pa.array([[], [1.0, 60.0], None, [10.0, -5.0, float("nan")]], pa.list_(pa.float64()))})


def label(x):
    for band in BANDS:
        if x is not None and band.covers(x):
            return band.label
    return "none"


def widths(x):
    return sum(band.width for band in BANDS if x is not None and band.low <= x)


def counts(xs):
    found = dict.fromkeys([band.label for band in BANDS], 0)
    for x in xs or []:
        for band in BANDS:
            if band.covers(x):
                found[band.label] += 1
    return list(found.values())


def norm(s):
    point = POINTS.get(s)
    return -1 if point is None else point.norm() + point[0] + len(point)


def made(x):
    band = Band.of("near")
    return band.label if x is not None and band.covers(x) else None


def weight(s):
    return RATES.get(s, Rate("none", 0)).scaled(3)


def at(n):
    try:
        return BANDS[n].label
    except IndexError:
        return "outside"
    except TypeError:
        return None


TESTED = [
    (label, FLOATS, StringType()), (widths, FLOATS, DoubleType()), (made, FLOATS, StringType()), (norm, TEXTS, LongType()),
    (weight, TEXTS, LongType()), (at, NUMBERS, StringType()), (counts, LISTS, ArrayType(LongType())),
    (lambda n: [Rate("x", 2), Rate("y", 3)][(n or 0) % 2].weight, NUMBERS, LongType()),
]  # fmt: skip


@pytest.mark.parametrize(("function", "batch", "returns"), TESTED)
def test_captured_rules(function, batch, returns):
    compared = compare_with_worker(function, [batch], returns, ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged) == (1, 0)


def test_rules_in_pandas():
    def labels(s: pd.Series) -> pd.Series:
        return s.apply(label)

    assert compare_with_worker(labels, [FLOATS], StringType(), kernel=True).decided == 1


def changes(s):
    object.__setattr__(RATES["a"], "weight", 5)
    return s


REFUSED = [(lambda s: len(COUNTED), "SW221"), (changes, "SW219"), (lambda s: BY_RATE[Rate(s)], "SW216")]


@pytest.mark.parametrize(("function", "code"), REFUSED)
def test_what_is_refused_of_captured_rules(function, code):
    assert compare_with_worker(function, [TEXTS], LongType(), ARROW_BATCHED).refused == code
