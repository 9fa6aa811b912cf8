"""Asks the compiler about one UDF and its argument columns, in this process and without a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sparkweld.contract.constants import GROUPED_AGG_ARROW, GROUPED_AGG_PANDAS, GROUPED_MAP_PANDAS, MAP_ARROW, MAP_PANDAS
from sparkweld.contract.decoding import return_type_of
from sparkweld.contract.expressions import Expression
from sparkweld.contract.replies import AggregateReply, Compiled, RefusalRecord, Refused
from sparkweld.contract.requests import (
    AggregateRequest,
    Argument,
    CompileRequest,
    GroupsStep,
    Input,
    MapStep,
    PipelineRequest,
    PythonStep,
    Settings,
    State,
    Udf,
    UdfEntry,
)
from sparkweld.contract.spark_types import columns_of
from sparkweld.reasons import has

if TYPE_CHECKING:
    from sparkweld.ir import Program

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
    state: State = "dense"

    @property
    def input(self) -> Input:
        return Input(name=self.name, type=self.type, nullable=self.nullable, state=self.state)

    def expression(self) -> Expression:
        return Expression(op="Column", name=self.name, type=self.type, nullable=self.nullable)


@dataclass(frozen=True)
class Struct:
    """A struct that the query builds from columns; `names` are those of its fields."""

    columns: tuple[Given, ...]
    names: tuple[str, ...]

    def expression(self) -> Expression:
        args = tuple(column.expression() for column in self.columns)
        return Expression(op="CreateNamedStruct", type="struct", nullable=False, names=self.names, args=args)


@dataclass(frozen=True)
class Answer:
    """The compiler's reply, and the program if there is one; aggregates have none.

    `reads_batch`: why a function that compiles is not row-local; None if it is, or if it is refused. `logical`: the program
    before layouts were chosen for it.
    """

    reply: Compiled | AggregateReply | Refused
    program: Program | None = None
    reads_batch: RefusalRecord | None = None
    logical: Program | None = None


def ask(
    payload: bytes,
    name: str,
    return_type: Any,
    eval_type: int,
    arguments: Sequence[Given | Struct],
    windowed: bool = False,
) -> Answer:
    """Returns the compiler's answer. `return_type`: Spark's JSON of the declared type.

    A function of columns gets `arguments`; a function that returns rows gets all of them as one struct. That of `applyInPandas`
    gets the struct of its columns and that of its keys. `windowed`: an aggregate is used over a window.
    Raises InternalError for bugs of SparkWeld.
    """
    return _answer(request_of(name, return_type, eval_type, arguments), payload, eval_type, windowed)


def request_of(name: str, return_type: Any, eval_type: int, arguments: Sequence[Given | Struct]) -> PipelineRequest:
    """Builds the request about the function in its first blob."""
    columns = [c for a in arguments for c in (a.columns if isinstance(a, Struct) else (a,))]
    given = list(arguments)
    if eval_type in MAPS:
        given = [Struct(tuple(columns), tuple(c.name for c in columns))]
    declared = return_type_of(return_type)
    args = tuple(Argument(expr=argument.expression()) for argument in given)
    udf = Udf(name=name, payload=0, eval_type=eval_type, return_type=declared, args=args)
    stored = columns_of(declared)
    outputs = ("result",) if stored is None else tuple(f"result{at}" for at in range(len(stored)))
    step: PythonStep | MapStep
    if eval_type in MAPS or eval_type == GROUPED_MAP_PANDAS:
        step = MapStep(name=name, udf=udf, results=outputs)
    else:
        step = PythonStep(udfs=(UdfEntry(name=name, result="result", udf=udf, fields=() if stored is None else outputs),))
    inputs, conf = tuple(c.input for c in dict.fromkeys(columns)), Settings(timezone="UTC")
    if eval_type in AGGREGATES:
        return AggregateRequest(op="aggregate", label=name, inputs=inputs, steps=(step,), outputs=outputs, conf=conf)
    return CompileRequest(op="compile", label=name, inputs=inputs, steps=(step,), outputs=outputs, conf=conf)


def _group_by_group(request: PipelineRequest, payload: bytes) -> Answer:
    """Returns the answer for a kernel that computes the aggregate of each group."""
    from sparkweld.kernels import check_size
    from udf_compiler.requests.pipeline import compile_pipeline

    step, conf = GroupsStep(udfs=(request.first_udf,)), request.conf
    asked = CompileRequest(
        op="compile", label=request.label, inputs=request.inputs, steps=(step,), outputs=request.outputs, conf=conf
    )
    made = compile_pipeline(asked, [payload], check_size)
    return Answer(made.reply, made.program)


def _answer(request: PipelineRequest, payload: bytes, eval_type: int, windowed: bool) -> Answer:
    # the compiler takes a second to load, and only a decorated or examined function needs it
    from sparkweld.kernels import check_size
    from udf_compiler.backends.aggregates import compile_aggregate
    from udf_compiler.requests.pipeline import compile_pipeline
    from udf_compiler.service.replies import or_refused

    if eval_type in AGGREGATES:
        reply = or_refused(compile_aggregate, request, [payload])
        grouped = isinstance(reply, Refused) and eval_type == GROUPED_AGG_PANDAS and not windowed
        alone = _group_by_group(request, payload) if grouped else None
        if isinstance(alone, Answer) and isinstance(reply, Refused) and isinstance(alone.reply, Refused):
            return Answer(replace(reply, refusals=(*reply.refusals, *alone.reply.refusals)))
        return alone or Answer(reply)
    made = compile_pipeline(request, [payload], check_size)
    if isinstance(made.reply, Refused) and has(made.reply.refusals[0].code, "reads_other_rows"):
        whole = compile_pipeline(replace(request, whole_batches=True), [payload], check_size)
        if whole.program is not None:
            return Answer(whole.reply, whole.program, made.reply.refusals[0])
    return Answer(made.reply, made.program, logical=made.logical)
