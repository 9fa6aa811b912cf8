"""Prints the steps of a long run with the seconds since its start, and a child's progress from its log."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Format of Spark's console progress bar: [Stage 1:=====>      (5 + 2) / 12]
_BAR = re.compile(rb"\[Stage (\d+):[=> ]*\((\d+) \+ (\d+)\) / (\d+)\]")


class Progress:
    """Prints to stderr, so that stdout has the report alone. On a terminal `tick` overwrites its line."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last_tick = ""
        self._terminal = sys.stderr.isatty()
        self._open_line = False
        self._details: Path | None = None

    def write_details_to(self, path: Path) -> None:
        """Starts a file for what `detail` writes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
        self._details = path

    def detail(self, text: str) -> None:
        """Writes a text to the file of details: command lines, plans, comparisons. Without a file it is dropped."""
        if self._details is not None:
            with self._details.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    def say(self, message: str) -> None:
        """Prints a permanent line."""
        self._write(message, stays=True)

    def tick(self, message: str) -> None:
        """Prints a transient state; without a terminal only when it changed."""
        if self._terminal or message != self._last_tick:
            self._write(message, stays=not self._terminal)
        self._last_tick = message

    def _write(self, message: str, stays: bool) -> None:
        elapsed = f"[{time.monotonic() - self._start:6.1f} s] {message}"
        opening = "\r\033[K" if self._open_line else ""
        print(f"{opening}{elapsed}", end="\n" if stays else "", file=sys.stderr, flush=True)
        self._open_line = not stays


def run_watched(
    command: Sequence[str], environment: dict[str, str], log: Path, output: Path, label: str, progress: Progress
) -> float:
    """Runs a spark-submit command and returns its seconds; its stderr is written to `log`, its stdout to `output`.

    RuntimeError with the end of the log when the command fails; the child is ended when this process is interrupted.
    """
    begin = time.monotonic()
    with log.open("wb") as errors, output.open("wb") as lines:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=lines, stderr=errors, env=environment)
        try:
            while (code := _wait(child, seconds=1.0)) is None:
                progress.tick(f"{label}: {_state(log)}")
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
    seconds = time.monotonic() - begin
    if code != 0:
        raise RuntimeError(f"{label}: {' '.join(command)}\nended with exit code {code}; {log} ends:\n{tail(log)}")
    return seconds


def tail(log: Path, lines: int = 30) -> str:
    """Returns the last lines of a log, without its progress bars."""
    text = _BAR.sub(b"", log.read_bytes()).replace(b"\r", b"\n").decode(errors="replace")
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


def _wait(child: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _state(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        bars = _BAR.findall(file.read())
    if not bars:
        return "starting"
    stage, done, running, tasks = (int(number) for number in bars[-1])
    return f"stage {stage}, {done} of {tasks} tasks done, {running} running"
