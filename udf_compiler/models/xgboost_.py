"""XGBoost's models: the float32 sums of `forests.of_xgboost`, its objectives' transforms, and what its scikit-learn classes make
of them."""

from __future__ import annotations

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F32, F64, I64
from udf_compiler.models.features import Features, guard_finite
from udf_compiler.models.forests import of_xgboost
from udf_compiler.models.forests.of_lightgbm import Unread
from udf_compiler.models.forests.of_xgboost import XGBoost
from udf_compiler.models.lightgbm_ import apart
from udf_compiler.models.translator import Translator, argmax, largest
from udf_compiler.models.trees import both, linked, sums_of
from udf_compiler.trace.lower import run_prototype
from udf_compiler.trace.session import refuse

#: Objectives whose results are the margins, and those whose results are exp or the logistic function of them.
_IDENTITY = frozenset(
    """reg:squarederror reg:squaredlogerror reg:pseudohubererror reg:absoluteerror reg:quantileerror binary:logitraw rank:ndcg
    rank:map rank:pairwise""".split()
)
_EXP = frozenset("count:poisson reg:gamma reg:tweedie".split())
_LOGISTIC = frozenset("binary:logistic reg:logistic".split())


class Regressor(Translator):
    """XGBRegressor, XGBRanker and random forests: the transformed margins, float32."""

    KEPT = ("predict",)

    def _margins(self, x: Features, method: str) -> tuple[XGBoost, list[Value]]:
        """Refuses (SW252) what the library raises for these columns."""
        call, model = self.call(method), self.model
        if x.ndim != 2 or x.sparse or x.has_texts:
            refuse("SW811", call=call)
        if callable(model.objective):
            refuse("SW836", name=self.name, what="an objective of your own")
        run_prototype(call, getattr(model, method), x.prototype())
        booster = model.get_booster()
        try:
            read = of_xgboost.read(bytes(booster.save_raw("json")), type(booster), model._get_iteration_range(None))
        except Unread as unread:
            refuse("SW836", name=self.name, what=str(unread))
        loop = x.loop
        columns = [loop.cast(v, F32) for v in x.values]
        guard_finite(loop, columns, allow_nan=True)
        if not np.isnan(model.missing):
            missing, nan = loop.const(np.float32(model.missing), F32), loop.const(np.nan, F32)
            columns = [loop.select(loop.call("equal", v, missing), nan, v) for v in columns]
        return read, sums_of(read.forest, columns, loop, call)

    def _transformed(self, x: Features, method: str) -> list[Value]:
        read, margins = self._margins(x, method)
        loop = x.loop
        if read.objective in _IDENTITY:
            return margins
        if read.objective == "binary:hinge":
            return [loop.cast(loop.call("greater", v, loop.const(0, F32)), F32) for v in margins]
        linked(self.call(method))
        if read.objective in _EXP:
            return [loop.call("exp", v) for v in margins]
        if read.objective in _LOGISTIC:
            return [_sigmoid(loop, v) for v in margins]
        if read.objective == "multi:softprob":
            return _softmax(loop, margins)
        refuse("SW836", name=self.name, what=f"the objective {read.objective}")

    def predict(self, x: Features) -> Features:
        made = self._transformed(x, "predict")
        return x.array(made, ndim=1 if len(made) == 1 else 2, order="C", names=None)


class Classifier(Regressor):
    """XGBClassifier: labels are numbers from 0 on."""

    KEPT = ("predict_proba",)

    def predict_proba(self, x: Features) -> Features:
        made = self._transformed(x, "predict_proba")
        return x.array(made if len(made) > 1 else both(x.loop, made[0]), order="C", names=None)

    def predict(self, x: Features) -> Features:
        read, margins = self._margins(x, "predict")
        loop = x.loop
        if read.objective == "binary:logistic" and len(margins) == 1:
            # Up to 0 the probability is at most a half; from 1e-5 on it is more, whatever the last digits of exp.
            zero = loop.const(0, F32)
            index = loop.cast(loop.call("greater", margins[0], zero), I64)
            near = loop.call("logical_and", loop.call("greater", margins[0], zero),
                             loop.call("less", margins[0], loop.const(1e-5, F32)))  # fmt: skip
            loop.guard(loop.call("logical_not", near))
        elif read.objective == "multi:softprob":
            index = argmax(loop, margins)
            loop.guard(apart(loop, margins, index, 1e-5))
        else:
            refuse("SW836", name=self.name, what=f"the objective {read.objective}")
        return x.array([index], ndim=1, order="C", names=None)


def _sigmoid(loop: LoopBuilder, x: Value) -> Value:
    """`common::Sigmoid`: 1 / (exp(min(-x, 88.7)) + 1 + 1e-16), of float32."""
    power = loop.call("exp", loop.call("minimum", loop.call("negative", x), loop.const(88.7, F32)))
    one = loop.const(1, F32)
    return loop.call("divide", one, loop.call("add", loop.call("add", power, one), loop.const(1e-16, F32)))


def _softmax(loop: LoopBuilder, values: list[Value]) -> list[Value]:
    """`common::Softmax`: powers of float32, their sum in float64."""
    most = largest(loop, values)
    powers = [loop.call("exp", loop.call("subtract", v, most)) for v in values]
    total = loop.const(0, F64)
    for power in powers:
        total = loop.call("add", total, loop.cast(power, F64))
    return [loop.call("divide", p, loop.cast(total, F32)) for p in powers]


ESTIMATORS: dict[str, type[Translator]] = {
    "xgboost.sklearn.XGBClassifier": Classifier,
    "xgboost.sklearn.XGBRFClassifier": Classifier,
    "xgboost.sklearn.XGBRFRegressor": Regressor,
    "xgboost.sklearn.XGBRanker": Regressor,
    "xgboost.sklearn.XGBRegressor": Regressor,
}
