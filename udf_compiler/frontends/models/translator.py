"""Defines the base class of translators, one per fitted estimator class, and their shared functions.

A translator has the estimator's methods that a kernel can run, from Features to Features. Each does what the library's method
does, in the same order and width. Sums of many terms, which the library leaves to BLAS, are approximate with a documented bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ClassVar

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Lookup
from sparkweld.ir.types import BOOL, I64, STR
from udf_compiler.frontends.models.features import Features, refuse_categories
from udf_compiler.frontends.pandas.calls.reductions import argmax
from udf_compiler.frontends.tracing.lower import type_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.utf8 import check_text

#: Methods of models that compiled functions may call.
METHODS = (
    "predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples", "apply",
    "inverse_transform", "inplace_predict",
)  # fmt: skip


@dataclass(frozen=True)
class Translator:
    """A fitted estimator, `model`. Subclasses define those of METHODS that they translate.

    `rebuild` returns the checked copy of a user's function that the estimator holds.
    """
    #: Methods whose values are within a bound of the library's; those of other methods are bit-equal.
    KEPT: ClassVar[tuple[str, ...]] = ()
    #: Whether it accepts pandas' category columns.
    CATEGORIES: ClassVar[bool] = False

    model: Any
    rebuild: Callable[[Any], Any] | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """Returns the name of the estimator's class, for messages."""
        return type(self.model).__name__

    def call(self, method: str) -> str:
        """Returns the name of a call, such as ``LinearRegression.predict``."""
        return f"{self.name}.{method}"

    def part(self, estimator: Any) -> Translator:
        """Returns the translator of an estimator inside this one. Refuses SW800 and SW801."""
        return translator_of(estimator, self.rebuild)

    @property
    def container(self) -> str:
        """Returns the container that `set_output` selects for `transform`; "default" is the library's own choice."""
        return getattr(self.model, "_sklearn_output_config", {}).get("transform", "default")  # type: ignore[no-any-return]

    def fitted(self, attribute: str) -> Any:
        """Returns a fitted attribute. Refuses (SW812) a missing one: the model is not fitted, or from another version."""
        if not hasattr(self.model, attribute):
            refuse("SW812", name=self.name, attribute=attribute)
        return getattr(self.model, attribute)


def method_of(translator: Translator, name: str) -> Callable[..., Features]:
    """Returns a method of a translator. Refuses SW252 where the estimator lacks it, SW802 where it is not translated."""
    if not hasattr(translator.model, name):
        error = f"AttributeError: {translator.name} has no attribute {name!r}"
        refuse("SW252", call=translator.call(name), error=error)
    if not hasattr(type(translator), name):
        refuse("SW802", name=translator.name, method=name)
    from udf_compiler.frontends.models.sparse_text_features import with_terms

    method = getattr(translator, name)
    if not translator.CATEGORIES:
        method = _without_categories(translator.call(name), method)
    return with_terms(translator, method) if name == "transform" else method  # type: ignore[no-any-return]


def _without_categories(call: str, method: Callable[..., Features]) -> Callable[..., Features]:
    """Wraps the method to refuse (SW251) category columns."""

    @wraps(method)
    def checked(x: Any, *args: Any, **options: Any) -> Features:
        if isinstance(x, Features):
            refuse_categories(x, call)
        return method(x, *args, **options)

    return checked


def translator_of(estimator: Any, rebuild: Callable[[Any], Any] | None = None) -> Translator:
    """Returns the translator of an estimator. Refuses SW800 and SW801."""
    from udf_compiler.frontends.models import find

    found = find(estimator, rebuild)
    if isinstance(found, Translator):
        return found
    code, params = found
    refuse(code, **params)


def keep(operation: str, bound: str, call: str) -> None:
    """Notes a difference within a documented bound. Refuses it (SW820) where results must be exact."""
    if current().exact:
        refuse("SW820", call=call, bound=bound)
    current().keep(operation, bound)


def labels(x: Features, index: Value, classes: np.ndarray, call: str) -> Features:
    """Returns ``classes.take(index)``: the label of each row's class."""
    loop = x.loop
    kind = np.asarray(classes).dtype.kind
    if kind in "OU":
        if not all(isinstance(c, str) for c in classes):
            refuse("SW813", call=call, type="objects")
        table: dict[object, object] = {i: check_text(str(c), call) for i, c in enumerate(classes)}
        return Features(loop, (loop.value_of(loop.emit(Lookup.of(table, I64, STR), index)),), ndim=1)
    type = type_of(classes.dtype, call)
    if np.array_equal(classes, np.arange(len(classes))):
        return Features(loop, (loop.cast(index, type),), ndim=1)
    value = loop.const(classes[-1], type)
    for i in range(len(classes) - 2, -1, -1):
        value = loop.select(loop.call("equal", index, loop.const(i, I64)), loop.const(classes[i], type), value)
    return Features(loop, (value,), ndim=1)


def largest(loop: LoopBuilder, values: Sequence[Value]) -> Value:
    """Returns the largest of the values; NaN if any is NaN."""
    return loop.fold("maximum", values)


def all_of(loop: LoopBuilder, conditions: Sequence[Value]) -> Value:
    """Returns the conjunction of the conditions."""
    true = loop.const(True, BOOL)
    return loop.fold("logical_and", conditions) if conditions else true


__all__ = ["METHODS", "Translator", "all_of", "argmax", "keep", "labels", "largest", "method_of", "translator_of"]
