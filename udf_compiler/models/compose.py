"""Estimators made of other estimators: pipelines and searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from udf_compiler.models.features import Features
from udf_compiler.models.translator import METHODS, Translator, method_of, translator_of


class Pipeline(Translator):
    """Its steps one after the other; a method of the pipeline is that of its last step."""

    def _last(self, x: Features, method: str) -> Features:
        steps = [step for _, step in self.model.steps]
        for step in steps[:-1]:
            if step is not None and step != "passthrough":
                x = transformed(step, x)
        if steps[-1] is None or steps[-1] == "passthrough":
            return x
        return transformed(steps[-1], x) if method == "transform" else method_of(translator_of(steps[-1]), method)(x)


class Search(Translator):
    """A search hands everything to the best estimator that it found."""

    def _last(self, x: Features, method: str) -> Features:
        best = self.fitted("best_estimator_")
        return transformed(best, x) if method == "transform" else method_of(translator_of(best), method)(x)


def transformed(estimator: Any, x: Features) -> Features:
    """``estimator.transform(x)``, in the container that it was set to give."""
    from udf_compiler.models.output import contained

    translator = translator_of(estimator)
    return contained(translator, method_of(translator, "transform")(x))


def _handed_on(method: str) -> Callable[[Any, Features], Features]:
    def run(self: Any, x: Features) -> Features:
        return self._last(x, method)  # type: ignore[no-any-return]

    run.__name__ = method
    return run


for _method in METHODS:
    setattr(Pipeline, _method, _handed_on(_method))
    setattr(Search, _method, _handed_on(_method))


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.pipeline.Pipeline": Pipeline,
    "sklearn.model_selection._search.GridSearchCV": Search,
    "sklearn.model_selection._search.RandomizedSearchCV": Search,
}
