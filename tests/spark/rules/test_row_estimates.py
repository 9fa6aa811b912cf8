"""Checks the numbers of rows that Parquet footers yield, without the metadata of their columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from py4j.protocol import Py4JJavaError


def rows(spark, path):
    """Returns the number of rows in the footer."""
    conf = spark._jsc.hadoopConfiguration()
    file = spark._jvm.org.apache.hadoop.fs.Path(str(path))
    return spark._jvm.io.sparkweld.support.ParquetFooter.rows(file.getFileSystem(conf).getFileStatus(file), conf)


@pytest.mark.parametrize(("columns", "count", "group"), [(1, 0, 10), (1, 7, 10), (3, 1000, 10), (400, 50, 5)])
def test_rows_of_a_footer(spark, tmp_path, columns, count, group):
    """The last file has a footer of several reads."""
    path = tmp_path / "t.parquet"
    table = pa.table({f"column_{at}": np.arange(count, dtype=float) for at in range(columns)})
    pq.write_table(table, path, row_group_size=group)
    assert rows(spark, path) == count
    size = int.from_bytes(path.read_bytes()[-8:-4], "little")
    assert (size > 1 << 16) == (columns == 400)


UNREADABLE = (
    b"", b"PAR1", b"no file of Parquet", b"\xff\xff\xff\x7fPAR1", b"\xff\xff\xff\xffPAR1", b"\0\0\0\0PARE",
)  # fmt: skip


@pytest.mark.parametrize("content", UNREADABLE)
def test_a_file_without_a_readable_footer(spark, tmp_path, content):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(Py4JJavaError, match="footer"):
        rows(spark, tmp_path / "t.parquet")
