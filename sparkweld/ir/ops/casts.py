"""Defines conversions between plain types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sparkweld.ir.ops.base import Array, Op
from sparkweld.ir.types import BOOL, DTYPES, INTEGERS_OF_TIMES, Type


@dataclass(frozen=True, slots=True)
class Cast(Op):
    """NumPy's ``astype``: integers wrap, numbers become ``x != 0`` as bool, floats truncate towards zero.

    A float outside of the target integer type (see `Fits`) becomes 0; NumPy leaves that case undefined, so frontends guard it. A
    date casts to and from i32 (days) only, a ts to and from i64 (microseconds) only; strings have separate ops.
    """

    to: Type
    name: ClassVar[str] = "cast"

    def infer(self, *args: Type) -> Type:
        ok = len(args) == 1 and not args[0].nullable and not self.to.nullable
        for time, integer in INTEGERS_OF_TIMES.items():
            if time in (self.to.kind, *(a.kind for a in args)):
                ok = ok and {args[0].kind, self.to.kind} <= {time, integer}
        ok = ok and not any(t.is_view for t in (*args, self.to))
        self._wants(ok, f"one plain value that casts to {self.to}", args)
        return self.to

    def evaluate(self, *args: Array) -> Array:
        (x,) = args
        assert isinstance(x, np.ndarray)
        if x.dtype.kind == "f" and self.to.dtype.kind == "i":
            x = np.where(Fits(self.to).evaluate(x), x, 0)
        with np.errstate(all="ignore"):
            return x.astype(self.to.dtype)


@dataclass(frozen=True, slots=True)
class Fits(Op):
    """True where a float, truncated towards zero, is a value of the integer type `to` (so not NaN, not infinite)."""

    to: Type
    name: ClassVar[str] = "fits"

    def infer(self, *args: Type) -> Type:
        self._wants(len(args) == 1 and args[0].is_float and not args[0].nullable and self.to.is_int, "one plain float", args)
        return BOOL

    def evaluate(self, *args: Array) -> Array:
        (x,) = args
        assert isinstance(x, np.ndarray)
        low, end = self.limits(x.dtype)
        with np.errstate(invalid="ignore"):
            whole = np.trunc(x)
            return (whole >= low) & (whole < end)

    def limits(self, dtype: np.dtype) -> tuple[np.generic, np.generic]:
        """Returns [low, end) in the float dtype; both are powers of two, hence exact in every float type."""
        bits = self.to.dtype.itemsize * 8
        return dtype.type(-(2.0 ** (bits - 1))), dtype.type(2.0 ** (bits - 1))


_NUMBERS = tuple(Type(kind) for kind in DTYPES if kind not in INTEGERS_OF_TIMES and not Type(kind).is_view)
_TIMES = tuple((Type(time), Type(integer)) for time, integer in INTEGERS_OF_TIMES.items())
Cast.examples = (
    *((Cast(to), (of,)) for to in _NUMBERS for of in _NUMBERS),
    *((Cast(to), (of,)) for pair in _TIMES for to, of in (pair, pair[::-1])),
)
Fits.examples = tuple((Fits(to), (of,)) for to in _NUMBERS if to.is_int for of in _NUMBERS if of.is_float)
