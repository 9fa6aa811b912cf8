"""Compiles one function for a batch as the JVM would, evaluates the program, and compares with PySpark's worker.

`compare_with_worker` is the whole path but the JVM: payload, purity, trace, boundary, optimizer, `evaluate`, against PySpark's
own conversions around the original function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql.types import ArrayType, DataType
from pyspark.util import PythonEvalType

from sparkweld.ir import Program, evaluate, parse_program
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.types import Items
from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.outcomes import same, token
from tests.helpers.worker import run_in_worker
from udf_compiler.boundary import COLUMN_TYPES
from udf_compiler.columns import ONE_FORM
from udf_compiler.pipeline import compile_pipeline

#: Types whose NULLs change what a pandas UDF sees: a batch with some has another form than one without. That the JVM has the
#: same ones is a test (tests/spark/test_catalyst.py).
TWO_FORMS = tuple(type for type in COLUMN_TYPES if type not in ONE_FORM)
TYPE_NAMES = {
    "bool": "boolean", "int8": "byte", "int16": "short", "int32": "integer", "int64": "long", "float": "float",
    "double": "double", "date32[day]": "date", "string": "string", "timestamp[us]": "timestamp_ntz",
    "timestamp[us, tz=UTC]": "timestamp", **{f"list<item: {arrow}>": f"array<{spark}>" for arrow, spark in (
        ("double", "double"), ("float", "float"), ("int64", "long"), ("int32", "integer"), ("int8", "byte"), ("bool", "boolean"),
        ("string", "string"),
    )},
}  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """What one function's batches proved: how many went through a program, how many had a row that a guard flagged, in how
    many of those the worker raises, and the refusal's code when it did not compile."""

    decided: int = 0
    flagged: int = 0
    raised: int = 0
    refused: str = ""


def compare_with_worker(
    function: Callable[..., Any],
    batches: Sequence[pa.RecordBatch],
    returns: DataType,
    eval_type: int = PythonEvalType.SQL_SCALAR_PANDAS_UDF,
) -> Compared:
    """Runs `function` over each batch both ways; AssertionError where they differ.

    A batch with a flagged row goes to Python as a whole, so nothing is compared there; its other rows are then a batch of
    their own.
    """
    blob = payload(function, returns)
    programs: dict[tuple[str, ...], Program | str] = {}
    decided = flagged = raised = 0
    for batch in batches:
        state = _state(batch, eval_type)
        if state not in programs:
            programs[state] = _compile(blob, batch, state, returns, eval_type)
        program = programs[state]
        if isinstance(program, str):
            return Compared(decided, flagged, raised, program)
        rows = _flagged_rows(program, batch, function, returns, eval_type)
        if not len(rows):
            decided += 1
            continue
        flagged += 1
        raised += raises(lambda batch=batch: run_in_worker(function, batch, returns, eval_type))
        rest = batch.take(pa.array(np.setdiff1d(np.arange(batch.num_rows), rows)))
        if rest.num_rows and _state(rest, eval_type) == state:
            again = _flagged_rows(program, rest, function, returns, eval_type)
            assert not len(again), "a guard flags rows that it did not flag beside others"
            decided += 1
    return Compared(decided, flagged, raised)


def raises(call: Callable[[], Any]) -> bool:
    """Whether the worker raises."""
    try:
        call()
    except Exception:  # noqa: BLE001 - whatever it is: the batch would run through the original, which raises it
        return True
    return False


def _flagged_rows(
    program: Program, batch: pa.RecordBatch, function: Callable[..., Any], returns: DataType, eval_type: int
) -> np.ndarray:
    """Rows that a guard flags; when there are none, the results have been compared."""
    result = evaluate(program, inputs_of(program, batch), batch.num_rows)
    if result.flagged.any():
        return np.flatnonzero(result.flagged)
    try:
        expected = run_in_worker(function, batch, returns, eval_type).to_pylist()
    except Exception as error:
        raise AssertionError(f"the worker raises {type(error).__name__}: {error}; the program does not\n{program}") from error
    got = values_of(result.columns[program.outputs[0]], returns)
    for row, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
        if not same(mine, theirs):
            given = {name: batch[name][row].as_py() for name in batch.schema.names}
            raise AssertionError(f"row {row}, {given}: expected {token(theirs)}, got {token(mine)}\n{program}")
    return np.array([], np.int64)


def _state(batch: pa.RecordBatch, eval_type: int) -> tuple[str, ...]:
    """Names of the columns whose NULLs decide the form."""
    if eval_type != PythonEvalType.SQL_SCALAR_PANDAS_UDF:
        return ()
    columns = zip(batch.schema.names, batch.columns, strict=True)
    return tuple(name for name, column in columns if column.null_count and TYPE_NAMES[str(column.type)] in TWO_FORMS)


def _compile(blob: bytes, batch: pa.RecordBatch, state: tuple[str, ...], returns: DataType, eval_type: int) -> Program | str:
    """The program, or the code of the refusal."""
    inputs = {name: TYPE_NAMES[str(column.type)] for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    row_wise = eval_type != PythonEvalType.SQL_SCALAR_PANDAS_UDF
    always = [name for name, type in inputs.items() if row_wise or type not in TWO_FORMS]
    columns = [{"op": "Column", "name": n, "type": t, "nullable": True} for n, t in inputs.items()]
    call = udf(0, *columns, returns=spark_name(returns), evalType=eval_type)
    reply = compile_pipeline(request(python_step(r=call), inputs=inputs, nullable_state=[*state, *always]), [blob])
    return parse_program(reply["program"], reply["blocks"]) if reply["status"] == "ok" else reply["refusals"][0]["code"]


def spark_name(type: DataType) -> str:
    if isinstance(type, ArrayType):
        return f"array<{spark_name(type.elementType)}>"
    name = type.simpleString()
    return {"int": "integer", "bigint": "long", "smallint": "short", "tinyint": "byte"}.get(name, name)


def inputs_of(program: Program, batch: pa.RecordBatch) -> dict[str, Array]:
    return {i.name: _input(i.type, batch[i.name]) for i in program.inputs}


def _input(type: Any, column: pa.Array) -> Array:
    if type.kind == "str":
        values = np.array(["" if v is None else v for v in column.to_pylist()], object)
    elif type.is_list:
        values = np.array([Items(type.element.kind, tuple(v or ())) for v in column.to_pylist()], object)
    else:
        width = {1: pa.int8(), 2: pa.int16(), 4: pa.int32(), 8: pa.int64()}
        if pa.types.is_temporal(column.type):
            column = column.cast(width[type.dtype.itemsize]) if column.type.bit_width == 32 else column.view(pa.int64())
        filled = column.fill_null(False if type.kind == "bool" else 0)
        values = np.asarray(filled.to_numpy(zero_copy_only=False), type.dtype)
    if not type.nullable:
        assert not column.null_count
        return values
    return Optional(values, np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_))


def values_of(column: Array, returns: DataType) -> list[Any]:
    """A result column as Python values of the Spark type."""
    values, valid = (column.values, column.valid) if isinstance(column, Optional) else (column, np.ones(len(column), np.bool_))
    from pyspark.sql.pandas.types import to_arrow_type

    arrow_type = to_arrow_type(returns, timezone="UTC")
    if pa.types.is_temporal(arrow_type):
        whole = pa.array(values, pa.int32() if arrow_type.bit_width == 32 else pa.int64(), mask=~valid)
        return whole.view(arrow_type).to_pylist()
    plain = [list(x.values) if isinstance(x, Items) else x for x in values.tolist()]
    return pa.array(plain, arrow_type, mask=~valid).to_pylist()
