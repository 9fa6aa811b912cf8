"""Compiles a function that calls a fitted model, evaluates its program, and compares with the library in PySpark's worker."""

from __future__ import annotations

import inspect
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql.types import DataType, DoubleType, StructField, StructType

from sparkweld.ir import Program, evaluate, parse_program
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.compiled import TWO_FORMS, TYPE_NAMES, inputs_of, raises, spark_name, values_of
from tests.helpers.lines import PythonEvalType
from tests.helpers.outcomes import same, token
from tests.helpers.worker import run_in_worker

PANDAS = PythonEvalType.SQL_SCALAR_PANDAS_UDF


def estimators(kind: type, *options: dict[str, Any]) -> list[Any]:
    """Creates an estimator with each set of options, except those with an option that the installed version lacks."""
    has = inspect.signature(kind).parameters.keys()
    return [kind(**one) for one in options if one.keys() <= has]


@dataclass(frozen=True)
class Scored:
    """Counts of a comparison: rows compared, rows that a guard flagged, and flagged rows for which the library raises.

    `refused`: the code when it did not compile. `kept`: the (operation, bound) pairs of the reply.
    """

    rows: int = 0
    flagged: int = 0
    raised: int = 0
    refused: str = ""
    kept: tuple[str, ...] = ()


def compare(
    function: Callable[..., Any],
    batch: pa.RecordBatch,
    returns: DataType | None = None,
    struct: bool = True,
    rtol: float = 0.0,
    exact: bool = False,
    atol: float = 0.0,
    files: dict[str, Any] | None = None,
    of_arguments: float = 0.0,
) -> Scored:
    """Runs `function` over the batch both ways; AssertionError where they differ by more than the tolerances allow.

    Those are `rtol` of the value, `atol`, and `of_arguments` of the row's largest finite argument, added up. Sums whose terms
    cancel differ by a share of the terms, not of the result. Results not declared approximate are compared bit by bit.
    `struct`: the function takes one DataFrame of the batch's columns, else a Series per column. Flagged rows are removed and the
    rest is compared as a batch of its own.
    """
    returns = returns or DoubleType()
    reply = compiled(function, batch, returns, struct, exact, files)
    if reply["status"] != "ok":
        assert reply["status"] == "refused", reply
        return Scored(refused=reply["refusals"][0]["code"])
    fields = returns.fields if isinstance(returns, StructType) else None
    program = parse_program(reply["program"], reply["blocks"])
    result = evaluate(program, inputs_of(program, batch), batch.num_rows)
    flagged = np.flatnonzero(result.flagged)
    raised = sum(raises(lambda row=row: run(function, batch.slice(int(row), 1), returns, struct)) for row in flagged)
    rest = batch.take(pa.array(np.flatnonzero(~result.flagged)))
    kept = tuple(k["op"] for k in reply["kept"])
    if not kept:
        rtol = atol = of_arguments = 0.0
    if rest.num_rows:
        columns = evaluate(program, inputs_of(program, rest), rest.num_rows).columns
        types = [returns] if fields is None else [f.dataType for f in fields]
        mine = list(zip(*(values_of(columns[name], t) for name, t in zip(program.outputs, types, strict=True)), strict=True))
        given = run(function, rest, returns, struct).to_pylist()
        theirs = [(v,) if fields is None else tuple(v.values()) for v in given]
        for row, pairs in enumerate(zip(mine, theirs, strict=True)):
            for at, (a, b) in enumerate(zip(*pairs, strict=True)):
                if not (same(a, b) or near(a, b, rtol, atol + of_arguments * (_largest(rest, row) if of_arguments else 0.0))):
                    row_of = {name: rest[name][row].as_py() for name in rest.schema.names}
                    raise AssertionError(f"row {row}, {row_of}: column {at}: expected {token(b)}, got {token(a)}\n{program}")
    return Scored(rest.num_rows, len(flagged), raised, kept=kept)


def compiled(
    function: Callable[..., Any],
    batch: pa.RecordBatch,
    returns: DataType,
    struct: bool = True,
    exact: bool = False,
    files: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the reply to a compile request for a scalar pandas UDF over the batch's columns, with its program's blocks.

    `files`: the files that it may read, in the form of `udf_compiler.function.model_files.reading`.
    """
    columns = list(zip(batch.schema.names, batch.columns, strict=True))
    inputs = {name: TYPE_NAMES[str(column.type)] for name, column in columns}
    state = [name for name, column in columns if column.null_count and inputs[name] in TWO_FORMS]
    state += [name for name, type in inputs.items() if type not in TWO_FORMS]
    read = [{"op": "Column", "name": n, "type": t, "nullable": True} for n, t in inputs.items()]
    if struct:
        read = [{"op": "CreateNamedStruct", "names": list(inputs), "args": read, "type": "struct", "nullable": False}]
    declared = json.loads(returns.json()) if isinstance(returns, StructType) else spark_name(returns)
    step = python_step(r=udf(0, *read, returns=declared, evalType=PANDAS))
    outputs = ["r"]
    if isinstance(returns, StructType):
        outputs = step["udfs"][0]["fields"] = [f"r{i}" for i in range(len(returns.fields))]
    whole = request(step, inputs=inputs, nullable_state=state, exact=exact, outputs=outputs)
    if files is not None:
        whole["python"]["files"] = files
    programs: list[Program] = []
    reply = compile_pipeline(whole, [payload(function, returns)], programs.append)
    return {**reply, "blocks": [block for program in programs for block in program.blocks]}


def compare_columns(
    function: Callable[..., Any], batch: pa.RecordBatch, type: DataType | None = None, rtol: float = 0.0, fit: Any = None
) -> Scored:
    """Runs `compare` on all columns of a function that returns a two-dimensional array. `fit`: a table that it accepts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        count = np.shape(function(frame(batch.slice(0, 1)) if fit is None else fit))[1]
    names = [f"c{i}" for i in range(count)]
    returns = StructType([StructField(name, type or DoubleType()) for name in names])
    return compare(lambda d: pd.DataFrame(function(d), columns=names), batch, returns, rtol=rtol)


def run(function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType, struct: bool = True) -> pa.Array:
    """Returns the worker's result for the batch."""
    if struct:
        whole = pa.StructArray.from_arrays(batch.columns, batch.schema.names)
        batch = pa.RecordBatch.from_arrays([whole], ["_0"])
    return run_in_worker(function, batch, returns, PANDAS)


def _largest(batch: pa.RecordBatch, row: int) -> float:
    """Returns the largest finite absolute value of a row of numbers; 0 without any."""
    values = [column[row].as_py() or 0.0 for column in batch.columns]
    return max((abs(value) for value in values if np.isfinite(value)), default=0.0)


def near(a: Any, b: Any, rtol: float, atol: float = 0.0) -> bool:
    """Whether two floats are finite and differ by at most `rtol` of the larger plus `atol`."""
    if not (rtol and isinstance(a, float) and isinstance(b, float)):
        return False
    return abs(a - b) <= rtol * max(abs(a), abs(b), 1e-300) + atol


def batch_of(**columns: Any) -> pa.RecordBatch:
    """Returns a batch of these columns: arrays, lists or pyarrow arrays. NaN in float arrays stays NaN."""
    arrays = [c if isinstance(c, pa.Array) else pa.array(c) for c in columns.values()]
    return pa.RecordBatch.from_arrays(arrays, list(columns))


def numbers(rows: int = 200, columns: int = 4, seed: int = 1, odd: bool = False) -> pa.RecordBatch:
    """Returns float64 columns a, b, c, ... of different scales; some rows hold odd values when `odd`."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)) * 10.0 ** np.arange(-1, columns - 1)
    if odd:
        at = rng.integers(0, rows, 12)
        special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, -1e300, 5e-324, 1e-310, 1e16, np.nan, 1.0]
        x[at, rng.integers(0, columns, 12)] = special
    return batch_of(**{chr(97 + i): x[:, i] for i in range(columns)})


def frame(batch: pa.RecordBatch) -> pd.DataFrame:
    """Returns the DataFrame that a worker creates from the batch."""
    return batch.to_pandas()


def id_of(value: object) -> str:
    """Returns a one-line test id that is the same in each process: function names without addresses."""
    return re.sub(r"<function (\S+) at 0x[0-9a-f]+>", r"\1", str(value)).replace("\n", "")[:60]
