"""Generates Parquet files of varied rows for a formula, once, beside the flights' data."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from flights_data import data_folder
from formulas import Formula

# Part of the folder's name: files of another recipe are never mistaken for these.
RECIPE = 1
# A file is one task, so that 2, 4 or 8 cores get equal shares; for few rows a second file only adds a task.
FILES, FEW_ROWS = 8, 1_000_000


def prepare_formula(case: Formula, rows: int, progress: Callable[[str], None]) -> Path:
    """Returns the folder of `rows` rows: an int64 `id`, and the case's columns as float64 without nulls.

    Snappy, no dictionary (all values differ), one row group and one task per file.
    """
    folder = data_folder() / f"formulas-v{RECIPE}" / f"{case.name}-{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    files = FILES if rows >= FEW_ROWS else 1
    edges = np.linspace(0, rows, files + 1).astype(int)
    for part, (begin, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        target = folder / f"part-{part:05d}.parquet"
        if _is_whole(target, end - begin):
            continue
        progress(f"writing {folder.name}/{target.name}")
        random = np.random.default_rng([zlib.crc32(case.name.encode()), rows, part])
        columns = {"id": np.arange(begin, end, dtype=np.int64), **case.draw(random, end - begin)}
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            pq.write_table(pa.table(columns), partial, compression="snappy", use_dictionary=False,
                           row_group_size=int(end - begin))
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    return folder


def _is_whole(path: Path, rows: int) -> bool:
    if not path.exists():
        return False
    try:
        return pq.read_metadata(path).num_rows == rows
    except (pa.ArrowInvalid, OSError):
        return False  # truncated: written again
