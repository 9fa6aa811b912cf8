"""Converts Spark columns to traced pandas Series, and traced results back to Spark columns, as PySpark's worker does.

For a scalar pandas UDF, the worker converts each Arrow column to a Series (`ArrowArrayToPandasConversion.convert_numpy`). It
converts each result to an Arrow column (`PandasToArrowConversion.convert`, with safe casts). Both depend on the batch. An
integer column is intN in a batch without NULLs, and float64 with NaN for NULL in a batch with some. `state` identifies the kind
of batch.

Each (NumPy dtype, return type) pair is one of three. It may be converted bit for bit. It may be converted under a guard that
flags every row for which Arrow raises; Python then runs the batch and raises the real error. When no value converts, it is
refused. tests/udf_compiler/boundary/test_boundary.py runs the worker's own functions over the whole matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.core.computation import expressions

from sparkweld.contract.expressions import Expression
from sparkweld.contract.spark_types import decimal_of
from sparkweld.errors import InternalError, Refusal
from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.ops import Fits
from sparkweld.ir.types import BOOL, DATE, F32, F64, I8, I16, I32, I64, INTEGERS_OF_TIMES, STR, TS, of_dtype
from sparkweld.reasons import refusal
from udf_compiler.boundary import array_columns, datetime_columns
from udf_compiler.boundary.type_names import ARRAYS
from udf_compiler.frontends.pandas import dates, datetimes, masked
from udf_compiler.frontends.pandas.apply.results import ListSeries, RowSeries
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.batch_dependent import BATCH_DEPENDENT
from udf_compiler.frontends.pandas.batch_dependent import plain as without_missing
from udf_compiler.frontends.pandas.calls.lists import is_list_series, list_series
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts
from udf_compiler.frontends.pandas.calls.strings.pieces import TracedLists
from udf_compiler.frontends.pandas.calls.strings.pieces import list_series as pieces_series
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.decimal_series import DecimalObjects, decimal_series
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.kind import ARRAY_OBJECTS, CATEGORIES, UNSIGNED
from udf_compiler.frontends.pandas.microseconds import is_coarse
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.string_dtype import STRING_DTYPE
from udf_compiler.frontends.pandas.strings import STRINGS, some_string, str_call, text_series
from udf_compiler.frontends.tracing.integer_checks import between, within
from udf_compiler.frontends.tracing.values import raw
from udf_compiler.process.spark_line import LINE, checks_results_by_default, unsupported

#: Spark type -> the plain IR type of its values.
SPARK_TYPES: dict[str, Type] = {
    "boolean": BOOL,
    "byte": I8,
    "short": I16,
    "integer": I32,
    "long": I64,
    "float": F32,
    "double": F64,
    "date": DATE,
    "string": STR,
    "timestamp": TS,
    "timestamp_ntz": TS,
}

#: All supported column types.
COLUMN_TYPES: dict[str, Type] = {**SPARK_TYPES, **ARRAYS}

#: Confs that change the dtype of a Series, with the only value that this module supports.
CONFS: dict[str, str] = {
    "spark.sql.execution.pythonUDF.pandas.preferIntExtensionDtype": "false",
}

#: Without this conf, the conversion of a result wraps, truncates and rounds where it would raise. Kernels flag such rows.
SAFELY = "spark.sql.execution.pandas.convertToArrowArraySafely"

#: Confs that bound the rows of a batch.
BATCH_CONFS = (
    "spark.sql.execution.arrow.maxRecordsPerBatch",
    "spark.sql.inMemoryColumnarStorage.batchSize",
    "spark.sql.orc.columnarReaderBatchSize",
    "spark.sql.parquet.columnarReaderBatchSize",
)

#: pandas does not use numexpr up to this many elements (pandas/core/computation/expressions.py); all default batch sizes are
#: below.
NUMEXPR_ROWS = 1_000_000

#: A profiled UDF must run in Python, where the profiler counts it.
PROFILER_CONF = "spark.sql.pyspark.udf.profiler"

#: Days of datetime.date.min and datetime.date.max: PySpark creates a date object for every row of a date argument.
_FIRST_DAY, _LAST_DAY = -719162, 2932896

_INTEGERS = ("byte", "short", "integer", "long")

#: Largest magnitude below which every integer is exact in the float type; Arrow's safe cast rejects larger ones, exact or
#: not.
_EXACT_RANGE = {F32: 2**24, F64: 2**53}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct argument, with the inputs of `series_of_column`."""

    name: str
    value: Value
    spark_type: str
    state: str


def check_confs(confs: Mapping[str, str | None], udf: str) -> None:
    """Refuses (SW110 to SW112) confs under which the worker behaves differently. A missing or None conf has its default."""
    for name, wanted in CONFS.items():
        check_conf(confs, udf, name, wanted)
    check_profiler(confs, udf)
    for name in BATCH_CONFS if expressions.USE_NUMEXPR else ():
        rows = int(confs.get(name) or 1)
        if not 0 < rows <= NUMEXPR_ROWS:  # 0 or less: unbounded
            raise refusal("SW112", udf, conf=name, value=rows, limit=f"{NUMEXPR_ROWS:,}")


def checks_results(confs: Mapping[str, str | None]) -> bool:
    """Whether conversions of results are checked."""
    return (confs.get(SAFELY) or str(checks_results_by_default())).lower() == "true"


def check_safely(confs: Mapping[str, str | None], udf: str) -> None:
    """Refuses (SW110) conversions of results that are not checked."""
    check_conf({SAFELY: str(checks_results(confs)).lower()}, udf, SAFELY, "true")


def check_conf(confs: Mapping[str, str | None], udf: str, name: str, wanted: str) -> None:
    """Refuses (SW110) a conf whose value is not its default, `wanted`."""
    given = confs.get(name)
    if given is not None and given.lower() != wanted:
        raise refusal("SW110", udf, conf=name, value=given, required=wanted)


def check_names(names: Sequence[str], column: str, place: str = "") -> None:
    """Refuses (SW103) a struct with no field or with duplicate field names."""
    if not names or len(set(names)) < len(names):
        raise refusal("SW103", place, column=column)


def check_profiler(confs: Mapping[str, str | None], udf: str) -> None:
    """Refuses (SW111) a profiled UDF."""
    if confs.get(PROFILER_CONF):
        raise refusal("SW111", udf, conf=PROFILER_CONF, value=confs[PROFILER_CONF])


def ir_type(spark_type: str, nullable: bool, column: str) -> Type:
    """Returns the IR type of a Spark column. Refuses (SW101) a type that kernels do not support."""
    if spark_type not in COLUMN_TYPES:
        raise refusal("SW101", column=column, type=spark_type)
    return Type(COLUMN_TYPES[spark_type].kind, nullable)


def dtypes_by_nulls(expr: Expression) -> bool:
    """Whether NULLs decide the dtype of an argument or of one of its fields, as for nullable integers and booleans."""
    columns = expr.args if expr.op == "CreateNamedStruct" else (expr,)
    types = [SPARK_TYPES.get(column.type) for column in columns if column.nullable]
    return any(type is not None and (type.is_int or type == BOOL) for type in types)


def series_of_column(
    loop: LoopBuilder, value: Value, spark_type: str, nullable: bool, state: str, column: str = "an argument",
    by_pandas: bool = not LINE.converts_by_arrow,
) -> TracedSeries:  # fmt: skip
    """Returns the Series that a worker makes of a column of a batch.

    `state` "nullable": the batch has NULLs in the column; "dense": it has none (irrelevant for floats, where NULL is NaN). A
    nullable value in a dense batch is guarded. `by_pandas`: pandas completes the conversion. Refuses SW101 (type) and SW102 (a
    boolean column with NULLs).
    """
    digits = decimal_of(spark_type)
    if digits is not None:
        return decimal_series(loop, _demand_valid(loop, value) if state == "dense" else value, *digits)
    plain = ir_type(spark_type, False, column)
    if value.type.plain() != plain or (value.type.nullable and not nullable):
        raise InternalError(f"{column} is {spark_type}, nullable={nullable}, but its value is {value.type}")
    if plain.is_list:
        return list_series(loop, value)
    if plain == STR:  # None where NULL, in every batch; the worker raises for invalid UTF-8
        _check_pandas(column)
        loop.guard(str_call(loop, "valid_utf8", loop.value_of(value)), local=True)
        return text_series(loop, value, Missing(none=value.type.nullable))
    if plain.is_float:
        return TracedSeries(loop, _nan_where_null(loop, value, plain), plain.dtype)
    if state == "dense":
        value = _demand_valid(loop, value)
    if plain == TS:
        return datetime_columns.argument(loop, value, spark_type, state, by_pandas)
    if plain == DATE:
        _guard_python_date(loop, value)
        return TracedSeries(loop, value, np.dtype(object), kind=DATES, has_nat=state == "nullable")
    if state == "dense":
        return TracedSeries(loop, value, plain.dtype)
    if plain == BOOL:
        raise refusal("SW102", column=column)
    return TracedSeries(loop, _nan_where_null(loop, value, F64), F64.dtype)


def _check_pandas(column: str) -> None:
    """Refuses (SW271) a pandas version or option with other strings than Python objects, or other inference of object dtypes."""
    if int(pd.__version__.partition(".")[0]) > 2:
        raise refusal("SW271", column=column, pandas=f"pandas {pd.__version__}")
    for option in ("future.infer_string", "future.no_silent_downcasting"):
        with suppress(KeyError):  # pandas before 2.1 or 2.2 does not have it
            if pd.get_option(option):
                raise refusal("SW271", column=column, pandas=f"pandas with the option {option}")


def frame_of_struct(loop: LoopBuilder, fields: Sequence[Field], column: str = "an argument") -> TracedFrame:
    """Returns the DataFrame that a worker makes of a struct column whose rows are never NULL: one Series per field, in order.

    Refuses whatever `series_of_column` refuses, and SW103 for a struct with no field or with duplicate field names. Integers with
    NULLs in a struct with strings or arrays become `Int64` and the like where pandas completes the conversion.
    """
    check_names([field.name for field in fields], column)
    others = (f.spark_type == "string" or f.spark_type in ARRAYS or decimal_of(f.spark_type) is not None for f in fields)
    by_pandas = any(others)  # `_prefer_convert_numpy` of PySpark
    masks, by_pandas = by_pandas and LINE.converts_by_arrow, by_pandas or not LINE.converts_by_arrow
    series = {}
    for f in fields:
        if masks and f.state == "nullable" and f.spark_type in _INTEGERS:
            series[f.name] = masked.of_column(loop, f.value)
        else:
            series[f.name] = series_of_column(loop, f.value, f.spark_type, True, f.state, f"{column}.{f.name}", by_pandas)
    return TracedFrame(loop, series)


def column_of_result(loop: LoopBuilder, result: object, return_type: str, udf: str, checked: bool = True) -> Value:
    """Returns the value of the Spark column that a worker makes of a UDF's result; guards join `loop`.

    Only a Series over the batch's own rows has such a value. Refuses SW104 (return type), SW105 (a bare array), SW106 (not a
    Series) and SW107 (other rows). Refuses SW108 (a dtype without a kernel type) and SW109 (one that never casts to the type).
    `checked`: see `checks_results`. If not, integers wrap and round, without a guard.
    """
    arrays = return_type in ARRAYS
    if arrays and type(result) is TracedLists:
        result = pieces_series(result)
        if result is None:
            raise refusal("SW270", udf, call="a Series of these lists as a result")
    made = arrays and (is_list_series(result) or type(result) is ListSeries)
    if made and isinstance(result, TracedSeries | ListSeries) and result.value.loop is loop:
        return array_columns.column(loop, result.value, ARRAYS[return_type], return_type, udf)
    if isinstance(result, TracedSeries) and isinstance(result.kind, DecimalObjects) and result.value.loop is loop:
        return _of_decimals(result, return_type, udf)
    if return_type not in SPARK_TYPES:
        raise refusal("SW104", udf, type=return_type)
    if isinstance(result, TracedArray | np.ndarray) or type(result) is TracedTexts:
        raise refusal("SW105", udf)
    if type(result) is ListSeries:
        raise _never(udf, "lists", return_type)
    if type(result) is RowSeries:
        return _of_rows(loop, result, SPARK_TYPES[return_type], return_type, udf)
    if not isinstance(result, TracedSeries):
        raise refusal("SW106", udf, what=raw(result))
    if result.value.loop is not loop:
        raise refusal("SW107", udf)
    to = SPARK_TYPES[return_type]
    if result.kind is ARRAY_OBJECTS:
        raise refusal("SW109", udf, dtype="arrays", type=return_type)
    if result.kind is CATEGORIES:
        raise refusal("SW251", udf, call="a result of categories")
    if result.kind is DATES:
        if to != DATE:
            dates.settle(result)
        return _of_dates(loop, result.value, to, return_type, udf)
    if result.kind in (STRINGS, STRING_DTYPE):
        if to != STR:
            raise refusal("SW274", udf, type=return_type)
        some_string(result)  # a float64 Series never converts to strings
        return result.value
    if to == STR:
        raise _never(udf, "numbers", return_type)
    if datetimes.is_time(result) or is_coarse(result):
        return datetime_columns.column(loop, result, return_type, udf)
    if result.kind is UNSIGNED or result.kind in masked.KINDS:
        return _of_nullable(loop, result.value, to, return_type, udf)
    if to == TS and (result.kind is BATCH_DEPENDENT or result.value.type != I64):  # Arrow takes an int64 as microseconds
        raise _never(udf, "numbers", return_type)
    if result.kind is BATCH_DEPENDENT:
        return _of_batch_dependent(loop, result, to, return_type, udf)
    if of_dtype(result.dtype) is None:
        raise refusal("SW108", udf, dtype=result.dtype)
    if result.value.type != of_dtype(result.dtype):
        raise InternalError(f"{udf}: a {result.dtype} Series has a value of type {result.value.type}")
    if to == DATE and result.value.type != I32:
        raise _never(udf, result.dtype, return_type)
    return _of_numbers(loop, result.value, to, checked)


def _of_decimals(result: TracedSeries, return_type: str, udf: str) -> Value:
    assert isinstance(result.kind, DecimalObjects)
    if (result.kind.precision, result.kind.scale) != decimal_of(return_type):
        raise refusal("SW108", udf, dtype="object")
    return result.value


def _of_rows(loop: LoopBuilder, result: RowSeries, to: Type, return_type: str, udf: str) -> Value:
    """Returns values whose conversion does not depend on the dtype of the batch."""
    value = result.value
    if value.loop is not loop:
        raise refusal("SW107", udf)
    if to == BOOL and value.type.plain() == BOOL:
        return value
    if to == STR and result.kinds == {"None"}:  # objects in every batch
        return loop.optional(loop.const("", STR), loop.const(False, BOOL))
    if value.type.plain() == BOOL or to in (DATE, STR, TS) or (to == F32 and "int" in result.kinds):
        raise refusal("SW298", udf, kinds=" and ".join(sorted(result.kinds)), type=return_type)
    missing = loop.const(float("nan"), F64)
    return _of_floats(loop, loop.select(loop.is_valid(value), loop.value_of(value), missing), to)


def _of_dates(loop: LoopBuilder, value: Value, to: Type, return_type: str, udf: str) -> Value:
    if to == DATE:
        return value
    if to == I32:  # Arrow converts date objects to date32 and takes its days
        if not LINE.casts_results:
            raise unsupported("dates are not cast to integers", udf)
        days = loop.cast(loop.value_of(value), I32)
        return loop.optional(days, loop.is_valid(value)) if value.type.nullable else days
    raise _never(udf, "datetime.date", return_type)


def _of_batch_dependent(loop: LoopBuilder, result: TracedSeries, to: Type, return_type: str, udf: str) -> Value:
    """Converts a Series whose dtype depends on the batch.

    The conversion is the same for each dtype, except for bools to integers.
    """
    if to == DATE:
        raise _never(udf, "int64", return_type)
    assert result.batch_dependent is not None
    value, valid = result.value, result.batch_dependent.valid
    if value.type == BOOL and not (to == BOOL or to.is_float):
        return _of_numbers(loop, without_missing(result, udf).value, to)  # Arrow makes no integers of bool objects
    if value.type == F64:  # NaN is NULL; a float column rejects large integers
        return _of_numbers(loop, without_missing(result, udf).value if to == F32 else value, to)
    converted = _of_numbers(loop, value, to)
    return converted if valid is None else loop.optional(converted, valid)


def _of_nullable(loop: LoopBuilder, value: Value, to: Type, return_type: str, udf: str) -> Value:
    """Converts a Series of pandas' nullable integers or booleans, whose mask marks the NULLs for Arrow."""
    if to.kind in INTEGERS_OF_TIMES:
        raise _never(udf, "nullable integers", return_type)
    if value.type.plain() == BOOL and to != BOOL:
        masked.BOOLS.check_numeric(f"a result of type {return_type}")
    made = _of_numbers(loop, loop.value_of(value), to)
    return loop.optional(made, loop.is_valid(value)) if value.type.nullable else made


def _of_numbers(loop: LoopBuilder, x: Value, to: Type, checked: bool = True) -> Value:
    of = x.type
    if of.is_float:
        return _of_floats(loop, x, to)
    if checked and of.is_int and to.is_int and to.dtype.itemsize < of.dtype.itemsize:
        loop.guard(within(loop, x, to), local=True)
    if checked and of.is_int and to.is_float and of.dtype.itemsize >= to.dtype.itemsize:
        loop.guard(between(loop, x, -_EXACT_RANGE[to], _EXACT_RANGE[to]), local=True)
    return loop.cast(x, to)  # int32 to date as well: Arrow takes an int32 as the days of a date32


def _of_floats(loop: LoopBuilder, x: Value, to: Type) -> Value:
    """Converts floats; NaN becomes NULL, as PySpark masks the Series with ``isnull``."""
    nan = loop.call("isnan", x)
    if to.is_int:
        whole = loop.call("logical_and", loop.emit(Fits(to), x), loop.call("equal", loop.call("trunc", x), x))
        loop.guard(loop.call("logical_or", nan, whole), local=True)
    return loop.optional(loop.cast(x, to), loop.call("logical_not", nan))


def _never(udf: str, dtype: object, return_type: str) -> Refusal:
    return refusal("SW109", udf, dtype=dtype, type=return_type)


def _nan_where_null(loop: LoopBuilder, value: Value, to: Type) -> Value:
    number = loop.cast(loop.value_of(value), to)
    if not value.type.nullable:
        return number
    return loop.select(loop.is_valid(value), number, loop.const(float("nan"), to))


def _demand_valid(loop: LoopBuilder, value: Value) -> Value:
    if value.type.nullable:
        loop.guard(loop.is_valid(value))
    return loop.value_of(value)


def _guard_python_date(loop: LoopBuilder, value: Value) -> None:
    """Guards that the day is in years 1 to 9999: making the Series raises for any other.

    NULL reads as day 0 here, which passes.
    """
    loop.guard(between(loop, loop.value_of(value), _FIRST_DAY, _LAST_DAY), local=True)
