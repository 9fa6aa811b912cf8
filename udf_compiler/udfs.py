"""A UDF entry of a request to a loop that appends its result: payload, purity, arguments, trace, probe, result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from sparkweld.ir import ROWS, LoopBuilder
from sparkweld.reasons import refusal
from udf_compiler import catalyst
from udf_compiler.boundary import Field, column_of_result, frame_of_struct, series_of_column
from udf_compiler.columns import Column, Columns, columns_in, refuse_made_nulls, strict_columns
from udf_compiler.options import options_of
from udf_compiler.payload import load_command
from udf_compiler.probe import probe
from udf_compiler.purity import Prepared, prepare, use_of
from udf_compiler.trace import TracedArray, TracedFrame, TracedSeries, stand_in, trace

#: Scalar pandas UDFs, Series to Series (PythonEvalType.SQL_SCALAR_PANDAS_UDF).
SCALAR_PANDAS = 200

#: Kind of a Series -> what it is in notes, where its dtype does not say.
_KINDS = {"date": "date", "text": "str", "maybe": "numbers", "UInt32": "UInt32"}


class UdfTracer:
    """Traces the UDFs of one request.

    `places`: UDF -> where its function is defined, for messages. `kept`: (operation, bound) of kept differences that no
    op of the program shows. `exact`: the loops with a function that was declared with ``exact=True``.
    """

    def __init__(self, blobs: Sequence[bytes], columns: Columns, exact: bool) -> None:
        self.places: dict[str, str] = {}
        self.kept: list[tuple[str, str]] = []
        self.exact: set[str] = set()
        self._blobs, self._columns, self._exact = blobs, columns, exact
        self._prepared: dict[int, tuple[Callable[..., Any], Prepared]] = {}
        self._traced: dict[str, str] = {}

    def trace(self, udf: dict[str, Any], result: str, notes: list[str]) -> Column:
        """Adds the loop of a UDF and of those chained inside of it; the column `result` that it appends.

        The same function of the same arguments, as Spark has it in a filter and again above it, is evaluated once: it is
        row-local, so the rows that the filter keeps have the results that they had before.
        """
        loop = self._columns.loop(udf["name"])
        known = self._traced.setdefault(self._identity(udf), result)
        if known != result:
            earlier = self._columns[known]
            loop.append(result, loop.read(known))
            loop.close()
            notes.append("evaluated once, with the same call below the filter")
            return Column(result, udf["returnType"], earlier.nullable)
        returned = self._call(loop, udf, notes)
        place = self.places[udf["name"]]
        value = column_of_result(loop, returned, udf["returnType"], place)
        loop.append(result, value)
        loop.close()
        notes += [f"row-local, {len(loop.body)} operations", f"{len(loop.guards)} guards" if loop.guards else "no guards"]
        return Column(result, udf["returnType"], value.type.nullable)

    def _identity(self, udf: dict[str, Any]) -> str:
        """Equal for calls of one function on the same arguments, whatever names the plan gives them."""
        arguments = [[a.get("name"), self._identity(a["udf"]) if a.get("udf") is not None else a["expr"]] for a in udf["args"]]
        function = hashlib.sha256(self._blobs[udf["payload"]]).hexdigest()
        return json.dumps([function, udf["evalType"], udf.get("deterministic", True), udf["returnType"], arguments])

    def _call(self, loop: LoopBuilder, udf: dict[str, Any], notes: list[str]) -> Any:
        if udf["evalType"] != SCALAR_PANDAS:
            raise refusal("SW206", udf["name"], eval_type=udf["evalType"])
        if not udf.get("deterministic", True):
            raise refusal("SW207", udf["name"])
        original, prepared = self._prepare(udf)
        if options_of(original).exact:
            self.exact.add(loop.name)
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for position, argument in enumerate(udf["args"]):
            value = self._argument(loop, argument, f"argument {position + 1} of {udf['name']}", notes)
            if argument.get("name") is None:
                positional.append(value)
            else:
                named[argument["name"]] = value
        notes.append(f"{udf['name']}({', '.join(map(_described, (*positional, *named.values())))})")
        kept: list[tuple[str, str]] = []
        with prepared.checked():
            result = trace(
                prepared.function,
                positional,
                named,
                loop=loop,
                exact=self._exact or loop.name in self.exact,
                place=prepared.place,
                notes=notes,
                kept=kept,
                handlers=prepared.handlers,
            )
        probe(original, positional, named, result, loop, prepared.place, rounded=bool(kept))
        self.kept += kept
        return result

    def _prepare(self, udf: dict[str, Any]) -> tuple[Callable[..., Any], Prepared]:
        """The function itself, and its checked copy."""
        blob = udf["payload"]
        if blob not in self._prepared:
            function = load_command(self._blobs[blob]).function
            if options_of(function).backend == "python":
                raise refusal("SW700", use_of(function).place or udf["name"])
            self._prepared[blob] = function, prepare(function, stand_in)
        self.places[udf["name"]] = self._prepared[blob][1].place
        return self._prepared[blob]

    def _argument(self, loop: LoopBuilder, argument: dict[str, Any], title: str, notes: list[str]) -> Any:
        if argument.get("udf") is not None:
            return self._chained(loop, argument["udf"], notes)
        expr = argument["expr"]
        if expr["op"] == "CreateNamedStruct":
            return self._struct(loop, expr, title)
        field = self._field(loop, expr, title)
        return series_of_column(loop, field.value, field.spark_type, True, field.state, field.name)

    def _chained(self, loop: LoopBuilder, udf: dict[str, Any], notes: list[str]) -> Any:
        """The inner result as it is: the worker hands it on without a look at the declared return type."""
        result = self._call(loop, udf, notes)
        if not isinstance(result, TracedSeries | TracedArray | TracedFrame):
            raise refusal("SW106", self.places[udf["name"]], type=type(result).__name__)
        return result

    def _struct(self, loop: LoopBuilder, expr: dict[str, Any], title: str) -> TracedFrame:
        fields = []
        for name, arg in zip(expr["names"], expr["args"], strict=True):
            field = self._field(loop, arg, f"{title}.{name}")
            fields.append(Field(name, field.value, field.spark_type, field.state))
        return frame_of_struct(loop, fields, title)

    def _field(self, loop: LoopBuilder, expr: dict[str, Any], title: str) -> Field:
        """An argument's value and its state. A NULL in what is dense is guarded."""
        with_nulls = self._columns.with_nulls(columns_in(expr))
        if with_nulls and self._columns.domain != ROWS:
            raise refusal("SW234", title, column=with_nulls[0])
        if expr["op"] != "Column":
            value = catalyst.translate(loop, expr, self._columns.reader(loop))
            # NULL wherever such a column is, so the batch of the expression has NULLs too
            state = "nullable" if self._columns.with_nulls(strict_columns(expr)) else "dense"
            refuse_made_nulls(title, expr["type"], value.type, state)
            return Field(title, value, expr["type"], state)
        column = self._columns[expr["name"]]
        value = self._columns.read(loop, column.name)
        return Field(column.title, value, column.spark_type, "nullable" if with_nulls else "dense")


def _described(argument: Any) -> str:
    if isinstance(argument, TracedFrame):
        return f"DataFrame of {len(argument.series)} columns"
    if isinstance(argument, TracedArray):
        return f"{argument.dtype} array"
    return _KINDS.get(argument.kind) or str(argument.dtype)
