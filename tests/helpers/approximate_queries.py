"""Runs queries of approximate models with SparkWeld off and on, and compares the rows within a tolerance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

import sparkweld
from tests.helpers.differential import ENABLED, session_conf

_ROWS = 700
_RANDOM = np.random.default_rng(3)
#: The table of the queries: two columns of floats, and one of integers.
TABLE = pd.DataFrame({"a": _RANDOM.normal(size=_ROWS), "b": _RANDOM.normal(size=_ROWS), "c": _RANDOM.integers(0, 9, _ROWS)})


def both(spark: Any, query: Callable[[], Any]) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """Returns the rows of a new query with the plugin off and on, and what explain says."""
    with session_conf(spark, {ENABLED: "false"}):
        off = query().collect()
    return off, query().collect(), sparkweld.explain(query(), format="dict")


def near(off: Sequence[Any], on: Sequence[Any]) -> None:
    """Asserts that all numbers of the rows are equal within a tolerance of 32-bit floats."""
    assert len(off) == len(on)
    for mine, theirs in zip(on, off, strict=True):
        np.testing.assert_allclose(np.array(mine, float), np.array(theirs, float), rtol=1e-4, atol=1e-5)


def assert_compiled(explained: dict[str, Any]) -> None:
    """Asserts that the query has one function, and that it is compiled."""
    assert [entry["kind"] for entry in explained["entries"]] == ["compiled"], explained
