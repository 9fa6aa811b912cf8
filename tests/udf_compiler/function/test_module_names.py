"""Checks that user code is recognised by how it was pickled, not by its module's name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers.kinds import codes, compile_udf

SOURCE = """
import pandas as pd

FACTOR, TABLE = 3, {"a": 1.5}

class Settings:
    scale = 2

class Scaler:
    def __init__(self, by):
        self.by = by
    def __call__(self, x):
        return x * self.by

def helper(v):
    return v * FACTOR

def of_series(x):
    return helper(x) + TABLE["a"] * Settings.scale

def of_rows(x):
    return pd.Series([helper(v) for v in x])

def plain(x):
    return None if x is None else helper(x) + 1

scaler = Scaler(2.5)
"""
NAMES = ("__main__", "job", "pyspark.sql.tests.pandas.test_udf", "pyspark.of_mine", "numpy.of_mine", "pandas.tests.test_mine",
         "sparkweld_jobs.scores")  # fmt: skip


def _module(name: str) -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": name}
    exec(compile(SOURCE, "module", "exec", dont_inherit=True), scope)
    return scope


@pytest.mark.parametrize("name", NAMES)
def test_functions_pickled_by_value_are_the_users(name: str) -> None:
    module = _module(name)
    programs = {}
    for function, eval_type in (("of_series", 200), ("of_rows", 200), ("plain", 101), ("scaler", 200)):
        reply = compile_udf(module[function], eval_type, {"x": "double"}, "double")
        assert reply["status"] == "ok", reply.get("refusals")
        programs[function] = reply["program"]
    main = _module("__main__")
    assert programs["plain"] == compile_udf(main["plain"], 101, {"x": "double"}, "double")["program"]


@pytest.mark.parametrize("name", ["sparkweld.of_mine", "udf_compiler.of_mine"])
def test_modules_named_like_ours_are_refused(name: str) -> None:
    """These names identify SparkWeld's own frames and stand-ins."""
    assert codes(compile_udf(_module(name)["of_series"], 200, {"x": "double"}, "double")) == ["SW215"]
