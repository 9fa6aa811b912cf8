"""Represents print, logging, warnings and traceback: a row that reaches a call runs in Python, which writes the output there.

Such a call returns None and changes nothing that the function reads, so its path goes on. Every kind of result that Python may
have for the row is known, and no kernel decides the row. Functions print in rare branches, such as ``except ValueError as error:
print(f"bad value {x}: {error}")``.
"""

from __future__ import annotations

import dis
import logging
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from sparkweld.ir.types import STR
from udf_compiler.frontends.python.path_explorer import explorer, is_exploring
from udf_compiler.frontends.tracing.frames import METHOD_LOADS, offset_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, module_stand_in, of_python
from udf_compiler.function.plain_data import is_scalar

_LEVELS = frozenset("debug info warning warn error exception critical fatal log".split())
#: Module -> its functions that only write.
_WRITERS: dict[ModuleType, frozenset[str]] = {
    logging: _LEVELS, warnings: frozenset(("warn",)),
    traceback: frozenset("print_exc print_exception print_stack print_tb".split()),
}  # fmt: skip

#: Instruction -> the number of stack elements that it replaces by one, from its argument. Others end a search.
_TAKES: dict[str, Callable[[int], int]] = {
    "BUILD_STRING": lambda n: n, "BUILD_TUPLE": lambda n: n,
    "FORMAT_SIMPLE": lambda n: 1, "CONVERT_VALUE": lambda n: 1, "FORMAT_WITH_SPEC": lambda n: 2,
    "FORMAT_VALUE": lambda n: 1 + bool(n & 4),
    "BINARY_OP": lambda n: 2, "BINARY_ADD": lambda n: 2, "BINARY_MODULO": lambda n: 2,
    "CALL": lambda n: n + 2, "CALL_KW": lambda n: n + 3,
    "CALL_FUNCTION": lambda n: n + 1, "CALL_FUNCTION_KW": lambda n: n + 2, "CALL_METHOD": lambda n: n + 2,
}  # fmt: skip
#: Those whose result is a string made of the elements, or their tuple: it too must be printed.
_CARRIES = frozenset(name for name in _TAKES if not name.startswith("CALL"))
_IDLE = frozenset(("CACHE", "NOP", "PRECALL", "KW_NAMES"))


def _writer(call: str) -> Callable[..., None]:
    """Returns the stand-in of a function that writes its arguments."""

    def write(*args: Any, **kwargs: Any) -> None:
        if not is_exploring():
            refuse("SW229", what=f"writes output with {call}")
        given = [*args, *kwargs.values()]
        if not all(map(_is_plain, given)):
            refuse("SW262", call=call, what="an object whose class writes itself")
        run, frame = explorer(), user_frame()
        if frame is not None:
            run.unwritten.discard((frame.f_code, offset_of(frame)))
        run.leave(f"writes output with {call}")
        current().narrowed |= run.handled  # where writing raises, Python may take another path
        if current().open and run.handled and run.decide(run.loop.call("equal", run.unknown_text(), run.loop.const("", STR))):
            raise of_python(OSError(f"{call} raised"))

    return write


def _is_plain(x: Any) -> bool:
    """Whether Python writes the object without running code of the user's."""
    if isinstance(x, BaseException):
        return type(x).__module__ == "builtins" and all(map(_is_plain, x.args))
    if type(x) in (list, tuple, set):
        return all(map(_is_plain, x))
    if type(x) is dict:
        return all(map(_is_plain, (*x, *x.values())))
    return is_scalar(x) or issubclass(type(x), StandIn) or (type(x) is type and x.__module__ == "builtins")


class _Logger(StandIn):
    """Any logger of `logging`."""

    __slots__ = ()
    what = "Logger"
    stands_for = logging.Logger
    exact = False
    of_instances = frozenset(vars(logging.root)) | {"manager", "root"}

    def __getattr__(self, name: str) -> Any:
        if name in _LEVELS:
            return _LOGGING[name]
        refuse("SW251", call=f"Logger.{name}")


def _get_logger(name: Any = None) -> Any:
    if name is not None and type(name) is not str:
        refuse("SW262", call="logging.getLogger", what="a name that is not constant")
    return _LOGGER


def _attribute(module: ModuleType) -> Callable[[str], Any]:
    def attribute(name: str) -> Any:
        if name in _WRITERS[module]:
            return _BY_OBJECT[id(getattr(module, name))]
        if module is logging and name == "getLogger":
            return _get_logger
        value = getattr(module, name)
        if type(value) is int or (isinstance(value, type) and issubclass(value, Warning)):
            return value
        refuse("SW263", name=f"{module.__name__}.{name}")

    return attribute


_LOGGER = _Logger()
_LOGGING = {name: _writer(f"logging.{name}") for name in _LEVELS if hasattr(logging, name)}
_BY_OBJECT: dict[int, Any] = {id(print): _writer("print"), id(logging.getLogger): _get_logger}
_BY_OBJECT |= {id(getattr(logging, name)): write for name, write in _LOGGING.items()}
_BY_OBJECT |= {
    id(getattr(module, name)): _writer(f"{module.__name__}.{name}")
    for module, names in _WRITERS.items() if module is not logging
    for name in names
}  # fmt: skip
_BY_OBJECT |= {id(module): module_stand_in(module, module.__name__, _attribute(module)) for module in _WRITERS}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of a function that writes, of its module, or of a logger; None for anything else."""
    return _LOGGER if type(obj) in (logging.Logger, logging.RootLogger) else _BY_OBJECT.get(id(obj))


def is_writer(function: Any) -> bool:
    """Whether a function of user code only writes its arguments."""
    return type(function) is FunctionType and function.__module__ == __name__ and function.__name__ == "write"


def printed(frame: FrameType | None) -> str | None:
    """Returns a str for a string of which only Python knows the contents; None where the frame does anything but print it.

    The string is what the current instruction of `frame` makes. Its contents decide nothing, as it flows into one call whose
    result is dropped. `Explorer` requires that this call writes it.
    """
    if frame is None or not is_exploring() or explorer().walks or explorer().inside:
        return None
    call = _taking_call(frame.f_code, offset_of(frame))
    if call is None:
        return None
    explorer().unwritten.add((frame.f_code, call))
    return "a string that Python writes"


@cache
def _taking_call(code: CodeType, at: int) -> int | None:
    """Returns the offset of the call that takes the result of the instruction at offset `at` in its arguments.

    None unless it is the only use, as such or as part of a string or tuple, and the result of the call is dropped.
    """
    instructions = [i for i in dis.get_instructions(code) if i.opname not in _IDLE]
    n = next(n for n, i in enumerate(instructions) if i.offset == at)
    if instructions[n].opname not in _TAKES:
        return None
    above = 0  # elements of the stack above the string
    for i, after in pairwise(instructions[n + 1 :]):
        if i.opcode in dis.hasjrel or i.opcode in dis.hasjabs or i.is_jump_target:
            return None
        if i.opname in _TAKES:
            taken = _TAKES[i.opname](i.arg or 0)
            if taken > above and i.opname not in _CARRIES:
                return i.offset if after.opname == "POP_TOP" else None
            if taken > above and not _is_carried(i, above):
                return None
            above = max(above + 1 - taken, 0)
        elif i.opname.startswith(("LOAD_", "PUSH_NULL")):
            if above == 0 and i.opname in METHOD_LOADS:
                return None  # an attribute of the string
            above += dis.stack_effect(i.opcode, i.arg)
        else:
            return None
    return None


def _is_carried(i: dis.Instruction, above: int) -> bool:
    """Whether an operation on a string with `above` operands above it behaves alike whatever the string contains."""
    if i.opname in ("BINARY_OP", "BINARY_MODULO"):
        return i.argrepr == "+" or (above == 0 and (i.argrepr == "%" or i.opname == "BINARY_MODULO"))
    if i.opname == "FORMAT_WITH_SPEC" or (i.opname == "FORMAT_VALUE" and (i.arg or 0) & 4):
        return above == 1  # it is the value, not the format
    return True


def user_frame() -> FrameType | None:
    """Returns the frame of the user's code that called the caller, through functions of this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("udf_compiler."):
        frame = frame.f_back
    return frame
