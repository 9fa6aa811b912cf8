"""Compiles an aggregate UDF to Spark aggregates over row expressions and one expression over their results.

The request is a `compile` request of one python step with one UDF; its inputs are the columns below the aggregate. The dtype of a
nullable integer column depends on whether its group holds a NULL. The function is therefore traced once for each combination (a
*form*). The result selects a form by the number of NULLs in each such column. `frames` in the request marks groups that are
window frames; they have the dtypes of their whole partition.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sparkweld.contract import requests
from sparkweld.contract.expressions import Expression
from sparkweld.contract.replies import AggregateReply, Approximation, SparkAggregate, UdfNotes
from sparkweld.contract.requests import AggregateRequest, PipelineRequest, Udf
from sparkweld.errors import Refusal
from sparkweld.ir import Input, Program, ProgramBuilder
from sparkweld.ir.types import BOOL, I64
from sparkweld.optimizer import optimize
from sparkweld.reasons import refusal
from udf_compiler.backends.aggregates.dispatch import ReducedGroups
from udf_compiler.backends.aggregates.groups import Aggregate
from udf_compiler.backends.aggregates.kinds import KINDS, AggregateKind
from udf_compiler.backends.aggregates.probe import probe
from udf_compiler.backends.aggregates.row_values import RowValue, row_value
from udf_compiler.backends.catalyst import equivalent_outputs
from udf_compiler.backends.catalyst.nodes import choice, column, literal, node, where_not_null
from udf_compiler.boundary.columns import Column, Columns, columns_in, refuse_made_nulls, strict_columns
from udf_compiler.boundary.series import Field, checks_results, ir_type
from udf_compiler.frontends.catalyst import expressions
from udf_compiler.frontends.pandas.trace import trace
from udf_compiler.frontends.tracing.zones import session_zone
from udf_compiler.function.environment import broadcasts, module_path
from udf_compiler.function.options import options_of
from udf_compiler.function.payload import load_command
from udf_compiler.process.spark_line import check_compared
from udf_compiler.rebuild.purity import Prepared, prepare

#: The most nullable integer columns that a function may take: each doubles the number of forms.
MAX_STATES = 3



def compile_aggregate(request: PipelineRequest, blobs: Sequence[bytes]) -> AggregateReply:
    """Returns the reply to a request, or raises Refusal.

    Its `aggregates` are of expressions over input columns and over the results of `columns`, which are scalar UDFs.
    """
    udf = request.first_udf.udf
    with module_path(request.python), broadcasts(udf.broadcasts):
        return compile_as(request, load_command(blobs[udf.payload]).function)


def compile_as(
    request: PipelineRequest, function: Callable[..., Any], kind: AggregateKind | None = None, exact: bool = False
) -> AggregateReply:
    """Returns the reply for `function` instead of the request's own, in an environment that is already set up.

    `kind` replaces the kind of the UDF's eval type.
    """
    with session_zone(request.conf.timezone):
        return _Compiler(request, request.first_udf.udf, function, kind, exact).reply()


@dataclass(frozen=True)
class Form:
    """One trace: the row values that are aggregated, the aggregates, and the group's result.

    `rows` has one output for each aggregate that takes a value. `groups` has the output "result" and one bool for each of
    `errors` (True: the original raises it).
    """

    rows: Program
    aggregates: tuple[Aggregate, ...]
    groups: Program
    errors: tuple[str, ...]


class _Compiler:
    def __init__(
        self,
        request: PipelineRequest,
        udf: Udf,
        function: Callable[..., Any],
        kind: AggregateKind | None = None,
        exact: bool = False,
    ) -> None:
        self.request, self.udf, self.function = request, udf, function
        self.notes: list[str] = []
        self.kept: list[tuple[str, str]] = []
        check_compared(udf.name)
        if udf.eval_type not in KINDS:
            raise refusal("SW386", udf.name, eval_type=udf.eval_type)
        self.kind = kind or KINDS[udf.eval_type]()
        if not udf.deterministic:
            raise refusal("SW207", udf.name)
        self.kind.check_confs(request.conf.pandas, udf.name)
        options = options_of(function)
        if options.backend == "python":
            raise refusal("SW700", udf.name)
        self.exact = exact or options.exact or request.conf.exact
        self.prepared: Prepared = prepare(function, self.kind.stand_in)
        self.place = self.prepared.place

    def reply(self) -> AggregateReply:
        nullable = [i.name for i in self.request.inputs if i.nullable and i.type not in ("float", "double")]
        stateful = nullable if self.kind.sees_states else []
        if len(stateful) > MAX_STATES:
            raise refusal("SW388", self.place, count=len(stateful), limit=MAX_STATES)
        merged = _Merged(self.request.inputs, self.place)
        result: Expression | None = None
        every = [dict(zip(stateful, nulls, strict=True)) for nulls in itertools.product((False, True), repeat=len(stateful))]
        forms = [(states, self._form({name for name, has in states.items() if has})) for states in every]
        for states, form in reversed(forms):  # forms with NULLs first: forms without NULLs can reuse their aggregates
            expr = merged.add(form, frozenset(name for name, has in states.items() if not has))
            result = expr if result is None else choice(merged.states(states), expr, result, ir_type_of(expr))
        assert result is not None
        return AggregateReply(
            aggregates=tuple(merged.aggregates),
            columns=tuple(column.reply() for column in merged.columns),
            result=result,
            kept=tuple(Approximation(op=op, bound=bound) for op, bound in dict.fromkeys(self.kept)),
            notes=tuple(self.notes),
            udfs=(UdfNotes(name=self.udf.name, notes=("", f"{len(merged.aggregates)} aggregates", *self.notes)),),
        )

    def _form(self, with_nulls: set[str]) -> Form:
        columns = [
            Column(i.name, i.type, i.nullable, "nullable" if i.name in with_nulls else "dense") for i in self.request.inputs
        ]
        if not self.kind.sees_states:
            columns = [replace(column, state="nullable") for column in columns]
        inputs = [Input(c.name, ir_type(c.spark_type, c.holds_null, c.title)) for c in columns]
        builder = ProgramBuilder(self.udf.name, inputs)
        return _Trace(self, builder, Columns(builder, columns)).form()


class _Trace:
    """The trace of the function on one form of its columns."""

    def __init__(self, owner: _Compiler, builder: ProgramBuilder, columns: Columns) -> None:
        self.owner, self.builder, self.columns = owner, builder, columns
        self.loop = columns.loop(owner.udf.name)
        self.groups = ReducedGroups(frames=isinstance(owner.request, AggregateRequest) and owner.request.frames != 0)

    def form(self) -> Form:
        positional, named = self._arguments()
        kept: list[tuple[str, str]] = []
        owner = self.owner
        with owner.prepared.checked():
            result = trace(
                owner.prepared.function,
                positional,
                named,
                loop=self.loop,
                exact=owner.exact,
                place=owner.place,
                notes=owner.notes,
                kept=kept,
                groups=self.groups,
            )
        rows = self._rows()
        groups, errors = self._result(result)
        owner.kept += [*kept, *_kept(rows, owner), *_kept(groups, owner)]
        form = Form(rows, tuple(self.groups.aggregates), groups, errors)
        probe(owner.function, positional, named, form, owner.kind, owner.place, rounded=bool(kept))
        return form

    def _rows(self) -> Program:
        for aggregate in self.groups.aggregates:
            if aggregate.value is not None:
                self.loop.append(aggregate.name, aggregate.value)
        self.loop.close()
        program = optimize(self.builder.finish([a.name for a in self.groups.aggregates if a.value is not None]))
        if program.loops[0].guards:
            raise refusal("SW384", self.owner.place)
        return program

    def _result(self, result: Any) -> tuple[Program, tuple[str, ...]]:
        """Returns the program of the converted result and its errors; each guard becomes an error that PySpark raises for the
        group.
        """
        loop, to = self.groups.loop, str(self.owner.udf.return_type)
        if loop.guards:
            raise refusal("SW384", self.owner.place)
        raises = list(self.groups.raises)
        checked = checks_results(self.owner.request.conf.pandas)
        value, of = self.owner.kind.result(self.groups, result, to, self.owner.place, checked)
        if loop.guards:
            self.owner.kind.check_misfits(self.owner.request.conf.pandas, self.owner.place)
        for guard in loop.guards:
            failed = loop.call("logical_not", replace(value, id=guard, type=BOOL))
            raises.append((failed, f"{self.owner.kind.misfit}: a {of} result does not fit the return type {to}"))
        loop.guards.clear()
        loop.append("result", value)
        for i, (condition, _) in enumerate(raises):
            loop.append(f"error{i}", condition)
        loop.close()
        program = optimize(self.groups.builder.finish(["result", *(f"error{i}" for i in range(len(raises)))]))
        return program, tuple(error for _, error in raises)

    def _arguments(self) -> tuple[list[Any], dict[str, Any]]:
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for position, argument in enumerate(self.owner.udf.args):
            given = argument.value
            if isinstance(given, Udf):
                raise refusal("SW206", self.owner.udf.name, eval_type=given.eval_type)
            value = self._argument(given, f"argument {position + 1} of {self.owner.udf.name}")
            if argument.name is None:
                positional.append(value)
            else:
                named[argument.name] = value
        return positional, named

    def _argument(self, expr: Expression, title: str) -> Any:
        if expr.op == "CreateNamedStruct":  # here a Series of dictionaries, not a DataFrame
            raise refusal("SW101", column=title, type="struct")
        field = self._field(expr, title)
        if field.value.type.is_list:  # Spark's aggregates take no list expression
            raise refusal("SW101", column=title, type=field.spark_type)
        return self.owner.kind.argument(self.loop, field)

    def _field(self, expr: Expression, title: str) -> Field:
        if expr.op == "Column":
            column = self.columns[expr.name]
            state = "nullable" if self.columns.with_nulls([column.name]) else "dense"
            return Field(title, self.columns.read(self.loop, column.name), column.spark_type, state)
        value = expressions.translate(self.loop, expr, self.columns.reader(self.loop))
        state = "nullable" if self.columns.with_nulls(strict_columns(expr)) else "dense"
        if not self.owner.kind.sees_states:
            return Field(title, value, expr.type, state)
        if self.columns.with_nulls(columns_in(expr)) and state == "dense":
            raise refusal("SW324", self.owner.place, column=title, type=expr.type)
        refuse_made_nulls(title, expr.type, value.type, state)
        return Field(title, value, expr.type, state)


class _Merged:
    """The merged aggregates of all forms, without duplicates, and the expressions over them."""

    def __init__(self, inputs: Sequence[requests.Input], place: str) -> None:
        self.aggregates: list[SparkAggregate] = []
        self.columns: list[RowValue] = []
        self._inputs = {i.name: i for i in inputs}
        self._place = place

    def add(self, form: Form, dense: frozenset[str]) -> Expression:
        """Returns a form's result over the merged aggregates. `dense`: columns without a NULL in the form's groups."""
        values = self._values(form.rows)
        names = {a.name: self._name(a.kind, values.get(a.name), a.type.kind, dense) for a in form.aggregates}
        result, *failed = (_renamed(e, names) for e in equivalent_outputs(form.groups, {}, self._place))
        type = ir_type_of(result)
        for condition, error in zip(failed, form.errors, strict=True):
            if condition != literal(False, BOOL):
                result = node("If", type, condition, replace(node("RaisePython", type), error=error), result)
        return result

    def _values(self, rows: Program) -> dict[str, Expression]:
        """Returns each aggregated value as an expression over columns.

        A value without a bit-identical Catalyst expression becomes the result of a scalar UDF.
        """
        nullable = {name: i.nullable for name, i in self._inputs.items()}
        values: dict[str, Expression] = {}
        for name in rows.outputs:
            try:
                (values[name],) = equivalent_outputs(replace(rows, outputs=(name,)), nullable, self._place)
            except Refusal as error:
                values[name] = self._column(rows, name, nullable, error)
        return values

    def _column(self, rows: Program, name: str, nullable: dict[str, bool], otherwise: Refusal) -> Expression:
        (loop,) = rows.loops
        value = next((a.value for a in loop.appends if a.column == name), None)
        if value is None:
            raise otherwise
        made = row_value(loop, value, nullable, f"value {len(self.columns)} of a row", otherwise)
        for known in self.columns:
            if (known.payload, known.columns) == (made.payload, made.columns):
                return row_value(loop, value, nullable, known.name, otherwise).expr
        self.columns.append(made)
        return made.expr

    def states(self, with_nulls: dict[str, bool]) -> Expression:
        """Returns the condition that the group holds NULLs in exactly the columns that `with_nulls` maps to True."""
        found = literal(True, BOOL)
        for name, has in with_nulls.items():
            given = column(name, ir_type(self._inputs[name].type, False, name))
            null = node("If", I64, node("IsNull", BOOL, given), literal(1, I64), literal(0, I64))
            nulls = column(self._name("sum", null, "i64", states=True), I64)
            test = node("GreaterThan" if has else "EqualTo", BOOL, nulls, literal(0, I64))
            found = test if found == literal(True, BOOL) else node("And", BOOL, found, test)
        return found

    def _name(
        self, kind: str, expr: Expression | None, type: str, dense: frozenset[str] = frozenset(), states: bool = False
    ) -> str:
        """Returns the aggregate's name; reuses one that is equal for groups without a NULL in the columns `dense`.

        `states`: the aggregate covers all rows of a Series, also rows outside a window's frame.
        """
        entry = SparkAggregate(kind=kind, expr=expr, type=type, states=states)
        plain = None if expr is None else where_not_null(expr, dense)
        for at, known in enumerate(self.aggregates):
            if replace(known, expr=expr) == entry:
                if (None if known.expr is None else where_not_null(known.expr, dense)) == plain:
                    return f"aggregate{at}"
        self.aggregates.append(entry)
        return f"aggregate{len(self.aggregates) - 1}"


def ir_type_of(expr: Expression) -> Any:
    return ir_type(expr.type, False, "the result")


def _renamed(expr: Expression, names: dict[str, str]) -> Expression:
    if expr.op == "Column":
        return replace(expr, name=names[expr.name])
    return replace(expr, args=tuple(_renamed(arg, names) for arg in expr.args)) if expr.args else expr


def _kept(program: Program, owner: _Compiler) -> list[tuple[str, str]]:
    """Returns (op, bound) of the approximate ops of a program; refuses them in exact mode (SW232).

    No approximate op has an equivalent Catalyst expression today, so other modes refuse such a program later.
    """
    found = [(let.op, let.op.bound) for loop in program.loops for let in loop.body if let.op.bound is not None]
    if found and owner.exact:
        raise refusal("SW232", owner.place, op=str(found[0][0]), bound=found[0][1])
    return [(getattr(op, "fn", op.name), str(bound)) for op, bound in found]


__all__ = ["Form", "compile_aggregate", "compile_as"]
