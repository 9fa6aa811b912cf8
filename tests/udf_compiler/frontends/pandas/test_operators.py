"""Compares traced operators, ufuncs and flex methods over all pairs of dtypes with pandas and NumPy, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from sparkweld.ir.ops.elementwise import FUNCTIONS
from tests.helpers.tracing import check_or_refuse, trace_source

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("traced_counts")]

TYPES = ["f64", "f32", "bool", "i8", "i16", "i32", "i64"]
FEW = ["f64", "f32", "bool", "i8", "i64"]
OPERATORS = "+ - * / // % ** == != < <= > >= & | ^".split()
CONSTANTS = ["2", "0", "300", "-3", "1.5", "True", "np.float64(0.1)", "np.int8(2)", "np.nan", "2**40", "0.5"]

#: A zero divisor constant, and a float operand of & | ^.
ALLOWED = ("SW255", "SW262")


@pytest.mark.parametrize("op", OPERATORS)
def test_operators_of_two_series(op: str) -> None:
    for x in TYPES:
        for y in TYPES:
            check_or_refuse(f"lambda a, b: a {op} b", (x, y), ALLOWED if op in "&|^" else ())


@pytest.mark.parametrize("op", OPERATORS)
def test_operators_with_constants(op: str) -> None:
    for x in FEW:
        for c in CONSTANTS:
            check_or_refuse(f"lambda a: a {op} {c}", (x,), ALLOWED)
            check_or_refuse(f"lambda a: {c} {op} a", (x,), ALLOWED)
            check_or_refuse(f"lambda a: a.values {op} {c}", (x,), ALLOWED)


@pytest.mark.parametrize("op", OPERATORS)
def test_operators_of_series_and_array(op: str) -> None:
    for x in FEW:
        check_or_refuse(f"lambda a: a {op} a.values", (x,))
        check_or_refuse(f"lambda a: a.values {op} a", (x,))
        check_or_refuse(f"lambda a: a.values {op} a.values", (x,))


@pytest.mark.parametrize("missing", ["None", "np.nan"])
@pytest.mark.parametrize("op", ["==", "!=", "<", ">="])
def test_comparisons_with_missing_values(op: str, missing: str) -> None:
    for x in TYPES:
        assert check_or_refuse(f"lambda a: a {op} {missing}", (x,))
        assert check_or_refuse(f"lambda a: {missing} {op} a", (x,))


@pytest.mark.parametrize("fn", [*(fn for fn in FUNCTIONS if hasattr(np, fn)), "divmod"])
def test_ufuncs(fn: str) -> None:
    ufunc = getattr(np, fn)
    spare = fn not in ("signbit", "copysign", "fmax", "fmin")  # guarded signs of NaN and of zeros may be equal
    for x in TYPES:
        if ufunc.nin == 1:
            for argument in ("a", "a.values"):
                check_or_refuse(f"lambda a: np.{fn}({argument})", (x,), spare=spare)
            continue
        for y in FEW:
            check_or_refuse(f"lambda a, b: np.{fn}(a, b)", (x, y), ALLOWED, spare=spare)
        check_or_refuse(f"lambda a, b: np.{fn}(a.values, b.values)", (x, "f64" if x == "f32" else x), spare=spare)
        for c in ("2", "1.5", "np.int8(2)", "np.nan"):
            for arguments in (f"a, {c}", f"{c}, a"):
                check_or_refuse(f"lambda a: np.{fn}({arguments})", (x,), ALLOWED, spare=spare)


@pytest.mark.gate_cases("add", "floordiv", "pow")
@pytest.mark.parametrize("name", "add sub mul div truediv floordiv mod pow".split())
def test_flex_methods(name: str) -> None:
    for method in (name, f"r{name}"):
        for x in FEW:
            for y in ("f64", "f32", "bool", "i32"):
                check_or_refuse(f"lambda a, b: a.{method}(b)", (x, y))
                check_or_refuse(f"lambda a, b: a.{method}(b.values, fill_value=2)", (x, y))
            for c in ("2", "0", "-1", "np.float64(0.1)", "np.nan"):
                check_or_refuse(f"lambda a: a.{method}({c}, fill_value=3)", (x,), ALLOWED)


def test_flex_floordiv_of_integers_is_numpys() -> None:
    """``a
    b`` guards a zero divisor, ``a.floordiv(b)`` returns NumPy's 0 there and needs no guard.
    """
    assert trace_source("lambda a, b: a // b", ("i32", "i32")).program.loops[0].guards
    assert not trace_source("lambda a, b: a.floordiv(b)", ("i32", "i32")).program.loops[0].guards


@pytest.mark.parametrize("name", "eq ne lt le gt ge divmod rdivmod".split())
def test_flex_comparisons_and_divmod(name: str) -> None:
    for x in FEW:
        for y in ("f64", "i8"):
            assert check_or_refuse(f"lambda a, b: a.{name}(b)", (x, y))
        check_or_refuse(f"lambda a: a.{name}(2)", (x,))


def test_square_is_numpys_fast_path() -> None:
    assert "square" in str(trace_source("lambda a: a ** 2", ("f64",)).program)
    assert "square" in str(trace_source("lambda a: np.power(a.values, 2.0)", ("f64",)).program)
    assert "sqrt" in str(trace_source("lambda a: a ** 0.5", ("f64",)).program)
