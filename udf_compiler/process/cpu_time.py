"""Ends a request that has exceeded its CPU time, and names the responsible function.

A function may compute for hours while it is read or traced, or on the rows of a trial. The process is not killed for that:
the thread that answers gets an exception, the request is refused, and the JVM starts another service later. The limit is on
CPU time, not wall time: on a busy machine a harmless function waits for a processor for seconds.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sparkweld.contract.requests import Udf

#: Seconds of CPU time after which the exception is raised again, for code that catches everything.
_AGAIN_SECONDS = 0.25


class OutOfTime(BaseException):
    """The request has exceeded its CPU time. It is no `Exception`, so user code seldom catches it."""


_WORKING_ON: ContextVar[list[Udf] | None] = ContextVar("sparkweld_working_on", default=None)


@contextmanager
def working_on(udf: Udf) -> Iterator[None]:
    """Attributes the block's CPU time to the call `udf` of a request."""
    calls = _WORKING_ON.get()
    if calls is None:
        yield
        return
    depth = len(calls)
    calls.append(udf)
    try:
        yield
    except Exception:  # not OutOfTime: its handler needs the innermost call
        del calls[depth:]
        raise
    del calls[depth:]


class CpuLimit:
    """The CPU limit of one request. `call`: the innermost function call in progress when the time ran out."""

    def __init__(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds
        self.call: Udf | None = None
        self._calls: list[Udf] = []
        self._ran_out = False

    def check(self) -> None:
        """Raises OutOfTime again if it was raised before.

        A function with a bare ``except`` may have caught it and continued. Its result would differ from that in a worker,
        which interrupts no function.
        """
        if self._ran_out:
            raise OutOfTime

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Raises OutOfTime inside the block; has no effect without a limit, or outside the main thread."""
        token = _WORKING_ON.set(self._calls)
        try:
            if self.milliseconds <= 0 or threading.current_thread() is not threading.main_thread():
                yield
            else:
                with _timer(self.milliseconds / 1000, self._run_out):
                    yield
        except Exception:  # an exception that a function raised in place of OutOfTime
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
        if time.thread_time() >= end:  # the timer counts all threads, and one that imports Numba is not part of the request
            run_out()

    signal.signal(signal.SIGPROF, check)
    signal.siginterrupt(signal.SIGPROF, False)  # C libraries may not handle interrupted calls
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds, _AGAIN_SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)  # by default, a late signal would end the process
