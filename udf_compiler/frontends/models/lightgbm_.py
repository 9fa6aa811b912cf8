"""Translates LightGBM's models: sums of leaves, the objectives' transforms, and the scikit-learn classes' methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F32, F64, I32, I64
from udf_compiler.frontends.models.categories import are_of, as_in_training, category_columns, numbers_of
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.forests import of_lightgbm
from udf_compiler.frontends.models.forests.of_lightgbm import LightGBM, Unread
from udf_compiler.frontends.models.labels import apart, labels, largest
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.models.trees import both, divided, expit, leaves_of, linked, softmax, sums_of
from udf_compiler.frontends.pandas.calls.reductions import argmax
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse

#: Objectives whose results are the sums themselves.
_IDENTITY = frozenset("regression regression_l1 huber fair quantile mape lambdarank rank_xendcg".split())
_EXP = frozenset("poisson gamma tweedie".split())
#: Logistic functions of numbers up to _FLAT that differ by more than _OWN_DISTANCE differ by about 1e-13, relatively.
_FLAT, _OWN_DISTANCE = 10.0, 1e-8


@dataclass(frozen=True)
class Objective:
    """The objective in the model text: its name and its parameters."""

    name: str
    sigmoid: float = 1.0
    sqrt: bool = False

    @staticmethod
    def of(model: LightGBM) -> Objective:
        """Parses a model's objective; the name is "" when it has none."""
        name, *rest = model.head.get("objective", "").split() or [""]
        parameters = dict(part.partition(":")[::2] for part in rest)
        return Objective(name, float(parameters.get("sigmoid", 1.0)), "sqrt" in parameters)


class Booster(Translator):
    """Translates Booster.predict: transformed sums, raw sums, or leaf numbers."""

    KEPT = ("predict",)
    CATEGORIES = True

    @property
    def booster(self) -> Any:
        return self.model

    @property
    def width(self) -> int | None:
        return int(self.model.num_feature()) if hasattr(self.model, "num_feature") else super().width

    def _read(self, start: int, count: int | None, call: str) -> LightGBM:
        """Reads the iterations of a prediction: `count` from `start` on; for None, those up to the best iteration."""
        booster = self.booster
        odd = sorted(k for k in {**booster.params, **self._given()} if k.startswith(("pred", "start_iteration")))
        if odd:
            refuse("SW835", name=self.name, what=f"the parameter {odd[0]}")
        if count is None and start > 0:
            count = -1
        try:
            return of_lightgbm.read(booster.model_to_string(num_iteration=count, start_iteration=max(start, 0)))
        except Unread as unread:
            refuse("SW835", name=self.name, what=str(unread))

    def _given(self) -> dict[str, Any]:
        return {}

    def _columns(self, x: Features, method: str, options: dict[str, Any]) -> tuple[list[Value], int]:
        """Returns (the float64 values that the library compares, the result's dimensions).

        Refuses (SW252) where the library raises.
        """
        call = self.call(method)
        if not isinstance(x, Features) or x.ndim != 2 or x.has_texts or (x.sparse and not x.types[0].is_float):
            refuse("SW811", call=call)  # values that a sparse matrix does not store are 0
        made = run_prototype(call, getattr(self.model, method), x.prototype(), **options)
        if category_columns(x):
            x = self._categorised(x)
        # Arrays without floats become float32; DataFrames get the common type of their dtypes and float32.
        through = F64
        if x.names is None and not x.types[0].is_float:
            through = F32
        elif x.names is not None and np.result_type(*self._dtypes(x), np.float32) == np.float32:
            through = F32  # codes of categories are small integers, which float32 holds exactly
        return [x.loop.cast(x.loop.cast(v, through), F64) for v in numbers_of(x)], np.ndim(made)

    @staticmethod
    def _dtypes(x: Features) -> list[np.dtype]:
        """Returns the dtypes of the columns that are not categories."""
        return [t.dtype for at, t in enumerate(x.types) if at not in category_columns(x)]

    def _categorised(self, x: Features) -> Features:
        """Recodes category columns with the model's categories; other values become missing. Refuses (SW835) other models."""
        known = self.booster.pandas_categorical
        places = category_columns(x)
        if not known or not all(are_of(k, x.types[at]) for k, at in zip(known, places, strict=True)):
            refuse("SW835", name=self.name, what="categories of another class than a column of categories")
        return as_in_training(x, dict(zip(places, known, strict=True)))

    def _means(self, model: LightGBM, columns: list[Value], loop: LoopBuilder, call: str) -> list[Value]:
        sums = sums_of(model.forest, columns, loop, call)
        return divided(loop, sums, model.iterations) if model.averages and model.iterations else sums

    def _transformed(self, model: LightGBM, columns: list[Value], loop: LoopBuilder, call: str) -> list[Value]:
        """Computes `GBDT::Predict`: the mean for random forests, then the objective's ConvertOutput."""
        objective, sums = Objective.of(model), self._means(model, columns, loop, call)
        if objective.name in _IDENTITY or not objective.name:
            return [_squared(loop, v) if objective.sqrt else v for v in sums]
        linked(call)
        if objective.name in _EXP:
            return [loop.call("exp", v) for v in sums]
        if objective.name == "multiclass":
            return softmax(loop, sums)
        if objective.name == "cross_entropy_lambda":
            return [loop.call("log1p", loop.call("exp", v)) for v in sums]
        if objective.name in ("binary", "multiclassova", "cross_entropy"):
            scale = loop.const(objective.sigmoid, F64)
            return [expit(loop, loop.call("multiply", scale, v)) for v in sums]
        refuse("SW835", name=self.name, what=f"the objective {objective.name}")

    def _asked(self, x: Features, method: str, options: dict[str, Any]) -> Features:
        """Returns raw sums, leaf numbers, or transformed sums. `options`: those that differ from the library's defaults."""
        call, loop = self.call(method), x.loop
        columns, dimensions = self._columns(x, method, options)
        model = self._read(options.get("start_iteration", 0), options.get("num_iteration"), call)
        if options.get("pred_leaf"):
            numbers = [np.where(t.is_leaf, np.arange(len(t.hit)) - int(np.argmax(t.is_leaf)), 0) for t in model.trees]
            leaves = leaves_of(model.forest, columns, loop, call, numbers)
            return x.array([loop.cast(v, I32) for v in leaves], ndim=dimensions, order="C", names=None)
        if options.get("raw_score") or method == "decision_function":
            made = sums_of(model.forest, columns, loop, call)  # a random forest's sums are not divided here
        else:
            made = self._transformed(model, columns, loop, call)
        return x.array(made, ndim=1 if len(made) == 1 else 2, order="C", names=None)

    def predict(
        self, x: Features, *, raw_score: bool = False, start_iteration: int = 0, num_iteration: int | None = None,
        pred_leaf: bool = False, validate_features: bool = False,
    ) -> Features:  # fmt: skip
        given = _options(locals())
        return self._asked(x, "predict", given)


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """Returns the non-default options of a call."""
    return {name: value for name, value in given.items() if name not in ("self", "x") and value not in (None, False)}


def _squared(loop: LoopBuilder, v: Value) -> Value:
    """Returns ``sign(x) * x * x``."""
    return loop.call("multiply", loop.call("multiply", loop.call("sign", v), v), v)


class Regressor(Booster):
    """Translates LGBMRegressor and LGBMRanker."""

    @property
    def booster(self) -> Any:
        return self.model.booster_

    def _given(self) -> dict[str, Any]:
        return dict(self.model.get_params())


class Classifier(Regressor):
    """Translates LGBMClassifier: labels of the largest probability; with a user's objective, raw sums only."""

    KEPT = ("predict_proba",)

    def decision_function(
        self, x: Features, *, start_iteration: int = 0, num_iteration: int | None = None, validate_features: bool = False
    ) -> Features:
        given = _options(locals())
        return self._asked(x, "decision_function", given)

    def predict_proba(
        self, x: Features, *, raw_score: bool = False, start_iteration: int = 0, num_iteration: int | None = None,
        pred_leaf: bool = False, validate_features: bool = False,
    ) -> Features:  # fmt: skip
        given = _options(locals())
        made = self._asked(x, "predict_proba", given)
        if raw_score or pred_leaf or callable(self.model.objective) or made.ndim == 2:
            return made
        return made.array(both(x.loop, made.values[0]), order="C")

    def predict(
        self, x: Features, *, raw_score: bool = False, start_iteration: int = 0, num_iteration: int | None = None,
        pred_leaf: bool = False, validate_features: bool = False,
    ) -> Features:  # fmt: skip
        given = _options(locals())
        if raw_score or pred_leaf or callable(self.model.objective):
            return self._asked(x, "predict", given)
        call, loop = self.call("predict"), x.loop
        columns, _ = self._columns(x, "predict", given)
        model = self._read(start_iteration, num_iteration, call)
        sums, objective = self._means(model, columns, loop, call), Objective.of(model)
        return labels(x.array(sums, order="C"), self._best(sums, objective, loop), self.fitted("classes_"), call)

    def _best(self, sums: list[Value], objective: Objective, loop: LoopBuilder) -> Value:
        """Returns the class of the largest probability. Rows in which the last digits of exp would decide are guarded."""
        if objective.name == "binary" and objective.sigmoid > 0:
            # A sum up to 0 has a probability of at most a half; from 1e-12 on it is more.
            least = loop.const(1e-12 / min(1.0, objective.sigmoid), F64)
            zero = loop.const(0, F64)
            above = loop.call("greater", sums[0], zero)
            loop.guard(loop.call("logical_or", loop.call("logical_not", above), loop.call("greater", sums[0], least)), local=True)
            return loop.cast(above, I64)
        if objective.name not in ("multiclass", "multiclassova"):
            refuse("SW835", name=self.name, what=f"the objective {objective.name}")
        index = argmax(loop, sums)
        distance = 1e-12
        if objective.name == "multiclassova":  # one logistic function per class, flat far from 0
            distance = _OWN_DISTANCE / objective.sigmoid
            flat = loop.const(_FLAT / objective.sigmoid, F64)
            loop.guard(loop.call("less", loop.call("absolute", largest(loop, sums)), flat), local=True)
        loop.guard(apart(loop, sums, index, distance), local=True)
        return index


ESTIMATORS: dict[str, type[Translator]] = {
    "lightgbm.basic.Booster": Booster,
    "lightgbm.sklearn.LGBMClassifier": Classifier,
    "lightgbm.sklearn.LGBMRanker": Regressor,
    "lightgbm.sklearn.LGBMRegressor": Regressor,
}
