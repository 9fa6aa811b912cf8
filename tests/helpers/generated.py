"""Defines families of generated UDFs: how each draws a function and its batches, and the totals of its runs.

`FAMILIES[name].check(draw)` draws one function and compares the compiled program with PySpark's worker
(tests.helpers.compiled). The gate runs each family with a fixed seed; `python -m tests.fuzz` runs them with other seeds for
any length of time.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
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
from tests.helpers.compiled import Compared, check_case
from tests.helpers.expressions import functions
from tests.helpers.expressions_aggregates import compare_aggregate
from tests.helpers.expressions_bytes import byte_batches, byte_functions
from tests.helpers.expressions_changes import change_batches, change_functions
from tests.helpers.expressions_codecs import codec_batches, codec_functions
from tests.helpers.expressions_datetimes import datetime_batches, datetime_functions
from tests.helpers.expressions_dicts import dict_batches, dict_functions
from tests.helpers.expressions_frames import type_of_series
from tests.helpers.expressions_group_loops import compare_group_loop
from tests.helpers.expressions_groups import compare_group_function
from tests.helpers.expressions_lists import array_functions, list_batches, list_functions
from tests.helpers.expressions_models import compare_pipeline
from tests.helpers.expressions_objects import object_functions
from tests.helpers.expressions_onnx import INSTALLED, compare_graph
from tests.helpers.expressions_python import python_functions, series_functions
from tests.helpers.expressions_pytorch import compare_module
from tests.helpers.expressions_records import record_functions
from tests.helpers.expressions_scalar import looping_functions, scalar_functions
from tests.helpers.expressions_tags import RESULTS as TAG_RESULTS
from tests.helpers.expressions_tags import tag_batches, tag_functions, tag_series
from tests.helpers.expressions_text import text_functions
from tests.helpers.expressions_times import time_functions
from tests.helpers.expressions_vectors import vector_batches, vector_functions
from tests.helpers.expressions_zones import zone_batches, zone_functions
from tests.helpers.gathered import compare_gathered
from tests.helpers.generated_batches import NAMES, constant_batch, mixed_batches, number_batches, text_batches, time_batches
from tests.helpers.generated_columns import arrow_cases, frame_cases
from tests.helpers.lines import PythonEvalType, spark_type_of
from tests.helpers.pytorch import has_pytorch

Draw = Callable[[Any], Any]
PLAIN = PythonEvalType.SQL_ARROW_BATCHED_UDF
#: One run in KERNELS also executes machine code.
KERNELS = 25
#: Declared result types, independent of the actual result.
DECLARED = (
    BooleanType(), ByteType(), ShortType(), IntegerType(), LongType(), FloatType(), DoubleType(), StringType(), DateType(),
    TimestampType(), TimestampNTZType(),
)  # fmt: skip


@dataclass
class Tally:
    """Totals of one family's runs.

    A function is *vacuous* when guards flag every row of every batch and the original raises in none of them.
    """

    functions: int = 0
    compiled: int = 0
    batches: int = 0
    vacuous: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    #: (code, reason) -> functions.
    idioms: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, source: str, compared: Compared) -> None:
        """Counts one function."""
        self.functions += 1
        self.batches += compared.decided + compared.flagged
        if compared.refused:
            self.refused[compared.refused] += 1
            self.idioms[compared.refused, compared.reason] += 1
            return
        self.compiled += 1
        if not compared.decided and not compared.raised:
            self.vacuous.append(source)

    def report(self, idioms: int = 0) -> str:
        """Returns report lines, with the `idioms` most frequent refusals."""
        refused = ", ".join(f"{code} {count:,}" for code, count in self.refused.most_common())
        lines = [f"{self.functions:,} functions, {self.compiled:,} compiled and equal over {self.batches:,} batches, "
                 f"{len(self.vacuous)} vacuous; refused: {refused or 'none'}"]  # fmt: skip
        lines += [f"  {count:,} times {code}: {reason}" for (code, reason), count in self.idioms.most_common(idioms)]
        return "\n".join(lines)


@dataclass(frozen=True)
class Family:
    """`check(draw)` draws one function and compares it; `share` is the least share of functions that must compile."""

    name: str
    check: Callable[[Draw], tuple[str, Compared]]
    share: float


def _checked(made: Callable[[Draw], Case]) -> Callable[[Draw], tuple[str, Compared]]:
    """Draws a case, one in `KERNELS` to run as machine code, and compares it."""

    def check(draw: Draw) -> tuple[str, Compared]:
        case = replace(made(draw), kernel=draw(st.integers(1, KERNELS)) == KERNELS)
        return case.source, check_case(case)

    return check


def number_cases(draw: Draw) -> Case:
    drawn = draw(functions())
    return _of_numbers(Case(f"f = {drawn.source}", (), DoubleType()), drawn.types)


def series_cases(draw: Draw) -> Case:
    drawn = draw(series_functions())
    return _of_numbers(Case(drawn.source, (), DoubleType()), drawn.types)


def _of_numbers(case: Case, types: tuple[str, ...]) -> Case:
    """Returns the case with batches of these types, and a declared type that its results convert to."""
    batches = number_batches(types)
    batches = (*batches[:-1], *constant_batch(types, case.constants()), batches[-1])
    return replace(case, batches=batches, returns=_returned(case.function, batches[-1]))


def _declared(draw: Draw) -> Case:
    """Draws a function of any kind whose declared type is independent of its result."""
    case = draw(st.sampled_from((number_cases, _texts, time_cases, _rows, _python)))(draw)
    return replace(case, returns=draw(st.sampled_from(DECLARED)))


def _texts(draw: Draw) -> Case:
    case = Case(f"f = {draw(text_functions()).source}", text_batches(), StringType())
    return replace(case, returns=_returned(case.function, case.batches[-1]))


def time_cases(draw: Draw) -> Case:
    zone = draw(st.sampled_from(("timestamp", "timestamp_ntz")))
    case = Case(f"f = {draw(time_functions()).source}", time_batches(zone), StringType())
    return replace(case, returns=_returned(case.function, case.batches[-1], zone))


def _datetimes(draw: Draw) -> Case:
    """Draws a plain UDF of strings, timestamps and numbers that computes with dates and times."""
    source, gives, format = draw(datetime_functions())
    returns = {"t": (TimestampType(), TimestampNTZType(), StringType(), DateType()), "y": (DateType(), StringType()),
               "n": (DoubleType(), LongType()), "s": (StringType(),), "c": (BooleanType(),)}[gives]  # fmt: skip
    return Case(source, datetime_batches(format, draw(st.sampled_from(("UTC", None)))), draw(st.sampled_from(returns)), PLAIN)


def _zones(draw: Draw) -> Case:
    """Draws a plain UDF of datetimes in constant time zones."""
    source, gives, name = draw(zone_functions())
    returns = {"t": (TimestampType(), StringType()), "l": (TimestampNTZType(), StringType()), "s": (StringType(),),
               "n": (DoubleType(), LongType()), "c": (BooleanType(),)}[gives]  # fmt: skip
    return Case(source, zone_batches(name), draw(st.sampled_from(returns)), PLAIN)


def _bytes(draw: Draw) -> Case:
    """Draws a plain UDF of bytes, keyed digests, packed integers, addresses, and runs of characters."""
    source, gives = draw(byte_functions())
    returns = {"s": (StringType(),), "n": (DoubleType(), LongType()), "b": (BinaryType(),), "c": (BooleanType(),),
               "t": (TimestampNTZType(), DateType(), StringType())}[gives]  # fmt: skip
    return Case(source, byte_batches(), draw(st.sampled_from(returns)), PLAIN)


def _codecs(draw: Draw) -> Case:
    """Draws a plain UDF of digests, Base64, URLs and JSON."""
    source, gives = draw(codec_functions())
    returns = {"s": (StringType(),), "n": (DoubleType(), LongType(), StringType()), "c": (BooleanType(),)}[gives]
    return Case(source, codec_batches(), draw(st.sampled_from(returns)), PLAIN)


def _applied(draw: Draw) -> Case:
    """Draws a scalar function of one column for `apply` or `map`, or of two for np.vectorize or a comprehension."""
    how = draw(st.sampled_from(("a.apply(f)", "a.map(f)", "pd.Series(np.vectorize(f, otypes=[float])(a, b))",
                                "pd.Series([f(x, y) for x, y in zip(a, b)])", "pd.Series([f(x) for x in a])")))  # fmt: skip
    names = "xy" if "b" in how.replace("vectorize", "") else "x"
    source = draw(scalar_functions(names))
    types = tuple(draw(st.lists(st.sampled_from(("f64", "i64", "i32")), min_size=len(names), max_size=len(names))))
    returns = draw(st.sampled_from((DoubleType(), LongType())))
    source = f"{source}\ndef applied({', '.join(NAMES[: len(names)])}):\n    return {how}"
    return _with_constants(Case(source, number_batches(types), returns, name="applied"), types)


def _rows(draw: Draw) -> Case:
    """Draws a plain UDF of two columns, which receives None for NULL."""
    source = draw(scalar_functions("xy", none=draw(st.integers(0, 3)) > 0))
    types = tuple(draw(st.lists(st.sampled_from(("f64", "i64", "i32")), min_size=2, max_size=2)))
    returns = draw(st.sampled_from((DoubleType(), LongType(), DoubleType(), FloatType(), IntegerType(), StringType())))
    return _with_constants(Case(source, number_batches(types), returns, PLAIN), types)


def _with_constants(case: Case, types: tuple[str, ...]) -> Case:
    return replace(case, batches=(*case.batches, *constant_batch(types, case.constants())))


def _loops(draw: Draw) -> Case:
    """Draws a function with loops and many branches, as a plain UDF or row-local in a pandas UDF."""
    plain = draw(st.booleans())
    source = draw(looping_functions(none=plain))
    types = tuple(draw(st.lists(st.sampled_from(("f64", "i64", "i32")), min_size=2, max_size=2)))
    returns = draw(st.sampled_from((DoubleType(), LongType())))
    if plain:
        return Case(source, number_batches(types), returns, PLAIN)
    source += "\ndef applied(a, b):\n    return pd.Series(np.vectorize(f, otypes=[float])(a, b))"
    return Case(source, number_batches(types), returns, name="applied")


def _python(draw: Draw) -> Case:
    """Draws an everyday Python function of a float, an integer and a string, as a plain UDF or row-local in a pandas UDF."""
    source, gives = draw(python_functions())
    returns = {"n": (DoubleType(), LongType()), "s": (StringType(),), "c": (BooleanType(),)}[gives]
    case = Case(source, (), draw(st.sampled_from(returns)), PLAIN)
    if draw(st.integers(0, 3)) == 0:
        source += "\ndef applied(a, b, c):\n    return pd.Series([f(x, i, s) for x, i, s in zip(a, b, c)])"
        case = replace(case, source=source, eval_type=PythonEvalType.SQL_SCALAR_PANDAS_UDF, name="applied")
    return replace(case, batches=mixed_batches(tuple(case.constants())))


def _chained(draw: Draw) -> Case:
    """Draws a pandas UDF over another's result; the inner declared type is ignored."""
    case = number_cases(draw)
    outer = draw(functions()).source
    names = outer.partition(":")[0].removeprefix("lambda ").split(", ")
    called = f"def f_g(*columns):\n    made = f(*columns)\n    return g({', '.join('made' for _ in names)})"
    source = f"{case.source}\ng = {outer}\n{called}"
    case = replace(case, source=source, name="f_g", chain=(("f", len(case.batches[0].columns)), ("g", len(names))))
    return replace(case, returns=_returned(case.function, case.batches[-1]))


def _lists(draw: Draw) -> Case:
    """Draws a function of a row's list: a plain UDF of it and a number, or applied to each array of a pandas UDF."""
    array = draw(st.booleans())
    source = draw(list_functions(array))
    batches = list_batches(draw(st.sampled_from((pa.float64(), pa.int64()))))
    if not array:
        return Case(source, batches, DoubleType(), PLAIN)
    return _mapped(source, batches, DoubleType())


def _mapped(source: str, batches: tuple[pa.RecordBatch, ...], returns: DataType, how: str = "s.map(f)") -> Case:
    """Returns a case that applies a function to each value of the first column."""
    columns = tuple(batch.select(["a"]) for batch in batches)
    return Case(f"{source}\ndef applied(s):\n    return {how}", columns, returns, name="applied")


def _tags(draw: Draw) -> Case:
    """Draws a function of a row's list of strings. It is a plain UDF of the list and a string, or is applied to each array of a
    pandas UDF."""
    how = draw(st.integers(0, 5))
    if how == 0:
        source, gives = draw(tag_series())
        return Case(source, tag_batches(), TAG_RESULTS[gives], name="applied")
    source, gives = draw(tag_functions(how == 1))
    if how > 1:
        return Case(source, tag_batches(), TAG_RESULTS[gives], PLAIN)
    return _mapped(source, tag_batches(), TAG_RESULTS[gives])


def _vectors(draw: Draw) -> Case:
    """Draws a plain UDF of two vectors of Spark ML and a list of floats."""
    source, returns = draw(vector_functions())
    return Case(source, vector_batches(), returns, PLAIN)


def _dicts(draw: Draw) -> Case:
    """Draws a plain UDF that makes a dict of a row's lists and map."""
    source, returns = draw(dict_functions())
    return Case(source, dict_batches(), returns, PLAIN)


def _changes(draw: Draw) -> Case:
    """Draws a plain UDF that changes lists, tables, dicts and sets in loops."""
    source, returns = draw(change_functions())
    return Case(source, change_batches(), returns, PLAIN)


def _objects(draw: Draw) -> Case:
    """Draws a plain UDF that makes objects, or dicts and sets of tuples, of a row's lists."""
    source, returns = draw(object_functions())
    return Case(source, dict_batches(), returns, PLAIN)


def _records(draw: Draw) -> Case:
    """Draws a plain UDF that returns an array of structs of a row's lists and map."""
    source, returns = draw(record_functions())
    return Case(source, dict_batches(), returns, PLAIN)


def _arrays(draw: Draw) -> Case:
    """Draws a function of each row's ndarray, of any element type, that returns a number or an array."""
    source = f"W = np.array([0.5])\n{draw(array_functions())}"
    type = draw(st.sampled_from((pa.float64(), pa.float64(), pa.int64(), pa.int32(), pa.float32(), pa.int8(), pa.bool_())))
    how = draw(st.sampled_from(("s.map(f)", "pd.Series([f(x) for x in s])")))
    function = Case(source, (), DoubleType()).function
    return _mapped(source, list_batches(type), _result_of(function, type), how)


def _result_of(function: Callable[..., Any], element: pa.DataType) -> DataType:
    """Returns the Spark type of the function's result for an ordinary array."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            made = function(pa.array([1, 2, 3]).cast(element, safe=False).to_numpy(zero_copy_only=False))
        except Exception:  # noqa: BLE001 - it raises in the worker as well, and the case compares that
            return DoubleType()
    if not isinstance(made, np.ndarray):
        return BooleanType() if type(made) is np.bool_ else DoubleType()
    return ArrayType(spark_type_of(pa.from_numpy_dtype(made.dtype)))


FAMILIES = {
    family.name: family
    for family in (
        Family("numbers", _checked(number_cases), 0.6),
        Family("series", _checked(series_cases), 0.4),
        Family("texts", _checked(_texts), 0.6),
        Family("times", _checked(time_cases), 0.6),
        Family("datetimes", _checked(_datetimes), 0.6),
        Family("zones", _checked(_zones), 0.3),
        Family("bytes", _checked(_bytes), 0.3),
        Family("codecs", _checked(_codecs), 0.5),
        Family("applied", _checked(_applied), 0.5),
        Family("rows", _checked(_rows), 0.5),
        Family("loops", _checked(_loops), 0.4),
        Family("python", _checked(_python), 0.3),
        Family("declared", _checked(_declared), 0.1),
        Family("chained", _checked(_chained), 0.4),
        Family("gathered", compare_gathered, 0.6),
        Family("lists", _checked(_lists), 0.6),
        Family("tags", _checked(_tags), 0.6),
        Family("dicts", _checked(_dicts), 0.6),
        Family("changes", _checked(_changes), 0.3),
        Family("records", _checked(_records), 0.6),
        Family("objects", _checked(_objects), 0.8),
        Family("arrays", _checked(_arrays), 0.6),
        Family("vectors", _checked(_vectors), 0.4),
        Family("arrow", _checked(arrow_cases), 0.25),
        Family("frames", _checked(frame_cases), 0.15),
        Family("aggregates", compare_aggregate, 0.6),
        Family("whole_groups", compare_group_function, 0.6),
        Family("group_loops", compare_group_loop, 0.3),
        Family("models", compare_pipeline, 0.9),
        *([Family("onnx", compare_graph, 0.5)] if INSTALLED else []),
        *([Family("pytorch", compare_module, 0.8)] if has_pytorch() else []),
    )
}


def _returned(function: Callable[..., Any], batch: pa.RecordBatch, zone: str = "timestamp_ntz") -> DataType:
    """Returns a Spark type that the function's results convert to, inferred from an ordinary batch."""
    from tests.helpers.worker import arguments_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = function(*arguments_of(batch))
        except Exception:  # noqa: BLE001 - it raises in the worker as well, and the case compares that
            return DoubleType()
    return type_of_series(result, zone)
