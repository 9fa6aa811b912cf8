"""Builds and fits candidate small models for a cascade from the importance and cost of groups of features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.cascades.black_box import BlackBox
from sparkweld.cascades.cascade import Cascade
from sparkweld.cascades.cost import efficient_sets
from sparkweld.cascades.features import FeatureGroups, steps_of
from sparkweld.cascades.splits import Rows
from sparkweld.reasons import refusal

#: Parameters that set a model's number of trees, and the divisors of that number that small models of its family try.
_SIZES = ("n_estimators", "max_iter", "iterations")
_PARTS = (1, 10, 40)
#: Limits on the terms of each text column of a small model; None: the full model's. With few terms a model is sure of fewer rows,
#: but its confidence is more reliable.
_TERMS = (None, 4000)
#: The share of the rows to fit that a judge is fitted on: the last rows, which the small model does not see.
_JUDGED = 0.3


@dataclass(frozen=True)
class Candidate:
    """A fitted small model, the groups that it reads and, for regressors, the fitted judge of its distance to the full model."""

    groups: frozenset[str]
    about: str
    small: Any
    judge: Any = None

    def cascade(self, full: Any, threshold: float) -> Cascade:
        """Returns the cascade of this small model."""
        return Cascade(self.small, full, threshold, self.judge)


def small_models(
    groups: FeatureGroups, importance: dict[str, float], cost: dict[str, float]
) -> Iterator[tuple[frozenset[str], str, Any]]:
    """Yields (groups, description, unfitted pipeline) of each small model worth trying: fewer features, terms or trees."""
    # scikit-learn takes a second to load, and processes that only score do not need it
    from sklearn.base import clone

    model = groups.steps[-1][1]
    size = next((name for name in _SIZES if _is_ensemble(model) and name in model.get_params()), None)
    sets = dict.fromkeys([*efficient_sets(importance, cost), frozenset(groups.names)])
    for chosen in sets:
        for part in _PARTS if size else (1,):
            if part == 1 and chosen == frozenset(groups.names):
                continue  # this is the full model
            own = clone(model)
            if size:
                own.set_params(**{size: max(1, model.get_params()[size] // part)})
            about = f"{type(model).__name__}" + (f", {own.get_params()[size]} trees" if size else "")
            for most in _TERMS if chosen != frozenset(groups.names) else (None,):
                pipeline = groups.pipeline(chosen, own)
                if most is None:
                    yield chosen, about, pipeline
                elif limit_terms(pipeline, most):
                    yield chosen, f"{about}, {most:,} terms", pipeline


def limit_terms(pipeline: Any, most: int) -> bool:
    """Limits each text vectoriser of the pipeline to `most` terms; returns whether any had more."""
    of = pipeline.get_params()
    limits = [name for name in of if name.endswith("max_features") and name.replace("max_features", "ngram_range") in of]
    wide = [name for name in limits if of[name] is None or of[name] > most]
    pipeline.set_params(**dict.fromkeys(wide, most))
    return bool(wide)


def _is_ensemble(model: Any) -> bool:
    return any(word in type(model).__name__ for word in ("Boost", "Forest", "LGBM", "XGB", "ExtraTrees", "Bagging"))


def fitted(chosen: frozenset[str], about: str, pipeline: Any, full: Any, rows: Rows, kind: str) -> Candidate:
    """Returns the candidate fitted on these rows. A judge reads the same groups and learns from rows that the small model has not
    seen.
    """
    if kind == "classes":
        small = pipeline.fit(rows.data, rows.label)
        if not np.array_equal(small.classes_, full.classes_):
            what = f"the classes {small.classes_.tolist()} in the rows to fit, the full model {full.classes_.tolist()}"
            raise refusal("SW940", what=what)
        return Candidate(chosen, about, small)
    from sklearn.base import clone

    count = int(len(rows) * (1 - _JUDGED))
    seen, judged = rows.take(np.arange(count)), rows.take(np.arange(count, len(rows)))
    small = pipeline.fit(seen.data, seen.label)
    apart = np.abs(small.predict(judged.data) - full.predict(judged.data))
    return Candidate(chosen, about, small, clone(pipeline).fit(judged.data, apart))


def probe(groups: FeatureGroups, name: str, rows: Rows) -> Any:
    """Returns a group's features with the cheapest model that accepts them: a sum or, for missing values, one split."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge

    target = np.random.default_rng(0).normal(size=len(rows))
    try:
        return groups.pipeline({name}, Ridge()).fit(rows.data, target)
    except ValueError:
        stump = HistGradientBoostingRegressor(max_iter=1, max_leaf_nodes=2)
        return groups.pipeline({name}, stump).fit(rows.data, target)


def is_fitted(pipeline: Any) -> bool:
    """Whether the last step has been fitted; a function needs no fit."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if isinstance(pipeline, BlackBox):
        return True
    try:
        check_is_fitted(steps_of(pipeline)[-1][1])
    except NotFittedError:
        return False
    return True
