"""A fitted model as compiled functions see it: methods that take traced columns, attributes that are plain, nothing else."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir.types import I64
from udf_compiler.models.features import features_of
from udf_compiler.models.output import TracedSparse, contained, given_back
from udf_compiler.models.translator import METHODS, Translator, labels, method_of
from udf_compiler.trace import TracedArray
from udf_compiler.trace.forms import check_form
from udf_compiler.trace.session import refuse
from udf_compiler.trace.values import Traced

#: Attributes of fitted estimators that are arrays or numbers.
_OF_X = inspect.Signature([inspect.Parameter("X", inspect.Parameter.POSITIONAL_OR_KEYWORD)])
_PLAIN = frozenset("classes_ n_features_in_ feature_names_in_ n_outputs_ coef_ intercept_ mean_ scale_ best_score_".split())


class TracedModel:
    """A model. Nothing of it can be written, and what is read is a copy or read-only."""

    __slots__ = ("__translator",)

    def __init__(self, translator: Translator) -> None:
        object.__setattr__(self, "_TracedModel__translator", translator)

    def __getattr__(self, name: str) -> Any:
        translator = self.__translator
        if name in METHODS:
            method = functools.partial(_called, translator, name, method_of(translator, name))
            method.__signature__ = _OF_X  # type: ignore[attr-defined]
            return method
        if name in _PLAIN:
            return constant(translator.fitted(name), translator.call(name))
        if name in ("named_steps", "named_transformers_", "named_estimators_"):
            parts = translator.fitted(name)
            return {key: _part(translator, part) for key, part in parts.items()}
        if name == "steps":
            return [(key, _part(translator, part)) for key, part in translator.fitted("steps")]
        if name in ("best_estimator_", "estimator_", "regressor_"):
            return TracedModel(translator.part(translator.fitted(name)))
        refuse("SW802", name=translator.name, method=name)

    def __getitem__(self, key: Any) -> Any:
        if type(self.__translator).__name__ != "Pipeline" or not isinstance(key, int | str | slice):
            refuse("SW802", name=self.__translator.name, method="[...]")
        return _part(self.__translator, self.__translator.model[key])

    def __setattr__(self, name: str, value: object = None) -> None:
        refuse("SW256", call=f"{self.__translator.name}.{name} = ...")

    __delattr__ = __setattr__


def _part(translator: Translator, part: Any) -> Any:
    return part if part is None or isinstance(part, str) else TracedModel(translator.part(part))


def _called(translator: Translator, name: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    call = translator.call(name)
    check_form(lambda X: None, args, kwargs, call)
    (x,) = (*args, *kwargs.values())
    given = x.features if isinstance(x, TracedSparse) else features_of(x, call)
    made = method(given)
    return given_back(contained(translator, made) if name == "transform" else made, call)


class Constants(np.ndarray):
    """A read-only array of a model's; a traced index takes from it row by row, as from `classes_`."""

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, Traced):
            return super().__getitem__(key)
        if not isinstance(key, TracedArray) or key.dtype.kind != "i" or key.ndim != 1 or self.ndim != 1:
            refuse("SW257", call="an array of a model [...]", shape=f"{self.shape}")
        return _taken(np.asarray(self), key)


def _taken(table: np.ndarray, key: TracedArray) -> Any:
    """``table[key]``. Rows whose index the array does not have are guarded: NumPy raises."""
    loop, index = key.loop, key.loop.cast(key.value, I64)
    size = loop.const(len(table), I64)
    index = loop.select(loop.call("less", index, loop.const(0, I64)), loop.call("add", index, size), index)
    inside = loop.call("logical_and", loop.call("greater_equal", index, loop.const(0, I64)), loop.call("less", index, size))
    loop.guard(inside)
    return given_back(labels(features_of(key, "classes_[...]"), index, table, "classes_[...]"), "classes_[...]")


def constant(value: Any, call: str) -> Any:
    """An attribute of a fitted estimator as read-only data. Refuses SW819."""
    if isinstance(value, np.ndarray) and (value.dtype.kind in "biufU" or all(isinstance(v, str) for v in value.ravel())):
        made = value.copy().view(Constants)
        made.flags.writeable = False
        return made
    if isinstance(value, int | float | str | np.generic):
        return value
    refuse("SW819", call=call, type=type(value).__name__)


