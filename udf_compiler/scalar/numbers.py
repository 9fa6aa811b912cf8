"""Python's arithmetic and comparisons of ints, floats and bools as IR, exact or guarded.

An int is an int64 that is known not to overflow: by the interval that it lies in, or by a guard on the path. Division by
zero and the like raise Python's own exception on the rows where they happen.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Fits
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.scalar.paths import Explorer, both, explorer
from udf_compiler.scalar.values import MAX, MIN, TracedScalar, is_scalar
from udf_compiler.trace.session import check_size, refuse
from udf_compiler.trace.values import raw, symbol

COMPARISONS = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
_BITWISE = {"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}

#: An int of at most so many in magnitude is exact as a float.
_EXACT = 2**53

Operand = Any  # a TracedScalar or a Python int, float or bool


def is_number(x: object) -> bool:
    """Whether `x` is a TracedScalar of a number or a constant of Python's bool, int or float."""
    return (is_scalar(x) and x.kind in ("bool", "int", "float")) or type(x) in (bool, int, float)  # type: ignore[attr-defined]


def kind_of(x: Operand) -> str:
    """"bool", "int" or "float"."""
    return x.kind if is_scalar(x) else type(x).__name__


def span_of(x: Operand) -> tuple[int, int]:
    """The interval that an int or bool lies in on this path."""
    if not is_scalar(x):
        return int(x), int(x)
    low, high = x.span
    if x.kind == "int":
        known = explorer().facts.interval(x.value)
        low = max(low, math.floor(known.low) + (1 if known.above else 0)) if known.low > low else low
        high = min(high, math.ceil(known.high) - (1 if known.below else 0)) if known.high < high else high
    return low, high


def as_int(x: Operand) -> Value:
    """An int or bool as an int64. Refuses (SW294) a constant beyond 64 bits."""
    loop = explorer().loop
    if is_scalar(x):
        return loop.cast(x.value, I64)
    if not MIN <= x <= MAX:
        refuse("SW294", number=x if abs(x) < 10**40 else "an integer")
    return loop.const(int(x), I64)


def as_float(x: Operand) -> Value:
    """A number as Python's float() has it: an int is rounded to the nearest. OverflowError for a constant beyond floats."""
    loop = explorer().loop
    return loop.cast(x.value, F64) if is_scalar(x) else loop.const(float(x), F64)


def make_int(value: Value, span: tuple[int, int] = (MIN, MAX)) -> TracedScalar:
    return TracedScalar("int", value, (max(span[0], MIN), min(span[1], MAX)))


def make_float(value: Value) -> TracedScalar:
    return TracedScalar("float", value)


def make_bool(value: Value) -> Any:
    """A bool of the row; a Python bool where the path knows it."""
    known = explorer().facts.known(value)
    return TracedScalar("bool", value) if known is None else known


def truth(x: TracedScalar) -> Value:
    """The truth of a number: whether it is not zero (NaN is not)."""
    loop = explorer().loop
    return x.value if x.kind == "bool" else loop.call("not_equal", x.value, loop.const(0, x.value.type))


def binary(name: str, a: Any, b: Any) -> Any:
    """``a op b``; NotImplemented where the other operand has a say, TypeError where neither has such an operator."""
    from udf_compiler.scalar import numpy_scalars

    check_size(explorer().loop)
    if numpy_scalars.is_numpy(a) or numpy_scalars.is_numpy(b):
        return numpy_scalars.binary(name, a, b)
    if not (is_number(a) and is_number(b)):
        return _of_others(name, a, b)
    if name in COMPARISONS:
        return make_bool(compare(COMPARISONS[name], a, b))
    if name in _BITWISE:
        return _bitwise(name, a, b)
    kinds = "float" if "float" in (kind_of(a), kind_of(b)) else "int"
    table = _OF_FLOATS if kinds == "float" else _OF_INTS
    return table[name](a, b) if name in table else _no_operator(name, a, b)


#: Classes whose operators never take a number or a str of the row, but for those that `texts` knows.
_STRANGERS = (type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset)


def _of_others(name: str, a: Any, b: Any) -> Any:
    from udf_compiler.scalar import calendar, texts

    result: Any = NotImplemented
    if calendar.is_date(a) or calendar.is_date(b):
        result = calendar.binary(name, a, b)
    elif texts.is_text(a) or texts.is_text(b):
        result = texts.binary(name, a, b)
    if result is not NotImplemented:
        return result
    for x in (a, b):
        if isinstance(x, np.generic | np.ndarray):
            refuse("SW262", call=f"{symbol(name)} of a row's value", what=raw(x))
    if all(is_scalar(x) or type(x) in _STRANGERS for x in (a, b)):
        if name in ("eq", "ne"):
            return name == "ne"
        if name == "mul" and any(type(x) in (bytes, list, tuple) for x in (a, b)):
            refuse("SW262", call="a sequence * ...", what="a count that is no constant")
        return _no_operator(name, a, b)
    return NotImplemented


def _no_operator(name: str, a: Any, b: Any) -> Any:
    raise_type_error(f"unsupported operand type(s) for {symbol(name)}")


def unary(name: str, x: TracedScalar) -> Any:
    """``-x``, ``+x``, ``abs(x)`` and ``~x``."""
    from udf_compiler.scalar import numpy_scalars

    loop = explorer().loop
    if x.numpy:
        return numpy_scalars.unary(name, x)
    if x.kind in ("str", "date"):
        raise_type_error(f"bad operand type for unary {name}: '{x.kind}'")
    if x.kind == "float":
        if name == "invert":
            raise_type_error("bad operand type for unary ~: 'float'")
        return x if name == "pos" else make_float(loop.call({"neg": "negative", "abs": "fabs"}[name], x.value))
    low, high = span_of(x)
    if name == "pos" or (name == "abs" and low >= 0):
        return make_int(as_int(x), (low, high))
    if name == "invert":
        return make_int(loop.call("invert", as_int(x)), (~high, ~low))
    if low == MIN:
        explorer().guard(loop.call("not_equal", x.value, loop.const(MIN, I64)))
        low = MIN + 1
    if name == "neg":
        return make_int(loop.call("negative", as_int(x)), (-high, -low))
    return make_int(loop.call("absolute", as_int(x)), (max(low, -high, 0), max(-low, high)))


def raise_type_error(message: str) -> Any:
    """Python's TypeError, on every row of the path."""
    from udf_compiler.scalar.exceptions import of_python

    raise of_python(TypeError(message))


def compare(fn: str, a: Operand, b: Operand) -> Value:
    """A comparison as Python makes it: an int and a float by their exact values."""
    loop = explorer().loop
    kinds = {kind_of(a), kind_of(b)}
    if kinds <= {"bool", "int"}:
        known = _by_spans(fn, span_of(a), span_of(b))
        return loop.const(known, BOOL) if known is not None else loop.call(fn, as_int(a), as_int(b))
    if kinds == {"float"}:
        return loop.call(fn, as_float(a), as_float(b))
    if kind_of(a) == "float":
        return compare(_FLIPPED[fn], b, a)
    return _compare_mixed(fn, a, b)


_FLIPPED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal",
            "equal": "equal", "not_equal": "not_equal"}  # fmt: skip


def _by_spans(fn: str, a: tuple[int, int], b: tuple[int, int]) -> bool | None:
    """The comparison of two ints where the intervals that they lie in decide it (a constant may lie beyond int64)."""
    always, never = {
        "less": (a[1] < b[0], a[0] >= b[1]),
        "less_equal": (a[1] <= b[0], a[0] > b[1]),
        "greater": (a[0] > b[1], a[1] <= b[0]),
        "greater_equal": (a[0] >= b[1], a[1] < b[0]),
        "equal": (a[0] == a[1] == b[0] == b[1], a[1] < b[0] or b[1] < a[0]),
        "not_equal": (a[1] < b[0] or b[1] < a[0], a[0] == a[1] == b[0] == b[1]),
    }[fn]
    return True if always else (False if never else None)


_OPERATORS = {fn: name for name, fn in COMPARISONS.items()}


def _compare_mixed(fn: str, a: Operand, b: Operand) -> Value:
    """An int with a float. Where the int's nearest float is not the float, it decides (rounding keeps the order); else the
    float is an integer, or 2**63, which no int64 reaches."""
    loop = explorer().loop
    if not is_scalar(a) and not MIN <= a <= MAX:
        return _compare_large(fn, a, b)
    if not is_scalar(b):
        return _compare_with_float(fn, a, float(b))
    low, high = span_of(a)
    near = loop.call(fn, as_float(a), b.value)
    if -_EXACT <= low and high <= _EXACT:
        return near
    whole = loop.call(fn, as_int(a), loop.cast(b.value, I64))
    far = loop.const(fn in ("less", "less_equal", "not_equal"), BOOL)
    whole = loop.select(loop.call("less", b.value, loop.const(2.0**63, F64)), whole, far)
    return loop.select(loop.call("equal", as_float(a), b.value), whole, near)


def _compare_large(fn: str, a: int, b: TracedScalar) -> Value:
    """A constant beyond int64 with a float of the row."""
    if abs(a) >= 2**1024 or int(float(a)) != a:
        refuse("SW294", number="an integer")
    return explorer().loop.call(fn, as_float(a), b.value)


def _compare_with_float(fn: str, a: Operand, b: float) -> Value:
    """An int of the row with a constant float: with an integer, or with neither side of a fraction."""
    loop = explorer().loop
    if b != b:
        return loop.const(fn == "not_equal", BOOL)
    if b in (math.inf, -math.inf):
        return loop.const(bool(getattr(operator, _OPERATORS[fn])(0.0, b)), BOOL)
    if b == math.floor(b):
        return compare(fn, a, int(b))
    if fn in ("equal", "not_equal"):
        return loop.const(fn == "not_equal", BOOL)
    below = fn in ("less", "less_equal")
    return compare("less_equal" if below else "greater_equal", a, math.floor(b) if below else math.ceil(b))


def _bitwise(name: str, a: Operand, b: Operand) -> Any:
    kinds = {kind_of(a), kind_of(b)}
    if "float" in kinds:
        return _no_operator(name, a, b)
    loop = explorer().loop
    if kinds == {"bool"}:
        sides = [x.value if is_scalar(x) else loop.const(x, BOOL) for x in (a, b)]
        return make_bool(loop.call(f"logical_{name}", *sides))
    spans = (*span_of(a), *span_of(b))
    span = (MIN, MAX)
    if min(spans) >= 0:
        bits = max(spans).bit_length()
        span = (0, min(span_of(a)[1], span_of(b)[1]) if name == "and" else 2**bits - 1)
    elif name == "and" and max(span_of(a)[0], span_of(b)[0]) >= 0:  # one side is not negative, and so bounds the result
        span = (0, next(high for low, high in (span_of(a), span_of(b)) if low >= 0))
    return make_int(loop.call(_BITWISE[name], as_int(a), as_int(b)), span)


def _corners(function: Callable[[int, int], int], a: Operand, b: Operand) -> tuple[int, int]:
    values = [function(x, y) for x in span_of(a) for y in span_of(b)]
    return min(values), max(values)


def _add(a: Operand, b: Operand) -> TracedScalar:
    loop, span = explorer().loop, _corners(operator.add, a, b)
    x, y = as_int(a), as_int(b)
    result = loop.call("add", x, y)
    if span[0] < MIN or span[1] > MAX:  # the sum has another sign than both
        _guard_sign(loop, loop.call("bitwise_and", loop.call("bitwise_xor", x, result), loop.call("bitwise_xor", y, result)))
    return make_int(result, span)


def _subtract(a: Operand, b: Operand) -> TracedScalar:
    loop, span = explorer().loop, _corners(operator.sub, a, b)
    x, y = as_int(a), as_int(b)
    result = loop.call("subtract", x, y)
    if span[0] < MIN or span[1] > MAX:  # the signs differ, and the result has not that of the first
        _guard_sign(loop, loop.call("bitwise_and", loop.call("bitwise_xor", x, y), loop.call("bitwise_xor", x, result)))
    return make_int(result, span)


def _guard_sign(loop: LoopBuilder, value: Value) -> None:
    explorer().guard(loop.call("greater_equal", value, loop.const(0, I64)))


def multiply(a: Operand, b: Operand) -> TracedScalar:
    loop, span = explorer().loop, _corners(operator.mul, a, b)
    if span[0] < MIN or span[1] > MAX:
        constant = next((x for x in (a, b) if not is_scalar(x)), None)
        if constant is not None:
            other = as_int(b if constant is a else a)
            limit = MAX // abs(constant)
            guard_between(loop, other, -limit, limit)
        else:
            # three roundings of at most 2**-53 each: below this bound the exact product is an int64
            product = loop.call("multiply", as_float(a), as_float(b))
            bound = loop.const(2.0**63 - 2.0**13, F64)
            explorer().guard(loop.call("less_equal", loop.call("fabs", product), bound))
    return make_int(loop.call("multiply", as_int(a), as_int(b)), span)


def guard_between(loop: LoopBuilder, x: Value, low: int, high: int) -> None:
    """Rows where an int64 is outside of [low, high] go to Python."""
    above = loop.call("greater_equal", x, loop.const(low, I64))
    below = loop.call("less_equal", x, loop.const(high, I64))
    explorer().guard(both(loop, above, below))


def guard_exact(x: Operand) -> None:
    """Rows where an int may not be exact as a float go to Python."""
    low, high = span_of(x)
    if low < -_EXACT or high > _EXACT:
        guard_between(explorer().loop, as_int(x), -_EXACT, _EXACT)


def raise_on_zero(x: Operand, message: str) -> None:
    """ZeroDivisionError on the rows where the divisor is zero."""
    run: Explorer = explorer()
    if not is_scalar(x) and x != 0:
        return
    value = as_float(x) if kind_of(x) == "float" else as_int(x)
    if is_scalar(x) and x.kind == "int" and not span_of(x)[0] <= 0 <= span_of(x)[1]:
        return
    run.raise_if(run.loop.call("equal", value, run.loop.const(0, value.type)), lambda: ZeroDivisionError(message))


def _true_divide(a: Operand, b: Operand) -> TracedScalar:
    raise_on_zero(b, "division by zero" if "float" not in (kind_of(a), kind_of(b)) else "float division by zero")
    for x in (a, b):
        if kind_of(x) != "float" and "float" not in (kind_of(a), kind_of(b)):
            guard_exact(x)  # two exact operands have the correctly rounded quotient, as int / int has it
    return make_float(explorer().loop.call("divide", as_float(a), as_float(b)))


def _floor_divide(a: Operand, b: Operand) -> TracedScalar:
    raise_on_zero(b, "integer division or modulo by zero")
    loop = explorer().loop
    (low, high), (first, last) = span_of(a), span_of(b)
    if low == MIN and first <= -1 <= last:
        either = loop.call("logical_or", compare("not_equal", a, MIN), compare("not_equal", b, -1))
        explorer().guard(either)
    if first > 0:
        span = (min(low // first, low // last), max(high // first, high // last))
    else:
        size = max(abs(low), abs(high))
        span = (-size, size)
    return make_int(loop.call("floor_divide", as_int(a), as_int(b)), span)


def _remainder(a: Operand, b: Operand) -> TracedScalar:
    raise_on_zero(b, "integer modulo by zero")
    first, last = span_of(b)
    span = (min(0, first + 1), max(0, last - 1))
    return make_int(explorer().loop.call("remainder", as_int(a), as_int(b)), span)


def _divmod(a: Operand, b: Operand) -> tuple[TracedScalar, TracedScalar]:
    return _floor_divide(a, b), _remainder(a, b)


def _shift_left(a: Operand, b: Operand) -> TracedScalar:
    run, loop, count = explorer(), explorer().loop, as_int(b)
    run.raise_if(compare_value(loop, "less", count, 0), lambda: ValueError("negative shift count"))
    (low, high), (_, last) = span_of(a), span_of(b)
    if last <= 64 and MIN <= min(low << last, low) and max(high << last, high) <= MAX:
        return make_int(loop.call("left_shift", as_int(a), count), (min(low << last, low), max(high << last, high)))
    if last > 62:
        run.guard(compare_value(loop, "less_equal", count, 62))
    shifted = loop.call("left_shift", as_int(a), count)
    run.guard(loop.call("equal", loop.call("right_shift", shifted, count), as_int(a)))
    return make_int(shifted)


def _shift_right(a: Operand, b: Operand) -> TracedScalar:
    run, loop, count = explorer(), explorer().loop, as_int(b)
    run.raise_if(compare_value(loop, "less", count, 0), lambda: ValueError("negative shift count"))
    if span_of(b)[1] > 63:
        count = loop.call("minimum", count, loop.const(63, I64))
    low, high = span_of(a)
    return make_int(loop.call("right_shift", as_int(a), count), (min(low, 0), max(high, 0)))


def compare_value(loop: LoopBuilder, fn: str, value: Value, number: Any) -> Value:
    """A comparison of a value with a constant of its type."""
    return loop.call(fn, value, loop.const(number, value.type))


def _float_op(fn: str) -> Callable[[Operand, Operand], TracedScalar]:
    return lambda a, b: make_float(explorer().loop.call(fn, as_float(a), as_float(b)))


def _float_quotient(fn: str, message: str) -> Callable[[Operand, Operand], TracedScalar]:
    def divide(a: Operand, b: Operand) -> TracedScalar:
        raise_on_zero(b, message)
        return make_float(explorer().loop.call(fn, as_float(a), as_float(b)))

    return divide


def _float_divmod(a: Operand, b: Operand) -> tuple[TracedScalar, TracedScalar]:
    return _OF_FLOATS["floordiv"](a, b), _OF_FLOATS["mod"](a, b)


def _power(a: Operand, b: Operand) -> Any:
    from udf_compiler.scalar.powers import power

    return power(a, b)


_OF_INTS: dict[str, Callable[[Operand, Operand], Any]] = {
    "add": _add, "sub": _subtract, "mul": multiply, "truediv": _true_divide, "floordiv": _floor_divide, "mod": _remainder,
    "divmod": _divmod, "pow": _power, "lshift": _shift_left, "rshift": _shift_right,
}  # fmt: skip
_OF_FLOATS: dict[str, Callable[[Operand, Operand], Any]] = {
    "add": _float_op("add"), "sub": _float_op("subtract"), "mul": _float_op("multiply"), "truediv": _true_divide,
    "floordiv": _float_quotient("floor_divide", "float floor division by zero"),
    "mod": _float_quotient("remainder", "float modulo"), "divmod": _float_divmod, "pow": _power,
}  # fmt: skip


def fits(loop: LoopBuilder, value: Value) -> Value:
    """Whether a float, truncated, is an int64."""
    return loop.emit(Fits(I64), value)
