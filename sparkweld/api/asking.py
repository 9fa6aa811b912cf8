"""Asks the compiler about one UDF and its argument columns, in this process and without a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparkweld.contract.constants import GROUPED_AGG_ARROW, GROUPED_AGG_PANDAS, MAP_ARROW, MAP_PANDAS

#: Eval types that take all columns as one struct and return rows: mapInPandas, mapInArrow.
MAPS = frozenset((MAP_PANDAS, MAP_ARROW))
#: Eval types of functions of a group.
AGGREGATES = frozenset((GROUPED_AGG_PANDAS, GROUPED_AGG_ARROW))


@dataclass(frozen=True)
class Given:
    """A column: its Spark type, whether its schema allows NULL, and whether the batch has one ("nullable") or none ("dense")."""

    name: str
    type: str
    nullable: bool = True
    state: str = "dense"

    @property
    def input(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type, "nullable": self.nullable, "state": self.state}

    def expression(self) -> dict[str, Any]:
        return {"op": "Column", "name": self.name, "type": self.type, "nullable": self.nullable}


@dataclass(frozen=True)
class Struct:
    """A struct that the query builds from columns; `names` are those of its fields."""

    columns: tuple[Given, ...]
    names: tuple[str, ...]

    def expression(self) -> dict[str, Any]:
        args = [column.expression() for column in self.columns]
        return {"op": "CreateNamedStruct", "type": "struct", "nullable": False, "names": list(self.names), "args": args}


def ask(payload: bytes, name: str, return_type: Any, eval_type: int, arguments: Sequence[Given | Struct]) -> dict[str, Any]:
    """Returns the compiler's reply, status "ok" or "refused". `return_type`: Spark's JSON of the declared type.

    A function of columns gets `arguments`; a function that returns rows gets all of them as one struct. Raises InternalError for
    bugs of SparkWeld.
    """
    return _answer(request_of(name, return_type, eval_type, arguments), payload, eval_type)


def request_of(name: str, return_type: Any, eval_type: int, arguments: Sequence[Given | Struct]) -> dict[str, Any]:
    """Builds the request about the function in its first blob."""
    columns = [c for a in arguments for c in (a.columns if isinstance(a, Struct) else (a,))]
    given = list(arguments)
    if eval_type in MAPS:
        given = [Struct(tuple(columns), tuple(c.name for c in columns))]
    udf = {
        "name": name, "payload": 0, "evalType": eval_type, "returnType": return_type, "deterministic": True, "broadcasts": [],
        "args": [{"name": None, "udf": None, "expr": argument.expression()} for argument in given],
    }  # fmt: skip
    outputs = ["result"]
    step: dict[str, Any] = {"kind": "python", "udfs": [{"name": name, "result": "result", "udf": udf}]}
    fields = return_type["fields"] if isinstance(return_type, dict) and return_type.get("type") == "struct" else None
    if fields is not None:
        outputs = [f"result{at}" for at in range(len(fields))]
        step["udfs"][0]["fields"] = outputs
    if eval_type in MAPS:
        step = {"kind": "map", "name": name, "udf": udf, "results": outputs}
    return {
        "op": "aggregate" if eval_type in AGGREGATES else "compile", "label": name, "steps": [step], "outputs": outputs,
        "inputs": [c.input for c in dict.fromkeys(columns)], "filtered": False,
        "conf": {"exact": False, "timezone": "UTC", "ansi": True, "pandas": {}}, "python": {"includes": []},
    }  # fmt: skip


def _answer(request: dict[str, Any], payload: bytes, eval_type: int) -> dict[str, Any]:
    # the compiler takes a second to load, and only a decorated or examined function needs it
    from sparkweld.kernels import check_size
    from udf_compiler.backends.aggregates import compile_aggregate
    from udf_compiler.requests.pipeline import compile_pipeline
    from udf_compiler.service.replies import or_refused

    if eval_type in AGGREGATES:
        return or_refused(compile_aggregate, request, [payload])
    return compile_pipeline(request, [payload], check_size)
