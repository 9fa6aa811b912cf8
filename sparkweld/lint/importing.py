"""Imports a file or module in a child process with Spark replaced (`child`), and returns its declared UDFs."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sparkweld.contract.decoding import decode
from sparkweld.errors import UserError
from sparkweld.lint.findings import Answer
from sparkweld.lint.sources import SUFFIXES


def run(target: str, timeout: float, folders: Sequence[Path] = ()) -> Answer:
    """Returns the examined UDFs of a file or module, and notes on failures. Runs its code, for at most `timeout` seconds.

    `folders`: others with files of the same job.
    """
    command = [sys.executable, "-m", "sparkweld.lint.child", target, *map(str, folders)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, env=environment, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return Answer((), (f"the import of {target} did not end within {timeout:g} s; its UDFs were only read",))
    if done.returncode != 0 or not done.stdout:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        note = f"the import of {target} ended the process (exit {done.returncode}: {last}); its UDFs were only read"
        return Answer((), (note,))
    return decode(Answer, json.loads(done.stdout))


def source_file(target: str) -> Path:
    """Returns the file of a target. Raises UserError when there is none."""
    if target.endswith(SUFFIXES) or os.sep in target:
        path = Path(target)
        if not path.is_file():
            raise UserError(f"no file {target}")
        return path
    sys.path.insert(0, os.getcwd())
    try:
        spec = importlib.util.find_spec(target)
    except (ImportError, ValueError) as error:
        raise UserError(f"no module {target}: {error}") from None
    finally:
        sys.path.remove(os.getcwd())
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        forms = "a file (job.py, job.ipynb), a folder or a module (package.job)"
        raise UserError(f"no module {target} with Python source; name {forms}")
    return Path(spec.origin)
