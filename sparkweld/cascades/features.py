"""Splits a pipeline into groups of features that can be computed, priced and omitted independently (Willump, section 4.1).

A group is one transformer of the pipeline's ColumnTransformer or FeatureUnion, else one column of the table. Steps before the
union are shared by all groups and stay in every smaller pipeline. Steps after it read the concatenated columns of the groups.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.cascades.black_box import BlackBox
from sparkweld.errors import UserError
from sparkweld.reasons import refusal


@dataclass(frozen=True)
class FeatureGroups:
    """The groups of a pipeline by name.

    `steps`: the pipeline's steps, the model last. `at`: the index of the step that forms the groups; None when the table's own
    columns are the groups.
    """

    steps: tuple[tuple[str, Any], ...]
    names: tuple[str, ...]
    at: int | None = None

    @property
    def free(self) -> bool:
        """Whether the groups cost nothing to compute: they are columns that the scan reads."""
        return self.at is None

    def pipeline(self, chosen: Collection[str], model: Any) -> Any:
        """Returns an unfitted pipeline of the chosen groups with `model` as its last step."""
        # scikit-learn takes a second to load, and processes that only score do not need it
        from sklearn.base import clone
        from sklearn.pipeline import Pipeline

        head = [(name, clone(step)) for name, step in self.steps[:-1] if step is not None]
        if set(chosen) != set(self.names):
            if self.at is None:
                head.insert(0, ("columns", _columns([n for n in self.names if n in chosen])))
            else:
                head[self.at] = (head[self.at][0], _restricted(self.steps[self.at][1], chosen))
        return Pipeline([*head, (self.steps[-1][0], clone(model))])

    def matrices(self, fitted: Any, data: Any) -> tuple[dict[str, Any], Any]:
        """Returns (the fitted pipeline's columns of each group for these rows, the estimator that scores their concatenation)."""
        from sklearn.pipeline import Pipeline

        if self.at is None:
            if not isinstance(data, pd.DataFrame):
                return {name: np.asarray(data) for name in self.names}, fitted
            return {name: data[[name]] for name in self.names}, fitted
        steps = steps_of(fitted)
        for _, step in steps[: self.at]:
            data = step.transform(data)
        union = steps[self.at][1]
        if hasattr(union, "transformer_list"):
            weights = union.transformer_weights or {}
            parts = {n: t.transform(data) * weights.get(n, 1) for n, t in union.transformer_list if n in self.names}
        else:
            whole = union.transform(data)
            whole = whole.to_numpy() if isinstance(whole, pd.DataFrame) else whole
            parts = {name: whole[:, union.output_indices_[name]] for name in self.names}
        return parts, Pipeline(steps[self.at + 1 :])


def feature_groups(pipeline: Any, data: Any) -> FeatureGroups:
    """Returns the groups of a pipeline, or of a model alone, over a DataFrame or a Series of strings.

    Raises UserError for column names that are not strings where the columns are the groups.
    """
    steps = tuple(steps_of(pipeline))
    for at, (_, step) in enumerate(steps[:-1]):
        if hasattr(step, "transformer_list"):
            return FeatureGroups(steps, tuple(n for n, t in step.transformer_list if not isinstance(t, str) or t != "drop"), at)
        if hasattr(step, "sparse_threshold") and hasattr(step, "transformers"):
            parts = step.transformers_ if hasattr(step, "transformers_") else step.transformers
            return FeatureGroups(steps, tuple(n for n, t, c in parts if not _is_dropped(t) and np.size(c)), at)
    names = tuple(data.columns) if isinstance(data, pd.DataFrame) else ("text",)
    if other := [name for name in names if not isinstance(name, str)]:
        raise UserError(f"the column {other[0]!r} is not named by a string; rename the columns")
    return FeatureGroups(steps, names)


def text_column(data: Any, text: Any) -> pd.Series:
    """Returns the column of that name. Raises UserError without one."""
    if not isinstance(data, pd.DataFrame) or not isinstance(text, str) or text not in data.columns:
        raise UserError(f"data has no column {text!r} of strings")
    return data[text]


def read_columns(pipeline: Any, data: Any) -> Any:
    """Returns the columns that a pipeline reads, in its order if it is fitted; all where it does not state any, and a Series.

    A fitted pipeline states them, and so does a ColumnTransformer without remainder as the first step. Other columns, such as
    keys and dates, take no part. Raises UserError for a column that the table lacks.
    """
    if not isinstance(data, pd.DataFrame):
        return data
    stated = getattr(pipeline, "feature_names_in_", None)
    first = steps_of(pipeline)[0][1]
    if stated is None and getattr(first, "remainder", None) == "drop" and hasattr(first, "transformers"):
        chosen = [[columns] if isinstance(columns, str) else columns for _, _, columns in first.transformers]
        if all(isinstance(columns, list | tuple) and all(isinstance(c, str) for c in columns) for columns in chosen):
            named = {c for columns in chosen for c in columns}
            stated = [*(c for c in data.columns if c in named), *sorted(named - set(data.columns))]
    if stated is None:
        return data
    if missing := [name for name in stated if name not in data.columns]:
        raise UserError(f"data has no column {missing[0]!r}, which the {type(pipeline).__name__} reads")
    return data[list(stated)]


def steps_of(pipeline: Any) -> list[tuple[str, Any]]:
    """Returns the name and estimator of each step; a model alone is one step."""
    return list(pipeline.steps) if hasattr(pipeline, "named_steps") else [("model", pipeline)]


def importances(
    groups: FeatureGroups, fitted: Any, data: Any, label: np.ndarray, score: Callable[[Any, Any], float], repeats: int = 3
) -> dict[str, float]:
    """Returns the loss of score for each group when its columns are shuffled among the rows, the mean of `repeats` shuffles.

    `score(predictions, label)` grows with quality. All columns of a group are shuffled as one.
    """
    parts, tail = groups.matrices(fitted, data)
    whole = score(tail.predict(_beside(parts.values())), label)
    rng = np.random.default_rng(0)
    lost = {}
    for name, part in parts.items():
        scores = []
        for _ in range(repeats):
            order = rng.permutation(part.shape[0])
            shuffled = part.iloc[order].set_index(part.index) if isinstance(part, pd.DataFrame) else part[order]
            scores.append(score(tail.predict(_beside({**parts, name: shuffled}.values())), label))
        lost[name] = float(whole - np.mean(scores))
    return lost


def _beside(parts: Any) -> Any:
    sparse = importlib.import_module("scipy.sparse")
    parts = list(parts)
    if all(isinstance(part, pd.DataFrame) for part in parts):
        return pd.concat(parts, axis=1)
    return sparse.hstack(parts, format="csr") if any(map(sparse.issparse, parts)) else np.hstack(parts)


def _columns(names: Sequence[str]) -> Any:
    from sklearn.compose import ColumnTransformer

    kept = ColumnTransformer([("kept", "passthrough", list(names))], verbose_feature_names_out=False)
    return kept.set_output(transform="pandas")


def _restricted(union: Any, chosen: Collection[str]) -> Any:
    from sklearn.base import clone

    if hasattr(union, "transformer_list"):
        return clone(union).set_params(transformer_list=[(n, clone(t)) for n, t in union.transformer_list if n in chosen])
    parts = union.transformers_ if hasattr(union, "transformers_") else union.transformers
    kept = [(n, t if isinstance(t, str) else clone(t), c) for n, t, c in parts if n in chosen]
    return clone(union).set_params(transformers=kept, remainder="drop")


def _is_dropped(part: Any) -> bool:
    return isinstance(part, str) and part == "drop"


def check_kind(pipeline: Any) -> str:
    """Returns the kind of the last step's answers: "classes" or "numbers".

    Refuses (SW945) a model that is neither a classifier with probabilities nor a regressor.
    """
    from sklearn.base import is_classifier, is_regressor

    if isinstance(pipeline, BlackBox):
        return pipeline.kind
    model = steps_of(pipeline)[-1][1]
    if isinstance(model, type) or not hasattr(model, "get_params"):
        raise refusal("SW945", model=f"{model.__name__}, a class" if isinstance(model, type) else f"a {type(model).__name__}")
    if is_classifier(model) and hasattr(type(model), "predict_proba"):
        return "classes"
    if is_regressor(model):
        return "numbers"
    raise refusal("SW945", model=type(model).__name__)
