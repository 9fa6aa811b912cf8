"""Translates layers of networks and linear models: MatMul, Gemm and their activations as one op for all layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import F32, I64
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.labels import labels
from udf_compiler.frontends.networks.layers import Dense, apply_activation, clear_above, clear_largest, dense, with_bias
from udf_compiler.frontends.networks.tensors import Tensor
from udf_compiler.frontends.onnx.step import Argument, Operator, Step


def _matmul(step: Step, x: Argument, weights: Argument) -> list[Argument]:
    given, array = step.alone(step.tensor(x)), step.constant(weights, "a second matrix")
    if array.ndim != 2 or given.shape[0] != len(array) or array.dtype.kind != "f":
        step.refuse(f"a matrix of shape {array.shape}")
    return [dense(given, array, np.zeros(array.shape[1], array.dtype))]


def _gemm(step: Step, x: Argument, weights: Argument, bias: Argument = None) -> list[Argument]:
    if step.attribute("alpha", 1.0) != 1 or step.attribute("beta", 1.0) != 1 or step.attribute("transA", 0):
        step.refuse("alpha, beta or transA")
    array = step.constant(weights, "a second matrix")
    array = array.T if step.attribute("transB", 0) else array
    [made] = _matmul(step, x, array)
    if bias is None:
        return [made]
    return [with_bias(step.tensor(made), step.constant(bias, "bias")) or step.refuse("a bias of another shape")]


def _activation(name: str, step: Step, x: Argument) -> list[Argument]:
    given = step.tensor(x)
    if isinstance(given, Dense) and given.layers.last == "identity":
        return [replace(given.layers, last=name).tensor()]
    if not given.type.is_float:
        step.refuse("integers")
    return [apply_activation(given, name)]


def _softmax(step: Step, x: Argument) -> list[Argument]:
    given = step.alone(step.tensor(x))
    if step.attribute("axis", -1 if step.node.opset >= 13 else 1) not in (1, -1):
        step.refuse("another axis")
    return _activation("softmax", step, given)


def labelled(step: Step, index: Value, classes: Sequence[int] | Sequence[str]) -> Tensor:
    """Returns the label of each row's class."""
    made = labels(Features(step.loop, ()), index, np.array(classes), step.call)
    return Tensor(step.loop, made.values, ())


def classes_of(step: Step) -> list[int] | list[str]:
    """Returns the labels of a classifier's classes."""
    names = ("classlabels_strings", "classlabels_ints", "classlabels_int64s")
    found = next((step.attribute(name) for name in names if step.attribute(name)), None)
    return found if found is not None else step.refuse("no labels")


def transformed(step: Step, scores: Tensor, name: str) -> Tensor:
    """Returns the scores of several classes after `post_transform`. Refuses PROBIT and SOFTMAX_ZERO."""
    if name == "NONE":
        return scores
    if name not in ("LOGISTIC", "SOFTMAX"):
        step.refuse(f"post_transform {name}")
    return step.tensor(_activation(name.lower(), step, scores)[0])


def probabilities_of_two(step: Step, score: Tensor) -> Tensor:
    """Returns ``[logistic(-s), logistic(s)]`` of the only score."""
    loop, [s] = step.loop, score.columns
    both = Tensor(loop, [loop.call("negative", s), s], (2,), score.accuracy)
    return apply_activation(both, "logistic")


def _weights(step: Step, count: int) -> tuple[np.ndarray, np.ndarray]:
    coefficients = np.array(step.attribute("coefficients", ()), np.float32).reshape(count, -1).T
    intercepts = np.array(step.attribute("intercepts", ()) or [0.0] * count, np.float32)
    return coefficients, intercepts


def _single(step: Step, x: Argument) -> Tensor:
    """Returns the argument as 32-bit floats."""
    given, loop = step.alone(step.tensor(x)), step.loop
    return given if given.type == F32 else Tensor(loop, [loop.cast(v, F32) for v in given.columns], given.shape, given.accuracy)


def _linear_regressor(step: Step, x: Argument) -> list[Argument]:
    if step.attribute("post_transform", "NONE") != "NONE":
        step.refuse("a post_transform")
    return [dense(_single(step, x), *_weights(step, step.attribute("targets", 1)))]


def _linear_classifier(step: Step, x: Argument) -> list[Argument]:
    classes = classes_of(step)
    count = len(step.attribute("intercepts", ()))
    if not count:
        step.refuse("no intercepts")
    scores = dense(_single(step, x), *_weights(step, count))
    transform = step.attribute("post_transform", "NONE")
    label: Tensor | None = None
    if count == 1:
        if len(classes) != 2:
            step.refuse("one score for other than two classes")
        if step.requires(0):
            label = labelled(step, step.loop.cast(clear_above(scores, 0.0), I64), classes)
        if step.requires(1):
            step.refuse("probabilities of one score")
        return [label, None]
    if step.requires(0):
        label = labelled(step, clear_largest(scores), classes)
    return [label, transformed(step, scores, transform) if step.requires(1) else None]


OPERATORS: dict[str, Operator] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Softmax": _softmax,
    **{name: partial(_activation, known) for name, known in {"Relu": "relu", "Sigmoid": "logistic", "Tanh": "tanh"}.items()},
    "ai.onnx.ml.LinearRegressor": _linear_regressor,
    "ai.onnx.ml.LinearClassifier": _linear_classifier,
}
