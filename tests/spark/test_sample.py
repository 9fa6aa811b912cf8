"""Runs the sample of functions as people write them, off and on: equal rows, and a share that runs natively."""

from __future__ import annotations

import pytest

from tests.helpers.lines import LINE
from tests.sample import tables
from tests.sample.runner import cases, report, result

#: The least share of native functions, of those that a compiler could run exactly; docs/compiled.md has the measured one.
LEAST = 0.9


@pytest.mark.skipif(LINE < (4, 3), reason="docs/compiled.md states the share of this line; others refuse more kinds of UDFs")
@pytest.mark.nightly("test_a_case", "tests/spark/test_corpus.py::test_cases_of_a_table")
def test_all_cases(spark, tmp_path):
    tables.write(tmp_path)
    read = tables.read(spark, tmp_path)
    results = [result(spark, read, case) for case in cases()]
    different = [f"{each.case.name}: {problem}" for each in results for problem in each.problems]
    assert not different, "\n".join(different)
    natives = [each.native for each in results if each.case.in_principle]
    assert sum(natives) >= LEAST * len(natives), report(results)


@pytest.mark.skipif(LINE < (4, 3), reason="docs/compiled.md states the share of this line; others refuse more kinds of UDFs")
def test_a_case(spark, tmp_path):
    """Two cases show that rows and errors are compared, and that a refusal is found."""
    tables.write(tmp_path)
    read = tables.read(spark, tmp_path)
    found = {case.name: result(spark, read, case) for case in cases() if case.name in ("iban_like", "row_uuid")}
    assert (found["iban_like"].native, found["iban_like"].problems) == (True, ())
    assert (found["row_uuid"].native, found["row_uuid"].code, found["row_uuid"].problems) == (False, "SW230", ())
