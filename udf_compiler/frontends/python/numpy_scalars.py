"""Models NumPy scalars of a row (np.float64, np.int32, np.bool_) from DataFrame rows, array elements and functions.

They resemble Python's numbers but compute differently: a zero divisor yields infinity, round uses rint, and integers wrap (64-bit
ones are guarded). Narrower numbers and bools compute as arrays of their dtypes do. A Python number takes that dtype where NumPy
allows it (NEP 50). Operations that are not known to agree are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops.elementwise import HALF_IS_ROOT, LIBM_ULP
from sparkweld.ir.types import F32, F64, I64
from udf_compiler.frontends.python import numbers, rounding, undefined
from udf_compiler.frontends.python.methods import is_integer
from udf_compiler.frontends.python.numbers import as_float, as_int, guard_between, guard_exact, is_number, kind_of
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.lower import BY_VALUE, operator_call, type_of, ufunc_call
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import BINARY, COMPARISONS, UNARY, raw, symbol

_OF_INTS = frozenset(("add", "sub", "mul", "floordiv", "mod"))
#: Kind of a dtype -> its category, by which NumPy before 2 decides whether scalars change the dtype of an array.
_CATEGORIES = {"b": 0, "i": 1, "f": 2}
#: Finite floats from here on decide the common type with float32 arrays, before NumPy 2 (`np.min_scalar_type`).
_BELOW_FLOAT32_MAX = 3.4e38
#: Kind of a Python number -> an example, and its type among scalars in NumPy before 2.
_WEAK = {"int": (1, np.dtype(np.int64)), "float": (1.0, np.dtype(np.float64))}
_FLOAT_FUNCTIONS = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
                    "mod": "remainder", "pow": "power"}  # fmt: skip


def is_numpy(x: object) -> bool:
    """Whether `x` is a NumPy scalar of the row."""
    return is_scalar(x) and x.numpy != ""  # type: ignore[attr-defined]


#: NumPy's own `dtype.name` raises and catches an exception, which would count as one of user code.
_NAMES = {np.dtype(name): name for name in ("int8", "int16", "int32", "int64", "float32", "float64")}


def numpy_scalar(value: Value, dtype: np.dtype) -> TracedScalar:
    """Returns a number of the loop as the NumPy scalar of that dtype."""
    loop = value.loop
    if dtype == np.bool_:
        return TracedScalar("bool", value, numpy="bool")
    if dtype.kind == "f" and dtype.itemsize >= 4:
        return TracedScalar("float", loop.cast(value, F64), numpy=_NAMES[dtype])
    if dtype.kind != "i":
        refuse("SW293", type=f"np.{dtype}")
    bits = 8 * dtype.itemsize
    return TracedScalar("int", loop.cast(value, I64), (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), numpy=_NAMES[dtype])


def of_constant(x: np.generic) -> TracedScalar:
    """Returns a captured NumPy number, such as an element of a weight array, as the same scalar on every row."""
    if x.dtype.kind not in "bif" or x.dtype.itemsize not in (1, 2, 4, 8) or x.dtype == np.float16:
        refuse("SW262", call="a NumPy scalar", what=f"np.{x.dtype}")
    scalar = numpy_scalar(explorer().loop.const(x, type_of(x.dtype, "a NumPy scalar")), x.dtype)
    return TracedScalar("int", scalar.value, (int(x), int(x)), scalar.numpy) if scalar.kind == "int" else scalar


def python_scalar(x: TracedScalar) -> TracedScalar:
    """Returns ``x.item()``: the Python value."""
    return TracedScalar(x.kind, x.value, x.span)


def binary(name: str, a: Any, b: Any) -> Any:
    """Applies an operator with a NumPy scalar of the row or a constant one as an operand."""
    a, b = (of_constant(x) if isinstance(x, np.generic) and not is_scalar(x) else x for x in (a, b))
    if not (is_number(a) and is_number(b)):
        if a is None or b is None:
            return name == "ne" if name in ("eq", "ne") else undefined.no_operator(name, a, b)
        refuse("SW262", call=f"{symbol(name)} of a NumPy scalar", what=", ".join(map(raw, (a, b))))
    kinds = {kind_of(a), kind_of(b)}
    if name in COMPARISONS and kinds == {"int"}:  # of any widths: the values decide
        return _bool(numbers.compare(COMPARISONS[name], a, b))
    if "bool" in kinds or is_narrow(a) or is_narrow(b):
        return _of_dtypes(name, a, b)
    if name in COMPARISONS:
        if kinds == {"int", "float"}:
            guard_exact(a if kind_of(a) == "int" else b)  # NumPy compares them as floats
        return _bool(numbers.compare(COMPARISONS[name], a, b))
    if name == "truediv" or (name in _FLOAT_FUNCTIONS and "float" in kinds):
        return _float(explorer().loop.call(_FLOAT_FUNCTIONS[name], as_float(a), as_float(b)))
    if name in _OF_INTS:
        return _of_ints(name, a, b)
    refuse("SW262", call=f"{symbol(name)} of a NumPy scalar", what=", ".join(map(_described, (a, b))))


def _of_dtypes(name: str, a: Any, b: Any) -> Any:
    """Applies an operator as arrays of these dtypes do."""
    call = f"{symbol(name)} of a NumPy scalar"
    if name == "pow" and "float" in (kind_of(a), kind_of(b)):
        refuse("SW262", call=call, what=", ".join(map(_described, (a, b))))  # arrays square where scalars call powf
    made = operator_call(explorer().loop, BINARY[name], typed((a, b), (), call), call)
    results = tuple(numpy_scalar(x, x.type.dtype) for x in made)
    return results if len(results) > 1 else results[0]


def typed(xs: Sequence[Any], arrays: Sequence[Value], call: str) -> tuple[Any, ...]:
    """Returns numbers of the row as values of their dtypes; Python numbers get the dtype from the others and `arrays`.

    Constants remain unchanged. Guards rows whose Python ints do not fit that dtype.
    """
    strong = [a.type.element.dtype for a in arrays]
    strong += [np.dtype(x.numpy) for x in xs if is_numpy(x)]
    strong += [x.dtype for x in xs if isinstance(x, np.generic) and not is_scalar(x)]
    if BY_VALUE:
        _check_promotion(xs, [a.type.element.dtype for a in arrays], strong, call)
    return tuple(_typed(x, strong, call) if is_scalar(x) else x for x in xs)


def _check_promotion(xs: Sequence[Any], arrays: Sequence[np.dtype], strong: Sequence[np.dtype], call: str) -> None:
    """Refuses (SW251) numbers that NumPy before 2 converts to other types than NEP 50 does.

    There, a scalar does not change the dtype of an array of its category or a higher one, as an int64 beside float32.
    """
    if not arrays:
        check_weak(strong, {kind_of(x) for x in xs if not is_numpy(x) and not isinstance(x, np.generic)}, call)
    given = [np.dtype(x.numpy) for x in xs if is_numpy(x)]
    if any(_CATEGORIES[x.kind] <= _CATEGORIES[a.kind] and np.promote_types(x, a) != a for x in given for a in arrays):
        _refuse_promotion(call)


def check_weak(strong: Sequence[np.dtype], kinds: Iterable[str], call: str) -> None:
    """Refuses (SW251) Python numbers of these kinds beside NumPy scalars, where NumPy before 2 converts them otherwise.

    There, a Python number among scalars is an int64 or a float64.
    """
    numbers = [_WEAK[kind] for kind in kinds if kind in _WEAK]
    if BY_VALUE and strong and numbers:
        made = np.result_type(*strong, *(number for number, _ in numbers))
        if any(np.promote_types(made, wide) != made for _, wide in numbers):
            _refuse_promotion(call)


def _refuse_promotion(call: str) -> NoReturn:
    refuse("SW251", call=f"{call} of another type, which NumPy before 2 converts in its own way,")


def _typed(x: TracedScalar, strong: Sequence[np.dtype], call: str) -> Value:
    loop = explorer().loop
    if x.numpy:
        return loop.cast(x.value, type_of(np.dtype(x.numpy), call))
    if x.kind == "bool":
        return x.value
    to = type_of(np.result_type(*strong, {"int": 1, "float": 1.0}[x.kind]), call)
    if to.is_float and x.kind == "int":
        guard_exact(x)
    elif BY_VALUE and to == F32 and x.kind == "float":
        _guard_small(x.value)
    elif to.is_int and to != I64:
        limits = np.iinfo(to.dtype)
        guard_between(loop, x.value, int(limits.min), int(limits.max))
    return loop.cast(x.value, to)


def _guard_small(x: Value) -> None:
    """Flags rows with a finite number that NumPy before 2 does not convert to float32: the result is float64 there."""
    loop = x.loop
    small = loop.call("less", loop.call("absolute", x), loop.const(_BELOW_FLOAT32_MAX, F64))
    explorer().guard(loop.call("logical_or", small, loop.call("logical_not", loop.call("isfinite", x))))


def unary(name: str, x: TracedScalar) -> Any:
    """Returns ``-x``, ``+x``, ``abs(x)`` or ``~x``."""
    call = f"{name} of a NumPy scalar"
    if x.kind == "bool" or is_narrow(x):
        (made,) = operator_call(explorer().loop, UNARY[name], typed((x,), (), call), call)
        return numpy_scalar(made, made.type.dtype)
    result = numbers.unary(name, python_scalar(x))
    return TracedScalar(result.kind, result.value, result.span, x.numpy)


def round_(x: TracedScalar, ndigits: Any = None) -> Any:
    """Evaluates ``round(x, ndigits)`` as np.round does: multiplies, rounds half to even and divides."""
    if x.kind == "bool":
        return undefined.round_(x)
    if type(ndigits) is not int or not 0 <= ndigits <= rounding.MOST_DIGITS:
        return rounding.round_(x, ndigits)
    if x.kind == "int":
        return x
    loop = explorer().loop
    if is_narrow(x):
        rounded = current().dispatch.of_arrays(lambda a: a.round(ndigits), loop, typed((x,), (), "round()"))
        assert rounded is not None
        return numpy_scalar(rounded, rounded.type.dtype)
    scale = loop.const(10.0**ndigits, F64)
    scaled = loop.call("rint", loop.call("multiply", x.value, scale)) if ndigits else loop.call("rint", x.value)
    return _float(loop.call("divide", scaled, scale) if ndigits else scaled)


def call_ufunc(ufunc: np.ufunc, inputs: tuple[Any, ...]) -> Any:
    """Applies a NumPy function to numbers of the row."""
    call = f"np.{ufunc.__name__}"
    inputs = tuple(of_constant(x) if isinstance(x, np.generic) and not is_scalar(x) else x for x in inputs)
    if not all(map(is_number, inputs)):
        refuse("SW262", call=call, what=", ".join(map(raw, inputs)))
    if explorer().inside and ufunc.__name__ in LIBM_ULP:
        refuse("SW286", call=call)
    narrow = any(map(is_narrow, inputs))
    if narrow and ufunc.__name__ in LIBM_ULP:
        refuse("SW262", call=call, what=", ".join(map(_described, inputs)))
    if ufunc is np.power and is_scalar(inputs[1]) and "float" in map(kind_of, inputs):
        return _float_power(*inputs)
    operands = typed(inputs, (), call) if narrow else tuple(x.value if is_scalar(x) else x for x in inputs)
    results = tuple(numpy_scalar(v, v.type.dtype) for v in ufunc_call(explorer().loop, ufunc, operands, call))
    return results if len(results) > 1 else results[0]


def _float_power(a: Any, b: Any) -> TracedScalar:
    """Evaluates np.power of one number as NumPy's loop for a single exponent does: for 0.5 the root, so -inf ** 0.5 is NaN."""
    loop, base, exponent = explorer().loop, as_float(a), as_float(b)
    made = loop.call("power", base, exponent)
    if not HALF_IS_ROOT:
        return _float(made)
    half = loop.call("equal", exponent, loop.const(0.5, F64))
    return _float(loop.select(half, loop.call("sqrt", base), made))


def attribute(x: TracedScalar, name: str) -> Any:
    """Returns ``x.name``; refuses all attributes but `item`, `tolist` and `is_integer`."""
    if name in ("item", "tolist"):
        return lambda: python_scalar(x)
    if name == "is_integer" and x.kind == "float":
        return lambda: is_integer(x)
    refuse("SW251", call=f"np.{x.numpy}.{name}")


def _of_ints(name: str, a: Any, b: Any) -> TracedScalar:
    if name in ("floordiv", "mod"):  # NumPy warns and returns 0 for a zero divisor
        explorer().guard(explorer().loop.call("not_equal", as_int(b), explorer().loop.const(0, I64)))
    plain = [python_scalar(x) if is_scalar(x) else x for x in (a, b)]
    result = numbers.binary(name, *plain)
    return TracedScalar("int", as_int(result), numbers.span_of(result), "int64")


def is_narrow(x: Any) -> bool:
    """Whether `x` is a number of fewer than 64 bits, whose arithmetic wraps or rounds earlier."""
    return is_scalar(x) and x.numpy not in ("", "int64", "float64", "bool")


def _bool(value: Value) -> TracedScalar:
    return TracedScalar("bool", value, numpy="bool")


def _float(value: Value) -> TracedScalar:
    return TracedScalar("float", value, numpy="float64")


def _described(x: Any) -> str:
    return f"np.{x.numpy}" if is_numpy(x) else kind_of(x)
