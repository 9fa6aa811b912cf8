"""Answers the compile requests whose reply is about Catalyst, not about a kernel.

- `catalyst_equivalent`: the equivalent expressions of a request's results.
- `implied`: bounds of a column that the filter implies.
- `side_condition`: a condition on one of two joined tables that the filter above them implies.
- `independent`: whether the results are the same in any batch, so that Spark may move the expression.
- `reads`: the columns that the results depend on.
- `parts`: the terms that columns of two joined tables add to a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial, reduce

from sparkweld.contract.constants import ARROW_BATCHED, BATCHED
from sparkweld.contract.expressions import Expression
from sparkweld.contract.replies import (
    Compiled,
    EquivalentReply,
    ImpliedReply,
    IndependentReply,
    PartsReply,
    ReadsReply,
    Refused,
)
from sparkweld.contract.requests import Input, PartsRequest, PipelineRequest, SideConditionRequest
from sparkweld.ir import Program
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import BOOL
from sparkweld.reasons import refusal
from udf_compiler.backends.catalyst.expressions import equivalent_outputs
from udf_compiler.backends.catalyst.monotone import implied_bounds
from udf_compiler.backends.catalyst.nodes import node
from udf_compiler.backends.catalyst.parts import score_parts
from udf_compiler.backends.catalyst.side_conditions import side_condition
from udf_compiler.function.options import options_of
from udf_compiler.function.payload import load_command
from udf_compiler.requests.pipeline import compile_pipeline


def compile_catalyst_equivalent(request: PipelineRequest, blobs: Sequence[bytes]) -> EquivalentReply | Refused:
    """Returns the equivalent expression of each output. The request has no filter.

    Refuses like a kernel compilation. Also refuses a result that depends on its batch (SW390),
    guards (SW391) and an op without an exact equivalent. Refuses (SW394) a function that requests a kernel.
    """
    made = _compiled(request, blobs)
    if isinstance(made, Refused):
        return made
    if any(options_of(load_command(blob).function).backend == "native" for blob in blobs):
        raise refusal("SW394", "")
    reply, program = made
    results = equivalent_outputs(program, {i.name: i.nullable for i in request.inputs})
    notes = tuple(note for udf in reply.udfs for note in udf.notes)
    return EquivalentReply(results=tuple(results), nodes=program.size, kept=reply.kept, notes=notes)


def compile_implied(request: PipelineRequest, blobs: Sequence[bytes]) -> ImpliedReply | Refused:
    """Returns comparisons of a column with a literal that hold where the filter does."""
    made = _compiled(request, blobs)
    return made if isinstance(made, Refused) else ImpliedReply(bounds=tuple(implied_bounds(made[1])))


def compile_side_condition(request: SideConditionRequest, blobs: Sequence[bytes]) -> ImpliedReply | Refused:
    """Returns the conjuncts of a condition on the inputs that are not in `others`, which the filter implies.

    All inputs in `others` may be NULL in any row. Where nothing is found for rows with NULLs in the other inputs, such rows are
    kept. The functions see rows, not batches.
    """
    made = _side_condition(request, blobs, request.inputs)
    if not isinstance(made, Refused) and made:
        return ImpliedReply(bounds=tuple(made))
    nullable = [i for i in request.inputs if i.nullable and i.name not in request.others]
    if not nullable:
        return made if isinstance(made, Refused) else ImpliedReply(bounds=())
    dense = tuple(replace(i, nullable=False, state="dense") if i in nullable else i for i in request.inputs)
    made = _side_condition(request, blobs, dense)
    if isinstance(made, Refused) or not made:
        return made if isinstance(made, Refused) else ImpliedReply(bounds=())
    tests = [node("IsNull", BOOL, Expression(op="Column", type=i.type, name=i.name)) for i in nullable]
    return ImpliedReply(bounds=(reduce(partial(node, "Or", BOOL), (*tests, reduce(partial(node, "And", BOOL), made))),))


def _side_condition(request: SideConditionRequest, blobs: Sequence[bytes], given: Sequence[Input]) -> list[Expression] | Refused:
    inputs = tuple(replace(i, state="nullable") if i.nullable else i for i in given)
    made = compile_pipeline(replace(request, inputs=inputs), blobs)
    if isinstance(made.reply, Refused):
        return made.reply
    assert made.logical is not None
    return side_condition(made.logical, set(request.others))


def compile_independent(request: PipelineRequest, blobs: Sequence[bytes]) -> IndependentReply | Refused:
    """Proves that a row has the same result in every batch, as all kernels of plain UDFs do.

    Refuses like a kernel compilation. Also refuses a NULL that decides a dtype of its batch (SW390) and a batch without any
    value that behaves differently (SW395). Refuses a row that sends its batch to Python (SW396), unless the function raises
    for it: fewer rows then raise less.
    """
    plain = all(call.eval_type in (BATCHED, ARROW_BATCHED) for call in request.udfs)
    if not plain:
        _refuse_nulls(request, ("float", "double", "string"))
    made = _program(request, blobs)
    if isinstance(made, Refused):
        return made
    if plain:
        return IndependentReply()
    for loop in made[1].loops:
        if loop.some:
            raise refusal("SW395", "")
        if any(loop.body[guard].op != StrCall("valid_utf8") for guard in loop.guards):
            raise refusal("SW396", "")
    return IndependentReply()


def compile_reads(request: PipelineRequest, blobs: Sequence[bytes]) -> ReadsReply | Refused:
    """Returns the names of the inputs that results depend on, in any batch."""
    made = _compiled(request, blobs)
    if isinstance(made, Refused):
        return made
    program = made[1]
    depends_on_batch = any(loop.some for loop in program.loops)
    return ReadsReply(inputs=tuple(i.name for i in (request.inputs if depends_on_batch else program.inputs)))


def compile_parts(request: PartsRequest, blobs: Sequence[bytes]) -> PartsReply | Refused:
    """Returns the result of `score_parts`. `others` in the request names inputs of a joined table.

    Refuses like a kernel compilation. Also refuses a NULL that decides a dtype of its batch (SW390), and functions whose
    kernels are approximate (SW397, `kept` in the reply). Of the latter, rows of a batch that Python computes would differ in
    the last digits.
    """
    _refuse_nulls(request, ("float", "double", "string"))
    made = compile_pipeline(request, blobs)
    if isinstance(made.reply, Refused):
        return made.reply
    if made.reply.kept:
        raise refusal("SW397", "", why="its kernel differs from Python in the last digits")
    assert made.logical is not None
    return score_parts(made.logical, {i.name: i.nullable for i in request.inputs}, set(request.others))


def _compiled(request: PipelineRequest, blobs: Sequence[bytes]) -> tuple[Compiled, Program] | Refused:
    """Returns a program without guards over columns without NULLs. Refuses SW390 and SW391."""
    _refuse_nulls(request, ("float", "double"))
    made = _program(request, blobs)
    if not isinstance(made, Refused) and made[0].guarded:
        raise refusal("SW391", "")
    return made


def _program(request: PipelineRequest, blobs: Sequence[bytes]) -> tuple[Compiled, Program] | Refused:
    made = compile_pipeline(request, blobs)
    if isinstance(made.reply, Refused):
        return made.reply
    assert made.program is not None
    return made.reply, made.program


def _refuse_nulls(request: PipelineRequest, apart_from: tuple[str, ...]) -> None:
    for given in request.inputs:
        if given.nullable and given.type not in apart_from:
            raise refusal("SW390", "", column=given.name.partition("#")[0], type=given.type)
