"""Checks that tables of tests have the schema that Spark's reader infers."""

from __future__ import annotations

import pyarrow as pa

_NUMBERS = [pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64()]
_OTHERS = [pa.string(), pa.binary(), pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("us", "Asia/Tokyo")]


def nested(type: pa.DataType) -> list[pa.DataType]:
    inner = pa.list_(type)
    return [type, inner, pa.struct([("a", type), ("b", inner)]), pa.map_(pa.string(), type), pa.list_(inner)]


def test_the_schema_of_a_table_is_the_one_that_spark_infers(spark, parquet, tmp_path):
    types = [each for type in (*_NUMBERS, *_OTHERS) for each in nested(type)]
    fields = [pa.field(f"c{at}", type, nullable=at % 3 > 0) for at, type in enumerate(types)]
    table = pa.schema(fields).empty_table()
    given = parquet(table)
    assert given.schema == spark.read.parquet(str(tmp_path / "t.parquet")).schema
    assert len(given.columns) == 65
