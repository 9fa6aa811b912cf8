"""Proves from the bytecode that a loop only appends to new lists, each of which then flows into one call and nowhere else.

    out = []
    for x, y in zip(a, b):
        ...
        out.append(f(x, y))
    return pd.Series(out)

No round may read what another one has assigned, and the loop may not end early. How often a path appends is seen when it runs.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType

from udf_compiler.frontends.python.flow import Flow, call_after_load, decoded, locals_of
from udf_compiler.frontends.tracing.frames import METHOD_LOADS

_JUMPS = frozenset(
    "JUMP_FORWARD JUMP_ABSOLUTE JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT JUMP_BACKWARD_QUICK JUMP_NO_INTERRUPT".split()
)
_ENDS = frozenset(("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"))
#: Instructions that exchange the topmost values of the stack, and how many; SWAP has the number as its argument.
_EXCHANGES = {"ROT_TWO": 2, "ROT_THREE": 3, "SWAP": 0}
#: Instructions that no loop may contain: they write outside of its variables, or suspend the function.
_OTHER_WRITES = ("STORE_NAME", "STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR", "DELETE_NAME", "DELETE_GLOBAL", "DELETE_DEREF",
                 "DELETE_ATTR", "DELETE_SUBSCR", "YIELD", "SEND")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Graph:
    """The instructions of a function and the indices of those that follow each, handlers of exceptions included."""

    instructions: list[dis.Instruction]
    after: list[tuple[int, ...]]

    def reached(self, begin: int, stop: int) -> frozenset[int]:
        """Returns what is reached from `begin` without going on from `stop`."""
        found, ahead = set[int](), [begin]
        while ahead:
            n = ahead.pop()
            if n not in found:
                found.add(n)
                ahead += self.after[n] if n != stop else ()
        return frozenset(found)

    def live(self) -> list[frozenset[str]]:
        """Returns the variables that may be read before they are assigned, from each instruction on."""
        live = [frozenset[str]()] * len(self.instructions)
        changed = True
        while changed:
            changed = False
            for n in reversed(range(len(live))):
                names = frozenset[str]().union(*(live[m] for m in self.after[n]))
                for is_read, name in reversed(list(_effects(self.instructions[n]))):
                    names = names | {name} if is_read else names - {name}
                changed |= names != live[n]
                live[n] = names
        return live


def flow_of_appends(frame: FrameType) -> Flow | None:
    """Returns the flow of the lists to which the loop of the frame's FOR_ITER appends; None if the code does not show it."""
    code = frame.f_code
    instructions, start = decoded(frame)
    if instructions[start].opname != "FOR_ITER":
        return None
    graph = _graph(code, instructions)
    end = next(n for n in graph.after[start] if n != start + 1)
    body = graph.reached(start + 1, start) - {start}
    if end in body or any(instructions[n].opname.startswith((*_OTHER_WRITES, "RETURN")) for n in body):
        return None
    appends = {n: name for n in body if (name := _appended(instructions, n)) is not None}
    lists = frozenset(appends.values())
    written = {name for n in body for is_read, name in _effects(instructions[n]) if not is_read}
    live = graph.live()
    if not lists or lists & {*written, *code.co_cellvars, *code.co_freevars} or written & (live[start + 1] | live[end]):
        return None
    calls = {name: call for name in lists if (call := _call_of(instructions, name, body, appends, start)) is not None}
    return Flow(frame, calls, lists.union(written)) if len(calls) == len(lists) else None


def _call_of(
    instructions: list[dis.Instruction], items: str, body: frozenset[int], appends: dict[int, str], start: int
) -> int | None:
    """Returns the offset of the one call after the loop that takes the list, which was made empty before it; else None."""
    writes, reads = list[int](), list[int]()
    for n, instruction in enumerate(instructions):
        for is_read, name in _effects(instruction):
            if name == items:
                (reads if is_read else writes).append(n)
    outside = [n for n in reads if n not in body]
    if len(writes) != 1 or len(outside) != 1 or {n for n in reads if n in body} != {n for n in appends if appends[n] == items}:
        return None
    if not writes[0] < start or not _stores_new_list(instructions, writes[0]) or outside[0] < start:
        return None
    return call_after_load(instructions, outside[0], items)


def _stores_new_list(instructions: list[dis.Instruction], at: int) -> bool:
    """Whether the instruction stores an empty list that no other variable holds, as in ``a = []`` and ``a, b = [], []``."""
    first = last = at
    while _stored(instructions[first - 1]) and first > 0:
        first -= 1
    while last + 1 < len(instructions) and _stored(instructions[last + 1]):
        last += 1
    count = sum(map(_stored, instructions[first : last + 1]))
    while first > 0 and _exchanged(instructions[first - 1]) in range(1, count + 1):
        first -= 1
    made = instructions[max(first - count, 0) : first]
    return len(made) == count and all((i.opname, i.arg) == ("BUILD_LIST", 0) for i in made)


def _exchanged(instruction: dis.Instruction) -> int:
    return _EXCHANGES.get(instruction.opname, 0) or ((instruction.arg or 0) if instruction.opname == "SWAP" else 0)


def _stored(instruction: dis.Instruction) -> int:
    """Returns the number of local variables that an instruction stores."""
    return sum(not is_read for is_read, _ in _effects(instruction)) if instruction.opname.startswith("STORE_FAST") else 0


def _appended(instructions: list[dis.Instruction], n: int) -> str | None:
    """Returns the variable whose method `append` the next instruction loads; None for other instructions."""
    names, following = [name for is_read, name in _effects(instructions[n]) if is_read], instructions[n + 1 : n + 2]
    if not names or not following or following[0].opname not in METHOD_LOADS or following[0].argval != "append":
        return None
    return names[-1]


def _effects(instruction: dis.Instruction) -> Iterator[tuple[bool, str]]:
    """Yields (whether it is a read, local variable), in order. A comprehension only saves its variables and restores them."""
    names, name = locals_of(instruction), instruction.opname
    if name == "STORE_FAST_LOAD_FAST":
        yield from ((False, names[0]), (True, names[1]))
    elif name != "LOAD_FAST_AND_CLEAR":
        yield from ((name.startswith("LOAD_FAST"), n) for n in names)


def _graph(code: CodeType, instructions: list[dis.Instruction]) -> _Graph:
    at = {instruction.offset: n for n, instruction in enumerate(instructions)}
    handlers = [
        (entry.start, entry.end, entry.target) for entry in getattr(dis.Bytecode(code), "exception_entries", None) or ()
    ]
    after = []
    for n, instruction in enumerate(instructions):
        following: tuple[int, ...] = () if instruction.opname in (*_JUMPS, *_ENDS) or n + 1 == len(instructions) else (n + 1,)
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            following += (_index(at, instruction.argval),)
        caught = (_index(at, target) for start, end, target in handlers if start <= instruction.offset < end)
        after.append((*following, *caught))
    return _Graph(instructions, after)


def _index(at: dict[int, int], offset: int) -> int:
    """Returns the index of the instruction at an offset, or of the first one after inline caches there."""
    return at[min(known for known in at if known >= offset)]
