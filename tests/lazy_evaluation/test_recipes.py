"""Checks calls that are traced once per combination of types: the recorded trace equals a trace of the actual values."""

from __future__ import annotations

import operator

import numpy as np
import pandas as pd
import pytest

import sparkweld
from sparkweld.lazy_evaluation import recipes

ROWS = 1 << 15
RNG = np.random.default_rng(5)
ARRAYS = {
    "float": RNG.normal(size=ROWS), "small": RNG.integers(0, 100, ROWS).astype(np.int8), "bool": RNG.random(ROWS) < 0.5,
}  # fmt: skip
OPERATORS = [operator.add, operator.truediv, operator.floordiv, operator.lt]


def same(a, b) -> bool:
    if isinstance(a, pd.Series):
        pd.testing.assert_series_equal(a, b)
        return True
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


@pytest.mark.each_value_once
@pytest.mark.parametrize("container", (np.asarray, pd.Series))
@pytest.mark.parametrize("function", OPERATORS)
@pytest.mark.filterwarnings("ignore")
def test_the_first_the_repeated_and_the_untraced_call_agree(container, function, monkeypatch):
    for left in ARRAYS:
        for right in (*ARRAYS, 2, True):
            x = container(ARRAYS[left])
            y = right if not isinstance(right, str) else container(ARRAYS[right])
            try:
                wanted = function(x, y)
            except (TypeError, NotImplementedError):
                continue
            for known in ({}, None, recipes._known):
                if known is not None:
                    monkeypatch.setattr(recipes, "_known", known)
                with sparkweld.lazy(threads=1) as wrap:
                    got = function(wrap(x), wrap(y) if isinstance(right, str) else y)
                assert same(wanted, got.compute()), (left, right)


def test_calls_are_traced_once_and_guarded_each_time(monkeypatch):
    monkeypatch.setattr(recipes, "_known", {})
    traced, original = [], recipes._traced

    def counted(loop, function, *rest):
        traced.append(function)
        return original(loop, function, *rest)

    monkeypatch.setattr(recipes, "_traced", counted)
    x = pd.Series(np.arange(1, ROWS + 1))
    for divisor in (x, x - 1):  # pandas returns floats for a quotient by zero
        with sparkweld.lazy() as wrap:
            got = wrap(x) // wrap(divisor)
        assert same(x // divisor, got.compute())
    assert traced == [operator.floordiv]


def test_constants_and_exactness_are_different_calls():
    x = ARRAYS["float"]
    for constant in (0.0, -0.0, 1, True, 1.0):
        with sparkweld.lazy() as wrap:
            got = np.copysign(wrap(x), constant) + wrap(x) * constant
        assert same(np.copysign(x, constant) + x * constant, got.compute())
    with sparkweld.lazy() as wrap:
        near = np.sinh(wrap(x))
    with sparkweld.lazy(exact=True) as wrap:
        exact = np.sinh(wrap(x))
    assert np.allclose(near.compute(), np.sinh(x), rtol=1e-14) and np.array_equal(exact.compute(), np.sinh(x))
    with sparkweld.lazy() as wrap:
        squared = wrap(x) * wrap(x) + wrap(x) * wrap(x)  # both operands are one value
    assert same(x * x + x * x, squared.compute())
    with sparkweld.lazy() as wrap:
        both = np.modf(wrap(x))
    assert all(same(a, b.compute()) for a, b in zip(np.modf(x), both, strict=True))
