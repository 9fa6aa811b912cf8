"""Defines tensors of a row's values, with bounds on their errors.

ONNX Runtime and PyTorch add in an order of their own, mostly in 32-bit floats. So a tensor has a bound on the error of its
values, as a value of the row. What decides by approximate values (labels, comparisons) sends the rows to Python whose values are
too close.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64, Type

#: The distance of 1 from the next larger 32-bit float.
EPS = float(np.finfo(np.float32).eps)


def eps_of(type: Type) -> float:
    """Returns the distance of 1 from the next larger float of a type."""
    return float(np.finfo(type.dtype).eps)


@dataclass(frozen=True)
class Accuracy:
    """Bounds of a row, float64: `size` of the absolute values of a tensor, and `error` of their difference from the library's."""

    size: Value
    error: Value

    def scaled(self, loop: LoopBuilder, factor: float, more: float, rounding: float) -> Accuracy:
        """Returns the bounds of values that are at most ``factor * size + more``, and that are rounded by `rounding` of that."""
        product = scaled(loop, self.size, factor)
        size = total(loop, product, loop.const(more, F64)) if more else product
        return Accuracy(size, total(loop, scaled(loop, self.error, factor), scaled(loop, size, rounding)))


def total(loop: LoopBuilder, *terms: Value) -> Value:
    """Returns the sum of values."""
    return loop.fold("add", terms)


def scaled(loop: LoopBuilder, value: Value, factor: float) -> Value:
    """Returns a float64 value times a number."""
    return loop.call("multiply", value, loop.const(factor, F64))


class Tensor:
    """A tensor [rows, *shape]; `columns` are its values of a row in C order.

    `accuracy` returns its bounds: None where the values are the library's to the last bit.
    """

    def __init__(
        self,
        loop: LoopBuilder,
        columns: Sequence[Value] | Callable[[], Sequence[Value]],
        shape: tuple[int, ...],
        accuracy: Callable[[], Accuracy] | None = None,
    ) -> None:
        self.loop, self.shape, self.accuracy = loop, shape, accuracy
        self._columns = columns

    @cached_property
    def columns(self) -> tuple[Value, ...]:
        made = tuple(self._columns() if callable(self._columns) else self._columns)
        assert len(made) == prod(self.shape)
        return made

    @property
    def type(self) -> Type:
        """The type of all values."""
        return self.columns[0].type.plain()

    @property
    def exact(self) -> bool:
        return self.accuracy is None

    @cached_property
    def bounds(self) -> Accuracy:
        """The bounds of an approximate tensor, and of an exact one."""
        if self.accuracy is not None:
            return self.accuracy()
        loop, zero = self.loop, self.loop.const(0.0, F64)
        sizes = [loop.call("absolute", loop.cast(value, F64)) for value in self.columns]
        return Accuracy(loop.fold("maximum", sizes, zero), zero)

    def like(self, columns: Sequence[Value], shape: tuple[int, ...] | None = None) -> Tensor:
        """Returns some of the values in another shape or order, with the same bounds."""
        return Tensor(self.loop, columns, self.shape if shape is None else shape, self.accuracy)


def largest_of(loop: LoopBuilder, each: Sequence[Accuracy]) -> Accuracy:
    """Returns bounds that are at least each of several ones."""
    return Accuracy(loop.fold("maximum", [b.size for b in each]), loop.fold("maximum", [b.error for b in each]))


def joined(tensors: Sequence[Tensor]) -> Callable[[], Accuracy] | None:
    """Returns the bounds of the values of several tensors together."""
    loop = tensors[0].loop
    if all(t.exact for t in tensors):
        return None
    return lambda: largest_of(loop, [t.bounds for t in tensors])
