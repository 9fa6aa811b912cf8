"""Chooses labels of classes by values of rows, and notes the approximate ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Lookup
from sparkweld.ir.types import BOOL, I64, STR
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.tracing.lower import type_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.utf8 import check_text


def keep(operation: str, bound: str, call: str) -> None:
    """Notes a difference within a documented bound. Refuses it (SW820) where results must be exact."""
    if current().exact:
        refuse("SW820", call=call, bound=bound)
    current().keep(operation, bound)


def labels(x: Features, index: Value, classes: np.ndarray, call: str) -> Features:
    """Returns ``classes.take(index)``: the label of each row's class."""
    loop = x.loop
    kind = np.asarray(classes).dtype.kind
    if kind in "OU":
        if not all(isinstance(c, str) for c in classes):
            refuse("SW813", call=call, type="objects")
        table: dict[object, object] = {i: check_text(str(c), call) for i, c in enumerate(classes)}
        return Features(loop, (loop.value_of(loop.emit(Lookup.of(table, I64, STR), index)),), ndim=1)
    type = type_of(classes.dtype, call)
    if np.array_equal(classes, np.arange(len(classes))) and not np.signbit(classes[:1]).any():  # -0.0 equals 0
        return Features(loop, (loop.cast(index, type),), ndim=1)
    value = loop.const(classes[-1], type)
    for i in range(len(classes) - 2, -1, -1):
        value = loop.select(loop.call("equal", index, loop.const(i, I64)), loop.const(classes[i], type), value)
    return Features(loop, (value,), ndim=1)


def largest(loop: LoopBuilder, values: Sequence[Value]) -> Value:
    """Returns the largest of the values; NaN if any is NaN."""
    return loop.fold("maximum", values)


def all_of(loop: LoopBuilder, conditions: Sequence[Value]) -> Value:
    """Returns the conjunction of the conditions."""
    true = loop.const(True, BOOL)
    return loop.fold("logical_and", conditions) if conditions else true


def apart(loop: LoopBuilder, values: list[Value], index: Value, distance: float) -> Value:
    """Returns whether the others are more than `distance` below the largest value, or equal to it, so that exp keeps the
    order.
    """
    most, fine = largest(loop, values), []
    for at, value in enumerate(values):
        far = loop.call("greater", loop.call("subtract", most, value), loop.const(distance, value.type))
        one = loop.call("logical_or", far, loop.call("equal", index, loop.const(at, I64)))
        # Equal values have equal powers.
        fine.append(loop.call("logical_or", one, loop.call("equal", value, most)))
    return all_of(loop, fine)
