"""Scores the rows of concurrent requests together: one call of a program for all rows that wait.

A thread takes what has gathered while it scored the rows before. So a single request waits for nothing, and the size of a batch
follows the load. A row gets the answer that `ServedProgram.predict_row` returns for it alone. Where a call for one row is shorter
than waking that thread, the thread that submits the row makes the call itself.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from sparkweld.errors import SparkWeldError
from sparkweld.serving.program import ServedProgram

#: A row whose call takes less is scored by the thread that submits it: waking another one takes as long.
_FAST_SECONDS = 100e-6


class QueueFull(SparkWeldError):
    """More rows wait than a queue holds: try again later, or reject the request (HTTP status 503)."""


class Batcher:
    """A queue of rows before a program. Any number of threads may call `submit`; close it when the service ends.

    `most_rows`: of one call of the program. `most_waiting`: rows that may wait; `submit` rejects further ones. `calls` and
    `rows` count what was scored. A process that is forked, such as a worker of gunicorn, has a queue of its own.
    """

    def __init__(self, program: ServedProgram, most_rows: int = 1024, most_waiting: int = 10_000) -> None:
        self.program, self._most_rows, self._most_waiting = program, most_rows, most_waiting
        self._names = frozenset(column.name for column in program.inputs)
        self._closed = False
        self.calls = self.rows = 0
        #: Least seconds of recent calls for one row.
        self._seconds = math.inf
        self._begin()
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: (found := begin()) and found())

    def _begin(self) -> None:
        """Makes an empty queue, whose thread the first row starts: threads do not survive a fork."""
        self._waiting: deque[tuple[Mapping[str, Any], Future[Any]]] = deque()
        self._changed, self._counting = threading.Condition(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._busy = False

    def submit(self, row: Mapping[str, Any]) -> Future[Any]:
        """Returns the future result of one row, or its own error: UserError, or what the function raises for it.

        `asyncio.wrap_future` makes it awaitable. Raises QueueFull, and RuntimeError after `close`.
        """
        made: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the queue is closed")
            at_once = self._seconds < _FAST_SECONDS and not self._busy and not self._waiting
            if not at_once:
                if len(self._waiting) >= self._most_waiting:
                    raise QueueFull(f"{self._most_waiting} rows wait for {self.program.parts.name}: try again later")
                self._waiting.append((row, made))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="sparkweld-batcher", daemon=True)
                    self._thread.start()
                self._changed.notify()
        if at_once:
            made.set_running_or_notify_cancel()
            self._score([(row, made)])
        return made

    def close(self) -> None:
        """Scores the rows that wait, then ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                while not self._waiting and not self._closed:
                    self._changed.wait()
                self._busy = True
                taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most_rows))]
            if not taken:
                return
            # A request that was given up is not scored; the others can no longer be cancelled.
            running = [(row, made) for row, made in taken if made.set_running_or_notify_cancel()]
            for group in self._groups(running):
                self._score(group)

    def _groups(self, taken: Sequence[tuple[Any, Future[Any]]]) -> list[list[tuple[Any, Future[Any]]]]:
        """Divides rows into batches in which no row changes the dtypes of another one's columns.

        In pandas, a column of integers with a NULL has another dtype, for all of its rows. A row with other names is alone.
        """
        groups: dict[Any, list[tuple[Any, Future[Any]]]] = {}
        for at, (row, made) in enumerate(taken):
            key: Any = at
            if isinstance(row, Mapping) and row.keys() == self._names:
                key = () if self.program.parts.by_row else ("NULLs", *sorted(n for n, value in row.items() if value is None))
            groups.setdefault(key, []).append((row, made))
        return list(groups.values())

    def _score(self, taken: Sequence[tuple[Any, Future[Any]]]) -> None:
        """Sets the results of a batch; where it raises, those of its halves, so that each row has its own error."""
        if len(taken) == 1:
            ((row, made),) = taken
            self._count(1)
            started = time.perf_counter()
            try:
                result = self.program.predict_row(**row)
            except Exception as error:  # noqa: BLE001 - a function raises any exception; the caller of `result` receives it
                made.set_exception(error)
            else:
                # It rises slowly, so that a call that was interrupted does not count.
                self._seconds = min(1.05 * self._seconds, time.perf_counter() - started)
                made.set_result(result)
            return
        try:
            self._count(len(taken))
            results = self.program.predict_rows([row for row, _ in taken])
        except Exception:  # noqa: BLE001 - a function raises any exception
            middle = len(taken) // 2
            self._score(taken[:middle])
            self._score(taken[middle:])
            return
        for (_, made), result in zip(taken, results, strict=True):
            made.set_result(result)

    def _count(self, rows: int) -> None:
        with self._counting:
            self.calls += 1
            self.rows += rows


def as_json(result: Any) -> Any:
    """Returns a result as values that JSON has: NULL as None, and NaN and the infinities by name; dates and times in ISO 8601."""
    if isinstance(result, dict):
        return {name: as_json(value) for name, value in result.items()}
    if isinstance(result, list):
        return list(map(as_json, result))
    if isinstance(result, float) and not math.isfinite(result):
        return "NaN" if result != result else "Infinity" if result > 0 else "-Infinity"
    return result.isoformat() if hasattr(result, "isoformat") else result
