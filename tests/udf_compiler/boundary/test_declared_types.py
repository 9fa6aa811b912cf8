"""Compares results of every kind, declared as every type, with PySpark's conversion."""

from __future__ import annotations

import re
from collections import Counter

import pyarrow as pa
import pytest
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    ByteType,
    DataType,
    DateType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from tests.helpers.cases import Case
from tests.helpers.compiled import check_case
from tests.helpers.lines import PythonEvalType

DECLARED = [
    BooleanType(), ByteType(), ShortType(), IntegerType(), LongType(), FloatType(), DoubleType(), StringType(), DateType(),
    TimestampType(), TimestampNTZType(), ArrayType(DoubleType()), ArrayType(LongType()), ArrayType(StringType()),
]  # fmt: skip
SERIES = (
    "x", "i", "s", "b", "d", "t", "x > 1", "i * 2", "i / 2", "i + 0.5", "x.round()", "i.astype('int8')", "x.astype('float32')",
    "i.astype('int16') * 300", "s.str.len()", "s.str.upper()", "s == 'a'", "t.dt.year", "t.dt.floor('D')", "t.dt.date",
    "t - t.min()",
    "pd.Series([v * 2 for v in x])", "pd.Series([None if v != v else v for v in x])",
    "pd.Series([None if v != v else v > 1 for v in x])",
    "pd.Series([int(v) if v == v else 0 for v in x])", "pd.Series([int(v) if v == v else 0.5 for v in x])", "x.map(str)",
    "x.values",
    "pd.Series([str(v) for v in i])", "pd.Series([v if isinstance(v, str) else None for v in s])", "s.str.split('a')", "x.isna()",
    "pd.Series([np.float32(v) for v in x])", "x.map(lambda v: None)", "pd.to_datetime(i)", "i.astype('Int64')",
    "d.map(lambda v: v)",
    "pd.Series([np.sign(v) for v in x])", "i.astype(str)", "b & (x > 0)", "pd.Series([(v, v) for v in x])",
    "i.astype('category')",
)  # fmt: skip
PLAIN = (
    "x", "i", "s", "b", "d", "None", "x > 1", "i * 2", "i / 2", "int(x)", "i if i > 2 else 0.5", "x if x > 1 else None",
    "str(i)", "s.upper()",
    "len(s)", "s == 'a'", "1 if b else 's'", "b if i > 2 else i", "b or 0.5", "d.year", "s.split('a')", "[x, x]", "[i]",
    "s if b else d", "f'{i}'",
    "2**40 + i", "-0.0", "10**12", "np.floor(x)", "np.isnan(x)", "np.abs(i)", "math.nan", "[]", "s.split('a')[-1:]", "(x, i)",
    "{'a': x}", "s[:1]",
    "i if b else None", "2**24 + 1 if b else 0.5", "1e300", "True", "'1'", "x * 1e308", "float(i)", "i % 2 == 0 and s",
)  # fmt: skip


def _batches() -> tuple[pa.RecordBatch, ...]:
    whole = {
        "x": [1.0, 2.5, -0.0, 300.0], "i": pa.array([1, 2, 3, 300], pa.int32()), "s": ["a", "", "12",
        "ba"], "b": [True, False, True, True],
        "d": pa.array([0, 18_000, 7, 1], pa.int32()).cast(pa.date32()), "t": pa.array([0, 10**15, 5, 86_400_000_000], pa.int64()),
    }  # fmt: skip
    whole["t"] = whole["t"].cast(pa.timestamp("us", "UTC"))  # type: ignore[attr-defined]
    batch = pa.record_batch(whole)
    holes = []
    for k, column in enumerate(batch.columns):
        kept = [value if (at + k) % 3 else None for at, value in enumerate(column.to_pylist())]
        holes.append(pa.array(kept, column.type))
    return batch, pa.record_batch(holes, batch.schema.names), batch.slice(1, 1)


@pytest.mark.parametrize("declared", DECLARED, ids=str)
@pytest.mark.parametrize("plain", [False, True], ids=["series", "plain"])
def test_results_of_every_kind(declared: DataType, plain: bool) -> None:
    found: Counter[str] = Counter()
    for body in PLAIN if plain else SERIES:
        columns = [name for name in "xisbdt" if re.search(rf"\b{name}\b", body)] or ["i"]
        batches = tuple(batch.select(columns) for batch in _batches())
        if plain:
            body = f"None if {' or '.join(f'{name} is None' for name in columns)} else ({body})"
        elif "b" in columns:  # with NULLs the Series has dtype object
            batches = tuple(batch for batch in batches if not batch["b"].null_count)
        eval_type = PythonEvalType.SQL_ARROW_BATCHED_UDF if plain else PythonEvalType.SQL_SCALAR_PANDAS_UDF
        found[check_case(Case(f"f = lambda {', '.join(columns)}: {body}", batches, declared, eval_type)).refused] += 1
    assert found[""] > 2 or not isinstance(declared, BooleanType | IntegerType | LongType | DoubleType | StringType), found
