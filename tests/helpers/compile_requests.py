"""Builds compile requests as the JVM sends them, and runs the reply's program and pandas for comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pyspark import cloudpickle
from pyspark.sql.types import DataType, DoubleType

from sparkweld.ir import evaluate, parse_program
from sparkweld.ir.ops import Optional
from tests.helpers.lines import CHECKED, require


def payload(function: Callable[..., Any], return_type: DataType | None = None) -> bytes:
    """Returns the command bytes of a pandas UDF, as `UserDefinedFunction._judf` creates them."""
    return cloudpickle.dumps((function, return_type or DoubleType()))


def column(name: str, spark_type: str = "double", nullable: bool = True) -> dict[str, Any]:
    return {"op": "Column", "name": name, "type": spark_type, "nullable": nullable}


def call(op: str, *args: dict[str, Any], type: str = "boolean", nullable: bool = True, **extra: Any) -> dict[str, Any]:
    return {"op": op, "type": type, "nullable": nullable, "args": list(args), **extra}


def literal(value: Any, type: str) -> dict[str, Any]:
    return {"op": "Literal", "type": type, "value": value, "nullable": value is None}


def udf(blob: int, *args: Any, name: str = "f", returns: str = "double", **given: Any) -> dict[str, Any]:
    """Returns a UDF entry; arguments are column names, expressions, UDF entries, or (keyword, argument) pairs."""
    entry = {"name": name, "payload": blob, "evalType": 200, "returnType": returns, "deterministic": True, "broadcasts": []}
    return {**entry, "args": [_argument(a) for a in args], **given}


def _argument(given: Any) -> dict[str, Any]:
    keyword = None
    if isinstance(given, tuple):
        keyword, given = given
    if isinstance(given, str):
        given = column(given)
    return {"udf" if "payload" in given else "expr": given, "name": keyword}


def python_step(**results: dict[str, Any]) -> dict[str, Any]:
    """Returns a step of UDF entries by result column."""
    return {"kind": "python", "udfs": [{"name": u["name"], "result": result, "udf": u} for result, u in results.items()]}


def request(
    *steps: dict[str, Any],
    inputs: Mapping[str, str] | None = None,
    nullable_state: Sequence[str] = (),
    outputs: Sequence[str] = ("r",),
    exact: bool = False,
    includes: Sequence[str] = (),
    pandas: Mapping[str, str] | None = None,
    whole_batches: bool = False,
) -> dict[str, Any]:
    """Returns a compile request. `inputs`: name -> Spark type; those in `nullable_state` have NULLs in the batch."""
    for called in (udf for step in steps for udf in (*(u["udf"] for u in step.get("udfs", ())), step.get("udf")) if udf):
        require(called["evalType"])
    columns = [
        {"name": name, "type": type, "nullable": True, "state": "nullable" if name in nullable_state else "dense"}
        for name, type in (inputs or {"a": "double"}).items()
    ]
    return {
        "op": "compile", "label": "test", "inputs": columns, "steps": list(steps), "outputs": list(outputs),
        "filtered": any(step["kind"] == "filter" for step in steps), "wholeBatches": whole_batches,
        "conf": {"exact": exact, "timezone": "UTC", "ansi": True, "pandas": dict(CHECKED if pandas is None else pandas)},
        "python": {"includes": list(includes)},
    }  # fmt: skip


def run_reply(reply: dict[str, Any], columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Evaluates the program of a reply on columns without NULLs; NULLs of the result become NaN."""
    assert reply["status"] == "ok", reply.get("refusals") or reply.get("trace")
    program = parse_program(reply["program"], reply["blocks"])
    rows = len(next(iter(columns.values())))
    given: dict[str, Any] = {}
    for i in program.inputs:
        values = np.asarray(columns[i.name], i.type.dtype)
        given[i.name] = Optional(values, np.ones(rows, np.bool_)) if i.type.nullable else values
    result = evaluate(program, given, rows)
    assert not result.flagged.any()
    arrays = (result.columns[name] for name in program.outputs)
    return dict(zip((o["name"] for o in reply["outputs"]), map(_with_nan, arrays), strict=True))


def run_pandas(function: Callable[..., Any], *columns: np.ndarray, **named: np.ndarray) -> np.ndarray:
    """Returns the result that PySpark's worker would produce, with NULL as NaN."""
    series = [pd.Series(np.array(c)) for c in columns]
    return np.asarray(function(*series, **{k: pd.Series(np.array(v)) for k, v in named.items()}))


def _with_nan(array: Any) -> np.ndarray:
    return np.where(array.valid, array.values, np.nan) if isinstance(array, Optional) else array
