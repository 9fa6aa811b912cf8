"""Compiles functions of any kind through a compile request, and compares their programs with the functions."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sparkweld.ir import evaluate, parse_program
from sparkweld.ir.ops import Optional
from sparkweld.ir.types import Type
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from udf_compiler.boundary.series import COLUMN_TYPES

_EPOCH = datetime.date(1970, 1, 1).toordinal()


def compile_udf(
    function: Callable[..., Any], eval_type: int, inputs: Mapping[str, str], returns: str, nulls: bool = True, **given: Any
) -> dict[str, Any]:
    """Returns the reply for one UDF of all inputs. `nulls`: the batch has NULLs in them, where the kind distinguishes that."""
    columns = [column(name, type) for name, type in inputs.items()]
    step = python_step(r=udf(0, *columns, returns=returns, evalType=eval_type))
    state = list(inputs) if nulls else []
    return compile_pipeline(request(step, inputs=inputs, nullable_state=state, **given), [payload(function)])


def compile_struct(
    function: Callable[..., Any], eval_type: int, fields: Mapping[str, str], returns: str | Mapping[str, str],
    inputs: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """Returns the reply for a UDF of one struct of `fields`, which are inputs. `returns`: a type, or a struct's types by name."""
    entry = udf(0, _struct_of(fields), evalType=eval_type)
    step, outputs = python_step(r=entry), ["r"]
    if isinstance(returns, str):
        entry["returnType"] = returns
    else:
        made = [{"name": name, "type": type, "nullable": True} for name, type in returns.items()]
        entry["returnType"] = {"type": "struct", "fields": made}
        outputs = step["udfs"][0]["fields"] = [f"r.{name}" for name in returns]
    given = request(step, inputs=inputs, outputs=outputs, nullable_state=list(inputs))
    return compile_pipeline(given, [payload(function)])


def _struct_of(fields: Mapping[str, str]) -> dict[str, Any]:
    args = [column(name, type) for name, type in fields.items()]
    return {"op": "CreateNamedStruct", "names": list(fields), "args": args, "type": "struct"}


def compile_map(
    function: Callable[..., Any], eval_type: int, inputs: Mapping[str, str], returns: Mapping[str, str], nulls: bool = False,
    required: Sequence[str] = (),
) -> dict[str, Any]:
    """Returns the reply for a map over all inputs with result columns r0, r1, ... `required`: those declared NOT NULL."""
    fields = [{"name": name, "type": type, "nullable": name not in required} for name, type in returns.items()]
    entry = udf(0, _struct_of(inputs), evalType=eval_type, returnType={"type": "struct", "fields": fields})
    results = [f"r{i}" for i in range(len(fields))]
    step = {"kind": "map", "name": "f", "udf": entry, "results": results}
    state = list(inputs) if nulls else []
    return compile_pipeline(request(step, inputs=inputs, outputs=results, nullable_state=state), [payload(function)])


def codes(reply: dict[str, Any]) -> list[str]:
    """Returns the reason codes of a refused reply."""
    assert reply["status"] == "refused", reply
    return [r["code"] for r in reply["refusals"]]


def run(reply: dict[str, Any], columns: Mapping[str, Sequence[Any]]) -> tuple[list[list[Any]], np.ndarray]:
    """Returns the result columns as Python values, None where NULL, and the flagged rows."""
    assert reply["status"] == "ok", reply.get("refusals") or reply.get("trace")
    program = parse_program(reply["program"], reply["blocks"])
    rows = len(next(iter(columns.values())))
    given = {i.name: _array(columns[i.name], i.type) for i in program.inputs}
    result = evaluate(program, given, rows)
    types = [COLUMN_TYPES[o["type"]] for o in reply["outputs"]]
    arrays = (result.columns[name] for name in program.outputs)
    return [values_of(array, type) for array, type in zip(arrays, types, strict=True)], result.flagged


def _array(values: Sequence[Any], type: Type) -> Any:
    plain = [_EPOCH if v is None and type.kind == "date" else type.zero if v is None else v for v in values]
    if type.kind == "date":
        plain = [(v.toordinal() if isinstance(v, datetime.date) else v) - _EPOCH for v in plain]
    array = np.array(plain, type.dtype)
    return Optional(array, np.array([v is not None for v in values], np.bool_)) if type.nullable else array


def values_of(array: Any, type: Type) -> list[Any]:
    values, valid = array if isinstance(array, Optional) else (array, np.ones(len(array), np.bool_))
    return [_value(v, type) if ok else None for v, ok in zip(values, valid, strict=True)]


def _value(value: Any, type: Type) -> Any:
    if type.kind == "date":
        return datetime.date.fromordinal(int(value) + _EPOCH)
    return value.item() if isinstance(value, np.generic) else value


def same(a: Sequence[Any], b: Sequence[Any], ulp: int = 0) -> bool:
    """Whether two columns hold the same values: NULL, NaN and -0.0 are distinct, floats may differ by `ulp`."""
    return len(a) == len(b) and all(_same(x, y, ulp) for x, y in zip(a, b, strict=True))


def _same(x: Any, y: Any, ulp: int) -> bool:
    if isinstance(x, float) and isinstance(y, float):
        if math.isnan(x) or math.isnan(y):
            return math.isnan(x) and math.isnan(y)
        near = abs(x - y) <= ulp * math.ulp(max(abs(x), abs(y), 5e-324)) if math.isfinite(x) and math.isfinite(y) else x == y
        return near and (ulp > 0 or math.copysign(1, x) == math.copysign(1, y))
    return type(x) is type(y) and x == y


#: Values of each Spark type, ordinary and extreme; a None is added where a case requires NULLs.
VALUES: dict[str, list[Any]] = {
    "boolean": [True, False],
    "byte": [0, 1, -1, 7, -7, 100, 127, -128],
    "short": [0, 1, -1, 7, -300, 32767, -32768],
    "integer": [0, 1, -1, 7, -7, 1000, 2**31 - 1, -(2**31), 2**24 + 1],
    "long": [0, 1, -1, 7, -7, 10**12, 2**63 - 1, -(2**63), 2**53 + 1],
    "float": [0.0, -0.0, 1.5, -2.5, float("nan"), float("inf"), 2.0**-149, 3.0000000054977558e38],
    "double": [0.0, -0.0, 1.5, -2.5, 0.1, float("nan"), float("inf"), float("-inf"), 5e-324, 1e300, 2.0**53],
    "date": [datetime.date(1970, 1, 1), datetime.date(2024, 2, 29), datetime.date(1, 1, 1), datetime.date(9999, 12, 31)],
    "string": ["", "a", " Ab\t", "abcab", "é", "straße İ", "\x1c x\x0b", "日本😀", "a\x00b"],
}
ARROW = {
    "boolean": pa.bool_(), "byte": pa.int8(), "short": pa.int16(), "integer": pa.int32(), "long": pa.int64(),
    "float": pa.float32(), "double": pa.float64(), "date": pa.date32(),
    "string": pa.string(),
}  # fmt: skip


def pairs(types: Sequence[str], nulls: bool) -> list[list[Any]]:
    """Returns columns of these types in which every pair of values of the first two meets."""
    pools = [[*VALUES[t], *([None] if nulls else [])] for t in types]
    rows = max(len(p) for p in pools)
    if len(pools) == 1:
        return [list(pools[0])]
    grid = [(a, b) for a in pools[0] for b in pools[1]]
    columns = [[a for a, _ in grid], [b for _, b in grid]]
    columns += [[pool[(i * 7 + k) % len(pool)] for i in range(len(grid))] for k, pool in enumerate(pools[2:], rows)]
    return columns
