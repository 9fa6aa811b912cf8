"""Holds the state of one trace: the loop it writes to, the required exactness, the first refusal, and the place in user code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, NoReturn, TypeVar

from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder
from sparkweld.reasons import refusal
from udf_compiler.frontends.tracing.dispatch import Dispatch
from udf_compiler.frontends.tracing.handlers import Handlers
from udf_compiler.process.context_variables import assigned

_T = TypeVar("_T")

#: A loop with more values is unrolled code that is not worth compiling to a kernel.
NODE_LIMIT = 20_000

#: Limit of operations in one trace, repeated ones included: helpers that call helpers twice double the work with each level.
WORK_LIMIT = 100_000

_OURS = tuple(f"{os.sep}{name}{os.sep}" for name in ("udf_compiler", "sparkweld"))
_LIBRARIES = ("numpy", "pandas", "functools", "contextlib")


@dataclass
class Session:
    """The state of one call of a user function with symbolic arguments.

    - `refused`: the first refusal, kept even when the user's code catches it, so that a refused trace never succeeds.
    - `notes`: facts for `explain`. `kept`: approximations that no single op of the program records, as (operation, bound).
    - `handlers`: the user's code can catch exceptions.
    - `batches`: where a row is flagged, the function itself decides its whole batch.
    - `narrowed`: a guard of a scalar function decided a branch, so flagged rows may take an unexplored path.
    - `many`: the function explored last has more than a few paths.
    - `open`: guards decide no branch; this reveals only the kinds of results of those paths.
    - `left`: what the first rows do that a path leaves to Python.
    - `groups`: collects the reductions of an aggregate function (`udf_compiler.backends.aggregates`); None: rows must not be
      combined.
    - `group`: computes what a function of a whole group asks of all its rows (`udf_compiler.frontends.pandas.groups`).
    - `tables`: the ops of large constant dicts and sets, which the function reads on many paths.
    - `dispatch`: the operations of the frontends above.
    - `elements`: the type of the values of an array or map that a scalar function is declared to return, or an array's fields.
    - `of_columns`: lists of a scalar function become columns. So they may have None among their elements, and NumPy's scalars
      beside Python's. `list_rows`: lists within these lists are rows of a table.
    - `originals`: rewritten code of the function -> the user's (`udf_compiler.frontends.pandas.groups.rewriting`).
    - `catching`: code that sees whole columns may catch exceptions. `caught`: it has run such code. A flagged row then concerns
      its whole batch, as the handler would see the exception of any row. `handling`: the handlers of code called so far.
    - `entry`: the code that called the user's function.
    """

    loop: LoopBuilder | None
    exact: bool = False
    place: str = ""
    notes: list[str] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    handlers: bool = False
    groups: Any = None
    group: Any = None
    batches: bool = False
    narrowed: bool = False
    many: bool = False
    open: bool = False
    left: str = ""
    tables: dict[tuple[int, str], Any] = field(default_factory=dict)
    dispatch: Dispatch = Dispatch()
    elements: Any = ""
    of_columns: bool = False
    list_rows: bool = False
    originals: dict[CodeType, CodeType] = field(default_factory=dict)
    refused: Refusal | None = None
    catching: bool = False
    caught: bool = False
    handling: Handlers = field(default_factory=Handlers)
    entry: CodeType | None = None

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def keep(self, operation: str, bound: str) -> None:
        if (operation, bound) not in self.kept:
            self.kept.append((operation, bound))


_SESSION: ContextVar[Session] = ContextVar("sparkweld_trace_session")


#: Whether the function may take branches, for flagged rows, that its trace has not taken; None outside of checked functions.
_UNSEEN: ContextVar[list[bool] | None] = ContextVar("sparkweld_unseen_branches", default=None)


@contextmanager
def noting_unseen() -> Iterator[list[bool]]:
    """Yields a list that is not empty at the end if `leave_unseen` was called in the block."""
    noted: list[bool] = []
    with assigned(_UNSEEN, noted):
        yield noted


def leave_unseen() -> None:
    """Notes that flagged rows may take a branch that the trace has not taken."""
    noted = _UNSEEN.get()
    if noted is not None:
        noted.append(True)


def running(session: Session) -> AbstractContextManager[Session]:
    """Makes `session` the current one inside the block."""
    return assigned(_SESSION, session)


def current() -> Session:
    """Returns the session of the running trace, or a dummy session that only serves to refuse."""
    return _SESSION.get(None) or Session(None)


def is_tracing() -> bool:
    """Whether a trace is running."""
    return _SESSION.get(None) is not None


def refuse(code: str, at: str = "", **params: Any) -> NoReturn:
    """Raises the refusal `code` with the place in the user's code that caused it (`at`, when the caller knows it)."""
    session = current()
    error = refusal(code, place=at or _user_place() or session.place, **params)
    session.refused = session.refused or error
    raise error


def keep_of_group(call: str, bound: str) -> None:
    """Notes a result of a group that is within a bound of the library's. Refuses it (SW387) where results must be exact."""
    if current().exact:
        refuse("SW387", call=call, bound=bound)
    current().keep(call, bound)


def refuse_again(error: Refusal) -> NoReturn:
    """Raises a refusal that was caught before."""
    session = current()
    session.refused = session.refused or error
    raise error


def attempt(function: Callable[[], _T]) -> _T | Refusal:
    """Returns the result of a function or its refusal; the session then forgets that refusal, as an alternative may be tried."""
    session = current()
    before, watch = session.refused, sys.getprofile()
    try:
        return function()
    except Refusal as error:
        session.refused = before
        sys.setprofile(watch)  # Python removes a profile function that raises, and the alternative is watched, too
        return without_frames(error)


def without_frames(error: Refusal) -> Refusal:
    """Returns the refusal without its traceback, whose frames would keep their data alive."""
    error.__context__ = None
    return error.with_traceback(None)


def check_size(loop: LoopBuilder) -> None:
    """Refuses (SW258) when the loop has grown past the limit."""
    if len(loop.body) > NODE_LIMIT:
        refuse("SW258", limit=f"{NODE_LIMIT:,}")


def refuse_work(size: str, limit: str) -> NoReturn:
    """Refuses (SW287) a function whose inlined helpers grow too large."""
    session = current()
    refuse("SW287", at=session.place, function=session.place, size=size, limit=limit)


def place_of(error: BaseException) -> str:
    """Returns where in the user's code an error was raised: the innermost frame of its traceback outside libraries."""
    places = [_describe(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if _is_user(frame)]
    return places[-1] if places else ""


def _user_place() -> str:
    """Returns the innermost frame of the user's code between here and the running trace."""
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
