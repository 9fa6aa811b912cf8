"""Translates XGBoost's models: float32 sums of `forests.of_xgboost`, the objectives' transforms, and the classes' methods."""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F32, F64, I32, I64, STR
from udf_compiler.frontends.models.categories import are_of, as_in_training, category_columns, guard_known
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.forests import of_xgboost
from udf_compiler.frontends.models.forests.of_lightgbm import Unread
from udf_compiler.frontends.models.forests.of_xgboost import XGBoost
from udf_compiler.frontends.models.labels import apart, largest
from udf_compiler.frontends.models.matrices import Matrix, TracedMatrix
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.models.trees import both, leaves_of, linked, sums_of
from udf_compiler.frontends.pandas.calls.reductions import argmax
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse

#: Objectives whose results are the margins, and those whose results are exp or the logistic function of them.
_IDENTITY = frozenset(
    """reg:squarederror reg:squaredlogerror reg:pseudohubererror reg:absoluteerror reg:quantileerror binary:logitraw rank:ndcg
    rank:map rank:pairwise""".split()
)
_EXP = frozenset("count:poisson reg:gamma reg:tweedie survival:cox survival:aft".split())
_LOGISTIC = frozenset("binary:logistic reg:logistic".split())
#: Margins that differ by more than this have powers in the same order, whatever the last digits of exp.
_NEAR = 1e-5
_ALL = (0, 0)


def _is_ascii(strings: pa.StringArray) -> bool:
    return all(value.isascii() for value in strings.cast(pa.binary()).to_pylist())


@cache
def cuts_strings() -> bool:
    """Whether XGBoost stores as many bytes of a category as it has characters, as 3.2 does: two categories may become one."""
    library = importlib.import_module("xgboost")
    data = library.DMatrix(pd.DataFrame({"c": pd.Categorical(["é"])}), enable_categorical=True)
    [(_, stored)] = data.get_categories(export_to_arrow=True).to_arrow()
    return stored.cast(pa.binary()).to_pylist() != ["é".encode()]  # type: ignore[no-any-return]


class Boosted(Translator):
    """The base of boosters and the scikit-learn classes: margins, and the objective's transform of them."""

    def _read(self, booster: Any, iterations: tuple[int, int]) -> XGBoost:
        try:
            return of_xgboost.read(bytes(booster.save_raw("json")), type(booster), iterations)
        except Unread as unread:
            refuse("SW836", name=self.name, what=str(unread))

    def _known(self, booster: Any, x: Features, missing: float, call: str) -> Features:
        """Returns category columns with the model's categories, in their order. Rows with other values are guarded: the library
        raises.

        Refuses SW836 for columns that were numbers in training, for `missing`, and for categories that the library has cut.
        Refuses SW252 for a column whose dtype has another category or class.
        """
        if not category_columns(x):
            return x
        trained = booster.get_categories(export_to_arrow=True).to_arrow() if hasattr(booster, "get_categories") else []
        known: dict[int, Any] = {}
        for at in category_columns(x):
            dtype, given = x.categories[at], trained[at][1] if at < len(trained) else None
            assert dtype is not None
            if given is not None and pa.types.is_string(given.type) and not _is_ascii(given) and cuts_strings():
                refuse("SW836", name=self.name, what="categories beyond ASCII, which this version of XGBoost cuts")
            values = [] if given is None else given.to_pylist()
            if not are_of(values, x.types[at]):
                refuse("SW836", name=self.name, what="categories of another class than a column of categories")
            if dtype.categories is not None and not set(dtype.categories) <= set(values):
                refuse("SW252", call=call, error="XGBoostError: Found a category not in the training set")
            known[at] = values
            if given is not None and x.types[at] != STR:
                known[at] = pd.Index(values, dtype=given.type.to_pandas_dtype())
                if known[at].dtype != (x.types[at] if dtype.categories is None else dtype.categories).dtype:
                    refuse("SW252", call=call, error="XGBoostError: The data type doesn't match the one used in the training")
        if not np.isnan(missing):
            refuse("SW836", name=self.name, what="a number that is missing beside categories")
        guard_known(x, known)
        return as_in_training(x, known)

    def _margins_of(self, read: XGBoost, x: Matrix, call: str) -> list[Value]:
        loop = x.features.loop
        if read.weights is None:
            return sums_of(read.forest, x.columns(), loop, call)
        columns, sums = x.columns(), []
        for start, weights in zip(read.forest.start, read.weights.T, strict=True):
            total = loop.const(start + weights[-1], F32)
            for value, weight in zip(columns, weights, strict=False):
                more = loop.call("add", total, loop.call("multiply", value, loop.const(weight, F32)))
                total = loop.select(loop.call("isnan", value), total, more)
            sums.append(total)
        return sums

    def _values_of(self, read: XGBoost, margins: list[Value], call: str) -> list[Value]:
        """Applies the objective's PredTransform. Refuses (SW836) an unknown objective."""
        loop = margins[0].loop
        if read.objective in _IDENTITY:
            return margins
        if read.objective == "binary:hinge":
            return [loop.cast(loop.call("greater", v, loop.const(0, F32)), F32) for v in margins]
        if read.objective == "multi:softmax":
            return [loop.cast(argmax(loop, margins), F32)]
        linked(call)
        if read.objective in _EXP:
            return [loop.call("exp", v) for v in margins]
        if read.objective in _LOGISTIC:
            return [_sigmoid(loop, v) for v in margins]
        if read.objective == "multi:softprob":
            return softmax(loop, margins)
        refuse("SW836", name=self.name, what=f"the objective {read.objective}")


class Booster(Boosted):
    """Translates Booster: predict of a DMatrix, inplace_predict of other data."""

    KEPT = ("predict", "inplace_predict")
    CATEGORIES = True

    def predict(
        self, x: Any, *, output_margin: bool = False, pred_leaf: bool = False, validate_features: bool = True,
        iteration_range: tuple[int, int] = _ALL, strict_shape: bool = False,
    ) -> Features:  # fmt: skip
        call = self.call("predict")
        if not isinstance(x, TracedMatrix):
            refuse("SW252", call=call, error="TypeError: Expecting data to be a DMatrix object")
        options = {"output_margin": output_margin, "pred_leaf": pred_leaf, "validate_features": validate_features}
        given = {**options, "iteration_range": iteration_range, "strict_shape": strict_shape}
        made = replace(x.matrix, features=self._known(self.model, x.matrix.features, x.matrix.missing, call))
        shape = run_prototype(call, self.model.predict, made.prototype(), **given).shape
        read = self._read(self.model, iteration_range)
        if pred_leaf:
            loop = made.features.loop
            return _array(made.features, leaves_of(read.forest, made.columns(), loop, call), shape, call)
        return self._result(read, made, output_margin, shape, call)

    def inplace_predict(
        self, x: Features, *, iteration_range: tuple[int, int] = _ALL, predict_type: str = "value", missing: float = np.nan,
        validate_features: bool = True, strict_shape: bool = False,
    ) -> Features:  # fmt: skip
        call = self.call("inplace_predict")
        check_numbers(x, call)
        x = self._known(self.model, x, missing, call)
        options = {"predict_type": predict_type, "missing": missing, "validate_features": validate_features}
        given = {**options, "iteration_range": iteration_range, "strict_shape": strict_shape}
        shape = run_prototype(call, self.model.inplace_predict, x.prototype(), **given).shape
        read = self._read(self.model, iteration_range)
        return self._result(read, Matrix(x, missing), predict_type == "margin", shape, call)

    def _result(self, read: XGBoost, x: Matrix, margin: bool, shape: tuple[int, ...], call: str) -> Features:
        margins = self._margins_of(read, x, call)
        return _array(x.features, margins if margin else self._values_of(read, margins, call), shape, call)


def _array(x: Features, values: list[Value], shape: tuple[int, ...], call: str) -> Features:
    """Returns an array of the library's `shape` for one row. Refuses (SW840) more than two dimensions."""
    if len(shape) > 2:
        refuse("SW840", call=call, option="strict_shape")
    return x.array(values, ndim=len(shape), order="C", names=None)


def check_numbers(x: Any, call: str) -> None:
    """Refuses (SW811) data other than a dense table of numbers."""
    if not isinstance(x, Features) or x.ndim != 2 or x.sparse or x.has_texts:
        refuse("SW811", call=call)


class Regressor(Boosted):
    """Translates XGBRegressor and random forests: the transformed margins, float32."""

    KEPT = ("predict",)
    CATEGORIES = True

    def _asked(self, x: Features, method: str, iteration_range: Any, **options: Any) -> tuple[XGBoost, Matrix, tuple[int, ...]]:
        """Returns (the model, its data, the shape of one row's result). Refuses (SW252) columns for which the library raises."""
        call, model = self.call(method), self.model
        check_numbers(x, call)
        x = self._known(model.get_booster(), x, model.missing, call)
        made = run_prototype(call, getattr(model, method), x.prototype(), iteration_range=iteration_range, **options)
        read = self._read(model.get_booster(), model._get_iteration_range(iteration_range))
        return read, Matrix(self._features(x), model.missing), made.shape

    def _features(self, x: Features) -> Features:
        return x

    def _predicted(self, x: Features, method: str, margin: bool, iteration_range: Any, **options: Any) -> Features:
        given = {"output_margin": margin} if margin else {}
        read, made, shape = self._asked(x, method, iteration_range, **given, **options)
        call = self.call(method)
        margins = self._margins_of(read, made, call)
        return _array(x, margins if margin else self._values_of(read, margins, call), shape, call)

    def predict(
        self, x: Features, *, output_margin: bool = False, validate_features: bool = True, iteration_range: Any = None
    ) -> Features:
        return self._predicted(x, "predict", output_margin, iteration_range, validate_features=validate_features)

    def apply(self, x: Features, *, iteration_range: Any = None) -> Features:
        """Returns the node of each tree's leaf."""
        read, made, shape = self._asked(x, "apply", iteration_range)
        call = self.call("apply")
        return _array(x, leaves_of(read.forest, made.columns(), x.loop, call), shape, call)


class Ranker(Regressor):
    """Translates XGBRanker: a column named qid is not a feature."""

    CATEGORIES = False

    def _features(self, x: Features) -> Features:
        if x.names is None or "qid" not in x.names:
            return x
        return x.chosen([i for i, name in enumerate(x.names) if name != "qid"])


class Classifier(Regressor):
    """Translates XGBClassifier, whose labels are 0, 1, ..."""

    KEPT = ("predict_proba",)

    def predict_proba(self, x: Features, *, validate_features: bool = True, iteration_range: Any = None) -> Features:
        call = self.call("predict_proba")
        read, made, shape = self._asked(x, "predict_proba", iteration_range, validate_features=validate_features)
        margins = self._margins_of(read, made, call)
        if read.objective == "multi:softmax":
            linked(call)
            values = softmax(x.loop, margins)
        else:
            values = self._values_of(read, margins, call)
        return _array(x, values if len(values) > 1 else both(x.loop, values[0]), shape, call)

    def predict(
        self, x: Features, *, output_margin: bool = False, validate_features: bool = True, iteration_range: Any = None
    ) -> Features:
        if output_margin:
            return self._predicted(x, "predict", True, iteration_range, validate_features=validate_features)
        call, loop = self.call("predict"), x.loop
        read, made, shape = self._asked(x, "predict", iteration_range, validate_features=validate_features)
        margins = self._margins_of(read, made, call)
        if read.objective == "multi:softprob":
            index = argmax(loop, margins)
            loop.guard(apart(loop, margins, index, _NEAR), local=True)
            return _array(x, [index], shape, call)
        if read.objective == "multi:softmax":
            return _array(x, [loop.cast(argmax(loop, margins), I32)], shape, call)
        flags = [self._above_half(read, v) for v in margins]
        type = I64 if len(shape) == 1 else F64  # multilabel results are floats
        return _array(x, [loop.cast(flag, type) for flag in flags], shape, call)

    def _above_half(self, read: XGBoost, margin: Value) -> Value:
        """Returns whether the objective maps a margin to more than a half. Refuses (SW836) an unknown objective."""
        loop, zero = margin.loop, margin.loop.const(0, F32)
        above = loop.call("greater", margin, zero)
        if read.objective == "binary:hinge":
            return above
        if read.objective in _IDENTITY:
            return loop.call("greater", margin, loop.const(0.5, F32))
        if read.objective not in _LOGISTIC:
            refuse("SW836", name=self.name, what=f"the objective {read.objective}")
        # A margin up to 0 has a probability of at most a half; from _NEAR on it is more, whatever the last digits of exp.
        near = loop.call("logical_and", above, loop.call("less", margin, loop.const(_NEAR, F32)))
        loop.guard(loop.call("logical_not", near), local=True)
        return above


def _sigmoid(loop: LoopBuilder, x: Value) -> Value:
    """Computes `common::Sigmoid`: 1 / (exp(min(-x, 88.7)) + 1 + 1e-16), in float32."""
    power = loop.call("exp", loop.call("minimum", loop.call("negative", x), loop.const(88.7, F32)))
    one = loop.const(1, F32)
    return loop.call("divide", one, loop.call("add", loop.call("add", power, one), loop.const(1e-16, F32)))


def softmax(loop: LoopBuilder, values: list[Value]) -> list[Value]:
    """Computes `common::Softmax`: float32 powers, their sum in float64."""
    most = largest(loop, values)
    powers = [loop.call("exp", loop.call("subtract", v, most)) for v in values]
    total = loop.fold("add", (loop.cast(power, F64) for power in powers), loop.const(0, F64))
    return [loop.call("divide", p, loop.cast(total, F32)) for p in powers]


ESTIMATORS: dict[str, type[Translator]] = {
    "xgboost.core.Booster": Booster,
    "xgboost.sklearn.XGBClassifier": Classifier,
    "xgboost.sklearn.XGBRFClassifier": Classifier,
    "xgboost.sklearn.XGBRFRegressor": Regressor,
    "xgboost.sklearn.XGBRanker": Ranker,
    "xgboost.sklearn.XGBRegressor": Regressor,
}
