"""Renders the tables of model libraries in docs/compatibility.md from the reports of `make libraries`."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "libraries" / "results"
_SHOWN = tuple("scikit-learn lightgbm xgboost catboost statsmodels numpy pandas pyarrow numba pyspark python".split())

HEAD = """\
Models are compiled with these libraries. Each class was fitted with parameters whose meaning differs between versions, and each
of its methods was compared with the library in a PySpark worker, over rows with NaN, infinities and unseen values. A version
that is newer than these, or between them, is accepted for a class if its source is that of a compared version (SW806 otherwise).
The last rows of the table are of LightGBM or XGBoost alone. MLflow's `spark_udf` is followed in 2.14, 2.19, 2.21, 3.0, 3.8, 3.12
and 3.17.
"""
CELLS = """\
By class: the number of compared methods and parameters with equal rows, and the codes of those that Spark runs. A cell is empty
if the set does not have the class.
"""


def reports(pattern: str = "*.json") -> list[dict[str, Any]]:
    """Returns the reports of sets, the oldest scikit-learn first. Those in the folder `boosters` are of boosters alone."""
    found = [json.loads(path.read_text()) for path in sorted(RESULTS.glob(pattern))]
    return sorted(found, key=lambda report: [_numbers(report["versions"][name]) for name in _SHOWN[:3]])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def sets_table() -> list[str]:
    """Returns Markdown lines: one row per set of libraries that were compared together."""
    lines = [f"| {' | '.join(_SHOWN)} | rows compared | run in Python | wrong |", "|" + "---|" * (len(_SHOWN) + 3)]
    for report in [*reports(), *reports("boosters/*.json")]:
        versions, counts = report["versions"], (f"{report['rows']:,}", f"{report['flagged']:,}", report["cases"].get("wrong", 0))
        lines.append(f"| {' | '.join(versions.get(name, '') for name in _SHOWN)} | {' | '.join(map(str, counts))} |")
    return lines


def classes_table() -> list[str]:
    """Returns Markdown lines: one row for all classes of a package with equal outcomes in every set."""
    sets = reports()
    rows: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for qualified in sorted({kind for report in sets for kind in report["classes"]}):
        package = ".".join(part for part in qualified.split(".")[:-1] if not part.startswith("_"))
        cells = tuple(_cell(report["classes"].get(qualified, {})) for report in sets)
        rows[package, cells].append(qualified.rpartition(".")[2])
    heads = [f"{r['versions']['scikit-learn']}, {r['versions']['lightgbm']}, {r['versions']['xgboost']}" for r in sets]
    lines = [f"| package | classes | {' | '.join(heads)} |", "|" + "---|" * (2 + len(sets))]
    lines += [f"| {package} | {' '.join(names)} | {' | '.join(cells)} |" for (package, cells), names in sorted(rows.items())]
    return lines


def _cell(counts: dict[str, int]) -> str:
    shown = [f"{counts['equal']}"] if "equal" in counts else []
    return ", ".join(shown + sorted(status for status in counts if status.startswith("SW")))
