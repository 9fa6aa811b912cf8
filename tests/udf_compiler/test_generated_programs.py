"""Checks generated UDFs of all kinds: each agrees with PySpark's worker, or is refused with a code.

`make test` runs the first functions of each family. `make nightly` runs sixteen times as many of the same seed, which state the
same property; `make fuzz` goes on with new seeds.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.helpers.generated import FAMILIES, Tally

pytestmark = pytest.mark.slow

#: Family -> number of functions in `make nightly`.
COUNTS = {
    "numbers": 450, "series": 250, "texts": 450, "times": 350, "datetimes": 250, "applied": 250, "rows": 300, "loops": 60,
    "python": 400, "declared": 250, "chained": 120, "gathered": 200, "lists": 60, "tags": 80, "arrays": 40, "arrow": 350,
    "codecs": 250, "frames": 250, "aggregates": 150, "whole_groups": 120, "models": 40, "vectors": 120,
    "changes": 60, "zones": 250, "bytes": 250, "group_loops": 60, "objects": 144,
    **({"onnx": 200} if "onnx" in FAMILIES else {}),
    **({"pytorch": 320} if "pytorch" in FAMILIES else {}),
}  # fmt: skip


#: `make test` runs this part of them, but at least these.
SHARE, LEAST = 24, 6


@pytest.mark.parametrize("name", list(COUNTS))
def test_family(name: str) -> None:
    check_family(name, max(COUNTS[name] // SHARE, LEAST))


@pytest.mark.nightly("test_family")
@pytest.mark.parametrize("name", list(COUNTS))
def test_more_of_a_family(name: str) -> None:
    check_family(name, COUNTS[name])


def check_family(name: str, count: int) -> None:
    family, tally = FAMILIES[name], Tally()

    @settings(max_examples=count, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.data())
    def one(data: st.DataObject) -> None:
        tally.add(*family.check(data.draw))

    one()
    # A function like `a % (0 % b)` divides by zero in every row: pandas decides its dtypes, so the guard is right.
    assert len(tally.vacuous) <= max(2, count // 100), "guards flag every row of:\n" + "\n".join(tally.vacuous)
    assert tally.compiled >= family.share * tally.functions, f"{name}: {tally.report(idioms=8)}"
