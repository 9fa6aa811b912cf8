"""LightGBM's models: sums of leaves, the objectives' transforms, and what the scikit-learn classes make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F32, F64, I64
from udf_compiler.models.features import Features
from udf_compiler.models.forests import of_lightgbm
from udf_compiler.models.forests.of_lightgbm import LightGBM, Unread
from udf_compiler.models.translator import Translator, all_of, argmax, labels, largest
from udf_compiler.models.trees import both, divided, expit, linked, softmax, sums_of
from udf_compiler.trace.lower import run_prototype
from udf_compiler.trace.session import refuse

#: Objectives whose results are the sums themselves.
_IDENTITY = frozenset("regression regression_l1 huber fair quantile mape lambdarank rank_xendcg".split())
_EXP = frozenset("poisson gamma tweedie".split())


@dataclass(frozen=True)
class Objective:
    """The model text's objective: its name, and its parameters."""

    name: str
    sigmoid: float = 1.0
    sqrt: bool = False

    @staticmethod
    def of(model: LightGBM) -> Objective:
        """Of a model; the name "" when it has none."""
        name, *rest = model.head.get("objective", "").split() or [""]
        parameters = dict(part.partition(":")[::2] for part in rest)
        return Objective(name, float(parameters.get("sigmoid", 1.0)), "sqrt" in parameters)


class Booster(Translator):
    """predict: the transformed sums."""

    KEPT = ("predict",)

    @property
    def booster(self) -> Any:
        return self.model

    def _read(self, call: str) -> LightGBM:
        booster = self.booster
        odd = sorted(k for k in {**booster.params, **self._given()} if k.startswith(("pred", "start_iteration")))
        if odd:
            refuse("SW835", name=self.name, what=f"the parameter {odd[0]}")
        try:
            return of_lightgbm.read(booster.model_to_string())
        except Unread as unread:
            refuse("SW835", name=self.name, what=str(unread))

    def _given(self) -> dict[str, Any]:
        return {}

    def _sums(self, x: Features, method: str) -> tuple[LightGBM, list[Value]]:
        """Raw scores. Refuses (SW252) what the library raises for these columns."""
        call = self.call(method)
        if x.ndim != 2 or x.sparse or x.has_texts:
            refuse("SW811", call=call)
        run_prototype(call, getattr(self.model, method), x.prototype())
        model = self._read(call)
        # Arrays that hold no floats become float32, DataFrames the common type with float32.
        through = F64
        if x.names is None and not x.types[0].is_float:
            through = F32
        elif x.names is not None and np.result_type(*(t.dtype for t in x.types), np.float32) == np.float32:
            through = F32
        columns = [x.loop.cast(x.loop.cast(v, through), F64) for v in x.values]
        return model, sums_of(model.forest, columns, x.loop, call)

    def _transformed(self, x: Features, method: str) -> list[Value]:
        """`GBDT::Predict`: the mean for random forests, then the objective's ConvertOutput."""
        model, sums = self._sums(x, method)
        loop, objective = x.loop, Objective.of(model)
        if model.averages:
            sums = divided(loop, sums, model.iterations)
        if objective.name in _IDENTITY or not objective.name:
            return [_squared(loop, v) if objective.sqrt else v for v in sums]
        linked(self.call(method))
        if objective.name in _EXP:
            return [loop.call("exp", v) for v in sums]
        if objective.name == "multiclass":
            return softmax(loop, sums)
        if objective.name in ("binary", "multiclassova", "cross_entropy"):
            scale = loop.const(objective.sigmoid, F64)
            return [expit(loop, loop.call("multiply", scale, v)) for v in sums]
        refuse("SW835", name=self.name, what=f"the objective {objective.name}")

    def predict(self, x: Features) -> Features:
        made = self._transformed(x, "predict")
        return x.array(made, ndim=1 if len(made) == 1 else 2, order="C", names=None)


def _squared(loop: LoopBuilder, v: Value) -> Value:
    """``sign(x) * x * x``."""
    return loop.call("multiply", loop.call("multiply", loop.call("sign", v), v), v)


class Regressor(Booster):
    """LGBMRegressor and LGBMRanker."""

    @property
    def booster(self) -> Any:
        return self.model.booster_

    def _given(self) -> dict[str, Any]:
        return dict(self.model.get_params())

    def _sums(self, x: Features, method: str) -> tuple[LightGBM, list[Value]]:
        if callable(self.model.objective):
            refuse("SW835", name=self.name, what="an objective of your own")
        return super()._sums(x, method)


class Classifier(Regressor):
    """LGBMClassifier: labels are those of the largest probability."""

    KEPT = ("predict_proba",)

    def predict_proba(self, x: Features) -> Features:
        made = self._transformed(x, "predict_proba")
        return x.array(made if len(made) > 1 else both(x.loop, made[0]), order="C", names=None)

    def predict(self, x: Features) -> Features:
        call = self.call("predict")
        model, sums = self._sums(x, "predict")
        loop, objective = x.loop, Objective.of(model)
        if model.averages:
            sums = divided(loop, sums, model.iterations)
        array = x.array(sums, order="C", names=None)
        if objective.name == "binary" and objective.sigmoid > 0:
            # Up to 0 the probability is at most a half; from 1e-12 on it is more, whatever the last digits of exp.
            index = loop.cast(loop.call("greater", sums[0], loop.const(0, F64)), I64)
            decided = loop.call("logical_or", loop.call("less_equal", sums[0], loop.const(0, F64)),
                                loop.call("greater", sums[0], loop.const(1e-12 / min(1.0, objective.sigmoid), F64)))  # fmt: skip
            loop.guard(decided)
        elif objective.name == "multiclass":
            index = argmax(loop, sums)
            loop.guard(apart(loop, sums, index, 1e-12))
        else:
            refuse("SW835", name=self.name, what=f"the objective {objective.name}")
        return labels(array, index, self.fitted("classes_"), call)


def apart(loop: LoopBuilder, values: list[Value], index: Value, distance: float) -> Value:
    """Whether the largest value is more than `distance` above the others, so that exp keeps their order; or rows all alike."""
    most, fine = largest(loop, values), []
    for at, value in enumerate(values):
        far = loop.call("greater", loop.call("subtract", most, value), loop.const(distance, value.type))
        one = loop.call("logical_or", far, loop.call("equal", index, loop.const(at, I64)))
        # Equal values have equal powers.
        fine.append(loop.call("logical_or", one, loop.call("equal", value, most)))
    return all_of(loop, fine)


ESTIMATORS: dict[str, type[Translator]] = {
    "lightgbm.basic.Booster": Booster,
    "lightgbm.sklearn.LGBMClassifier": Classifier,
    "lightgbm.sklearn.LGBMRanker": Regressor,
    "lightgbm.sklearn.LGBMRegressor": Regressor,
}
