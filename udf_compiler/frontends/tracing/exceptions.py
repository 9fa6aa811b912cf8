"""Distinguishes Python's own exceptions for a row from those that only its symbolic values cause.

C code that receives a symbolic value instead of a real one raises a TypeError that no row of the batch would raise. User code may
catch it, so every exception is checked where it is raised, caught or not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from sparkweld.errors import InternalError, SparkWeldError
from udf_compiler.frontends.tracing.frames import instruction
from udf_compiler.frontends.tracing.handlers import is_protected
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import OF_PYTHON, OURS, ErrorText, in_user_words, of_python

#: The deepest nesting of user calls where user code may catch RecursionError: the trace reaches that at another depth than
#: Python.
_MOST_CALLS = 100

#: Names of our classes, which C code puts into its message when it does not support one.
_STATES = "(Counter|Walk|Letters|Octets|Runs|Run|Elements|Documents|Together|Growing|Distinct|Expression|Mapping|Seen|Method)"
_SYMBOLIC = re.compile(rf"Traced(?!Series|Frame|Array|Arrow|Batch)[A-Z]\w+|'{_STATES}'|\b{_STATES} object|\bnot {_STATES}\b")
#: Matches a TypeError about values: it names the class of one, or the missing arguments.
_NAMED = re.compile(
    r"'[\w.]+'|\bnot \"|, not |NoneType|unhashable|positional argument|keyword argument|multiple values|join an iterable"
    r"|must support iteration"
)

#: Python's TypeError about the arguments of a function, with its qualified name.
_SIGNATURE = re.compile(r"([\w.<>]+)\(\) (?:got|takes|missing)")


def as_python(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a builtin or a user function; an exception of the call itself, also for wrong arguments, counts as the user's."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # raised by the call itself
            vague = type(error) is TypeError and not _NAMED.search(text_of(error))
            of_user = type(function) is FunctionType and str(function.__module__).partition(".")[0] not in OURS
            if not of_user and (_is_of_our_signature(error) or (vague and any(map(_is_symbolic, args)))):
                refuse("SW299", error=told(error))
            of_python(error)
        raise


def _is_symbolic(x: Any) -> bool:
    return type(x).__module__.partition(".")[0] in OURS


def check_exception(error: BaseException) -> None:
    """Refuses (SW299) an error about symbolic values; raises InternalError for an error of our own code."""
    if isinstance(error, SparkWeldError | StopIteration):
        return
    if _SYMBOLIC.search(text_of(error)) or _is_vague(error) or _is_of_our_signature(error):
        refuse("SW299", error=told(error))
    if raised_here(error):
        raise InternalError(f"{text_of(error)} while tracing") from error


def _is_vague(error: BaseException) -> bool:
    """Whether the error may be about a symbolic value, like "encoding without a string argument" of ``bytes(text, "utf8")``."""
    if type(error) is not TypeError or getattr(error, OF_PYTHON, False) or is_of_statement(error):
        return False
    return not raised_here(error) and not _NAMED.search(text_of(error))


def _is_of_our_signature(error: BaseException) -> bool:
    """Whether a call does not fit a function of ours, which may lack parameters of the real function that it stands for."""
    if type(error) is not TypeError or getattr(error, OF_PYTHON, False):
        return False
    found = _SIGNATURE.match(text_of(error).removeprefix("TypeError: "))
    return found is not None and _is_ours(found[1])


def _is_ours(qualified: str) -> bool:
    """Whether a loaded module of ours has a function of this qualified name."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in OURS]
    return any(qualified in _functions_of(module) for module in modules)


@cache
def _functions_of(module: ModuleType) -> frozenset[str]:
    found: set[str] = set()
    for value in vars(module).values():
        for function in (value, *vars(value).values()) if isinstance(value, type) else (value,):
            if type(function) is FunctionType and function.__module__ == module.__name__:
                found.update(_qualified_names(function.__code__, function.__qualname__))
    return frozenset(found)


def _qualified_names(code: CodeType, name: str) -> Iterator[str]:
    yield name
    for inner in code.co_consts:
        if type(inner) is CodeType:
            yield from _qualified_names(inner, f"{name}.<locals>.{inner.co_name}")


def told(error: BaseException) -> str:
    """Returns an exception's class and strings for the author of the function."""
    return in_user_words(text_of(error))


def text_of(error: BaseException) -> str:
    """Returns an exception's class and strings; its other arguments may be symbolic, such as the key of a KeyError."""
    texts = (a.text if type(a) is ErrorText else a for a in error.args if type(a) in (str, ErrorText))
    return f"{type(error).__name__}: {' '.join(texts)}"


@contextmanager
def watched_exceptions(exploring: Callable[[], bool]) -> Iterator[None]:
    """Runs `check_exception` on every exception within the block, also on those that user code catches.

    `exploring`: whether a function of single rows runs, for the session's handlers.
    """
    bugs: list[InternalError] = []
    depth = 0

    def of_call(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal depth
        if _package(frame) in OURS or _asks_numpy(frame):
            return None
        current().handling.watch(frame, event, exploring())
        depth += 1
        if depth > _MOST_CALLS:
            refuse("SW231")
        return of_line

    def of_line(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal depth
        if event == "exception" and isinstance(arg[1], Exception):
            try:
                check_exception(arg[1])
            except InternalError as bug:
                bugs.append(bug)
        current().handling.watch(frame, event, exploring())
        depth -= event == "return"
        return of_line

    before = sys.gettrace()
    sys.settrace(of_call)
    try:
        yield
    finally:
        sys.settrace(before)
    if bugs:
        raise bugs[0]


@contextmanager
def unwatched() -> Iterator[None]:
    """Suspends `watched_exceptions`: a library that our code calls raises and catches exceptions of its own."""
    before = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(before)


def _asks_numpy(frame: FrameType) -> bool:
    """Whether NumPy tests an object for a class, as for the name of a dtype: it raises and catches a TypeError of its own."""
    found = frame.f_code.co_name == "issubclass_" and _package(frame) == "numpy"
    return found and not _is_symbolic(frame.f_locals["arg1"])


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__") or "").partition(".")[0]


def is_of_statement(error: BaseException) -> bool:
    """Whether a ``raise`` statement raised the error."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and instruction(at.tb_frame.f_code, at.tb_lasti) == "RAISE_VARARGS"


def raised_here(error: BaseException) -> bool:
    """Whether an error is our bug: its innermost frame is ours, and it was not raised instead of Python's."""
    if getattr(error, OF_PYTHON, False):
        return False
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and _package(at.tb_frame) in OURS


def catches(entry: CodeType) -> bool:
    """Whether a function that runs, called since `entry`, may catch an exception that its present instruction raises."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not entry:
        if _package(frame) not in OURS and is_protected(frame):
            return True
        frame = frame.f_back
    return frame is None
