"""Fuzzes generated UDFs with new seeds until a time limit: `make fuzz` (or: python -m tests.fuzz [--minutes N] [--seed S]).

Prints the compared and refused functions per family, and the seed to continue with. A function that differs, or is refused by
an internal error, is printed as a script over a minimal number of rows. The run then ends with exit code 1, at once or
(`--all`) at its time limit. The families `batches` and `groups` run queries in a Spark session, a thousandth as many.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.helpers.batch_queries import compare_query
from tests.helpers.cases import Mismatch, smallest
from tests.helpers.compiled import check_case
from tests.helpers.generated import FAMILIES, Family, Tally
from tests.helpers.group_queries import compare_groups

ROUND = 50
KNOWN = {**FAMILIES, "batches": Family("batches", compare_query, 0.5), "groups": Family("groups", compare_groups, 0.5)}
GENERATE, MINIMISE = (Phase.generate,), (Phase.generate, Phase.shrink)


def run_round(family: Family, number: int, tally: Tally, phases: tuple[Phase, ...] = GENERATE) -> None:
    """Checks ROUND functions of one seed."""

    @seed(number)
    @settings(
        max_examples=ROUND, deadline=None, database=None, phases=phases, suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False, print_blob=False,
    )  # fmt: skip
    @given(st.data())
    def one(data: st.DataObject) -> None:
        tally.add(*family.check(data.draw))

    one()


def minimised(family: Family, number: int, error: Exception) -> str:
    """Returns a report of a seed's failure: the smallest function and batch that reproduce it, or the error itself."""
    try:
        run_round(family, number, Tally(), MINIMISE)
    except Exception as smaller:  # noqa: BLE001 - the program's boundary: any error is reported with its seed
        error = smaller
    if isinstance(error, Mismatch):
        found = smallest(error, check_case)
        return f"{str(found).splitlines()[0]}\n{found.case.script()}"
    return "".join(traceback.format_exception(error))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="how long (default 30)")
    parser.add_argument("--seed", type=int, help="where to begin, or to go on (default: drawn)")
    which = f"which of {','.join(KNOWN)} (default: without the last two)"
    parser.add_argument("--families", default=",".join(FAMILIES), help=which)
    parser.add_argument("--all", action="store_true", help="go on after a failure")
    arguments = parser.parse_args()
    number = arguments.seed if arguments.seed is not None else random.randrange(1 << 30)
    tallies = {name: Tally() for name in arguments.families.split(",")}
    end, shown = time.monotonic() + 60 * arguments.minutes, time.monotonic()
    print(f"first seed: {number}", flush=True)
    failed = 0
    while time.monotonic() < end and (arguments.all or not failed):
        for name, tally in tallies.items():
            try:
                run_round(KNOWN[name], number, tally)
            except Exception as error:  # noqa: BLE001 - as in `minimised`
                print(f"FAILED: --families {name} --seed {number}\n{minimised(KNOWN[name], number, error)}", flush=True)
                failed += 1
        number += 1
        if time.monotonic() - shown > 60:
            shown = time.monotonic()
            counts = ", ".join(f"{name} {tally.functions:,}" for name, tally in tallies.items())
            print(f"next seed {number}: {counts}", flush=True)
    for name, tally in tallies.items():
        print(f"{name}: {tally.report(idioms=8)}")
        for source in tally.vacuous[:5]:
            print(f"  vacuous: {source}")
    print(f"{failed} failures; next seed: {number}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
