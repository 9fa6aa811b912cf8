"""Formats values of the row in f-strings and str.format, where the function returns the resulting string.

Python formats each value and concatenates the results in C. The values are therefore marks within the string until the function
has returned it. Nothing else may inspect a string with marks, so the bytecode must show that it flows directly to the return.
Otherwise `regions` interprets the function, and the elements of the string are values (`frontends.python.regions.strings`).
"""

from __future__ import annotations

import dis
import re
import sys
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import F64, I64, STR
from udf_compiler.frontends.python import datetime_values, decimal_methods, decimals
from udf_compiler.frontends.python.lists import as_list
from udf_compiler.frontends.python.number_digits import binary_digits
from udf_compiler.frontends.python.operands import as_float, as_int, as_text, concatenated, guard_exact, make_float, make_text
from udf_compiler.frontends.python.output_calls import printed
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.strings import text_of, to_str
from udf_compiler.frontends.python.values import shown
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.frames import CALLS, offset_of
from udf_compiler.frontends.tracing.session import refuse

_FORMATS = ("FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "FORMAT_VALUE")
_RETURNS = frozenset(("RETURN_VALUE",))
#: Instructions that may read a value below the top, store it, or go elsewhere.
_ELSEWHERE = ("DUP_", "ROT_", "STORE_", "RETURN", "JUMP", "POP_JUMP", "YIELD", "RAISE")
_PARTS = frozenset(("BUILD_STRING", "BUILD_TUPLE", "BUILD_LIST", "BUILD_MAP", "BUILD_CONST_KEY_MAP"))
_BACKWARD = frozenset(("JUMP_BACKWARD", "JUMP_ABSOLUTE"))
# Zero padding with a thousands separator is unsupported: Python also separates the padding zeros.
_FIXED = re.compile(r"(0?)(\d{0,3})([,_]?)\.(\d)([f%])")
_FIXED_OR_ALL = re.compile(r"(0?)(\d{0,3})(,?)(?:\.(\d))?([f%]?)")
_INTEGER = re.compile(r"(0?)(\d{0,3})([,_]?)d?")
_HEX = re.compile(r"(0?)(\d{0,3})([xX])")
_BINARY = re.compile(r"(0?)(\d{0,3})b")
# For a str, a zero before the width is the fill character; the default side is left.
_ALIGNED = re.compile(r"(?:(.)?([<>^]))?(0?)(\d{1,3})s?")
# A number on a side of a field, or with a sign in any case: its string is that of the rest of the format, extended.
_PLACED = re.compile(r"(?:(.)?([<>^]))?(\+?)(\d{0,3})([,_]?(?:\.\d)?[df%]?)")
_SIDES = {"<": "ljust", ">": "rjust", "^": "center"}


def format_(x: Any, spec: str) -> str:
    """Returns ``format(x, spec)`` as a mark; refuses a string that is not returned directly, or the spec (SW602)."""
    frame = sys._getframe(2)
    if not _is_collected(frame):
        mark = printed(frame)
        if mark is not None:
            return mark
        if not _is_returned(frame.f_code, offset_of(frame)) or not _is_ours(frame.f_back):
            refuse("SW602", spec="a string that is used other than as the result")
    return explorer().mark(formatted(x, spec))


def assembled(x: Any) -> Any:
    """Returns a result with its marks replaced by their values."""
    x = as_list(x)
    if type(x) in (tuple, list):
        return type(x)(map(assembled, x))
    if type(x) is dict:
        return {assembled(key): assembled(value) for key, value in x.items()}
    run = explorer()
    if type(x) is not str or not run.marks:
        return x
    marks = "|".join(map(re.escape, run.marks))
    parts, found = re.split(marks, x), re.findall(marks, x)
    if not found:
        return x
    pieces: list[Value] = []
    for text, mark in zip(parts, [*found, None], strict=True):
        if text:
            pieces.append(as_text(text))
        if mark is not None:
            pieces.append(as_text(run.marks[mark]))
    return make_text(concatenated(pieces))


def formatted(x: Any, spec: str) -> Any:
    """Returns ``format(x, spec)`` of a value of the row as a str of the row; refuses unsupported specs (SW602)."""
    if spec == "":
        return to_str(x)
    if decimals.is_decimal(x) and (found := _FIXED_OR_ALL.fullmatch(spec)) and not (found[1] and found[3]):
        digits = None if found[4] is None else int(found[4])
        return make_text(_padded(decimal_methods.fixed(x, found[3], digits, found[5]), bool(found[1]), int(found[2] or 0)))
    if x.kind == "float" and (found := _FIXED.fullmatch(spec)) and not (found[1] and found[3]):
        width, digits = int(found[2] or 0), int(found[4])
        return make_text(_fixed(x.value, bool(found[1]), width, found[3], digits, found[5] == "%"))
    if x.kind == "int" and (found := _INTEGER.fullmatch(spec)) and not (found[1] and found[3]):
        return make_text(_integer(x, bool(found[1]), int(found[2] or 0), found[3]))
    if x.kind == "int" and (found := _HEX.fullmatch(spec)):
        text = explorer().loop.emit(StrCall("format_hex", (int(found[3] == "X"),)), as_int(x))
        return make_text(_padded(text, bool(found[1]), int(found[2] or 0)))
    if x.kind == "int" and not x.numpy and (found := _BINARY.fullmatch(spec)):
        return make_text(_padded(binary_digits(x), bool(found[1]), int(found[2] or 0)))
    if x.kind == "int" and _FIXED.fullmatch(spec):
        guard_exact(x)
        return formatted(make_float(as_float(x)), spec)
    if x.kind == "str" and (found := _ALIGNED.fullmatch(spec)):
        return _aligned(x, found[2] or "<", int(found[4]), found[1] or found[3] or " ")
    if (x.kind in ("int", "float") or decimals.is_decimal(x)) and (found := _PLACED.fullmatch(spec)) and (found[2] or found[3]):
        text = formatted(x, found[5])
        if found[3]:
            text = _signed(x, text.value)
        return _aligned(text, found[2] or ">", int(found[4] or 0), found[1] or " ")
    if x.kind in ("date", *datetime_values.KINDS):
        return x.strftime(spec)
    refuse("SW602", spec=f"the format {spec!r} of {shown([x.kind])}")


def _aligned(text: Any, side: str, width: int, fill: str) -> Any:
    """Returns ``format(text, ...)`` on a side of a field."""
    if side == "^" and width % 2:  # `str.center` puts an odd space of an odd width on the other side
        refuse("SW602", spec=f"a centred field of the odd width {width}")
    return make_text(explorer().loop.emit(StrCall(_SIDES[side], (width, fill)), text.value)) if width else text


def _signed(x: Any, text: Value) -> Any:
    """Returns a number's string with its sign, also where the number is not negative; NaN counts as positive."""
    loop = explorer().loop
    minus = loop.emit(StrCall("starts_with", ("-",)), text)
    return make_text(loop.select(minus, text, loop.emit(StrCall("concat"), loop.const("+", STR), text)))


def _integer(x: Any, zeros: bool, width: int, separator: str) -> Value:
    loop = explorer().loop
    text = loop.emit(StrCall("format_int", (separator,)), loop.cast(x.value, I64)) if separator else text_of(loop, x)
    return _padded(text, zeros, width)


def _fixed(x: Value, zeros: bool, width: int, separator: str, digits: int, percent: bool) -> Value:
    """Returns ``format(x, ".2f")`` and similar: the exact value, rounded half to even."""
    loop = explorer().loop
    value = loop.call("multiply", x, loop.const(100.0, F64)) if percent else x
    explorer().guard(loop.emit(StrCall("format_fixed_decided", (digits, separator)), value), local=True)
    text = loop.emit(StrCall("format_fixed", (digits, separator)), value)
    if percent:
        text = loop.emit(StrCall("concat"), text, loop.const("%", STR))
    return _padded(text, zeros, width)


def _padded(text: Value, zeros: bool, width: int) -> Value:
    """Pads a formatted number to a width; zeros follow its sign, as in zfill."""
    if not width:
        return text
    return text.loop.emit(StrCall("zfill", (width,)) if zeros else StrCall("rjust", (width, " ")), text)


def _is_ours(frame: Any) -> bool:
    """Whether the caller is the exploration itself, which replaces the marks by their values."""
    while frame is not None and frame.f_code is as_python.__code__:
        frame = frame.f_back
    if frame is None or frame.f_code.co_name not in ("of_row", "run", "run_function"):
        return False
    return str(frame.f_globals.get("__name__")).startswith("udf_compiler.")


def _is_collected(frame: FrameType) -> bool:
    """Whether the string is the element that a loop over rows appends next, or a part of that element."""
    collector = explorer().collector
    if collector is None or collector[0] is not frame:
        return False
    at = offset_of(frame)
    return _is_returned(frame.f_code, at, collector[1]) or _is_appended(frame.f_code, at, collector[2])


def _is_appended(code: CodeType, at: int, appends: frozenset[int]) -> bool:
    """Whether the result of the instruction at offset `at` goes into the argument of calls at `appends`, and nothing reads it.

    It may be an element of a string, a list or a tuple, or a value of a dict. Other parts of these may have branches,
    which end before the string is taken. A variable may hold the string in between.
    """
    instructions = _path(code, at)
    return bool(appends) and instructions[0].opname in (*CALLS, *_FORMATS) and _reaches(code, at, 0, appends, frozenset())


def _reaches(code: CodeType, at: int, height: int, appends: frozenset[int], variables: frozenset[str]) -> bool:
    """Whether the value `height` below the top, after the instruction at offset `at`, only goes into calls at `appends`.

    `variables`: those of which that is being shown.
    """
    for i in _path(code, at)[1:]:
        name, count = i.opname, i.arg or 0
        if height == 0 and i.offset in appends:
            return True
        if name == "PRECALL" or (name.startswith("POP_JUMP") and height > 0 and "BACKWARD" not in name):
            height -= name != "PRECALL"
            continue
        if height == 0 and name in ("STORE_FAST", "STORE_FAST_LOAD_FAST"):
            variable = str(i.argval[0] if name == "STORE_FAST_LOAD_FAST" else i.argval)
            return variable in variables or _is_variable_appended(code, variable, appends, variables | {variable})
        if name in ("COPY", "SWAP") and count > height or name.startswith(_ELSEWHERE):
            return False
        above = height
        height += dis.stack_effect(i.opcode, i.arg, jump=False)
        formats = name == "FORMAT_SIMPLE" or (name == "FORMAT_VALUE" and not count)  # without a conversion and a format
        if height > 0 or (height == 0 and (name == "NOP" or formats)):
            continue
        if name not in _PARTS or not _holds(name, count, above):
            return False
        height = 0
    return False


def _is_variable_appended(code: CodeType, variable: str, appends: frozenset[int], variables: frozenset[str]) -> bool:
    """Whether all reads of a local variable go into calls at `appends`."""
    for i in dis.get_instructions(code):
        names = i.argval if isinstance(i.argval, tuple) else (i.argval,)
        if "_FAST" not in i.opname or variable not in names or i.opname in ("STORE_FAST", "STORE_FAST_STORE_FAST", "DELETE_FAST"):
            continue
        if i.opname == "STORE_FAST_LOAD_FAST":
            names = names[1:]
        elif not i.opname.startswith("LOAD_FAST") or i.opname == "LOAD_FAST_AND_CLEAR":
            return False
        for height, name in enumerate(reversed(names)):
            if name == variable and not _reaches(code, i.offset, height, appends, variables):
                return False
    return True


def _holds(name: str, count: int, above: int) -> bool:
    """Whether an instruction makes a string, list, tuple or dict of which the element below `above` others is a part.

    Of a dict it must be a value.
    """
    if name == "BUILD_CONST_KEY_MAP":
        return 0 < above <= count
    return above < 2 * count and above % 2 == 0 if name == "BUILD_MAP" else above < count


def _is_returned(code: CodeType, at: int, loop: int | None = None) -> bool:
    """Whether the result of the instruction at offset `at` is an element of the string that is returned next.

    `loop`: instead, whether the string is appended by the comprehension whose loop begins at this offset.
    """
    instructions = _path(code, at)
    if instructions[0].opname in CALLS:
        return _takes(instructions, 1, loop)
    if instructions[0].opname not in _FORMATS:
        return False
    height = 0  # of the stack above the element
    for following, (previous, i) in enumerate(pairwise(instructions), 1):
        if _takes(instructions, following, loop):
            return height == 0
        if i.opname == "BUILD_STRING" and height < (i.arg or 0):
            height = 0  # the string is at the element's stack position, or below it
            continue
        if height == 0 and _leaves_loop(previous, i):
            continue
        if i.opcode in dis.hasjrel or i.opcode in dis.hasjabs:
            return False
        height += dis.stack_effect(i.opcode, i.arg, jump=False)
        if height < 0 or (height == 0 and i.opname != "NOP"):
            return False
    return False


def _path(code: CodeType, at: int) -> list[dis.Instruction]:
    """Returns the instructions from an offset on, as they are executed where no branch is taken: a forward jump is followed."""
    found, skipped = [], at
    for i in dis.get_instructions(code):
        if i.opname == "CACHE" or i.offset < skipped:
            continue
        if i.opname == "JUMP_FORWARD":
            skipped = i.argval
        else:
            found.append(i)
    return found


def _takes(instructions: list[dis.Instruction], n: int, loop: int | None) -> bool:
    """Whether an instruction returns the string or, with `loop`, appends it at the end of that comprehension's round."""
    if loop is None:
        return instructions[n].opname in _RETURNS
    after = instructions[n + 1]
    return instructions[n].opname == "LIST_APPEND" and after.opname in _BACKWARD and after.argval == loop


def _leaves_loop(previous: dis.Instruction, i: dis.Instruction) -> bool:
    """Whether the instruction drops a loop's iterator from below the string."""
    return (i.opname == "SWAP" and i.arg == 2) or (i.opname == "POP_TOP" and previous.opname == "SWAP" and previous.arg == 2)
