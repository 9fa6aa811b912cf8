"""Checks the distinct rows of columns against Python's own comparison of bits, the cache, and the measured switch."""

from __future__ import annotations

import datetime
import decimal
import struct

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sparkweld.worker.distinct import (
    Payoff,
    ResultCache,
    columns_of,
    concat,
    distinct_of,
    keys_of,
    lengths_of,
    take,
)

N = 300
RNG = np.random.default_rng(4)
SOME = RNG.random(N) < 0.2
NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0]
FLOATS = RNG.choice(np.array([0.0, -0.0, np.nan, NAN, 1.0, np.inf]), N)
DAYS = RNG.integers(0, 3, N).astype("datetime64[D]")
WORDS = RNG.choice(np.array(["a", "b", "", "é"], object), N)
ARRAYS = {
    "string": pa.array(WORDS, mask=SOME), "double": pa.array(FLOATS, mask=SOME), "float": pa.array(FLOATS.astype(np.float32)),
    "long": pa.array(RNG.integers(0, 4, N), mask=SOME), "boolean": pa.array(FLOATS > 0, mask=SOME),
    "date": pa.array(DAYS, mask=SOME), "a slice": pa.array(np.tile(WORDS, 2)).slice(7, N), "all NULL": pa.nulls(N, pa.string()),
}  # fmt: skip
STRUCT = pa.StructArray.from_arrays([ARRAYS["long"], ARRAYS["string"]], ["i", "s"], mask=pa.array(FLOATS > 0))


def identity(value):
    """Returns a value that is equal only for the same bits."""
    if isinstance(value, dict):
        return tuple(map(identity, value.values()))
    if isinstance(value, float | np.floating):
        return value.dtype.str if isinstance(value, np.floating) else "", np.asarray(value).tobytes()
    return type(value), value


def check(arguments, rows):
    distinct = distinct_of(columns_of(arguments), N)
    known: dict[object, int] = {}
    codes = [known.setdefault(row, len(known)) for row in rows]
    assert distinct.codes.tolist() == codes and distinct.codes.dtype == np.int64
    assert distinct.first.tolist() == [codes.index(i) for i in range(len(known))] and 1 <= len(known) < N
    return distinct


def rows_of(arrays):
    columns = [a.to_pandas().tolist() if pa.types.is_floating(a.type) and not a.null_count else a.to_pylist() for a in arrays]
    return list(zip(*[list(map(identity, column)) for column in columns], strict=True))


@pytest.mark.parametrize("names", [(name,) for name in ARRAYS] + [("string", "long"), ("double", "boolean", "date")])
def test_distinct_arrays(names):
    arrays = [ARRAYS[name] for name in names]
    check(arrays, rows_of(arrays))


def test_distinct_structs():
    check([STRUCT, ARRAYS["boolean"]], rows_of([STRUCT, ARRAYS["boolean"]]))


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(FLOATS), pd.Series(FLOATS.astype(np.float32)), pd.Series(RNG.integers(0, 5, N)), pd.Series(FLOATS > 0),
        pd.Series(np.where(SOME, None, WORDS)), pd.Series(np.where(SOME, None, FLOATS > 0)), pd.Series(DAYS.astype(object)),
        pd.Series([None] * N, dtype=object),
    ],
)  # fmt: skip
def test_distinct_series(series):
    check([series], [(identity(value),) for value in series.to_numpy()])
    check([series.to_frame()], [(identity(value),) for value in series.to_numpy()])


@pytest.mark.parametrize(
    "argument",
    [
        pd.Series(["a", float("nan")]), pd.Series([1, "a"], dtype=object), pd.Series([1.0, None], dtype=object),
        pd.Series([datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1)], dtype=object), pd.Series(["\ud800", "a"]),
        pd.Series([np.str_("a"), "a"], dtype=object), pd.Series([[1], [1]]), pd.Series([1, None], dtype="Int64"),
        pd.Series(np.array([0, 1], "datetime64[ns]")), pd.Series([decimal.Decimal("1.0"), decimal.Decimal("1.00")]),
        pa.array([[1], [1]]), pa.array([0, 1], pa.timestamp("us")), pd.DataFrame({"a": [1, 2], "b": [[1], [2]]}),
        pa.StructArray.from_arrays([pa.array([[1], [1]])], ["a"]),
    ],
)  # fmt: skip
def test_other_types_have_no_distinct_rows(argument):
    assert columns_of([pd.Series([1, 2]), argument]) is None


def test_keys_lengths_and_rows():
    columns = columns_of([pa.array(["é", None, "é"]), pa.array([-0.0, 1.0, 0.0])])
    assert len(set(keys_of(columns, np.arange(3)))) == 3 and len(set(keys_of(columns[:1], np.arange(3)))) == 2
    assert lengths_of(columns).tolist() == [2, 0, 2] and lengths_of(columns[1:]) is None
    assert take(pd.Series([1, 2, 3]), np.array([2, 0])).equals(pd.Series([3, 1]))
    assert concat([pa.array([1]), pa.array([2])]).to_pylist() == [1, 2]
    assert concat([pd.Series([1]), pd.Series([2])]).equals(pd.Series([1, 2]))
    with pytest.raises(TypeError, match="several dtypes"):
        concat([pd.Series([1]), pd.Series([2.0])])
    with pytest.raises(TypeError, match="several dtypes"):
        concat([pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})])


def test_a_cache_stops_when_it_is_full():
    cache = ResultCache(limit=40)
    assert cache.places(["a", "b"]).tolist() == [-1, -1]
    cache.add(["a", "b"], pa.array([1.0, 2.0]), 2)
    cache.add(["c"], pa.array([3.0]), 1)
    cache.add(["d", "e"], pa.array([4.0, 5.0]), 2)  # 18 + 9 + 18 bytes
    places = cache.places(["c", "d", "a"])
    assert places.tolist() == [2, -1, 0] and cache.take(places[places >= 0]).to_pylist() == [3.0, 1.0]


def test_what_does_not_pay_rests():
    payoff = Payoff()
    for _ in range(2):
        assert payoff.wanted()
        payoff.add(1.0, 2.0)
    payoff.add(3.0, 2.0)  # begins anew
    for _ in range(3):
        assert payoff.wanted()
        payoff.add(1.0, 2.0)
    for _ in range(2):
        rests = [payoff.wanted() for _ in range(32)]
        assert rests == [False] * 31 + [True]
        payoff.add(0.0, 1.0)  # one that costs more rests again
    assert not payoff.wanted()
