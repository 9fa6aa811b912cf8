"""Calls a user's function once with symbolic Series and records its computation as IR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sparkweld.errors import InternalError, Refusal, SparkWeldError
from sparkweld.ir import LoopBuilder, Work, counted
from udf_compiler.frontends.pandas.apply.comprehensions import RowLoops
from udf_compiler.frontends.pandas.dispatch import DISPATCH
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.exceptions import as_python, is_of_statement, raised_here, text_of, told
from udf_compiler.frontends.tracing.session import (
    WORK_LIMIT,
    Session,
    check_size,
    leave_unseen,
    place_of,
    refuse,
    refuse_work,
    running,
)
from udf_compiler.process.cpu_time import OutOfTime


def trace(
    function: Callable[..., Any],
    args: Sequence[TracedSeries | TracedFrame],
    kwargs: Mapping[str, TracedSeries | TracedFrame] | None = None,
    *,
    loop: LoopBuilder,
    exact: bool = False,
    place: str = "",
    notes: list[str] | None = None,
    kept: list[tuple[str, str]] | None = None,
    handlers: bool = False,
    groups: Any = None,
    group: Any = None,
    batches: bool = False,
    catching: bool = False,
) -> Any:
    """Returns the symbolic result of ``function(*args, **kwargs)``; its values and guards join `loop`.

    `function` has been checked to be pure and rebuilt on `stand_in` objects. `exact` refuses approximate operations.
    `handlers`: its code can catch exceptions. `notes` collects facts for explain. `kept` collects the (operation, bound)
    pairs of approximations that no op of the loop records. `group`, `batches` and `catching`: see `Session`. Raises Refusal
    unless the function is provably exact and, without `groups` and `group`, row-local, even when the function itself caught that
    refusal.
    """
    collected = ([] if notes is None else notes, [] if kept is None else kept)
    session = Session(loop, exact, place, *collected, handlers, groups, group, batches, dispatch=DISPATCH, entry=trace.__code__)
    session.catching = catching
    for value in (*args, *(kwargs or {}).values()):
        value.shared = True
    work = Work(WORK_LIMIT, lambda: refuse_work(f"more than {WORK_LIMIT:,} operations", f"{WORK_LIMIT:,}"))
    with running(session), counted(work):
        try:
            result = RowLoops(loop, handlers).run(lambda: as_python(function, *args, **(kwargs or {})), function)
            check_size(loop)
        except Refusal:
            raise session.refused or AssertionError("a refusal that no session saw") from None
        except (SparkWeldError, OutOfTime):
            raise
        except RecursionError as error:
            refuse("SW231", at=place_of(error))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not is_of_statement(error):
                raise  # Ctrl-C, in a process of the user
            if raised_here(error):
                raise InternalError(f"{text_of(error)} while tracing") from error
            if session.refused is None:
                refuse("SW261", at=place_of(error), error=told(error))
    _note_handlers(session)
    if session.refused is not None:
        raise session.refused
    if session.caught:
        loop.spread()
    return result


def _note_handlers(session: Session) -> None:
    """Notes handlers around code of whole columns. Refuses them (SW213) where a flagged row does not concern its batch."""
    error = session.handling.refusal()
    if error is None:
        return
    session.caught = True
    leave_unseen()
    if not session.catching:
        session.refused = session.refused or error
