"""Translates operators of single values: arithmetic, comparisons, casts and mathematical functions, with NumPy's broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL, F32, F64, I32, I64, STR, Type
from udf_compiler.frontends.models.features import guard_finite
from udf_compiler.frontends.models.labels import all_of
from udf_compiler.frontends.networks.layers import with_bias
from udf_compiler.frontends.networks.tensors import EPS, Accuracy, Tensor
from udf_compiler.frontends.onnx.step import Argument, Operator, Step

#: `TensorProto.DataType` -> the type of the IR.
TYPES = {1: F32, 6: I32, 7: I64, 8: STR, 9: BOOL, 11: F64}
#: dtype of NumPy -> the type of numbers of the IR.
KINDS = {t.dtype: t for t in (F32, F64, I64, I32, BOOL)}
_ARITHMETIC = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}
_COMPARISONS = {
    "Less": "less", "Greater": "greater", "LessOrEqual": "less_equal", "GreaterOrEqual": "greater_equal", "Equal": "equal",
}  # fmt: skip
_LOGIC = {"And": "logical_and", "Or": "logical_or"}
#: Functions that libraries approximate, also the square root, and two that change the sign.
_FUNCTIONS = {"Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Abs": "absolute", "Neg": "negative"}
#: The least 64-bit float that an integer does not hold, by the bytes of the integer.
_BEYOND = {4: 2.0**31, 8: 2.0**63}


def _operands(step: Step, arguments: Sequence[Argument]) -> tuple[tuple[int, ...], list[list[Value]]]:
    """Returns (the shape of a row's results, the values of each operand for them). Constants get the type of the tensors."""
    tensors = [a for a in arguments if isinstance(a, Tensor)]
    rank, type = max(len(t.shape) for t in tensors), tensors[0].type
    if any(len(t.shape) != rank or t.type != type for t in tensors):
        step.refuse("tensors of several numbers of axes or types")
    shapes = [(1, *a.shape) if isinstance(a, Tensor) else np.shape(step.constant(a, "an operand")) for a in arguments]
    shape = np.broadcast_shapes(*shapes)
    if len(shape) != rank + 1 or shape[0] != 1:
        step.refuse("a constant for each row")
    return shape[1:], [_spread(step, a, shape, type) for a in arguments]


def _spread(step: Step, argument: Argument, shape: tuple[int, ...], type: Type) -> list[Value]:
    if isinstance(argument, Tensor):
        places = np.arange(len(argument.columns)).reshape(1, *argument.shape)
        return [argument.columns[at] for at in np.broadcast_to(places, shape).ravel()]
    array = step.constant(argument, "an operand")
    if array.dtype != type.dtype:
        step.refuse("a constant of another type")
    return [step.loop.const(value, type) for value in np.broadcast_to(array, shape).ravel()]


def undecided(step: Step, *tensors: Argument) -> Callable[[], Accuracy] | None:
    """Returns the bounds of results that have none: whatever decides by them is refused. None if all tensors are exact."""
    return None if all(t.exact for t in tensors if isinstance(t, Tensor)) else without_bounds(step)


def without_bounds(step: Step) -> Callable[[], Accuracy]:
    """Returns the bounds of approximate results that have none."""

    def bounds() -> Accuracy:
        step.refuse("approximate values, by which a later operator decides")

    return bounds


def _shifted(step: Step, x: Tensor, most: float, scale: float) -> Callable[[], Accuracy] | None:
    """Returns the bounds of ``x * scale + c`` with constants c of at most `most`, rounded once."""
    return None if x.exact else lambda: x.bounds.scaled(step.loop, scale, most, EPS)


def _arithmetic(fn: str, step: Step, a: Argument, b: Argument) -> list[Argument]:
    if fn == "add":
        for x, c in ((a, b), (b, a)):
            if isinstance(x, Tensor) and isinstance(c, np.ndarray) and (joined := with_bias(x, c)) is not None:
                return [joined]
    shape, (left, right) = _operands(step, (a, b))
    if fn == "divide" and not left[0].type.is_float:
        step.refuse("integers")
    if fn == "divide" and isinstance(b, Tensor):
        step.exact(b)  # an error at 0 decides the sign of infinity
    values = [step.loop.call(fn, x, y) for x, y in zip(left, right, strict=True)]
    tensors, constants = [t for t in (a, b) if isinstance(t, Tensor)], [c for c in (a, b) if isinstance(c, np.ndarray)]
    bounds = undecided(step, a, b)
    if fn == "divide" and isinstance(a, np.ndarray) and np.any(a == 1):  # the library may divide a factor instead of 1
        bounds = without_bounds(step)
    elif len(tensors) == 1 and (fn != "divide" or isinstance(b, np.ndarray)):
        sizes = np.abs(constants[0].astype(np.float64)) if constants else np.zeros(1)
        most = float((1 / sizes if fn == "divide" else sizes).max(initial=0.0))
        more, factor = (most, 1.0) if fn in ("add", "subtract") else (0.0, most)
        bounds = _shifted(step, tensors[0], more, factor)
    return [Tensor(step.loop, values, shape, bounds)]


def _compared(fn: str, step: Step, a: Argument, b: Argument) -> list[Argument]:
    for x in (a, b):
        if isinstance(x, Tensor):
            step.exact(x)
    shape, (left, right) = _operands(step, (a, b))
    if left[0].type == STR:
        step.refuse("strings")
    return [Tensor(step.loop, [step.loop.call(fn, x, y) for x, y in zip(left, right, strict=True)], shape)]


def _where(step: Step, condition: Argument, a: Argument, b: Argument) -> list[Argument]:
    chosen = step.exact(step.tensor(condition, "a condition"))
    if not any(isinstance(x, Tensor) for x in (a, b)):
        a = _of_rows(step, chosen, step.constant(a, "a choice"))
    shape, (left, right) = _operands(step, (a, b))
    if shape != chosen.shape:
        step.refuse("a condition of another shape")
    values = [step.loop.select(c, x, y) for c, x, y in zip(chosen.columns, left, right, strict=True)]
    if values[0].type.is_float:  # the library adds the chosen value and 0, which turns -0.0 into 0.0
        values = [step.loop.call("add", v, step.loop.const(0, v.type)) for v in values]
    return [Tensor(step.loop, values, shape, undecided(step, a, b))]


def _of_rows(step: Step, like: Tensor, array: np.ndarray) -> Tensor:
    """Returns a constant as a tensor of rows."""
    if array.dtype not in KINDS:
        step.refuse("constants that are not numbers")
    if np.broadcast_shapes(array.shape, (1, *like.shape)) != (1, *like.shape):
        step.refuse("constants of another shape than the condition")
    values = np.broadcast_to(array, (1, *like.shape)).ravel()
    return Tensor(step.loop, [step.loop.const(v, KINDS[array.dtype]) for v in values], like.shape)


def _function(name: str, step: Step, x: Argument) -> list[Argument]:
    given = step.tensor(x)
    if not given.type.is_float:
        step.refuse("integers")
    if name in ("Sqrt", "Log"):
        step.exact(given)  # an error at 0 decides between NaN or infinity and a number
    values = [step.loop.call(_FUNCTIONS[name], v) for v in given.columns]
    if name in ("Abs", "Neg"):
        return [given.like(values)]
    # Some versions compute the square root of infinity as NaN.
    guard_finite(step.loop, given.columns)
    return [Tensor(step.loop, values, given.shape, without_bounds(step))]


def _clip(step: Step, x: Argument, low: Argument = None, high: Argument = None) -> list[Argument]:
    given, loop = step.tensor(x), step.loop
    ends = [step.attribute(name) if end is None else step.constant(end, name) for name, end in (("min", low), ("max", high))]
    if given.type.is_float:
        guard_finite(loop, given.columns)
    values = list(given.columns)
    for fn, end in zip(("maximum", "minimum"), ends, strict=True):
        if end is not None:
            if np.size(end) != 1:
                step.refuse("several limits")
            if np.isnan(end).any():
                step.refuse("NaN as a limit")
            limit = loop.const(np.reshape(end, ())[()], given.type)
            values = [loop.call(fn, v, limit) for v in values]
    signless = any(end is not None and not np.any(end) for end in ends)  # 0.0 or -0.0, as the library's vectors order them
    return [Tensor(loop, values, given.shape, (lambda: given.bounds) if signless else given.accuracy)]


def _cast(step: Step, x: Argument) -> list[Argument]:
    given, loop = step.tensor(x), step.loop
    to = TYPES.get(step.attribute("to"))
    if to is None or STR in (to, given.type) and to != given.type:
        step.refuse("such a type")
    if given.type.is_float and not to.is_float:
        step.exact(given)
        if to == BOOL:
            step.refuse("numbers that become booleans")
        beyond = loop.const(_BEYOND[to.dtype.itemsize], given.type)
        loop.guard(all_of(loop, [loop.call("less", loop.call("absolute", v), beyond) for v in given.columns]), local=True)
    if to == given.type:
        return [given]
    narrowed = given.type.is_float and to.is_float and to.dtype.itemsize < given.type.dtype.itemsize
    values = [loop.cast(v, to) for v in given.columns]
    return [Tensor(loop, values, given.shape, _shifted(step, given, 0.0, 1.0) if narrowed else given.accuracy)]


def _not(step: Step, x: Argument) -> list[Argument]:
    given = step.tensor(x)
    return [given.like([step.loop.call("logical_not", v) for v in given.columns])]


def _isnan(step: Step, x: Argument) -> list[Argument]:
    given = step.exact(step.tensor(x))
    return [Tensor(step.loop, [step.loop.call("isnan", v) for v in given.columns], given.shape)]


def _binarizer(step: Step, x: Argument) -> list[Argument]:
    given, loop = step.exact(step.tensor(x)), step.loop
    if given.type.is_float:  # it raises for NaN
        loop.guard(all_of(loop, [loop.call("logical_not", loop.call("isnan", v)) for v in given.columns]), local=True)
    least = loop.const(step.attribute("threshold", 0.0), given.type)
    return [given.like([loop.cast(loop.call("greater", v, least), given.type) for v in given.columns])]


def _scaler(step: Step, x: Argument) -> list[Argument]:
    """Computes ``(x - offset) * scale`` in the type of 64-bit floats, else in 32-bit ones, and rounds to 32 bits."""
    given, loop = step.alone(step.tensor(x)), step.loop
    parts = [np.array(step.attribute(name, ()) or [neutral], np.float32) for name, neutral in (("offset", 0.0), ("scale", 1.0))]
    count = len(given.columns)
    if any(len(part) not in (1, count) for part in parts):
        step.refuse("offsets of another number")
    offset, scale = (np.broadcast_to(part, count) for part in parts)
    type = F64 if given.type == F64 else F32
    moved = [loop.call("subtract", loop.cast(v, type), loop.const(o, type)) for v, o in zip(given.columns, offset, strict=True)]
    scaled = [loop.call("multiply", v, loop.const(s, type)) for v, s in zip(moved, scale, strict=True)]
    values = [loop.cast(v, F32) for v in scaled]
    most, factor = float(np.abs(offset).max()), float(np.abs(scale).max())
    bounds = None if given.exact else lambda: given.bounds.scaled(loop, factor, most * factor, 2 * EPS)
    return [Tensor(loop, values, given.shape, bounds)]


def _imputer(step: Step, x: Argument) -> list[Argument]:
    given, loop = step.exact(step.alone(step.tensor(x))), step.loop
    kind = "float" if given.type.is_float else "int64"
    imputed: list[Any] = step.attribute(f"imputed_value_{kind}s") or step.refuse("imputed values of another type")
    replaced = step.attribute(f"replaced_value_{kind}", 0.0)
    if len(imputed) not in (1, len(given.columns)):
        step.refuse("imputed values of another number")
    values = []
    for value, new in zip(given.columns, np.broadcast_to(imputed, len(given.columns)), strict=True):
        isnan = kind == "float" and np.isnan(replaced)
        found = loop.call("isnan", value) if isnan else loop.call("equal", value, loop.const(replaced, value.type))
        values.append(loop.select(found, loop.const(new, value.type), value))
    return [given.like(values)]


def _normalizer(step: Step, x: Argument) -> list[Argument]:
    """Divides a row by its norm. Rows run in Python whose norm is near 0, or could overflow."""
    given, loop = step.alone(step.tensor(x)), step.loop
    if not given.type.is_float:
        step.refuse("integers")
    guard_finite(loop, given.columns)
    singles, norm = [loop.cast(v, F32) for v in given.columns], step.attribute("norm", "MAX")
    if norm == "L1":
        size = loop.fold("add", [loop.call("absolute", v) for v in singles])
    elif norm == "L2":
        size = loop.call("sqrt", loop.fold("add", [loop.call("square", v) for v in singles]))
    else:
        step.refuse(f"the norm {norm}")
    # Of larger or smaller rows, the squares may be infinite or 0.
    loop.guard(loop.call("greater", size, loop.const(1e-15, F32)), local=True)
    loop.guard(loop.call("less", size, loop.const(1e15, F32)), local=True)

    def bounds() -> Accuracy:
        step.exact(given)
        return Accuracy(loop.const(1.0, F64), loop.const((len(singles) + 6) * EPS, F64))

    return [Tensor(loop, [loop.call("divide", v, size) for v in singles], given.shape, bounds)]


OPERATORS: dict[str, Operator] = {
    **{name: partial(_arithmetic, fn) for name, fn in _ARITHMETIC.items()},
    **{name: partial(_compared, fn) for name, fn in {**_COMPARISONS, **_LOGIC}.items()},
    **{name: partial(_function, name) for name in _FUNCTIONS},
    "Where": _where,
    "Clip": _clip,
    "Cast": _cast,
    "Not": _not,
    "IsNaN": _isnan,
    "ai.onnx.ml.Binarizer": _binarizer,
    "ai.onnx.ml.Scaler": _scaler,
    "ai.onnx.ml.Imputer": _imputer,
    "ai.onnx.ml.Normalizer": _normalizer,
}
