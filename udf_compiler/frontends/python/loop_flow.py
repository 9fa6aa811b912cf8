"""Proves from the bytecode that a loop only appends to new lists, each of which then flows into one call and nowhere else.

    out = []
    for x, y in zip(a, b):
        ...
        out.append(f(x, y))
    return pd.Series(out)

No round may read what another one has assigned, and the loop may not end early. How often a path appends is seen when it runs.
After the loop, code may go on to the next round of an outer loop where the list is empty: ``if rows: yield pd.DataFrame(rows)``.
"""

from __future__ import annotations

import dis
from collections.abc import Container, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType

from udf_compiler.frontends.python.flow import Flow, call_after_load, call_of_method, decoded, locals_of
from udf_compiler.frontends.tracing.exception_ranges import exception_ranges
from udf_compiler.frontends.tracing.frames import CALLS, METHOD_LOADS
from udf_compiler.function.captured_changes import base_of_change, changes

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
    tests = _tests(code, graph, body, live, start)
    calls = {name: call for name in lists if (call := _call_of(instructions, name, body, appends, start, tests)) is not None}
    if len(calls) < len(lists):
        return None
    made = (call_of_method(instructions[n + 1 :]) for n in appends)
    tested = any(name in lists for n in tests for _, name in _effects(instructions[n]))
    carried = frozenset[str]().union(*tests.values()) if tested else None
    return Flow(frame, calls, lists.union(written), frozenset(call for call in made if call is not None), carried)


def _call_of(
    instructions: list[dis.Instruction], items: str, body: frozenset[int], appends: dict[int, str], start: int,
    tests: Container[int],
) -> int | None:  # fmt: skip
    """Returns the offset of the one call after the loop that takes the list, which was made empty before it; else None.

    `tests`: instructions that load it to test whether it is empty.
    """
    writes, reads = list[int](), list[int]()
    for n, instruction in enumerate(instructions):
        for is_read, name in _effects(instruction):
            if name == items:
                (reads if is_read else writes).append(n)
    outside = [n for n in reads if n not in body and n not in tests]
    if len(writes) != 1 or len(outside) != 1 or {n for n in reads if n in body} != {n for n in appends if appends[n] == items}:
        return None
    if not writes[0] < start or not _stores_new_list(instructions, writes[0]) or outside[0] < start:
        return None
    return call_after_load(instructions, outside[0], items)


def _tests(
    code: CodeType, graph: _Graph, body: frozenset[int], live: list[frozenset[str]], start: int
) -> dict[int, frozenset[str]]:
    """Returns the loads of lists that are only tested for emptiness, with the variables that the next round may read.

    Where a list is empty, the code only goes on to the next round of an outer loop. That round reads nothing that this one has
    assigned before the test. Until then, this one changes no object but the item of its round.
    """
    found, instructions = {}, graph.instructions
    for n in range(start + 1, len(instructions)):
        outer = _round_where_empty(instructions, n)
        if outer is None or n in body or instructions[outer + 1].opname != "STORE_FAST":
            continue
        begin, item = outer + 1, instructions[outer + 1].argval
        before = graph.reached(begin, n)
        written = {name for m in before for is_read, name in _effects(instructions[m]) if not is_read}
        changed = {base_of_change(instructions, m) for m in before - body if changes(instructions[m])}
        names = live[begin].union(code.co_cellvars)
        outside = any(instructions[m].opname in ("STORE_DEREF", "STORE_GLOBAL", "STORE_NAME") for m in before)
        if start in before and not written & names and changed <= {item} and not outside:
            found[n] = names
    return found


def _round_where_empty(instructions: list[dis.Instruction], n: int) -> int | None:
    """Returns the FOR_ITER that follows at once where the list that instruction `n` loads is tested, and empty; else None."""
    if instructions[n].opname not in ("LOAD_FAST", "LOAD_FAST_BORROW"):
        return None
    following, if_true = [i for i in instructions[n + 1 : n + 7] if i.opname not in ("TO_BOOL", "PRECALL", "NOP")], True
    if following and following[0].opname in CALLS and following[0].arg == 1 and _loads_len(instructions, n):
        following = following[1:]
        if len(following) > 2 and following[0].argval == 0 and following[1].opname == "COMPARE_OP":
            if following[1].argval not in (">", "!=", "=="):
                return None
            following, if_true = following[2:], following[1].argval != "=="
    if not following or not following[0].opname.startswith("POP_JUMP"):
        return None
    jump = following[0]
    at = {instruction.offset: index for index, instruction in enumerate(instructions)}
    jumps_where_empty = ("IF_FALSE" in jump.opname) == if_true
    next_one = _index(at, jump.argval) if jumps_where_empty else at[jump.offset] + 1
    return _next_round(instructions, next_one, at) if jump.opname.endswith(("IF_FALSE", "IF_TRUE")) else None


def _loads_len(instructions: list[dis.Instruction], n: int) -> bool:
    """Whether the instruction before `n` loads the function len, below the argument of a call."""
    before = next(i for i in reversed(instructions[:n]) if i.opname != "PUSH_NULL")
    return before.opname == "LOAD_GLOBAL" and before.argval == "len"


def _next_round(instructions: list[dis.Instruction], n: int, at: dict[int, int]) -> int | None:
    """Returns the FOR_ITER to which code at an index only jumps; else None."""
    for _ in range(8):
        instruction = instructions[n]
        if instruction.opname == "FOR_ITER":
            return n
        if instruction.opname in _JUMPS:
            n = _index(at, instruction.argval)
        elif instruction.opname == "NOP":
            n += 1
        else:
            return None
    return None


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
    ranges = exception_ranges(code)
    after = []
    for n, instruction in enumerate(instructions):
        following: tuple[int, ...] = () if instruction.opname in (*_JUMPS, *_ENDS) or n + 1 == len(instructions) else (n + 1,)
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            following += (_index(at, instruction.argval),)
        caught = (_index(at, r.target) for r in ranges if r.start <= instruction.offset < r.end)
        after.append((*following, *caught))
    return _Graph(instructions, after)


def _index(at: dict[int, int], offset: int) -> int:
    """Returns the index of the instruction at an offset, or of the first one after inline caches there."""
    return at[min(known for known in at if known >= offset)]
