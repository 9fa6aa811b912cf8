"""Checks the sample of functions: its size, its tables, how outcomes are compared, and what the page states about it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.helpers.lines import LINE
from tests.helpers.outcomes import Outcome
from tests.sample import tables
from tests.sample.case import Case
from tests.sample.runner import Result, cases, compare, report, verdict

PAGE = " ".join((Path(__file__).parents[2] / "docs/compiled.md").read_text(encoding="utf-8").split())


def case(**traits: bool) -> Case:
    return Case("discounted", "udf", "shops", (), lambda spark, read: None, **traits)


@pytest.mark.skipif(LINE < (4, 1), reason="this Spark has no Arrow UDFs")
def test_the_page_states_the_size_of_the_sample():
    found = cases()
    assert len({case.name for case in found}) == len(found)
    possible, stable = sum(case.in_principle for case in found), sum(case.stable for case in found)
    assert f"{len(found)} functions" in PAGE and f"of the {possible} others" in PAGE and f"all {stable} functions" in PAGE
    assert (len(found), possible, stable) == (110, 105, 108)


@pytest.mark.parametrize("name", list(tables.TABLES))
def test_tables_are_reproducible(name):
    part, full = tables.table(name, full=False), tables.table(name, full=True)
    assert part.num_rows == full.num_rows == tables.ROWS
    assert repr(part.to_pydict()) == repr(tables.table(name, full=False).to_pydict())
    for column in full.column_names:
        assert not full[column].null_count and bool(part[column].null_count) == (column not in tables.KEYS), column


ONE, NEAR, FAR = (Outcome(((1, value), (2, math.nan))) for value in (1.0, 1.0 + 1e-12, 1.1))
SWAPPED = Outcome(((2, math.nan), (1, 1.0)))
RAISED, OTHER = Outcome(None, "AttributeError"), Outcome(None, "TypeError")


@pytest.mark.parametrize(
    ("traits", "expected", "actual", "approximate", "equal"),
    [
        ({}, ONE, SWAPPED, False, True),
        ({}, ONE, NEAR, False, False),
        ({}, ONE, NEAR, True, True),
        ({}, ONE, FAR, True, False),
        ({}, Outcome(((0.0,),)), Outcome(((-0.0,),)), False, False),
        ({}, ONE, RAISED, False, False),
        ({}, RAISED, RAISED, False, False),
        ({"raises": True}, RAISED, RAISED, False, True),
        ({"raises": True}, RAISED, OTHER, False, False),
        ({"raises": True}, ONE, ONE, False, False),
        ({"stable": False}, ONE, FAR, False, True),
        ({"stable": False}, ONE, Outcome(()), False, False),
        ({"stable": False}, ONE, RAISED, False, False),
    ],
)
def test_outcomes_are_compared(traits, expected, actual, approximate, equal):
    assert (compare(case(**traits), expected, actual, approximate) == []) == equal


@pytest.mark.parametrize(
    ("kinds", "codes", "expected"),
    [
        (["compiled"], [], (True, "")),
        (["spark_expressions", "top_rows"], [], (True, "")),
        (["compiled", "in_python"], ["SW304", "SW251"], (False, "SW251")),
        (["pipeline_in_python"], ["SW323"], (False, "SW323")),
        ([], [], (False, "none")),
    ],
)
def test_verdicts(kinds, codes, expected):
    entries = [{"kind": kind, "refusals": []} for kind in kinds]
    for entry in entries[-1:]:
        entry["refusals"] = [{"code": code} for code in codes]
    assert verdict({"entries": entries}) == expected


def test_the_report_counts_kinds_and_lists_reasons():
    different = Result(case(), False, "SW251", ("row 0 differs",))
    results = [Result(case(), True), different, Result(case(in_principle=False), False, "SW230")]
    text = report(results)
    assert "udf      1 of 3 (33 %)      1 of 2 (50 %)" in text and "equal rows: 2 of the 3 cases" in text
    assert "SW251   1  Call not supported: discounted *" in text and "Randomness and clocks: discounted\n" in text
    assert text.endswith("DIFFERENT discounted: row 0 differs")
