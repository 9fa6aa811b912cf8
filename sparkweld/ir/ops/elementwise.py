"""Defines elementwise functions: NumPy's ufuncs by name, each with the semantics of NumPy's inner loop for its argument types.

A frontend first resolves promotion (NEP 50) and casts, so an op has exactly the types of one inner loop. NumPy remains the
single authority on wrap-around, zero divisors, NaN and -0.0. A function that NumPy lacks is that of Python's `math`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.ops.base import Array, Op
from sparkweld.ir.types import BOOL, DATE, F32, F64, I8, I32, I64, INTEGERS_OF_TIMES, STR, TS, Type, list_of, of_dtype

#: Functions whose kernels compute the same bits as NumPy, or as `math` where NumPy lacks them.
EXACT = frozenset(
    """add subtract multiply divide floor_divide remainder fmod negative positive absolute fabs sign square reciprocal
    sqrt floor ceil trunc rint maximum minimum fmax fmin copysign nextafter spacing signbit isnan isinf isfinite
    equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor logical_not
    bitwise_and bitwise_or bitwise_xor invert left_shift right_shift gcd lcm heaviside modf frexp ldexp
    conjugate bitwise_count degrees radians deg2rad rad2deg erf erfc""".split()
)

#: Functions of libm: a kernel's result is within this many ULP of NumPy's (approximate, with a documented bound; see the
#: README).
LIBM_ULP = dict.fromkeys(
    """exp exp2 expm1 log log2 log10 log1p cbrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh
    arccosh arctanh power float_power arctan2 hypot logaddexp logaddexp2""".split(),
    4,
)

#: The functions of the installed NumPy; 1.26 has no `bitwise_count`.
FUNCTIONS = tuple(sorted(fn for fn in EXACT | set(LIBM_ULP) if hasattr(np, fn) or hasattr(math, fn)))

#: The two arguments may be swapped without changing a bit of the result (CSE may order them).
COMMUTATIVE = frozenset(
    "add multiply equal not_equal logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor".split()
)

#: Functions of two dates or two timestamps.
_MOMENT_FUNCTIONS = frozenset("equal not_equal less less_equal greater greater_equal maximum minimum".split())

#: Functions of two strings: Python's comparison by code points, which equals that of the UTF-8 bytes.
_STR_FUNCTIONS = frozenset("equal not_equal less less_equal greater greater_equal".split())


@dataclass(frozen=True, slots=True)
class Call(Op):
    """Applies `fn` to each row; `output` selects one of several results (modf, frexp)."""

    fn: str
    output: int = 0
    name: ClassVar[str] = "call"

    def __post_init__(self) -> None:
        if self.fn not in _FUNCTION_SET:
            raise VerifyError(f"unknown elementwise function {self.fn!r}")
        if not 0 <= self.output < self.ufunc.nout:
            raise VerifyError(f"{self.fn} has {self.ufunc.nout} result(s); result {self.output} does not exist")

    @property
    def ufunc(self) -> Any:
        """NumPy's function of that name, or one of `math` with the same interface."""
        return _reference(self.fn)

    @property
    def commutative(self) -> bool:
        return self.fn in COMMUTATIVE

    @property
    def bound(self) -> str | None:
        return f"{LIBM_ULP[self.fn]} ULP" if self.fn in LIBM_ULP else None

    def infer(self, *args: Type) -> Type:
        self._wants(len(args) == self.ufunc.nin and not any(a.nullable for a in args), f"{self.ufunc.nin} plain value(s)", args)
        if any(a.kind in INTEGERS_OF_TIMES for a in args):
            self._wants(len(set(args)) == 1 and self.fn in _MOMENT_FUNCTIONS, "a function of dates", args)
            return args[0] if self.fn in ("maximum", "minimum") else BOOL
        if any(a == STR for a in args):
            self._wants(all(a == STR for a in args) and self.fn in _STR_FUNCTIONS, "a comparison of strings", args)
            return BOOL
        results = _inner_loops(self.fn).get(args)
        if results is None:
            raise VerifyError(f"{self.fn} has no inner loop for ({', '.join(map(str, args))}); cast the arguments first")
        return results[self.output]

    def evaluate(self, *args: Array) -> Array:
        with np.errstate(all="ignore"):
            result = _power(*args) if self.fn == "power" else self.ufunc(*args)
        result = np.asarray(result[self.output] if self.ufunc.nout > 1 else result)
        return result.astype(np.bool_) if result.dtype == object else result


@dataclass(frozen=True, slots=True)
class _MathFunction:
    """A function of one float64, with the part of a ufunc's interface that ops use. It must return for every argument."""

    function: Callable[[float], float]
    nin: ClassVar[int] = 1
    nout: ClassVar[int] = 1
    types: ClassVar[tuple[str, ...]] = ("d->d",)

    def __call__(self, x: Any) -> np.ndarray:
        return np.asarray(np.frompyfunc(self.function, 1, 1)(x), np.float64)


@cache
def _reference(fn: str) -> Any:
    """Returns the function that defines an op's meaning: NumPy's ufunc of that name, else that of `math`."""
    return getattr(np, fn, None) or _MathFunction(getattr(math, fn))


_FUNCTION_SET = frozenset(FUNCTIONS)

with np.errstate(invalid="ignore"):
    #: Whether NumPy computes ``x ** 0.5``, with one exponent for all rows, as a square root: NaN for -inf, and -0.0 unchanged.
    HALF_IS_ROOT = bool(np.isnan(np.power(-np.inf, 0.5)))


def _power(base: Array, exponent: Array) -> np.ndarray:
    """Computes libm's pow for each row: with one exponent for all rows, NumPy's loop would multiply or take roots."""
    shape = np.broadcast_shapes(np.shape(base), np.shape(exponent))
    full = (np.array(np.broadcast_to(x, shape or (1,)), order="C") for x in (base, exponent))  # type: ignore[arg-type]
    return np.power(*full).reshape(shape)  # type: ignore[no-any-return]


@cache
def _inner_loops(fn: str) -> dict[tuple[Type, ...], tuple[Type, ...]]:
    """Maps argument types to result types for those of a ufunc's inner loops whose types the IR has."""
    loops: dict[tuple[Type, ...], tuple[Type, ...]] = {}
    for signature in _reference(fn).types:
        inputs, outputs = ([of_dtype(np.dtype(c)) for c in part] if "O" not in part else [None] for part in signature.split("->"))
        if None not in inputs and None not in outputs:
            loops.setdefault(tuple(inputs), tuple(outputs))  # type: ignore[arg-type]
    return loops


def inner_loops(fn: str) -> dict[tuple[Type, ...], tuple[Type, ...]]:
    """Returns the loops that `Call(fn)` accepts: argument types -> result types."""
    return _inner_loops(fn)


def _examples() -> tuple[tuple[Op, tuple[Type, ...]], ...]:
    rows: list[tuple[Op, tuple[Type, ...]]] = []
    for fn in FUNCTIONS:
        for types in _inner_loops(fn):
            if fn == "power" and types[0].is_int:
                continue  # negative exponents raise in NumPy; frontends guard them, and the tests cover that shape
            rows.extend((Call(fn, output), types) for output in range(_reference(fn).nout))
    rows.extend((Call(fn), (t, t)) for fn in sorted(_MOMENT_FUNCTIONS) for t in (DATE, TS))
    rows.extend((Call(fn), (STR, STR)) for fn in sorted(_STR_FUNCTIONS))
    return tuple(rows)


Call.examples = _examples()


@dataclass(frozen=True, slots=True)
class Select(Op):
    """select(condition, a, b): a where the condition holds, else b. Both are plain and of one type."""

    name: ClassVar[str] = "select"

    def infer(self, *args: Type) -> Type:
        ok = len(args) == 3 and args[0] == BOOL and args[1] == args[2] and not args[1].nullable
        self._wants(ok, "a bool and two plain values of one type", args)
        return args[1]

    def evaluate(self, *args: Array) -> Array:
        return np.where(*args)  # type: ignore[call-overload,no-any-return,return-value]


Select.examples = tuple((Select(), (BOOL, t, t)) for t in (BOOL, I8, I32, I64, F32, F64, DATE, STR, TS, list_of(I32)))
