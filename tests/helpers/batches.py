"""Builds tables whose Arrow batches in Spark differ from their scan batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

#: Confs that read all files of a folder as one partition, in name order.
ONE_PARTITION = {
    "spark.sql.files.minPartitionNum": "1",
    "spark.sql.files.openCostInBytes": "0",
    "spark.sql.files.maxPartitionBytes": "1073741824",
}


def small_batches(scan: int | None = None, records: int | None = None, bytes: int | None = None) -> dict[str, str]:
    """Returns confs that limit the rows of a scan batch and the rows and bytes of an Arrow batch that Spark builds from rows."""
    confs = {
        "spark.sql.parquet.columnarReaderBatchSize": scan,
        "spark.sql.execution.arrow.maxRecordsPerBatch": records,
        "spark.sql.execution.arrow.maxBytesPerBatch": bytes,
    }
    return {name: str(value) for name, value in confs.items() if value is not None}


def write_files(folder: Path, files: Sequence[Mapping[str, Any] | pa.Table]) -> str:
    """Writes one Parquet file per table and returns the folder.

    Spark reads larger files first, so the sizes must not grow.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sizes = []
    for number, columns in enumerate(files):
        table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
        path = folder / f"part-{number:03}.parquet"
        pq.write_table(table, path, use_dictionary=False, compression="none")
        sizes.append(path.stat().st_size)
    assert sizes == sorted(sizes, reverse=True), sizes
    return str(folder)


def with_nulls(values: Sequence[Any], nulls: Sequence[int], type: pa.DataType | None = None) -> pa.Array:
    """Returns the values with NULL at the positions `nulls`."""
    missing = set(nulls)
    return pa.array([None if at in missing else value for at, value in enumerate(values)], type)
