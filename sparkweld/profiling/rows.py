"""Compares the rows of two runs of a query by sums of hashes that Spark computes, so that no row reaches the driver.

Two runs are equal when they have the same rows, each as often, in any order. A float equals itself bit by bit, except that all
NaN are equal; -0.0 differs from 0.0, and NULL from NaN. A map is its set of entries. Each row has a hash of 64 bits. Other rows
pass as equal with a chance of about one in 10^19.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DoubleType, FloatType, MapType, StringType, StructType, UserDefinedType

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

#: Names of types whose values Spark's hash distinguishes.
_HASHED = frozenset(
    "boolean byte short integer long date timestamp timestamp_ntz binary decimal void daytimeinterval yearmonthinterval "
    "interval day-time interval year-month time".split()
)
#: Bits of the parts of a hash that are added: sums of fewer than 2^41 rows stay in 64 bits.
_BITS = 22
_MASK = (1 << _BITS) - 1
#: Groups of rows whose floats are compared, and the largest relative difference of their sums.
_GROUPS, _CLOSE = 1024, 1e-9


@dataclass(frozen=True)
class Digest:
    """The rows of a run: their number, sums of the parts of their hashes, and for each column a sum of parts of its hashes."""

    rows: int
    sums: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Comparable:
    """The columns of a query by their position: those that can be compared, and the names of the others."""

    names: tuple[str, ...]
    types: tuple[DataType, ...]
    at: tuple[int, ...]

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(name for position, name in enumerate(self.names) if position not in self.at)

    @property
    def floats(self) -> tuple[int, ...]:
        return tuple(at for at in self.at if isinstance(self.types[at], FloatType | DoubleType))

    def differing(self, one: Digest, other: Digest) -> tuple[int, ...]:
        """Returns the positions of the columns whose values differ."""
        pairs = zip(self.at, one.columns, other.columns, strict=True)
        return tuple(at for at, left, right in pairs if left != right)


def comparable(df: DataFrame) -> Comparable:
    """Returns which columns of a query can be compared; a column of variants, for example, cannot."""
    fields = df.schema.fields
    at = [position for position, field in enumerate(fields) if is_comparable(field.dataType)]
    return Comparable(tuple(field.name for field in fields), tuple(field.dataType for field in fields), tuple(at))


def is_comparable(type: DataType) -> bool:
    """Whether the values of a type can be compared."""
    if isinstance(type, ArrayType):
        return is_comparable(type.elementType)
    if isinstance(type, MapType):
        return is_comparable(type.keyType) and is_comparable(type.valueType)
    if isinstance(type, StructType):
        unique = len({field.name.lower() for field in type.fields}) == len(type.fields)
        return unique and all(is_comparable(field.dataType) for field in type.fields)
    return isinstance(type, FloatType | DoubleType | StringType | UserDefinedType) or _name(type) in _HASHED


def _name(type: DataType) -> str:
    return str(type.typeName()).partition("(")[0]


def digest_query(df: DataFrame, columns: Comparable) -> DataFrame:
    """Returns the query of one row that `digest` reads."""
    rows = hashed(df, columns)
    row = F.xxhash64(*(F.col(f"h{at}") for at in columns.at)) if columns.at else F.lit(0).cast("long")
    parts = [row.bitwiseAND(F.lit(_MASK)), _shifted(row, _BITS).bitwiseAND(F.lit(_MASK)), _shifted(row, 2 * _BITS)]
    sums = [F.sum(part) for part in parts]
    sums += [F.sum(F.col(f"h{at}").bitwiseAND(F.lit(_MASK))) for at in columns.at]
    return rows.agg(F.count(F.lit(1)).alias("n"), *(one.alias(f"s{at}") for at, one in enumerate(sums)))


def digest(query: DataFrame) -> Digest:
    """Runs the query of `digest_query`."""
    rows, *sums = query.collect()[0]
    values = tuple(int(value or 0) for value in sums)
    return Digest(rows, values[:3], values[3:])


def _shifted(value: Column, bits: int) -> Column:
    return F.shiftrightunsigned(value, bits)


def hashed(df: DataFrame, columns: Comparable, keep: Sequence[int] = ()) -> DataFrame:
    """Returns a hash of each column as `h` and its position, and the columns `keep` themselves as `c` and theirs."""
    # names may repeat, or contain dots
    plain = df.toDF(*(f"c{at}" for at in range(len(columns.names))))
    hashes = [F.xxhash64(canonical(F.col(f"c{at}"), columns.types[at])).alias(f"h{at}") for at in columns.at]
    return plain.select(*hashes, *(F.col(f"c{at}") for at in keep)) if hashes or keep else plain.select(F.lit(0).alias("none"))


def canonical(value: Column, type: DataType) -> Column:
    """Returns a struct whose hash differs for values that differ; Spark's hash of the value itself skips NULLs and signs of zero.
    """
    missing = value.isNull().alias("missing")
    if isinstance(type, FloatType | DoubleType):
        return F.struct(missing, value.alias("value"), F.when(value == 0, value.cast("string")).alias("zero"))
    if isinstance(type, StringType):
        return F.struct(missing, value.cast("binary").alias("value"))  # strings with a collation have the hash of their key
    if isinstance(type, ArrayType):
        inside = F.transform(value, lambda element: canonical(element, type.elementType))
        return F.struct(missing, F.size(value).alias("size"), inside.alias("value"))
    if isinstance(type, MapType):
        def added(total: Column, entry: Column) -> Column:
            parts = canonical(entry["key"], type.keyType), canonical(entry["value"], type.valueType)
            return total.bitwiseXOR(F.xxhash64(*parts))

        entries = F.aggregate(F.map_entries(value), F.lit(0).cast("long"), added)
        return F.struct(missing, F.size(value).alias("size"), entries.alias("value"))
    if isinstance(type, StructType):
        fields = [canonical(value.getField(f.name), f.dataType).alias(f"f{at}") for at, f in enumerate(type.fields)]
        return F.struct(missing, *fields)
    return F.struct(missing, value.alias("value"))


def closeness_query(df: DataFrame, columns: Comparable, differing: Sequence[int]) -> DataFrame:
    """Returns the query of at most 1,024 rows that `closeness` reads: sums of the columns `differing`, floats, in groups of rows.

    The other columns of a row decide its group.
    """
    exact = [at for at in columns.at if at not in differing]
    group = F.pmod(F.xxhash64(*(F.col(f"h{at}") for at in exact)), F.lit(_GROUPS)) if exact else F.lit(0)
    made: list[Column] = []
    for at in differing:
        value = F.col(f"c{at}").cast("double")
        finite = F.when(~F.isnan(value) & (F.abs(value) != math.inf), value)
        made += [
            F.count(F.when(value.isNull(), 1)), F.count(F.when(F.isnan(value), 1)), F.count(F.when(value == math.inf, 1)),
            F.count(F.when(value == -math.inf, 1)), F.sum(finite), F.sum(F.abs(finite)),
        ]  # fmt: skip
    named = [one.alias(f"s{at}") for at, one in enumerate(made)]
    return hashed(df, columns, differing).groupBy(group.alias("g")).agg(*named)


def closeness(query: DataFrame) -> dict[Any, tuple[Any, ...]]:
    """Runs the query of `closeness_query`; returns group -> its counts and sums."""
    return {row[0]: tuple(row)[1:] for row in query.collect()}


def is_close(one: dict[Any, tuple[Any, ...]], other: dict[Any, tuple[Any, ...]]) -> bool:
    """Whether the floats of two runs agree to nine digits in each group of rows."""
    return one.keys() == other.keys() and all(_is_close(values, other[group]) for group, values in one.items())


def _is_close(one: Sequence[Any], other: Sequence[Any]) -> bool:
    for at in range(0, len(one), 6):
        if tuple(one[at : at + 4]) != tuple(other[at : at + 4]):
            return False
        scale = max(one[at + 5] or 0.0, other[at + 5] or 0.0)
        difference = abs((one[at + 4] or 0.0) - (other[at + 4] or 0.0))
        if not math.isfinite(scale) or difference > _CLOSE * scale:
            return False
    return True
