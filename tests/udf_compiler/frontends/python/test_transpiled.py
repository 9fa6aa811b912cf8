"""Checks that functions of Spark's transpiler compile here too, for every type, with the interpreted function's results."""

from __future__ import annotations

import pytest

from tests.helpers.scalars import check
from tests.helpers.transpiled import functions


@pytest.mark.parametrize("kind", ["i64?", "i32?", "f64?", "bool?"])
@pytest.mark.parametrize("source", [source for source, of in functions() if of == "number"])
def test_numbers(kind, source):
    check(source, (kind, kind), needless=40 if "*" in source else 2)


@pytest.mark.parametrize("source", [source for source, of in functions() if of == "text"])
def test_strings(source):
    check(source, ("str?", "str?"))
