"""Derives bounds of a loop's values from constants, casts, and comparisons in the loop's `where`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sparkweld.ir import Let, Loop, Type
from sparkweld.ir.ops import Call, Cast, Const, Select
from sparkweld.ir.types import BOOL
from sparkweld.optimizer.tree_pruning import Span

Spans = dict[int, Span]

_NOTHING = Span()
_MIRRORED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal", "equal": "equal"}


def spans_of(loop: Loop, types: Sequence[Type], *, selected: bool) -> Spans:
    """Maps numeric values to their bounds. `selected`: for the rows only that the `where` keeps."""
    found = _given(loop.body, types, loop.where, True) if selected and loop.where is not None else {}
    for value, let in enumerate(loop.body):
        if _is_number(types[value]) or types[value] == BOOL:
            own = _of_op(let, types[value], found, types)
            if own is not None:
                found[value] = own if value not in found else _both(own, found[value])
    return found


def _of_op(let: Let, type: Type, known: Mapping[int, Span], types: Sequence[Type]) -> Span | None:
    """Returns the bounds that follow from the op."""
    if isinstance(let.op, Const):
        return Span(np.inf, -np.inf) if let.op.value != let.op.value else Span(let.op.value, let.op.value, nan=False)
    if isinstance(let.op, Select):
        one, other = (known.get(a) for a in let.args[1:])
        return None if one is None or other is None else _either(one, other)
    if isinstance(let.op, Cast) and type.is_float:
        source = types[let.args[0]]
        span = known.get(let.args[0], Span(False, True, nan=False) if source == BOOL else None)
        if span is None:
            return None
        if span.low > span.high:
            return span
        # Casts are monotone, so the cast of a bound bounds the cast value.
        return Span(_cast(span.low, let.op, source), _cast(span.high, let.op, source), span.nan)
    return None


def _cast(end: float, op: Cast, source: Type) -> float:
    return end if np.isinf(end) else np.asarray(op.evaluate(np.array([end], source.dtype)))[0]  # type: ignore[no-any-return]


def _is_number(type: Type) -> bool:
    return not type.nullable and (type.is_int or type.is_float)


def _given(body: Sequence[Let], types: Sequence[Type], value: int, truth: bool) -> Spans:
    """Returns the bounds that hold in rows where a bool value equals `truth`."""
    op, args = body[value].op, body[value].args
    if not isinstance(op, Call):
        return {}
    if op.fn == "logical_not":
        return _given(body, types, args[0], not truth)
    if op.fn in ("logical_and", "logical_or"):
        one, other = (_given(body, types, a, truth) for a in args)
        if (op.fn == "logical_and") == truth:
            return {v: _both(one.get(v, _NOTHING), other.get(v, _NOTHING)) for v in {*one, *other}}
        return {v: _either(one[v], other[v]) for v in one if v in other}
    if op.fn == "isnan":
        return {args[0]: Span(np.inf, -np.inf) if truth else Span(nan=False)}
    if op.fn in _MIRRORED:
        return _compared(body, types, op.fn, args, truth)
    return {}


def _compared(body: Sequence[Let], types: Sequence[Type], fn: str, args: tuple[int, ...], truth: bool) -> Spans:
    """Returns the bounds of a value that is compared with a constant."""
    value, bound = args
    if isinstance(body[value].op, Const):
        fn, value, bound = _MIRRORED[fn], bound, value
    op, type = body[bound].op, types[value]
    if not isinstance(op, Const) or type != types[bound] or not _is_number(type) or op.value != op.value:
        return {}
    end = type.dtype.type(op.value)
    below, above = _next(end, type, -1), _next(end, type, 1)
    if fn == "equal":
        return {value: Span(end, end, nan=False)} if truth else {}
    least = {"greater": above, "greater_equal": end}
    most = {"less": below, "less_equal": end}
    if not truth:  # also holds for NaN, with which every comparison is False
        least, most = {"less": end, "less_equal": above}, {"greater": end, "greater_equal": below}
    nan = not truth and type.is_float
    return {value: Span(least[fn], nan=nan) if fn in least else Span(high=most[fn], nan=nan)}


def _next(end: np.generic, type: Type, step: int) -> float:
    """Returns the next value of the type in direction `step`; an infinity past its last one."""
    if type.is_float:
        return float(np.nextafter(end, type.dtype.type(step * np.inf)))
    limits = np.iinfo(type.dtype)
    return int(end) + step if limits.min <= int(end) + step <= limits.max else step * np.inf


def _both(one: Span, other: Span) -> Span:
    return Span(max(one.low, other.low), min(one.high, other.high), one.nan and other.nan)


def _either(one: Span, other: Span) -> Span:
    return Span(min(one.low, other.low), max(one.high, other.high), one.nan or other.nan)
