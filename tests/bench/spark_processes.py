"""Starts a Spark session per configuration in its own JVM, which measures on command (spark_worker.py).

The plugin is loaded when a JVM starts, so each configuration has its own process. The parent commands one process at a time and
can alternate, so that a slow phase of the machine affects all configurations. A fixed amount of work (`spin`) is timed before
and after each sample. When it took much longer than usual, the machine was in a slow phase, and the sample is retaken.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from progress import tail
from submit import session_environment

WORKER = Path(__file__).with_name("spark_worker.py")
# A sample whose adjacent spin took more than SLOW_PHASE times the best is retaken, up to RETRIES times.
SLOW_PHASE, RETRIES = 1.35, 4
# On a permanently busy machine retaking is futile: after MOST_RETAKEN retakes samples are kept as they are.
MOST_RETAKEN = 60


class SparkProcess:
    """A worker with its session; a context manager, which ends it on exit. Commands are the methods of Worker."""

    def __init__(
        self, label: str, plugin: bool, conf: dict[str, str], folder: Path, cores: int = 2, memory: str = "6g",
        environment: dict[str, str] | None = None, java_options: str = "",
    ) -> None:
        """`folder` receives the log; `environment` is added to the process's own."""
        self.label = label
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{label.replace(' ', '-')}.log"
        settings = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", **conf}
        arguments = ["--master", f"local[{cores}]", "--driver-memory", memory]
        if java_options:
            arguments += ["--driver-java-options", java_options]
        for key, value in settings.items():
            arguments += ["--conf", f"{key}={value}"]
        self.started = time.monotonic()
        with self.log.open("wb") as errors:
            self._child = subprocess.Popen(
                [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=session_environment(plugin, arguments, environment))

    def __enter__(self) -> SparkProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session: the worker stops at the end of its input, or is killed."""
        if self._child.stdin and not self._child.stdin.closed:
            self._child.stdin.close()
        try:
            self._child.wait(30)
        except subprocess.TimeoutExpired:
            self._child.terminate()
            self._child.wait()
        if self._child.stdout:
            self._child.stdout.close()

    def ask(self, do: str, **parameters: Any) -> dict[str, Any]:
        """Sends one command and waits for its reply. RuntimeError with the worker's trace or the end of its log."""
        assert self._child.stdin and self._child.stdout
        try:
            self._child.stdin.write(json.dumps({"do": do, **parameters}) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"the session '{self.label}' died; {self.log} ends:\n{tail(self.log)}")
        reply = json.loads(line)
        if not reply.pop("ok"):
            raise RuntimeError(f"the session '{self.label}' could not {do} {parameters}:\n{reply['error']}")
        return reply


def spin() -> float:
    """Returns the seconds of fixed work on one core, about 25 ms: NumPy arithmetic over an array that fits the L2 cache."""
    block = np.linspace(0.1, 1.0, 16_384)
    begin = time.perf_counter()
    for _ in range(700):
        np.exp(block)
        np.sqrt(block)
    return time.perf_counter() - begin


class Sampler:
    """Times commands, each between two spins; stores the best spin so far, and counts the retaken samples."""

    def __init__(self) -> None:
        self.best = min(spin() for _ in range(8))
        self.retaken = 0
        self.kept_slow = 0

    def sample(self, process: SparkProcess, retake: bool = True, **command: Any) -> float:
        """Returns the seconds of `command` as the worker timed it. `retake=False` for one-time measurements."""
        for attempt in range(RETRIES + 1):
            before = spin()
            seconds = float(process.ask(**{"do": "run", **command})["seconds"])
            after = spin()
            self.best = min(self.best, before, after)
            if max(before, after) <= SLOW_PHASE * self.best:
                return seconds
            if not retake or attempt == RETRIES or self.retaken >= MOST_RETAKEN:
                break
            self.retaken += 1
        self.kept_slow += 1
        return seconds
