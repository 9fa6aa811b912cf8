"""Lowers the functions of `math` on symbolic scalars, with CPython's exceptions; constants use the functions themselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.python.decimals import is_decimal, to_float
from udf_compiler.frontends.python.decimals import whole as whole_decimal
from udf_compiler.frontends.python.numbers import as_float, is_number, kind_of, make_bool, make_float, raise_type_error
from udf_compiler.frontends.python.operands import as_int, guard_between, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.powers import float_power
from udf_compiler.frontends.python.rounding import to_int, whole
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.enum_members import data_of
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import StandIn, in_place, module_stand_in
from udf_compiler.frontends.tracing.values import Traced

_DOMAIN = "math domain error"
_RANGE = "math range error"


def _domain(condition: Value) -> None:
    explorer().raise_if(condition, lambda: ValueError(_DOMAIN))


def _compare(fn: str, x: Value, number: float) -> Value:
    loop = explorer().loop
    return loop.call(fn, x, loop.const(number, F64))


def _no_domain(x: Value) -> None:
    pass


def _finite(x: Value) -> None:
    _domain(explorer().loop.call("isinf", x))


def _within(low: float, high: float, open: bool = False) -> Callable[[Value], None]:
    """Returns a check that raises ValueError outside [low, high], or outside ]low, high[ if `open`."""

    def check(x: Value) -> None:
        loop = explorer().loop
        outside = [
            _compare(("less_equal" if open else "less") if number == low else ("greater_equal" if open else "greater"), x, number)
            for number in (low, high)
            if math.isfinite(number)
        ]
        _domain(outside[0] if len(outside) == 1 else loop.call("logical_or", *outside))

    return check


_INF = math.inf
#: name -> (the op's name, the domain check, whether a finite argument may overflow).
_ELEMENTARY: dict[str, tuple[str, Callable[[Value], None], bool]] = {
    "sqrt": ("sqrt", _within(0.0, _INF), False),
    "exp": ("exp", _no_domain, True),
    "exp2": ("exp2", _no_domain, True),
    "expm1": ("expm1", _no_domain, True),
    "log2": ("log2", _within(0.0, _INF, open=True), False),
    "log10": ("log10", _within(0.0, _INF, open=True), False),
    "log1p": ("log1p", _within(-1.0, _INF, open=True), False),
    "cbrt": ("cbrt", _no_domain, False),
    "sin": ("sin", _finite, False),
    "cos": ("cos", _finite, False),
    "tan": ("tan", _finite, False),
    "asin": ("arcsin", _within(-1.0, 1.0), False),
    "acos": ("arccos", _within(-1.0, 1.0), False),
    "atan": ("arctan", _no_domain, False),
    "sinh": ("sinh", _no_domain, True),
    "cosh": ("cosh", _no_domain, True),
    "tanh": ("tanh", _no_domain, False),
    "asinh": ("arcsinh", _no_domain, False),
    "acosh": ("arccosh", _within(1.0, _INF), False),
    "atanh": ("arctanh", _within(-1.0, 1.0, open=True), False),
    "fabs": ("fabs", _no_domain, False),
    "erf": ("erf", _no_domain, False),
    "erfc": ("erfc", _no_domain, False),
}


def _elementary(fn: str, check: Callable[[Value], None], overflows: bool) -> Callable[[Any], TracedScalar]:
    def function(x: Any) -> TracedScalar:
        loop, value = explorer().loop, as_float(x)
        check(value)
        result = loop.call(fn, value)
        if overflows:
            over = loop.call("logical_and", loop.call("isinf", result), loop.call("isfinite", value))
            explorer().raise_if(over, lambda: OverflowError(_RANGE))
        return make_float(result)

    return function


def _log(x: Any, base: Any = None) -> Any:
    loop = explorer().loop
    if not is_scalar(x):
        numerator: Any = make_float(loop.const(as_python(math.log, x), F64))
    else:
        value = as_float(x)
        _within(0.0, _INF, open=True)(value)
        numerator = make_float(loop.call("log", value))
    if base is None:
        return numerator
    denominator = as_python(math.log, base) if not is_scalar(base) else _log(base)
    return numerator / denominator


def _predicate(fn: str) -> Callable[[Any], Any]:
    return lambda x: make_bool(explorer().loop.call(fn, as_float(x)))


def _atan2(y: Any, x: Any) -> TracedScalar:
    return make_float(explorer().loop.call("arctan2", as_float(y), as_float(x)))


def _hypot(*xs: Any) -> TracedScalar:
    if len(xs) != 2:
        refuse("SW262", call="math.hypot", what=f"{len(xs)} arguments")
    if explorer().inside:
        refuse("SW286", call="math.hypot")  # Python computes it itself; its last digits differ from libm's
    loop = explorer().loop
    return make_float(loop.call("hypot", as_float(xs[0]), as_float(xs[1])))


def _copysign(x: Any, y: Any) -> TracedScalar:
    loop, sign = explorer().loop, as_float(y)
    explorer().guard(loop.call("logical_not", loop.call("isnan", sign)))  # the sign of a computed NaN is undefined
    return make_float(loop.call("copysign", as_float(x), sign))


def _fmod(x: Any, y: Any) -> TracedScalar:
    loop, a, b = explorer().loop, as_float(x), as_float(y)
    zero = loop.call("logical_and", _compare("equal", b, 0.0), loop.call("logical_not", loop.call("isnan", a)))
    infinite = loop.call("logical_and", loop.call("isinf", a), loop.call("logical_not", loop.call("isnan", b)))
    _domain(loop.call("logical_or", zero, infinite))
    return make_float(loop.call("fmod", a, b))


def _whole_numbers(xs: tuple[Any, ...]) -> list[Any]:
    """Returns ints and bools as ints; TypeError for floats. Guards the smallest int64, which has no absolute value."""
    for x in xs:
        if kind_of(x) == "float":
            raise_type_error("'float' object cannot be interpreted as an integer")
        guard_between(explorer().loop, as_int(x), -(2**63) + 1, 2**63 - 1)
    return [make_int(as_int(x)) for x in xs]


def _gcd(*integers: Any) -> Any:
    loop = explorer().loop
    values = [as_int(x) for x in _whole_numbers(integers)]
    return make_int(reduce(lambda a, b: loop.call("gcd", a, b), values, loop.const(0, I64)), (0, 2**63 - 1))


def _lcm(*integers: Any) -> Any:
    found: Any = make_int(explorer().loop.const(1, I64))
    for x in _whole_numbers(integers):
        common = as_int(_gcd(found, x))
        divisor: Any = make_int(explorer().loop.call("maximum", common, explorer().loop.const(1, I64)))
        found = abs(found // divisor * x)
    return found


def _scaled(factor: float) -> Callable[[Any], TracedScalar]:
    def function(x: Any) -> TracedScalar:
        loop = explorer().loop
        return make_float(loop.call("multiply", as_float(x), loop.const(factor, F64)))

    return function


def _rounded(fn: str) -> Callable[[Any], Any]:
    """Rounds the nearest float, also of an np.int64: NumPy's scalars have no ``__floor__`` and ``__ceil__`` of their own."""
    return lambda x: whole(make_float(as_float(x)) if x.numpy else x, fn)


def _trunc(x: TracedScalar) -> TracedScalar:
    if x.numpy not in ("", "float64"):
        refuse("SW251", call=f"math.trunc of a np.{x.numpy}")  # it has no __trunc__
    return to_int(x)


def _isclose(a: Any, b: Any, *, rel_tol: Any = 1e-09, abs_tol: Any = 0.0) -> Any:
    """Implements CPython's math_isclose_impl."""
    if is_scalar(rel_tol) or is_scalar(abs_tol):
        refuse("SW262", call="math.isclose", what="a tolerance that is not constant")
    if rel_tol < 0 or abs_tol < 0:
        raise in_place(ValueError("tolerances must be non-negative"))
    loop, x, y = explorer().loop, as_float(a), as_float(b)
    difference = loop.call("fabs", loop.call("subtract", y, x))
    bounds = [
        loop.call("less_equal", difference, loop.call("fabs", loop.call("multiply", loop.const(float(rel_tol), F64), side)))
        for side in (y, x)
    ]
    near = loop.call("logical_or", *bounds)
    near = loop.call("logical_or", near, _compare("less_equal", difference, float(abs_tol)))
    either_infinite = loop.call("logical_or", loop.call("isinf", x), loop.call("isinf", y))
    near = loop.call("logical_and", near, loop.call("logical_not", either_infinite))
    return make_bool(loop.call("logical_or", loop.call("equal", x, y), near))


_TABLE: dict[str, Callable[..., Any]] = {name: _elementary(*row) for name, row in _ELEMENTARY.items()} | {
    "log": _log, "isnan": _predicate("isnan"), "isinf": _predicate("isinf"), "isfinite": _predicate("isfinite"),
    "atan2": _atan2, "hypot": _hypot, "copysign": _copysign, "fmod": _fmod, "isclose": _isclose,
    "pow": lambda x, y: float_power(x, y, domain_errors=True),
    "degrees": _scaled(180.0 / math.pi), "radians": _scaled(math.pi / 180.0),
    "gcd": _gcd, "lcm": _lcm,
    "floor": _rounded("floor"), "ceil": _rounded("ceil"), "trunc": _trunc,
}  # fmt: skip


#: Functions of iterables that read floats directly: sumprod adds exact products, where operators would round each.
_OF_ITERABLES = frozenset({"dist", "fsum", "sumprod"})


class MathFunction(StandIn):
    """The stand-in for a function of the module math."""

    __slots__ = ("__name__", "stands_for")
    what = "function of math"

    def __init__(self, name: str, real: Callable[..., Any]) -> None:
        self.__name__, self.stands_for = name, real

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.__name__ in _OF_ITERABLES:
            args = tuple(as_python(list, x) for x in args)
            if any(isinstance(x, Traced) for xs in args for x in xs):
                refuse("SW251", call=f"math.{self.__name__} of a row's values")
        if len(args) == 1 and hasattr(type(args[0]), "math"):  # a reduction of a group
            return args[0].math(self.__name__)
        if not any(map(is_scalar, (*args, *kwargs.values()))):
            return as_python(self.stands_for, *args, **kwargs)
        if self.__name__ not in _TABLE:
            refuse("SW251", call=f"math.{self.__name__} of a row's value")
        if self.__name__ in ("floor", "ceil", "trunc") and len(args) == 1 and is_decimal(args[0]):
            return whole_decimal(args[0], self.__name__)
        args = tuple(to_float(x) if is_scalar(x) and is_decimal(x) else data_of(x) for x in args)
        for x in args:
            if not is_number(x):
                raise_type_error(f"must be real number, not {type(x).__name__ if not is_scalar(x) else kind_of(x)}")
        check_form(_TABLE[self.__name__], args, kwargs, f"math.{self.__name__}")
        return _TABLE[self.__name__](*args, **kwargs)


def _attribute(name: str) -> Any:
    found = getattr(math, name)
    return MathFunction(name, found) if callable(found) else found


MATH = module_stand_in(math, "math", _attribute)
NAMES = frozenset(_TABLE)
