"""A contest to the times of libraries that live in another Python environment (`peer_worker.py`), and how far off they are."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from model_cases import Contest, numbers

#: Longest that all libraries together may take for a model: compilers of C need minutes for large ones.
_SECONDS = 900


@dataclass(frozen=True)
class Foreign:
    """`samples`: nanoseconds a row; `off`: largest difference of a probability to ours; `rows`: how many differ by over 1e-6."""

    samples: tuple[float, ...] = ()
    off: float = 0.0
    rows: int = 0
    missing: str = ""

    def text(self) -> str:
        """A cell of the report."""
        if self.missing:
            return self.missing
        differs = f", off by {self.off:.1e}" + (f" ({self.rows} rows by over 1e-6)" if self.rows else "")
        return f"{min(self.samples):.0f} ({np.median(self.samples):.0f}){differs}"


def foreign_peers(python: str, case: Contest) -> dict[str, Foreign]:
    """Library -> what it did with the case's model. Raises RuntimeError when the environment does not run at all."""
    if case.save is None or case.probability is None:
        return {}
    mine = case.probability(case.ours())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        case.save(folder)
        np.save(folder / "batch.npy", numbers()[2])
        worker = Path(__file__).with_name("peer_worker.py")
        done = subprocess.run([python, str(worker), scratch], capture_output=True, text=True, timeout=_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"{python} {worker.name} failed:\n{done.stderr[-2000:]}")
        found: dict[str, Foreign] = {}
        for name, samples in json.loads(done.stdout.strip().splitlines()[-1]).items():
            if isinstance(samples, str):
                found[name] = Foreign(missing=samples)
                continue
            differences = np.abs(np.load(folder / f"{name}.npy") - mine)
            found[name] = Foreign(tuple(samples), float(differences.max()), int((differences > 1e-6).sum()))
    return found
