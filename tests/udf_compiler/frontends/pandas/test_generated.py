"""Checks random functions: each traces to a program equal to pandas bit for bit, or is refused for a valid reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.expressions import Function, functions
from tests.helpers.tracing import check_or_refuse

pytestmark = pytest.mark.slow

#: A batch-dependent dtype; `check_or_refuse` itself checks types without kernels.
ALLOWED = ("SW255", "SW262")

EXAMPLES = pytest.mark.parametrize("examples", [80, pytest.param(250, marks=pytest.mark.nightly)])


def check_functions(examples: int, **options: Any) -> None:
    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(functions(**options))
    def check(function: Function) -> None:
        check_or_refuse(function.source, function.types, ALLOWED, spare=False)

    check()


@EXAMPLES
def test_random_functions(examples: int) -> None:
    check_functions(examples)


@EXAMPLES
def test_random_functions_of_doubles(examples: int) -> None:
    check_functions(examples, types=("f64",), depth=4)


def test_most_random_functions_are_traced() -> None:
    outcomes: list[bool] = []

    @settings(max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def count(data: st.DataObject) -> None:
        function = data.draw(functions())
        outcomes.append(check_or_refuse(function.source, function.types, ALLOWED, spare=False) is not None)

    count()
    assert sum(outcomes) > 0.6 * len(outcomes), f"{sum(outcomes)} of {len(outcomes)} traced"
