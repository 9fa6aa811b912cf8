"""Times libraries of another Python environment (`peer_worker.py`) on a case, and measures the error of their results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from model_cases import Contest, numbers
from peer_worker import PEERS

#: Time limit of a library for one model, compiling included: compilers of large models need minutes.
LIMIT_SECONDS = 300


@dataclass(frozen=True)
class Foreign:
    """`samples`: nanoseconds a row; `off`: largest probability difference to the kernel; `rows`: rows that differ by over
    1e-6.
    """

    samples: tuple[float, ...] = ()
    off: float = 0.0
    rows: int = 0
    missing: str = ""

    def text(self) -> str:
        """Returns a cell of the report."""
        if self.missing:
            return self.missing
        differs = f", off by {self.off:.1e}" + (f" ({self.rows} rows by over 1e-6)" if self.rows else "")
        return f"{min(self.samples):.0f} ({np.median(self.samples):.0f}){differs}"


def foreign_peers(python: str, case: Contest) -> dict[str, Foreign]:
    """Returns library -> its result for the case's model. Raises RuntimeError when the environment does not run at all."""
    if case.save is None or case.probability is None:
        return {}
    mine = case.probability(case.ours())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        case.save(folder)
        np.save(folder / "batch.npy", numbers()[2])
        found = {name: _asked(python, name, folder, mine) for name in PEERS}
    return found


def _asked(python: str, name: str, folder: Path, mine: np.ndarray) -> Foreign:
    """Runs one library in a process group of its own, which is killed at the limit together with its compiler."""
    worker = Path(__file__).with_name("peer_worker.py")
    with subprocess.Popen([python, str(worker), str(folder), name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as process:  # fmt: skip
        try:
            answer, log = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Foreign(missing=f"took over {LIMIT_SECONDS // 60} minutes, which is the limit")
    if process.returncode != 0:
        raise RuntimeError(f"{python} {worker.name} failed:\n{log[-2000:]}")
    samples = json.loads(answer.strip().splitlines()[-1])
    if isinstance(samples, str):
        return Foreign(missing=samples)
    differences = np.abs(np.load(folder / f"{name}.npy") - mine)
    return Foreign(tuple(samples), float(differences.max()), int((differences > 1e-6).sum()))
