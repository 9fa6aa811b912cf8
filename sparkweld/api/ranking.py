"""`sparkweld.ranking`: rows without labels to a certified ranking, which finds the candidates of approximate top-K queries.

    sparkweld.ranking.fit(model, table, k=(10, 100, 1000), recall=0.95, path="rankings/late", proba=True)
    sparkweld.score(df, model, proba=True, top_k=1000, approximate="rankings/late")
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparkweld.api.cascade import measure
from sparkweld.errors import Refusal, RefusalWarning, UserError
from sparkweld.reasons import refusal
from sparkweld.willump import ranking, store
from sparkweld.willump.certificate import RankCertificate
from sparkweld.willump.fingerprint import fingerprint
from sparkweld.willump.ranking import Ranking, RankPromise

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: The column of the small model's scores.
_SCORE = "__sparkweld_candidate"


def fit(
    model: Any, data: Any, k: Sequence[int] = (10, 100, 1000), recall: float = 0.95, confidence: float = 0.95, *,
    proba: Any = False, path: str | Path | None = None, text: str | None = None, seed: int = 0,
) -> Ranking:  # fmt: skip
    """The certified ranking of a fitted `model` for rows like `data`: a DataFrame (of Spark, too), or a Series of texts.

    `k`: queries for the least of these many rows, or more, are served. `recall`: the share of the first K rows that is found, in
    at least `confidence` of tables. `proba`: of classifiers, as `sparkweld.score` has it. `text`: the column of a model that
    takes one Series. `path`: a directory to write.

    Raises UserError for arguments that mean nothing, and a Refusal (SW942, SW946 to SW949) that says why there is no ranking.
    """
    if not k or min(k) < 1 or not 0.5 <= recall < 1 or not 0.5 <= confidence < 1:
        raise UserError(f"k={k} wants numbers of 1 or more, recall={recall} and confidence={confidence} 0.5 <= share < 1")
    rows = data.toPandas() if hasattr(data, "toPandas") else data
    rows = rows[text] if text is not None else rows
    if not isinstance(rows, pd.DataFrame | pd.Series):
        raise UserError(f"data is a {type(data).__name__}; give a DataFrame, or a Series of texts")
    rows = rows.reset_index(drop=True)
    scores, about = _scores(model, rows, proba)
    made = ranking.fit(model, rows, scores, about, RankPromise(tuple(sorted(set(k))), recall, confidence), measure, seed)
    if path is None:
        return made
    return Ranking(made.small, made.full, store.save(made, Path(path)))


def certificate(path: str | Path) -> RankCertificate:
    """The certificate of a directory. Refuses SW950 and SW951."""
    return store.load_ranking(Path(path))[1]


def candidates(
    df: DataFrame, model: Any, features: Sequence[str] | Mapping[str, str], k: int, proba: Any, path: str | os.PathLike[str]
) -> DataFrame:
    """The rows of `df` of which those of the `k` largest scores are to be chosen. All, after a RefusalWarning, when the ranking
    does not speak of them. Counts the rows of `df`."""
    from pyspark.sql import functions as F

    from sparkweld.api.scoring import quoted, score

    try:
        small, told = store.load_ranking(Path(path))
        if told.model != fingerprint(model) or told.score != _about(model, proba):
            raise refusal("SW952", what="ranking", path=path, model=f"{_about(model, proba)} of the {type(model).__name__}")
        rows = df.count()
        some = told.candidates(k, rows)
        if some is None:
            raise refusal("SW958", path=path, k=f"{k:,}", rows=f"{rows:,}", least=told.least_k, share=f"{told.factors[0][0]:.4%}")
    except Refusal as refused:
        warnings.warn(f"the full model scores every row: {refused}", RefusalWarning, stacklevel=3)
        return df
    if some >= rows:
        return df
    scored = score(df, small, features, _SCORE)
    return scored.orderBy(F.desc_nulls_last(_SCORE)).limit(some).select(*map(quoted, df.columns))


def _scores(model: Any, rows: Any, proba: Any) -> tuple[np.ndarray, str]:
    """(what orders the rows, its name)."""
    about = _about(model, proba)
    if proba is False:
        found = np.asarray(model.predict(rows))
        if found.ndim != 1 or found.dtype.kind not in "biuf":
            raise UserError(f"the model predicts {found.dtype}: rows have no order; give proba=<class>")
        return found.astype(np.float64), about
    classes = model.classes_.tolist()
    if proba is True and len(classes) != 2 or proba is not True and proba not in classes:
        raise UserError(f"proba={proba!r}: give one of the classes {classes}")
    return np.asarray(model.predict_proba(rows), np.float64)[:, 1 if proba is True else classes.index(proba)], about


def _about(model: Any, proba: Any) -> str:
    classes = list(getattr(model, "classes_", ()))
    label = classes[1] if proba is True and len(classes) == 2 else proba
    return "the prediction" if proba is False else f"the probability of {label}"
