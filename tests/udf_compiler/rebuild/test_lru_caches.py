"""Checks functions with `functools.lru_cache` that plain UDFs call with values of the row."""

from __future__ import annotations

import functools

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check, function_of, traced


@functools.cache
def squared(n):
    return None if n is None else n * n


@functools.lru_cache
def cleaned(text, suffix="!"):
    return text.strip().lower() + suffix if text else None


@functools.lru_cache
def listed(n):
    return [n]


NAMES = {"squared": squared, "cleaned": cleaned, "listed": listed}


@pytest.mark.parametrize(
    ("source", "type"),
    [("lambda a: squared(a)", "i32?"), ("lambda a: cleaned(a) or cleaned('x', suffix='y')", "str?"),
     ("lambda a: (squared(a) or 0) + squared(2)", "i32?")],
)  # fmt: skip
def test_values_of_the_row(source, type):
    check(source, (type,), **NAMES)


@pytest.mark.parametrize(
    ("source", "type"),
    [
        ("lambda a: squared(a)", "f64"),  # 0.0 and -0.0 share a result
        ("lambda a: squared(a)", "bool"),
        ("lambda a: squared(a) + squared(2.0)", "i32"),
        ("lambda a: squared(True) + squared(a)", "i32"),
        ("lambda a: listed(a)[0]", "i32"),
    ],
)
def test_refused_calls(source, type):
    with pytest.raises(Refusal) as refused:
        traced(function_of(source, **NAMES), (type,))
    assert refused.value.code == "SW610"
