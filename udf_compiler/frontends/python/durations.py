"""Lowers Python's datetime.timedelta of a row to IR: an int of microseconds, whose arithmetic is that of ints."""

from __future__ import annotations

import datetime
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import F64, I64, STR
from udf_compiler.frontends.python import numbers, undefined
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.operands import (
    EXACT,
    Operand,
    as_float,
    as_int,
    is_number,
    kind_of,
    make_float,
    make_int,
    raise_type_error,
    span_of,
)
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import BINARY, COMPARISONS, raw

#: Microseconds.
SECOND, DAY = 10**6, 86_400 * 10**6

_UNIT = datetime.timedelta(microseconds=1)
_UNITS = {"days": DAY, "seconds": SECOND, "microseconds": 1, "milliseconds": 1000, "minutes": 60 * SECOND,
          "hours": 3600 * SECOND, "weeks": 7 * DAY}  # fmt: skip


def is_duration(x: object) -> bool:
    """Whether `x` is a timedelta of the row or a constant one."""
    return (is_scalar(x) and x.kind == "timedelta") or type(x) is datetime.timedelta  # type: ignore[attr-defined]


def microseconds(x: Any) -> Operand:
    """Returns a timedelta as an int of microseconds."""
    return TracedScalar("int", x.value, x.span) if is_scalar(x) else x // _UNIT


def duration(x: Operand) -> Any:
    """Returns the timedelta of an int of microseconds; every int64 is in the range of a timedelta."""
    return TracedScalar("timedelta", x.value, x.span) if is_scalar(x) else x * _UNIT


def number_op(name: str, a: Operand, b: Operand) -> Any:
    """Evaluates an operator of numbers, of the row or constant."""
    return numbers.binary(name, a, b) if is_scalar(a) or is_scalar(b) else BINARY[name](a, b)


def truth(x: TracedScalar) -> Value:
    return explorer().loop.call("not_equal", x.value, explorer().loop.const(0, I64))


def binary(name: str, a: Any, b: Any) -> Any:
    """Applies an operator with a timedelta of the row as one operand."""
    if is_duration(a) and is_duration(b):
        if name == "truediv":
            return quotient(microseconds(a), microseconds(b))
        if name in COMPARISONS or name == "floordiv":
            return number_op(name, microseconds(a), microseconds(b))
        if name in ("add", "sub", "mod"):
            return duration(number_op(name, microseconds(a), microseconds(b)))
        if name == "divmod":
            whole, rest = number_op(name, microseconds(a), microseconds(b))
            return whole, duration(rest)
        return undefined.no_operator(name, a, b)
    factor = b if is_duration(a) else a
    if is_number(factor) and (name == "mul" or (name in ("floordiv", "truediv") and is_duration(a))):
        if kind_of(factor) == "float" or name == "truediv":
            refuse("SW264", call=f"{name} of a timedelta and a {kind_of(factor)}")
        pair = (microseconds(a), b) if is_duration(a) else (a, microseconds(b))
        return duration(number_op(name, *pair))
    return undefined.operator(name, a, b)


def unary(name: str, x: TracedScalar) -> Any:
    if name == "invert":
        raise_type_error("bad operand type for unary ~: 'datetime.timedelta'")
    return duration(numbers.unary(name, microseconds(x)))


def text_of(x: Value) -> Value:
    """Returns ``str(x)`` of a timedelta in microseconds, such as ``-1 day, 0:05:00.000001``."""
    loop = x.loop
    days, rest = (loop.call(fn, x, loop.const(DAY, I64)) for fn in ("floor_divide", "remainder"))
    clock, exact = (loop.emit(StrCall("strftime", (format,)), rest) for format in ("%-H:%M:%S", "%-H:%M:%S.%f"))
    whole = loop.call("equal", loop.call("remainder", x, loop.const(SECOND, I64)), loop.const(0, I64))
    clock = loop.select(whole, clock, exact)
    single = loop.call("equal", loop.call("absolute", days), loop.const(1, I64))
    unit = loop.select(single, loop.const(" day, ", STR), loop.const(" days, ", STR))
    counted = loop.emit(StrCall("concat"), loop.emit(StrCall("int_to_str"), days), unit, clock)
    return loop.select(loop.call("equal", days, loop.const(0, I64)), clock, counted)


def attribute(x: TracedScalar, name: str) -> Any:
    """Returns ``x.name`` of a timedelta; refuses unsupported attributes (SW264)."""
    count = microseconds(x)
    if name == "days":
        return number_op("floordiv", count, DAY)
    if name == "seconds":
        return number_op("floordiv", number_op("mod", count, DAY), SECOND)
    if name == "microseconds":
        return number_op("mod", count, SECOND)
    if name == "total_seconds":
        return lambda: quotient(count, SECOND)
    refuse("SW264", call=f"timedelta.{name}")


def quotient(x: Operand, y: Operand) -> Any:
    """Returns the quotient of two numbers of microseconds, also where one of whole seconds is beyond 2**53 microseconds."""
    low, high = span_of(x)
    if is_scalar(y) or y == 0 or y % SECOND or (-EXACT <= low and high <= EXACT):
        return number_op("truediv", x, y)
    loop = explorer().loop
    seconds, rest = (number_op(name, x, SECOND) for name in ("floordiv", "mod"))
    whole = loop.call("equal", rest.value, loop.const(0, I64))
    ends = (("greater_equal", -EXACT), ("less_equal", EXACT))
    small = both(loop, *(loop.call(fn, as_int(x), loop.const(end, I64)) for fn, end in ends))
    explorer().guard(loop.call("logical_or", whole, small), local=True)
    numerator = loop.select(whole, as_float(seconds), as_float(x))
    return make_float(loop.call("divide", numerator, loop.select(whole, as_float(y // SECOND), as_float(y))))


def new(
    days: Any = 0, seconds: Any = 0, microseconds: Any = 0, milliseconds: Any = 0, minutes: Any = 0, hours: Any = 0,
    weeks: Any = 0,
) -> Any:  # fmt: skip
    """Implements ``timedelta(...)`` with values of the row; at most one argument may be a float."""
    given = zip(_UNITS, (days, seconds, microseconds, milliseconds, minutes, hours, weeks), strict=True)
    total: Operand = 0
    floats = []
    for name, x in given:
        if x is None or type(x) is str or (is_scalar(x) and x.kind == "str"):
            raise_type_error(f"unsupported type for timedelta {name} component")
        if not is_number(x) or (is_scalar(x) and x.numpy):
            refuse("SW262", call="datetime.timedelta", what=raw(x))
        if kind_of(x) == "float":
            floats.append((x, _UNITS[name]))
        else:
            total = number_op("add", total, number_op("mul", x, _UNITS[name]))
    if len(floats) > 1:
        refuse("SW262", call="datetime.timedelta", what="more than one float")
    return duration(_plus_float(total, *floats[0]) if floats else total)


def _plus_float(total: Operand, x: Operand, unit: int) -> Operand:
    """Returns total + x * unit as CPython's `accum` rounds it: whole parts exactly, the rest to the nearest even."""
    run, loop = explorer(), explorer().loop
    value = as_float(x)
    limit = loop.const(float(2**62 // unit), F64)
    run.guard(loop.call("less", loop.call("fabs", value), limit))  # False for NaN
    whole = loop.call("trunc", value)
    product = loop.call("multiply", loop.call("subtract", value, whole), loop.const(float(unit), F64))
    more = loop.call("trunc", product)
    total = number_op("add", total, number_op("mul", make_int(loop.cast(whole, I64), (-(2**62) // unit, 2**62 // unit)), unit))
    total = number_op("add", total, make_int(loop.cast(more, I64), (-unit, unit)))
    rest = loop.call("subtract", product, more)
    size, half = loop.call("fabs", rest), loop.const(0.5, F64)
    is_odd = loop.call("equal", loop.call("bitwise_and", as_int(total), loop.const(1, I64)), loop.const(1, I64))
    rounds = loop.call("logical_or", loop.call("greater", size, half), both(loop, loop.call("equal", size, half), is_odd))
    sign = loop.select(loop.call("less", rest, loop.const(0.0, F64)), loop.const(-1, I64), loop.const(1, I64))
    return number_op("add", total, make_int(loop.select(rounds, sign, loop.const(0, I64)), (-1, 1)))
