"""Measures cost and accuracy of certified cascades on real tables, and how often the certified promise holds.

    make bench BENCH=willump ARGS="--data FOLDER"     (or: python tests/bench/bench_willump.py --data FOLDER [--cases WORDS] ...)

FOLDER contains the tables that `cascade_cases.py` names, as Parquet. A fifth of the rows is held out from fitting and
certification. On it, the kernels of the full model and of the cascade are compared with the Python estimators and then timed
alternately, on one thread. Accuracy is that of both on these rows, with the 95% interval of the paired difference. Cascades
are also certified without labels, and for filters by recall and precision. For ratings of films, the held-out rows are first
drawn like the others. Then they are the latest ones, which a certificate of earlier rows does not cover. Repeated fits on
synthetic rows count how often the true loss exceeds the promised one. `feature_cache.py` scores repeating titles, and
`top_rows.py` has top-K queries and score filters.
`--parts` selects among these. Exits with 1 when answers differ, when the guarantee fails too often, or when a part misses its own
target. So it does when fewer than three workloads reach three times the full model's speed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from cascade_cases import WORKLOADS, Workload, workload
from feature_cache import run as cached
from sklearn.base import clone
from threadpoolctl import threadpool_limits
from top_rows import OFF_ROWS, ROWS, Asked
from top_rows import run as top_rows
from top_rows_cases import WORKLOADS as TOP_WORKLOADS

import sparkweld
from sparkweld.api.model_kernels import model_kernel
from sparkweld.errors import Refusal

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.helpers import cascades

TARGET, LEAST_CASES = 3.0, 3
#: The larger permitted loss for ratings, where a smaller one may not pay.
LARGER = 0.01
#: The workload whose rows have times.
ORDERED = "ratings"
#: The promised recall and precision of filters, and the workloads of two classes with them.
SHARE, FILTERS = 0.95, ("headlines", "tweets", "credit", "kdd", ORDERED)
PARTS = ("cascades", "unlabelled", "filters", "order", "promise", "cache", "top")
_HEAD = "| workload | rows | unsure | full ns | cascade ns | gain | accuracy full | cascade | lost, 95% interval | certificate |"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SPARKWELD_SOURCES"), help="folder of the tables")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="parts to run (default: all)")
    parser.add_argument("--cases", default="", help="of cascades, only those with these names")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of each table of top-K queries")
    parser.add_argument("--off-rows", type=int, default=OFF_ROWS, help="rows with the plugin off; 0: skip these runs")
    parser.add_argument("--loss", type=float, default=0.001, help="the loss allowed, as a share of rows")
    parser.add_argument("--repetitions", type=int, default=500, help="fits on synthetic rows")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("pass --data FOLDER or set $SPARKWELD_SOURCES")
    return arguments


def measured(name: str, case: Workload, loss: float, labelled: bool = True) -> dict[str, Any]:
    """Returns the figures of a workload; `refused` when no cascade was certified.

    Without labels, the model is fitted on a third of the rows that are not held out. A row is lost when its answer changes.
    """
    order = np.arange(len(case.label)) if case.ordered else np.random.default_rng(1).permutation(len(case.label))
    cut = int(0.8 * len(order))
    given, fresh = order[:cut], order[cut:]
    model, label_or_none = case.model, case.label[given]
    if not labelled:
        own, given = np.split(given, [len(given) // 3])
        model, label_or_none = clone(model).fit(case.data.iloc[own].reset_index(drop=True), case.label[own]), None
    started = time.perf_counter()
    try:
        made = sparkweld.cascade.fit(model, case.data.iloc[given], label_or_none, loss, **case.options)
    except Refusal as refused:
        return {"name": name, "refused": f"{refused.code} {refused.message}"}
    seconds = time.perf_counter() - started
    rows, label = case.data.iloc[fresh].reset_index(drop=True), case.label[fresh]
    cascade, told = made.cascade, made.certificate
    answers = {"full": cascade.full.predict(rows), "cascade": cascade.predict(rows)}
    for side, estimator in (("full", cascade.full), ("cascade", cascade)):
        check_kernel(estimator, rows, answers[side])
    full_cost, cost = sparkweld.cascade.measure([cascade.full, cascade], rows)
    unsure = 1 - float(np.mean(cascade.sure(rows)))
    full, mine = (outcome(answers[side], label, told.kind) for side in ("full", "cascade"))
    if not labelled:
        changed = outcome(answers["cascade"], answers["full"], told.kind)
        worse = changed["wrong"] if told.kind == "classes" else changed["error"] > told.band
    else:
        worse = mine["wrong"] - full["wrong"] if told.kind == "classes" else mine["error"] > full["error"] + told.band
    half = 1.96 * np.std(worse.astype(float)) / np.sqrt(len(label))
    return {
        "name": name, "rows": len(label), "unsure": unsure, "full": full_cost, "cascade": cost,
        "gain": full_cost / cost, "accuracy": [full["score"], mine["score"]], "lost": float(np.mean(worse)), "half": float(half),
        "certificate": told.lines(), "bound": told.bound, "held_out": told.rows, "seconds": seconds,
    }  # fmt: skip


def outcome(answers: np.ndarray, label: np.ndarray, kind: str) -> dict[str, Any]:
    """Returns a readable score (accuracy, or the mean absolute error), and the per-row quantity that is counted."""
    if kind == "classes":
        wrong = (answers != label).astype(np.int64)
        return {"score": 1 - float(np.mean(wrong)), "wrong": wrong}
    error = np.abs(answers - label)
    return {"score": float(np.mean(error)), "error": error}


def check_kernel(estimator: Any, rows: Any, expected: np.ndarray) -> None:
    """Raises SystemExit when a kernel's answers differ from Python's in a batch; batches that guards flag are skipped."""
    compared = 0
    for start in range(0, min(len(rows), 6000), 500):
        piece = rows.iloc[start : start + 500].reset_index(drop=True)
        kernel = model_kernel(estimator, piece)
        if kernel.run().flagged:
            continue
        got, wanted = kernel.answers(), expected[start : start + 500]
        same = np.allclose(got, wanted, rtol=1e-12) if wanted.dtype.kind == "f" else np.array_equal(got, wanted)
        if not same:
            raise SystemExit(f"FAILED: the kernel of {type(estimator).__name__} differs from Python")
        compared += len(piece)
    if not compared:
        raise SystemExit("FAILED: no chunk was compared, since guards flagged all of them")


def line(found: dict[str, Any]) -> str:
    if "refused" in found:
        return f"| {found['name']} | no cascade: {found['refused']} |"
    full, mine = found["accuracy"]
    lost = f"{100 * found['lost']:.3f} ± {100 * found['half']:.3f} points"
    certificate = f"bound {100 * found['bound']:.3f} points on {found['held_out']:,} rows"
    return (
        f"| {found['name']} | {found['rows']:,} | {found['unsure']:.1%} | {found['full']:.0f} | {found['cascade']:.0f} "
        f"| {found['gain']:.2f}x | {full:.4f} | {mine:.4f} | {lost} | {certificate} |"
    )


def filters(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Prints the table of cascades for filters that select the rarer answer of the full model; returns their figures."""
    print(f"\nfilters: a recall and a precision of more than {SHARE:.0%}, 95% confidence; without labels\n")
    print("| workload | rows | selected | unsure | full ns | cascade ns | gain | recall | precision | evidence |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    results: list[dict[str, Any]] = []
    for name in (name for name in FILTERS if not arguments.cases or name in arguments.cases.split()):
        results.append(filtered(name, workload(name, arguments.data)))
        print(results[-1]["line"], flush=True)
    return results


def filtered(name: str, case: Workload) -> dict[str, Any]:
    """Returns the figures of a workload: a fifth of the rows is held out, a third of the others is the model's."""
    order = np.random.default_rng(1).permutation(len(case.label))
    own, given, fresh = (case.data.iloc[rows].reset_index(drop=True) for rows in np.split(order, _cuts(len(order))))
    full = clone(case.model).fit(own, case.label[order[: len(own)]])
    classes, counts = np.unique(full.predict(given), return_counts=True)
    rarer = classes[counts.argmin()]
    try:
        made = sparkweld.cascade.fit(full, given, selected=rarer, recall=SHARE, precision=SHARE, **case.options)
    except Refusal as refused:
        return {"name": name, "line": f"| {name} | no cascade: {refused.code} {refused.message} |"}
    positive, found = full.predict(fresh) == rarer, made.cascade.predict(fresh) == rarer
    check_kernel(made.cascade, fresh, made.cascade.predict(fresh))
    full_cost, cost = sparkweld.cascade.measure([full, made.cascade], fresh)
    unsure, told = 1 - float(np.mean(made.cascade.sure(fresh))), made.certificate
    shares = [float(np.mean(found[positive])), float(np.mean(positive[found]))]
    half = [1.96 * np.sqrt(share * (1 - share) / of.sum()) for share, of in zip(shares, (positive, found), strict=True)]
    recall, precision = (f"{share:.1%} ± {100 * error:.1f}" for share, error in zip(shares, half, strict=True))
    line = (
        f"| {name} | {len(fresh):,} | {np.mean(positive):.1%} | {unsure:.1%} | {full_cost:.0f} | {cost:.0f} "
        f"| {full_cost / cost:.2f}x | {recall} | {precision} "
        f"| {told.missed} of {told.positives:,} missed, {told.false} of {told.found:,} false |"
    )
    return {"name": name, "line": line, "gain": full_cost / cost, "recall": shares[0], "precision": shares[1]}


def _cuts(rows: int) -> list[int]:
    return [int(0.8 * rows / 3), int(0.8 * rows)]


def promises(repetitions: int) -> dict[str, tuple[int, int]]:
    """Returns, for each kind of promise, (fits that certified, those that break it)."""
    losses = [cascades.loss_of_a_fit(seed, full_error=(0.08, 0.03, 0.02)[seed % 3]) for seed in range(repetitions)]
    changes = [cascades.changes_of_a_fit(seed, full_error=(0.004, 0.002, 0.0)[seed % 3]) for seed in range(repetitions)]
    shares = [cascades.selection_of_a_fit(seed, cascades.RECALL, cascades.PRECISION) for seed in range(repetitions)]
    return {
        "with labels": _broken([loss and loss > cascades.ALLOWED for loss in losses]),
        "without labels": _broken([loss and loss > cascades.ALLOWED_CHANGES for loss in changes]),
        "for filters": _broken([both and (both[0] <= cascades.RECALL or both[1] <= cascades.PRECISION) for both in shares]),
    }


def _broken(fits: list[Any]) -> tuple[int, int]:
    certified = [broken for broken in fits if broken is not None]
    return len(certified), sum(map(bool, certified))


def certified(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], list[str]]:
    """Prints the table of cascades; returns their figures and the faults."""
    names = [name for name in WORKLOADS if name != ORDERED and (not arguments.cases or name in arguments.cases.split())]
    print(f"a loss of at most {100 * arguments.loss:g} points, 95% confidence; nanoseconds a row, one thread\n")
    print(_HEAD + "\n|---|---:|---:|---:|---:|---:|---:|---:|---|---|")
    results: list[dict[str, Any]] = []
    for name in names:
        results.append(measured(name, workload(name, arguments.data), arguments.loss))
        print(line(results[-1]), flush=True)
    fast = [found["name"] for found in results if found.get("gain", 0) >= TARGET]
    missed = not arguments.cases and len(fast) < LEAST_CASES
    return results, [f"{len(fast)} workloads reach {TARGET:.0f}x, the target is {LEAST_CASES}"] if missed else []


def unlabelled(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Prints the table of cascades that are certified without labels; returns their figures."""
    print("\nwithout labels: a share of changed answers, counted as lost\n")
    print(_HEAD + "\n|---|---:|---:|---:|---:|---:|---:|---:|---|---|")
    results: list[dict[str, Any]] = []
    for name in (name for name in WORKLOADS if name != ORDERED and (not arguments.cases or name in arguments.cases.split())):
        for loss in (arguments.loss, LARGER):
            what = f"{name}, {100 * loss:g} points"
            results.append(measured(what, workload(name, arguments.data), loss, labelled=False))
            print(line(results[-1]), flush=True)
    return results


def by_order(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Prints the table of ratings with held-out rows that are drawn, and with the latest ones; returns their figures."""
    print("\nratings of films: rows like those of the certificate, and later ones\n")
    print(_HEAD + "\n|---|---:|---:|---:|---:|---:|---:|---:|---|---|")
    results: list[dict[str, Any]] = []
    for what, ordered in (("drawn", False), ("the later", True)):
        made = workload(ORDERED, arguments.data, ordered=ordered)
        for loss in (arguments.loss, LARGER):
            results.append(measured(f"{ORDERED}, {what}, {100 * loss:g} points", made, loss))
            print(line(results[-1]), flush=True)
    return results


def kept_promises(repetitions: int) -> list[str]:
    """Prints how often the promise held; returns the faults."""
    faults = []
    for what, (certified, broken) in promises(repetitions).items():
        most = 0.05 * certified + 2 * np.sqrt(0.05 * 0.95 * certified)
        print(f"\n{repetitions} fits on synthetic rows {what}: {certified} certified,"
              f" the guarantee broken in {broken} (at most {most:.0f})")  # fmt: skip
        if broken > most:
            faults.append(f"the guarantee {what} is broken in {broken} of {certified} fits")
    return faults


def main() -> int:
    arguments = parse_arguments()
    threadpool_limits(1)
    warnings.filterwarnings("ignore", category=UserWarning)
    results: list[dict[str, Any]] = []
    faults = []
    if "cascades" in arguments.parts:
        results, faults = certified(arguments)
    if "unlabelled" in arguments.parts:
        results += unlabelled(arguments)
    if "filters" in arguments.parts:
        results += filters(arguments)
    if "order" in arguments.parts:
        results += by_order(arguments)
    if "promise" in arguments.parts:
        faults += kept_promises(arguments.repetitions)
    if "cache" in arguments.parts:
        faults += cached(300_000)
    if "top" in arguments.parts:
        faults += top_rows(arguments.data, Asked(arguments.rows, arguments.off_rows), list(TOP_WORKLOADS))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1, default=str), encoding="utf-8")
    print("\n" + "\n".join(f"FAILED: {fault}" for fault in faults) if faults else "\nall answers equal, all targets met")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
