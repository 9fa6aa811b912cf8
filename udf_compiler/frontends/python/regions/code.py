"""Decodes a code object to instructions and analyses their flow: joins, live variables and exception handlers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from types import CodeType

from udf_compiler.frontends.python.regions.versions import Handler, Instruction, decode

#: The variable that accumulates the result of a generator expression.
TOTAL = ".total"
#: The reductions of a generator function, whose elements become a list: of the UDF itself, whose rows they are, and of another.
YIELDS, GENERATED = "yields", "generated"
#: The variable of a region that holds whether it runs for the row.
WHERE = ".where"
#: The instruction that ends a part of a function. Its value has the variables that are the result.
PART_ENDS = "PART_ENDS"

#: Methods that change a list, apart from those that only let it grow, and instructions that do.
_CHANGING = frozenset("pop insert remove sort reverse clear".split())
_CHANGES = ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE")
#: Methods by which a list or dict grows.
_FILLING = frozenset("append extend insert update setdefault".split())
BRANCHES = ("POP_JUMP_IF", "FOR_ITER", "SEND")
_RETURNS = frozenset(("RETURN_VALUE", "RETURN_CONST", "YIELD_VALUE", "RETURN_GENERATOR", "SEND"))
_ENDS = frozenset(("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", PART_ENDS))


@dataclass(frozen=True, slots=True)
class Code:
    """The instructions of a function with their flow analysis.

    `live` has the variables that are read from each instruction on; `handlers` has its exception handler, if any. `joins` are the
    instructions with more than one predecessor.
    """

    instructions: tuple[Instruction, ...]
    joins: frozenset[int]
    live: tuple[frozenset[str], ...]
    handlers: tuple[Handler | None, ...]

    @property
    def heads(self) -> frozenset[int]:
        """The loop heads: targets of backward jumps."""
        return frozenset(i.value for i in self.instructions if i.name.startswith("JUMP_BACKWARD"))

    def following(self, at: int, count: int = 1) -> list[Instruction]:
        """Returns `count` instructions from `at` on, without the PUSH_NULL that CPython 3.10 has between arguments and a call."""
        return [i for i in self.instructions[at : at + 2 * count] if i.name != "PUSH_NULL"][:count]

    @property
    def catches(self) -> bool:
        """Whether user code may catch an exception; the cleanup after a comprehension does not count."""
        return any(h is not None and self.instructions[h.target].name == "PUSH_EXC_INFO" for h in self.handlers)

    @property
    def changes_lists(self) -> bool:
        """Whether it may change a list other than by appending to it."""
        return any(i.name in _CHANGES or (i.name == "LOAD_ATTR" and i.value in _CHANGING) for i in self.instructions)

    @property
    def appends(self) -> bool:
        """Whether it may append to a list."""
        return any(i.name == "LOAD_ATTR" and i.value in ("append", "extend") for i in self.instructions)

    @property
    def collects(self) -> bool:
        """Whether it may fill a list or dict, apart from those of comprehensions."""
        if any(i.name == "STORE_SUBSCR" or (i.name == "LOAD_ATTR" and i.value in _FILLING) for i in self.instructions):
            return True
        makes = any(i.name == "BUILD_LIST" for i in self.instructions)
        return makes and any(i.name == "BINARY_OP" and i.text == "+=" for i in self.instructions)

    @property
    def branches(self) -> bool:
        """Whether there is any jump."""
        return any(len(_successors(self.instructions, i)) != 1 for i in range(len(self.instructions) - 1)) or bool(self.joins)


@lru_cache(maxsize=512)
def code_of(code: CodeType) -> Code:
    """Decodes the instructions of a function and analyses their flow."""
    decoded = decode(code)
    instructions, handlers = decoded.instructions, decoded.handlers
    leads = [0] * len(instructions)
    after = [_successors(instructions, n) for n in range(len(instructions))]
    for following in after:
        for target in set(following):
            leads[target] += 1
    with_handlers = [(*t, *(() if h is None else (h.target,))) for t, h in zip(after, handlers, strict=True)]
    targets = {h.target for h in handlers if h is not None}
    joins = frozenset(n for n, count in enumerate(leads) if count > 1) | targets
    shared = frozenset((*code.co_cellvars, *code.co_freevars, TOTAL)) | decoded.cells
    live = tuple(names | shared for names in _live(instructions, with_handlers))
    return Code(instructions, joins, live, handlers)


def _successors(instructions: tuple[Instruction, ...], n: int) -> tuple[int, ...]:
    instruction = instructions[n]
    if instruction.name in _ENDS:
        return ()
    if instruction.name == "FOR_ITER":
        return n + 1, instruction.value + 1  # past END_FOR, as in the interpreter
    if instruction.name.startswith(BRANCHES):
        return n + 1, instruction.value
    return (instruction.value,) if instruction.name.startswith("JUMP_") else (n + 1,)


def names_of(instruction: Instruction) -> tuple[str, ...]:
    """Returns the local variables of an instruction, in order."""
    if "_FAST" not in instruction.name:
        return ()
    return instruction.value if isinstance(instruction.value, tuple) else (instruction.value,)


def _effects(instruction: Instruction) -> Iterator[tuple[bool, str]]:
    """Yields (whether it is a read, variable), in order."""
    names, name = names_of(instruction), instruction.name
    if name == "STORE_FAST_LOAD_FAST":
        yield from ((False, names[0]), (True, names[1]))
    elif name == "LOAD_FAST_AND_CLEAR":
        yield from ((True, names[0]), (False, names[0]))
    else:
        yield from ((name.startswith("LOAD_FAST"), n) for n in names)


def _live(instructions: tuple[Instruction, ...], after: list[tuple[int, ...]]) -> tuple[frozenset[str], ...]:
    live: list[frozenset[str]] = [frozenset()] * len(instructions)
    changed = True
    while changed:
        changed = False
        for n in reversed(range(len(instructions))):
            names = frozenset[str]().union(*(live[s] for s in after[n] if s < len(live)))
            for is_read, name in reversed(list(_effects(instructions[n]))):
                names = names | {name} if is_read else names - {name}
            changed |= names != live[n]
            live[n] = names
    return tuple(live)


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of a function: its code, the index of its FOR_ITER, and the variables that it reads and assigns.

    `after`: those that code after the loop reads.
    """

    code: Code
    start: int
    read: frozenset[str]
    assigned: frozenset[str]
    after: frozenset[str]

    def ending_with(self, names: tuple[str, ...]) -> Code:
        """Returns the code of the loop alone, whose result are these variables."""
        instructions, end = list(self.code.instructions), self.code.instructions[self.start].value + 2
        instructions[end] = Instruction(PART_ENDS, value=names)
        live = tuple(found | frozenset(names) for found in self.code.live)
        return replace(self.code, instructions=tuple(instructions), joins=self.code.joins | {self.start, end}, live=live)

    def making(self) -> Code:
        """Returns the code of a comprehension's loop, whose result is the list, dict or set below the iterator."""
        made, end = self.ending_with((TOTAL,)), self.code.instructions[self.start].value + 2
        instructions = list(made.instructions)
        instructions[end : end + 2] = [Instruction("STORE_FAST", value=TOTAL), instructions[end]]
        return replace(made, instructions=tuple(instructions))


def loop_at(code: CodeType, number: int) -> Loop | None:
    """Returns the loop of a FOR_ITER, counted from 0. None where it ends other than at its end, as by a return.

    A handler of exceptions around the loop is left out: what the loop raises is for Python to handle. So is the cleanup of
    comprehensions.
    """
    whole = code_of(code)
    starts = [n for n, i in enumerate(whole.instructions) if i.name == "FOR_ITER"]
    if number >= len(starts):
        return None
    start = starts[number]
    end = whole.instructions[start].value + 2
    caught = tuple(h if h is not None and whole.instructions[h.target].name == "PUSH_EXC_INFO" else None for h in whole.handlers)
    around = caught[start]
    handlers = tuple(None if h is None or (around is not None and h.target == around.target) else h for h in caught)
    found, waiting = set[int](), [start]
    while waiting:
        at = waiting.pop()
        if at not in found and at != end:
            found.add(at)
            waiting += _successors(whole.instructions, at)
            waiting += [handlers[at].target] if handlers[at] is not None else []  # type: ignore[union-attr]
    inside = [whole.instructions[n] for n in sorted(found)]
    nested = around is not None or any(n < start and whole.instructions[n].value > start for n in starts)
    if end == len(whole.instructions) or any(i.name in _RETURNS for i in inside):
        return None
    if nested and any(handlers[n] is not None for n in found):  # whose stack has more than the iterator
        return None
    effects = [effect for i in inside for effect in _effects(i)]
    stored = {i.value for i in inside if i.name in ("STORE_DEREF", "DELETE_DEREF")}
    assigned = frozenset(name for is_read, name in effects if not is_read) | stored
    shared = frozenset((*code.co_cellvars, *code.co_freevars))
    part = replace(whole, handlers=handlers)
    read = frozenset(name for is_read, name in effects if is_read) | assigned | shared
    return Loop(part, start, whole.live[start] & read, assigned, (whole.live[end] - {TOTAL}) | (shared & assigned))
