"""Finds which instructions of a function an exception handler or a cleanup protects, for each version of CPython."""

from __future__ import annotations

import dis
from functools import lru_cache
from types import CodeType
from typing import NamedTuple


class Range(NamedTuple):
    """The instructions from offset `start` up to `end` continue at `target` after an exception.

    `handles`: user code may end the exception there. Otherwise code only cleans up and raises it again.
    """

    start: int
    end: int
    target: int
    handles: bool


@lru_cache(maxsize=512)
def exception_ranges(code: CodeType) -> tuple[Range, ...]:
    """Returns the ranges of a function, in the order of their offsets; an inner one is the only one of its instructions."""
    instructions = list(dis.get_instructions(code))
    at = {i.offset: n for n, i in enumerate(instructions)}
    entries = getattr(dis.Bytecode(code), "exception_entries", None)
    if entries is not None:
        pairs = zip(instructions, instructions[1:], strict=False)
        handlers = {i.offset for i, after in pairs if i.opname == "PUSH_EXC_INFO" and after.opname != "WITH_EXCEPT_START"}
        return tuple(Range(e.start, e.end, e.target, e.target in handlers) for e in entries)
    found: list[Range] = []
    targets = _targets(instructions, at)
    for n, target in enumerate(targets):
        if target is None:
            continue
        start, end = instructions[n].offset, instructions[n].offset + 2
        if found and found[-1].end == start and found[-1].target == target:
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(Range(start, end, target, _handles(instructions, at[target])))
    return tuple(found)


def _targets(instructions: list[dis.Instruction], at: dict[int, int]) -> list[int | None]:
    """Returns the target of each instruction of CPython 3.10, from the blocks that are open on the way to it."""
    found: list[int | None] = [None] * len(instructions)
    seen = set[int]()
    work: list[tuple[int, tuple[int | None, ...]]] = [(0, ())]
    while work:
        n, blocks = work.pop()
        if n in seen or n >= len(instructions):
            continue
        seen.add(n)
        i = instructions[n]
        found[n] = next((target for target in reversed(blocks) if target is not None), None)
        if i.opname in ("POP_BLOCK", "POP_EXCEPT"):
            blocks = blocks[:-1]
        if i.opname.startswith("SETUP_"):  # of try, with and async with; the handler itself is a block, which POP_EXCEPT ends
            work += [(at[i.argval], (*blocks, None)), (n + 1, (*blocks, i.argval))]
            continue
        if i.opcode in dis.hasjrel or i.opcode in dis.hasjabs:
            work.append((at[i.argval], blocks))
        if i.opname not in ("RETURN_VALUE", "RAISE_VARARGS", "RERAISE", "JUMP_FORWARD", "JUMP_ABSOLUTE"):
            work.append((n + 1, blocks))
    return found


def _handles(instructions: list[dis.Instruction], n: int) -> bool:
    """Whether this is a handler, not the end of a `with` statement or the deletion of the `e` of ``except Error as e``."""
    names = [i.opname for i in instructions[n : n + 4]]
    deletes = names[:1] == ["LOAD_CONST"] and names[2:3] in (["DELETE_FAST"], ["DELETE_DEREF"]) and names[3:] == ["RERAISE"]
    return names[:1] != ["WITH_EXCEPT_START"] and not deletes
