"""Checks random functions: each traces to a program equal to pandas bit for bit, or is refused for a valid reason."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.expressions import Function, functions
from tests.helpers.tracing import check_or_refuse

pytestmark = pytest.mark.slow

#: A batch-dependent dtype; `check_or_refuse` itself checks types without kernels.
ALLOWED = ("SW255", "SW262")

_SETTINGS = settings(max_examples=250, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@_SETTINGS
@given(functions())
def test_random_functions(function: Function) -> None:
    check_or_refuse(function.source, function.types, ALLOWED, spare=False)


@_SETTINGS
@given(functions(types=("f64",), depth=4))
def test_random_functions_of_doubles(function: Function) -> None:
    check_or_refuse(function.source, function.types, ALLOWED, spare=False)


def test_most_random_functions_are_traced() -> None:
    outcomes: list[bool] = []

    @settings(max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def count(data: st.DataObject) -> None:
        function = data.draw(functions())
        outcomes.append(check_or_refuse(function.source, function.types, ALLOWED, spare=False) is not None)

    count()
    assert sum(outcomes) > 0.6 * len(outcomes), f"{sum(outcomes)} of {len(outcomes)} traced"
