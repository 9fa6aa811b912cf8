"""Families of generated UDFs: how each draws a function, which batches it meets, and what its runs proved in total.


FAMILIES[name].check(draw)` draws one function and compares the compiled program with PySpark's worker (tests.helpers.compiled).
The gate runs each family with a fixed seed, `python -m tests.fuzz` with others for as long as one likes.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    LongType,
    StringType,
    TimestampNTZType,
    TimestampType,
)
from pyspark.util import PythonEvalType

from sparkweld.ir.types import Type
from tests.helpers.columns import special_values
from tests.helpers.compiled import Compared, compare_with_worker
from tests.helpers.expressions import functions
from tests.helpers.expressions_aggregates import compare_aggregate
from tests.helpers.expressions_lists import SCOPE, array_functions, list_batches, list_functions
from tests.helpers.expressions_models import compare_pipeline
from tests.helpers.expressions_scalar import looping_functions, scalar_functions
from tests.helpers.expressions_tags import RESULTS as TAG_RESULTS
from tests.helpers.expressions_tags import tag_batches, tag_functions, tag_series
from tests.helpers.expressions_text import text_functions
from tests.helpers.expressions_times import time_functions

ROWS = 60
#: As a user's script: for a function without a module, cloudpickle looks through the names of all modules.
_SCOPE = {"__name__": "__main__", "np": np, "pd": pd, "math": math}
_NAMES = "abcd"


@dataclass
class Tally:
    """What the runs of one family proved. A function is *vacuous* when guards flagged every row of every
    batch, and the original raises in none of them."""

    functions: int = 0
    compiled: int = 0
    vacuous: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, source: str, compared: Compared) -> None:
        """Counts one function."""
        self.functions += 1
        if compared.refused:
            self.refused[compared.refused] += 1
            return
        self.compiled += 1
        if not compared.decided and not compared.raised:
            self.vacuous.append(source)


@dataclass(frozen=True)
class Family:
    """`check(draw)` draws one function and compares it; `share` is the least part of them that must compile."""

    name: str
    check: Callable[[Callable[[Any], Any]], tuple[str, Compared]]
    share: float


def _numbers(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    drawn = draw(functions())
    function = _defined(drawn.source)
    batches = number_batches(drawn.types)
    return f"{drawn.source} on {drawn.types}", compare_with_worker(function, batches, _returned(function, batches[-1]))


def _texts(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    drawn = draw(text_functions())
    function = _defined(drawn.source)
    return drawn.source, compare_with_worker(function, text_batches(), _returned(function, text_batches()[-1]))


def _times(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    drawn = draw(time_functions())
    function = _defined(drawn.source)
    zone = draw(st.sampled_from(("timestamp", "timestamp_ntz")))
    return drawn.source, compare_with_worker(function, time_batches(zone), _returned(function, time_batches(zone)[-1], zone))


def _applied(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """A scalar function of one column through `apply` or `map`, or of two through np.vectorize or a comprehension."""
    how = draw(st.sampled_from(("a.apply(f)", "a.map(f)", "pd.Series(np.vectorize(f, otypes=[float])(a, b))",
                                "pd.Series([f(x, y) for x, y in zip(a, b)])", "pd.Series([f(x) for x in a])")))  # fmt: skip
    names = "xy" if "b" in how.replace("vectorize", "") else "x"
    source = draw(scalar_functions(names))
    types = tuple(draw(st.lists(st.sampled_from(("f64", "i64", "i32")), min_size=len(names), max_size=len(names))))
    scope = {**_SCOPE}
    exec(source, scope)
    arguments = _NAMES[: len(names)]
    exec(f"def applied({', '.join(arguments)}):\n    return {how}\n", scope)
    returns = draw(st.sampled_from((DoubleType(), LongType())))
    return f"{source}\n{how} on {types}", compare_with_worker(scope["applied"], number_batches(types), returns)


def _rows(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """A plain UDF of two columns, which sees None for NULL."""
    source = draw(scalar_functions("xy", none=draw(st.integers(0, 3)) > 0))
    types = tuple(draw(st.lists(st.sampled_from(("f64", "i64", "i32")), min_size=2, max_size=2)))
    scope = {**_SCOPE}
    exec(source, scope)
    returns = draw(st.sampled_from((DoubleType(), LongType())))
    compared = compare_with_worker(scope["f"], number_batches(types), returns, PythonEvalType.SQL_ARROW_BATCHED_UDF)
    return f"{source}\non {types}", compared


def _loops(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """A function with loops and many branches, as a plain UDF or row by row in a pandas UDF."""
    plain = draw(st.booleans())
    source = draw(looping_functions(none=plain))
    types = tuple(draw(st.lists(st.sampled_from(("f64", "i64", "i32")), min_size=2, max_size=2)))
    scope = {**_SCOPE}
    exec(source, scope)
    returns = draw(st.sampled_from((DoubleType(), LongType())))
    if plain:
        compared = compare_with_worker(scope["f"], number_batches(types), returns, PythonEvalType.SQL_ARROW_BATCHED_UDF)
        return f"{source}\non {types}", compared
    exec("def applied(a, b):\n    return pd.Series(np.vectorize(f, otypes=[float])(a, b))\n", scope)
    return f"{source}\nvectorized on {types}", compare_with_worker(scope["applied"], number_batches(types), returns)


def _lists(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """A function of a list of the row: as a plain UDF of it and a number, or of each array of a pandas UDF."""
    array = draw(st.booleans())
    source = draw(list_functions(array))
    type = draw(st.sampled_from((pa.float64(), pa.int64())))
    scope = {**_SCOPE}
    exec(source, scope)
    batches = list_batches(type)
    if not array:
        compared = compare_with_worker(scope["f"], batches, DoubleType(), PythonEvalType.SQL_ARROW_BATCHED_UDF)
        return f"{source}\non lists of {type}", compared
    exec("def applied(s):\n    return s.map(f)\n", scope)
    batches = tuple(batch.select(["a"]) for batch in batches)
    return f"{source}\nmapped over arrays of {type}", compare_with_worker(scope["applied"], batches, DoubleType())


def _tags(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """A function of a list of texts of the row: as a plain UDF of it and a text, or of each array of a pandas UDF."""
    how = draw(st.integers(0, 5))
    scope = {**_SCOPE}
    if how == 0:
        source, gives = draw(tag_series())
        exec(source, scope)
        return source, compare_with_worker(scope["applied"], tag_batches(), TAG_RESULTS[gives])
    array = how == 1
    source, gives = draw(tag_functions(array))
    exec(source, scope)
    if not array:
        compared = compare_with_worker(scope["f"], tag_batches(), TAG_RESULTS[gives], PythonEvalType.SQL_ARROW_BATCHED_UDF)
        return source, compared
    exec("def applied(s):\n    return s.map(f)\n", scope)
    batches = tuple(batch.select(["a"]) for batch in tag_batches())
    return f"{source}\nmapped over arrays of texts", compare_with_worker(scope["applied"], batches, TAG_RESULTS[gives])


def _arrays(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """A function of the ndarray of each row, of elements of any type, that gives a number or an array."""
    source = draw(array_functions())
    type = draw(st.sampled_from((pa.float64(), pa.float64(), pa.int64(), pa.int32(), pa.float32(), pa.int8(), pa.bool_())))
    scope = {**_SCOPE, **SCOPE}
    exec(source, scope)
    how = draw(st.sampled_from(("s.map(f)", "pd.Series([f(x) for x in s])")))
    exec(f"def applied(s):\n    return {how}\n", scope)
    batches = tuple(batch.select(["a"]) for batch in list_batches(type))
    return f"{source}\n{how} over arrays of {type}", compare_with_worker(scope["applied"], batches, _result_of(scope["f"], type))


def _result_of(function: Callable[..., Any], element: pa.DataType) -> DataType:
    """The Spark type of what it gives for an ordinary array."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            made = function(pa.array([1, 2, 3]).cast(element, safe=False).to_numpy(zero_copy_only=False))
        except Exception:  # noqa: BLE001 - it raises in the worker as well, and that is what is compared then
            return DoubleType()
    if not isinstance(made, np.ndarray):
        return BooleanType() if type(made) is np.bool_ else DoubleType()
    return ArrayType(from_arrow_type(pa.from_numpy_dtype(made.dtype)))


FAMILIES = {
    family.name: family
    for family in (
        Family("numbers", _numbers, 0.6),
        Family("texts", _texts, 0.6),
        Family("times", _times, 0.6),
        Family("applied", _applied, 0.5),
        Family("rows", _rows, 0.5),
        Family("loops", _loops, 0.4),
        Family("lists", _lists, 0.6),
        Family("tags", _tags, 0.6),
        Family("arrays", _arrays, 0.6),
        Family("aggregates", compare_aggregate, 0.6),
        Family("models", compare_pipeline, 0.9),
    )
}


def _defined(source: str) -> Callable[..., Any]:
    return eval(source, dict(_SCOPE))  # type: ignore[no-any-return]


def _returned(function: Callable[..., Any], batch: pa.RecordBatch, zone: str = "timestamp_ntz") -> DataType:
    """A Spark type that the function's results convert to, as its result over an ordinary batch says."""
    from tests.helpers.worker import ArrowBatchTransformer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = function(*ArrowBatchTransformer.to_pandas(batch, timezone="UTC"))
        except Exception:  # noqa: BLE001 - it raises in the worker as well, and that is what is compared then
            return DoubleType()
    if not isinstance(result, pd.Series):
        return DoubleType()
    if result.dtype == object:
        kinds = {type(v).__name__ for v in result if v is not None and v == v}
        return {"bool": BooleanType(), "str": StringType(),
        "date": DateType()}.get(kinds.pop() if kinds else "str", DoubleType())
    if result.dtype.kind == "M":
        return TimestampType() if zone == "timestamp" else TimestampNTZType()
    return {"b": BooleanType(), "i": LongType(), "u": LongType()}.get(result.dtype.kind, DoubleType())


@cache
def number_batches(types: Sequence[str]) -> tuple[pa.RecordBatch, ...]:
    """Extremes without NULLs, with NULLs, one row, and ordinary rows (the last batch)."""
    random = np.random.default_rng(len(types))
    wild, tame = [], []
    for kind in types:
        type = Type(kind)
        wild.append(random.choice(special_values(type), ROWS))
        tame.append(random.integers(0, 2, ROWS) > 0 if kind == "bool" else random.integers(-9, 10, ROWS).astype(type.dtype))
    nulls = [random.random(ROWS) < 0.3 for _ in types]
    return (
        _batch(wild),
        _batch(wild, nulls),
        _batch([column[:1] for column in tame]),
        _batch(tame, [mask if at % 2 else np.zeros(ROWS, bool) for at, mask in enumerate(nulls)]),
        _batch(tame),
    )


def _batch(columns: list[np.ndarray], nulls: list[np.ndarray] | None = None) -> pa.RecordBatch:
    arrays = [pa.array(c, mask=None if nulls is None else nulls[i]) for i, c in enumerate(columns)]
    return pa.RecordBatch.from_arrays(arrays, list(_NAMES[: len(columns)]))


_WORDS = (
    "", " ", "a", "ab", "aab", "A", "AB", "Ab cd", "ab ab ab", " ab ", "\ta\n", "a-b-c", "0", "12", "007", "-5", "3.5", "1e3",
    " 42 ", "12345", "12345-678", "00000", "nan", "inf", "x" * 30, "aBcDeF", "é", "ÉTÉ", "straße",
    "ΑΣ", "ΟΔΟΣ ab", "İi", "日本", "a日b",
    "🙂", "e\u0301", "\u00a0a\u00a0", "\u2003", "½", "²", "٣", "ǅ", "ﬁ", "a\x00b", "hello world",
    "Hello World-Wide", "don't", "'", "\\d",
)  # fmt: skip


@cache
def text_batches() -> tuple[pa.RecordBatch, ...]:
    """Odd words with NULLs and without, ASCII words, one row, and ordinary rows (the last batch)."""
    random = np.random.default_rng(5)
    plain = [w for w in _WORDS if w.isascii()]

    def batch(words: Sequence[str], rows: int, nulls: float) -> pa.RecordBatch:
        columns = []
        for _ in range(2):
            drawn = random.choice(np.array(words, object), rows)
            columns.append(pa.array([None if random.random() < nulls else str(v) for v in drawn], pa.string()))
        numbers = pa.array(random.integers(-30, 300, rows), mask=random.random(rows) < nulls)
        return pa.RecordBatch.from_arrays([*columns, numbers], ["s", "t", "n"])

    return batch(_WORDS, 90, 0.2), batch(_WORDS, 60, 0.0), batch(plain, 60, 0.2), batch(plain, 1, 0.0), batch(plain, 60, 0.0)


@cache
def time_batches(zone: str) -> tuple[pa.RecordBatch, ...]:
    """Instants in three centuries with NULLs and without, one row, and ordinary rows (the last batch)."""
    random = np.random.default_rng(6)
    edges = pd.to_datetime([
        "1970-01-01", "1969-12-31 23:59:59.999999", "2000-02-29 12:00:00", "1900-03-01", "2100-02-28 23:59:59",
        "2020-12-31 23:00:00", "2021-01-01", "2016-01-03 00:00:00.000001", "1800-05-05 05:05:05.5",
        "2200-10-31 10:10:10", "2024-12-30",
        "2023-01-01 12:30:00",
    ], format="ISO8601").to_numpy().astype("datetime64[us]").view(np.int64)  # fmt: skip
    year = 365 * 86_400 * 10**6
    arrow = pa.timestamp("us", "UTC") if zone == "timestamp" else pa.timestamp("us")

    def batch(rows: int, nulls: float, wild: bool) -> pa.RecordBatch:
        columns = []
        for _ in range(2):
            values = random.integers(20 * year, 55 * year, rows) // (1 if wild else 10**6) * (1 if wild else 10**6)
            values = np.where(random.random(rows) < 0.4, random.choice(edges, rows), values) if wild else values
            columns.append(pa.array(values, mask=random.random(rows) < nulls).cast(arrow))
        numbers = pa.array(random.integers(-30, 300, rows), mask=random.random(rows) < nulls)
        return pa.RecordBatch.from_arrays([*columns, numbers], ["a", "b", "n"])

    return batch(60, 0.2, True), batch(60, 0.0, True), batch(1, 0.0, False), batch(40, 0.3, False), batch(40, 0.0, False)
