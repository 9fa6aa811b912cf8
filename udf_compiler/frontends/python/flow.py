"""Proves from the bytecode that a list comprehension's list flows into one call and nowhere else.

CPython 3.12 and later run a comprehension inside the function's own frame (PEP 709):

    GET_ITER, LOAD_FAST_AND_CLEAR for each of its variables, BUILD_LIST, FOR_ITER, the element, LIST_APPEND, END_FOR

Then the list is stored, or the saved variables are restored below it on the stack. Earlier versions call a function for it:

    BUILD_LIST, LOAD_FAST of its argument, FOR_ITER, the element, LIST_APPEND, RETURN_VALUE
"""

from __future__ import annotations

import dis
from dataclasses import dataclass
from types import CodeType, FrameType

from udf_compiler.frontends.tracing.frames import CALLS, offset_of

_LOADS = frozenset(
    """LOAD_FAST LOAD_FAST_LOAD_FAST LOAD_FAST_CHECK LOAD_FAST_BORROW LOAD_FAST_BORROW_LOAD_FAST_BORROW LOAD_CONST
    LOAD_SMALL_INT LOAD_GLOBAL LOAD_DEREF LOAD_ATTR LOAD_METHOD PUSH_NULL KW_NAMES PRECALL NOP CACHE""".split()
)
#: Calls that take the names of keyword arguments from the stack.
_KEYWORD_CALLS = frozenset(("CALL_KW", "CALL_FUNCTION_KW"))
#: Operators -> the number of their operands.
_OPERANDS = {"BINARY_SUBSCR": 2, "BINARY_OP": 2, "COMPARE_OP": 2, "LIST_EXTEND": 2}
#: Instructions that make a list or tuple of as many values as their argument says.
_DISPLAYS = frozenset(("BUILD_LIST", "BUILD_TUPLE"))
_STORES = frozenset(("STORE_FAST", "STORE_FAST_STORE_FAST"))
_LOOP_ENDS = frozenset(("END_FOR", "POP_TOP", "POP_ITER"))
_WRITES = ("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR", "STORE_SUBSCR", "DELETE")


@dataclass(frozen=True, slots=True)
class Flow:
    """The use of a loop's lists in `frame`: variable of each list -> the offset of the call that takes it.

    The one list of a comprehension has no variable: "". `variables`: the loop's own. `appends`: the offsets of the calls that
    append to a list. `carried`: where code goes on with an outer loop if a list is empty, the variables that its next round may
    read; else None.
    """

    frame: FrameType
    calls: dict[str, int]
    variables: frozenset[str]
    appends: frozenset[int] = frozenset()
    carried: frozenset[str] | None = None


def flow_of_list(frame: FrameType) -> Flow | None:
    """Returns the flow of the comprehension whose FOR_ITER the frame executes; None if it is none or its list flows elsewhere."""
    code = frame.f_code
    instructions, start = decoded(frame)
    if instructions[start].opname != "FOR_ITER":
        return None
    if code.co_name == "<listcomp>":
        return _flow_of_result(frame, instructions, start)
    variables = _cleared(instructions, start)
    end = next((n for n, i in enumerate(instructions) if i.offset == instructions[start].argval), None)
    if variables is None or end is None or not _writes_only(instructions[start:end], variables):
        return None
    while end < len(instructions) and instructions[end].opname in _LOOP_ENDS:
        end += 1
    call = _of_tail(instructions, end, variables, code)
    return None if call is None else Flow(frame, {"": call}, variables)


def decoded(frame: FrameType) -> tuple[list[dis.Instruction], int]:
    """Returns the instructions of the frame's code, and the index of the one that it executes."""
    instructions = [i for i in dis.get_instructions(frame.f_code) if i.opname != "CACHE"]
    at = offset_of(frame)
    return instructions, next(n for n, i in enumerate(instructions) if i.offset == at)


def _flow_of_result(frame: FrameType, instructions: list[dis.Instruction], start: int) -> Flow | None:
    """Returns the flow of the list that a comprehension's function returns, for its loop over its argument."""
    code, caller = frame.f_code, frame.f_back
    variables = frozenset((*code.co_varnames, *code.co_cellvars))
    begin = [(i.opname, i.argval) for i in instructions[start - 2 : start]]
    if begin != [("BUILD_LIST", 0), ("LOAD_FAST", ".0")] or caller is None:
        return None
    if not _writes_only(instructions[start:], variables, ("STORE_DEREF",)):
        return None
    outer, called = decoded(caller)
    is_stored = outer[called + 1].opname in _STORES
    call = _of_tail(outer, called + 1, frozenset(), caller.f_code) if is_stored else next_call(outer, called + 1)
    return None if call is None else Flow(caller, {"": call}, variables)


def _cleared(instructions: list[dis.Instruction], start: int) -> frozenset[str] | None:
    """Returns the variables that are saved before the loop; None for a loop that builds no list."""
    names, made = set(), False
    for instruction in reversed(instructions[:start]):
        if instruction.opname == "LOAD_FAST_AND_CLEAR":
            names.add(instruction.argval)
        elif instruction.opname == "BUILD_LIST" and instruction.argval == 0 and not names:
            made = True
        elif instruction.opname not in ("SWAP", "GET_ITER", "MAKE_CELL", "COPY"):
            break
    return frozenset(names) if made and names else None


def _writes_only(body: list[dis.Instruction], variables: frozenset[str], own_cells: tuple[str, ...] = ()) -> bool:
    """Whether the loop writes only its own variables and those that nested comprehensions save.

    `own_cells`: STORE_DEREF where the variables that nested functions read are the loop's own, too.
    """
    known = variables | {i.argval for i in body if i.opname == "LOAD_FAST_AND_CLEAR"}
    for instruction in body:
        if instruction.opname.startswith(_WRITES):
            names = _names(instruction)
            if instruction.opname == "STORE_FAST_LOAD_FAST":
                names = names[:1]
            if not instruction.opname.startswith(("STORE_FAST", *own_cells)) or not set(names) <= known:
                return False
    return True


def _names(instruction: dis.Instruction) -> tuple[str, ...]:
    value = instruction.argval
    return value if isinstance(value, tuple) else (value,)


def _of_tail(instructions: list[dis.Instruction], at: int, variables: frozenset[str], code: CodeType) -> int | None:
    if at >= len(instructions):
        return None
    if instructions[at].opname == "SWAP":  # the list stays on the stack
        at += 1
        while at < len(instructions) and instructions[at].opname in _STORES and set(_names(instructions[at])) <= variables:
            at += 1
        return next_call(instructions, at)
    if instructions[at].opname not in _STORES:
        return None
    name = _names(instructions[at])[0]
    uses = [n for n, i in enumerate(instructions) if i.opname != "LOAD_FAST_AND_CLEAR" and name in locals_of(i)]
    if name in variables or name in code.co_cellvars or len(uses) != 2 or uses[0] != at:
        return None
    return call_after_load(instructions, uses[1], name)


def call_after_load(instructions: list[dis.Instruction], at: int, name: str) -> int | None:
    """Returns the offset of the call that takes a list which the instruction at this index loads from a variable, or None."""
    names = locals_of(instructions[at])
    return next_call(instructions, at + 1, len(names) - 1 - names.index(name))


def locals_of(instruction: dis.Instruction) -> tuple[str, ...]:
    return _names(instruction) if "_FAST" in instruction.opname else ()


def next_call(instructions: list[dis.Instruction], at: int, above: int = 0) -> int | None:
    """Returns the offset of the call or assignment that takes the list, after plain loads, or None.

    `above`: the values on top of the list.
    """
    for instruction in instructions[at:]:
        name, count = instruction.opname, instruction.arg or 0
        if name == "STORE_SUBSCR":  # below the container and the key
            return instruction.offset if above == 2 else None
        if name in CALLS and above < (taken := count + (name in _KEYWORD_CALLS)):
            return instruction.offset
        built = {"BUILD_MAP": 2 * count, "BUILD_CONST_KEY_MAP": count + 1}.get(name)
        if built is not None and above < built:  # the list is a value of the dict, which is at the top now
            above = 0
            continue
        # calls and operators of the values above the list; a call also takes its function, in two slots
        operands = count if name in _DISPLAYS else _OPERANDS.get(name, 0)
        free = above >= (taken + 2 if name in CALLS else operands)
        if not free or (built is None and not any(name in known for known in (_LOADS, _OPERANDS, _DISPLAYS, CALLS))):
            return None
        if name != "PRECALL":
            above += dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
    return None


def call_of_method(instructions: list[dis.Instruction]) -> int | None:
    """Returns the offset of the call of a method with one argument, which the first instruction loads; None if it is not found.

    Branches within the argument meet again before the call.
    """
    height, target = 0, 0  # of the stack above the method
    for instruction in instructions[1:]:
        name = instruction.opname
        if instruction.offset < target or name == "PRECALL":
            continue
        if name in CALLS and instruction.arg == 1 and height == 1:
            return instruction.offset
        if name == "JUMP_FORWARD":
            target = instruction.argval
            continue
        height += dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
        if height < 0:
            return None
    return None
