"""Generated UDFs with ever new seeds, for as long as asked: `make fuzz` (or: python -m tests.fuzz [--minutes N] [--seed S]).

Prints what was compared, per family; ends with exit code 1 at the first function that differs, with its source and the seed
that draws it again.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.helpers.generated import FAMILIES, Family, Tally

ROUND = 50


def run_round(family: Family, number: int, tally: Tally) -> None:
    """Checks ROUND functions of one seed."""

    @seed(number)
    @settings(max_examples=ROUND, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.data())
    def one(data: st.DataObject) -> None:
        tally.add(*family.check(data.draw))

    one()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="how long (default 30)")
    parser.add_argument("--seed", type=int, help="where to begin (default: drawn)")
    parser.add_argument("--families", default=",".join(FAMILIES), help=f"which (default {','.join(FAMILIES)})")
    arguments = parser.parse_args()
    number = arguments.seed if arguments.seed is not None else random.randrange(1 << 30)
    tallies = {name: Tally() for name in arguments.families.split(",")}
    end, shown = time.monotonic() + 60 * arguments.minutes, time.monotonic()
    print(f"first seed: {number}", flush=True)
    failed = 0
    while time.monotonic() < end and not failed:
        for name, tally in tallies.items():
            try:
                run_round(FAMILIES[name], number, tally)
            except Exception:  # noqa: BLE001 - the border of the program: whatever it is gets reported with its seed
                print(f"FAILED: family {name}, seed {number}\n{traceback.format_exc()}", flush=True)
                failed = 1
        number += 1
        if time.monotonic() - shown > 60:
            shown = time.monotonic()
            print(", ".join(f"{name} {tally.functions:,}" for name, tally in tallies.items()), flush=True)
    for name, tally in tallies.items():
        refused = ", ".join(f"{code} {count:,}" for code, count in tally.refused.most_common())
        print(f"{name}: {tally.functions:,} functions, {tally.compiled:,} compiled and equal, {len(tally.vacuous)} vacuous; "
              f"refused: {refused or 'none'}")  # fmt: skip
        for source in tally.vacuous[:5]:
            print(f"  vacuous: {source}")
    return failed or int(any(tally.vacuous for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
