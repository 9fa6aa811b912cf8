"""Lowers Spark's naive Bayes, k-means and multilayer perceptron models."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Mlp
from sparkweld.ir.ops.models import Distances
from sparkweld.ir.types import I32
from udf_compiler.frontends.models.labels import keep
from udf_compiler.frontends.models.sparse_text_features import StoredScores, Terms, TextPart
from udf_compiler.frontends.models.sums import clear_argmax, scores
from udf_compiler.frontends.spark_ml.classes import classifier, softmax
from udf_compiler.frontends.spark_ml.linear import errors_of
from udf_compiler.frontends.spark_ml.stages import Argument, Maybe, Rule, Stage, Vector, double, one_vector, vector_of

_EPS = float(np.finfo(np.float64).eps)


def _bayes(stage: Stage, loop: LoopBuilder, x: Vector) -> Vector:
    """Implements multinomial and bernoulli NaiveBayesModel: one weighted sum per class. Guards values for which Spark raises."""
    pi = stage.arrays["pi"]
    theta = stage.arrays["theta"].reshape(len(pi), -1)
    x.sized(theta.shape[1], stage)
    summed = x.summed if x.is_words or stage.params["kind"] == "multinomial" else x.features
    if isinstance(summed, Terms):
        return _bayes_of_words(stage, loop, summed, theta, pi)
    for value in x.values:
        if stage.params["kind"] == "bernoulli":
            one = loop.call("equal", value, double(loop, 1.0))
            loop.guard(loop.call("logical_or", one, loop.call("equal", value, double(loop, 0.0))))
        else:
            loop.guard(
                loop.call("logical_and", loop.call("greater_equal", value, double(loop, 0.0)), loop.call("isfinite", value))
            )
    if stage.params["kind"] == "bernoulli":
        absent = np.log(1.0 - np.exp(theta))
        pi, theta = pi + absent.sum(axis=1), theta - absent
    elif stage.params["kind"] != "multinomial":
        stage.refuse(f"the model type {stage.params['kind']}")
    if not (np.isfinite(theta).all() and np.isfinite(pi).all()):
        stage.refuse("a probability of 0")
    made = scores(summed, theta.T, pi, stage.name)
    made.kept(stage.name)
    # pi of a bernoulli model is itself a sum, which Spark adds in another order
    slack = double(loop, 8 * (theta.shape[1] + 4) * _EPS * float(np.abs(pi).max() + np.abs(theta).sum(axis=1).max()))
    return vector_of(loop, made.values, "dense", lambda: [loop.call("add", made.error(at), slack) for at in range(len(pi))])


def _bayes_of_words(stage: Stage, loop: LoopBuilder, terms: Terms, theta: np.ndarray, pi: np.ndarray) -> Vector:
    """Implements a multinomial model over word counts or a stored vector. Word counts are negative only if a scale is."""
    if stage.params["kind"] != "multinomial":
        stage.refuse(f"the model type {stage.params['kind']} for word counts")
    scales = [numbers for part in terms.parts if isinstance(part, TextPart) for _, numbers in part.steps if numbers is not None]
    if any((numbers < 0).any() for numbers in scales):
        stage.refuse("words that count below 0")
    if not (np.isfinite(theta).all() and np.isfinite(pi).all()):
        stage.refuse("a probability of 0")
    made = terms.scores(theta.T, pi, stage.name, check="positive")
    if isinstance(made, StoredScores):
        made.kept(stage.name)
    return vector_of(loop, made.values, "dense", errors_of(made))


#: Relative error bound of Spark's squared distance: MLUtils.fastSquaredDistance has a precision of 1e-6.
_NEAR = 1e-5


def _nearest(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Maybe:
    """Implements KMeansModel: the number of the nearest center. Guards rows with two nearly equal smallest distances."""
    x = one_vector(args)
    if stage.params["measure"] != "euclidean":
        stage.refuse(f"the distance measure {stage.params['measure']}")
    centers = stage.arrays["centers"].reshape(stage.params["count"], -1)
    x.sized(centers.shape[1], stage)
    if x.features.kept:
        keep("label", "rows whose distances to two centers differ by less than the error of the features", stage.name)
    for value in x.values:
        loop.guard(loop.call("isfinite", value))
    op = Distances.of(np.ascontiguousarray(centers))
    far = [loop.call("negative", loop.emit(op.at(at), *x.values)) for at in range(len(centers))]
    size = loop.fold("add", (loop.call("multiply", value, value) for value in x.values), double(loop, 0.0))
    # The error bound adds the cancellation in the norms to the precision that Spark accepts.
    norms = loop.call(
        "multiply", loop.call("add", size, double(loop, float((centers**2).sum(axis=1).max()))), double(loop, 1e-12)
    )
    errors = [loop.call("subtract", norms, loop.call("multiply", f, double(loop, _NEAR))) for f in far]
    return Maybe(loop.cast(clear_argmax(loop, far, errors), I32))


def _perceptron(stage: Stage, loop: LoopBuilder, x: Vector) -> Vector:
    """Implements MultilayerPerceptronClassificationModel: sigmoid layers, and the weighted sums of the last layer."""
    layers = stage.arrays["layers"].tolist()
    x.sized(layers[0], stage)
    weights, biases, at = [], [], 0
    for inputs, outputs in itertools.pairwise(layers):  # each layer: a matrix in column order, then the bias
        weights.append(stage.arrays["weights"][at : at + inputs * outputs].reshape(inputs, outputs))
        at += inputs * outputs
        biases.append(stage.arrays["weights"][at : at + outputs])
        at += outputs
    op = Mlp.of(weights, biases, "logistic", "identity")
    if op.bound is not None:
        keep("mlp", op.bound, stage.name)
    for value in x.values:
        loop.guard(loop.call("isfinite", value))
    made = [loop.emit(op.at(number), *x.values) for number in range(layers[-1])]
    return vector_of(loop, made, "dense", lambda: _errors(loop, x.values, weights, biases))


def _errors(loop: LoopBuilder, values: Sequence[Value], weights: list[np.ndarray], biases: list[np.ndarray]) -> list[Value]:
    """Bounds the error of each output.

    A sigmoid is below 1 and its slope below a quarter, so only the first layer's error depends on the row.
    """
    size = loop.fold("maximum", (loop.call("absolute", value) for value in values), double(loop, 0.0))
    scale = float(np.abs(weights[0]).sum(axis=0).max())
    units = 4.0 * (len(values) + 8) * _EPS
    error = loop.call(
        "multiply", loop.call("add", size, double(loop, 1.0)), double(loop, units * (scale + float(np.abs(biases[0]).max())))
    )
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        total = float(np.abs(weight).sum(axis=0).max())
        own = 4.0 * (len(weight) + 16) * _EPS * (total + float(np.abs(bias).max()))
        error = loop.call("add", loop.call("multiply", error, double(loop, total)), double(loop, own))
    return [error] * len(biases[-1])


STAGES: dict[str, Rule] = {
    **classifier("NaiveBayesModel", _bayes, softmax),
    "KMeansModel.predict": _nearest,
    **classifier("MultilayerPerceptronClassificationModel", _perceptron, softmax),
}

KEPT = frozenset({"NaiveBayesModel", "MultilayerPerceptronClassificationModel"})
