"""Infers the truth of conditions from earlier decisions of a path: ``elif x < 20`` after ``if x < 10`` need not fork both ways.

A fact is a bool value of the loop whose truth is known on the path, or the interval of a number compared with constants.
An interval of floats covers values other than NaN; `ordered` means that NaN is excluded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Call, Cast, Const

_FLIPPED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal",
            "equal": "equal", "not_equal": "not_equal"}  # fmt: skip
_NEGATED = {"less": "greater_equal", "less_equal": "greater", "greater": "less_equal", "greater_equal": "less",
            "equal": "not_equal", "not_equal": "equal"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers between `low` and `high`. `above` excludes `low`, `below` excludes `high`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    ordered: bool = False

    def holds(self, comparison: str, number: float) -> bool | None:
        """Whether ``x comparison number`` holds for all x of the interval (True), for none (False), or for some (None)."""
        less = self.high < number or (self.high == number and self.below)
        greater = self.low > number or (self.low == number and self.above)
        always, never = {
            "less": (less, self.low >= number),
            "less_equal": (self.high <= number, greater),
            "greater": (greater, self.high <= number),
            "greater_equal": (self.low >= number, less),
            "equal": (self.low == self.high == number and not (self.above or self.below), less or greater),
            "not_equal": (less or greater, self.low == self.high == number and not (self.above or self.below)),
        }[comparison]
        if comparison == "not_equal":  # True for NaN, where all other comparisons are False
            return True if always else (False if never and self.ordered else None)
        return False if never else (True if always and self.ordered else None)

    def narrowed(self, comparison: str, number: float) -> Interval:
        """Returns the sub-interval where ``x comparison number``."""
        found = self
        if comparison in ("less", "less_equal", "equal"):
            below = comparison == "less"
            if number < found.high or (number == found.high and below):
                found = replace(found, high=number, below=below)
        if comparison in ("greater", "greater_equal", "equal"):
            above = comparison == "greater"
            if number > found.low or (number == found.low and above):
                found = replace(found, low=number, above=above)
        return found


@dataclass(slots=True)
class Facts:
    """The known conditions and intervals of one path."""

    loop: LoopBuilder
    _truth: dict[int, bool] = field(default_factory=dict)
    _intervals: dict[int, Interval] = field(default_factory=dict)

    def copy(self) -> Facts:
        """Returns the same facts, to which others may be added."""
        return Facts(self.loop, dict(self._truth), dict(self._intervals))

    def known(self, condition: Value) -> bool | None:
        """Returns the truth of a bool value on this path; None when unknown."""
        op = self.loop.body[condition.id].op
        if isinstance(op, Const):
            return bool(op.value)
        if condition.id in self._truth:
            return self._truth[condition.id]
        if isinstance(op, Call) and op.fn == "logical_not":
            inner = self.known(self._argument(condition, 0))
            return None if inner is None else not inner
        compared = self._compared(condition)
        if compared is not None:
            value, comparison, number = compared
            return self.interval(value).holds(comparison, number)
        return None

    def learn(self, condition: Value, truth: bool) -> None:
        """Records that `condition` is `truth` on this path."""
        self._truth[condition.id] = truth
        op = self.loop.body[condition.id].op
        if not isinstance(op, Call):
            return
        if op.fn == "logical_not":
            self.learn(self._argument(condition, 0), not truth)
        elif op.fn == "isnan" and not truth:
            value = self._argument(condition, 0)
            self._intervals[value.id] = replace(self.interval(value), ordered=True)
        elif (op.fn == "logical_and" and truth) or (op.fn == "logical_or" and not truth):
            self.learn(self._argument(condition, 0), truth)
            self.learn(self._argument(condition, 1), truth)
        else:
            self._learn_comparison(condition, truth)

    def interval(self, value: Value) -> Interval:
        """Returns the interval of a number on this path."""
        if value.id in self._intervals:
            return self._intervals[value.id]
        let = self.loop.body[value.id]
        if isinstance(let.op, Cast) and value.type.is_float:
            source = self._argument(value, 0)
            if source.type.is_int:  # rounding to float is monotonic
                known = self.interval(source)
                return Interval(float(known.low), float(known.high), ordered=True)
        return Interval(ordered=not value.type.is_float)

    def _learn_comparison(self, condition: Value, truth: bool) -> None:
        compared = self._compared(condition)
        if compared is None:
            return
        value, comparison, number = compared
        found = self.interval(value)
        found = found.narrowed(comparison if truth else _NEGATED[comparison], number)
        if truth == (comparison != "not_equal"):  # NaN is not equal to anything, and compares False otherwise
            found = replace(found, ordered=True)
        self._intervals[value.id] = found

    def _compared(self, condition: Value) -> tuple[Value, str, float] | None:
        """Returns (x, comparison, number) of a comparison of a number with a constant, else None."""
        let = self.loop.body[condition.id]
        if not isinstance(let.op, Call) or let.op.fn not in _FLIPPED:
            return None
        a, b = (self._argument(condition, i) for i in (0, 1))
        if not (a.type.is_int or a.type.is_float):
            return None
        for value, other, comparison in ((a, b, let.op.fn), (b, a, _FLIPPED[let.op.fn])):
            op = self.loop.body[other.id].op
            if isinstance(op, Const):
                number = op.value.item()
                return None if number != number else (value, comparison, number)
        return None

    def _argument(self, value: Value, position: int) -> Value:
        return self.loop.value(self.loop.body[value.id].args[position])
