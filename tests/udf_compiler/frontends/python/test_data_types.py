"""Compares functions that read captured schemas and data types with PySpark's worker; what would change them is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql import types
from pyspark.sql.types import (
    ArrayType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    NumericType,
    StringType,
    StructField,
    StructType,
)

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

SCHEMA = StructType([StructField("a", DoubleType()), StructField("b", LongType(), False)])
OTHER = StructType([StructField("xs", ArrayType(StringType(), False)), StructField("m", MapType(StringType(), DecimalType(9, 3))),
                    StructField("xs", StringType())])  # fmt: skip
EMPTY = StructType([])
BATCHES = [
    pa.record_batch({"b": pa.array([1, -2, 3], pa.int64()), "a": pa.array([1.5, None, -0.0])}),
    pa.record_batch({"b": pa.array([7], pa.int64()), "a": pa.array([0.5])}),
]


def _chooses(frames):
    for frame in frames:
        yield frame[SCHEMA.fieldNames()]


def _chooses_by_names(frames):
    for frame in frames:
        yield frame[SCHEMA.names[:1] + [f.name for f in SCHEMA.fields[1:]]]


def _casts_by_class(frames):
    for frame in frames:
        for field in SCHEMA:
            if isinstance(field.dataType, NumericType) and not isinstance(field.dataType, types.IntegralType):
                frame[field.name] = frame[field.name].fillna(0) * 2
            elif field.dataType == LongType() and not field.nullable:
                frame[field.name] = frame[field.name] + len(SCHEMA)
        yield frame


@pytest.mark.parametrize("function", [_chooses, _chooses_by_names, _casts_by_class])
def test_columns_of_a_captured_schema(function):
    compared = compare_with_worker(function, BATCHES, SCHEMA, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 2, 0)


def _facts(a):
    kind = OTHER["xs"].dataType
    facts = [
        kind.containsNull,
        kind.elementType == StringType(),
        kind.elementType != "string",
        kind == None,  # noqa: E711
        type(kind) is ArrayType,
        isinstance(OTHER, StructType),
        isinstance(OTHER[1], StructField),
        OTHER[1].dataType.valueType.precision == 9,
        OTHER[1].dataType.valueType.scale == 3,
        OTHER[-1].dataType.simpleString() == "string",
        SCHEMA["b"].dataType.typeName() == "long",
        SCHEMA["a"].dataType is SCHEMA["a"].dataType,
        SCHEMA["a"].dataType is DoubleType(),
        DoubleType() is DoubleType(),
        StringType() is StringType(),
        DoubleType() == IntegerType(),
        bool(EMPTY),
        len(OTHER) == 3,
        hasattr(OTHER, "dataType"),
        hasattr(OTHER[0], "dataType"),
        SCHEMA.simpleString() == "struct<a:double,b:bigint>",
        kind is OTHER["xs"].dataType,
    ]
    return a * 0 + sum(2.0**i for i, fact in enumerate(facts) if fact)


def test_facts_of_types():
    batch = pa.record_batch({"a": pa.array([1.5, 2.5])})
    compared = compare_with_worker(_facts, [batch], DoubleType(), SCALAR_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", 1)


def _changes_names(a):
    SCHEMA.names.append("c")
    return a * len(SCHEMA.names)


def _adds_a_field(a):
    return a * len(SCHEMA.add("c", LongType()))


def _sets_a_name(a):
    SCHEMA["a"].name = "b"
    return a


def _reads_an_unknown_field(a):
    return a if SCHEMA["c"] else -a


def _slices(a):
    return a * len(SCHEMA[:1])


def _makes_a_schema(a):
    return a * len(StructType([StructField("a", DoubleType())]))


def _keeps_types_in_a_dict(a):
    return a * {DoubleType(): 1.0}[SCHEMA["a"].dataType]


def _prints(a):
    return a * len(str(SCHEMA["a"].dataType))


def _parses(a):
    return a * len(types._parse_datatype_string("a long"))


REFUSED = {_changes_names: "SW217", _adds_a_field: "SW263", _sets_a_name: "SW256", _reads_an_unknown_field: "SW263",
           _slices: "SW263", _makes_a_schema: "SW262", _keeps_types_in_a_dict: "SW259",
           _prints: "SW259", _parses: "SW263"}  # fmt: skip


@pytest.mark.parametrize("function", REFUSED)
def test_what_is_refused(function):
    batch = pa.record_batch({"a": pa.array([1.5, 2.5])})
    assert compare_with_worker(function, [batch], DoubleType(), SCALAR_PANDAS).refused == REFUSED[function]
