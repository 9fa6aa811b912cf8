"""Computes quantiles of the normal distribution by the rational functions of Wichura's AS 241 (PPND16).

Their relative error is about 1e-16. SciPy's `ndtri` uses other functions of that accuracy, so results differ by a few eps.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64

#: Coefficients for |p - 1/2| <= 0.425, in r = 0.180625 - (p - 1/2)**2; highest power first.
_MIDDLE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125,
     1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077,
     687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
#: Coefficients for the tails, in r = sqrt(-log(min(p, 1 - p))) - 1.6, up to r = 3.4 (p = 1.4e-11).
_TAIL = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258, 3.64784832476320460504,
     5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459, 0.68976733498510000455,
     1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip
#: The bound on a result's difference from SciPy's, for messages.
BOUND = "16 eps of each quantile"


def normal_quantile(loop: LoopBuilder, p: Value) -> Value:
    """Returns ``scipy.stats.norm.ppf(p)`` of a float64 in [1e-10, 1 - 1e-10], or NaN."""

    def number(c: float) -> Value:
        return loop.const(c, F64)

    away = loop.call("subtract", p, number(0.5))
    middle = loop.call("subtract", number(0.180625), loop.call("square", away))
    near = loop.call("multiply", _quotient(loop, _MIDDLE, middle), away)
    low = loop.call("minimum", p, loop.call("subtract", number(1.0), p))
    root = loop.call("sqrt", loop.call("negative", loop.call("log", low)))
    far = _quotient(loop, _TAIL, loop.call("subtract", root, number(1.6)))
    far = loop.select(loop.call("less", away, number(0.0)), loop.call("negative", far), far)
    return loop.select(loop.call("less_equal", loop.call("absolute", away), number(0.425)), near, far)


def _quotient(loop: LoopBuilder, parts: tuple[Sequence[float], Sequence[float]], r: Value) -> Value:
    above, below = (_polynomial(loop, coefficients, r) for coefficients in parts)
    return loop.call("divide", above, below)


def _polynomial(loop: LoopBuilder, coefficients: Sequence[float], r: Value) -> Value:
    total = loop.const(coefficients[0], F64)
    for c in coefficients[1:]:
        total = loop.call("add", loop.call("multiply", total, r), loop.const(c, F64))
    return total
