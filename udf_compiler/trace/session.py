"""What one trace knows: the loop it writes to, how exact it must be, the first refusal, and where in the user's code it stands."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder
from sparkweld.reasons import refusal

#: More values than this in a loop: the function is unrolled into a kernel that is not worth compiling.
NODE_LIMIT = 20_000

_LIBRARIES = tuple(f"{os.sep}{name}{os.sep}" for name in ("udf_compiler", "sparkweld", "numpy", "pandas"))


@dataclass
class Session:
    """One call of a user function with symbolic arguments.

    `refused` keeps the first refusal even when the user's code catches it, so a trace that was refused never succeeds.
    `notes` are facts for `explain`: kept differences that no single op of the program shows.
    """

    loop: LoopBuilder | None
    exact: bool = False
    place: str = ""
    notes: list[str] = field(default_factory=list)
    refused: Refusal | None = None

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


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


def refuse(code: str, **params: Any) -> NoReturn:
    """Raises the refusal `code` with the place in the user's code that asked for it."""
    session = current()
    error = refusal(code, place=_user_place() or session.place, **params)
    session.refused = session.refused or error
    raise error


def check_size(loop: LoopBuilder) -> None:
    """Refuses (SW258) when the loop has grown past the limit."""
    if len(loop.body) > NODE_LIMIT:
        refuse("SW258", limit=f"{NODE_LIMIT:,}")


def _user_place() -> str:
    """``function, line 12 of file.py``: the innermost frame that is neither ours nor NumPy's or pandas'."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not any(name in file for name in _LIBRARIES) and "__sparkweld_user__" not in frame.f_locals:
            if frame.f_globals.get("__name__", "").partition(".")[0] in ("contextlib", "functools"):
                frame = frame.f_back  # type: ignore[assignment]
                continue
            return f"{frame.f_code.co_qualname if hasattr(frame.f_code, 'co_qualname') else frame.f_code.co_name}, line {frame.f_lineno} of {os.path.basename(file)}"
        if frame.f_code.co_name == "trace" and file.endswith(os.path.join("trace", "__init__.py")):
            return ""
        frame = frame.f_back  # type: ignore[assignment]
    return ""
