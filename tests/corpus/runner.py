"""Cases of the corpus to what the compiler makes of them, without Spark: a program, or the codes of the refusals."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import types

from sparkweld.errors import Refusal
from sparkweld.kernels import check_size
from tests.corpus.case import EVAL_TYPES, Case
from tests.corpus.tables import table
from tests.helpers.compile_requests import payload

THEMES = (
    "scoring", "features", "nulls", "cleaning", "text", "parsing", "calendar", "lookups", "branches", "plain", "iterators",
    "arrow", "frames", "aggregates", "beyond",
)  # fmt: skip

#: Case -> "compiled", or the code of its first refusal: what `make golden` wrote.
EXPECTED = Path(__file__).with_name("expected.json")
COMPILED = "compiled"

_SPARK_NAMES = {
    pa.bool_(): "boolean", pa.int8(): "byte", pa.int16(): "short", pa.int32(): "integer", pa.int64(): "long",
    pa.float32(): "float", pa.float64(): "double", pa.string(): "string", pa.date32(): "date",
    pa.timestamp("us", "UTC"): "timestamp", pa.timestamp("us"): "timestamp_ntz",
}  # fmt: skip

_DDL: dict[str, types.DataType] = {
    "boolean": types.BooleanType(), "byte": types.ByteType(), "int": types.IntegerType(), "long": types.LongType(),
    "float": types.FloatType(), "double": types.DoubleType(), "string": types.StringType(), "date": types.DateType(),
    "timestamp": types.TimestampType(),
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What the compiler said of a case: `code` is "compiled" or that of the first refusal; `text` is all of it.

    `kept`: whether the program has operations that are equal within a bound only.
    """

    case: Case
    code: str
    text: str
    kept: bool = False

    @property
    def compiled(self) -> bool:
        return self.code == COMPILED


def cases() -> list[Case]:
    """All cases, in the order of the themes and of the files."""
    modules = [import_module(f"tests.corpus.{theme}") for theme in THEMES]
    return [value for module in modules for value in vars(module).values() if isinstance(value, Case)]


def expected() -> dict[str, str]:
    return json.loads(EXPECTED.read_text(encoding="utf-8"))


def expected_text(answers: list[Answer]) -> str:
    return json.dumps({answer.case.name: answer.code for answer in answers}, indent=2) + "\n"


def column_names(case: Case) -> list[str]:
    """The columns of the table that a case reads, the fields of structs one by one."""
    return [name for column in case.columns for name in ((column,) if isinstance(column, str) else column)]


def answer(case: Case) -> Answer:
    """Compiles a case for the columns of its table, NULLs as they lie there."""
    from udf_compiler.pipeline import compile_pipeline

    request, blobs = request_of(case)
    if case.by:
        return _aggregate_answer(case, request, blobs)
    reply = compile_pipeline(request, blobs, check_size)
    if reply["status"] == "ok":
        return Answer(case, COMPILED, reply["program"], bool(reply["kept"]))
    first = reply["refusals"][0]
    lines = [f"{r['code']} {r['title']}: {r['message']} ({r['place']}) {r['hint']}" for r in reply["refusals"]]
    return Answer(case, first["code"], "\n".join(lines))


def _aggregate_answer(case: Case, request: dict[str, Any], blobs: list[bytes]) -> Answer:
    from udf_compiler.aggregates import compile_aggregate

    try:
        reply = compile_aggregate(request, blobs)
    except Refusal as error:
        return Answer(case, error.code, str(error))
    return Answer(case, COMPILED, json.dumps(reply), bool(reply["kept"]))


def request_of(case: Case) -> tuple[dict[str, Any], list[bytes]]:
    """The compile request that the plugin makes of a query over this one UDF, and its blobs."""
    returned = spark_type(case.returns)
    arguments = [{"name": None, "udf": None, "expr": _expression(case, column)} for column in case.columns]
    entry = {
        "name": case.name, "payload": 0, "evalType": EVAL_TYPES[case.kind], "returnType": type_name(returned),
        "deterministic": True, "broadcasts": [], "args": arguments,
    }  # fmt: skip
    step = {"kind": "python", "udfs": [{"name": case.name, "result": "r", "udf": entry}]}
    return {
        "op": "compile", "label": case.name, "inputs": [_input(case, name) for name in dict.fromkeys(column_names(case))],
        "steps": [step], "outputs": ["r"], "filtered": False,
        "conf": {"exact": False, "timezone": "UTC", "ansi": True, "pandas": {}}, "python": {"includes": []},
    }, [payload(case.function, returned)]  # fmt: skip


def spark_type(text: str) -> types.DataType:
    """A declared return type; a list of fields is a struct, as in the schema of mapInPandas. (Spark's own parser wants a JVM.)"""
    fields = [field.split() for field in text.split(",")]
    if len(fields[0]) == 1:
        return _DDL[text]
    return types.StructType([types.StructField(name, _DDL[type]) for name, type in fields])


def type_name(type: types.DataType) -> str:
    """A type as requests write it."""
    return type.simpleString() if isinstance(type, types.StructType) else type.typeName()


def _field(case: Case, name: str) -> tuple[str, bool, bool]:
    """Spark type, whether the schema allows NULL, whether there is one."""
    field = table(case.table).schema.field(name)
    return _SPARK_NAMES[field.type], field.nullable, table(case.table)[name].null_count > 0


def _input(case: Case, name: str) -> dict[str, Any]:
    type, nullable, has_nulls = _field(case, name)
    return {"name": name, "type": type, "nullable": nullable, "state": "nullable" if has_nulls else "dense"}


def _expression(case: Case, column: str | tuple[str, ...]) -> dict[str, Any]:
    if isinstance(column, str):
        type, nullable, _ = _field(case, column)
        return {"op": "Column", "name": column, "type": type, "nullable": nullable}
    fields = [_expression(case, name) for name in column]
    return {"op": "CreateNamedStruct", "type": "struct", "nullable": False, "names": list(column), "args": fields}
