"""Bounds the values of a loop that depend on models, without evaluating the models: interval arithmetic as IR ops.

The ends of an interval are values of the loop, computed by the same ops. This is sound without rounding analysis wherever an op
is correctly rounded, since it is then monotone on floating-point numbers. `exp` is not, so its ends are moved outwards. An end
may be NaN, caused by a NaN or an infinity in a row; then no comparison below holds, so nothing is ruled out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sparkweld.ir import Let, Type
from sparkweld.ir.ops import Call, Cast, Const, MakeOptional, Op, Select
from sparkweld.ir.types import BOOL, F64
from sparkweld.optimizer.bodies import Body

#: Relative error of `exp`, and a number below which it loses full precision.
_EXP_SLACK, _EXP_LEAST = 2.0**-40, 1e-300


@dataclass(frozen=True)
class Interval:
    """A number between the values `low` and `high`; `least`: a lower bound in all rows, unless the number is NaN."""

    low: int
    high: int
    least: float = -np.inf


@dataclass(frozen=True)
class Perhaps:
    """A bool that may be True where the value `true` is, and False where `false` is; None: it never may."""

    true: int | None
    false: int | None


#: None means that nothing is known.
Known = Interval | Perhaps | None


class Ranges:
    """Emits bounds into a body, each value once."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self._made = {let: at for at, let in reversed(list(enumerate(body.lets)))}
        self._rules: Mapping[str, Callable[..., Known]] = {
            "add": self._sum, "subtract": self._difference, "multiply": self._product, "divide": self._quotient,
            "negative": self._negative, "exp": self._exp, "maximum": self._each_end, "minimum": self._each_end,
            "less": self._less, "less_equal": self._less, "greater": self._greater, "greater_equal": self._greater,
            "isnan": self._isnan, "logical_and": self._and, "logical_or": self._or, "logical_not": self._not,
        }  # fmt: skip

    def emit(self, op: Op, *args: int) -> int:
        let = Let(op, args)
        if let not in self._made:
            self._made[let] = self.body.emit(op, *args)
        return self._made[let]

    def call(self, fn: str, *args: int) -> int:
        return self.emit(Call(fn), *args)

    def const(self, value: object, type: Type) -> int:
        return self.emit(Const.of(value, type))

    def type(self, value: int) -> Type:
        return self.body.types[value]

    def exactly(self, value: int) -> Known:
        """Returns the range of a value that does not depend on a model: the value itself."""
        if self.type(value) == BOOL:
            known = self.body.known(value)
            if known is not None:
                return Perhaps(value if known else None, None if known else self.const(True, BOOL))
            return Perhaps(value, self.call("logical_not", value))
        if self.type(value).nullable or not self.type(value).is_float:
            return None
        known = self.body.known(value)
        return Interval(value, value, -np.inf if known is None or np.isnan(known) else float(known))

    def of(self, op: Op, args: tuple[Known, ...], type: Type) -> Known:
        """Returns the range of the result of an op, of this type, from the ranges of its arguments."""
        made = self._of(op, args)
        return self._anything() if made is None and type == BOOL else made

    def _of(self, op: Op, args: tuple[Known, ...]) -> Known:
        if isinstance(op, Select):
            return self._select(*args)
        if any(arg is None for arg in args) or isinstance(op, MakeOptional):
            return None
        if isinstance(op, Cast) and isinstance(args[0], Interval) and op.to.is_float:
            return Interval(self.emit(op, args[0].low), self.emit(op, args[0].high))
        if isinstance(op, Call) and op.fn in self._rules:
            if op.fn.startswith("logical_") != all(isinstance(arg, Perhaps) for arg in args):
                return None
            return self._rules[op.fn](*args) if op.fn not in _NAMED else self._rules[op.fn](op.fn, *args)
        return None

    def _anything(self) -> Perhaps:
        always = self.const(True, BOOL)
        return Perhaps(always, always)

    def _is_exact(self, x: Interval) -> bool:
        return x.low == x.high

    def _sum(self, x: Interval, y: Interval) -> Known:
        # If both are inexact, both could be infinite and the sum NaN, although no end is NaN.
        if not self._is_exact(x) and not self._is_exact(y):
            return None
        return Interval(self.call("add", x.low, y.low), self.call("add", x.high, y.high), x.least + y.least)

    def _difference(self, x: Interval, y: Interval) -> Known:
        if not self._is_exact(x) and not self._is_exact(y):
            return None
        return Interval(self.call("subtract", x.low, y.high), self.call("subtract", x.high, y.low))

    def _negative(self, x: Interval) -> Known:
        return Interval(self.call("negative", x.high), self.call("negative", x.low))

    def _by_constant(self, fn: str, x: Interval, constant: int) -> Known:
        number = self.body.known(constant)
        if number is None or not np.isfinite(number) or number == 0:
            return None
        low, high = self.call(fn, x.low, constant), self.call(fn, x.high, constant)
        return Interval(low, high) if number > 0 else Interval(high, low)

    def _product(self, x: Interval, y: Interval) -> Known:
        return self._by_constant("multiply", x, y.low) if self._is_exact(y) else self._by_constant("multiply", y, x.low)

    def _quotient(self, x: Interval, y: Interval) -> Known:
        if self._is_exact(y):
            return self._by_constant("divide", x, y.low)
        over = self.body.known(x.low) if self._is_exact(x) else None
        if over is None or not over > 0 or not y.least > 0:
            return None
        low = self.call("maximum", y.low, self.const(y.least, self.type(y.low)))
        return Interval(self.call("divide", x.low, y.high), self.call("divide", x.low, low), 0.0)

    def _exp(self, x: Interval) -> Known:
        if self.type(x.low) != F64:
            return None
        return Interval(self._exp_of(x.low, -1), self._exp_of(x.high, 1), 0.0)

    def _exp_of(self, end: int, sign: int) -> int:
        found = self.call("multiply", self.call("exp", end), self.const(1 + sign * _EXP_SLACK, F64))
        return self.call("add", found, self.const(sign * _EXP_LEAST, F64))

    def _each_end(self, fn: str, x: Interval, y: Interval) -> Known:
        return Interval(self.call(fn, x.low, y.low), self.call(fn, x.high, y.high))

    def _less(self, fn: str, x: Interval, y: Interval) -> Known:
        """Bounds a comparison: it may be True unless it surely fails, and False unless it surely holds and no operand is NaN."""
        surely_not = self.call("greater_equal" if fn == "less" else "greater", x.low, y.high)
        surely = self.call("logical_and", self.call(fn, x.high, y.low), self._no_nan(x, y))
        return Perhaps(self.call("logical_not", surely_not), self.call("logical_not", surely))

    def _greater(self, fn: str, x: Interval, y: Interval) -> Known:
        return self._less(fn.replace("greater", "less"), y, x)

    def _no_nan(self, *numbers: Interval) -> int:
        found = [self.call("isfinite", end) for x in numbers for end in (x.low, x.high)]
        for other in found[1:]:
            found[0] = self.call("logical_and", found[0], other) if other != found[0] else found[0]
        return found[0]

    def _isnan(self, x: Interval) -> Known:
        maybe = self.call("logical_not", self._no_nan(x))
        return Perhaps(maybe, self.const(True, BOOL))

    def _both(self, a: int | None, b: int | None) -> int | None:
        if a is None or b is None:
            return None
        if a == b or self.body.known(b):
            return a
        return b if self.body.known(a) else self.call("logical_and", a, b)

    def _either(self, a: int | None, b: int | None) -> int | None:
        if a is None or b is None:
            return b if a is None else a
        if a == b or self.body.known(a):
            return a
        return b if self.body.known(b) else self.call("logical_or", a, b)

    def _and(self, x: Perhaps, y: Perhaps) -> Known:
        return Perhaps(self._both(x.true, y.true), self._either(x.false, y.false))

    def _or(self, x: Perhaps, y: Perhaps) -> Known:
        return Perhaps(self._either(x.true, y.true), self._both(x.false, y.false))

    def _not(self, x: Perhaps) -> Known:
        return Perhaps(x.false, x.true)

    def _select(self, condition: Known, yes: Known, no: Known) -> Known:
        if not isinstance(condition, Perhaps):
            return None
        if isinstance(yes, Perhaps) and isinstance(no, Perhaps):
            true = self._either(self._both(condition.true, yes.true), self._both(condition.false, no.true))
            return Perhaps(true, self._either(self._both(condition.true, yes.false), self._both(condition.false, no.false)))
        if not isinstance(yes, Interval) or not isinstance(no, Interval):
            return None
        if condition.true is None or condition.false is None:
            return no if condition.true is None else yes
        # Where both branches are possible, a NaN of either makes the end NaN.
        low, high = self.call("minimum", yes.low, no.low), self.call("maximum", yes.high, no.high)
        for perhaps, otherwise in ((condition.false, yes), (condition.true, no)):
            if self.body.known(perhaps) is None:
                low = self.emit(Select(), perhaps, low, otherwise.low)
                high = self.emit(Select(), perhaps, high, otherwise.high)
        return Interval(low, high, min(yes.least, no.least))


#: Functions whose rules take the function's name.
_NAMED = frozenset("maximum minimum less less_equal greater greater_equal".split())
