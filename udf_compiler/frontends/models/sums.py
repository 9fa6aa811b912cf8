"""Emits weighted sums of a row's features, with a bound on the difference between any two orders of addition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import I64, Type
from udf_compiler.frontends.models.features import Features, Indicator
from udf_compiler.frontends.models.labels import all_of, keep, largest
from udf_compiler.frontends.pandas.calls.reductions import argmax
from udf_compiler.frontends.tracing.lower import type_of
from udf_compiler.frontends.tracing.session import check_size, current


@dataclass(frozen=True)
class Scores:
    """The sums ``x @ weights + offsets`` of a row: one of `values` per column of `weights` (features x outputs).

    Two floating-point sums of the same m terms differ by at most 2 * m * eps * sum(|term|) (Higham, Accuracy and Stability of
    Numerical Algorithms, section 4.2). So two scores that differ by more compare the same in both.
    """

    x: Features
    weights: np.ndarray
    offsets: np.ndarray
    values: tuple[Value, ...]
    type: Type

    @property
    def terms(self) -> int:
        return len(self.weights) + 1

    def kept(self, call: str) -> None:
        """Notes that the values themselves are results: they are approximate, with a documented bound."""
        bound = f"{2 * self.terms} * eps * sum(|x * w|)"
        keep("dot", bound, call)
        current().note(f"{call} adds {self.terms} terms in column order: within {bound} of the library's sum")

    def label_of(self, call: str) -> None:
        """Notes that a label depends on scores of features that are approximate themselves."""
        if self.x.kept:
            keep("label", "rows whose best scores differ by less than the error of the features", call)

    def error(self, at: int) -> Value:
        """Returns the bound on a score's difference from the library's."""
        loop, info = self.x.loop, np.finfo(self.type.dtype)
        sizes = weighted_sum(self.x, self.weights[:, at], float(self.offsets[at]), self.type, absolute=True)
        scaled = loop.call("multiply", sizes, loop.const(2 * (self.terms + 2) * float(info.eps), self.type))
        return loop.call("add", scaled, loop.const(self.terms * float(info.tiny), self.type))

    def positive(self, fn: str = "greater") -> Value:
        """Returns whether the only score is above 0, or compares to it by `fn`, as in the library; guards rows too close to 0."""
        loop, (value,) = self.x.loop, self.values
        zero = loop.const(0, self.type)
        sizes = weighted_sum(self.x, self.weights[:, 0], float(self.offsets[0]), self.type, absolute=True)
        clear = loop.call("greater", loop.call("absolute", value), self.error(0))
        loop.guard(loop.call("logical_or", clear, loop.call("equal", sizes, zero)), local=True)  # without terms, both sums are 0
        return loop.call(fn, value, zero)

    def largest(self) -> Value:
        """Returns the index of the largest score, as in the library; rows with two scores too close together are guarded."""
        return clear_argmax(self.x.loop, self.values, [self.error(j) for j in range(len(self.values))])


def clear_argmax(loop: LoopBuilder, values: Sequence[Value], errors: Sequence[Value]) -> Value:
    """Returns ``np.argmax`` of values with these `errors`; rows where an error matters are guarded.

    No errors: values are exact.
    """
    index = argmax(loop, values)
    if not errors:
        return index
    lows = [loop.call("subtract", v, e) for v, e in zip(values, errors, strict=True)]
    low = largest(loop, lows)
    clear = []
    for j, (value, error) in enumerate(zip(values, errors, strict=True)):
        below = loop.call("less", loop.call("add", value, error), low)
        clear.append(loop.call("logical_or", below, loop.call("equal", index, loop.const(j, I64))))
    loop.guard(all_of(loop, clear), local=True)
    check_size(loop)
    return index


def scores(x: Features, weights: np.ndarray, offsets: np.ndarray, call: str) -> Scores:
    """Returns the scores of validated features. `weights`: features x outputs; `offsets`: one per output."""
    if not isinstance(x, Features):
        return x.scores(weights, offsets, call)  # type: ignore[no-any-return,attr-defined]
    type = type_of(np.result_type(x.types[0].dtype, weights.dtype), call)
    values = tuple(weighted_sum(x, weights[:, j], float(offsets[j]), type) for j in range(weights.shape[1]))
    return Scores(x, weights, offsets, values, type)


def weighted_sum(x: Features, weights: Sequence[float] | np.ndarray, offset: float, type: Type, absolute: bool = False) -> Value:
    """Returns ``x @ weights + offset`` in column order; if `absolute`, of absolute values. Indicators become lookups."""
    loop = x.loop
    total: Value | None = None
    for product in _products(x, np.asarray(weights, type.dtype), type, absolute):
        total = product if total is None else loop.call("add", total, product)
    total = loop.const(0, type) if total is None else loop.call("add", total, loop.const(0, type))  # + 0 turns -0.0 into 0.0
    if offset:
        total = loop.call("add", total, loop.const(abs(offset) if absolute else offset, type))
    check_size(loop)
    return total


def _products(x: Features, weights: np.ndarray, type: Type, absolute: bool) -> list[Value]:
    """Returns one term per column; columns of weight 0 are omitted, because x is finite."""
    loop, products = x.loop, []
    groups: dict[int, list[int]] = {}
    for at, column in enumerate(x.columns):
        if isinstance(column, Indicator):
            groups.setdefault(id(column.by_group), []).append(at)
        elif weights[at] != 0:
            products.append(_product(loop, loop.cast(column, type), weights[at], type, absolute))
    for members in groups.values():
        first = x.columns[members[0]]
        assert isinstance(first, Indicator)
        table = np.zeros(first.count, type.dtype)
        for at in members:
            table[x.columns[at].at] += weights[at]  # type: ignore[union-attr]
        if table.any():
            products.append(first.by_group(list(np.abs(table) if absolute else table), type))
    return products


def _product(loop: LoopBuilder, value: Value, weight: float, type: Type, absolute: bool) -> Value:
    if not absolute:
        return loop.call("multiply", value, loop.const(weight, type))
    return loop.call("absolute", loop.call("multiply", value, loop.const(weight, type)))
