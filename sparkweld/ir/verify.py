"""Verifies programs: scopes, types and domains. Every optimizer pass may rely on these rules and must preserve them."""

from __future__ import annotations

from sparkweld.errors import VerifyError
from sparkweld.ir.merges import MOMENTS
from sparkweld.ir.ops import Arg, ModelOp, Read
from sparkweld.ir.program import ROWS, Loop, Program, Stage, group_columns
from sparkweld.ir.types import BOOL, Type


def verify(program: Program) -> Program:
    """Returns the program itself. Raises VerifyError that names the loop, the statement and the rule."""
    columns: dict[str, tuple[Type, str]] = {}
    for i in program.inputs:
        _require(i.name not in columns, program, f"input {i.name!r} is declared twice")
        columns[i.name] = (i.type, ROWS)
    for stage in program.stages:
        _verify_stage(program, stage, columns)
    parents: dict[str, str | None] = {ROWS: None}
    for loop in program.loops:
        _verify_loop(program, loop, columns, parents)
    domains = set()
    for name in program.outputs:
        _require(name in columns, program, f"output {name!r} is not a column of the program")
        domains.add(columns[name][1])
    _require(len(set(program.outputs)) == len(program.outputs), program, "an output is listed twice")
    _require(len(domains) <= 1, program, f"outputs of different domains: {', '.join(sorted(domains))}")
    return program


def _verify_stage(program: Program, stage: Stage, columns: dict[str, tuple[Type, str]]) -> None:
    inner = verify(stage.program)
    for i in inner.inputs:
        _require(columns.get(i.name) == (i.type, ROWS), program, f"no column {i.name!r} of type {i.type} before a stage")
    decides = any(loop.guards or loop.some or loop.groups or loop.where is not None for loop in inner.loops)
    _require(not inner.stages and not decides, program, "a stage has stages, guards or filters")
    ops = (let.op for loop in (*inner.loops, *program.loops) for let in loop.body)
    _require(not any(isinstance(op, ModelOp) for op in ops), program, "a program with stages has models")
    _require({arg for w in stage.wholes for arg in w.args} <= {*inner.outputs}, program, "a stage lacks a whole column")
    for made in stage.results:
        _require(made.name not in columns, program, f"a stage makes {made.name!r}, which exists already")
        columns[made.name] = (made.type, ROWS)


def _verify_loop(
    program: Program, loop: Loop, columns: dict[str, tuple[Type, str]], parents: dict[str, str | None]
) -> None:
    where = f"loop {loop.name!r}"
    _require(loop.domain in parents, program, f"{where} runs over the unknown domain {loop.domain!r}")
    _require((loop.where is None) == (loop.makes is None), program, f"{where}: `where` and a new domain require each other")
    _require(loop.makes not in parents, program, f"{where} creates the domain {loop.makes!r} a second time")
    _require(loop.makes is None or loop.makes.isidentifier(), program, f"{where}: domain {loop.makes!r} is not an identifier")
    visible = _ancestors(loop.domain, parents)
    types: list[Type] = []
    for index, let in enumerate(loop.body):
        at = f"{where}, %{index} = {let.op.name}"
        _require(all(0 <= a < index for a in let.args), program, f"{at}: an argument is not an earlier value")
        _require(not isinstance(let.op, Arg), program, f"{at}: only a region has arguments")
        if isinstance(let.op, Read):
            _require(let.op.column in columns, program, f"{at}: no column {let.op.column!r} so far")
            type, domain = columns[let.op.column]
            _require(type == let.op.type, program, f"{at}: column {let.op.column!r} is {type}, read as {let.op.type}")
            where_it_is = f"belongs to domain {domain!r}, not to {loop.domain!r}"
            _require(domain in visible, program, f"{at}: column {let.op.column!r} {where_it_is}")
        try:
            types.append(let.op.infer(*(types[a] for a in let.args)))
        except VerifyError as error:
            _require(False, program, f"{at}: {error}")
    pairs = (value for pair in loop.some for value in pair)
    for guard in (*loop.guards, *pairs, *(() if loop.where is None else (loop.where,))):
        _require(0 <= guard < len(types) and types[guard] == BOOL, program, f"{where}: %{guard} is not a bool value of the body")
    if loop.makes is not None:
        parents[loop.makes] = loop.domain
    for append in loop.appends:
        _require(append.column not in columns, program, f"{where} appends {append.column!r}, which exists already")
        _require(0 <= append.value < len(types), program, f"{where} appends %{append.value}, which does not exist")
        columns[append.column] = (types[append.value], loop.result_domain)
    if loop.groups is not None:
        _verify_groups(program, loop, types, columns, parents)


def _verify_groups(
    program: Program, loop: Loop, types: list[Type], columns: dict[str, tuple[Type, str]], parents: dict[str, str | None]
) -> None:
    groups, where = loop.groups, f"loop {loop.name!r}"
    assert groups is not None
    alone = program.loops == (loop,) and not loop.appends and not loop.guards and not loop.some and loop.where is None
    _require(alone, program, f"{where} merges: such a loop must be the program's only one, without appends, guards and filter")
    _require(all(isinstance(let.op, Read) for let in loop.body), program, f"{where} merges, and may only read columns")
    new = groups.domain.isidentifier() and groups.domain not in parents
    _require(new, program, f"{where} has groups {groups.domain!r}, which is not a new identifier")
    merged = [part.value for part in groups.parts if part.value is not None]
    _require(all(0 <= value < len(types) for value in merged), program, f"{where} merges a value that does not exist")
    moments = {(m.fn, m.value) for m in groups.merges if m.fn in MOMENTS}
    together = all((fn, value) in moments for _, value in moments for fn in MOMENTS)
    _require(together, program, f"{where} merges some central moments of a value, but not all three")
    try:
        made = group_columns(loop, tuple(types))
    except VerifyError as error:
        _require(False, program, f"{where}: {error}")
    names = [part.column for part in groups.parts]
    _require(len(made) == len(names) and not made.keys() & columns.keys(), program, f"{where} merges into a column that exists")
    columns.update((name, (type, groups.domain)) for name, type in made.items())


def _ancestors(domain: str, parents: dict[str, str | None]) -> set[str]:
    found: set[str] = set()
    at: str | None = domain
    while at is not None:
        found.add(at)
        at = parents[at]
    return found


def _require(condition: bool, program: Program, message: str) -> None:
    if not condition:
        raise VerifyError(f"program {program.name!r}: {message}")
