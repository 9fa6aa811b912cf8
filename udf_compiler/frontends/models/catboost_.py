"""Translates CatBoost's models: sums of leaves, and the prediction types of its classes.

The library scores a `Pool`: numbers as float32, categories as hashes of strings, columns of a DataFrame by name
(`catboost/libs/data/model_dataset_compatibility.cpp`). Probabilities use an exp of its own (`library/cpp/fast_exp`).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import BOOL, F32, F64, I64, STR
from udf_compiler.frontends.models.categories import category_columns
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.forests import of_catboost
from udf_compiler.frontends.models.forests.catboost_categories import Single
from udf_compiler.frontends.models.forests.of_catboost import CatBoost
from udf_compiler.frontends.models.forests.of_lightgbm import Unread
from udf_compiler.frontends.models.labels import keep, labels, largest
from udf_compiler.frontends.models.pools import TracedPool
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.models.trees import both, expit, softmax, sums_of
from udf_compiler.frontends.pandas.calls.reductions import argmax
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse

#: Losses of classifiers with one sum, and with one sum for each class.
_BINARY = frozenset({"Logloss", "CrossEntropy"})
_MULTI = frozenset({"MultiClass", "MultiClassOneVsAll"})
#: The largest exponent for which the bound on the library's exp holds.
_FAR = 100.0
#: What a model predicts for.
_Data = Features | TracedPool
#: The default of an option, which is no value that a function passes.
_OMITTED = object()
#: Sums within this distance of a border that a logarithm decides.
_NEAR = 1e-9


class Trees(Translator):
    """The base of all classes: sums of leaves and what prediction types make of them."""

    SINGLE = True
    CATEGORIES = True

    @property
    def width(self) -> int | None:
        # n_features_in_ is 0 after unpickling
        return len(self.model.feature_names_) if self.model.is_fitted() else None

    def _loss(self) -> str:
        return str(self.model._object._get_loss_function_name())

    def _read(self) -> CatBoost:
        try:
            return of_catboost.read(self.model)
        except Unread as unread:
            refuse("SW838", name=self.name, what=str(unread))

    def _columns(self, read: CatBoost, x: Features, given: frozenset[int]) -> list[Value]:
        """Returns the columns of the trees: numbers by their places in the training data, then what derives from categories.

        Columns that no tree uses are those of any other feature. `given`: the places in x of columns that are categories.
        """
        places, loop = self._places(read, x, given), x.loop
        numbers: dict[int, Value] = {}
        known = read.categories.places
        for at in read.positions.keys() - known.keys():
            value = x.values[places[at]]
            if x.names is None and value.type == I64:
                # The library converts integers of a list to float64 first, which is exact up to 2**53.
                small = loop.call("less_equal", loop.call("absolute", value), loop.const(1 << 53, I64))
                loop.guard(small, local=True)
            numbers[at] = loop.cast(value, F32)
        categories = {at: self._category(x, places[at]) for at in known}
        arguments = [(numbers | categories)[at] for at in read.categories.arguments]
        unused = next(iter(numbers.values()), None) or loop.const(0.0, F32)
        made = [numbers.get(at, unused) for at in range(read.numbers)]
        for column in read.categories.columns:
            if isinstance(column, Single):
                holds = loop.call("equal", categories[column.at], loop.const(column.number, I64))
                made.append(loop.cast(holds, F32))
            else:
                assert read.categories.statistics is not None
                made.append(loop.emit(read.categories.statistics.at(column), *arguments))
        return made

    def _places(self, read: CatBoost, x: Features, given: frozenset[int]) -> dict[int, int]:
        """Returns the place in x of each feature: by name in a DataFrame that has all used names, else its place in training.

        Without a Pool, the library takes the columns at the places of the training data's categories as categories, then finds
        all by name. Refuses (SW838) other categories.
        """
        used, names = list(read.positions.values()), [str(name) for name in x.names or ()]
        if x.names is not None and "" not in used and len(set(used)) == len(used) and set(used) <= set(names):
            found = {at: names.index(name) for at, name in read.positions.items()}
        else:
            found = {at: at for at in read.positions}
        if {found[at] for at in read.categories.places} != given:
            refuse("SW838", name=self.name, what="categorical features at other places than in training")
        return found

    def _category(self, x: Features, at: int) -> Value:
        """Returns the number of a column's category. Guards rows without one, for which the library raises."""
        value, loop = x.values[at], x.loop
        if value.type.nullable:
            loop.guard(loop.is_valid(value), local=True)
            value = loop.value_of(value)
        if value.type == BOOL:
            value = loop.select(value, loop.const("1", STR), loop.const("0", STR))
        elif value.type.is_int:
            value = loop.emit(StrCall("int_to_str"), loop.cast(value, I64))
        elif value.type != STR:
            refuse("SW838", name=self.name, what=f"a categorical feature of {value.type}")
        return loop.emit(StrCall("category_hash"), value)

    def _asked(
        self, data: _Data, method: str, kind: str | None, start: int, end: int, threads: int, **given: Any
    ) -> Features:
        """Returns the predictions of a type, from the trees of a range. Refuses (SW252) what the library raises for."""
        call, pool = self.call(method), data.pool if isinstance(data, TracedPool) else None
        x = pool.features if pool else data
        if not isinstance(x, Features) or x.ndim != 2 or x.sparse:
            refuse("SW811", call=call)
        loop, sample = x.loop, (pool or x).prototype()
        made = run_prototype(
            call, getattr(self.model, method), sample, ntree_start=start, ntree_end=end, thread_count=threads, **given
        )
        if any(type(at) is not int for at in (start, end, threads)):
            refuse("SW840", call=call, option="a range of trees or a number of threads that is not an int")
        read = self._read()
        categories = pool.categories if pool else frozenset(read.categories.places)
        if ({at for at, column in enumerate(x.types) if column == STR} | set(category_columns(x))) - categories:
            refuse("SW811", call=call)
        last = end or len(read.trees)
        sums = sums_of(read.forest(start, last), self._columns(read, x, categories), loop, call)
        if start == 0:  # the library adds the bias with the first tree
            sums = [loop.call("add", v, loop.const(b, F64)) for v, b in zip(sums, read.bias, strict=True)]
        if kind == "Class":
            return self._labels(read, x, sums, call, np.ndim(made))
        values = self._values(kind, sums, call)
        if np.size(made) != len(values):
            refuse("SW838", name=self.name, what="classes that its training rows did not have")
        return x.array(values, ndim=np.ndim(made), order="C", names=None)

    def _values(self, kind: str | None, sums: list[Value], call: str) -> list[Value]:
        """Applies a prediction type that is not a label. Refuses SW838 and SW840."""
        loop = sums[0].loop
        if kind == "RawFormulaVal":
            return sums
        keep("link", "128 ULP: the library has an exp of its own", call)
        loss = self._loss()
        if kind == "Exponent" and len(sums) == 1:
            _guard_small(loop, sums)
            return [loop.call("exp", sums[0])]
        if kind != "Probability":
            refuse("SW840", call=call, option=f"prediction_type={kind!r}")
        if loss in _BINARY:
            return both(loop, expit(loop, sums[0]))
        if loss == "MultiClass":
            most = largest(loop, sums)
            _guard_small(loop, [loop.call("subtract", v, most) for v in sums])
            return softmax(loop, sums)
        if loss in _MULTI:
            return [expit(loop, v) for v in sums]
        refuse("SW838", name=self.name, what=f"the loss {loss}")

    def _labels(self, read: CatBoost, x: Features, sums: list[Value], call: str, dimensions: int) -> Features:
        loop, loss, classes = x.loop, self._loss(), np.asarray(self.fitted("classes_"))
        if len(classes) != (2 if loss in _BINARY else len(sums)):
            refuse("SW838", name=self.name, what="classes that its training rows did not have")
        if dimensions != 1 and self.inner:
            refuse("SW838", name=self.name, what="labels in two dimensions, within another estimator")
        if not 0 < read.threshold < 1:
            refuse("SW838", name=self.name, what=f"the probability threshold {read.threshold:g}")
        if loss in _MULTI:
            index = argmax(loop, sums)
        elif loss in _BINARY:
            border = -math.log(1 / read.threshold - 1)
            index = loop.cast(loop.call("greater", sums[0], loop.const(border, F64)), I64)
            if border:
                distance = loop.call("absolute", loop.call("subtract", sums[0], loop.const(border, F64)))
                loop.guard(loop.call("greater", distance, loop.const(_NEAR, F64)), local=True)
        else:
            refuse("SW838", name=self.name, what=f"the loss {loss}")
        made = labels(x, index, classes, call)
        return made if dimensions == 1 else made.array(made.values, ndim=2, order="C")


def _guard_small(loop: LoopBuilder, exponents: list[Value]) -> None:
    """Leaves rows to the library where its exp is further off than its bound: it grows with the exponent."""
    for x in exponents:
        loop.guard(loop.call("less_equal", loop.call("absolute", x), loop.const(_FAR, F64)), local=True)


class Model(Trees):
    """Translates CatBoost, whose `predict` returns the raw sums by default."""

    KEPT: ClassVar[tuple[str, ...]] = ("predict",)
    #: The prediction type of `predict`; None: the loss decides.
    default: ClassVar[str | None] = "RawFormulaVal"

    def predict(
        self, x: _Data, *, prediction_type: Any = _OMITTED, ntree_start: int = 0, ntree_end: int = 0, thread_count: int = -1
    ) -> Features:
        given = {} if prediction_type is _OMITTED else {"prediction_type": prediction_type}
        kind = given.get("prediction_type", self.default)
        if kind is None and self.default is None:
            kind = self.model._get_default_prediction_type()
        return self._asked(x, "predict", kind, ntree_start, ntree_end, thread_count, **given)


class Regressor(Model):
    """Translates CatBoostRegressor: exp of the sums for losses with a logarithm as link."""

    default = None


class Ranker(Trees):
    """Translates CatBoostRanker: raw sums."""

    def predict(self, x: _Data, *, ntree_start: int = 0, ntree_end: int = 0, thread_count: int = -1) -> Features:
        return self._asked(x, "predict", "RawFormulaVal", ntree_start, ntree_end, thread_count)


class Classifier(Model):
    """Translates CatBoostClassifier: labels, and probabilities."""

    KEPT = ("predict", "predict_proba")
    default = "Class"

    def predict_proba(self, x: _Data, *, ntree_start: int = 0, ntree_end: int = 0, thread_count: int = -1) -> Features:
        return self._asked(x, "predict_proba", "Probability", ntree_start, ntree_end, thread_count)


ESTIMATORS: dict[str, type[Translator]] = {
    "catboost.core.CatBoost": Model,
    "catboost.core.CatBoostClassifier": Classifier,
    "catboost.core.CatBoostRanker": Ranker,
    "catboost.core.CatBoostRegressor": Regressor,
}
