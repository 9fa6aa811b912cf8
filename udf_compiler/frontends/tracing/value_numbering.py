"""Evaluates a loop body to abstract values whose equal keys imply equal values, across all forms of a program.

An integer column is int64 in one form and float64 in another. A value that is an integer in both, and that both types hold
exactly, has one key: its key names the number. Every other key includes the types of its computation, so it equals only
itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparkweld.ir.ops import Call, Cast, Const, Fits, IsIn, IsValid, MakeOptional, Op, Select, ValueOf
from sparkweld.ir.types import BOOL, F64, Type
from udf_compiler.frontends.tracing.integer_ranges import COMPARISONS, EXACT, RULES, Span, compared, within

#: Functions whose arguments may be swapped.
_COMMUTATIVE = frozenset("add multiply equal not_equal logical_and logical_or logical_xor".split())

#: Comparisons that equal another comparison with swapped arguments.
_SWAPPED = {"greater": "less", "greater_equal": "less_equal"}

#: Larger tables are compared by their full key lists, not by the keys within the argument's span.
_MOST_KEYS = 1000

#: Functions that return an integer unchanged.
_SAME = frozenset("trunc floor ceil rint positive conjugate".split())


@dataclass(frozen=True, slots=True)
class Term:
    """An abstract value of `type`. Terms with equal keys have equal values.

    - `valid`: a bool term that is False where the value is NULL; None: never NULL.
    - `span`: the value is an integer in this range and never -0.0. `key` then identifies the integer, whatever its type.
    - `finite`: the value is neither NaN nor infinite.
    - `rounded`: the value is the float64 nearest to this integer term.
    """

    key: int
    type: Type
    valid: Term | None = None
    span: Span | None = None
    finite: bool = False
    rounded: Term | None = None

    @property
    def constant(self) -> int | None:
        """Returns the integer or bool that the term always equals, or None."""
        return self.span[0] if self.span is not None and self.span[0] == self.span[1] else None


class Terms:
    """A factory of terms; only terms of the same factory are comparable."""

    def __init__(self) -> None:
        self._keys: dict[Hashable, int] = {}

    def key(self, *parts: Hashable) -> int:
        return self._keys.setdefault(parts, len(self._keys))

    def column(self, name: str, type: Type, is_null: bool) -> Term:
        """Returns the value of an input column; `is_null`: it may be NULL in this row."""
        valid = self._typed(BOOL, "is not NULL", name) if is_null else None
        return replace(self._typed(type.plain(), "column", name, type.kind), valid=valid, type=type)

    def bool(self, value: bool) -> Term:
        return self._integer(int(value), BOOL)

    def apply(self, op: Op, args: Sequence[Term], type: Type) -> Term:
        """Evaluates an op on terms; `type` is the type of its result."""
        if isinstance(op, Const):
            return self._constant(op)
        if isinstance(op, IsValid):
            return args[0].valid or self.bool(True)
        if isinstance(op, ValueOf):
            return self._value_of(args[0])
        if isinstance(op, MakeOptional):
            return replace(args[0], valid=None if args[1].constant == 1 else args[1], type=type)
        if isinstance(op, Cast):
            return self._cast(args[0], op.to)
        if isinstance(op, Select):
            return self._select(*args)
        if isinstance(op, Fits) and args[0].span is not None and within(args[0].span, op.to):
            return self.bool(True)
        if isinstance(op, Call) and op.fn in _SWAPPED:
            return self.apply(Call(_SWAPPED[op.fn]), args[::-1], type)
        if isinstance(op, IsIn) and args[0].span is not None and len(op.keys) <= _MOST_KEYS:
            return self._is_in(op, args[0], args[0].span)
        made = self._call(op.fn, args, type) if isinstance(op, Call) and op.output == 0 else None
        return self._opaque(op, args, type) if made is None else made

    def _is_in(self, op: IsIn, x: Term, span: Span) -> Term:
        """Evaluates membership of an integer in a table; keys outside its span or with a fraction are ignored."""
        keys = frozenset(int(k) for k in op.table.tolist() if span[0] <= k <= span[1] and k == int(k))
        return Term(self.key("is in", keys, x.key), BOOL, span=(0, 1), finite=True)

    def _opaque(self, op: Op, args: Sequence[Term], type: Type) -> Term:
        """Returns a term keyed by the op and its arguments.

        An op is a function of the bits of its arguments, and equal keys of one type have equal bits.
        """
        parts = [(a.key, str(a.type), -1 if a.valid is None else a.valid.key) for a in args]
        if isinstance(op, Call) and op.fn in _COMMUTATIVE:
            parts.sort()
        made = self._typed(type.plain(), "op", op, *parts)
        if not type.nullable:
            return made
        return replace(made, type=type, valid=self._typed(BOOL, "valid", made.key))

    def _typed(self, type: Type, *parts: Hashable) -> Term:
        """Returns a term of a plain type; integers and bools get the full range of the type as their span."""
        if type == BOOL:
            return Term(self.key(*parts), type, span=(0, 1), finite=True)
        if type.is_int:
            limits = np.iinfo(type.dtype)
            return Term(self.key(*parts), type, span=(int(limits.min), int(limits.max)), finite=True)
        return Term(self.key(*parts), type)

    def _integer(self, value: int, type: Type) -> Term:
        return Term(self.key("int", value), type, span=(value, value), finite=True)

    def _constant(self, op: Const) -> Term:
        value, type = op.value, op.type
        if type == BOOL or type.is_int:
            return self._integer(int(value), type)
        if not type.is_float or not np.isfinite(value):
            return Term(self.key("const", op), type)
        negative_zero = value == 0 and np.signbit(value)
        if float(value).is_integer() and not negative_zero and within((int(value), int(value)), type):
            return self._integer(int(value), type)
        return Term(self.key("const", op), type, finite=True)

    def _value_of(self, x: Term) -> Term:
        if x.valid is None:
            return replace(x, type=x.type.plain())
        span = x.span and (min(x.span[0], 0), max(x.span[1], 0))
        return Term(self.key("value", x.key, x.valid.key), x.type.plain(), span=span, finite=x.finite)

    def _cast(self, x: Term, to: Type) -> Term:
        if x.span is not None and (to == BOOL or to.is_float or to.is_int):
            if within(x.span, to):
                return replace(x, type=to)
            if to.is_float:
                return Term(self.key("rounded", to.kind, x.key), to, finite=True, rounded=x if to == F64 else None)
        return self._typed(to, "cast", to.kind, x.type.kind, x.key)

    def _select(self, condition: Term, yes: Term, no: Term) -> Term:
        if condition.constant is not None:
            return yes if condition.constant else no
        if yes.key == no.key:
            return yes
        if yes.span is not None and no.span is not None:
            span = min(yes.span[0], no.span[0]), max(yes.span[1], no.span[1])
            return Term(self.key("select", condition.key, yes.key, no.key), yes.type, span=span, finite=True)
        key = self.key("select", condition.key, yes.key, no.key, str(yes.type))
        return Term(key, yes.type, finite=yes.finite and no.finite)

    def _call(self, fn: str, args: Sequence[Term], type: Type) -> Term | None:
        if fn in ("isnan", "isinf", "isfinite") and args[0].finite:
            return self.bool(fn == "isfinite")
        if fn in _SAME and args[0].span is not None and args[0].type.is_float:
            return args[0]
        if fn.startswith("logical_"):
            return self._logical(fn, args)
        if fn in COMPARISONS:
            return self._compared(fn, *args)
        return self._whole(fn, args, type) if fn in RULES else None

    def _logical(self, fn: str, args: Sequence[Term]) -> Term | None:
        known = [a.constant if a.type == BOOL else None for a in args]
        if fn == "logical_not" and known[0] is not None:
            return self.bool(not known[0])
        if fn not in ("logical_and", "logical_or") or any(a.type != BOOL for a in args):
            return None
        ends = 0 if fn == "logical_and" else 1
        if ends in known:
            return self.bool(bool(ends))
        for at, other in ((0, 1), (1, 0)):
            if known[at] is not None or args[0].key == args[1].key:
                return args[other]
        return None

    def _compared(self, fn: str, a: Term, b: Term) -> Term | None:
        """Compares by numeric value, which is the same in every type that holds both operands.

        A rounded float64 compares with an integer below 2**53 as the integer that was rounded.
        """
        a, b = _unrounded(a, b), _unrounded(b, a)
        if a.span is None or b.span is None:
            return None
        known = "equal" in fn and fn != "not_equal" if a.key == b.key else compared(fn, a.span, b.span)
        if known is not None:
            return self.bool(known)
        keys = sorted((a.key, b.key)) if fn in _COMMUTATIVE else [a.key, b.key]
        return Term(self.key("compared", fn, *keys), BOOL, span=(0, 1), finite=True)

    def _whole(self, fn: str, args: Sequence[Term], type: Type) -> Term | None:
        """Evaluates a function of integers with an integer result, provided the type holds every possible result."""
        if any(a.span is None or a.type != type for a in args) or not (type.is_int or type.is_float):
            return None
        made = RULES[fn](*(a.span for a in args))
        if made is None or not within(made[0], type) or (made[1] and type.is_float):
            return None
        keys = [a.key for a in args]
        return Term(self.key(fn, *(sorted(keys) if fn in _COMMUTATIVE else keys)), type, span=made[0], finite=True)


def _unrounded(x: Term, other: Term) -> Term:
    small = other.span is not None and -(2**53) < other.span[0] and other.span[1] < 2**53
    return x.rounded if x.rounded is not None and small else x


__all__ = ["EXACT", "Term", "Terms"]
