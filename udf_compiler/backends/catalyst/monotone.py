"""Derives bounds of a column from conditions on monotone functions of it: `f(x) > t` to `x >= c`.

Rounding is monotone. So a chain of monotone steps is monotone over the values of the column's type, in floating point too.
Such steps are plus a constant, times a constant, a maximum with a constant, and so on. The threshold is found by bisection
over all values of the type with the op's own `evaluate`, so it is exact: no algebra is inverted. The bound follows from the
condition and is never stronger; the condition itself remains in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.contract.expressions import Expression
from sparkweld.ir import Loop, Program, Type, evaluate
from sparkweld.ir.ops import Array, Call, Cast, Const, IsValid, MakeOptional, Optional, Read, Select, ValueOf
from sparkweld.ir.program import Append, body_types
from sparkweld.ir.types import BOOL, DATE
from udf_compiler.backends.catalyst.nodes import column, literal, node

_FLIPPED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal", "equal": "equal"}
_NEGATED = {"less": "greater_equal", "less_equal": "greater", "greater": "less_equal", "greater_equal": "less"}
#: Functions that are weakly increasing, and NaN only for NaN.
_GROWING = frozenset(("positive", "rint", "floor", "ceil", "trunc", "conjugate"))


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A comparison ``fn(value, constant)``, where `value` increases (+1) or decreases (-1) with the column."""

    fn: str
    value: int
    constant: Any
    direction: int

    @property
    def holds_above(self) -> bool:
        return self.fn.startswith("greater") == (self.direction > 0)


def implied_bounds(program: Program) -> list[Expression]:
    """Returns comparisons of the program's one column with literals that hold for every row that its filter keeps.

    Empty when nothing is implied, and for a program with guards (a row that raises must not be skipped) or several columns.
    """
    (loop,) = program.loops
    if loop.guards or loop.where is None or len(program.inputs) != 1:
        return []
    (given,) = program.inputs
    if given.type.plain() == BOOL or _keeps_missing(program, given.type):
        return []
    analysis = _Analysis(loop)
    bounds: list[Expression] = []
    for comparison in analysis.comparisons(loop.where):
        threshold = _threshold(program, loop, given.type, comparison)
        if threshold is not None:
            op = "GreaterThanOrEqual" if comparison.holds_above else "LessThanOrEqual"
            bounds.append(node(op, BOOL, column(given.name, given.type), literal(threshold, given.type.plain())))
    return [bound for i, bound in enumerate(bounds) if bound not in bounds[:i]]


def _keeps_missing(program: Program, type: Type) -> bool:
    """Whether the filter keeps a NULL or NaN row, which a comparison with the column would drop."""
    rows: list[Array] = []
    if type.nullable:
        rows.append(Optional(np.zeros(1, type.dtype), np.zeros(1, np.bool_)))
    if type.is_float:
        rows.append(_wrapped(np.array([np.nan], type.dtype), type))
    return any(len(evaluate(program, {program.inputs[0].name: row}, 1).selection) for row in rows)


def _wrapped(values: np.ndarray, type: Type) -> Array:
    return Optional(values, np.ones(len(values), np.bool_)) if type.nullable else values


class _Analysis:
    """Analyses a loop for rows whose column is neither NULL nor NaN."""

    def __init__(self, loop: Loop) -> None:
        self._body, self._types = loop.body, body_types(loop)

    def comparisons(self, value: int) -> Iterator[_Comparison]:
        """Yields comparisons that hold wherever the bool `value` is true."""
        op, args = self._body[value].op, self._body[value].args
        if isinstance(op, Select):
            chosen = self._known(args[0])
            if chosen is not None:
                yield from self.comparisons(args[1] if chosen else args[2])
        elif isinstance(op, Call) and op.fn == "logical_and":
            yield from (c for a in args for c in self.comparisons(a))
        elif isinstance(op, Call) and op.fn == "logical_or":
            for a, b in (args, args[::-1]):
                if self._known(a) is False:
                    yield from self.comparisons(b)
        elif isinstance(op, Call) and op.fn == "logical_not":
            inner = self._body[args[0]]
            if isinstance(inner.op, Call) and inner.op.fn in _NEGATED:
                yield from self._compared(_NEGATED[inner.op.fn], inner.args)
        elif isinstance(op, Call) and op.fn in _FLIPPED:
            yield from self._compared(op.fn, args)

    def _compared(self, fn: str, args: tuple[int, ...]) -> Iterator[_Comparison]:
        for (value, other), name in ((args, fn), (args[::-1], _FLIPPED[fn])):
            constant, direction = self._constant(other), self.direction(value)
            if constant is None or constant != constant or not direction:
                continue
            for each in ("less_equal", "greater_equal") if name == "equal" else (name,):
                yield _Comparison(each, value, constant, direction)

    def _known(self, value: int) -> bool | None:
        """Returns the value of a bool that is constant over these rows, else None."""
        op, args = self._body[value].op, self._body[value].args
        if isinstance(op, Const):
            return bool(op.value)
        if isinstance(op, IsValid):
            return True if isinstance(self._body[args[0]].op, Read) else None
        if isinstance(op, Call) and op.fn == "isnan":
            return False if self.direction(args[0]) is not None else None
        if isinstance(op, Call) and op.fn == "logical_not":
            known = self._known(args[0])
            return None if known is None else not known
        if isinstance(op, Call) and op.fn in ("logical_and", "logical_or"):
            decides = op.fn == "logical_or"
            parts = [self._known(a) for a in args]
            return decides if decides in parts else None if None in parts else not decides
        return None

    def direction(self, value: int) -> int | None:
        """Returns +1 or -1 for a chain that weakly increases or decreases with the column and is never NaN.

        0 for a constant number; None for any other value.
        """
        op, args = self._body[value].op, self._body[value].args
        if isinstance(op, Const):
            return None if op.value != op.value else 0
        if isinstance(op, Read):
            return 1
        if isinstance(op, ValueOf):
            return self.direction(args[0])
        if isinstance(op, MakeOptional):
            return self.direction(args[0]) if self._known(args[1]) else None
        if isinstance(op, Select):
            chosen = self._known(args[0])
            return None if chosen is None else self.direction(args[1] if chosen else args[2])
        if isinstance(op, Cast):
            return self.direction(args[0]) if self._keeps_order(op, args[0]) else None
        return self._call(op, args, value) if isinstance(op, Call) else None

    def _keeps_order(self, op: Cast, of: int) -> bool:
        source = self._types[of]
        if op.to.is_float:
            return source.is_int or source.is_float
        if DATE in (source, op.to):
            return True
        return op.to.is_int and self._range(of, op.to) is not None

    def _call(self, op: Call, args: tuple[int, ...], value: int) -> int | None:
        type = self._types[value]
        if type.is_int and op.fn in ("add", "subtract", "multiply", "negative") and self._range(value, type) is None:
            return None  # it may overflow
        if len(args) == 1:
            (inner,) = (self.direction(a) for a in args)
            if op.fn in _GROWING:
                return inner
            return None if inner is None or op.fn != "negative" else -inner
        left, right = (self.direction(a) for a in args)
        if left is None or right is None or (left and right):
            return None
        constant = self._constant(args[1] if left else args[0])
        if constant is None or not np.isfinite(constant):
            return None
        if op.fn in ("add", "maximum", "minimum", "fmax", "fmin"):
            return left or right
        if op.fn == "subtract":
            return left or -right
        if op.fn == "multiply" and constant != 0:
            return (left or right) * int(np.sign(constant))
        if op.fn == "divide" and left and constant != 0:
            return left * int(np.sign(constant))
        return None

    def _constant(self, value: int) -> Any:
        op = self._body[value].op
        return op.value.item() if isinstance(op, Const) else None

    def _range(self, value: int, within: Type) -> tuple[int, int] | None:
        """Returns the least and greatest value of an integer chain if every value of it fits the type `within`, else None."""
        found = self._interval(value)
        limits = np.iinfo(within.dtype)
        return found if found is not None and limits.min <= found[0] and found[1] <= limits.max else None

    def _interval(self, value: int) -> tuple[int, int] | None:
        op, args, type = self._body[value].op, self._body[value].args, self._types[value].plain()
        if isinstance(op, Const):
            return (int(op.value), int(op.value)) if type.is_int else None
        if isinstance(op, Read | ValueOf) and (type.is_int or type == DATE):
            return int(np.iinfo(type.dtype).min), int(np.iinfo(type.dtype).max)
        if isinstance(op, Cast) and (type.is_int or type == DATE):
            return self._range(args[0], type)
        if not isinstance(op, Call) or not type.is_int:
            return None
        parts = [self._range(a, self._types[a].plain()) for a in args]
        compute = _INTERVALS.get(op.fn)
        if compute is None or any(p is None for p in parts):
            return None
        corners = [int(x) for x in compute(*parts)]
        return min(corners), max(corners)


_INTERVALS: dict[str, Callable[..., list[int]]] = {
    "add": lambda a, b: [a[0] + b[0], a[1] + b[1]],
    "subtract": lambda a, b: [a[0] - b[1], a[1] - b[0]],
    "multiply": lambda a, b: [x * y for x in a for y in b],
    "negative": lambda a: [-a[1], -a[0]],
}


def _threshold(program: Program, loop: Loop, type: Type, comparison: _Comparison) -> Any:
    """Returns the value of the type at which the comparison begins to hold; None when no bound helps."""
    alone = Loop(loop.name, loop.domain, loop.body, (Append("value", comparison.value),))
    chain = Program(program.name, program.inputs, (alone,), ("value",))
    name = program.inputs[0].name

    def holds(ordinal: int) -> bool:
        row = np.array([_value(ordinal, type)], type.dtype)
        made = evaluate(chain, {name: _wrapped(row, type)}, 1).columns["value"]
        values = made.values if isinstance(made, Optional) else made
        return bool(getattr(np, comparison.fn)(values[0], values.dtype.type(comparison.constant)))

    first, last = _ordinals(type)
    inside, outside = (last, first) if comparison.holds_above else (first, last)
    if holds(outside) or not holds(inside):
        return None  # no row or every row satisfies it: a bound would filter nothing
    while abs(inside - outside) > 1:
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return _value(inside, type)


def _ordinals(type: Type) -> tuple[int, int]:
    """Returns the ordinals of the least and the greatest value in the order of all values of the type, without NaN."""
    if type.is_float:
        bits = type.dtype.itemsize * 8
        infinity = int(np.array(np.inf, type.dtype).view(f"i{bits // 8}"))
        return -infinity, infinity
    limits = np.iinfo(type.dtype)
    return int(limits.min), int(limits.max)


def _value(ordinal: int, type: Type) -> Any:
    """Returns the value at an ordinal: neighbours differ by one, 0.0 has ordinal 0."""
    if not type.is_float:
        return ordinal
    magnitude = np.array(abs(ordinal), f"i{type.dtype.itemsize}").view(type.dtype)[()]
    return magnitude if ordinal >= 0 else -magnitude


__all__ = ["implied_bounds"]
