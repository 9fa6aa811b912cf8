"""Assembles translated instructions: resolves jumps, loop exits and handlers, and inlines comprehensions.

CPython 3.12 and later run a comprehension in the function's own frame (PEP 709). For older versions, `assemble` does so: it
puts the comprehension's instructions in place of its call, and renames its variables.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any


@dataclass(frozen=True, slots=True)
class Instruction:
    """A bytecode instruction. `value` is the object that `arg` refers to; for a jump, the index of its target instruction."""

    name: str
    arg: int = 0
    value: Any = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Handler:
    """An exception handler at `target`.

    It cuts the stack to `depth` values and, if `lasti`, pushes the index of the raising instruction.
    """

    target: int
    depth: int
    lasti: bool


@dataclass(frozen=True, slots=True)
class Decoded:
    """The instructions of a function with the handler of each. `cells`: variables of comprehensions that nested code shares."""

    instructions: tuple[Instruction, ...]
    handlers: tuple[Handler | None, ...]
    cells: frozenset[str]


@dataclass(frozen=True, slots=True)
class Raw:
    """An instruction as `dis` reports it. `target`: the number of the instruction that it may jump to."""

    name: str
    opcode: int
    arg: int
    value: Any
    text: str
    target: int | None


@dataclass(frozen=True, slots=True)
class Emit:
    """An instruction of a translation. `to`: the number of the `Raw` that it may jump to."""

    name: str
    arg: int = 0
    value: Any = None
    text: str = ""
    to: int | None = None


#: Translates the instruction at an index.
Rule = Callable[[Sequence[Raw], int], Sequence[Emit]]


def exception_table(code: CodeType, raws: Sequence[Raw], index: Mapping[int, int]) -> list[Handler | None]:
    """Returns the handler of each instruction from the exception table, which functions have since 3.11."""
    found: list[Handler | None] = [None] * len(raws)
    for entry in getattr(dis.Bytecode(code), "exception_entries", ()):
        for offset, n in index.items():
            if entry.start <= offset < entry.end:
                found[n] = Handler(index[entry.target], entry.depth, entry.lasti)
    return found


@dataclass(frozen=True)
class Version:
    """The differences of a CPython version from 3.13.

    - `rules`: translations, by name; other instructions are the same.
    - `handlers`: returns the handler of each instruction, given the index of each offset.
    - `prologue`: the instructions that a handler begins with.
    - `ends_loops`: END_FOR follows a loop. If not, FOR_ITER jumps to the instruction after the loop.
    - `inlines`: comprehensions run in the function's frame. If not, `made_by` instructions make their functions.
    """

    rules: Mapping[str, Rule]
    handlers: Callable[[CodeType, Sequence[Raw], Mapping[int, int]], list[Handler | None]] = exception_table
    prologue: tuple[Emit, ...] = ()
    ends_loops: bool = True
    inlines: bool = True
    made_by: int = 2


def assemble(code: CodeType, version: Version) -> Decoded:
    """Decodes a function of a version, and inlines its comprehensions."""
    made = _Assembly(version)
    made.append(code, {}, None)
    instructions = tuple(
        i if label is None else replace(i, value=made.labels[label]) for i, label in zip(made.out, made.jumps, strict=True)
    )
    handlers = tuple(
        None if found is None else Handler(made.labels[found[0]], found[1].depth, found[1].lasti) for found in made.handlers
    )
    return Decoded(instructions, handlers, frozenset(made.cells))


#: A place: the number of the code object, of an instruction of it, and what is in front of that instruction.
_Label = tuple[int, int, str]
_Found = tuple[_Label, Handler] | None
#: How instructions of a variable end, in versions that do not inline.
_OF_VARIABLES = ("_FAST", "_DEREF", "_CLOSURE", "_CELL")
#: What the names of variables of inlined comprehensions have before a number.
_OF_LIST = " of list "
_FALLS_NOT = ("RETURN", "RAISE_VARARGS", "RERAISE", "JUMP_")


@dataclass
class _Assembly:
    version: Version
    out: list[Instruction] = field(default_factory=list)
    jumps: list[_Label | None] = field(default_factory=list)
    handlers: list[_Found] = field(default_factory=list)
    labels: dict[_Label, int] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)
    codes: int = 0

    def append(self, code: CodeType, names: Mapping[str, str], outer: _Found) -> None:
        """Appends the instructions of a code object. `names`: its renamed variables; `outer`: the handler around its call."""
        raws, index = _raws(code)
        own = self.version.handlers(code, raws, index)
        this, self.codes = self.codes, self.codes + 1
        exits = set() if self.version.ends_loops else {raw.target for raw in raws if raw.name == "FOR_ITER"}
        starts = {handler.target for handler in own if handler is not None} if self.version.prologue else set()
        calls = {} if self.version.inlines else _comprehensions(raws)
        makes = {n for make in calls.values() for n in _making(raws, make, self.version.made_by)}
        for n, raw in enumerate(raws):
            found = own[n]
            at = "handler" if self.version.prologue else ""
            handler = outer if found is None else ((this, found.target, at), found)
            if n in exits:
                self._in_front((this, n, "exit"), (Emit("END_FOR"), Emit("POP_TOP")))
            if n in starts:
                self._in_front((this, n, "handler"), self.version.prologue)
            self.labels[this, n, ""] = len(self.out)
            if n in makes:
                continue
            if n in calls:
                self._inline(raws[calls[n]], raws[calls[n] - self.version.made_by + 1].value, names, handler)
                continue
            rule = self.version.rules.get(raw.name)
            emits: Sequence[Emit] = (Emit(raw.name, raw.arg, raw.value, raw.text, raw.target),) if rule is None else rule(raws, n)
            if names and raw.name == "RETURN_VALUE":
                emits = (Emit("JUMP_FORWARD", to=len(raws)),)
            if names and raw.value == ".0":  # the iterator is below the new list
                emits = (Emit("SWAP", 2),)
            for emit in emits:
                at = "exit" if emit.name == "FOR_ITER" and not self.version.ends_loops else ""
                self._emit(_renamed(emit, names), None if emit.to is None else (this, emit.to, at), handler)
        self.labels[this, len(raws), ""] = len(self.out)

    def _emit(self, emit: Emit, label: _Label | None, handler: _Found) -> None:
        self.out.append(Instruction(emit.name, emit.arg, emit.value, emit.text))
        self.jumps.append(label)
        self.handlers.append(handler)

    def _in_front(self, label: _Label, emits: Sequence[Emit]) -> None:
        """Puts instructions in front of the next one, which only a jump to `label` reaches."""
        if self.out and not self.out[-1].name.startswith(_FALLS_NOT):
            self._emit(Emit("JUMP_FORWARD"), (*label[:2], ""), None)
        self.labels[label] = len(self.out)
        for emit in emits:
            self._emit(emit, None, None)

    def _inline(self, made: Raw, code: CodeType, names: Mapping[str, str], handler: _Found) -> None:
        """Appends the body of a comprehension; the top of the stack is its iterator."""
        own = {name: f"{name}{_OF_LIST}{self.codes}" for name in (*code.co_varnames, *code.co_cellvars)}
        own |= {name: names.get(name, name) for name in code.co_freevars}
        self.cells += [own[name] for name in code.co_cellvars]
        self.append(code, own, handler)


def is_of_comprehension(name: str) -> bool:
    """Whether a variable is one of an inlined comprehension, whose own frame earlier versions give it."""
    return _OF_LIST in name


def _raws(code: CodeType) -> tuple[list[Raw], dict[int, int]]:
    """Returns the instructions, and the index of the instruction at each offset."""
    given = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
    own = [i for i in given if i.opname != "EXTENDED_ARG"]
    index, at = {}, 0
    for i in given:
        index[i.offset] = at  # that of EXTENDED_ARG: of the instruction that it extends
        at += i.opname != "EXTENDED_ARG"
    jumps = {*dis.hasjrel, *dis.hasjabs}
    return [
        Raw(i.opname, i.opcode, i.arg or 0, _value(i, code), i.argrepr, index[i.argval] if i.opcode in jumps else None)
        for i in own
    ], index


def _value(i: dis.Instruction, code: CodeType) -> Any:
    """Returns the object that the argument refers to; `dis` of 3.11 does not resolve the names of keyword arguments."""
    return code.co_consts[i.arg or 0] if i.opname == "KW_NAMES" else i.argval


def _comprehensions(raws: Sequence[Raw]) -> dict[int, int]:
    """Maps the call of each list, set or dict comprehension to the instruction that makes its function.

    Only a comprehension or generator expression is called right after GET_ITER. They are nested, so the call belongs to the last
    one that was made and not called.
    """
    found, made = {}, []
    for n, raw in enumerate(raws):
        code = _code_made(raws, n) if raw.name == "MAKE_FUNCTION" else None
        if code is not None and code.co_varnames[:1] == (".0",):
            made.append(n)
        elif made and (raw.name, raw.arg) in (("CALL", 0), ("CALL_FUNCTION", 1)) and _after_iterator(raws, n):
            make = made.pop()
            called = _code_made(raws, make)
            if called is not None and called.co_name in ("<listcomp>", "<setcomp>", "<dictcomp>"):
                found[n] = make
    return found


def _after_iterator(raws: Sequence[Raw], n: int) -> bool:
    return raws[n - 1].name == "GET_ITER" or (raws[n - 1].name == "PRECALL" and raws[n - 2].name == "GET_ITER")


def _code_made(raws: Sequence[Raw], n: int) -> CodeType | None:
    return next((raw.value for raw in (raws[n - 1], raws[n - 2]) if isinstance(raw.value, CodeType)), None)


def _making(raws: Sequence[Raw], make: int, count: int) -> range:
    """Returns the instructions that make a function: its cells, and `count` others."""
    first = make - count + 1
    if raws[make].arg & 8:
        first -= 1 + raws[first - 1].arg
    return range(first, make + 1)


def _renamed(emit: Emit, names: Mapping[str, str]) -> Emit:
    of_variable = isinstance(emit.value, str) and emit.name.endswith(_OF_VARIABLES)
    return replace(emit, value=names.get(emit.value, emit.value)) if of_variable else emit
