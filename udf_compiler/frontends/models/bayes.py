"""Translates scikit-learn's naive Bayes: joint log likelihoods of the classes, then labels and probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops import Lookup
from sparkweld.ir.text_models import ABOVE
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.models.features import Features, binarized, validated
from udf_compiler.frontends.models.labels import keep, labels, largest
from udf_compiler.frontends.models.sparse_text_features import ExactScores, Terms
from udf_compiler.frontends.models.sums import clear_argmax, scores
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.pandas.calls.reductions import pairwise_sum
from udf_compiler.frontends.tracing.session import check_size, refuse


class NaiveBayes(Translator):
    """A base class; `_joint` returns the log likelihoods of the classes and bounds on their errors (none: they are exact)."""

    KEPT = ("predict_proba", "predict_log_proba")

    def _joint(self, x: Features, call: str) -> tuple[list[Value], list[Value]]:
        raise NotImplementedError

    def predict(self, x: Features) -> Features:
        call = self.call("predict")
        if x.kept:
            keep("label", "rows whose best scores differ by less than the error of the features", call)
        values, errors = self._joint(x, call)
        return labels(x, clear_argmax(x.loop, values, errors), self.fitted("classes_"), call)

    def predict_log_proba(self, x: Features) -> Features:
        """Computes ``jll - logsumexp(jll)``."""
        call, loop = self.call("predict_log_proba"), x.loop
        values, _ = self._joint(x, call)
        keep("log likelihood", "(number of terms + 16) * eps * the largest |log likelihood|, absolute", call)
        total = log_sum_exp(x, values)
        return Features(loop, tuple(loop.call("subtract", v, total) for v in values), order="C", kept=True)

    def predict_proba(self, x: Features) -> Features:
        made = self.predict_log_proba(x)
        return made.array([made.loop.call("exp", v) for v in made.values])


def log_sum_exp(x: Features, values: Sequence[Value]) -> Value:
    """Returns the logarithm of the sum of exponentials, with the largest factored out."""
    loop, most = x.loop, largest(x.loop, values)
    total = pairwise_sum(loop, [loop.call("exp", loop.call("subtract", v, most)) for v in values])
    return loop.call("add", loop.call("log", total), most)


class GaussianNB(NaiveBayes):
    """Computes log prior - sum(log(2 pi var)) / 2 - sum((x - mean)^2 / var) / 2."""

    def _joint(self, x: Features, call: str) -> tuple[list[Value], list[Value]]:
        made = validated(self.model, x, call)
        loop = made.loop
        columns = [loop.cast(v, F64) for v in made.values]
        values, errors = [], []
        for prior, means, variances in zip(self.fitted("class_prior_"), self.fitted("theta_"), self.fitted("var_"), strict=True):
            if means.dtype != np.float64 or variances.dtype != np.float64:
                refuse("SW814", name=self.name, attribute="theta_", type=f"{means.dtype}")
            terms = []
            for column, mean, variance in zip(columns, means, variances, strict=True):
                off = loop.call("subtract", column, loop.const(mean, F64))
                terms.append(loop.call("divide", loop.call("square", off), loop.const(variance, F64)))
            total = loop.call("multiply", loop.const(0.5, F64), pairwise_sum(loop, terms))
            fixed = -0.5 * np.sum(np.log(2.0 * np.pi * variances))
            value = loop.call("subtract", loop.const(fixed, F64), total)
            values.append(loop.call("add", loop.const(np.log(prior), F64), value))
            size = loop.call("add", total, loop.const(abs(fixed) + abs(np.log(prior)), F64))
            bound = 2 * (len(columns) + 6) * float(np.finfo(np.float64).eps)
            errors.append(loop.call("multiply", size, loop.const(bound, F64)))
            check_size(loop)
        return values, errors


class LinearBayes(NaiveBayes):
    """Computes likelihoods as weighted sums of counts."""

    def _joint(self, x: Features, call: str) -> tuple[list[Value], list[Value]]:
        weights, offsets = self._weights()
        made = scores(self._checked(x, call), weights.T, offsets, call)
        if isinstance(made, ExactScores):
            return list(made.values), []
        return list(made.values), [made.error(j) for j in range(len(made.values))]

    def _checked(self, x: Features, call: str) -> Features:
        return validated(self.model, x, call, accept_sparse="csr")

    def _weights(self) -> tuple[np.ndarray, np.ndarray]:
        weights = self.fitted("feature_log_prob_")
        return weights, self.fitted("class_log_prior_")


class ComplementNB(LinearBayes):
    """Omits the priors, except for a single class."""

    def _weights(self) -> tuple[np.ndarray, np.ndarray]:
        weights, prior = super()._weights()
        return weights, prior if len(prior) == 1 else np.zeros(len(weights), weights.dtype)


class BernoulliNB(LinearBayes):
    """Binarises features: 1 above the threshold `binarize`, else 0."""

    def _checked(self, x: Features, call: str) -> Features:
        made = validated(self.model, x, call, accept_sparse="csr")
        if self.model.binarize is None:
            return made
        if isinstance(made, Terms) and self.model.binarize >= 0:
            return made.step(ABOVE, call, np.array([self.model.binarize]))
        if made.sparse:
            refuse("SW821", call=call)
        return binarized(made, self.model.binarize)

    def _weights(self) -> tuple[np.ndarray, np.ndarray]:
        seen, prior = super()._weights()
        unseen = np.log(1 - np.exp(seen))
        return seen - unseen, prior + unseen.sum(axis=1)


class CategoricalNB(NaiveBayes):
    """Adds a log probability for each feature's category; unseen categories are guarded, as the library raises for them."""

    def _joint(self, x: Features, call: str) -> tuple[list[Value], list[Value]]:
        checked = validated(self.model, x, call, dtype="int")
        loop, tables, prior = x.loop, self.fitted("feature_log_prob_"), self.fitted("class_log_prior_")
        for column, given in zip(checked.values, x.values, strict=True):
            if given.type.is_float:
                loop.guard(loop.call("isfinite", given), local=True)
            loop.guard(loop.call("greater_equal", column, loop.const(0, I64)), local=True)
        values = [loop.const(0.0, F64)] * len(prior)
        for column, table in zip(checked.values, tables, strict=True):
            loop.guard(loop.call("less", column, loop.const(table.shape[1], I64)), local=True)
            for j in range(len(prior)):
                known: dict[object, object] = dict(enumerate(table[j].tolist()))
                term = loop.value_of(loop.emit(Lookup.of(known, I64, F64), column))
                values[j] = loop.call("add", values[j], term)
        check_size(loop)
        made = [loop.call("add", v, loop.const(p, F64)) for v, p in zip(values, prior, strict=True)]
        return made, [loop.const(0.0, F64)] * len(prior)


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.naive_bayes.GaussianNB": GaussianNB,
    "sklearn.naive_bayes.MultinomialNB": LinearBayes,
    "sklearn.naive_bayes.ComplementNB": ComplementNB,
    "sklearn.naive_bayes.BernoulliNB": BernoulliNB,
    "sklearn.naive_bayes.CategoricalNB": CategoricalNB,
}
