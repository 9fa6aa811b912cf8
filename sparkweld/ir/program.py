"""Defines programs: loops over row domains whose builders append columns (Weld, arXiv 1709.06416, section 3).

A program reads input columns over the domain `ROWS`. Each loop runs over one domain, computes row-local values in SSA form, and
appends columns or merges its rows into groups. A loop with `where` filters its rows and so creates a new domain. Its columns,
and those of later loops over that domain, belong to the new domain. A loop may read columns of its domain and of the parent
domains, never of a child domain. So a filtered and an unfiltered column cannot be combined.

A program over whole groups of rows also has stages. Each is a row-local program and functions of its whole columns; the loops,
and later stages, read their results like inputs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.merges import Groups, key_type, merge_type
from sparkweld.ir.ops.base import Let
from sparkweld.ir.ops.leaves import Trial
from sparkweld.ir.ops.models import ModelOp
from sparkweld.ir.printing import print_op
from sparkweld.ir.types import Type
from sparkweld.ir.wholes import Whole, whole_type

#: The domain of the input batch.
ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Input:
    """An input column over `ROWS`."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Append:
    """The appender builder: column `column` holds value `value` of each row of the loop's result domain."""

    column: str
    value: int


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop over `domain`.

    `guards` are bool values: a row of `domain` where one is False is flagged, and a kernel may not decide it. `some` are pairs
    of bool values `(among, wanted)`. When some row of `domain` has the first and none has both, every row that has the first is
    flagged. This detects, for example, a batch without any string. With `where`, the loop creates the domain `makes` of the
    rows where that bool value is True, and its appends belong to it. Guards still cover every row of `domain`. With `groups`,
    the loop merges its rows, and its body only reads columns. The merge is a program of its own, since a batch is merged only
    once no row of it is flagged.
    """

    name: str
    domain: str
    body: tuple[Let, ...]
    appends: tuple[Append, ...] = ()
    guards: tuple[int, ...] = ()
    where: int | None = None
    makes: str | None = None
    some: tuple[tuple[int, int], ...] = ()
    groups: Groups | None = None

    @property
    def result_domain(self) -> str:
        """The domain of the appended columns."""
        return self.makes or self.domain


@dataclass(frozen=True, slots=True)
class Stage:
    """Functions of whole columns over `ROWS`, which the outputs of `program` are.

    The inputs of `program` are inputs of the whole program and results of earlier stages. It has no stages, guards, filters and
    models.
    """

    program: Program
    wholes: tuple[Whole, ...]

    @property
    def results(self) -> tuple[Input, ...]:
        """Returns the columns that it makes. Raises VerifyError when a function does not accept its arguments."""
        columns = column_types(self.program)
        return tuple(Input(w.column, whole_type(w.fn, tuple(columns[arg] for arg in w.args))) for w in self.wholes)


@dataclass(frozen=True, slots=True)
class Program:
    """A sequence of loops, and the names of the result columns. All outputs belong to one domain. `stages` run first."""

    name: str
    inputs: tuple[Input, ...]
    loops: tuple[Loop, ...]
    outputs: tuple[str, ...]
    stages: tuple[Stage, ...] = ()
    _digest: list[str] = field(default_factory=list, init=False, compare=False, repr=False)  # a changed copy has its own

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the text form without the digests of its blocks: identifies the program's code in caches."""
        if not self._digest:
            self._digest.append(hashlib.sha256(print_program(self, contents=False).encode()).hexdigest())
        return self._digest[0]

    @property
    def blocks(self) -> tuple[ConstantBlock, ...]:
        """The distinct constant blocks of its ops in the order of first use, which numbers them in the text form and in kernels.
        """
        ops = (let.op for loop in self.loops for let in loop.body)
        return tuple(dict.fromkeys(op.block for op in ops if isinstance(op, ModelOp)))

    @property
    def size(self) -> int:
        """Number of SSA values."""
        return sum(len(loop.body) for loop in self.all_loops)

    @property
    def all_loops(self) -> tuple[Loop, ...]:
        """The loops of all stages, and those of the program itself."""
        return (*(loop for stage in self.stages for loop in stage.program.loops), *self.loops)

    @property
    def last(self) -> Program:
        """The program after its stages, whose results are further inputs of it."""
        results = (i for stage in self.stages for i in stage.results)
        return replace(self, inputs=(*self.inputs, *results), stages=())

    @property
    def has_trials(self) -> bool:
        """Whether a loop contains an optional optimization, which its kernel runs where A/B timing favours it."""
        return any(isinstance(let.op, Trial) for loop in self.loops for let in loop.body)

    def __str__(self) -> str:
        return print_program(self)


def input_types(program: Program) -> dict[str, Type]:
    """Maps the name of each input column, and of each result of a stage, to its type."""
    return {i.name: i.type for i in (*program.inputs, *(made for stage in program.stages for made in stage.results))}


def body_types(loop: Loop) -> tuple[Type, ...]:
    """Returns the type of each SSA value of a loop. Raises VerifyError when an op does not accept its argument types."""
    types: list[Type] = []
    for let in loop.body:
        types.append(let.op.infer(*(types[a] for a in let.args)))
    return tuple(types)


def group_columns(loop: Loop, types: tuple[Type, ...]) -> dict[str, Type]:
    """Maps the name of each key and merge column to its type.

    Raises VerifyError when one does not accept the type of its value.
    """
    if loop.groups is None:
        return {}
    keys = {key.column: key_type(types[key.value]) for key in loop.groups.keys}
    values = [(m, None if m.value is None else types[m.value]) for m in loop.groups.merges]
    return {**keys, **{m.column: merge_type(m.fn, value) for m, value in values}}


def column_types(program: Program) -> dict[str, Type]:
    """Maps the name of every column, input or appended, to its type."""
    columns = input_types(program)
    for loop in program.loops:
        types = body_types(loop)
        columns.update((a.column, types[a.value]) for a in loop.appends)
        columns.update(group_columns(loop, types))
    return columns


def output_types(program: Program) -> tuple[Type, ...]:
    """Returns the types of the output columns, in order."""
    columns = column_types(program)
    return tuple(columns[name] for name in program.outputs)


def domain_parents(program: Program) -> dict[str, str | None]:
    """Maps each domain to the domain that it filters (None for `ROWS`)."""
    parents: dict[str, str | None] = {ROWS: None}
    for loop in program.loops:
        if loop.makes is not None:
            parents[loop.makes] = loop.domain
    return parents


def output_domain(program: Program) -> str:
    """Returns the domain of the outputs, or that of the last filter when there are no outputs."""
    makers = {a.column: loop.result_domain for loop in program.loops for a in loop.appends}
    for groups in (loop.groups for loop in program.loops if loop.groups is not None):
        makers.update((part.column, groups.domain) for part in groups.parts)
    for name in program.outputs:
        return makers.get(name, ROWS)
    made = [loop.makes for loop in program.loops if loop.makes is not None]
    return made[-1] if made else ROWS


def print_program(program: Program, *, contents: bool = True) -> str:
    """Returns the text form, from which `parse_program` restores an equal program.

    Without `contents`, omits the digests of blocks.
    """
    lines = [f"program {json.dumps(program.name)} {{"]
    lines += [f"  input {json.dumps(i.name)}: {i.type}" for i in program.inputs]
    blocks = {block: number for number, block in enumerate(program.blocks)}
    for block, number in blocks.items():
        lines.append(f"  block @{number} {block if contents else replace(block, digest='')}")
    for stage in program.stages:
        lines += ["  stage {", *(f"    {line}" for line in print_program(stage.program).splitlines())]
        lines += [f"    whole {json.dumps(w.column)} = {' '.join([w.fn, *map(json.dumps, w.args)])}" for w in stage.wholes]
        lines.append("  }")
    for loop in program.loops:
        lines += _print_loop(loop, blocks)
    lines += [f"  output {json.dumps(name)}" for name in program.outputs]
    return "\n".join([*lines, "}", ""])


def _print_loop(loop: Loop, blocks: Mapping[ConstantBlock, int]) -> Iterator[str]:
    where = f" where %{loop.where} -> {loop.makes}" if loop.where is not None else ""
    by = f" by -> {loop.groups.domain}" if loop.groups is not None else ""
    yield f"  loop {json.dumps(loop.name)} over {loop.domain}{where}{by} {{"
    for index, (let, type) in enumerate(zip(loop.body, body_types(loop), strict=True)):
        args = "".join(f" %{a}" for a in let.args)
        yield f"    %{index}: {type} = {print_op(let.op, blocks)}{args}"
    yield from (f"    guard %{guard}" for guard in loop.guards)
    yield from (f"    guard some %{wanted} of %{among}" for among, wanted in loop.some)
    yield from (f"    append {json.dumps(a.column)} = %{a.value}" for a in loop.appends)
    if loop.groups is not None:
        yield from (f"    key {json.dumps(k.column)} = %{k.value}" for k in loop.groups.keys)
        for merge in loop.groups.merges:
            yield f"    merge {json.dumps(merge.column)} = {merge.fn}" + ("" if merge.value is None else f" %{merge.value}")
    yield "  }"
