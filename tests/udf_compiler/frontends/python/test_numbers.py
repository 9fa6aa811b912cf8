"""Checks Python's arithmetic on symbolic ints, floats and bools: class, bits and exceptions of every row are Python's."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from sparkweld.errors import Refusal
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import payload, python_step, request, run_reply, udf
from tests.helpers.pythons import since
from tests.helpers.scalars import check

_KINDS = ("f64", "i64", "i32", "bool")
_OPERATORS = ("+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "&", "|", "^")

#: Rows that run in Python although a kernel could hold the result: ints beyond 2**53 in a quotient.
_NEEDLESS = {"/": 200}


@pytest.mark.parametrize("op", _OPERATORS)
@pytest.mark.parametrize("right", _KINDS)
@pytest.mark.parametrize("left", _KINDS)
def test_operators(left, op, right):
    if op in "&|^" and "f64" in (left, right):
        with pytest.raises(Exception, match="SW261"):
            check(f"lambda a, b: a {op} b", (left, right))
        return
    check(f"lambda a, b: a {op} b", (left, right), needless=_NEEDLESS.get(op, 4 if op == "*" else 0))


@pytest.mark.parametrize("op", _OPERATORS)
@pytest.mark.parametrize("constant", ["3", "-2", "1", "0.5", "2.0", "True", "2**53 + 1", "1e300", "float('nan')", "float('inf')"])
@pytest.mark.parametrize("kind", ["f64", "i64", "i8"])
def test_operators_with_constants(kind, op, constant):
    if op in "&|^" and (kind == "f64" or isinstance(eval(constant), float)):
        return
    for source in (f"lambda a: a {op} ({constant})", f"lambda a: ({constant}) {op} a"):
        check(source, (kind,), needless=_NEEDLESS.get(op, 0))


UNARY = [
    "-a", "+a", "abs(a)", "not a", "a == None", "a is None", "None is a", "a is not None", "bool(a)",
    "float(a)", "int(a)", "round(a)", "a ** 2", "a ** 3", "a ** 0", "a ** 1", "a if a else -1", "a and 1", "a or 2",
    "1 if 0 < a < 5 else 0", "isinstance(a, float)", "isinstance(a, int)", "isinstance(a, (int, float))", "type(a) is int",
    "type(a) == float", "isinstance(a, bool)", "min(a, 3)", "max(a, 3)", "min(a, 2.5)", "max(0, min(a, 100))",
    "min([a, 1, 2])", "sum((a, 1, 2))", "sum([a, 0.5])", "divmod(a, 7)[0]", "divmod(a, -7)[1]", "pow(a, 2)",
    "sorted([a, 3, 1])[0]", "a in (1, 2, 3)", "a not in [0.5, 7]", "(a > 0) + 1", "(a > 0) & (a < 5)", "any([a > 1, a < -1])",
    "all([a > 1, a < 100])", "a.real", "len([a, a])", "[a, 1][0]", "(a > 0) * 2.5", "None if a != a else a",
]  # fmt: skip


@pytest.mark.parametrize("source", UNARY)
@pytest.mark.parametrize("kind", ["f64", "i64", "bool", "i8"])
def test_expressions(kind, source):
    check(f"lambda a: {source}", (kind,), ulp=1 if source in ("a ** 2", "a ** 3", "pow(a, 2)") else 0)


INTS = [
    "a << 3", "a >> 2", "~(a + 0)", "a << b", "a >> b", "a ** b", "2 ** b", "a ** 5", "a % 10", "a // 10", "a & 7",
    "round(a, 2)", "a * a + b", "(a + b) // 2", "a - b * 2", "sum(a for _ in range(5))", "sum(i for i in range(b) if i < 40)",
    "a * b // (b or 1)",
]  # fmt: skip


@pytest.mark.parametrize("source", INTS)
@pytest.mark.parametrize("kind", ["i64", "i8", "bool"])
def test_integers(kind, source):
    second = "i8" if kind == "i64" and any(part in source for part in ("range(b)", "<< b", "** b")) else kind
    check(f"lambda a, b: {source}", (kind, second), ulp=2, needless=90 if any(op in source for op in ("*", "<<", "+ b")) else 0)


#: Function, and the rows that run in Python though an int64 holds their results.
LOOPED_POWERS = [
    ("def f(a, b):\n    t = 0\n    for i in range(max(min(b, 70), 0)):\n        t += 2**i\n    return t", 0),
    ("def f(a, b):\n    t = 0\n    for i in range(b % 4):\n        t = t * 7 - (a % 100) ** i - (-3) ** (a % 9)\n    return t",
     0),
    ("def f(a, b):\n    t = 0\n    for i in range(3):\n        t = a ** (b + i)\n    return t", 11),
]  # fmt: skip


@pytest.mark.parametrize(("source", "needless"), LOOPED_POWERS)
def test_integer_powers_in_loops(source, needless):
    check(source, ("i64", "i8"), ulp=2, needless=needless)


@pytest.mark.parametrize("digits", range(0, 6))
def test_round_to_decimals_is_the_correctly_rounded_decimal(digits):
    halves = [(k + 0.5) / 10**digits for k in range(-300, 300)]
    near = [x * (1 + d) for x in halves[::7] for d in (-2**-52, 2**-52)]
    special = [2.675, 1.005, 0.285, 1e15 + 0.3, 123456789.987654321, 5e-324, float("inf"), float("nan")]
    rows = [(x,) for x in (*halves, *near, *special)]
    check(f"lambda a: round(a, {digits})", ("f64",), rows=rows, needless=1)


MATH = [
    "sqrt(a)", "exp(a)", "expm1(a)", "log(a)", "log2(a)", "log10(a)", "log1p(a)", "sin(a)", "cos(a)", "tan(a)", "asin(a)",
    "acos(a)", "atan(a)", "sinh(a)", "cosh(a)", "tanh(a)", "asinh(a)", "acosh(a)", "atanh(a)", "fabs(a)", "floor(a)",
    "ceil(a)", "trunc(a)", "isnan(a)", "isinf(a)", "isfinite(a)", "degrees(a)", "radians(a)", "log(a, 2)", "log(a, 10)",
    "pow(a, 0.5)", "pow(a, 3)", "pow(2, a)", since((3, 11), "cbrt(a)"), since((3, 11), "exp2(a)"),
    "copysign(1.0, a)", "fmod(a, 3)", "atan2(a, 2)",
    "hypot(a, 3)", "isclose(a, 1.0)", "pi * a", "isclose(a, 2, abs_tol=1)", "erf(a)", "erfc(a)",
]  # fmt: skip


@pytest.mark.parametrize("source", MATH)
@pytest.mark.parametrize("kind", ["f64", "i32"])
def test_math(kind, source):
    ulp = 0 if source.startswith("erf") else 8  # Python calls the same function of libm
    check(f"lambda a: math.{source}", (kind,), ulp=ulp, needless=1 if source.startswith("copysign") else 0)


def test_a_negative_tolerance_is_an_error():
    source = "def f(a):\n    try:\n        return math.isclose(a, 1.0, rel_tol=-1)\n    except ValueError:\n        return 2"
    check(source, ("f64",))


@pytest.mark.parametrize("whole", [math.floor, math.ceil])
def test_whole_numbers_of_numpy_scalars(whole):
    """An np.int64 does not implement rounding: Python converts it to a float."""

    def rows(a: pd.Series, b: pd.Series) -> pd.Series:
        return pd.DataFrame({"a": a, "b": b}).apply(lambda row: whole(row["a"]) + whole(row["b"]), axis=1)

    values = np.array([2**53 + 1, 7, -3, 2**60 + 5])
    step = python_step(r=udf(0, "a", "b", returns="long"))
    reply = compile_pipeline(request(step, inputs={"a": "long", "b": "long"}), [payload(rows)])
    found = run_reply(reply, {"a": values, "b": values})["r"]
    assert found.tolist() == rows(pd.Series(values), pd.Series(values)).tolist()
    assert found[0] != 2 * (2**53 + 1)


DIGITS = "def f(a):\n    total, n = 0, abs(a)\n    while n > 0:\n        total += n % 10\n        n //= 10\n    return total"


@pytest.mark.parametrize("source", ["a is 1000000", "a is b", "(a if a > 1 else b) is 7"])
def test_identity_of_values_is_refused(source):
    with warnings.catch_warnings(), pytest.raises(Refusal, match="SW603"):
        warnings.simplefilter("ignore", SyntaxWarning)
        check(f"lambda a, b: {source}", ("i64", "i64"))


@pytest.mark.parametrize("source", ["(a > 1) is True", "False is (a > 1)", "(a > b) is not True"])
def test_which_of_the_two_bools(source):
    check(f"lambda a, b: {source}", ("i64", "i64"))


def test_a_loop_over_digits_ends():
    assert len(check(DIGITS, ("i64",), needless=1).loops[0].body) < 400


POWERS = ["a ** 0.5", "a ** -1", "a ** 2.5", "2.0 ** a", "a ** 1.0", "a ** b", "b ** a", "a ** 0.0", "10 ** -a"]


@pytest.mark.parametrize("source", POWERS)
def test_float_powers(source):
    check(f"lambda a, b: {source}", ("f64", "i8"), ulp=8)


@pytest.mark.parametrize("kind", ["i64", "i8", "bool"])
def test_ints_to_a_negative_power(kind):
    """The results are floats; ints that no float holds run in Python."""
    for source in ("a ** -1", "a ** -2", "pow(a, -3)", "(a > 0) ** -1"):
        check(f"lambda a: {source}", (kind,), ulp=2, needless=5)
