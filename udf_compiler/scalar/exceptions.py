"""Exceptions of a scalar function: which are Python's own for the row, and which come only from its values being symbolic.

Code in C that is handed a symbolic value where it wants a real one raises a TypeError that no row of the batch would see.
User code may catch it, so every exception is looked at where it is raised, caught or not.
"""

from __future__ import annotations

import dis
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from sparkweld.errors import InternalError, SparkWeldError
from udf_compiler.trace.session import refuse
from udf_compiler.trace.stand_ins import StandIn

_OF_PYTHON = "_sparkweld_of_python"
_OURS = ("udf_compiler", "sparkweld")

#: Calls of user code within each other where it may catch RecursionError, whose place in the trace is not Python's.
_MOST_CALLS = 100

#: Names of our classes: they are in the message when C code does not know what to do with one.
_STATES = "(Counter|Walk|Letters|Elements|Together|Growing|Distinct|Expression)"
_SYMBOLIC = re.compile(rf"Traced(Scalar|Pieces|Match|Found|Range)|'{_STATES}'|\b{_STATES} object")
#: What a TypeError about values says: which class one has, or which arguments are missing.
_NAMED = re.compile(
    r"'[\w.]+'|\bnot \"|, not |NoneType|unhashable|positional argument|keyword argument|multiple values|join an iterable"
)


def of_python(error: Exception) -> Exception:
    """An exception that Python itself would raise in the user's function, marked so that it counts as the user's."""
    setattr(error, _OF_PYTHON, True)
    return error


class ErrorText(StandIn):
    """The text of an error in Python's place. Python's own may be another one, so that reading it is refused."""

    __slots__ = ("text",)
    what = "text of an exception"
    stands_for = str

    def __init__(self, text: str) -> None:
        self.text = text


def in_place(error: Exception) -> Exception:
    """An error of this class that Python itself would raise, with a text of its own; a KeyError holds its key."""
    if len(error.args) == 1 and type(error.args[0]) is str and not isinstance(error, KeyError):
        error.args = (ErrorText(error.args[0]),)
    return of_python(error)


def as_python(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A builtin or a function of the user's itself; what the call raises, for wrong arguments too, counts as the user's."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # not from code that it called
            if type(error) is TypeError and not _NAMED.search(text_of(error)) and any(issubclass(type(x), StandIn) for x in args):
                refuse("SW299", error=text_of(error))
            of_python(error)
        raise


def check_exception(error: BaseException) -> None:
    """Refuses (SW299) an error about symbolic values. Raises InternalError for an error of our own code."""
    if isinstance(error, SparkWeldError | StopIteration):
        return
    if _SYMBOLIC.search(text_of(error)) or _is_vague(error):
        refuse("SW299", error=text_of(error))
    if raised_here(error):
        raise InternalError(f"{text_of(error)} while tracing") from error


def _is_vague(error: BaseException) -> bool:
    """Whether it may be about a symbolic value, as "encoding without a string argument" of ``bytes(text, "utf8")``."""
    if type(error) is not TypeError or getattr(error, _OF_PYTHON, False) or is_of_statement(error):
        return False
    return not raised_here(error) and not _NAMED.search(text_of(error))


def text_of(error: BaseException) -> str:
    """The class and the texts of an exception; its arguments may be symbolic, as the key in a KeyError is."""
    texts = (a.text if type(a) is ErrorText else a for a in error.args if type(a) in (str, ErrorText))
    return f"{type(error).__name__}: {' '.join(texts)}"


@contextmanager
def watched_exceptions() -> Iterator[None]:
    """`check_exception` of every exception within the block, also of those that user code catches."""
    bugs: list[InternalError] = []
    depth = 0

    def of_call(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal depth
        if _package(frame) in _OURS:
            return None
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


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__") or "").partition(".")[0]


def is_of_statement(error: BaseException) -> bool:
    """Whether a ``raise`` statement has raised the error."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and dis.opname[at.tb_frame.f_code.co_code[at.tb_lasti]] == "RAISE_VARARGS"


def raised_here(error: BaseException) -> bool:
    """Whether an error is our bug: its innermost frame is ours, and we did not raise it in Python's place."""
    if getattr(error, _OF_PYTHON, False):
        return False
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and _package(at.tb_frame) in _OURS
