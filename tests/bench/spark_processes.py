"""Turns a Spark configuration into a running session in its own JVM that measures on command (spark_worker.py).

Whether the plugin is loaded is fixed when a JVM starts, so each configuration has its own process. The parent sends a
command to one of them at a time and can alternate, so that a slow phase of the machine hits all alike. A fixed piece
of work (`spin`) is timed before and after each sample: where it took much longer than usual, the machine was in such
a phase, and the sample is taken again.
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
# A sample beside which the spin took so many times its best is taken again, up to RETRIES times.
SLOW_PHASE, RETRIES = 1.35, 4
# On a machine that is busy all the time retaking is in vain: after so many of them samples are kept as they are.
MOST_RETAKEN = 60


class SparkProcess:
    """A worker with its session; use as a context manager, which ends it. Commands are the methods of Worker."""

    def __init__(
        self, label: str, plugin: bool, conf: dict[str, str], folder: Path, cores: int = 2, memory: str = "6g",
        environment: dict[str, str] | None = None, java_options: str = "",
    ) -> None:
        """`folder` takes the log; `environment` is added to the process's own."""
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
        """End the session: the worker stops at the end of its input; one that does not is ended."""
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
        """Send one command and wait for its reply. RuntimeError with the worker's trace or the end of its log."""
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
    """Seconds of a fixed piece of work on one core, about 25 ms: arithmetic in NumPy over a block that fits the L2."""
    block = np.linspace(0.1, 1.0, 16_384)
    begin = time.perf_counter()
    for _ in range(700):
        np.exp(block)
        np.sqrt(block)
    return time.perf_counter() - begin


class Sampler:
    """Times commands, each between two spins; knows the best spin so far, and counts the samples it took again."""

    def __init__(self) -> None:
        self.best = min(spin() for _ in range(8))
        self.retaken = 0
        self.kept_slow = 0

    def sample(self, process: SparkProcess, retake: bool = True, **command: Any) -> float:
        """Seconds of `command` as the worker timed it. `retake=False` for what can only be measured once."""
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
