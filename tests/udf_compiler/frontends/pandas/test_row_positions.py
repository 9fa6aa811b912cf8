"""Compares loops over positions of rows with PySpark's worker: ``range(len(a))``, ``enumerate(a)``, and lists of maps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, IntegerType, LongType, StringType

from sparkweld.contract.constants import SCALAR_PANDAS, SCALAR_PANDAS_ITERATOR
from tests.helpers.compiled import compare_with_worker

BATCHES = [
    pa.record_batch({
        "a": pa.array([1.5, 2.0, -3.0, 0.25]), "n": pa.array([4, -3, 0, 100], pa.int64()),
        "s": pa.array(["a|b c", "12", " x y z", ""]),
    }),
    pa.record_batch({"a": pa.array([None, 8.0]), "n": pa.array([5, None], pa.int64()), "s": pa.array([None, "7"])}),
]  # fmt: skip


def list_of_a_map(a, n, s):
    values = list(map(lambda x: float(x) + 1, a.values.tolist()))  # noqa: C417 - as people write it
    out = []
    for i in range(0, len(values)):
        out.append(values[i])
    return pd.Series(out)


def positions_of_columns(a, n, s):
    return pd.Series([a[i] * 2 + n.iloc[i] for i in range(len(a))])


def numpy_scalars(a, n, s):
    return pd.Series([a[i] / n[i] for i in range(len(n))])


def counted(a, n, s):
    out = []
    numbers, texts = n.values, s.tolist()
    for i, x in enumerate(a):
        out.append(x / 2 if numbers[i] > 2 else (len(texts[i]) if texts[i] else -1.0))
    return pd.Series(out)


def counted_pairs(a, n, s):
    out = []
    for i, (x, y) in enumerate(zip(a, n)):  # noqa: B905 - as people write it
        out.append(x / 2 if y > 2 else a.iloc[i])
    return pd.Series(out)


def loop_over_a_map(a, n, s):
    return pd.Series([y + 1 for y in list(map(lambda x: x * 2, a))])  # noqa: C417 - as people write it


def map_that_is_used_twice(a, n, s):
    doubled = list(map(lambda x: x * 2, a))  # noqa: C417 - as people write it
    return pd.Series([doubled[i] for i in range(len(doubled))]) + pd.Series(doubled)


def floats_of_a_dtype(a, n, s):
    return pd.Series([x / 3 for x in a], dtype="float32") * 3


@pytest.mark.parametrize(
    "function",
    [list_of_a_map, positions_of_columns, numpy_scalars, counted, counted_pairs, loop_over_a_map, map_that_is_used_twice,
     floats_of_a_dtype],
)  # fmt: skip
def test_loops_over_positions(function):
    compared = compare_with_worker(function, BATCHES, DoubleType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def missing_and_parsed(a, n, s):
    results = []
    for c in s:
        try:
            if pd.isnull(c):
                results.append(0)
                continue
            results.append(int(c))
        except Exception:  # noqa: BLE001 - as people write it
            results.append(0)
    return pd.Series(results, dtype="int32")


def test_missing_strings_in_a_handler():
    compared = compare_with_worker(missing_and_parsed, BATCHES, IntegerType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def rebuilt(a, n, s):
    def rebuild(pair):
        text, other = pair
        parts = text.split(" ")
        tokens = other.split("|") if other else []
        return "".join(part + (tokens[i] if i < len(tokens) else "") for i, part in enumerate(parts))

    m = s.astype("string").fillna("")
    return pd.Series(map(rebuild, zip(m, m)))  # noqa: B905 - as people write it


def test_maps_with_loops_over_a_list_of_the_row():
    compared = compare_with_worker(rebuilt, BATCHES, StringType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def small(a, n, s):
    return pd.Series([x * 1000 for x in n], dtype="int16")


def test_integers_that_the_dtype_does_not_hold_raise():
    batch = pa.record_batch({"a": [1.0, 2.0], "n": pa.array([3, -32], pa.int64()), "s": ["", ""]})
    large = pa.record_batch({"a": [1.0, 2.0], "n": pa.array([3, 33], pa.int64()), "s": ["", ""]})
    compared = compare_with_worker(small, [batch, large], LongType(), SCALAR_PANDAS, kernel=True)
    assert (compared.decided, compared.flagged, compared.raised) == (2, 1, 1), compared


def batches_of_positions(batches):
    for a, n, _ in batches:
        doubled = list(map(lambda x: x * 2, a))  # noqa: C417 - as people write it
        yield pd.Series([doubled[i] + n[i] for i in range(len(doubled))])


def test_positions_in_batches_of_an_iterator():
    compared = compare_with_worker(batches_of_positions, BATCHES, DoubleType(), SCALAR_PANDAS_ITERATOR)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def cells_of_a_frame(a, n, s):
    out = []
    frame = pd.DataFrame({"a": a, "n": n, "s": s})
    for i in range(len(frame)):
        text = frame.iloc[i, 2]
        out.append(frame.loc[i, "a"] * 2 + frame.at[i, "n"] + (len(text) if frame.iat[i, 2] else 0))
    return pd.Series(out)


def rows_of_a_frame(a, n, s):
    out = []
    frame = pd.DataFrame({"a": a, "n": n})
    for i in range(frame.shape[0]):
        row = frame.iloc[i]
        out.append(row["a"] / row["n"] + frame.loc[i].n)
    return pd.Series(out)


def labels_of_rows(a, n, s):
    out = []
    frame = pd.DataFrame({"a": a, "n": n, "s": s})
    for i, row in frame.iterrows():
        out.append(frame.at[i, "n"] / row["n"] if row["n"] else a[i])
    return pd.Series(out) + pd.Series([row.a + n[row.Index] for row in frame.itertuples()])


@pytest.mark.parametrize("function", [cells_of_a_frame, rows_of_a_frame, labels_of_rows])
def test_positions_of_frames(function):
    compared = compare_with_worker(function, BATCHES, DoubleType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def mixed_row(a, n, s):
    frame = pd.DataFrame({"a": a, "s": s})
    return pd.Series([frame.iloc[i]["a"] for i in range(len(frame))])


def filtered_frame(a, n, s):
    frame = pd.DataFrame({"a": a, "n": n})
    frame = frame[frame.a > 0]
    return pd.Series([frame.iloc[i]["a"] for i in range(len(a))])


def labels_of_filtered_rows(a, n, s):
    frame = pd.DataFrame({"a": a, "n": n})
    frame = frame[frame.a > 0]
    return pd.Series([n.iloc[i] for i, row in frame.iterrows()])


def other_rows(a, n, s):
    return pd.Series([a[i - 1] for i in range(len(a))])


def written(a, n, s):
    out = []
    for i in range(len(a)):
        a[i] = 3.0
        out.append(a[i])
    return pd.Series(out)


def numbered_from_one(a, n, s):
    return pd.Series([a[i] for i, _ in enumerate(a, 1)])


def all_but_one(a, n, s):
    return pd.Series([a[i] for i in range(len(a) - 1)])


def listed_numpy_scalars(a, n, s):
    values = list(map(lambda x: np.float64(1.0) / x, a.values))  # noqa: C417 - as people write it
    return pd.Series([values[i] / 0 for i in range(len(values))])


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda a, n, s: pd.Series([i * 2.0 for i in range(len(a))]), "SW250"),
        (lambda a, n, s: pd.Series([float(i) for i in range(len(a))]), "SW259"),
        (lambda a, n, s: pd.Series([a[i] if i > 1 else 0.0 for i in range(len(a))]), "SW250"),
        (lambda a, n, s: pd.Series([a[a > 0][i] for i in range(len(a))]), "SW251"),
        (lambda a, n, s: a * len(map(abs, a)), "SW261"),
        (other_rows, "SW250"), (written, "SW256"), (numbered_from_one, "SW250"), (all_but_one, "SW259"),
        (listed_numpy_scalars, "SW250"), (mixed_row, "SW250"), (filtered_frame, "SW250"),
        (lambda a, n, s: pd.DataFrame({"a": a, "n": n}).iloc[0]["a"] + a, "SW250"),
        (lambda a, n, s: pd.Series([i * row["a"] for i, row in pd.DataFrame({"a": a}).iterrows()]), "SW250"),
    ],
)  # fmt: skip
def test_positions_as_numbers_are_refused(function, code):
    assert compare_with_worker(function, BATCHES, DoubleType(), SCALAR_PANDAS).refused == code


def test_positions_of_filtered_rows_are_refused():
    assert compare_with_worker(labels_of_filtered_rows, BATCHES, DoubleType(), SCALAR_PANDAS).refused
