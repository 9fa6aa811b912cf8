"""Divides the tests of `make test` into two parts, of which a machine with two cores runs each in less than 20 minutes.

Part 1 is what `make test` runs, and part 2 what `make test PART=2` runs. A workflow runs both for each change, on two machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
#: The tests of part 2 that take long.
LISTED = ROOT / "tests" / "second_part.txt"
#: Of a test with as many cases, every second one belongs to part 2.
MANY = 8
#: Where all cases belong to part 1: rules about all files.
UNDIVIDED = ("tests/repository/", "tests/helpers/")


def listed() -> list[str]:
    """Returns the tests that `tests/second_part.txt` names: their ids without parameters."""
    lines = LISTED.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def second_part(items: Sequence[Any]) -> set[Any]:
    """Returns the tests of part 2. `items` are those of `make test`, in their order."""
    named, found = set(listed()), set()
    tests: dict[str, list[Any]] = {}
    for item in items:
        tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for name, cases in tests.items():
        if name in named:
            found |= set(cases)
        elif len(cases) >= MANY and not name.startswith(UNDIVIDED):
            found |= set(cases[1::2])
    return found
