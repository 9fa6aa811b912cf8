"""Lowers pyarrow.compute's comparisons, boolean logic, conditionals and NULL tests to IR."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import IsIn
from sparkweld.ir.types import BOOL, DATE, STR
from udf_compiler.frontends.arrow.arithmetic import Rule, Traced, all_valid, common_type, elementwise, ufunc
from udf_compiler.frontends.arrow.array import (
    ARROW_TYPES,
    TracedArrow,
    as_column,
    constant,
    loop_of,
    operand,
    result_type,
    safe_cast,
    type_of,
)
from udf_compiler.frontends.arrow.array import ir_type as ir_type_of
from udf_compiler.frontends.pandas.dates import days
from udf_compiler.frontends.tracing.lower import guard_zeros_agree, run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


def _columns(name: str, args: tuple[Any, ...], skip: int = 0) -> tuple[TracedArrow, ...]:
    """Returns the arguments as columns: the first `skip` of their own types, the others of their common type."""
    call = f"pc.{name}"
    operands = tuple(operand(a, call) for a in args)
    result_type(call, getattr(pc, name), operands)
    loop, common = loop_of(operands, call), common_type(operands[skip:], call)
    own = tuple(as_column(loop, o, ir_type_of(type_of(o), call), call) for o in operands[:skip])
    return own + tuple(as_column(loop, o, common, call) for o in operands[skip:])


def _and_not(columns: tuple[TracedArrow, ...]) -> Value:
    a, b = columns
    return a.loop.call("logical_and", a.value, a.loop.call("logical_not", b.value))


def _kleene(fn: str, decides: bool, negated: bool = False) -> Traced:
    """Returns a three-valued and/or function: an operand equal to `decides` decides the result, even beside a NULL."""
    name = {("logical_and", False): "and_kleene", ("logical_or", False): "or_kleene"}.get((fn, negated), "and_not_kleene")

    def traced(x: Any, y: Any) -> TracedArrow:
        a, b = _columns(name, (x, y))
        loop = a.loop
        right = TracedArrow(loop, loop.call("logical_not", b.value), b.valid) if negated else b
        value = loop.call(fn, a.value, right.value)
        valid = all_valid(loop, (a, right))
        if valid is None:
            return TracedArrow(loop, value)
        decided = loop.call("logical_or", _decides(a, decides), _decides(right, decides))
        return TracedArrow(loop, loop.select(decided, loop.const(decides, BOOL), value), loop.call("logical_or", valid, decided))

    return traced


def _decides(x: TracedArrow, value: bool) -> Value:
    loop = x.loop
    found = x.value if value else loop.call("logical_not", x.value)
    return found if x.valid is None else loop.call("logical_and", x.valid, found)


def if_else(cond: Any, left: Any, right: Any) -> TracedArrow:
    """Selects between two columns; NULL where the condition is NULL. The side that is not taken has no effect."""
    condition, a, b = _columns("if_else", (cond, left, right), skip=1)
    loop = condition.loop
    chosen = _choose(loop, condition.value, a, b)
    return TracedArrow(loop, chosen.value, all_valid(loop, (condition, chosen)))


def _choose(loop: LoopBuilder, condition: Value, a: TracedArrow, b: TracedArrow) -> TracedArrow:
    value = loop.select(condition, a.value, b.value)
    if a.valid is None and b.valid is None:
        return TracedArrow(loop, value)
    yes = loop.const(True, BOOL)
    return TracedArrow(loop, value, loop.select(condition, a.valid or yes, b.valid or yes))


def coalesce(*args: Any) -> TracedArrow:
    """Returns the first argument that is not NULL."""
    columns = _columns("coalesce", args)
    return functools.reduce(_first_valid, columns)


def _first_valid(a: TracedArrow, b: TracedArrow) -> TracedArrow:
    return a if a.valid is None else _choose(a.loop, a.valid, TracedArrow(a.loop, a.value), b)


def fill_null(values: Any, fill_value: Any) -> TracedArrow:
    """Returns `values`, with `fill_value` (converted to their type) where NULL."""
    call = "pc.fill_null"
    if isinstance(fill_value, TracedArrow):
        if not isinstance(values, TracedArrow) or values.value.type != fill_value.value.type:
            refuse("SW262", call=call, what="a column of another type")
        return _first_valid(values, fill_value)
    given = fill_value if isinstance(fill_value, pa.Scalar) else operand(fill_value, call)
    run_prototype(call, pc.fill_null, pa.array([None], type_of(values)), given)
    type = ir_type_of(type_of(values), call)
    if not given.is_valid:
        return values
    converted = run_prototype(call, pa.scalar, given.as_py(), type_of(values)) if given.type != type_of(values) else given
    return _first_valid(values, constant(values.loop, converted, type))


def _unary_test(name: str, test: Callable[[TracedArrow], Value], keeps_null: bool) -> Traced:
    """Returns a boolean test of each value; `keeps_null`: NULL yields NULL."""

    def traced(x: Any) -> TracedArrow:
        result_type(f"pc.{name}", getattr(pc, name), (operand(x, f"pc.{name}"),))
        return TracedArrow(x.loop, test(x), x.valid if keeps_null else None)

    return traced


def _float_test(fn: str, otherwise: bool) -> Callable[[TracedArrow], Value]:
    return lambda x: x.loop.call(fn, x.value) if x.value.type.is_float else x.loop.const(otherwise, BOOL)


def is_null(values: Any, *, nan_is_null: bool = False) -> TracedArrow:
    """Tests for NULL, and for NaN if requested."""
    operand(values, "pc.is_null")
    null = values.null()
    if nan_is_null and values.value.type.is_float:
        null = values.loop.call("logical_or", null, values.loop.call("isnan", values.value))
    return TracedArrow(values.loop, null)


def _is_valid(x: TracedArrow) -> Value:
    return x.loop.const(True, BOOL) if x.valid is None else x.valid


def is_in(values: Any, value_set: Any, *, skip_nulls: bool = False) -> TracedArrow:
    """Tests for membership in a constant array of integers, strings, booleans or dates."""
    call = "pc.is_in"
    operand(values, call)
    if not isinstance(value_set, pa.Array | pa.ChunkedArray):
        refuse("SW262", call=call, what=raw(value_set))
    type = values.value.type
    if type.is_float or value_set.type != ARROW_TYPES[type]:
        refuse("SW254", call=call, type=f"{ARROW_TYPES[type]} in {value_set.type}")
    members = [m for m in value_set.to_pylist() if m is not None]
    keys = [days(m) for m in members] if type.kind == "date" else members
    loop = values.loop
    if not keys:
        found = loop.const(False, BOOL)
    elif type == BOOL:
        found = loop.fold("logical_or", (loop.call("equal", values.value, loop.const(k, BOOL)) for k in set(keys)))
    else:
        found = loop.emit(IsIn.of(keys, type), values.value)
    if values.valid is None:
        return TracedArrow(loop, found)
    of_null = value_set.null_count > 0 and not skip_nulls
    return TracedArrow(loop, loop.select(values.valid, found, loop.const(of_null, BOOL)))


def cast(arr: Any, target_type: Any = None, safe: Any = None) -> TracedArrow:
    """Returns a safe cast; guards the values that do not fit, for which pyarrow raises."""
    call = "pc.cast"
    operand(arr, call)
    if safe is not None and safe is not True:
        refuse("SW262", call=call, what="safe=False")
    wanted = run_prototype(call, lambda: pa.array([1], pa.int32()).cast(type_of(arr)).cast(target_type)).type
    return safe_cast(arr, ir_type_of(wanted, call), call)


def _extreme(name: str, fn: str) -> Traced:
    """Returns min_element_wise or max_element_wise. NULLs are skipped or make the result NULL; a number wins over NaN."""

    def traced(*args: Any, skip_nulls: bool = True) -> TracedArrow:
        columns = _columns(name, args)
        loop = columns[0].loop
        if not skip_nulls:
            value = functools.reduce(lambda a, b: _two(loop, fn, a, b), columns).value
            return TracedArrow(loop, value, all_valid(loop, columns))
        return functools.reduce(lambda a, b: _skipping(loop, fn, a, b), columns)

    return traced


def _two(loop: LoopBuilder, fn: str, a: TracedArrow, b: TracedArrow) -> TracedArrow:
    if a.value.type == STR:
        refuse("SW254", call="an extreme of columns", type="string")
    if a.value.type.is_float:  # C's fmin and fmax may return either of -0.0 and 0.0
        guard_zeros_agree(loop, a.value, b.value)
    if a.value.type == DATE:
        fn = {"fmin": "minimum", "fmax": "maximum"}[fn]
    return TracedArrow(loop, loop.call(fn, a.value, b.value), all_valid(loop, (a, b)))


def _skipping(loop: LoopBuilder, fn: str, a: TracedArrow, b: TracedArrow) -> TracedArrow:
    both = _two(loop, fn, a, b)
    if a.valid is None and b.valid is None:
        return both
    yes = loop.const(True, BOOL)
    right = loop.select(a.valid or yes, both.value, b.value)
    value = loop.select(b.valid or yes, right, a.value)
    valid = None if a.valid is None or b.valid is None else loop.call("logical_or", a.valid, b.valid)
    return TracedArrow(loop, value, valid)


_COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
_LOGIC: dict[str, Rule] = {
    "and_": ufunc("logical_and"),
    "or_": ufunc("logical_or"),
    "xor": ufunc("logical_xor"),
    "and_not": _and_not,
}

FUNCTIONS: dict[str, Traced] = {
    **{name: elementwise(name, 2, ufunc(name)) for name in _COMPARISONS},
    **{name: elementwise(name, 2, rule) for name, rule in _LOGIC.items()},
    "invert": elementwise("invert", 1, ufunc("logical_not")),
    "and_kleene": _kleene("logical_and", decides=False),
    "or_kleene": _kleene("logical_or", decides=True),
    "and_not_kleene": _kleene("logical_and", decides=False, negated=True),
    "if_else": if_else,
    "coalesce": coalesce,
    "fill_null": fill_null,
    "is_null": is_null,
    "is_valid": _unary_test("is_valid", _is_valid, keeps_null=False),
    "is_nan": _unary_test("is_nan", _float_test("isnan", False), keeps_null=True),
    "is_inf": _unary_test("is_inf", _float_test("isinf", False), keeps_null=True),
    "is_finite": _unary_test("is_finite", _float_test("isfinite", True), keeps_null=True),
    "true_unless_null": _unary_test("true_unless_null", lambda x: x.loop.const(True, BOOL), keeps_null=True),
    "is_in": is_in,
    "cast": cast,
    "min_element_wise": _extreme("min_element_wise", "fmin"),
    "max_element_wise": _extreme("max_element_wise", "fmax"),
}
