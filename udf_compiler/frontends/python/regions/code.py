"""Decodes a code object to instructions and analyses their flow: joins, live variables and exception handlers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

from udf_compiler.frontends.python.regions.versions import Handler, Instruction, decode

#: The variable that accumulates the result of a generator expression.
TOTAL = ".total"
#: The reductions of a generator function, whose elements become a list: of the UDF itself, whose rows they are, and of another.
YIELDS, GENERATED = "yields", "generated"

#: Methods that change a list, apart from those that only let it grow, and instructions that do.
_CHANGING = frozenset("pop insert remove sort reverse clear".split())
_CHANGES = ("STORE_SUBSCR", "DELETE_SUBSCR")
#: Methods by which a list or dict grows.
_FILLING = frozenset("append extend insert update setdefault".split())
BRANCHES = ("POP_JUMP_IF", "FOR_ITER", "SEND")
_ENDS = frozenset(("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"))


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

    @property
    def catches(self) -> bool:
        """Whether user code may catch an exception; the cleanup after a comprehension does not count."""
        return any(h is not None and self.instructions[h.target].name == "PUSH_EXC_INFO" for h in self.handlers)

    @property
    def changes_lists(self) -> bool:
        """Whether it may change a list other than by appending to it."""
        return any(i.name in _CHANGES or (i.name == "LOAD_ATTR" and i.value in _CHANGING) for i in self.instructions)

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
