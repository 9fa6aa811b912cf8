"""Rewrites code of a group's function where CPython hands no object to a stand-in: comprehensions over rows, and `str.join`.

CPython 3.12 and later run a comprehension inside the function's own frame (PEP 709), with its list on the stack:

    GET_ITER, LOAD_FAST_AND_CLEAR and SWAP, BUILD_LIST 0, SWAP, perhaps GET_ITER, FOR_ITER, the element, LIST_APPEND, END_FOR

Here the iterator is below the list. The rewritten code hands it to an object, which computes the list, and jumps past the loop.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType
from typing import Any

from udf_compiler.frontends.python.regions.machine import is_of_user
from udf_compiler.frontends.python.regions.state import reachable
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.frames import offset_of
from udf_compiler.frontends.tracing.session import current, refuse

#: Instructions that make the empty list, dict or set of a comprehension.
_BUILDS = ("BUILD_LIST", "BUILD_MAP", "BUILD_SET")
_BETWEEN = ("SWAP", "GET_ITER", "COPY")
_ENDS = ("END_FOR", "POP_TOP", "POP_ITER")


@dataclass(frozen=True, slots=True)
class Comprehension:
    """A comprehension of a code object: the offset of its BUILD_LIST, BUILD_MAP or BUILD_SET, and that of its FOR_ITER.

    `own`: its variables, and those of comprehensions within it.
    """

    code: CodeType
    begin: int
    start: int
    own: frozenset[str]


class Taker:
    """The constant that takes the iterator of a comprehension, by ``taker + iterator``, and returns the result."""

    __slots__ = ("of",)

    def __init__(self, of: Comprehension) -> None:
        self.of = of

    def __add__(self, rows: Any) -> Any:
        group = current().group
        return refuse("SW600") if group is None else group.comprehended(sys._getframe(1), rows, self.of)


class Separator:
    """A constant string whose method `join` the code calls."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def join(self, items: Any, /) -> Any:
        """Returns ``text.join(items)``, also of the values of a group."""
        group = current().group
        if group is None or not group.is_joined(items):
            return as_python(self.text.join, items)
        return group.joined(self.text, items)


def comprehension_of(frame: FrameType) -> Comprehension | None:
    """Returns the comprehension whose FOR_ITER a frame executes; None for another loop."""
    code = current().originals.get(frame.f_code, frame.f_code)
    instructions = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
    at = next(n for n, i in enumerate(instructions) if i.offset == offset_of(frame))
    begin = at - 1
    while instructions[begin].opname in _BETWEEN:
        begin -= 1
    built, before, own = instructions[begin], begin - 1, set()
    while instructions[before].opname in ("SWAP", "COPY", "MAKE_CELL", "LOAD_FAST_AND_CLEAR"):
        own |= {instructions[before].argval} if instructions[before].opname == "LOAD_FAST_AND_CLEAR" else set()
        before -= 1
    if built.opname not in _BUILDS or built.arg != 0 or not own:
        return None
    end = instructions[at].argval
    own |= {i.argval for i in instructions[at:] if i.offset < end and i.opname == "LOAD_FAST_AND_CLEAR"}
    return Comprehension(code, built.offset, instructions[at].offset, frozenset(own))


@contextmanager
def rewritten(function: Callable[..., Any], sites: set[Comprehension]) -> Iterator[None]:
    """Replaces the code of the function's own code inside the block; `sites` are the comprehensions that go over rows."""
    functions = [x for x in reachable(function).values() if is_of_user(x)]
    before = [(x, x.__code__) for x in functions if isinstance(x, FunctionType)]
    originals = current().originals
    try:
        for x, code in before:
            x.__code__ = _rewritten(code, sites, originals)
        yield
    finally:
        for x, code in before:
            x.__code__ = code


def _rewritten(code: CodeType, sites: set[Comprehension], originals: dict[CodeType, CodeType]) -> CodeType:
    constants = [_rewritten(x, sites, originals) if isinstance(x, CodeType) else x for x in code.co_consts]
    changed = bytearray(code.co_code)
    _rewrite_joins(code, changed, constants)
    for site in sites:
        if site.code == code and not _rewrite(site, changed, constants):
            refuse("SW600")
    if changed == code.co_code and all(x is y for x, y in zip(constants, code.co_consts, strict=False)):
        return code
    made = code.replace(co_code=bytes(changed), co_consts=tuple(constants))
    originals[made] = code
    return made


def _rewrite_joins(code: CodeType, changed: bytearray, constants: list[Any]) -> None:
    """Replaces the constants whose method `join` is loaded next."""
    instructions = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
    for load, method in zip(instructions, instructions[1:], strict=False):
        is_join = method.opname in ("LOAD_ATTR", "LOAD_METHOD") and method.argval == "join"
        if is_join and load.opname == "LOAD_CONST" and type(load.argval) is str and len(constants) < 256 > (load.arg or 0):
            changed[load.offset + 1] = len(constants)
            constants.append(Separator(load.argval))


def _rewrite(site: Comprehension, changed: bytearray, constants: list[Any]) -> bool:
    """Rewrites a comprehension; returns whether it has room for the instructions."""
    instructions = [i for i in dis.get_instructions(site.code) if i.opname != "CACHE"]
    end = next(i.argval for i in instructions if i.offset == site.start)
    target = next(i.offset for i in instructions if i.offset >= end and i.opname not in _ENDS)
    add = _addition()
    take = [*_instruction("COPY", 1), *_instruction("LOAD_CONST", len(constants)), *_instruction("SWAP", 2)]
    take += [*add, *_instruction("SWAP", 2), *_instruction("POP_TOP", 0)]
    jump_at = site.begin + len(take)
    jump = _instruction("JUMP_FORWARD", (target - jump_at) // 2 - 1)
    if len(jump) > 2:  # the distance is counted from the end of the jump, which an extended argument moves
        jump = _instruction("JUMP_FORWARD", (target - jump_at) // 2 - 2)
    made = bytes([*take, *jump])
    if len(made) > target - site.begin:
        return False
    changed[site.begin : site.begin + len(made)] = made
    constants.append(Taker(site))
    return True


def _instruction(name: str, arg: int) -> list[int]:
    extended = [dis.opmap["EXTENDED_ARG"], arg >> 8] if arg > 255 else []
    return [*extended, dis.opmap[name], arg & 255]


def _addition() -> bytes:
    """Returns the bytes of an addition, with the cache entries that this version of CPython requires."""
    code = (lambda a, b: a + b).__code__.co_code
    at = next(n for n in range(0, len(code), 2) if dis.opname[code[n]] == "BINARY_OP")
    end = at + 2
    while dis.opname[code[end]] == "CACHE":
        end += 2
    return code[at:end]

