"""Ends a request that has used up its CPU time, and names the function that used it.

A function may compute for hours while it is read or traced, or on the rows of a trial. The process is not killed for that: an
exception is raised in the thread that answers, the request is refused, and the JVM starts another service at its leisure.
CPU time and not wall time: on a busy machine a function that is no trouble waits for a processor for seconds.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

#: The exception is raised again after so many seconds of CPU time, for code that catches everything.
_AGAIN_SECONDS = 0.25


class OutOfTime(BaseException):
    """The request has used up its CPU time. No `Exception`, so that user code seldom catches it."""


_WORKING_ON: ContextVar[list[dict[str, Any]] | None] = ContextVar("sparkweld_working_on", default=None)


@contextmanager
def working_on(udf: dict[str, Any]) -> Iterator[None]:
    """The block works for the call `udf` of a request."""
    calls = _WORKING_ON.get()
    if calls is None:
        yield
        return
    depth = len(calls)
    calls.append(udf)
    try:
        yield
    except Exception:  # not OutOfTime: whoever catches that asks for the call
        del calls[depth:]
        raise
    del calls[depth:]


class CpuLimit:
    """The limit of one request. `call`: the innermost call of a function that it worked on when it ran out of time."""

    def __init__(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds
        self.call: dict[str, Any] | None = None
        self._calls: list[dict[str, Any]] = []
        self._ran_out = False

    def check(self) -> None:
        """Raises OutOfTime again where it was raised before. A function with a bare ``except`` has caught it and gone on: what it
        gave is not what it gives in a worker, which interrupts nobody.
        """
        if self._ran_out:
            raise OutOfTime

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Raises OutOfTime inside of the block. Does nothing without a limit, or in another thread than the main one."""
        token = _WORKING_ON.set(self._calls)
        try:
            if self.milliseconds <= 0 or threading.current_thread() is not threading.main_thread():
                yield
            else:
                with _timer(self.milliseconds / 1000, self._run_out):
                    yield
        except Exception:  # what a function makes of it
            self.check()
            raise
        finally:
            _WORKING_ON.reset(token)

    def _run_out(self) -> None:
        if not self._ran_out:
            self._ran_out, self.call = True, self._calls[-1] if self._calls else None
        raise OutOfTime


@contextmanager
def _timer(seconds: float, run_out: Callable[[], None]) -> Iterator[None]:
    end = time.thread_time() + seconds

    def check(*_: Any) -> None:
        if time.thread_time() >= end:  # the timer counts all threads: one that imports Numba is no fault of the request
            run_out()

    signal.signal(signal.SIGPROF, check)
    signal.siginterrupt(signal.SIGPROF, False)  # C libraries need not know of interrupted calls
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds, _AGAIN_SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)  # by default, one that comes late would end the process
