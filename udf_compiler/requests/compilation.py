"""Holds the result of compiling a request, and computes facts about its program for the reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparkweld.contract import requests
from sparkweld.contract.replies import Compiled, Refused
from sparkweld.contract.spark_types import unscaled_type
from sparkweld.errors import Refusal
from sparkweld.ir import Input, Program, ProgramBuilder
from sparkweld.ir.layouts.trees import BLOCK
from sparkweld.ir.ops import Call, ListCall, TreeEnsemble
from sparkweld.ir.ops.base import Let, Op
from sparkweld.ir.ops.lists import DOT
from udf_compiler.boundary.columns import Column, Columns, VectorColumns
from udf_compiler.boundary.series import ir_type


@dataclass(frozen=True, slots=True)
class Compilation:
    """The reply to a compile request, and the program with the bytes of its blocks; None when it is refused.

    `logical`: the program before models are bounded and laid out.
    """

    reply: Compiled | Refused
    program: Program | None = None
    logical: Program | None = None


def batch_rows(program: Program) -> int:
    """Returns the number of rows that makes a batch efficient; 0 for any number, or if rows depend on others of their batch.

    The few rows that a filter leaves of a batch still read a whole forest.
    """
    if program.stages or any(loop.some or loop.groups for loop in program.loops):
        return 0
    lets = (let for loop in program.loops if loop.where is not None for let in loop.body)
    rows = max((let.op.block_rows(some=True) for let in lets if isinstance(let.op, TreeEnsemble)), default=0)
    return rows if rows > BLOCK else 0


def kept(program: Program) -> dict[str, str]:
    return {op: bound for loop in program.all_loops for op, bound in kept_in(loop.body).items()}


def _named(op: Op) -> str:
    if isinstance(op, ListCall):
        return DOT
    return op.fn if isinstance(op, Call) else op.name


def kept_in(body: Sequence[Let]) -> dict[str, str]:
    """Returns name -> bound of the ops whose kernels differ from `evaluate` within a documented bound."""
    found: dict[str, str] = {}
    for let in body:
        if let.op.bound is not None:
            found[_named(let.op)] = let.op.bound
    return found


def columns_of_request(request: requests.PipelineRequest, ml: VectorColumns | None = None) -> tuple[ProgramBuilder, Columns]:
    """Returns a new program over the inputs of a request, and its columns; reading a refused input raises its refusal."""
    inputs = [input_of(given) for given in request.inputs]
    builder = ProgramBuilder(request.label, [i for _, i in inputs if isinstance(i, Input)])
    known = [column for column, input in inputs if isinstance(input, Input)]
    refused = {column.name: error for column, error in inputs if isinstance(error, Refusal)}
    return builder, Columns(builder, known, refused, ml)


def input_of(given: requests.Input) -> tuple[Column, Input | Refusal]:
    """Returns a column, and its program input or its refusal."""
    column = Column(given.name, given.type, given.nullable, given.state)
    try:
        of = "string" if given.type == "binary" else unscaled_type(given.type)  # a view of any bytes
        return column, Input(column.name, ir_type(of, column.holds_null, column.title))
    except Refusal as error:
        return column, error
