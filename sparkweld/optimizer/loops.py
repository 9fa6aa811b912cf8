"""Merges loops, and orders them by domain depth: shared code of the fusion passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sparkweld.ir import Append, Let, Loop, Program
from sparkweld.ir.ops import Call, Read
from sparkweld.ir.program import domain_parents, output_domain


def live_domains(program: Program) -> list[str]:
    """Returns the domains from `ROWS` down to the result's."""
    parents = domain_parents(program)
    chain = [output_domain(program)]
    while (parent := parents[chain[-1]]) is not None:
        chain.append(parent)
    return chain[::-1]


def is_chain(program: Program) -> bool:
    """Whether every domain leads to the result: each has at most one filter."""
    return len(live_domains(program)) == len(domain_parents(program))


def loops_over(program: Program, domain: str) -> list[Loop]:
    """Returns the loops over one domain, in order."""
    return [loop for loop in program.loops if loop.domain == domain]


def read_columns(loop: Loop) -> set[str]:
    """Returns the names of the columns that a loop reads."""
    return {let.op.column for let in loop.body if isinstance(let.op, Read)}


def appended_columns(loop: Loop) -> set[str]:
    """Returns the names of the columns that a loop appends."""
    return {append.column for append in loop.appends}


def guarded_values(loop: Loop) -> set[int]:
    """Returns the values that guards depend on: they are required in every row of the loop."""
    found = {*loop.guards, *(value for pair in loop.some for value in pair)}
    for value in range(len(loop.body) - 1, -1, -1):
        if value in found:
            found.update(loop.body[value].args)
    return found


def replace_pair(program: Program, first: Loop, second: Loop, merged: Loop) -> Program:
    """Replaces two loops of a chain of domains by `merged`.

    Loops are ordered by the depth of their domains, which is always legal: a loop reads only columns of its own domain and its
    ancestors. The merged loop takes the position of `first`. Callers ensure that `second` reads no column of a loop between the
    two.
    """
    depth = {domain: at for at, domain in enumerate(live_domains(program))}
    loops = [merged if loop is first else loop for loop in program.loops if loop is not second]
    return replace(program, loops=tuple(sorted(loops, key=lambda loop: depth[loop.domain])))


def merge_pairs(program: Program, find: Callable[[Program], tuple[Loop, Loop] | None]) -> Program:
    """Merges the pair of loops that `find` returns until it returns None; returns the same object when there was none.

    A program with dead filters is left unchanged: its domains form no chain, so its loops have no order of depth.
    """
    if not is_chain(program):
        return program
    while pair := find(program):
        program = replace_pair(program, *pair, merge(*pair))
    return program


def merge(first: Loop, second: Loop) -> Loop:
    """Merges two loops into one over `first`'s domain; reads of `first`'s columns become its values.

    Either both run over one domain, at most one of them with a `where`, or `second` runs over the domain that `first` creates.
    In the second case it is predicated. It computes its values for all rows, since every op is total. A guard g becomes ``not
    where or g``, so that dropped rows pass it. A pair `(among, wanted)` of `some` asks only among the rows that pass. Its own
    `where` becomes the conjunction of both.
    """
    body = list(first.body)
    columns = {append.column: append.value for append in first.appends}
    at = _transplant(body, second.body, columns)
    guards = [at[guard] for guard in second.guards]
    some = [(at[among], at[wanted]) for among, wanted in second.some]
    appends = (*first.appends, *(Append(a.column, at[a.value]) for a in second.appends))
    where, makes = first.where, first.makes
    if second.where is not None:
        where, makes = at[second.where], second.makes
    if first.where is not None and second.domain == first.makes:
        guards = _weakened(body, first.where, guards)
        some = _within(body, first.where, some)
        if second.where is not None:
            where = _emit(body, Call("logical_and"), first.where, at[second.where])
    name = f"{first.name}, {second.name}"
    return Loop(name, first.domain, tuple(body), appends, (*first.guards, *guards), where, makes, (*first.some, *some))


def weaken_guards(loop: Loop, where: Let) -> Loop:
    """Returns the loop with guards that hold wherever the bool value of `where` is False."""
    if not loop.guards and not loop.some:
        return loop
    body = [*loop.body, where]
    at = len(body) - 1
    guards, some = _weakened(body, at, loop.guards), _within(body, at, loop.some)
    return replace(loop, guards=tuple(guards), some=tuple(some), body=tuple(body))


def _transplant(body: list[Let], lets: Sequence[Let], columns: dict[str, int]) -> list[int]:
    """Appends `lets` to `body`; returns the new position of each."""
    at: list[int] = []
    for let in lets:
        if isinstance(let.op, Read) and let.op.column in columns:
            at.append(columns[let.op.column])
            continue
        body.append(Let(let.op, tuple(at[a] for a in let.args)))
        at.append(len(body) - 1)
    return at


def _weakened(body: list[Let], where: int, guards: Sequence[int]) -> list[int]:
    if not guards:
        return []
    dropped = _emit(body, Call("logical_not"), where)
    return [_emit(body, Call("logical_or"), dropped, guard) for guard in guards]


def _within(body: list[Let], where: int, some: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(_emit(body, Call("logical_and"), where, among), wanted) for among, wanted in some]


def _emit(body: list[Let], call: Call, *args: int) -> int:
    body.append(Let(call, args))
    return len(body) - 1
