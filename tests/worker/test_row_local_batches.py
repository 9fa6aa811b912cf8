"""Compares a row-local function over random batches with the same function on each batch of Spark, dtypes included."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sparkweld.worker import row_local as workers
from sparkweld.worker.arrow import in_arrow_batches
from sparkweld.worker.counts import counts

#: Kinds of columns of which pandas has other dtypes in a batch with NULLs. The JVM joins no such batch.
STATEFUL = ("long", "boolean", "date")


def written(*columns):
    """Returns each row's values with the dtypes of the call."""
    rows = zip(*[column.tolist() for column in columns], strict=True)
    dtypes = [str(column.dtype) for column in columns]
    return pd.Series([repr((row, dtypes)) for row in rows], dtype=object)


def written_arrays(*columns):
    return pa.array([repr(row) for row in zip(*[column.to_pylist() for column in columns], strict=True)])


def series_of(arrays):
    return [pd.Series(a.to_pylist(), dtype=object) if a.type in (pa.string(), pa.date32()) else a.to_pandas() for a in arrays]


def column(rng, kind, rows, nulls):
    values = {
        "string": lambda: np.array([f"{k % 50}" * (k % 7) for k in rng.integers(0, 10_000, rows)], object),
        "few": lambda: rng.choice(np.array(["", "a", "\u00e9" * 5, "zz"], object), rows),
        "double": lambda: rng.choice(np.array([0.0, -0.0, np.nan, 1.5]), rows),
        "long": lambda: rng.integers(-2, 3, rows),
        "boolean": lambda: rng.random(rows) < 0.5,
        "date": lambda: rng.integers(0, 3, rows).astype("datetime64[D]"),
    }[kind]()
    return pa.array(values, mask=rng.random(rows) < nulls)


@pytest.mark.parametrize("of_arrays", [False, True])
def test_random_batches(of_arrays, monkeypatch, capfd):
    for name, value in {"_CHECKED_AFTER": 20, "_CHECKED": 8, "_TRIED": 16, "_TRIED_AFTER": 50, "_SIZES": (8, 3)}.items():
        monkeypatch.setattr(workers, name, value)
    function = written_arrays if of_arrays else written
    conversions = (None, lambda r, n: r) if of_arrays else (series_of, lambda r, n: pa.array(r, pa.string()))
    counts.told(16)

    def original(*args, sparkweld_starts=None):
        if sparkweld_starts is None:
            return function(*args)
        convert = (lambda cut: cut) if of_arrays else series_of
        return in_arrow_batches(lambda *cut: conversions[1](function(*convert(cut)), len(cut[0])), sparkweld_starts, args)

    rng = np.random.default_rng(7)
    for number in range(60):
        kinds = rng.choice(["string", "few", "double", *STATEFUL], rng.integers(1, 4)).tolist()
        loaded = workers.load(f"{number} 0.0 written".encode(), 0, lambda: original, conversions, None)
        for _ in range(8):
            rows, nulls = int(rng.integers(1, 200)), rng.choice([0.0, 0.0, 0.2, 1.0])
            columns = [column(rng, kind, rows, nulls) for kind in kinds]
            if not of_arrays and rng.random() < 0.3:
                series = series_of(columns)
                assert loaded(*series).equals(written(*series))
                continue
            starts = np.arange(rows) == 0
            if of_arrays or not any(a.null_count and kind in STATEFUL for a, kind in zip(columns, kinds, strict=True)):
                starts[rng.integers(0, rows, 3)] = True
            given = {"sparkweld_starts": pa.array(starts)}
            assert loaded(*columns, **given).equals(original(*columns, **given)), (number, kinds)
    assert not capfd.readouterr().err  # nothing was turned off
    assert counts.repeated_rows > 8 * counts.original_rows > 0
