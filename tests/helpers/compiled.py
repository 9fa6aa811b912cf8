"""Compiles one function for a batch as the JVM would, evaluates the program, and compares with PySpark's worker.

`compare_with_worker` runs the whole path except the JVM: payload, purity, trace, boundary, optimizer, `evaluate`. The
reference is the original function between PySpark's own conversions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.ml.linalg import VectorUDT
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DecimalType,
    LongType,
    MapType,
    StructType,
    _parse_datatype_json_string,
)

from sparkweld.contract.decoding import return_type_of
from sparkweld.contract.spark_types import columns_of as columns_of_type
from sparkweld.contract.spark_types import decimal_of, name_of
from sparkweld.ir import Program, Result, evaluate, parse_program
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.types import Items
from sparkweld.kernels import Kernel
from tests.helpers import kernels
from tests.helpers.answers import compile_pipeline
from tests.helpers.cases import Case, Mismatch
from tests.helpers.columns import difference
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.lines import VECTOR, PythonEvalType, arrow_type_of, spark_type_of
from tests.helpers.nested import argument_of, is_partwise, lists_of, parts_of
from tests.helpers.outcomes import same, token
from tests.helpers.worker import run_in_worker
from udf_compiler.boundary.columns import ONE_FORM
from udf_compiler.boundary.row_flags import COLUMN as FLAGS
from udf_compiler.boundary.row_flags import guards_as_column
from udf_compiler.boundary.series import COLUMN_TYPES
from udf_compiler.eval_types import MAPS, sees_batch_state
from udf_compiler.process import spark_line

#: Types whose NULLs change the Series that a pandas UDF receives: a batch with NULLs has another form than one without.
#: tests/spark/udf_compiler/test_catalyst.py checks that the JVM has the same list.
TWO_FORMS = tuple(type for type in COLUMN_TYPES if type not in ONE_FORM)
#: Codes that mean a bug in SparkWeld: a wrong translation found by the trial run, or an internal error.
FAULTS = frozenset({"SW233", "SW510", "SW511"})
#: Refusals of approximate operations when exact results are required.
_INEXACT = frozenset({"SW232", "SW260"})
#: Eval types of plain functions, which may return None for a struct.
PLAIN = (PythonEvalType.SQL_BATCHED_UDF, PythonEvalType.SQL_ARROW_BATCHED_UDF)
#: Kernels may call a different libm than NumPy.
_ULP = 2
TYPE_NAMES = {
    "bool": "boolean", "int8": "byte", "int16": "short", "int32": "integer", "int64": "long", "float": "float",
    "double": "double", "binary": "binary", "date32[day]": "date", "string": "string", "timestamp[us]": "timestamp_ntz",
    "timestamp[us, tz=UTC]": "timestamp", **{f"list<item: {arrow}>": f"array<{spark}>" for arrow, spark in (
        ("double", "double"), ("float", "float"), ("int64", "long"), ("int32", "integer"), ("int8", "byte"), ("bool", "boolean"),
        ("string", "string"),
    )},
}  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """The comparison counts of one function. They are batches, batches that a program computed, batches with a flagged row, and
    those of the latter in which the worker raises. Code and reason of the refusal when it did not compile.
    """

    batches: int = 0
    decided: int = 0
    flagged: int = 0
    raised: int = 0
    refused: str = ""
    reason: str = ""


@dataclass(frozen=True)
class _Refused:
    code: str
    reason: str


def compare_with_worker(
    function: Callable[..., Any],
    batches: Sequence[pa.RecordBatch],
    returns: DataType,
    eval_type: int = PythonEvalType.SQL_SCALAR_PANDAS_UDF,
    kernel: bool = False,
    chain: Sequence[tuple[Callable[..., Any], int]] = (),
    exact: bool = False,
    whole_batches: bool = False,
) -> Compared:
    """Runs `function` over each batch both ways; AssertionError where they differ.
    `kernel`: run machine code as well, in the tests that `runs_kernels` chooses.
    `chain`: see `Case`. `exact`: refuse approximate operations. `whole_batches`: the function may read all rows of a batch.

    A batch function's flagged row sends its whole batch to Python. The comparison is skipped there, and the other rows are
    compared as a batch of their own. For row-local functions only the flagged rows run in Python (`compare_flagged`).
    """
    blobs = [payload(each, returns) for each, _ in chain] or [payload(function, returns)]
    programs: dict[tuple[str, ...], Program | _Refused] = {}
    call = _Call(function, returns, eval_type, kernel and kernels.runs_kernels(function))
    decided = flagged = raised = 0
    for batch in batches:
        state = _state(batch, eval_type)
        if state not in programs:
            environment = (spark_line.LINE, os.environ.get("PYTEST_CURRENT_TEST"))
            given = (batch.schema, state, returns.json(), eval_type, exact, whole_batches)
            programs[state] = _compile(tuple(blobs), tuple(n for _, n in chain), *given, environment)
        program = programs[state]
        if isinstance(program, _Refused):
            return Compared(len(batches), decided, flagged, raised, program.code, program.reason)
        result = call.result(program, batch)
        rows = np.flatnonzero(result.flagged)
        if not len(rows):
            decided += 1
            continue
        flagged += 1
        raised += raises(lambda batch=batch: call.worker(batch))
        if call.row_wise:
            decided += call.compare_flagged(program, result, batch, rows)
            continue
        if program.stages:
            continue
        rest = batch.take(pa.array(np.setdiff1d(np.arange(batch.num_rows), rows)))
        if rest.num_rows and _state(rest, eval_type) == state:
            assert not call.result(program, rest).flagged.any(), "a guard flags rows that it did not flag beside others"
            decided += 1
    return Compared(len(batches), decided, flagged, raised)


def _compare_case(case: Case, exact: bool) -> Compared:
    """Runs `compare_with_worker` on a case; Mismatch with the failing batch."""
    scope = case.scope()
    chain = [(scope[name], arguments) for name, arguments in case.chain]
    try:
        return compare_with_worker(scope[case.name], case.batches, case.returns, case.eval_type, case.kernel, chain, exact)
    except AssertionError as error:
        raise Mismatch(str(error), case) from error
    except Exception as error:
        raise Mismatch(f"internal error: {type(error).__name__}: {error}", case) from error


def check_case(case: Case) -> Compared:
    """Runs `_compare_case`; on a mismatch that approximate operations could explain, compares again without them."""
    try:
        return _compare_case(case, exact=False)
    except Mismatch:
        compared = _compare_case(case, exact=True)
        if compared.refused in _INEXACT:
            return compared
        raise


def raises(call: Callable[[], Any]) -> bool:
    """Whether the call raises."""
    try:
        call()
    except Exception:  # noqa: BLE001 - any exception: the original would raise it in Python as well
        return True
    return False


@dataclass(frozen=True)
class _Call:
    """One function as the worker calls it, compared with its programs."""

    function: Callable[..., Any]
    returns: DataType
    eval_type: int
    kernel: bool

    @property
    def row_wise(self) -> bool:
        """Whether only the flagged rows of a batch run in Python (`rowwise` of PipelineBuilder.scala)."""
        of = self.returns.elementType if isinstance(self.returns, ArrayType) else self.returns
        return not (sees_batch_state(self.eval_type) or self.eval_type in MAPS or isinstance(of, StructType))

    def worker(self, batch: pa.RecordBatch) -> list[Any]:
        """Returns the worker's results for a batch, structs as dicts by field number. Raises the worker's exceptions."""
        made = run_in_worker(self.function, batch, self.returns, self.eval_type)
        if isinstance(self.returns, StructType):
            fields = [without_dates(field) for field in made.flatten()]
            names = [str(at) for at in range(len(fields))]
            return pa.StructArray.from_arrays(fields, names, mask=made.is_null()).to_pylist()  # type: ignore[no-any-return]
        return without_dates(made).to_pylist()  # type: ignore[no-any-return]

    def result(self, program: Program, batch: pa.RecordBatch) -> Result:
        """Evaluates a program; compares its results with the worker's when no guard flags a row."""
        inputs = inputs_of(program, batch)
        result = evaluate(program, inputs, batch.num_rows)
        if self.kernel:
            self._compare_kernel(program, inputs, result)
        if result.flagged.any():
            return result
        try:
            expected = self.worker(batch)
        except Exception as error:
            raise AssertionError(f"the worker raises {type(error).__name__}: {error}; the program does not\n{program}") from error
        self._compare(program, result, batch, expected)
        return result

    def _compare_kernel(self, program: Program, inputs: dict[str, Array], expected: Result) -> None:
        """Compares the machine code with `evaluate`: the flagged rows, and the results of the others."""
        made = guards_as_column(program) if self.row_wise else program
        got, decided = _loaded(made).run(inputs, len(expected.flagged)), np.ones(len(expected.selection), np.bool_)
        if made is not program:
            flags, decided = got.columns[FLAGS], ~expected.flagged
            assert isinstance(flags, Optional) and np.array_equal(flags.valid, decided), f"the kernel flags other rows\n{program}"
        whole = made is program and expected.flagged.any()
        assert (got.flagged > 0) == whole, f"the kernel flags {got.flagged} rows\n{program}"
        if got.flagged:
            return
        for name in program.outputs:
            mine, theirs = (_rows(columns[name], decided) for columns in (got.columns, expected.columns))
            problem = difference(mine, theirs, _ULP)
            assert problem is None, f"the kernel's {name}: {problem}\n{program}"

    def compare_flagged(self, program: Program, result: Result, batch: pa.RecordBatch, rows: np.ndarray) -> int:
        """Compares a plain UDF's unflagged rows, and its flagged rows both gathered and each alone.
        Returns 0 where the worker raises.
        """
        gathered = batch.take(pa.array(rows))
        try:
            expected = self.worker(batch)
        except Exception as error:  # noqa: BLE001 - any exception: the flagged rows must raise it, too
            assert raises(lambda: self.worker(gathered)), f"the worker raises {error!r} for the batch, not for its flagged rows"
            return 0
        self._compare(program, result, batch, expected, np.setdiff1d(np.arange(batch.num_rows), rows))
        for kind, parts in (("gathered", [gathered]), ("alone", [gathered.slice(at, 1) for at in range(len(rows))])):
            try:
                got = [value for part in parts for value in self.worker(part)]
            except Exception as error:
                raise AssertionError(f"flagged rows {kind}: the worker raises {error!r}, but not of their batch") from error
            for row, mine in zip(rows, got, strict=True):
                if not same(mine, expected[row]):
                    raise AssertionError(f"flagged row {row} {kind}: {token(mine)}, in its batch {token(expected[row])}")
        return 1

    def _compare(
        self, program: Program, result: Result, batch: pa.RecordBatch, expected: list[Any], rows: np.ndarray | None = None
    ) -> None:
        if len(result.selection) != len(expected):
            raise AssertionError(f"expected {len(expected)} rows, got {len(result.selection)}\n{program}")
        places = np.arange(len(expected)) if rows is None else rows
        kept = {name: _rows(array, places) for name, array in result.columns.items()}  # a flagged row may have any value
        got = dict(zip(places, rows_of(program, replace(result, columns=kept), self.returns), strict=True))
        for row in places:
            if not same(got[row], expected[row]):
                given = {name: batch[name][result.selection[row]].as_py() for name in batch.schema.names}
                raise AssertionError(f"row {row}, {given}: expected {token(expected[row])}, got {token(got[row])}\n{program}")


def _rows(array: Array, keep: np.ndarray) -> Array:
    return Optional(array.values[keep], array.valid[keep]) if isinstance(array, Optional) else array[keep]


@lru_cache(maxsize=4)
def _loaded(program: Program) -> Kernel:
    return kernels.load(program)


def _state(batch: pa.RecordBatch, eval_type: int) -> tuple[str, ...]:
    """Returns the names of the columns whose NULLs determine the form."""
    if not sees_batch_state(eval_type):
        return ()
    return tuple(n for n, array in columns_of(batch).items() if array.null_count and has_two_forms(name_of_arrow(array.type)))


def has_two_forms(type: str) -> bool:
    """Whether NULLs of a column of this type determine the form."""
    return type in TWO_FORMS or decimal_of(type) is not None


def columns_of(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """Returns the columns of a batch by name, with structs flattened to their fields."""
    found = {}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_struct(array.type):
            found |= {f"{name}.{field.name}": part for field, part in zip(array.type, array.flatten(), strict=True)}
        elif is_partwise(array.type):
            found |= parts_of(name, array)
        else:
            found[name] = array
    return found


def name_of_arrow(type: pa.DataType) -> str:
    """Returns the name that requests use for the Spark type of an Arrow column."""
    return TYPE_NAMES.get(str(type)) or name_of(spark_type_of(type).jsonValue())  # type: ignore[no-any-return]


@lru_cache(maxsize=16)  # a test calls its function for several batches, one after the other
def _compile(
    blobs: tuple[bytes, ...], arguments: tuple[int, ...], schema: pa.Schema, state: tuple[str, ...], returns: str,
    eval_type: int, exact: bool, whole_batches: bool, environment: tuple[Any, ...],
) -> Program | _Refused:  # fmt: skip
    """Returns the program or its refusal; AssertionError for a bug in SparkWeld.

    `returns`: the type as JSON. `environment`: what else both depend on.
    """
    batch = pa.RecordBatch.from_pylist([], schema)
    inputs = {name: name_of_arrow(array.type) for name, array in columns_of(batch).items()}
    always = [name for name, type in inputs.items() if not sees_batch_state(eval_type) or not has_two_forms(type)]
    step, outputs = _step(batch, inputs, list(arguments), len(blobs), returns, eval_type)
    states = [*state, *always]
    given = request(step, inputs=inputs, outputs=outputs, nullable_state=states, exact=exact, whole_batches=whole_batches)
    reply = compile_pipeline(given, list(blobs))
    if reply["status"] == "ok":
        return parse_program(reply["program"], reply["blocks"])
    refusals = reply["refusals"]
    no_fault(*(r["code"] for r in refusals), message=refusals[0]["message"])
    return _Refused(refusals[0]["code"], refusals[0]["message"])


def _step(
    batch: pa.RecordBatch, inputs: dict[str, str], arguments: list[int], functions: int, returns: str, eval_type: int
) -> tuple[dict[str, Any], list[str]]:
    """Returns the step that calls the functions on the columns of a batch, and the names of its results."""
    given, type = [_argument(field, field.name, inputs) for field in batch.schema], _parse_datatype_json_string(returns)
    stored = columns_of_type(return_type_of(type.jsonValue()))
    fields = [] if stored is None else [column.name for column in stored]
    declared = {"returns": spark_name(type)} if stored is None else {"returnType": type.jsonValue()}
    if eval_type in MAPS:
        whole = _argument(pa.field("", pa.struct(list(batch.schema))), "", inputs)
        results = [f"r{at}" for at in range(len(fields))]
        return {"kind": "map", "name": "f", "udf": udf(0, whole, evalType=eval_type, **declared), "results": results}, results
    call = udf(0, *given, evalType=eval_type, **declared)
    for at in range(1, functions):
        call = udf(at, *[call] * arguments[at], evalType=eval_type, **declared)
    step, results = python_step(r=call), ["r"]
    if stored is not None:
        presence = ["r.presence"] if isinstance(type, StructType) and eval_type in PLAIN else []
        results = step["udfs"][0]["fields"] = [*(f"r.{name}" for name in fields), *presence]
    return step, results


def _argument(field: pa.Field, name: str, inputs: dict[str, str]) -> dict[str, Any]:
    if is_partwise(field.type):
        return argument_of(name, field.type, inputs)
    if not pa.types.is_struct(field.type):
        return column(name, inputs[name])
    names = [part.name for part in field.type]
    args = [column(f"{name}.{part}" if name else part, inputs[f"{name}.{part}" if name else part]) for part in names]
    if field.type == VECTOR:
        return {"op": "StoredVector", "name": name, "type": "vector", "nullable": True, "size": None, "args": args}
    return {"op": "CreateNamedStruct", "names": names, "args": args, "type": "struct"}


def no_fault(*codes: str, message: str = "") -> None:
    """Raises AssertionError when a refusal code means a bug in SparkWeld rather than a limit of the compiler."""
    assert not FAULTS & {*codes}, f"{', '.join(codes)}: {message}"


def spark_name(type: DataType) -> str:
    if isinstance(type, ArrayType):
        return f"array<{spark_name(type.elementType)}>"
    name = type.simpleString()
    return {"int": "integer", "bigint": "long", "smallint": "short", "tinyint": "byte"}.get(name, name)


def inputs_of(program: Program, batch: pa.RecordBatch) -> dict[str, Array]:
    columns = columns_of(batch)
    return {i.name: _input(i.type, columns[i.name]) for i in program.inputs}


def _input(type: Any, column: pa.Array) -> Array:
    if type.kind == "str":
        values = np.array([_text(v) for v in column.to_pylist()], object)
    elif type.is_list:
        values = np.array([Items(type.element.kind, tuple(v or ())) for v in column.to_pylist()], object)
    else:
        if pa.types.is_decimal(column.type):  # as Spark stores it: without the decimal point
            unscaled = [None if x is None else int(x.scaleb(column.type.scale)) for x in column.to_pylist()]
            column = pa.array(unscaled, pa.int64())
        width = {1: pa.int8(), 2: pa.int16(), 4: pa.int32(), 8: pa.int64()}
        if pa.types.is_temporal(column.type):
            column = column.cast(width[type.dtype.itemsize]) if column.type.bit_width == 32 else column.view(pa.int64())
        filled = column.fill_null(False if type.kind == "bool" else 0)
        values = np.asarray(filled.to_numpy(zero_copy_only=False), type.dtype)
    if not type.nullable:
        assert not column.null_count
        return values
    return Optional(values, np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_))


def _text(value: str | bytes | None) -> str:
    """Returns a string as programs represent it: bytes that are no UTF-8 as surrogates."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value or ""


def rows_of(program: Program, result: Result, returns: DataType) -> list[Any]:
    """Returns the results of a program, structs as dicts by field number, and maps as lists of their items.

    After the fields of a struct, there may be a column that is NULL where the struct is.
    """
    columns = iter([result.columns[name] for name in program.outputs])
    made = _assembled(columns, returns)
    presence = next(columns, None)
    if presence is None:
        return made
    present = presence.valid if isinstance(presence, Optional) else np.ones(len(made), np.bool_)
    return [row if there else None for row, there in zip(made, present, strict=True)]


def _assembled(columns: Iterator[Array], type: DataType) -> list[Any]:
    if isinstance(type, StructType):
        fields = [_assembled(columns, field.dataType) for field in type]
        return [{str(at): value for at, value in enumerate(row)} for row in zip(*fields, strict=True)]
    if isinstance(type, MapType) and isinstance(type.valueType, ArrayType):
        keys, values = values_of(next(columns), ArrayType(type.keyType)), _assembled(columns, ArrayType(type.valueType))
        return [None if k is None else list(zip(k, v, strict=True)) for k, v in zip(keys, values, strict=True)]
    if isinstance(type, ArrayType) and isinstance(type.elementType, ArrayType):
        starts, ends = (values_of(next(columns), ArrayType(LongType())) for _ in range(2))
        return [lists_of(*row) for row in zip(starts, ends, _assembled(columns, type.elementType), strict=True)]
    if isinstance(type, MapType):
        parts = [values_of(next(columns), ArrayType(part)) for part in (type.keyType, type.valueType, BooleanType())]
        return [None if keys is None else _items(keys, values, absent) for keys, values, absent in zip(*parts, strict=True)]
    if isinstance(type, ArrayType) and isinstance(type.elementType, StructType):
        parts = [values_of(next(columns), ArrayType(part)) for f in type.elementType for part in (f.dataType, BooleanType())]
        gone = values_of(next(columns), ArrayType(BooleanType()))
        return [_structs(type.elementType.names, *row) for row in zip(gone, *parts, strict=True)]
    return values_of(next(columns), type)


def _structs(names: list[str], gone: list[bool] | None, *parts: Any) -> list[Any] | None:
    """Returns the array of a row that is stored as the values of each field, and as what is NULL."""
    if parts[0] is None:
        return None
    fields = [_items(values, values, absent) for values, absent in zip(parts[::2], parts[1::2], strict=True)]
    rows = [dict(zip(names, (value for _, value in row), strict=True)) for row in zip(*fields, strict=True)]
    return [None if gone is not None and gone[at] else row for at, row in enumerate(rows)]


def _items(keys: list[Any], values: list[Any], absent: list[bool] | None) -> list[tuple[Any, Any]]:
    gone = [False] * len(keys) if absent is None else absent
    return [(key, None if a else value) for key, value, a in zip(keys, values, gone, strict=True)]


def without_dates(array: pa.Array) -> pa.Array:
    """Replaces dates by day numbers: Arrow passes the JVM dates beyond the range of Python's `date`."""
    return array.view(pa.int32()) if pa.types.is_date32(array.type) else array


def values_of(column: Array, returns: DataType) -> list[Any]:
    """Returns a result column as Python values of the Spark type."""
    values, valid = (column.values, column.valid) if isinstance(column, Optional) else (column, np.ones(len(column), np.bool_))
    arrow_type = arrow_type_of(returns)
    if pa.types.is_temporal(arrow_type):
        whole = pa.array(values, pa.int32() if arrow_type.bit_width == 32 else pa.int64(), mask=~valid)
        return without_dates(whole.view(arrow_type)).to_pylist()
    if isinstance(returns, DecimalType):
        found = zip(values.tolist(), valid.tolist(), strict=True)
        return [Decimal(x).scaleb(-returns.scale) if there else None for x, there in found]
    if isinstance(returns, VectorUDT):
        dense = [{"type": 1, "size": None, "indices": None, "values": list(x.values)} for x in values.tolist()]
        return [x if there else None for x, there in zip(dense, valid.tolist(), strict=True)]
    plain = [list(x.values) if isinstance(x, Items) else x for x in values.tolist()]
    if pa.types.is_binary(arrow_type):
        plain = [x.encode("utf-8", "surrogateescape") for x in plain]
    return pa.array(plain, arrow_type, mask=~valid).to_pylist()
