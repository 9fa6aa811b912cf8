"""Compiles cases of the corpus without Spark, to a program or the codes of the refusals."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pyarrow as pa
from pyspark.sql import types

from sparkweld.api.asking import Given, Struct, ask, request_of
from sparkweld.contract.constants import BATCHED
from sparkweld.contract.decoding import encode
from tests.corpus.case import EVAL_TYPES, Case
from tests.corpus.tables import table
from tests.helpers.compile_requests import payload
from tests.helpers.compiled import FAULTS
from tests.helpers.lines import LINE, is_refused
from udf_compiler.service.protocol import Message

THEMES = (
    "scoring", "features", "nulls", "cleaning", "text", "parsing", "calendar", "lookups", "branches", "plain", "codecs",
    "iterators", "arrow", "arrays", "frames", "aggregates", "groups", "batches", "beyond",
)  # fmt: skip

#: Case -> "compiled", or the code of its first refusal; `make golden` writes the file.
EXPECTED = Path(__file__).with_name("expected.json")
COMPILED = "compiled"

_SPARK_NAMES = {
    pa.bool_(): "boolean", pa.int8(): "byte", pa.int16(): "short", pa.int32(): "integer", pa.int64(): "long",
    pa.float32(): "float", pa.float64(): "double", pa.string(): "string", pa.date32(): "date",
    pa.timestamp("us", "UTC"): "timestamp", pa.timestamp("us"): "timestamp_ntz", pa.list_(pa.float64()): "array<double>",
    pa.list_(pa.int64()): "array<long>", pa.list_(pa.string()): "array<string>",
}  # fmt: skip

_DDL: dict[str, types.DataType] = {
    "boolean": types.BooleanType(), "byte": types.ByteType(), "int": types.IntegerType(), "long": types.LongType(),
    "float": types.FloatType(), "double": types.DoubleType(), "string": types.StringType(), "date": types.DateType(),
    "timestamp": types.TimestampType(),
    **{
        f"array<{name}>": types.ArrayType(element)
        for name, element in (("double", types.DoubleType()), ("long", types.LongType()), ("string", types.StringType()))
    },
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """The compiler's answer for a case: `code` is "compiled" or that of the first refusal; `text` is the whole answer.

    `kept`: whether the program has approximate operations with a documented bound.
    """

    case: Case
    code: str
    text: str
    kept: bool = False

    @property
    def compiled(self) -> bool:
        return self.code == COMPILED


def cases() -> list[Case]:
    """Returns all cases, in the order of the themes and of the files."""
    modules = [import_module(f"tests.corpus.{theme}") for theme in THEMES]
    return [value for module in modules for value in vars(module).values() if isinstance(value, Case)]


def expected() -> dict[str, str]:
    return json.loads(EXPECTED.read_text(encoding="utf-8"))


def is_expected(case: Case, code: str) -> bool:
    """Whether a case has its outcome on this line of Spark, whose workers may have other conversions."""
    pinned = expected()[case.name]
    if is_refused(EVAL_TYPES[case.kind]):
        return code == "SW114"
    if EVAL_TYPES[case.kind] == BATCHED and pinned == "SW298":
        return code == COMPILED  # pickled, each result is converted by itself
    if LINE < (4, 2) and case.kind == "pandas_udf aggregate" and pinned == COMPILED:
        return code not in FAULTS  # some are compiled group by group from Spark 4.2 on
    return code == pinned


def expected_text(answers: list[Answer]) -> str:
    return json.dumps({answer.case.name: answer.code for answer in answers}, indent=2) + "\n"


def column_names(case: Case) -> list[str]:
    """Returns the columns of the table that a case reads, structs as their fields."""
    return [name for column in case.columns for name in ((column,) if isinstance(column, str) else column)]


def answer(case: Case) -> Answer:
    """Compiles a case for the columns of its table, with their NULLs."""
    returned = spark_type(case.returns)
    made = ask(payload(case.function, returned), case.name, returned.jsonValue(), EVAL_TYPES[case.kind], _arguments(case))
    reply = encode(made.reply)
    if reply["status"] == "ok":
        text = reply.get("program") or json.dumps({key: reply[key] for key in ("aggregates", "result")}, indent=1)
        return Answer(case, COMPILED, text, bool(reply["kept"]))
    lines = [f"{r['code']} {r['title']}: {r['message']} ({r['place']}) {r['hint']}" for r in reply["refusals"]]
    return Answer(case, reply["refusals"][0]["code"], "\n".join(lines))


def message(case: Case) -> Message:
    """Returns the same request as the JVM sends it to the compile service."""
    returned = spark_type(case.returns)
    asked = request_of(case.name, returned.jsonValue(), EVAL_TYPES[case.kind], _arguments(case))
    return Message({**encode(asked), "id": 1, "wholeBatches": True}, (payload(case.function, returned),))


def _arguments(case: Case) -> list[Given | Struct]:
    if case.kind == "applyInPandas":
        names = tuple(column_names(case))
        return [Struct(tuple(_given(case, name) for name in of), of) for of in (names, (case.by,))]
    return [
        _given(case, column) if isinstance(column, str) else Struct(tuple(_given(case, name) for name in column), column)
        for column in case.columns
    ]


def spark_type(text: str) -> types.DataType:
    """Returns a declared return type; a list of fields is a struct, as in the schema of mapInPandas.

    Spark's own parser requires a JVM.
    """
    fields = [field.split() for field in text.split(",")]
    if len(fields[0]) == 1:
        return _DDL[text]
    return types.StructType([types.StructField(name, _DDL[type]) for name, type in fields])


def _given(case: Case, name: str) -> Given:
    """Returns a column of the case's table as requests describe it."""
    data = table(case.table)
    field = data.schema.field(name)
    return Given(name, _SPARK_NAMES[field.type], field.nullable, "nullable" if data[name].null_count else "dense")
