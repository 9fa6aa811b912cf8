"""Lowers Python's ``**`` to IR: ints by exact multiplication, floats by libm's pow, with Python's additional exceptions."""

from __future__ import annotations

from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.python.integers import compare_value, multiply
from udf_compiler.frontends.python.operands import Operand, as_float, as_int, guard_exact, kind_of, make_float, make_int, span_of
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import MAX, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import current, refuse

#: ``x ** 2`` of floats is x * x here; libm's pow is off by its last bit for one in a thousand.
_SQUARE = ("x ** 2", "1 ULP")
_ROOT = ("x ** 0.5", "1 ULP")


def power(a: Operand, b: Operand) -> Any:
    """Returns ``a ** b``. Guards a negative base with a fractional exponent, whose power is complex in Python."""
    if "float" in (kind_of(a), kind_of(b)):
        return float_power(a, b)
    low, _ = span_of(b)
    if low < 0 and (not is_scalar(b) or explorer().decide(compare_value(explorer().loop, "less", as_int(b), 0))):
        guard_exact(a)
        guard_exact(b)
        return float_power(a, b)
    return _int_power(a, b)


def _int_power(a: Operand, b: Operand) -> Any:
    if not is_scalar(b):
        return _fixed_power(a, int(b))
    run, loop = explorer(), explorer().loop
    low, high = span_of(b)
    base = span_of(a)
    if high <= 64 and max(abs(base[0]), abs(base[1])) ** high <= MAX:
        bound = max(abs(base[0]), abs(base[1]), 1) ** high
        return make_int(loop.call("power", as_int(a), loop.call("maximum", as_int(b), loop.const(0, I64))), (-bound, bound))
    # the estimate's rounding error is far smaller than the distance between 2**62 and int64's end
    size = loop.call("power", loop.call("fabs", as_float(a)), as_float(b))
    run.guard(loop.call("less_equal", size, loop.const(2.0**62, F64)))
    return make_int(loop.call("power", as_int(a), loop.call("maximum", as_int(b), loop.const(0, I64))))


def _fixed_power(a: Operand, exponent: int) -> Any:
    """Multiplies by squaring.

    Every product is a factor of the result, so an overflow implies that the result overflows or is 0.
    """
    if exponent == 0:
        return 1
    if exponent > 64:
        refuse("SW294", number=f"... ** {exponent}")
    result: Any = None
    square: Any = a if not (is_scalar(a) and a.kind == "bool") else make_int(as_int(a), (0, 1))
    while True:
        if exponent & 1:
            result = square if result is None else multiply(result, square)
        exponent >>= 1
        if not exponent:
            return result
        square = multiply(square, square)


def float_power(a: Operand, b: Operand, domain_errors: bool = False) -> TracedScalar:
    """Returns ``float(a) ** float(b)``; with `domain_errors` math.pow, which raises ValueError where ** does not."""
    run, loop = explorer(), explorer().loop
    x, y = as_float(a), as_float(b)
    if not is_scalar(b) and float(b) == 1.0:
        return make_float(x)
    if not is_scalar(b) and float(b) == 2.0 and not run.inside:
        return _square(x)
    if not is_scalar(b) and b == 0.5 and not run.inside:
        return _root(x, domain_errors)
    if not is_scalar(b) and float(b) == 0.0:
        return make_float(loop.const(1.0, F64))
    zero, infinite = loop.const(0.0, F64), loop.const(float("inf"), F64)
    result = loop.call("power", x, y)
    negative_exponent = loop.call("logical_and", loop.call("less", y, zero), loop.call("isfinite", y))
    run.raise_if(
        loop.call("logical_and", loop.call("equal", x, zero), negative_exponent),
        (lambda: ValueError("math domain error")) if domain_errors else _zero_to_negative,
    )
    fraction = loop.call("logical_and", loop.call("isfinite", y), loop.call("not_equal", y, loop.call("floor", y)))
    below = loop.call("logical_and", loop.call("less", x, zero), loop.call("isfinite", x))
    complex_ = loop.call("logical_and", below, fraction)
    if domain_errors:
        run.raise_if(complex_, lambda: ValueError("math domain error"))
    elif is_scalar(b) or float(b) != int(float(b)):
        run.guard(loop.call("logical_not", complex_))
    finite = loop.call("logical_and", loop.call("isfinite", x), loop.call("isfinite", y))
    over = loop.call("logical_and", loop.call("equal", loop.call("fabs", result), infinite), finite)
    run.raise_if(over, lambda: OverflowError(34, "Numerical result out of range"))
    return make_float(result)


def _square(x: Value) -> TracedScalar:
    run, loop = explorer(), explorer().loop
    _keep(*_SQUARE)
    result = loop.call("multiply", x, x)
    over = loop.call("logical_and", loop.call("isinf", result), loop.call("isfinite", x))
    run.raise_if(over, lambda: OverflowError(34, "Numerical result out of range"))
    return make_float(result)


def _root(x: Value, domain_errors: bool) -> TracedScalar:
    """Returns pow(x, 0.5) as sqrt(x), except for -0.0 and -inf, whose powers are positive."""
    run, loop = explorer(), explorer().loop
    _keep(*_ROOT)
    below = loop.call("logical_and", loop.call("less", x, loop.const(0.0, F64)), loop.call("isfinite", x))
    if domain_errors:
        run.raise_if(below, lambda: ValueError("math domain error"))
    else:
        run.guard(loop.call("logical_not", below))
    root = loop.call("add", loop.call("sqrt", x), loop.const(0.0, F64))
    infinite = loop.const(float("inf"), F64)
    return make_float(loop.select(loop.call("isinf", x), infinite, root))


def _keep(operation: str, bound: str) -> None:
    if current().exact:
        refuse("SW232", op=operation, bound=bound)
    current().keep(operation, bound)


def _zero_to_negative() -> Exception:
    return ZeroDivisionError("zero to a negative power")


__all__ = ["float_power", "power"]
