"""Checks NumPy functions whose result depends on a row's position or on the other rows' exponents."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sparkweld.ir import parse_program
from sparkweld.ir.ops import Optional
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.kernels import load
from tests.helpers.lines import of_numpy_2

VALUES = np.array([-np.inf, -2.0, -0.0, 0.0, 0.25, 2.0, np.inf, np.nan])


def kernel_of(function, names="a", eval_type=200):
    call = udf(0, *names, returns="double", evalType=eval_type)
    reply = compile_pipeline(request(python_step(r=call), inputs=dict.fromkeys(names, "double")), [payload(function)])
    assert reply["status"] == "ok", reply["refusals"]
    return load(parse_program(reply["program"], reply["blocks"]))


def ran(kernel, **columns):
    """Returns the results, NaN for NULL, and the number of flagged rows."""
    rows = len(columns["a"])
    result = kernel.run({name: Optional(x, np.ones(rows, np.bool_)) for name, x in columns.items()}, rows)
    column = result.columns["r"]
    return np.where(column.valid, column.values, np.nan), result.flagged


@pytest.mark.parametrize(
    "function",
    [
        lambda a: a**0.5,
        lambda a: np.power(a, 0.5),
        lambda a: pd.Series(np.power(a.values, 0.5)),
        lambda a: pd.Series(a.values**0.5),
        lambda a: pd.Series(np.power(a.to_numpy(), np.float64(0.5))),
        pytest.param(lambda a: pd.Series(np.power(a.values, 2.0)), marks=of_numpy_2),
    ],
)
def test_one_exponent_for_all_rows(function):
    """The root of -inf is NaN, its power infinite; the root of -0.0 keeps its sign."""
    with np.errstate(all="ignore"):
        wanted = function(pd.Series(VALUES)).to_numpy()
    got, flagged = ran(kernel_of(function), a=VALUES)
    assert not flagged
    np.testing.assert_array_equal(got, wanted)
    assert (np.signbit(got) == np.signbit(wanted))[~np.isnan(wanted)].all()


def test_an_exponent_of_the_row():
    """NumPy takes only powers for a whole exponent column, but roots for one number or one exponent."""
    with np.errstate(all="ignore"):
        a, b = VALUES.repeat(4), np.tile([0.5, 2.0, -1.0, 0.5], len(VALUES))
        columns = np.power(a, b)
        numbers = [float(np.power(x, y)) for x, y in zip(a, b, strict=True)]
        for function, wanted, eval_type in (
            (lambda a, b: np.power(a, b), columns, 200),
            (lambda a, b: None if a is None or b is None else float(np.power(a, b)), numbers, 101),
        ):
            got, _ = ran(kernel_of(function, "ab", eval_type), a=a, b=b)
            np.testing.assert_array_max_ulp(got[~np.isnan(wanted)], np.asarray(wanted)[~np.isnan(wanted)], 4)
            assert (np.isnan(got) == np.isnan(wanted)).all()


@pytest.mark.parametrize("name", ["fmax", "fmin"])
def test_zeros_of_both_signs_run_in_python(name):
    """NumPy's SIMD loop returns the second zero, its tail the first: the sign depends on the row's position in the batch."""
    function = getattr(np, name)
    kernel = kernel_of(lambda a, b: function(a, b), "ab")
    a, b = np.array([0.0, -0.0, 0.0, -0.0, 1.0]), np.array([-0.0, 0.0, 0.0, -0.0, -0.0])
    assert ran(kernel, a=a, b=b)[1] == 2
    got, flagged = ran(kernel, a=a[2:], b=b[2:])
    assert not flagged and np.array_equal(got, function(a[2:], b[2:]))
    assert not ran(kernel_of(lambda a: function(a, 1.5)), a=VALUES)[1]
