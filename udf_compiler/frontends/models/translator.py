"""Defines the base class of translators, one per fitted estimator class, and their shared functions.

A translator has the estimator's methods that a kernel can run, from Features to Features. Each does what the library's method
does, in the same order and width. Sums of many terms, which the library leaves to BLAS, are approximate with a documented bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from udf_compiler.frontends.models.features import Features, refuse_categories
from udf_compiler.frontends.models.sparse_text_features import Terms
from udf_compiler.frontends.tracing.session import refuse

#: Returns the checked copy of a user's function.
Rebuild: TypeAlias = "Callable[[Any], Any]"

#: Methods of models that compiled functions may call.
METHODS = (
    "predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples", "apply",
    "inverse_transform", "inplace_predict",
)  # fmt: skip


@dataclass(frozen=True)
class Translator:
    """A fitted estimator, `model`. Subclasses define those of METHODS that they translate.

    `rebuild` returns the checked copy of a user's function that the estimator holds. `translate` returns the translators of the
    estimators that it holds (`estimators.translator_of`).
    """
    #: Methods whose values are within a bound of the library's; those of other methods are bit-equal.
    KEPT: ClassVar[tuple[str, ...]] = ()
    #: Whether it accepts pandas' category columns.
    CATEGORIES: ClassVar[bool] = False
    #: Whether its methods take the values of one row, and then return the first element of their result.
    SINGLE: ClassVar[bool] = False
    #: Whether its results are those of its last part, unchanged.
    PASSES: ClassVar[bool] = False

    model: Any
    rebuild: Rebuild | None = field(default=None, compare=False, repr=False)
    translate: Callable[[Any, Rebuild | None], Translator] | None = field(default=None, compare=False, repr=False)
    #: Whether another estimator reads its results.
    inner: bool = False

    @property
    def name(self) -> str:
        """Returns the name of the estimator's class, for messages."""
        return type(self.model).__name__

    @property
    def width(self) -> int | None:
        """Returns the number of features that the fitted model takes; None when it does not report it."""
        return getattr(self.model, "n_features_in_", None)

    def call(self, method: str) -> str:
        """Returns the name of a call, such as ``LinearRegression.predict``."""
        return f"{self.name}.{method}"

    def part(self, estimator: Any) -> Translator:
        """Returns the translator of an estimator inside this one. Refuses SW800 and SW801."""
        assert self.translate is not None
        return replace(self.translate(estimator, self.rebuild), inner=self.inner or not self.PASSES)

    @property
    def container(self) -> str:
        """Returns the container that `set_output` selects for `transform`; "default" is the library's own choice."""
        return getattr(self.model, "_sklearn_output_config", {}).get("transform", "default")  # type: ignore[no-any-return]

    def fitted(self, attribute: str) -> Any:
        """Returns a fitted attribute. Refuses (SW812) a missing one: the model is not fitted, or from another version."""
        if not hasattr(self.model, attribute):
            refuse("SW812", name=self.name, attribute=attribute)
        return getattr(self.model, attribute)


@runtime_checkable
class TermsTransformer(Protocol):
    """A transformer that accepts columns of terms, because it does not need their matrix."""

    def transform_terms(self, x: Terms) -> Terms | Features:
        """Returns ``transform`` of the terms."""


def method_of(translator: Translator, name: str) -> Callable[..., Features]:
    """Returns a method of a translator. Refuses SW252 where the estimator lacks it, SW802 where it is not translated."""
    if not hasattr(translator.model, name):
        error = f"AttributeError: {translator.name} has no attribute {name!r}"
        refuse("SW252", call=translator.call(name), error=error)
    if not hasattr(type(translator), name):
        refuse("SW802", name=translator.name, method=name)
    method = getattr(translator, name)
    if not translator.CATEGORIES:
        method = _without_categories(translator.call(name), method)
    return _with_terms(translator, method) if name == "transform" else method  # type: ignore[no-any-return]


def _without_categories(call: str, method: Callable[..., Features]) -> Callable[..., Features]:
    """Wraps the method to refuse (SW251) category columns."""

    @wraps(method)
    def checked(x: Any, *args: Any, **options: Any) -> Features:
        if isinstance(x, Features):
            refuse_categories(x, call)
        return method(x, *args, **options)

    return checked


def _with_terms(translator: Translator, transform: Callable[[Features], Features]) -> Callable[[Features], Features]:
    """Wraps the `transform` of a transformer that defines `transform_terms` to use that for columns of terms."""
    if not isinstance(translator, TermsTransformer):
        return transform
    return lambda x: translator.transform_terms(x) if isinstance(x, Terms) else transform(x)  # type: ignore[return-value]
