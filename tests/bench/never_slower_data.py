"""Writes the Parquet tables of the never-slower bench.

A seeded generator draws all values. Words of strings are Zipf-distributed; nine of ten strings contain a non-ASCII word, as
abstracts of papers do.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from flights_data import data_folder

RECIPE = 1
FILES = 4
_COMMON = "the of and to in a is that for it data query plan row join we show method results model using based between".split()
_ODD = ("naïve", "Müller", "α-helix", "–", "“quoted”", "Erdős", "≥0.5", "σ²", "café", "日本")


Table = Callable[[np.random.Generator, int], pa.Table]


def prepare_table(name: str, rows: int) -> Path:
    """Returns the folder with `rows` rows of a table, generated once; its int64 `id` is a unique key."""
    return write_table(f"never-slower-v{RECIPE}", name, rows, _TABLES[name])


def write_table(group: str, name: str, rows: int, make: Table) -> Path:
    """Returns the folder with `rows` rows of a table that `make` draws, generated once, with an int64 `id` that is its key."""
    folder = data_folder() / group / f"{name}-{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    files = FILES if rows > 1000 else 1
    edges = np.linspace(0, rows, files + 1).astype(int)
    for part, (begin, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        target = folder / f"part-{part:05d}.parquet"
        if target.exists():
            continue
        random = np.random.default_rng([zlib.crc32(name.encode()), rows, part])
        table = make(random, int(end - begin)).append_column("id", pa.array(np.arange(begin, end, dtype=np.int64)))
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            pq.write_table(table, partial, compression="snappy")
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    return folder


def _words(random: np.random.Generator) -> np.ndarray:
    letters = np.array(list("aabcdeeefghiiklmnooprssttuvwxyz"))
    made = ["".join(random.choice(letters, random.integers(2, 11))) for _ in range(3000)]
    return np.array(_COMMON + made, dtype=object)


def _abstracts(random: np.random.Generator, rows: int) -> pa.Table:
    words = _words(random)
    shares = 1 / np.arange(1, len(words) + 1)
    shares /= shares.sum()
    texts = []
    for size in random.integers(60, 180, rows):
        chosen = list(words[random.choice(len(words), size, p=shares)])
        for at in range(0, size, 17):
            chosen[at] = str(chosen[at]).capitalize() + random.choice([",", ".", ";", ""])
        chosen[random.integers(size)] = f"{random.integers(1, 5000)}.{random.integers(10)}"
        if random.random() < 0.9:
            chosen[random.integers(size)] = random.choice(_ODD)
        texts.append(" ".join(map(str, chosen)))
    return pa.table({"text": pa.array(texts, pa.string())})


def _quoted(random: np.random.Generator, rows: int) -> pa.Table:
    words = np.array([w.title() for w in _words(random)], dtype=object)
    lists = ['"' + '","'.join(words[random.integers(0, len(words), size)]) + '"' for size in random.integers(5, 300, rows)]
    return pa.table({"v": pa.array(lists, pa.string())})


def _commas(random: np.random.Generator, rows: int) -> pa.Table:
    lists = [",".join(map(str, random.integers(-5000, 100_000, size))) for size in random.integers(3, 20, rows)]
    return pa.table({"v": pa.array(lists, pa.string())})


def _arrays(random: np.random.Generator, rows: int) -> pa.Table:
    words = _words(random)
    sizes = random.integers(0, 16, rows)
    ends = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))
    total = int(sizes.sum())
    tags = pa.array(words[random.integers(0, len(words), total)], pa.string())
    values = pa.array(random.random(total))
    return pa.table({"v": pa.ListArray.from_arrays(ends, values), "t": pa.ListArray.from_arrays(ends, tags)})


def _names(random: np.random.Generator, rows: int) -> pa.Table:
    words = _words(random)
    first, last = (words[random.integers(0, len(words), rows)] for _ in range(2))
    codes = random.integers(0, 200_000, rows)
    return pa.table({"name": pa.array([f"{a} {b}" for a, b in zip(first, last, strict=True)], pa.string()),
                     "code": pa.array([f"key{code}" for code in codes], pa.string())})  # fmt: skip


def _numbers(random: np.random.Generator, rows: int) -> pa.Table:
    huge = random.integers(2**40, 2**42, rows)
    small = random.integers(0, 10_000, rows)
    return pa.table({
        "a": random.random(rows), "b": random.random(rows), "g": random.integers(0, 200, rows),
        "k": random.integers(1, 100_000, rows),
        "n": pa.array(random.integers(0, 1000, rows), mask=random.random(rows) < 0.9),
        "huge": huge, "mixed": np.where(random.random(rows) < 1 / 3, huge, small),
        "seldom": np.where(random.random(rows) < 0.01, huge, small),
    })  # fmt: skip


_TABLES: dict[str, Table] = {
    "abstracts": _abstracts, "quoted": _quoted, "commas": _commas, "arrays": _arrays, "names": _names, "tiny": _names,
    "middle": _names, "numbers": _numbers,
}  # fmt: skip
