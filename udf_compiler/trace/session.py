"""What one trace knows: the loop it writes to, how exact it must be, the first refusal, the place in the user's code."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn, TypeVar

from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder
from sparkweld.reasons import refusal

_T = TypeVar("_T")

#: More values than this in a loop: the function is unrolled into a kernel that is not worth compiling.
NODE_LIMIT = 20_000

#: More operations than this in one trace, equal ones counted each time: helpers that call helpers twice double with each level.
WORK_LIMIT = 100_000

#: Refusals after which no other way to compile the function is tried: it would cost as much again.
TOO_MUCH = ("SW287",)

_OURS = tuple(f"{os.sep}{name}{os.sep}" for name in ("udf_compiler", "sparkweld"))
_LIBRARIES = ("numpy", "pandas", "functools", "contextlib")


@dataclass
class Session:
    """One call of a user function with symbolic arguments.

    `refused` keeps the first refusal even when the user's code catches it, so a trace that was refused never succeeds.
    `notes` are facts for `explain`; `kept` the differences that no single op of the program shows, as (operation, bound).
    `handlers`: the user's code can catch exceptions.
    `batches`: where a row is flagged, the function itself decides its whole batch.
    `narrowed`: a guard of a scalar function decided a branch, so flagged rows may take a path that was not explored.
    `many`: the function that was explored last has more than a few paths.
    `open`: guards decide no branch, which shows the kinds of results of those paths, and nothing else of them.
    `groups` collects the reductions of an aggregate function (`udf_compiler.aggregates`); None: rows may not meet.
    """

    loop: LoopBuilder | None
    exact: bool = False
    place: str = ""
    notes: list[str] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    handlers: bool = False
    groups: Any = None
    batches: bool = False
    narrowed: bool = False
    many: bool = False
    open: bool = False
    refused: Refusal | None = None

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def keep(self, operation: str, bound: str) -> None:
        if (operation, bound) not in self.kept:
            self.kept.append((operation, bound))


_SESSION: ContextVar[Session] = ContextVar("sparkweld_trace_session")


@contextmanager
def running(session: Session) -> Iterator[Session]:
    """Makes `session` the current one inside the block."""
    token = _SESSION.set(session)
    try:
        yield session
    finally:
        _SESSION.reset(token)


def current() -> Session:
    """The session of the trace that runs, or one that only serves to refuse."""
    return _SESSION.get(None) or Session(None)


def is_tracing() -> bool:
    """Whether a trace runs."""
    return _SESSION.get(None) is not None


def refuse(code: str, at: str = "", **params: Any) -> NoReturn:
    """Raises the refusal `code` with the place in the user's code that asked for it (`at`, when the caller knows it)."""
    session = current()
    error = refusal(code, place=at or _user_place() or session.place, **params)
    session.refused = session.refused or error
    raise error


def refuse_again(error: Refusal) -> NoReturn:
    """Raises a refusal that was caught before."""
    session = current()
    session.refused = session.refused or error
    raise error


def attempt(function: Callable[[], _T]) -> _T | Refusal:
    """What a function gives, or why it is refused: the session then forgets that, as another way may be tried."""
    session = current()
    before = session.refused
    try:
        return function()
    except Refusal as error:
        session.refused = before
        return without_frames(error)


def without_frames(error: Refusal) -> Refusal:
    """The same refusal: one that is kept must not keep the data alive that the frames of its traceback hold."""
    error.__context__ = None
    return error.with_traceback(None)


def check_size(loop: LoopBuilder) -> None:
    """Refuses (SW258) when the loop has grown past the limit."""
    if len(loop.body) > NODE_LIMIT:
        refuse("SW258", limit=f"{NODE_LIMIT:,}")


def refuse_work(size: str, limit: str) -> NoReturn:
    """Refuses (SW287) a function whose helpers, inlined, make too much."""
    session = current()
    refuse("SW287", at=session.place, function=session.place, size=size, limit=limit)


def place_of(error: BaseException) -> str:
    """Where in the user's code an error was raised: the innermost frame of its traceback that is no library's."""
    places = [_describe(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if _is_user(frame)]
    return places[-1] if places else ""


def _user_place() -> str:
    """The innermost frame of the user's code between here and the trace that runs."""
    for frame, line in traceback.walk_stack(None):
        if _is_user(frame):
            return _describe(frame, line)
        if frame.f_code.co_name == "trace" and _is_ours(frame):
            break
    return ""


def _is_ours(frame: FrameType) -> bool:
    return any(name in frame.f_code.co_filename for name in _OURS)


def _is_user(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__") or ""
    return not _is_ours(frame) and str(module).partition(".")[0] not in _LIBRARIES


def _describe(frame: FrameType, line: int) -> str:
    return f"{frame.f_code.co_name}, line {line} of {os.path.basename(frame.f_code.co_filename)}"
