"""Supports symbolic scalars as keys of dicts and sets; infers the container's keys from the code that does the lookup.

CPython asks a key only for its hash, so the hash decides: the path forks by the keys of the container. On the path where the
value equals a key, it has that key's hash. On the last path it has a hash that no key has.
"""

from __future__ import annotations

import datetime
import dis
import operator
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import CodeType, FrameType, MappingProxyType
from typing import Any

from udf_compiler.frontends.python.numbers import compare, is_number
from udf_compiler.frontends.python.operands import as_text, is_text
from udf_compiler.frontends.python.path_explorer import explorer, is_exploring
from udf_compiler.frontends.tracing.constants import ConstantDate, unwrapped
from udf_compiler.frontends.tracing.enum_members import EnumCopy, data_of
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.frames import METHOD_LOADS, offset_of
from udf_compiler.frontends.tracing.large_dicts import FEW
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

_METHODS = frozenset(("get", "__contains__"))
_UNKNOWN = object()


def hash_of(x: Any) -> int:
    """Returns ``hash(x)`` for the current container; refuses one that the code does not identify (SW601)."""
    run = explorer()
    found = _keys(_user_frame()) if run.keys is None and not (run.inside or run.walks) else run.keys
    keys = None if found is None else list(dict.fromkeys(map(data_of, _parts(found))))
    if keys is None or len(keys) > FEW or not all(map(_is_simple, keys)):
        refuse("SW601")
    for key in keys:
        if _decide_equal(x, key):
            return hash(key)
    taken = set(map(hash, keys))
    return next(n for n in range(len(taken) + 1) if n not in taken)


def looked_up(table: dict[Any, Any], key: Any) -> Any:
    """Returns ``table[key]`` on behalf of user code; KeyError for a key that it lacks."""
    if not is_exploring():
        return as_python(operator.getitem, table, key)
    run = explorer()
    before, run.keys = run.keys, tuple(table)
    try:
        return as_python(operator.getitem, table, key)
    finally:
        run.keys = before


def _parts(keys: Iterable[Any]) -> Iterator[Any]:
    """Yields the keys, and the elements of those that are tuples, whose hashes a tuple with a value of the row combines."""
    for key in keys:
        yield from _parts(key) if type(key) is tuple else (key,)


def _is_simple(key: Any) -> bool:
    return is_number(key) or key is None or type(key) in (str, datetime.date, ConstantDate)


def _decide_equal(x: Any, key: Any) -> bool:
    run = explorer()
    if is_text(x) and type(key) is str:
        return run.decide(run.loop.call("equal", as_text(x), as_text(key)))
    if is_number(x) and is_number(key):
        return run.decide(compare("equal", x, key))
    if x.kind == "date" and type(key) in (datetime.date, ConstantDate):
        return bool(x == key)
    return False


def _user_frame() -> FrameType:
    frame = sys._getframe(1)
    while str(frame.f_globals.get("__name__") or "").partition(".")[0] == "udf_compiler":
        assert frame.f_back is not None
        frame = frame.f_back
    return frame


def _keys(frame: FrameType) -> list[Any] | None:
    """Returns the keys of the container that the current instruction reads; None where the code does not identify it."""
    code = _instructions(frame.f_code)
    offset = offset_of(frame)
    at = next(n for n, i in enumerate(code) if i.offset == offset)
    found = _Stack(frame, code).keys_of_lookup(at)
    if found is None or not all(map(_is_simple, map(data_of, _parts(found)))):
        return None
    return list(found)


@lru_cache(maxsize=64)
def _instructions(code: CodeType) -> list[dis.Instruction]:
    return [i for i in dis.get_instructions(code) if i.opname != "CACHE"]


class _Stack:
    """Finds the instruction that pushed a stack slot, in code without jumps; heights are relative to those before `at`."""

    def __init__(self, frame: FrameType, code: list[dis.Instruction]) -> None:
        self._frame, self._code = frame, code

    def keys_of_lookup(self, at: int) -> Iterable[Any] | None:
        name, argument = self._code[at].opname, self._code[at].arg or 0
        if name == "CONTAINS_OP":
            return self._keys_of(at, -1)
        if name == "BINARY_SUBSCR" or (name == "BINARY_OP" and self._code[at].argrepr == "[]"):
            return self._keys_of(at, -2)
        if name not in ("CALL", "CALL_METHOD", "PRECALL"):  # 3.11 specializes PRECALL to call methods of builtins
            return None
        if self._code[at - 1].opname == "PRECALL":
            at -= 1  # it takes the arguments from the stack
        method = self._producer(at, -argument - 1)
        if method is None or self._code[method].opname not in METHOD_LOADS or self._code[method].argval not in _METHODS:
            return None
        return self._keys_of(method, -1)

    def _producer(self, at: int, slot: int) -> int | None:
        """Returns the instruction that pushed the slot (-1: the top before `at`); None when a jump lies between."""
        height = 0
        for n in range(at - 1, -1, -1):
            if height == slot + 1 or (height == slot + 2 and len(_pushed(self._code[n])) == 2):
                return n
            instruction = self._code[n]
            if instruction.is_jump_target or instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
                return None
            height -= dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
        return None

    def _keys_of(self, at: int, slot: int) -> Iterable[Any] | None:
        made = self._producer(at, slot)
        if made is None:
            return None
        if self._code[made].opname == "BUILD_CONST_KEY_MAP":
            return self._code[made - 1].argval  # type: ignore[no-any-return]
        if self._code[made].opname == "BUILD_MAP":
            return self._constants(made)
        container = unwrapped(self._value(made, at, slot))
        return container.keys() if isinstance(container, dict) else container if isinstance(container, set | frozenset) else None

    def _constants(self, at: int) -> list[Any] | None:
        """Returns the keys of a dict display if all are constants, else None."""
        keys = []
        for slot in range(-2 * (self._code[at].arg or 0), 0, 2):
            made = self._producer(at, slot)
            if made is None or self._code[made].opname not in ("LOAD_CONST", "LOAD_SMALL_INT"):
                return None
            keys.append(self._code[made].argval)
        return keys

    def _value(self, made: int, at: int, slot: int) -> Any:
        """Returns the object that an instruction loaded."""
        instruction, frame = self._code[made], self._frame
        name = instruction.opname
        if name in ("LOAD_CONST", "LOAD_SMALL_INT"):
            return instruction.argval
        if name == "LOAD_GLOBAL":
            return frame.f_globals.get(instruction.argval, _UNKNOWN)
        if name == "LOAD_ATTR":
            owner = self._producer(made, -1)
            of = _UNKNOWN if owner is None else self._value(owner, made, -1)
            if isinstance(of, StandIn):  # such as the value of a broadcast variable
                return getattr(of, instruction.argval) if instruction.argval in of.visible else _UNKNOWN
            if isinstance(of, EnumCopy) and instruction.argval == "__members__":
                return of.__members__
            attributes = getattr(of, "__dict__", {})
            return attributes.get(instruction.argval, _UNKNOWN) if isinstance(attributes, dict | MappingProxyType) else _UNKNOWN
        names = _pushed(instruction)
        if not names:
            return frame.f_locals.get(instruction.argval, _UNKNOWN) if name == "LOAD_DEREF" else _UNKNOWN
        first = len(names) == 2 and self._height_after(made, at) == slot + 2
        return frame.f_locals.get(names[0 if first else -1], _UNKNOWN)

    def _height_after(self, made: int, at: int) -> int:
        return -sum(dis.stack_effect(i.opcode, i.arg, jump=False) for i in self._code[made + 1 : at])


def _pushed(instruction: dis.Instruction) -> tuple[str, ...]:
    """Returns the local variables that an instruction pushes."""
    name, value = instruction.opname, instruction.argval
    if name == "STORE_FAST_LOAD_FAST":
        return (value[1],)
    if name.startswith("LOAD_FAST") and name != "LOAD_FAST_AND_CLEAR":
        return value if isinstance(value, tuple) else (value,)
    return ()
