"""Compiles a request's UDF entry to a loop that appends its result: payload, purity, arguments, trace, result by kind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

from sparkweld.contract.decoding import encode
from sparkweld.contract.expressions import Expression
from sparkweld.contract.requests import PipelineRequest, Udf
from sparkweld.contract.spark_types import VECTOR_TYPE, columns_of, decimal_of, fields_of, stored_as
from sparkweld.errors import Refusal
from sparkweld.ir import ROWS, Input, LoopBuilder, ProgramBuilder, Value
from sparkweld.reasons import has, refusal
from udf_compiler.boundary.columns import (
    ONE_FORM,
    Column,
    Columns,
    Unknown,
    columns_in,
    columns_of_call,
    refuse_made_nulls,
    strict_columns,
    title_of,
)
from udf_compiler.boundary.series import Field, check_names, dtypes_by_nulls
from udf_compiler.eval_types import Call, Kind, declared, kind_of, map_kind_of
from udf_compiler.frontends.catalyst import expressions
from udf_compiler.frontends.pandas.any_form import asks_for_all_forms
from udf_compiler.frontends.spark_ml import MlFunctions
from udf_compiler.function.broadcast_contents import contents
from udf_compiler.function.model_files import reads
from udf_compiler.function.module_paths import file_state
from udf_compiler.function.modules import MODULES
from udf_compiler.function.options import options_of
from udf_compiler.function.payload import load_command
from udf_compiler.process.cpu_time import working_on
from udf_compiler.rebuild import pandas_on_spark
from udf_compiler.rebuild.purity import Prepared, refuse_left_to_python
from udf_compiler.requests.form_agreement import BatchCall
from udf_compiler.requests.handed_on import HandedOn, Identities
from udf_compiler.requests.trace_cache import TracedCall, traces

#: Operators of arguments that are stored as parts: maps, and arrays of structs, of arrays or maps, and of dates or timestamps.
PARTS = ("MapFromArrays", "ArraysZip", "Slices", "Times")

#: The note on a call whose result an earlier call provides.
EVALUATED_ONCE = "evaluated once, with the same call below the filter"


class UdfTracer:
    """Traces the UDFs of one request.

    - `places`: UDF -> where its function is defined, for messages.
    - `kept`: (operation, bound) of approximations that no op of the program records.
    - `exact`: the loops with a function that was declared with ``exact=True``.
    - `calls`: the calls of functions that see NULLs through the dtypes of their batch.
    - `reads_batch`: why a row of some call depends on its batch, if the call reads other rows; None if there is no such call.
    """

    def __init__(
        self,
        request: PipelineRequest,
        blobs: Sequence[bytes],
        columns: Columns,
        ml: MlFunctions | None = None,
    ) -> None:
        """Starts without traced calls. With `regrouped` batches, a batch may have NULLs in rows that a filter drops."""
        self._request, self._regrouped, self._ml = request, request.regrouped, ml
        self.places: dict[str, str] = {}
        self.kept: list[tuple[str, str]] = []
        self.exact: set[str] = set()
        self.calls: list[BatchCall] = []
        self.reads_batch: str | None = None
        self._blobs, self._columns, self._exact = blobs, columns, request.conf.exact
        self._prepared: dict[tuple[int, int], tuple[Callable[..., Any], Prepared]] = {}
        self._wrapped: set[tuple[int, int]] = set()  # keys of `_prepared` that pandas-on-Spark has wrapped
        self._traced: dict[str, list[str]] = {}
        self._of_batches: set[str] = set()  # identities of calls that are not row-local
        self._identities = Identities(blobs)
        self._handed: dict[Hashable, HandedOn | None] = {}

    def trace(self, udf: Udf, results: list[str], notes: list[str]) -> list[Column]:
        """Adds the loop of a UDF and of the UDFs chained inside it; returns the columns `results` (see `columns_of`).

        A struct may have one more result: a bool column that is NULL where the struct is, else True.

        Spark plans a function in a filter and again above it, with the same arguments. A row-local one is evaluated once: the
        rows that the filter keeps have the same results as before.
        """
        loop = self._columns.loop(udf.name)
        fields, stored = fields_of(udf.return_type), columns_of(udf.return_type)
        types = [stored_as(type) for type in ([str(udf.return_type)] if stored is None else [column.type for column in stored])]
        if fields is not None:
            check_names([field.name for field in fields], "its result", udf.name)
        presence = fields is not None and len(results) == len(types) + 1
        types += ["boolean"] if presence else []
        identity = self._identities.of(udf)
        known = self._traced.setdefault(identity, results)
        if known != results and identity not in self._of_batches:
            earlier = [self._columns[name] for name in known]
            for result, name in zip(results, known, strict=True):
                loop.append(result, loop.read(name))
            loop.close()
            notes.append(EVALUATED_ONCE)
            return [Column(r, t, c.nullable) for r, t, c in zip(results, types, earlier, strict=True)]
        kind, known_notes = kind_of(udf.eval_type, udf.name), len(notes)
        with working_on(udf):
            try:
                values = self._values(kind, loop, udf, notes, presence)
            except Refusal as refused:
                if kind.of_whole_batch is None or not has(refused.code, "reads_other_rows"):
                    raise
                self._of_batches.add(identity)
                del notes[known_notes:]
                loop, values = self._of_whole_batch(kind.of_whole_batch, loop.program, udf, notes, refused)
        self._note_call(kind, udf, loop)
        for result, value in zip(results, values, strict=True):
            loop.append(result, value)
        loop.close()
        notes += _notes_of(loop, "batches" if self.reads_batch else "groups")
        return [Column(r, t, v.type.nullable) for r, t, v in zip(results, types, values, strict=True)]

    def _of_whole_batch(
        self, whole: Kind, program: ProgramBuilder, udf: Udf, notes: list[str], refused: Refusal
    ) -> tuple[LoopBuilder, list[Value]]:
        """Returns the loop and the results of a function that reads other rows of its batch; else raises `refused`."""
        if self._request.regrouped and self._compiles_in_spark_batches(program, udf):
            raise refusal("SW235", self.places.get(udf.name, ""), udf=udf.name)
        inputs = {given.name for given in program.inputs}
        if not self._request.whole_batches or self._columns.domain != ROWS or not inputs.issuperset(columns_of_call(udf)):
            raise refused
        loop = self._columns.loop(udf.name)
        try:
            values = self._values(whole, loop, udf, notes)
        except Refusal:
            raise refused from None
        self.reads_batch = f"{udf.name} reads its batch"
        return loop, values

    def _compiles_in_spark_batches(self, program: ProgramBuilder, udf: Udf) -> bool:
        """Whether a function compiles where the columns that it reads are inputs of a kernel over batches of Spark."""
        read = [self._columns[name] for name in dict.fromkeys(columns_of_call(udf))]
        builder = ProgramBuilder(udf.name, [Input(column.name, program.columns[column.name]) for column in read])
        request = replace(self._request, regrouped=False, whole_batches=True)
        stored = columns_of(udf.return_type)
        results = ["result"] if stored is None else [f"result{at}" for at in range(len(stored))]
        try:
            UdfTracer(request, self._blobs, Columns(builder, read, {}, self._ml), self._ml).trace(udf, results, [])
        except Refusal:
            return False
        return True

    def map(self, udf: Udf, results: Sequence[str], domain: str, notes: list[str]) -> tuple[list[Column], bool]:
        """Adds the loop of a map; returns the columns `results`, and whether it drops rows and so creates `domain`."""
        kind = map_kind_of(udf.eval_type, udf.name)
        with working_on(udf):
            call = self._call(kind, self._columns.loop(udf.name), udf, notes)
            fields = fields_of(udf.return_type) or ()
            check_names([field.name for field in fields], "its result", call.place)
            loop, values = kind.rows(call, kind.call(call), fields)
        values = declared(fields, values)
        self._note_call(kind, udf, loop)
        self.kept += call.kept
        columns = []
        for name, field, value in zip(results, fields, values, strict=True):
            loop.append(name, value)
            columns.append(Column(name, field.type, value.type.nullable))
        filtered = loop.where is not None
        loop.close(where=loop.where, makes=domain if filtered else None)
        notes += _notes_of(loop)
        return columns, filtered

    def _note_call(self, kind: Kind, udf: Udf, loop: LoopBuilder) -> None:
        if kind.sees_batch_state:
            columns = self._columns.of_states(columns_of_call(udf))
            self.calls.append(BatchCall(udf.name, len(loop.program.loops), frozenset(columns), loop.spreads))

    def _values(self, kind: Kind, loop: LoopBuilder, udf: Udf, notes: list[str], presence: bool = False) -> list[Value]:
        """Returns the results of a call, traced unless an earlier request has done it."""
        traced, question, files = traces(), self._question(udf, presence), reads()
        if traced is None or question is None:
            return self._made(kind, loop, udf, notes, presence)
        key, columns = question
        known = traced.get(key)
        if known is not None:
            self.places.update(known.places)
            self.kept += known.kept
            self.exact |= {loop.name} if known.exact else set()
            notes += known.notes
            MODULES.touch(known.modules)
            return known.values(loop, columns)
        kept = len(self.kept)
        values = self._made(kind, loop, udf, notes, presence)
        # Each request must read files itself to record them, and an additional column belongs to its own program.
        alone = not (loop.program.watched or loop.program.wholes)
        if loop.where is None and alone and not (files and files.states):
            places = {name: self.places[name] for name in (call.name for call in udf.with_inner)}
            results = tuple(value.id for value in values)
            about = tuple(notes), tuple(self.kept[kept:]), places, loop.name in self.exact
            parts = tuple(columns), tuple(loop.body), tuple(loop.guards), frozenset(loop.local), tuple(loop.some), results
            made = TracedCall(*parts, *about, MODULES.touched())
            traced.put(key, made, made.bytes)
        return values

    def _made(self, kind: Kind, loop: LoopBuilder, udf: Udf, notes: list[str], presence: bool) -> list[Value]:
        key, isolated, made, kept = self._key(kind, loop, udf), not loop.body, len(notes), len(self.kept)
        call, fields = replace(self._call(kind, loop, udf, notes), presence=presence), fields_of(udf.return_type)
        returned = kind.call(call)
        if isolated and (udf.payload, udf.eval_type) not in self._wrapped:
            self._handed[key] = HandedOn.of(returned, loop, notes[made:], self.kept[kept:] + call.kept, loop.name in self.exact)
        if fields is not None:
            values = kind.fields(call, returned, fields)
        else:
            is_map = columns_of(udf.return_type) is not None
            values = kind.map(call, returned) if is_map else [kind.column(call, returned)]
        self.kept += call.kept
        return values

    def _question(self, udf: Udf, presence: bool) -> tuple[str, list[str]] | None:
        """Returns everything that the trace of a call depends on, with numbers for the names of its columns, and these names.

        None for a call with refused columns or functions of Spark's ML library, whose stages are stored elsewhere in the
        request.
        """
        names: dict[str, int] = {}

        def of_expression(expr: Expression) -> Any:
            if expr.op in ("ArgMax", "Ml", "VectorElement"):
                raise Unknown(expr.op)
            if expr.op == "Column":
                return names.setdefault(expr.name, len(names)), encode(replace(expr, name=""))
            return [of_expression(arg) for arg in expr.args], encode(replace(expr, args=()))

        def of_call(call: Udf) -> Any:
            digest = contents(call, self._blobs)
            files = [] if digest else [(file.id, file.path and file_state(file.path)) for file in call.broadcasts]
            function = digest or hashlib.sha256(self._blobs[call.payload]).hexdigest()
            values = [(argument.name, argument.value) for argument in call.args]
            args = [(name, of_call(x) if isinstance(x, Udf) else of_expression(x)) for name, x in values]
            return function, files, encode(replace(call, payload=0, broadcasts=(), args=())), args

        try:
            call = of_call(udf)
            columns = [self._columns.state_of(name) for name in names]
        except (Refusal, Unknown):
            return None
        request, found = self._request, list(names)
        includes = [file_state(path) for path in request.python.includes]
        settings = [encode(request.conf), encode(request.python), includes, MODULES.generation]
        forms = self._regrouped and bool(self._columns.with_nulls(found))
        return json.dumps([call, presence, columns, forms, asks_for_all_forms(), self._columns.domain == ROWS, settings]), found

    def _call(self, kind: Kind, loop: LoopBuilder, udf: Udf, notes: list[str]) -> Call:
        if not udf.deterministic:
            raise refusal("SW207", udf.name)
        original, prepared = self._prepare(kind, udf)
        if options_of(original).exact:
            self.exact.add(loop.name)
        by_nulls = kind.sees_batch_state and any(map(dtypes_by_nulls, udf.expressions))
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for position, argument in enumerate(udf.args):
            value = self._argument(kind, loop, argument.value, f"argument {position + 1} of {udf.name}", notes)
            if argument.name is None:
                positional.append(value)
            else:
                named[argument.name] = value
        notes.append(f"{udf.name}({', '.join(map(kind.describe, (*positional, *named.values())))})")
        return Call(
            name=udf.name,
            eval_type=udf.eval_type,
            return_type=udf.return_type,
            original=original,
            prepared=prepared,
            args=tuple(positional),
            kwargs=named,
            loop=loop,
            dtypes_by_nulls=by_nulls,
            exact=self._exact or loop.name in self.exact,
            confs=self._request.conf.pandas,
            notes=notes,
            kept=[],
        )

    def _prepare(self, kind: Kind, udf: Udf) -> tuple[Callable[..., Any], Prepared]:
        """Returns the function itself, and its checked copy."""
        key = (udf.payload, udf.eval_type)
        if key not in self._prepared:
            function = load_command(self._blobs[udf.payload]).function
            refuse_left_to_python(function, udf.name)
            wrapped = pandas_on_spark.unwrap(function)
            if wrapped is None:
                self._prepared[key] = function, kind.prepare(function)
            else:
                prepared = kind.prepare(wrapped.function)
                inside = replace(prepared, function=wrapped.around(prepared.function))
                self._prepared[key] = wrapped.around(wrapped.function), inside
                self._wrapped.add(key)
        self.places[udf.name] = self._prepared[key][1].place
        return self._prepared[key]

    def _argument(self, kind: Kind, loop: LoopBuilder, given: Expression | Udf, title: str, notes: list[str]) -> Any:
        if isinstance(given, Udf):
            return self._chained(kind, loop, given, notes)
        if given.type == VECTOR_TYPE and not kind.takes_vectors:
            raise refusal("SW101", column=title_of(given.name) if given.name else title, type=VECTOR_TYPE)
        if given.op == "CreateNamedStruct":
            return kind.struct(loop, self._fields(kind, loop, given, title), title)
        if given.op in PARTS:
            return self._parts(kind, loop, given, title)
        return kind.argument(loop, self._field(kind, loop, given, title))

    def _chained(self, kind: Kind, loop: LoopBuilder, udf: Udf, notes: list[str]) -> Any:
        """Returns the inner result unchanged: the worker passes it on without checking the declared return type."""
        known = self._handed.get(self._key(kind, loop, udf))
        if known is not None:
            notes += known.call.notes
            self.kept += known.call.kept
            self.exact |= {loop.name} if known.call.exact else set()
            return known.series(loop)
        call = self._call(kind, loop, udf, notes)
        if (udf.payload, udf.eval_type) in self._wrapped:  # the outer UDF gets the prepared Series, object where NaN
            raise refusal("SW269", call.place)
        with working_on(udf):
            result = kind.call(call)
        self.kept += call.kept
        return kind.hand_on(result, call.place)

    def _key(self, kind: Kind, loop: LoopBuilder, udf: Udf) -> Hashable:
        """Returns everything that differs between traces of one call in a request; the names are in its notes."""
        names = tuple(call.name for call in udf.with_inner)
        return self._identities.of(udf), names, type(kind), self._columns.domain, loop.name in self.exact

    def _fields(self, kind: Kind, loop: LoopBuilder, expr: Expression, title: str) -> list[Field]:
        fields = []
        for name, arg in zip(expr.names, expr.args, strict=True):
            if arg.op in ("CreateNamedStruct", *PARTS):
                if not kind.takes_parts:
                    raise refusal("SW101", column=f"{title}.{name}", type=arg.type)
                fields.append(Field(name, self._argument(kind, loop, arg, f"{title}.{name}", []), arg.type, "nullable"))
                continue
            field = self._field(kind, loop, arg, f"{title}.{name}")
            fields.append(Field(name, field.value, field.spark_type, field.state))
        return fields

    def _parts(self, kind: Kind, loop: LoopBuilder, expr: Expression, title: str) -> Any:
        """Returns a map, or an array of structs, arrays or maps, whose parts are columns or of these types themselves."""
        if not kind.takes_parts:
            raise refusal("SW101", column=title, type=expr.type)

        def part(arg: Expression) -> Any:
            return self._parts(kind, loop, arg, title) if arg.op in PARTS else self._columns.read(loop, arg.name)

        values = tuple(map(part, expr.args))
        return kind.parts(expr.op, expr.names, values, title, expr.type)

    def _field(self, kind: Kind, loop: LoopBuilder, expr: Expression, title: str) -> Field:
        """Returns an argument's value and its state. A dense argument has no NULL; the kind guards it."""
        if (expr.type == "binary" and not kind.takes_parts) or (decimal_of(expr.type) and not kind.takes_decimals):
            raise refusal("SW101", column=self._columns[expr.name].title if expr.op == "Column" else title, type=expr.type)
        if not kind.sees_batch_state:
            return self._plain_field(loop, expr, title)
        with_nulls = self._columns.with_nulls(columns_in(expr))
        if with_nulls and self._columns.domain != ROWS and not self._regrouped:
            raise refusal("SW234", title, column=with_nulls[0])
        if expr.op != "Column":
            guards = len(loop.guards)
            value = expressions.translate(loop, expr, self._columns.reader(loop), self._ml)
            if expr.type in ONE_FORM:  # Spark computes it for each row, and its value in a flagged row changes no dtype
                loop.take_as_local(guards)
            # NULL wherever such a column is, so the batch of the expression has NULLs too
            state = "nullable" if self._columns.with_nulls(strict_columns(expr)) else "dense"
            refuse_made_nulls(title, expr.type, value.type, state)
            return Field(title, value, expr.type, state)
        column = self._columns[expr.name]
        value = self._columns.read(loop, column.name)
        return Field(column.title, value, column.spark_type, "nullable" if with_nulls else "dense")

    def _plain_field(self, loop: LoopBuilder, expr: Expression, title: str) -> Field:
        """Returns the field for a kind that sees each NULL individually."""
        if expr.type == VECTOR_TYPE and self._ml is not None:
            value = expressions.translate_dense(loop, expr, self._columns.reader(loop), self._ml)
            return Field(title_of(expr.name) if expr.name else title, value, VECTOR_TYPE, "nullable")
        if expr.op == "Column":
            column = self._columns[expr.name]
            value, spark_type, title = self._columns.read(loop, column.name), column.spark_type, column.title
        else:
            value, spark_type = expressions.translate(loop, expr, self._columns.reader(loop), self._ml), expr.type
        return Field(title, value, spark_type, "nullable" if value.type.nullable else "dense")


def _notes_of(loop: LoopBuilder, of: str = "groups") -> list[str]:
    wholes = len(loop.program.wholes)
    kind_of_code = f"{wholes} functions of whole {of}" if wholes else "row-local"
    return [f"{kind_of_code}, {len(loop.body)} operations", f"{len(loop.guards)} guards" if loop.guards else "no guards"]
