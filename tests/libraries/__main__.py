"""Compares every model class with the libraries that are installed here, and writes the outcome of each as JSON.

    python -m tests.libraries [--out FILE] [--only PART] [--verbose]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from tests.libraries.run import outcomes, versions
from udf_compiler.frontends.models import estimators


def _accepted(kind: type, methods: tuple[str, ...]) -> None:
    """Accepts each version of the libraries."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.libraries", description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="", help="a part of the qualified class names")
    parser.add_argument("--verbose", action="store_true", help="print each case that is not equal")
    options = parser.parse_args(arguments)
    estimators.refusal_of = _accepted  # a version is listed as tested after this comparison
    started = time.process_time()
    made: dict[str, dict[str, int]] = {}
    rows = flagged = 0
    for kind, name, outcome in outcomes(options.only):
        made.setdefault(kind, Counter())[outcome.status] += 1  # type: ignore[assignment]
        rows, flagged = rows + outcome.rows, flagged + outcome.flagged
        if options.verbose and outcome.status != "equal":
            print(f"{outcome.status:8} {kind}: {name}: {outcome.detail}", flush=True)
    total = Counter[str]()
    for counts in made.values():
        total.update(counts)
    report = {"versions": versions(), "classes": made, "cases": dict(total), "rows": rows, "flagged": flagged}
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
    print(f"{len(made)} classes, {dict(total)}, {rows} rows, {flagged} in Python, {time.process_time() - started:.0f} s CPU")
    return 1 if total["wrong"] or total["error"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
