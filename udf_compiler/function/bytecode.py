"""Collects the names that a code object reads from outside, and refuses operations that no pure function performs.

It reads bytecode, never source text: a payload has no source, and `inspect` may find that of another version. It covers
functions, lambdas and comprehensions nested inside. One rule set serves CPython 3.10 to 3.14, since an instruction that a
version lacks never occurs there.
"""

from __future__ import annotations

import builtins
import dis
import inspect
import os
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from sparkweld.errors import Refusal
from sparkweld.reasons import refusal

#: Variables by name: the globals of a module, the cells of a function, or the locals of a frame.
Namespace = dict[str, Any]

_OPAQUE_FLAGS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE

#: Instructions that enter an exception handler: PUSH_EXC_INFO since 3.11, the others in 3.10. The implicit handlers of
#: generators and inlined comprehensions have none: they only clean up and re-raise. A `with` statement (WITH_EXCEPT_START
#: follows) does not count either: the context managers that compiled functions may enter re-raise, and a user class that
#: defines `__exit__` is refused.
_HANDLERS = frozenset(("PUSH_EXC_INFO", "SETUP_FINALLY", "SETUP_ASYNC_WITH"))

#: Dunder attributes that ordinary code uses. All others reach behind the rebuilt function (its globals, its code, the true
#: class of a value), where it differs from the original.
_PLAIN_DUNDERS = frozenset(("__init__", "__call__", "__name__", "__version__", "__post_init__", "__members__"))

#: The name of `object` in the `__init__` of a frozen dataclass, whose `__setattr__` it calls.
_FROZEN_OWNER = "__dataclass_builtins_object__"

#: Attributes of arrays and NumPy scalars that write files, expose memory addresses, or distinguish the copy from the
#: original.
_WRITERS = frozenset(("tofile", "dump", "ctypes", "flags", "setflags"))

#: Attributes of frames, generators and tracebacks, from which everything is reachable.
_FRAMES = ("f_", "gi_", "cr_", "ag_", "tb_", "co_")
_FRAME_PARTS = frozenset("back code globals locals builtins frame yieldfrom await lasti next consts".split())

_GLOBAL_LOADS = frozenset(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"))
_FORMATS = frozenset(("format", "format_map"))
_ATTRIBUTE_FIELD = re.compile(r"\{[^{}!:]*[.\[]|\{[^{}]*:[^{}]*\{[^{}]*[.\[]")
_CELL_WRITES = frozenset(("STORE_DEREF", "DELETE_DEREF"))
_ATTRIBUTES = frozenset(("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR", "LOAD_SUPER_ATTR"))


@dataclass(frozen=True, slots=True)
class Use:
    """The place where a function uses a name, for messages of refusals."""

    function: str
    place: str
    name: str = ""

    def named(self, name: str) -> Use:
        """Returns the same place with another name."""
        return Use(self.function, self.place, name)

    def refusal(self, code: str, **params: object) -> Refusal:
        """Returns a refusal at this place, with `function` and `name` filled in."""
        return refusal(code, self.place, **{"function": self.function, "name": self.name, **params})


@dataclass(slots=True)
class Names:
    """The outside names that a code object reads, each with its first use. `codes`: the code object and all code nested in it.

    - `handlers`: code that catches exceptions, with the place of the first handler.
    - `swallowers`: code in which a caught exception may end. A plain `finally` passes it on, and so does a handler that always
      raises.
    - `identities`: code that tests identity with an object other than a built-in type, an attribute or None. Also code that
      takes a value apart with a ``match`` pattern.
    - `assigned`: the global names that it assigns, in the code of `writers`.
    """

    globals: dict[str, Use] = field(default_factory=dict)
    codes: set[CodeType] = field(default_factory=set)
    handlers: dict[CodeType, Use] = field(default_factory=dict)
    swallowers: set[CodeType] = field(default_factory=set)
    identities: dict[CodeType, Use] = field(default_factory=dict)
    assigned: dict[str, Use] = field(default_factory=dict)
    writers: set[CodeType] = field(default_factory=set)


def qualified_name(code: CodeType) -> str:
    """Returns ``outer.<locals>.inner`` where Python records it (3.11+), else the bare name."""
    return getattr(code, "co_qualname", code.co_name)


def place(code: CodeType, line: int | None) -> str:
    """Formats a place as ``speed, line 12 of job.py``."""
    where = f"line {line} of " if line is not None else ""
    return f"{qualified_name(code)}, {where}{os.path.basename(code.co_filename)}"


def first_use(code: CodeType, name: str = "") -> Use:
    """Returns the function's own first line as a place."""
    return Use(qualified_name(code), place(code, code.co_firstlineno), name)


def outside_names(code: CodeType, generator: bool = False, helpers: bool = False) -> Names:
    """Returns the names that `code` and the code nested in it read from outside. `generator`: `code` itself may be a generator.

    `helpers`: so may the functions that it defines.

    Refuses SW210 (generator, coroutine), SW211 and SW212 (deletes or writes outside names), SW219 (internals), SW220
    (class), SW263 (methods that write files).
    """
    if code.co_flags & (_OPAQUE_FLAGS & ~inspect.CO_GENERATOR if generator else _OPAQUE_FLAGS):
        raise first_use(code).refusal("SW210")
    names = Names()
    _collect(code, frozenset(code.co_freevars), names, helpers)
    return names


def _collect(code: CodeType, captured: frozenset[str], names: Names, helpers: bool) -> None:
    names.codes.add(code)
    identity = identity_of(code)
    if identity is not None:
        names.identities[code] = identity
    instructions = list(_with_lines(code))
    following = [later.opname for later, _ in instructions[1:]] + [""]
    before = None
    for (instruction, line), after in zip(instructions, following, strict=True):
        if instruction.opname == "STORE_GLOBAL":
            names.assigned.setdefault(instruction.argval, Use(qualified_name(code), place(code, line), instruction.argval))
            names.writers.add(code)
        if instruction.opname in _HANDLERS and after != "WITH_EXCEPT_START":
            names.handlers.setdefault(code, Use(qualified_name(code), place(code, line)))
        if instruction.opname == "POP_EXCEPT" and after != "RERAISE":  # each way out of a handler other than an exception has it
            names.swallowers.add(code)
        if not (before == _FROZEN_OWNER and instruction.argval == "__setattr__"):
            _check(instruction, captured, code, line)
        before = instruction.argval
        if instruction.opname in _GLOBAL_LOADS:
            names.globals.setdefault(instruction.argval, Use(qualified_name(code), place(code, line), instruction.argval))
    for inner in code.co_consts:
        if not isinstance(inner, CodeType) or inner.co_name == "__annotate__":  # 3.14: runs only on request
            continue
        # a generator expression is consumed in place; any other generator may outlive the call for a batch
        allowed = inspect.CO_GENERATOR if helpers or inner.co_name == "<genexpr>" else 0
        if inner.co_flags & _OPAQUE_FLAGS & ~allowed:
            raise first_use(inner).refusal("SW210")
        _collect(inner, captured & frozenset(inner.co_freevars) - frozenset(code.co_cellvars), names, helpers)


def codes_of(code: CodeType) -> Iterator[CodeType]:
    """Yields the code of a function and of those inside it, such as generator expressions."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_of(constant)


def identity_of(code: CodeType) -> Use | None:
    """Returns where `code` itself, without nested code, tests object identity (see `Names.identities`), or None."""
    loaded = ["", ""]
    for instruction, line in _with_lines(code):
        if _is_pattern(instruction) or (instruction.opname == "IS_OP" and not _is_plain_identity(*loaded)):
            return Use(qualified_name(code), place(code, line))
        loaded = [loaded[1], _loaded(instruction)]
    return None


def _is_pattern(instruction: dis.Instruction) -> bool:
    """Whether an instruction is a ``match`` pattern for which C code reads the flags of a class.

    These are ``case [a, b]``, ``case {"k": v}`` and ``case str(x)``, but not ``case str()``.
    """
    name = instruction.opname
    return name in ("MATCH_SEQUENCE", "MATCH_MAPPING") or (name == "MATCH_CLASS" and instruction.arg != 0)


def _loaded(instruction: dis.Instruction) -> str:
    if instruction.opname == "LOAD_CONST" and instruction.argval is None:
        return "None"
    if instruction.opname == "LOAD_GLOBAL" and isinstance(getattr(builtins, str(instruction.argval), None), type):
        return "type"
    return instruction.opname


def _is_plain_identity(first: str, second: str) -> bool:
    """Whether a test is ``x is None``, ``None is x``, ``type(x) is int`` or ``x is np.nan``, judged by the two loads before it.

    Another global may hold True or a small int, which a row's value can be.
    """
    return second in ("None", "type", "LOAD_ATTR") or (first == "None" and second.startswith("LOAD_"))


def _check(instruction: dis.Instruction, captured: frozenset[str], code: CodeType, line: int | None) -> None:
    op, name = instruction.opname, instruction.argval
    reason = None
    if op == "DELETE_GLOBAL":
        reason = "SW211"
    elif op in _CELL_WRITES and name in captured:
        reason = "SW212"
    elif op == "LOAD_BUILD_CLASS":
        reason = "SW220"
    elif op in _ATTRIBUTES:
        reason = "SW219" if name in _FORMATS and _formats_attributes(code) else refused_attribute(name)
    if reason is not None:
        raise Use(qualified_name(code), place(code, line), str(name)).refusal(reason)


def refused_attribute(name: object) -> str | None:
    """Returns the refusal code of an attribute that no function may use on any object; None for other attributes."""
    if name in _WRITERS:
        return "SW263"
    return "SW219" if is_internal(name) or _is_of_a_frame(name) else None


def _is_of_a_frame(name: object) -> bool:
    return isinstance(name, str) and any(name.startswith(p) and name[len(p) :] in _FRAME_PARTS for p in _FRAMES)


def _formats_attributes(code: CodeType) -> bool:
    """Whether the format strings of a function that calls str.format may read attributes, or are unknown."""
    texts = [c for c in code.co_consts if isinstance(c, str) and "{" in c]
    return not texts or any(_ATTRIBUTE_FIELD.search(text) for text in texts)


def is_internal(name: object) -> bool:
    """Whether an attribute reaches behind a rebuilt function: a dunder name outside the ordinary ones."""
    return isinstance(name, str) and name.startswith("__") and name.endswith("__") and name not in _PLAIN_DUNDERS


def _with_lines(code: CodeType) -> Iterator[tuple[dis.Instruction, int | None]]:
    """Yields instructions with their source line; `Instruction.starts_line` changed its meaning in 3.13."""
    starts = [(offset, line) for offset, line in dis.findlinestarts(code) if line is not None]
    offsets = [offset for offset, _ in starts]
    for instruction in dis.get_instructions(code):
        at = bisect_right(offsets, instruction.offset) - 1
        yield instruction, starts[at][1] if at >= 0 else code.co_firstlineno
