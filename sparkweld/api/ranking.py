"""Implements `sparkweld.ranking`: fits a certified ranking from unlabelled rows, for approximate top-K queries.

    sparkweld.ranking.fit(model, table, k=1000, rows=5_000_000, recall=0.95, path="rankings/late", proba=True)
    sparkweld.score(df, model, proba=True, top_k=1000, approximate="rankings/late")
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparkweld.api.measuring import measure
from sparkweld.cascades import ranking, store
from sparkweld.cascades.candidates import is_fitted
from sparkweld.cascades.certificate import RankCertificate
from sparkweld.cascades.features import read_columns, text_column
from sparkweld.cascades.fingerprint import fingerprint
from sparkweld.cascades.fitting import asking
from sparkweld.cascades.ranking import Ranking, RankPromise
from sparkweld.errors import Refusal, RefusalWarning, UserError
from sparkweld.reasons import refusal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def fit(
    model: Any, data: Any, k: int | Sequence[int] = 1000, recall: float = 0.95, confidence: float = 0.95, *,
    rows: int | None = None, proba: Any = False, path: str | Path | None = None, text: str | None = None, seed: int = 0,
    extrapolate: bool = False,
) -> Ranking:  # fmt: skip
    """Fits the certified ranking of a fitted `model` for rows like `data`: a DataFrame (of Spark, too), or a Series of strings.

    `k`: number of rows that one or more queries request, from a table of `rows` rows; `rows` defaults to the length of `data`.
    Later, a query is served when the last score of its answer is in the certified range. This reaches from the last of the
    first min(k) rows of such a table to the last of its first max(k) rows. `recall`: the share of the first K rows that is
    found, with `confidence`. `extrapolate`: also serves queries for fewer rows than `data` can certify, down to min(k). It
    assumes, without a certificate, that rows with higher scores are found as often. `proba`: for classifiers, as in
    `sparkweld.score`. `text`: the column of a model that takes one Series. `path`: a directory to write.

    Raises UserError for invalid arguments, and a Refusal (SW942, SW946 to SW949) with the reason why there is no ranking.
    """
    ks = _ks(k)
    if not all(isinstance(share, float) and 0.5 <= share < 1 for share in (recall, confidence)):
        raise UserError(f"recall={recall!r} and confidence={confidence!r}: each must be at least 0.5 and less than 1")
    if rows is not None and not _is_count(rows):
        raise UserError(f"rows={rows!r}: pass the number of rows of the queried table, 1 or more")
    to = None if path is None else store.place(path, RankCertificate)
    given = data.toPandas() if hasattr(data, "toPandas") else data
    if not isinstance(given, pd.DataFrame | pd.Series):
        raise UserError(f"data is a {type(data).__name__}; pass a DataFrame, or a Series of strings")
    given = (given if text is None else text_column(given, text)).reset_index(drop=True)
    given = read_columns(model, given)
    rows = len(given) if rows is None else rows
    if rows < ks[-1]:
        raise UserError(f"the first k={ks[-1]:,} of rows={rows:,} rows are all of them; pass a smaller k")
    scores, column, about = _scores(model, given, proba)
    made = ranking.fit(model, given, scores, column, about, RankPromise(ks, rows, recall, confidence, extrapolate), measure, seed)
    return made if to is None else Ranking(made.small, made.full, store.save(made, to))


def certificate(path: str | Path) -> RankCertificate:
    """Returns the certificate of a directory. Raises UserError for an invalid path; refuses SW950."""
    return store.read_certificate(store.directory(path), RankCertificate)


def approximate(first: DataFrame, model: Any, k: int, proba: Any, path: str | os.PathLike[str]) -> DataFrame:
    """Restricts the query `first` for the `k` largest scores to candidates, where the ranking in `path` serves it.

    Where it does not, returns the query unchanged after a RefusalWarning. Whether the certificate covers the answer is known
    only once the answer is computed; if it does not, the full model then scores every row.
    """
    # pyspark-client, for Connect, has no py4j, which this module loads
    from sparkweld.bridge.jvm import with_ranking

    try:
        told = store.load_ranking(store.directory(path))[1]
        if told.model != fingerprint(model) or told.score != _about(model, proba):
            raise refusal("SW952", what="ranking", path=path, model=f"{_about(model, proba)} of the {type(model).__name__}")
        if k < told.least_k:
            raise refusal("SW958", path=path, k=f"{k:,}", why=f"it serves queries for {told.least_k:,} rows or more")
        return with_ranking(first, os.path.abspath(path))
    except Refusal as refused:
        warnings.warn(f"the full model scores every row: {refused}", RefusalWarning, stacklevel=3)
        return first


def _ks(k: Any) -> tuple[int, ...]:
    given = list(k) if isinstance(k, Iterable) and not isinstance(k, str) else [k]
    if not given or not all(map(_is_count, given)):
        raise UserError(f"k={k!r}: pass the number of rows that queries request, or several such numbers, each 1 or more")
    return tuple(sorted(set(given)))


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def _scores(model: Any, rows: Any, proba: Any) -> tuple[np.ndarray, int, str]:
    """Returns (the scores that order the rows, their column of the probabilities or -1, their name)."""
    about = _about(model, proba)
    if not hasattr(model, "predict") or isinstance(model, type) or (hasattr(model, "fit") and not is_fitted(model)):
        raise UserError(f"the model is {model!r:.80}; pass a fitted model")
    if proba is False:
        with asking("the model cannot score these rows"):
            found = np.asarray(model.predict(rows))
        if found.ndim != 1 or found.dtype.kind not in "biuf":
            raise UserError(f"the model predicts {found.dtype}: rows have no order; pass proba=<class>")
        return found.astype(np.float64), -1, about
    if not hasattr(model, "predict_proba"):
        raise UserError(f"a {type(model).__name__} has no predict_proba; omit proba=")
    classes = model.classes_.tolist()
    if proba is True and len(classes) != 2 or proba is not True and proba not in classes:
        raise UserError(f"proba={proba!r}: pass one of the classes {classes}")
    column = 1 if proba is True else classes.index(proba)
    with asking("the model cannot score these rows"):
        return np.asarray(model.predict_proba(rows), np.float64)[:, column], column, about


def _about(model: Any, proba: Any) -> str:
    classes = list(getattr(model, "classes_", ()))
    label = classes[1] if proba is True and len(classes) == 2 else proba
    return "the prediction" if proba is False else f"the probability of {label}"
