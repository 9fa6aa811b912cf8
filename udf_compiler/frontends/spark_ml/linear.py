"""Lowers Spark's linear models to weighted sums of the features.

The sums are approximate, with a documented error bound: BLAS adds in an order of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from udf_compiler.frontends.models.features import guard_finite
from udf_compiler.frontends.models.sparse_text_features import ExactScores, StoredScores, Terms
from udf_compiler.frontends.models.sums import Scores, scores
from udf_compiler.frontends.spark_ml.classes import above, classifier, sigmoid, softmax
from udf_compiler.frontends.spark_ml.stages import Argument, Maybe, Rule, Stage, Vector, double, one_vector, vector_of

_EPS = float(np.finfo(np.float64).eps)


def margins(stage: Stage, loop: LoopBuilder, x: Vector) -> Scores:
    """Computes ``coefficients . x + intercept``, one sum per row of coefficients.

    A sum omits columns whose coefficient is 0; rows where such a column is infinite or NaN are guarded. Sums over words, and over
    sparse rows of a stored vector, equal those of Spark exactly.
    """
    intercepts = stage.arrays["intercepts"]
    weights = stage.arrays["coefficients"].reshape(len(intercepts), -1)
    x.sized(weights.shape[1], stage)
    if not (np.isfinite(weights).all() and np.isfinite(intercepts).all()):
        stage.refuse("a coefficient that is not finite")
    summed = x.summed
    if isinstance(summed, Terms):
        check = "none" if weights.all() else "finite"  # Spark's coefficients may be sparse, which omits 0 times infinity
        of_stored = summed.scores(weights.T, intercepts, stage.name, bool(stage.params.get("fromIntercepts")), check)
        if isinstance(of_stored, StoredScores):
            of_stored.kept(stage.name)
        return of_stored
    dropped = [c for c, w in zip(summed.columns, weights.T, strict=True) if not w.all() and isinstance(c, Value)]
    guard_finite(loop, dropped)
    made = scores(summed, weights.T, intercepts, stage.name)
    made.kept(stage.name)
    made.label_of(stage.name)
    return made


def errors_of(made: Scores, times: int = 1) -> Callable[[], list[Value]] | None:
    """Returns a function of each sum's distance bound from Spark's, repeated `times` times; None if the sums are equal."""
    if isinstance(made, ExactScores):
        return None
    return lambda: [made.error(at) for at in range(len(made.values))] * times


def linear_regression(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Maybe:
    """Implements LinearRegressionModel: returns the sum itself."""
    return Maybe(margins(stage, loop, one_vector(args)).values[0])


def _logistic_raw(stage: Stage, loop: LoopBuilder, x: Vector) -> Vector:
    made = margins(stage, loop, x)
    if not stage.params["binomial"]:
        return vector_of(loop, made.values, "dense", errors_of(made))
    margin = made.values[0]
    return vector_of(loop, [loop.call("negative", margin), margin], "dense", errors_of(made, times=2))


def _logistic_probability(stage: Stage, loop: LoopBuilder, raw: Vector) -> Vector:
    if not stage.params["binomial"]:
        return softmax(stage, loop, raw)
    none = sigmoid(loop, raw.values[0])

    def errors() -> list[Value]:  # the slope of the sigmoid is at most a quarter
        given = raw.errors()[0] if raw.errors else double(loop, 0.0)
        off = loop.call("add", loop.call("multiply", double(loop, 0.5), given), double(loop, 32 * _EPS))
        return [off, off]

    return vector_of(loop, [none, loop.call("subtract", double(loop, 1.0), none)], "dense", errors)


def _by_score(stage: Stage, loop: LoopBuilder, raw: Vector) -> Value:
    """Returns the class of a binomial model: 1 where its score is above the threshold's score."""
    return above(loop, raw.values[1], stage.number("score"), raw.errors()[1] if raw.errors else None)


def _by_probability(stage: Stage, loop: LoopBuilder, probabilities: Vector) -> Value:
    error = probabilities.errors()[1] if probabilities.errors else None
    return above(loop, probabilities.values[1], stage.number("threshold"), error)


def _logistic() -> dict[str, Rule]:
    """Returns the rules of LogisticRegressionModel.

    A binomial model has one score and compares it with a threshold; a multinomial model is an ordinary classifier.
    """
    name = "LogisticRegressionModel"
    multinomial = classifier(name, _logistic_raw, _logistic_probability)
    binomial = classifier(name, _logistic_raw, _logistic_probability, _by_score, _by_probability)
    # Without columns of raw scores and probabilities, the model compares the probability.
    binomial[f"{name}.predict"] = lambda stage, loop, args: Maybe(
        _by_probability(stage, loop, _logistic_probability(stage, loop, _logistic_raw(stage, loop, one_vector(args))))
    )

    def choosing(call: str) -> Rule:
        return lambda stage, loop, args: (binomial if stage.params["binomial"] else multinomial)[call](stage, loop, args)

    return {call: choosing(call) for call in binomial}


def _support_raw(stage: Stage, loop: LoopBuilder, x: Vector) -> Vector:
    made = margins(stage, loop, x)
    return vector_of(loop, [loop.call("negative", made.values[0]), made.values[0]], "dense", errors_of(made, times=2))


def _by_margin(stage: Stage, loop: LoopBuilder, raw: Vector) -> Value:
    """Returns the class of LinearSVCModel: 1 where the margin is above the threshold."""
    return above(loop, raw.values[1], stage.number("threshold"), raw.errors()[1] if raw.errors else None)


_TINY, _HUGE = 1e-16, float(np.finfo(np.float64).max)
_LINKS = {"gaussian": "identity", "binomial": "logit", "poisson": "log", "gamma": "inverse"}


def _link(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Maybe:
    """Computes the linear predictor of GeneralizedLinearRegressionModel."""
    x, offset = args
    assert isinstance(x, Vector) and isinstance(offset, Maybe)
    return Maybe(loop.call("add", margins(stage, loop, x).values[0], offset.value), offset.valid)


def _fitted(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Maybe:
    """Computes the mean from a linear predictor: applies the inverse link and clamps to the family's range."""
    (given,) = args
    assert isinstance(given, Maybe)
    family, eta, one = stage.params["family"], given.value, double(loop, 1.0)
    if family not in _LINKS:
        stage.refuse(f"the family {family}")
    link = stage.params["link"] or _LINKS[family]
    if link == "identity":
        mean = eta
    elif link == "logit":
        mean = sigmoid(loop, eta)
    elif link == "log":
        mean = loop.call("exp", eta)
    elif link == "inverse":
        mean = loop.call("divide", one, eta)
    elif link == "sqrt":
        mean = loop.call("multiply", eta, eta)
    elif link == "cloglog":
        mean = loop.call("subtract", one, loop.call("exp", loop.call("negative", loop.call("exp", eta))))
    else:
        stage.refuse(f"the link {link}")
    return Maybe(_in_range(loop, family, mean), given.valid)


def _in_range(loop: LoopBuilder, family: str, mean: Value) -> Value:
    """Implements `Family.project`, which clamps the mean; NaN stays NaN."""

    def at_most(limit: float, value: Value) -> Value:
        return loop.select(loop.call("greater", value, double(loop, limit)), double(loop, limit), value)

    def at_least(limit: float, value: Value) -> Value:
        return loop.select(loop.call("less", value, double(loop, limit)), double(loop, limit), value)

    if family == "gaussian":
        return at_most(_HUGE, at_least(-_HUGE, mean))
    return at_least(_TINY, at_most(1 - _TINY if family == "binomial" else _HUGE, mean))


def _mean(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Maybe:
    return _fitted(stage, loop, [_link(stage, loop, args)])


STAGES: dict[str, Rule] = {
    "LinearRegressionModel.predict": linear_regression,
    **_logistic(),
    **classifier("LinearSVCModel", _support_raw, by_raw=_by_margin),
    "GeneralizedLinearRegressionModel.predictLink": _link,
    "GeneralizedLinearRegressionModel.fitted": _fitted,
    "GeneralizedLinearRegressionModel.predict": _mean,
}

KEPT = frozenset({"LinearRegressionModel", "LogisticRegressionModel", "LinearSVCModel", "GeneralizedLinearRegressionModel"})
