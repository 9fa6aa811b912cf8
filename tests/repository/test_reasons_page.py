"""Checks that docs/reasons.md is up to date, and that each of its examples has the reason that it illustrates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark import cloudpickle
from pyspark.sql.types import DataType, DecimalType

from sparkweld.api.udfs import parsed_type
from sparkweld.api.verdict import answer_of
from sparkweld.contract.constants import SCALAR_PANDAS
from sparkweld.contract.replies import Refused
from sparkweld.reasons import reasons
from tests.helpers.lines import PLAIN, is_refused
from tests.helpers.reason_examples import EXAMPLES
from tests.helpers.reasons_page import PAGE, page, source_of
from udf_compiler.frontends.tracing.lower import BY_VALUE


def declared(code: str) -> tuple[Any, DataType, int]:
    """Returns the function of an example, its return type and its eval type."""
    found: list[tuple[Any, DataType, int]] = []

    def decorator(eval_type: int) -> Callable[[str], Callable[[Any], Any]]:
        def of(returns: str) -> Callable[[Any], Any]:
            kind = DecimalType(10, 2) if returns.startswith("decimal") else parsed_type(returns)
            return lambda function: found.append((function, kind, eval_type))

        return of

    names = {"__name__": "__main__", "np": np, "pd": pd, "pandas_udf": decorator(SCALAR_PANDAS), "udf": decorator(PLAIN)}
    exec(compile(source_of(code), "job.py", "exec"), names)
    return found[0]


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/reasons.md is out of date: `make golden` rewrites it"


@pytest.mark.skipif(BY_VALUE, reason="with NumPy 1, some functions have other reasons")
@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_has_its_reason(code):
    function, returns, eval_type = declared(code)
    if is_refused(eval_type):
        pytest.skip("SW114 refuses this kind of UDF")
    reply = answer_of(cloudpickle.dumps((function, returns)), "f", returns, eval_type, (EXAMPLES[code][0],)).reply
    assert isinstance(reply, Refused)
    assert code in [refusal.code for refusal in reply.refusals]


def test_examples_are_those_of_reasons():
    assert list(EXAMPLES) == sorted(EXAMPLES) and set(EXAMPLES) <= set(reasons())
