"""Times fitted models in nanoseconds a row: the kernel against the libraries themselves, one thread, interleaved samples.

    make bench BENCH=models   (or: python tests/bench/bench_models.py [--cases WORDS] [--samples N] [--peers PYTHON])

Each side scores the same batch of 10,000 rows. Results are compared before timing, bit by bit where the case requires it. The
sides of a case alternate, so that a slow phase of the machine affects all. The table has each side's fastest sample, and the
median beside it. Libraries of another environment (`--peers`, see `peer_worker.py`) score the same model and rows in a separate
process afterwards. The table shows the error of their probabilities. Exits with 1 when the results of the library that fitted
the model differ, or a target is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from foreign_peers import Foreign, foreign_peers
from model_cases import TREES, Contest
from onnx_cases import NETWORKS, ONNX
from pipeline_cases import PIPELINES
from pytorch_cases import PYTORCH, SMALL
from threadpoolctl import threadpool_limits

#: Name of a group -> (its cases, the least speedup over the fastest peer).
GROUPS: dict[str, tuple[dict[str, Callable[[], Contest]], float]] = {
    "trees": (TREES, 2.0), "pipelines": (PIPELINES, 5.0), "onnx": (ONNX, 2.0), "networks": (NETWORKS, 0.0),
    "pytorch": (PYTORCH, 2.0), "small networks of pytorch": (SMALL, 0.0),
}  # fmt: skip


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="only models whose names contain these words")
    parser.add_argument("--samples", type=int, default=9)
    parser.add_argument("--peers", default="", help="Python of an environment with the peer libraries, see peer_worker.py")
    parser.add_argument("--json", type=Path, help="also write all samples to this file")
    return parser.parse_args()


def difference(case: Contest) -> str:
    """Describes how a peer's results differ from the kernel's, "" when none does."""
    mine = case.ours()
    for name, peer in case.peers.items():
        theirs, tolerance = peer(), case.tolerance[name]
        same = np.array_equal(mine, theirs) if tolerance == 0 else np.allclose(mine, theirs, rtol=tolerance, atol=0)
        if not same:
            return f"{name} differs by up to {np.max(np.abs(mine - theirs)):.3g}"
    return ""


def samples_of(case: Contest, count: int) -> dict[str, list[float]]:
    """Returns side -> nanoseconds a row of each sample."""
    sides = {"sparkweld": case.ours, **case.peers}
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(count):
        for name, run in sides.items():
            started = time.perf_counter()
            run()
            found[name].append((time.perf_counter() - started) / case.rows * 1e9)
    return found


def report(name: str, case: Contest, found: dict[str, list[float]], foreign: dict[str, Foreign]) -> float:
    """Prints the case's line; returns the speedup over the fastest peer."""
    best = {side: min(times) for side, times in found.items() if side not in foreign}
    peers = {side: ns for side, ns in best.items() if side != "sparkweld"}
    cells = [f"{side} {ns:.0f} ({np.median(found[side]):.0f})" for side, ns in peers.items()]
    others = "; ".join(cells + [f"{side} {peer.text()}" for side, peer in foreign.items()])
    fastest = min([*peers.values(), *(min(peer.samples) for peer in foreign.values() if peer.samples)])
    gain = fastest / best["sparkweld"]
    mine = f"{best['sparkweld']:.0f} ({np.median(found['sparkweld']):.0f})"
    print(f"| {name} | {mine} | {others} | {gain:.1f}x | {case.about} |", flush=True)
    return gain


def main() -> int:
    arguments = parse_arguments()
    threadpool_limits(1)
    everything: dict[str, dict[str, list[float]]] = {}
    faults: list[str] = []
    print("nanoseconds a row, fastest (median), one thread\n")
    print("| model | sparkweld | peers | gain | kernel |\n|---|---:|---|---:|---|")
    for cases, target in GROUPS.values():
        for name, make in cases.items():
            if any(word.lower() not in name.lower() for word in arguments.cases.split()):
                continue
            case = make()
            if problem := difference(case):
                faults.append(f"{name}: {problem}")
                continue
            everything[name] = samples_of(case, arguments.samples)
            foreign = foreign_peers(arguments.peers, case) if arguments.peers else {}
            everything[name].update((side, list(peer.samples)) for side, peer in foreign.items())
            gain = report(name, case, everything[name], foreign)
            if gain < target:
                faults.append(f"{name}: {gain:.1f}x, the target is {target:.0f}x")
    if arguments.json:
        arguments.json.write_text(json.dumps(everything, indent=1), encoding="utf-8")
    print("\n" + "\n".join(f"FAILED: {fault}" for fault in faults) if faults else "\nall results equal, all targets met")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
