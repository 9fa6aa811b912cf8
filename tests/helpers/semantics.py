"""Runs a query with the plugin off and on, and checks that it ended in a kernel, a named refusal or an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.helpers.differential import BACKEND, ENABLED, Measured, measured, run
from tests.helpers.lines import LINE, VERSIONS
from tests.helpers.outcomes import differences
from tests.helpers.sampling import every_case


@dataclass(frozen=True)
class Case:
    """`query` creates the DataFrame.

    `runs`: whether each batch must run in a kernel (True), or may run in Python where a guard fires (None). `refused`: the
    code that keeps it in Spark. `raises`: the class of the error that it ends with. `since`: the first line of Spark with what
    the query uses. On earlier lines, `query` itself must raise a TypeError.
    """

    name: str
    query: Callable[[Any], Any]
    runs: bool | None = True
    refused: str | None = None
    raises: str | None = None
    since: tuple[int, int] = (3, 5)


def a_third(cases: Sequence[Case]) -> Sequence[Case]:
    """Returns the first of every three cases, or all of them in `make nightly`; other files test what each kind of UDF needs."""
    return cases if every_case() else cases[::3]


def check_cases(spark: Any, frame: Any, cases: Sequence[Case], conf: Mapping[str, str] | None = None) -> None:
    """Asserts that each query has one outcome with SparkWeld off and on, and that the second run matches the case."""
    problems = []
    for case in cases:
        if case.since > LINE:
            with pytest.raises(TypeError):
                case.query(frame)
            continue
        settings = {BACKEND: "native", **(conf or {})}
        expected, _ = run(spark, lambda case=case: case.query(frame), {**settings, ENABLED: "false"})
        actual, made = run(spark, lambda case=case: case.query(frame), {**settings, ENABLED: "true"})
        what = measured(made)
        found = [*differences(expected, actual), *_vacuous(case, what, expected.error)]
        problems += [f"{case.name}: {problem}\n  {what}" for problem in found]
    assert not problems, "\n".join([f"{VERSIONS}:", *problems])


def _vacuous(case: Case, what: Measured, error: str | None) -> list[str]:
    if case.raises is not None and error != case.raises:
        return [f"ends with {error}, not with {case.raises}"]
    if case.refused is not None:
        refused = not what.operators and case.refused in what.refusals
        return [] if refused else [f"must be refused with {case.refused}"]
    if not what.operators and not what.rewritten:
        return ["no operator ran in Weld"]
    if error is None and case.runs and what.deoptimised_batches:
        return [f"{what.deoptimised_batches} batches went through Python"]
    return []
