"""Translates scikit-learn's models that store training rows: support vectors, kernel ridge, nearest neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import KernelSums, Neighbours
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.models.features import Features, validated
from udf_compiler.frontends.models.labels import all_of, keep, labels
from udf_compiler.frontends.models.sums import clear_argmax, weighted_sum
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.pandas.calls.reductions import argmax
from udf_compiler.frontends.tracing.session import check_size, current, refuse

_EPS = float(np.finfo(np.float64).eps)
#: The limit on numbers in training rows; beyond it the library runs, which has trees for its search.
_MOST_NUMBERS = 1 << 17
_KERNELS = ("linear", "rbf", "poly", "sigmoid")


def check_training(translator: Translator, rows: np.ndarray) -> None:
    """Refuses SW841 too many training rows, SW814 sparse ones and those of another type."""
    if type(rows) is not np.ndarray or rows.dtype != np.float64:
        refuse("SW814", name=translator.name, attribute="training rows", type=str(getattr(rows, "dtype", type(rows).__name__)))
    if rows.size > _MOST_NUMBERS:
        refuse("SW841", name=translator.name, count=f"{rows.size:,}", limit=f"{_MOST_NUMBERS:,}")


class KernelMachine(Translator):
    """Computes sums of weighted kernels of a row and training vectors.

    Two floating-point sums of m products are within 2 * m * eps of the sum of their magnitudes. Kernels are at most 1 (rbf,
    sigmoid) or (gamma * |x| @ max|v| + coef0) ** degree. Their error is at most their slope times the error of their argument.
    """

    def _machine(
        self, x: Features, vectors: np.ndarray, weights: np.ndarray, starts: np.ndarray, gamma: float, labels: bool
    ) -> tuple[list[Value], list[Value]]:
        """Returns the sums for validated features, and bounds on their differences from the library's.

        Refuses SW842 other kernels.
        """
        kernel, loop = self.model.kernel, x.loop
        check_training(self, vectors)
        if kernel not in _KERNELS:
            refuse("SW842", name=self.name, kernel=kernel if isinstance(kernel, str) else type(kernel).__name__)
        columns = [loop.cast(v, F64) for v in x.values]
        given = x.array(columns)
        count, width = vectors.shape
        if kernel == "linear":
            direct, sizes = weights @ vectors, np.abs(weights) @ np.abs(vectors)
            values = [weighted_sum(given, w, float(s), F64) for w, s in zip(direct, starts, strict=True)]
            magnitudes = [weighted_sum(given, w, float(s), F64, absolute=True) for w, s in zip(sizes, starts, strict=True)]
            return values, [loop.call("multiply", m, loop.const(4 * (count + width + 4) * _EPS, F64)) for m in magnitudes]
        coef0, degree = float(self.model.coef0), int(self.model.degree) if kernel == "poly" else 1
        op = KernelSums.of(kernel, vectors, weights, starts, gamma, coef0, degree, guarded=labels and current().exact)
        values = [loop.emit(op.at(o), *columns) for o in range(len(weights))]
        check_size(loop)
        one = loop.const(1.0, F64)
        bound = one if kernel == "rbf" else self._argument(given, vectors, gamma, coef0)
        if kernel == "sigmoid":
            bound = loop.call("add", bound, one)
        for _ in range(degree - 1):
            bound = loop.call("multiply", bound, loop.call("maximum", one, self._argument(given, vectors, gamma, coef0)))
        totals = np.abs(weights).sum(axis=1) * (4 * (count + max(degree, 1) * (width + 4) + 16) * _EPS)
        errors = []
        for total, start in zip(totals, starts, strict=True):
            error = loop.call("multiply", bound, loop.const(float(total), F64))
            errors.append(loop.call("add", error, loop.const(8 * _EPS * abs(float(start)), F64)))
        return values, errors

    def _argument(self, x: Features, vectors: np.ndarray, gamma: float, coef0: float) -> Value:
        """Returns an upper bound on a kernel's argument."""
        return weighted_sum(x, abs(gamma) * np.abs(vectors).max(axis=0), coef0, F64, absolute=True)

    def _keep(self, count: int, call: str) -> None:
        keep("kernels", f"4 * ({count} + features * degree + 20) * eps * sum(|weight| * the largest kernel)", call)


class SupportVectors(KernelMachine):
    """Translates libsvm's models that were fitted on dense data."""

    def _sums(self, x: Features, method: str, labels: bool) -> tuple[Features, list[Value], list[Value]]:
        call, model = self.call(method), self.model
        if not isinstance(model.kernel, str):
            refuse("SW842", name=self.name, kernel=type(model.kernel).__name__)
        checked = validated(model, x, call, accept_sparse="csr", dtype=np.float64, order="C", accept_large_sparse=False)
        vectors, starts = self.fitted("support_vectors_"), self.fitted("_intercept_")
        if checked.sparse or model._sparse:
            refuse("SW821", call=call)
        values, errors = self._machine(checked, vectors, self._weights(), starts, float(self.fitted("_gamma")), labels)
        if not labels:
            self._keep(len(vectors), call)
        return checked, values, errors

    def _weights(self) -> np.ndarray:
        return self.fitted("_dual_coef_")  # type: ignore[no-any-return]


class SupportVectorRegressor(SupportVectors):
    """Translates SVR and NuSVR."""

    KEPT = ("predict",)

    def predict(self, x: Features) -> Features:
        checked, values, _ = self._sums(x, "predict", labels=False)
        return checked.array(values, ndim=1, order="C", kept=True)


class OneClassSvm(SupportVectors):
    """Translates OneClassSVM: 1 inside the learned region, else -1."""

    KEPT = ("decision_function", "score_samples")

    def decision_function(self, x: Features) -> Features:
        checked, values, _ = self._sums(x, "decision_function", labels=False)
        return checked.array(values, ndim=1, order="C", kept=True)

    def score_samples(self, x: Features) -> Features:
        made = self.decision_function(x)
        offset = made.loop.const(float(np.ravel(self.fitted("offset_"))[0]), F64)
        return made.array([made.loop.call("add", made.values[0], offset)], ndim=1)

    def predict(self, x: Features) -> Features:
        checked, values, errors = self._sums(x, "predict", labels=True)
        loop = checked.loop
        inside = clear_signs(loop, values, errors)[0]
        return checked.array([loop.select(inside, loop.const(1, I64), loop.const(-1, I64))], ndim=1)


class SupportVectorClassifier(SupportVectors):
    """Translates SVC and NuSVC: one vote for each pair of classes."""

    KEPT = ("decision_function",)

    def _weights(self) -> np.ndarray:
        """Returns the weights of each pair's two classes, [pairs, vectors] (libsvm's svm_predict_values)."""
        weights, sizes = self.fitted("_dual_coef_"), self.fitted("_n_support")
        ends = np.cumsum(sizes)
        made = []
        for i, j in itertools.combinations(range(len(sizes)), 2):
            row = np.zeros(weights.shape[1])
            row[ends[i] - sizes[i] : ends[i]] = weights[j - 1, ends[i] - sizes[i] : ends[i]]
            row[ends[j] - sizes[j] : ends[j]] = weights[i, ends[j] - sizes[j] : ends[j]]
            made.append(row)
        return np.array(made)

    def decision_function(self, x: Features) -> Features:
        checked, values, errors = self._sums(x, "decision_function", labels=False)
        loop = checked.loop
        if len(values) == 1:
            return checked.array([loop.call("negative", values[0])], ndim=1, order="C", kept=True)
        if self.model.decision_function_shape == "ovr":
            values = self._against_the_rest(loop, values, errors)
        return checked.array(values, order="C", kept=True)

    def _against_the_rest(self, loop: LoopBuilder, values: Sequence[Value], errors: Sequence[Value]) -> list[Value]:
        """Computes `_ovr_decision_function`: votes plus confidences scaled to below a third."""
        first = clear_signs(loop, values, errors)
        votes = self._votes(loop, first)
        sums = [loop.const(0.0, F64)] * len(votes)
        for value, (i, j) in zip(values, itertools.combinations(range(len(votes)), 2), strict=True):
            sums[i] = loop.call("add", sums[i], value)
            sums[j] = loop.call("subtract", sums[j], value)
        made = []
        for vote, total in zip(votes, sums, strict=True):
            wide = loop.call("add", loop.call("absolute", total), loop.const(1.0, F64))
            part = loop.call("divide", total, loop.call("multiply", loop.const(3.0, F64), wide))
            made.append(loop.call("add", vote, part))
        return made

    def _votes(self, loop: LoopBuilder, first: Sequence[Value]) -> list[Value]:
        one, none = loop.const(1.0, F64), loop.const(0.0, F64)
        votes = [none] * len(self.fitted("classes_"))
        for flag, (i, j) in zip(first, itertools.combinations(range(len(votes)), 2), strict=True):
            votes[i] = loop.call("add", votes[i], loop.select(flag, one, none))
            votes[j] = loop.call("add", votes[j], loop.select(flag, none, one))
        return votes

    def predict(self, x: Features) -> Features:
        call, model = self.call("predict"), self.model
        checked, values, errors = self._sums(x, "predict", labels=True)
        loop = checked.loop
        if checked.kept:
            keep("label", "rows whose scores are closer to 0 than the error of the features", call)
        if model.break_ties and model.decision_function_shape == "ovr" and len(values) > 1:
            scores = self._against_the_rest(loop, values, errors)
            total = loop.call("add", loop.fold("add", errors), loop.const(8 * len(errors) * _EPS, F64))
            index = clear_argmax(loop, scores, [total] * len(scores))
        else:
            index = argmax(loop, self._votes(loop, clear_signs(loop, values, errors)))
        return labels(checked, index, self.fitted("classes_"), call)


def clear_signs(loop: LoopBuilder, values: Sequence[Value], errors: Sequence[Value]) -> list[Value]:
    """Returns whether each value is above 0; rows in which an error may change a sign are guarded."""
    clear = [loop.call("greater", loop.call("absolute", v), e) for v, e in zip(values, errors, strict=True)]
    loop.guard(all_of(loop, clear), local=True)
    return [loop.call("greater", v, loop.const(0.0, F64)) for v in values]


class KernelRidge(KernelMachine):
    """Computes ``K(x, training) @ dual_coef_``."""

    KEPT = ("predict",)

    def predict(self, x: Features) -> Features:
        call, model = self.call("predict"), self.model
        checked = validated(model, x, call, accept_sparse=("csr", "csc"))
        vectors, coefficients = self.fitted("X_fit_"), np.asarray(self.fitted("dual_coef_"))
        if checked.sparse or any(t.is_float and t != F64 for t in checked.types):
            refuse("SW821", call=call)
        check_training(self, vectors)
        gamma = 1.0 / vectors.shape[1] if model.gamma is None else float(model.gamma)
        weights = np.atleast_2d(coefficients.T)
        values, _ = self._machine(checked, vectors, weights, np.zeros(len(weights)), gamma, labels=False)
        self._keep(len(vectors), call)
        return checked.array(values, ndim=coefficients.ndim, order=None, kept=True)


class Nearest(Translator):
    """Finds the `n_neighbors` nearest training rows by Euclidean distance."""

    def _nearest(self, x: Features, method: str, targets: np.ndarray) -> tuple[Features, list[list[Value]], list[Value] | None]:
        """Returns (the validated features, the neighbours' targets, their weights; None: uniform).

        Rows are guarded when the distances of the last neighbour and the next row are too close. The library's brute force adds
        |x|**2 - 2 * x @ y + |y|**2, which is within 2 * (n + 4) * eps * (|x|**2 + |y|**2) of the squared distance. Its trees add
        squares.
        """
        call, model = self.call(method), self.model
        checked = validated(model, x, call, accept_sparse="csr", order="C")
        points, brute = self.fitted("_fit_X"), self.fitted("_fit_method") == "brute"
        check_training(self, points)
        odd = {"metric": model.effective_metric_, "weights": model.weights}
        if odd["metric"] != "euclidean" or model.effective_metric_params_ or checked.sparse:
            refuse("SW842", name=self.name, kernel=f"{odd['metric']} metric")
        if odd["weights"] not in ("uniform", "distance", None) or (brute and odd["weights"] == "distance"):
            shown = odd["weights"] if isinstance(odd["weights"], str) else type(odd["weights"]).__name__
            refuse("SW842", name=self.name, kernel=f"{shown} weights of neighbours found by {model._fit_method}")
        if any(t.is_float and t != F64 for t in checked.types):
            refuse("SW814", name=self.name, attribute="input", type="float32")
        loop, nearest = checked.loop, int(model.n_neighbors)
        columns = [loop.cast(v, F64) for v in checked.values]
        op = Neighbours.of(points, targets, nearest)
        found = [loop.emit(op.at(k), *columns) for k in range(nearest + 1 + nearest * targets.shape[1])]
        check_size(loop)
        distances, values = found[: nearest + 1], found[nearest + 1 :]
        size = distances[nearest] if not brute else self._size(loop, columns, points)
        size = loop.call("minimum", size, loop.const(np.finfo(np.float64).max, F64))
        error = loop.call("multiply", size, loop.const(4 * (len(columns) + 4) * _EPS, F64))
        loop.guard(loop.call("greater", loop.call("subtract", distances[nearest], distances[nearest - 1]), error), local=True)
        width = targets.shape[1]
        weights = None if odd["weights"] != "distance" else _inverse(loop, distances[:nearest])
        return checked, [values[k * width : (k + 1) * width] for k in range(nearest)], weights

    def _size(self, loop: LoopBuilder, columns: Sequence[Value], points: np.ndarray) -> Value:
        """Returns |x|**2 plus the largest |y|**2."""
        largest = loop.const(float((points**2).sum(axis=1).max()), F64)
        return loop.fold("add", (loop.call("square", value) for value in columns), largest)


def _inverse(loop: LoopBuilder, distances: Sequence[Value]) -> list[Value]:
    """Returns the inverse of each distance; if any distance is 0, 1 for those and 0 for the others."""
    zero, one = loop.const(0.0, F64), loop.const(1.0, F64)
    inverse = [loop.call("divide", one, loop.call("sqrt", d)) for d in distances]
    hit = loop.call("isinf", inverse[0])  # of the nearest neighbour
    return [
        loop.select(hit, loop.select(loop.call("isinf", v), one, zero), v) for v in inverse
    ]


class NeighboursRegressor(Nearest):
    """Predicts the mean of the neighbours' targets, uniform or weighted by inverse distance."""

    KEPT = ("predict",)

    def predict(self, x: Features) -> Features:
        call = self.call("predict")
        targets = np.asarray(self.fitted("_y"))
        if targets.dtype.kind not in "fiu":
            refuse("SW814", name=self.name, attribute="_y", type=f"{targets.dtype}")
        checked, found, weights = self._nearest(x, "predict", targets.reshape(len(targets), -1).astype(np.float64))
        keep("mean", f"{2 * len(found) + 8} * eps * the neighbours' largest |target|", call)
        loop, made = checked.loop, []
        for values in zip(*found, strict=True):
            if weights is None:
                made.append(loop.call("divide", loop.fold("add", values), loop.const(float(len(values)), F64)))
                continue
            terms = [loop.call("multiply", v, w) for v, w in zip(values, weights, strict=True)]
            made.append(loop.call("divide", loop.fold("add", terms), loop.fold("add", weights)))
        return checked.array(made, ndim=targets.ndim, order="C", kept=True)


class NeighboursClassifier(Nearest):
    """Predicts by the neighbours' votes, or by their sums of inverse distances."""

    KEPT = ("predict_proba",)

    def _votes(self, x: Features, method: str) -> tuple[Features, list[Value], list[Value] | None]:
        if self.fitted("outputs_2d_"):
            refuse("SW813", call=self.call(method), type="several at once")
        checked, found, weights = self._nearest(x, method, np.asarray(self.fitted("_y")).reshape(-1, 1).astype(np.float64))
        loop, zero = checked.loop, checked.loop.const(0.0, F64)
        given = weights or [loop.const(1.0, F64)] * len(found)
        votes = []
        for number in range(len(self.fitted("classes_"))):
            own = [loop.call("equal", label, loop.const(float(number), F64)) for (label,) in found]
            votes.append(loop.fold("add", [loop.select(o, w, zero) for o, w in zip(own, given, strict=True)]))
        check_size(loop)
        return checked, votes, weights

    def predict_proba(self, x: Features) -> Features:
        checked, votes, weights = self._votes(x, "predict_proba")
        if weights is not None:
            keep("mean", f"{2 * len(weights) + 8} * eps of each value", self.call("predict_proba"))
        total = checked.loop.fold("add", votes)
        made = [checked.loop.call("divide", v, total) for v in votes]
        return checked.array(made, order="C", kept=checked.kept or weights is not None)

    def predict(self, x: Features) -> Features:
        call = self.call("predict")
        checked, votes, weights = self._votes(x, "predict")
        loop = checked.loop
        if checked.kept:
            keep("label", "rows whose neighbours' distances differ by less than the error of the features", call)
        if weights is None:
            return labels(checked, argmax(loop, votes), self.fitted("classes_"), call)
        slack = loop.const(4 * (len(weights) + len(checked.columns) + 8) * _EPS, F64)
        error = loop.call("multiply", loop.fold("add", weights), slack)
        return labels(checked, clear_argmax(loop, votes, [error] * len(votes)), self.fitted("classes_"), call)


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.svm._classes.SVC": SupportVectorClassifier,
    "sklearn.svm._classes.NuSVC": SupportVectorClassifier,
    "sklearn.svm._classes.SVR": SupportVectorRegressor,
    "sklearn.svm._classes.NuSVR": SupportVectorRegressor,
    "sklearn.svm._classes.OneClassSVM": OneClassSvm,
    "sklearn.kernel_ridge.KernelRidge": KernelRidge,
    "sklearn.neighbors._classification.KNeighborsClassifier": NeighboursClassifier,
    "sklearn.neighbors._regression.KNeighborsRegressor": NeighboursRegressor,
}
