"""Finds code that may change captured data, also on branches that a trace has not taken.

A trace proves by comparison that the code it runs changes nothing that is captured (`plain_data.Snapshot`). Flagged rows run in
Python, where other branches may run: a handler of an exception, or the other side of a decided test. This module reads the
bytecode of such functions instead. It is conservative: it allows changes only of the function's own arguments and of objects
that it has made.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterable
from types import CodeType, FunctionType

import numpy as np

from udf_compiler.function.bytecode import codes_of
from udf_compiler.function.kept_arguments import CHANGES, MUTATORS

_METHOD_LOADS = frozenset(("LOAD_ATTR", "LOAD_METHOD"))
_OUTER_LOADS = frozenset(("LOAD_GLOBAL", "LOAD_DEREF", "LOAD_NAME", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"))
#: Instructions that do nothing to the stack.
_IDLE = frozenset(("CACHE", "NOP", "EXTENDED_ARG", "PRECALL", "RESUME", "NOT_TAKEN"))
#: Functions of NumPy with the names of methods that change lists. They return copies.
_COPYING = frozenset(("append", "insert", "sort", "partition", "resize"))
#: Attributes of pandas objects through which an item is assigned.
_ACCESSORS = frozenset(("loc", "iloc", "at", "iat", "values"))


def may_change_captured(codes: Iterable[CodeType], function: object, nested: bool) -> bool:
    """Whether code may change captured data. `function`: the UDF itself, whose arguments nobody else sees.

    Those of a method or partial may be captured, and so may defaults. `nested`: captured objects hold others, or share memory, so
    that any object may be a part of one.
    """
    if not isinstance(function, FunctionType):
        return any(_may_change(code, frozenset(), nested, frozenset()) for code in codes)
    own = function.__code__
    given = frozenset(own.co_varnames[: own.co_argcount - len(function.__defaults__ or ())])
    arrays = frozenset(name for name, x in function.__globals__.items() if x is np)
    inside = frozenset(map(id, codes_of(own)))  # the other codes may have other globals
    return any(
        _may_change(code, given if code is own else frozenset(), nested, arrays if id(code) in inside else frozenset())
        for code in codes
    )


def _may_change(code: CodeType, free: frozenset[str], nested: bool, arrays: frozenset[str]) -> bool:
    """Whether code may change captured data. `free`: its arguments that are not captured. `arrays`: global names of NumPy."""
    instructions = [i for i in dis.get_instructions(code) if i.opname not in _IDLE]
    starred = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    arguments = frozenset(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + starred])
    changing = [n for n, i in enumerate(instructions) if changes(i) and not (n and _copies(instructions[n - 1], i, arrays))]
    changed = [base_of_change(instructions, n) for n in changing]
    if not changed:
        return False
    others = arguments - free
    return any(name is None or name in others for name in changed) or (
        not free.issuperset(name for name in changed if name is not None) and (nested or _aliases(instructions))
    )


def changes(instruction: dis.Instruction) -> bool:
    """Whether an instruction changes an object, or loads a method that may."""
    return instruction.opname in CHANGES or (instruction.opname in _METHOD_LOADS and instruction.argval in MUTATORS)


def _copies(before: dis.Instruction, instruction: dis.Instruction, arrays: frozenset[str]) -> bool:
    """Whether an instruction loads a function of NumPy, from a global name, that returns a copy: ``np.sort``."""
    loads = instruction.opname in _METHOD_LOADS and instruction.argval in _COPYING and not instruction.is_jump_target
    return loads and before.opname == "LOAD_GLOBAL" and before.argval in arrays


def base_of_change(instructions: list[dis.Instruction], n: int) -> str | None:
    """Returns the local variable whose object an instruction changes; None where the code does not show one."""
    at = n - 1
    if instructions[n].is_jump_target:  # such as `(a if b else c).append(x)`, with another object on each path
        return None
    if instructions[n].opname in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"):
        missing = 2 if instructions[n].opname == "STORE_SLICE" else 1  # the key, or both bounds
        at = _before_copies(instructions, n) if [i.opname for i in instructions[max(n - 2, 0) : n]] == ["SWAP", "SWAP"] else at
        while missing > 0:
            if at < 0 or instructions[at].opcode in dis.hasjrel or instructions[at].opcode in dis.hasjabs:
                return None
            if instructions[at].opname.startswith("LOAD_FAST_LOAD_FAST") and missing == 1:
                return str(instructions[at].argval[0])
            missing -= dis.stack_effect(instructions[at].opcode, instructions[at].arg)
            at -= 1
        if missing < 0:
            return None
    if at > 0 and instructions[at].opname == "LOAD_ATTR" and instructions[at].argval in _ACCESSORS:
        at -= 1
    if at < 0 or not instructions[at].opname.startswith(("LOAD_FAST", "STORE_FAST_LOAD_FAST")):
        return None
    name = instructions[at].argval
    return str(name[-1] if isinstance(name, tuple) else name)


def _before_copies(instructions: list[dis.Instruction], n: int) -> int:
    """Returns the instruction before ``x[key] += value`` copies both operands, where `n` assigns the item."""
    names = [i.opname for i in instructions[:n]]
    return next((at - 1 for at in range(n - 2, 0, -1) if names[at : at + 2] == ["COPY", "COPY"]), -1)


def _aliases(instructions: list[dis.Instruction]) -> bool:
    """Whether a local variable, a result or a part of one may be a captured object."""
    pairs = zip(instructions, instructions[1:], strict=False)
    return any(one.opname in _OUTER_LOADS and _moves(after) for one, after in pairs)


def _moves(instruction: dis.Instruction) -> bool:
    """Whether an instruction hands on the value before it under another name."""
    jumps = instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs
    if instruction.opname == "JUMP_IF_NOT_EXC_MATCH":  # CPython 3.10: compares with a class, and leaves the exception
        return False
    return jumps or instruction.opname.startswith(("STORE_", "RETURN", "COPY", "DUP", "SWAP", "BUILD_"))
