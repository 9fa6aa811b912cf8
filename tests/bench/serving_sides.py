"""Times calls of one side of a serving bench: a function of this process, or a library in another Python environment.

A side scores the first n rows of its case. Libraries that do not install beside the project run in a worker
(`serving_peers.py`). It times its calls in its own process, so that no pipe is a part of a call.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (1, 10, 1_000, 100_000)
THREADS = 8


class Local:
    """A side in this process. `call` scores the first n rows; `sizes`: those that it can score."""

    def __init__(self, call: Callable[[int], Any], sizes: Sequence[int] = SIZES) -> None:
        self.call, self.sizes = call, tuple(sizes)

    def results(self, rows: int) -> np.ndarray:
        """Returns the results for the first rows, from one call or from one for each row."""
        return np.asarray(self.call(rows), np.float64)

    def times(self, rows: int, seconds: float, threads: int = 1) -> list[float]:
        """Returns the microseconds of each call that the threads together made in this time, at least one for each."""
        return times_of(lambda: self.call(rows), seconds, threads)

    def close(self) -> None:
        """Ends nothing."""


class Foreign:
    """A side in a worker of another Python. Raises RuntimeError with the reason where the library does not run there."""

    sizes = SIZES

    def __init__(self, python: str, peer: str, folder: Path) -> None:
        worker = Path(__file__).with_name("serving_peers.py")
        self._child = subprocess.Popen([python, str(worker), str(folder), peer], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True)  # fmt: skip
        try:
            missing = self._answer()
        except RuntimeError as error:
            missing = str(error)
        if missing:
            self.close()
            raise RuntimeError(missing)

    def results(self, rows: int) -> np.ndarray:
        """Returns the results for the first rows."""
        return np.asarray(self._ask(rows=rows), np.float64)

    def times(self, rows: int, seconds: float, threads: int = 1) -> list[float]:
        """Returns what `Local.times` does."""
        found: list[float] = self._ask(rows=rows, seconds=seconds, threads=threads)
        return found

    def close(self) -> None:
        """Ends the worker."""
        self._child.kill()
        self._child.communicate()

    def _ask(self, **asked: Any) -> Any:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(asked) + "\n")
        self._child.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if line.startswith("="):  # libraries print lines of their own
                return json.loads(line[1:])
        raise RuntimeError("the worker ended")


Side = Local | Foreign


def times_of(call: Callable[[], Any], seconds: float, threads: int = 1) -> list[float]:
    """Returns the microseconds of each call that the threads together made in this time, at least one for each."""
    times: list[list[float]] = [[] for _ in range(threads)]
    end = time.perf_counter() + seconds

    def work(own: list[float]) -> None:
        while not own or time.perf_counter() < end:
            started = time.perf_counter_ns()
            call()
            own.append((time.perf_counter_ns() - started) / 1e3)

    if threads == 1:
        work(times[0])
        return times[0]
    workers = [threading.Thread(target=work, args=(own,)) for own in times]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [x for own in times for x in own]
