"""Translates PyTorch's functions of single values: arithmetic, comparisons, conversions, and functions of libm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, F32, F64, Type
from udf_compiler.frontends.models.features import guard_finite
from udf_compiler.frontends.models.labels import all_of
from udf_compiler.frontends.networks.tensors import Accuracy, Tensor, eps_of, largest_of, scaled, total
from udf_compiler.frontends.torch.values import RowTensor, Step, cast, grid_of, is_traced, library, type_of
from udf_compiler.frontends.tracing.lower import guard_zeros_agree

_ARITHMETIC = {"add": "add", "sub": "subtract", "mul": "multiply", "div": "divide"}
_COMPARISONS = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
#: The most that results of PyTorch's vectors and ours differ by, in eps.
LIBM = 8
#: Arguments of exp whose results are finite in any implementation.
_EXPONENTS = {F32: 88.0, F64: 709.0}


def is_exact(*given: Any) -> bool:
    """Whether all operands are PyTorch's to the last bit."""
    return all(x.values.exact for x in given if is_traced(x))


def made(step: Step, like: RowTensor, columns: Any, shape: tuple[int, ...], bounds: Any = None) -> RowTensor:
    """Returns a new tensor of values of the rows of another."""
    return RowTensor(Tensor(like.loop, columns, shape, bounds), like.batched, step.expected, fresh=True)


def spread(step: Step, given: Sequence[Any], types: Sequence[Type]) -> tuple[RowTensor, tuple[int, ...], list[list[Value]]]:
    """Returns (a tensor of the rows, the shape of a row's results, the values of each operand for them in its type).

    Refuses tensors that PyTorch broadcasts along the rows.
    """
    traced = [x for x in given if is_traced(x)]
    like, rank = traced[0], max(len(x.shape) for x in traced)
    if like.batched and any(len(x.shape) != rank for x in traced):
        step.refuse("tensors of several numbers of axes, of which it aligns the last ones")
    most = rank if like.batched else None
    grids = [_grid(step, like.loop, x, type, most) for x, type in zip(given, types, strict=True)]
    shape = np.broadcast_shapes(*(g.shape for g in grids))
    return like, shape, [list(np.broadcast_to(g, shape).ravel()) for g in grids]


def _grid(step: Step, loop: LoopBuilder, x: Any, type: Type, most: int | None) -> np.ndarray:
    if is_traced(x):
        return grid_of([cast(v, type) for v in x.values.columns], x.shape)
    array = x.array() if isinstance(x, RowTensor) else np.asarray(x)
    if most is not None and array.ndim > most:
        if array.ndim > most + 1 or array.shape[0] != 1:
            step.refuse("a constant for each row")
        array = array[0]
    with np.errstate(all="ignore"):
        array = array.astype(type.dtype)
    return grid_of([loop.const(v, type) for v in array.ravel()], array.shape)


def bounds_of(loop: LoopBuilder, x: Any) -> Accuracy:
    """Returns the bounds of an operand: of a tensor of rows, of a constant, or of a number."""
    if is_traced(x):
        found: Accuracy = x.values.bounds
        return found
    array = x.array() if isinstance(x, RowTensor) else np.asarray(x)
    return Accuracy(loop.const(float(np.abs(array.astype(np.float64)).max(initial=0.0)), F64), loop.const(0.0, F64))


def product_bounds(loop: LoopBuilder, x: Accuracy, y: Accuracy, type: Type) -> Accuracy:
    """Returns the bounds of a product that is rounded once."""
    size = loop.call("multiply", x.size, y.size)
    pairs = ((x.size, y.error), (x.error, y.size), (x.error, y.error))
    return rounded(loop, Accuracy(size, total(loop, *(loop.call("multiply", a, b) for a, b in pairs))), eps_of(type))


def rounded(loop: LoopBuilder, bounds: Accuracy, rounding: float) -> Accuracy:
    """Returns the bounds after an operation that rounds by `rounding` of the size."""
    return Accuracy(bounds.size, total(loop, bounds.error, scaled(loop, total(loop, bounds.size, bounds.error), rounding)))


def _either_bounds(loop: LoopBuilder, a: Any, b: Any) -> Callable[[], Accuracy] | None:
    """Returns the bounds of values of which each is that of one operand."""
    return None if is_exact(a, b) else lambda: largest_of(loop, [bounds_of(loop, a), bounds_of(loop, b)])


def _arithmetic_bounds(loop: LoopBuilder, fn: str, type: Type, a: Any, b: Any) -> Accuracy:
    x = bounds_of(loop, a)
    if fn == "divide":  # by a constant
        least = float(np.abs(np.asarray(b.array() if isinstance(b, RowTensor) else b, np.float64)).min())
        y = Accuracy(loop.const(1 / least if least else np.inf, F64), loop.const(0.0, F64))
    else:
        y = bounds_of(loop, b)
    if fn in ("add", "subtract"):
        return rounded(loop, Accuracy(total(loop, x.size, y.size), total(loop, x.error, y.error)), eps_of(type))
    return product_bounds(loop, x, y, type)


def arithmetic(fn: str, step: Step, input: Any, other: Any, *, alpha: Any = 1, rounding_mode: Any = None) -> RowTensor:
    """Implements add, sub, mul and div."""
    if alpha != 1 or rounding_mode is not None:
        step.refuse("alpha or rounding_mode")
    type = step.type
    if type == BOOL:
        step.refuse("booleans")
    like, shape, (left, right) = spread(step, (input, other), (type, type))
    loop, by_rows = like.loop, fn == "divide" and is_traced(other)
    if by_rows and not is_exact(other):  # an error near 0 decides the sign of infinity
        step.refuse("a divisor that is approximate")
    bounds: Any = None
    if not is_exact(input, other):
        bounds = step.without_bounds() if by_rows else lambda: _arithmetic_bounds(loop, fn, type, input, other)
    return made(step, like, [loop.call(fn, x, y) for x, y in zip(left, right, strict=True)], shape, bounds)


def _reflected(fn: str, step: Step, input: Any, other: Any, *, alpha: Any = 1) -> RowTensor:
    return arithmetic(fn, step, other, input, alpha=alpha)


def _compared(fn: str, step: Step, input: Any, other: Any) -> RowTensor:
    """Compares. Rows in which an error decides run in Python."""
    samples = [x.sample if isinstance(x, RowTensor) else x for x in (input, other)]
    type = type_of(library().result_type(*samples), step.call)
    like, shape, (left, right) = spread(step, (input, other), (type, type))
    guard_apart(like.loop, left, right, [x for x in (input, other) if not is_exact(x)])
    return made(step, like, [like.loop.call(fn, x, y) for x, y in zip(left, right, strict=True)], shape)


def guard_apart(loop: LoopBuilder, left: Sequence[Value], right: Sequence[Value], approximate: Sequence[RowTensor]) -> None:
    """Sends the rows to Python in which two values differ by no more than the errors of the approximate tensors."""
    if not approximate:
        return
    error = total(loop, *(x.values.bounds.error for x in approximate))
    distances = [loop.call("subtract", loop.cast(x, F64), loop.cast(y, F64)) for x, y in zip(left, right, strict=True)]
    loop.guard(all_of(loop, [loop.call("greater", loop.call("absolute", d), error) for d in distances]), local=True)


def _logical(fn: str, step: Step, input: Any, other: Any) -> RowTensor:
    if any(isinstance(x, RowTensor) and x.sample.dtype != library().bool for x in (input, other)) or step.type != BOOL:
        step.refuse("numbers")
    like, shape, (left, right) = spread(step, (input, other), (BOOL, BOOL))
    return made(step, like, [like.loop.call(fn, x, y) for x, y in zip(left, right, strict=True)], shape)


def _not(step: Step, input: RowTensor) -> RowTensor:
    if input.values.type != BOOL:
        step.refuse("numbers")
    return made(step, input, [input.loop.call("logical_not", v) for v in input.values.columns], input.shape)


def _where(step: Step, condition: RowTensor, input: Any, other: Any) -> RowTensor:
    if condition.sample.dtype != library().bool:
        step.refuse("a condition of numbers")
    like, shape, (chosen, left, right) = spread(step, (condition, input, other), (BOOL, step.type, step.type))
    values = [like.loop.select(c, x, y) for c, x, y in zip(chosen, left, right, strict=True)]
    return made(step, like, values, shape, _either_bounds(like.loop, input, other))


def _extreme(fn: str, step: Step, input: Any, other: Any) -> RowTensor:
    """Implements maximum and minimum. Rows with two zeros of different signs run in Python."""
    type = step.type
    like, shape, (left, right) = spread(step, (input, other), (type, type))
    loop = like.loop
    if type.is_float:
        for x, y in zip(left, right, strict=True):
            guard_zeros_agree(loop, x, y)
    values = [loop.call(fn, x, y) for x, y in zip(left, right, strict=True)]
    return made(step, like, values, shape, _either_bounds(loop, input, other))


def clamp(step: Step, input: RowTensor, min: Any = None, max: Any = None) -> RowTensor:
    """Implements clamp with numbers as limits."""
    if any(limit is not None and type(limit) not in (int, float) for limit in (min, max)):
        step.refuse("limits that are not numbers")
    loop, to = input.loop, step.type
    values = [cast(v, to) for v in input.values.columns]
    for fn, limit in (("less", min), ("greater", max)):
        if limit is not None:
            end = loop.const(np.asarray(limit).astype(to.dtype), to)
            values = [loop.select(loop.call(fn, v, end), end, v) for v in values]
    return made(step, input, values, input.shape, input.values.accuracy)


def _round(step: Step, input: RowTensor, *, decimals: Any = 0) -> RowTensor:
    """Implements round. Rows in which an error decides, also about the sign of a zero, run in Python."""
    if decimals != 0 or not input.values.type.is_float:
        step.refuse("decimals or integers")
    loop, columns = input.loop, input.values.columns
    if not input.values.exact:
        half = loop.const(0.5, F64)
        wide = [loop.cast(v, F64) for v in columns]
        ends = [*(total(loop, loop.call("floor", v), half) for v in wide), *[loop.const(0.0, F64)] * len(wide)]
        guard_apart(loop, [*wide, *wide], ends, [input])
    return made(step, input, [loop.call("rint", v) for v in columns], input.shape)


def _sign_of(fn: str, step: Step, input: RowTensor) -> RowTensor:
    return made(step, input, [input.loop.call(fn, v) for v in input.values.columns], input.shape, input.values.accuracy)


def _square(step: Step, input: RowTensor) -> RowTensor:
    return arithmetic("multiply", step, input, input)


def _pow(step: Step, input: Any, exponent: Any) -> RowTensor:
    """Implements powers of 2, 3 and 0.5, which PyTorch computes by products and roots."""
    if not is_traced(input) or exponent not in (2, 3, 0.5) or not step.type.is_float:
        step.refuse(f"the power {exponent!r}")
    if exponent == 0.5:
        return _of_exact("sqrt", step, input)
    square = arithmetic("multiply", step, input, input)
    return square if exponent == 2 else arithmetic("multiply", step, square, input)


def _of_exact(fn: str, step: Step, input: RowTensor) -> RowTensor:
    """Implements functions that an error near 0 would decide between NaN, infinity and a number."""
    loop, type = input.loop, step.type
    if not input.values.exact:
        step.refuse("an approximate argument")
    columns = [cast(v, type) for v in input.values.columns]
    if fn == "sqrt":
        return made(step, input, [loop.call(fn, v) for v in columns], input.shape)
    guard_finite(loop, columns)
    if fn == "rsqrt":
        values = [loop.call("divide", loop.const(1, type), loop.call("sqrt", v)) for v in columns]
    else:
        values = [loop.call(fn, v) for v in columns]
    return made(step, input, values, input.shape, step.without_bounds())


def _exp(step: Step, input: RowTensor) -> RowTensor:
    """Implements exp. Rows whose results may be infinite run in Python."""
    loop, type = input.loop, step.type
    columns = [cast(v, type) for v in input.values.columns]
    limit = loop.const(_EXPONENTS[type], type)
    loop.guard(all_of(loop, [loop.call("less", v, limit) for v in columns]), local=True)
    guard_finite(loop, columns)

    def bounds() -> Accuracy:
        given = bounds_of(loop, input)
        size = loop.call("exp", given.size)
        growth = loop.call("subtract", loop.call("exp", given.error), loop.const(1.0, F64))
        return Accuracy(size, loop.call("multiply", size, total(loop, growth, loop.const(LIBM * eps_of(type), F64))))

    return made(step, input, [loop.call("exp", v) for v in columns], input.shape, bounds)


def converted(step: Step, x: RowTensor) -> RowTensor:
    """Converts to the type of the result. Refuses approximate numbers that become integers."""
    given, type = x.values, step.type
    if given.type == type:
        return RowTensor(given, x.batched, step.expected)
    if given.type.is_float and not type.is_float and (type == BOOL or not given.exact):
        step.refuse("approximate numbers that become integers, or numbers that become booleans")
    bounds = given.accuracy
    if bounds is not None and type == F32:
        bounds = lambda: rounded(x.loop, given.bounds, eps_of(type))  # noqa: E731
    return made(step, x, [cast(v, type) for v in given.columns], x.shape, bounds)


FUNCTIONS: dict[str, Callable[..., RowTensor]] = {
    **{name: partial(arithmetic, fn) for name, fn in _ARITHMETIC.items()},
    **{name: partial(arithmetic, fn) for name, fn in
       (("subtract", "subtract"), ("multiply", "multiply"), ("divide", "divide"), ("true_divide", "divide"))},
    "rsub": partial(_reflected, "subtract"),
    **{name: partial(_compared, fn) for name, fn in _COMPARISONS.items()},
    **{name: partial(_compared, name) for name in ("less", "less_equal", "greater", "greater_equal", "not_equal")},
    **{name: partial(_logical, name) for name in ("logical_and", "logical_or", "logical_xor")},
    **{f"bitwise_{name}": partial(_logical, f"logical_{name}") for name in ("and", "or", "xor")},
    "logical_not": _not,
    "bitwise_not": _not,
    "where": _where,
    "maximum": partial(_extreme, "maximum"),
    "minimum": partial(_extreme, "minimum"),
    "clamp": clamp,
    "clip": clamp,
    "round": _round,
    **{name: partial(_sign_of, fn) for name, fn in
       (("neg", "negative"), ("negative", "negative"), ("abs", "absolute"), ("absolute", "absolute"))},
    "square": _square,
    "pow": _pow,
    **{name: partial(_of_exact, name) for name in ("sqrt", "rsqrt", "log", "log1p", "log2", "log10")},
    "exp": _exp,
}  # fmt: skip
