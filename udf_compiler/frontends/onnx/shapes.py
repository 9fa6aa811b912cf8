"""Translates operators that move values without changing them: shapes, selections, tables and reductions of a row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops import Lookup
from sparkweld.ir.types import F32, I64, STR
from udf_compiler.frontends.models.features import Features, guard_finite
from udf_compiler.frontends.models.labels import all_of, labels
from udf_compiler.frontends.networks.layers import clear_largest
from udf_compiler.frontends.networks.tensors import Tensor, joined
from udf_compiler.frontends.onnx.arithmetic import KINDS, without_bounds
from udf_compiler.frontends.onnx.step import Argument, Operator, Step
from udf_compiler.frontends.onnx.values import Across, Maps, Sizes
from udf_compiler.frontends.tracing.utf8 import check_text


def _same(step: Step, x: Argument, *others: Argument) -> list[Argument]:
    return [x]


def _dropout(step: Step, x: Argument, *others: Argument) -> list[Argument]:
    if len(others) > 1 and others[1] is not None and np.any(step.constant(others[1], "a mode")):
        step.refuse("the mode of training")
    return [x, None]


def _reshape(step: Step, x: Argument, shape: Argument = None) -> list[Argument]:
    new = [int(n) for n in step.constant(shape, "a shape")]
    if isinstance(x, Across) and new[:1] != [-1]:
        step.refuse(f"the shape {new}, which is not of the batch's rows")
    given = x.values if isinstance(x, Across) else step.tensor(x)
    count = len(given.columns)
    if new and new[0] == 0 and not step.attribute("allowzero", 0):
        new[0] = -1  # a copy of the number of rows
    rest = new[1:]
    if not new or new[0] != -1 or any(n < 1 for n in rest) or prod(rest) != count:
        step.refuse(f"the shape {new}, which is not of the batch's rows")
    return [given.like(given.columns, tuple(rest))]


def _flatten(step: Step, x: Argument) -> list[Argument]:
    given = step.tensor(x)
    if step.attribute("axis", 1) != 1:
        step.refuse("another axis than 1")
    return [given.like(given.columns, (len(given.columns),))]


def _axes(step: Step, axes: Argument) -> list[int]:
    found = step.attribute("axes") if axes is None else step.constant(axes, "axes").tolist()
    return [int(a) for a in found or []]


def _squeeze(step: Step, x: Argument, axes: Argument = None) -> list[Argument]:
    given, rank = step.tensor(x), len(step.tensor(x).shape) + 1
    found = sorted(a % rank for a in _axes(step, axes))
    if not found or found[0] == 0:
        step.refuse("axes that may be the rows'")
    return [given.like(given.columns, tuple(n for at, n in enumerate(given.shape, 1) if at not in found))]


def _unsqueeze(step: Step, x: Argument, axes: Argument = None) -> list[Argument]:
    given = step.tensor(x)
    found = _axes(step, axes)
    rank = len(given.shape) + 1 + len(found)
    places = sorted(a % rank for a in found)
    if not places or places[0] == 0:
        step.refuse("an axis before the rows")
    shape = list(given.shape)
    for at in places:
        shape.insert(at - 1, 1)
    return [given.like(given.columns, tuple(shape))]


def _last_axis(step: Step, x: Tensor, default: int) -> None:
    if step.attribute("axis", default) % (len(x.shape) + 1) != len(x.shape):
        step.refuse("another axis than the last one")


def _concat(step: Step, *arguments: Argument) -> list[Argument]:
    tensors = [step.alone(step.tensor(a)) for a in arguments]
    _last_axis(step, tensors[0], 1)
    if len({t.type for t in tensors}) > 1:
        step.refuse("tensors of several types")
    columns = [v for t in tensors for v in t.columns]
    return [Tensor(step.loop, columns, (len(columns),), joined(tensors))]


def _vectorizer(step: Step, *arguments: Argument) -> list[Argument]:
    """Joins tensors as 32-bit floats."""
    tensors = [step.alone(step.tensor(a)) for a in arguments]
    if [len(t.columns) for t in tensors] != list(step.attribute("inputdimensions", ())):
        step.refuse("other dimensions than its arguments have")
    columns = [step.loop.cast(v, F32) for t in tensors for v in t.columns]
    return [Tensor(step.loop, columns, (len(columns),), joined(tensors))]


def _chosen(step: Step, x: Argument, indices: Argument) -> list[Argument]:
    """Implements ArrayFeatureExtractor: columns by constant numbers, or constants by a number of each row."""
    if isinstance(x, np.ndarray):
        index = step.exact(step.tensor(indices))
        if len(index.columns) != 1 or index.type.is_float or x.size != x.shape[-1]:
            step.refuse("several indices of a row, or a table with several rows")
        return [Across(_taken(step, x.ravel(), index.columns[0], ()))]
    given = step.alone(step.tensor(x))
    places = step.constant(indices, "indices").ravel()
    return [given.like([given.columns[int(at)] for at in places], (len(places),))]


def _gather(step: Step, x: Argument, indices: Argument) -> list[Argument]:
    axis = step.attribute("axis", 0)
    if isinstance(x, np.ndarray):
        index = step.exact(step.tensor(indices))
        if x.ndim != 1 or axis not in (0, -1) or len(index.columns) != 1 or index.type.is_float:
            step.refuse("a table with several values for an index")
        return [_taken(step, x, index.columns[0], index.shape)]
    given, places = step.alone(step.tensor(x)), step.constant(indices, "indices")
    if axis not in (1, -1) or places.ndim > 1:
        step.refuse("another axis than the last one")
    columns = [given.columns[int(at)] for at in np.atleast_1d(places)]
    return [given.like(columns, places.shape)]


def _taken(step: Step, table: np.ndarray, index: Value, shape: tuple[int, ...]) -> Tensor:
    """Returns ``table[index]``. Rows with another index run in Python."""
    loop, index = step.loop, step.loop.cast(index, I64)
    low = loop.call("greater_equal", index, loop.const(0, I64))
    loop.guard(loop.call("logical_and", low, loop.call("less", index, loop.const(len(table), I64))), local=True)
    return Tensor(loop, labels(Features(loop, ()), index, table, step.call).values, shape)


def _slice(step: Step, x: Argument, *arguments: Argument) -> list[Argument]:
    given = step.alone(step.tensor(x))
    names = ("starts", "ends", "axes", "steps")
    parts = dict(zip(names, (None if a is None else step.constant(a, "a limit").tolist() for a in arguments), strict=False))
    starts, ends, axes = (parts.get(name) or step.attribute(name) for name in names[:3])
    if starts is None or ends is None or axes not in ([1], [-1]):
        step.refuse("another axis than the last one")
    [start], [end], [stride] = starts, ends, parts.get("steps") or [1]
    columns = given.columns[start:end:stride]
    return [given.like(columns, (len(columns),))]


def _argmax(step: Step, x: Argument) -> list[Argument]:
    given = step.alone(step.tensor(x))
    _last_axis(step, given, 0)
    if step.attribute("select_last_index", 0):
        step.refuse("select_last_index")
    shape = (1,) if step.attribute("keepdims", 1) else ()
    return [Tensor(step.loop, [clear_largest(given)], shape)]


def _reduced(fn: str, step: Step, x: Argument, axes: Argument = None) -> list[Argument]:
    given, loop = step.alone(step.tensor(x)), step.loop
    if _axes(step, axes) not in ([1], [-1]) or not given.type.is_float:
        step.refuse("another axis than the last one, or integers")
    guard_finite(loop, given.columns)
    shape = (1,) if step.attribute("keepdims", 1) else ()
    if fn in ("maximum", "minimum"):  # of 0.0 and -0.0, the one that the library's vectors find first
        return [Tensor(loop, [loop.fold(fn, given.columns)], shape, lambda: given.bounds)]
    _guard_order(step, fn, given)
    value = loop.fold("multiply" if fn == "product" else "add", given.columns)
    if fn == "mean":
        value = loop.call("divide", value, loop.const(len(given.columns), given.type))
    return [Tensor(loop, [value], shape, without_bounds(step))]


def _guard_order(step: Step, fn: str, x: Tensor) -> None:
    """Sends rows to Python in which an order of additions or multiplications may overflow, or lose small factors."""
    loop, count = step.loop, len(x.columns)
    low, high = (1e-30 ** (1 / count), 1e37 ** (1 / count)) if fn == "product" else (0.0, 1e37 / count)
    fine = []
    for value in x.columns:
        zero, least, most = (loop.const(limit, value.type) for limit in (0.0, low, high))
        size = loop.call("absolute", value)
        large = loop.call("logical_or", loop.call("greater_equal", size, least), loop.call("equal", value, zero))
        fine.append(loop.call("logical_and", large, loop.call("less", size, most)))
    loop.guard(all_of(loop, fine), local=True)


def _encoded(step: Step, x: Argument) -> list[Argument]:
    """Implements LabelEncoder of strings and integers: a table with a default."""
    given, loop = step.exact(step.tensor(x)), step.loop
    kinds = {"strings": (str, STR, "_Unused"), "int64s": (int, I64, -1), "floats": (float, F32, -0.0)}
    keys = next((k for k in kinds if step.attribute(f"keys_{k}") is not None), None)
    values = next((k for k in kinds if step.attribute(f"values_{k}") is not None), None)
    if keys in (None, "floats") or values is None:
        step.refuse("keys of another type than strings and integers")
    _, type, _ = kinds[keys]
    _, made, missing = kinds[values]
    default = step.attribute(f"default_{values[:-1]}", missing)
    table: dict[object, object] = {}
    for key, value in zip(step.attribute(f"keys_{keys}"), step.attribute(f"values_{values}"), strict=True):
        table.setdefault(check_text(key, step.call) if type == STR else key, value)  # the first of equal keys
    if given.type != type:
        step.refuse("values of another type than its keys")
    found = [loop.emit(Lookup.of(table, type, made), v) for v in given.columns]
    other = loop.const(default, made)
    return [given.like([loop.select(loop.is_valid(v), loop.value_of(v), other) for v in found])]


def _one_hot(step: Step, x: Argument) -> list[Argument]:
    """Returns a 32-bit 1 for the category of each value, else 0. With ``zeros=0``, rows without a category run in Python."""
    given, loop = step.exact(step.tensor(x)), step.loop
    strings = step.attribute("cats_strings")
    known: Sequence[Any] = strings or step.attribute("cats_int64s", ())
    if given.type.is_float or (given.type == STR) != bool(strings):
        step.refuse("values of another type than its categories")
    if len(set(known)) != len(known):
        step.refuse("equal categories")
    columns: list[Value] = []
    for value in given.columns:
        hits = [loop.call("equal", value, loop.const(c, given.type)) for c in known]
        if not step.attribute("zeros", 1):
            loop.guard(loop.fold("logical_or", hits), local=True)
        columns += [loop.cast(hit, F32) for hit in hits]
    return [Tensor(loop, columns, (*given.shape, len(known)))]


def _zipmap(step: Step, x: Argument) -> list[Argument]:
    keys = step.attribute("classlabels_strings") or step.attribute("classlabels_int64s")
    given = step.alone(step.tensor(x))
    if len(set(keys)) != len(keys) or len(keys) != len(given.columns):
        step.refuse("equal keys, or keys of another number")
    order = sorted(range(len(keys)), key=keys.__getitem__)  # of the dictionaries
    return [Maps(tuple(keys[at] for at in order), given.like([given.columns[at] for at in order]))]


def _shape(step: Step, x: Argument) -> list[Argument]:
    if step.attribute("start", 0) or step.attribute("end") is not None:
        step.refuse("a part of the shape")
    return [Sizes(step.tensor(x).shape)]


def _filled(step: Step, sizes: Argument) -> list[Argument]:
    if not isinstance(sizes, Sizes):
        step.refuse("a computed shape")
    value = np.ravel(step.attribute("value", np.zeros(1, np.float32)))
    if value.dtype not in KINDS:
        step.refuse(f"values of type {value.dtype}")
    constant = step.loop.const(value[0], KINDS[value.dtype])
    return [Tensor(step.loop, [constant] * prod(sizes.shape), sizes.shape)]


def _constant(step: Step) -> list[Argument]:
    [(name, value)] = step.node.attributes.items()
    if name == "value":
        return [value]
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    return [np.array(value, kinds[name])] if name in kinds else step.refuse(name)


OPERATORS: dict[str, Operator] = {
    "Constant": _constant,
    "Identity": _same,
    "Dropout": _dropout,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "ArgMax": _argmax,
    **{f"Reduce{name}": partial(_reduced, fn) for name, fn in
       {"Max": "maximum", "Min": "minimum", "Sum": "sum", "Mean": "mean", "Prod": "product"}.items()},
    "Shape": _shape,
    "ConstantOfShape": _filled,
    "ai.onnx.ml.ArrayFeatureExtractor": _chosen,
    "ai.onnx.ml.FeatureVectorizer": _vectorizer,
    "ai.onnx.ml.LabelEncoder": _encoded,
    "ai.onnx.ml.OneHotEncoder": _one_hot,
    "ai.onnx.ml.ZipMap": _zipmap,
}  # fmt: skip
