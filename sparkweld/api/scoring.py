"""Scores a DataFrame with a fitted model: adds the model's predictions as a column."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pyspark import cloudpickle
from pyspark.sql import functions as F

from sparkweld.api import ranking
from sparkweld.api.broadcasts import shared
from sparkweld.api.columns import column_types, quoted, refuse_taken
from sparkweld.api.fitted import chosen_features, plan_of
from sparkweld.api.predictors import predictor
from sparkweld.api.saved_models import is_xgboost_booster, load_model, of_booster
from sparkweld.api.scoring_ml import score_ml
from sparkweld.cascades import cascade as cascade_module
from sparkweld.cascades import store
from sparkweld.cascades.cascade import Cascade
from sparkweld.cascades.fingerprint import fingerprint
from sparkweld.errors import Refusal, RefusalWarning, UserError
from sparkweld.reasons import refusal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Types that Spark cannot order.
_UNORDERED = ("map", "variant")


def score(
    df: DataFrame,
    model: Any,
    features: Sequence[str] | Mapping[str, str] | None = None,
    output: str = "prediction",
    proba: Any = False,
    cascade: Any = None,
    top_k: int | None = None,
    approximate: Any = None,
) -> DataFrame:
    """Returns `df` with the model's predictions as the column `output`.

    `model`: a fitted scikit-learn estimator or pipeline, a LightGBM, XGBoost, CatBoost or pyspark.ml model, or the path of
    a saved one. `features`: the columns that it was fitted on, by default those whose names it knows; a dict maps each feature
    to its column.
    `proba`: True returns probabilities, of the second class where there are two, else a column ``output_<class>`` for each
    class; a label returns that class's alone. Type of the result: the dtype that the model predicts; NaN becomes NULL.

    `cascade`: the directory that `sparkweld.cascade.fit` wrote for this model, or the cascade, which then answers within its
    certificate. Where it cannot be used, a RefusalWarning states the reason and the model scores every row.

    `top_k`: returns only this many rows, those with the largest predictions, NULL last. Equal predictions are ordered by the
    other columns, ascending, in the order of the table. `approximate`: the directory that `sparkweld.ranking.fit` wrote for this
    model: with the plugin, a small model then selects candidates, and the full one orders them.

    Nothing else is read or computed before an action on the result. With the plugin the model is compiled. Without it, or where
    it is refused (`sparkweld.explain` states the reason), a pandas UDF returns the same rows. Raises UserError before any row
    is read. The causes are a path without a model, columns that are missing or of the wrong type, and an `output` that `df` has
    already.
    """
    if top_k is not None:
        return _first_rows(df, model, features, output, proba, cascade, top_k, approximate)
    if approximate is not None:
        raise UserError("approximate= applies to the first rows: pass top_k=")
    if isinstance(model, str | os.PathLike):
        model = load_model(model, df.sparkSession)
    columns = column_types(df)
    if hasattr(model, "transform") and hasattr(model, "uid"):
        return score_ml(df, model, columns, features, output, proba)
    if is_xgboost_booster(model):
        model = of_booster(model)

    used = None if cascade is None else cascade_of(model, cascade)
    given = chosen_features(model, features, columns)
    plan = plan_of(model, given, proba)
    names = [f"{output}_{label}" for label in plan.classes] or [output]
    refuse_taken(names, columns)
    fields = [f"p{at}" for at in range(len(plan.classes))]
    holder = _holder(df, model) if used is None else SimpleNamespace(value=used)
    function = predictor(
        holder, plan.method, documents=plan.documents, array=plan.array, at=plan.at, columns=fields
    )
    returned = ", ".join(f"{field} {plan.type}" for field in fields) or plan.type
    argument = quoted(given[0].column) if plan.documents else F.struct(*(quoted(g.column).alias(g.name) for g in given))
    scored = F.pandas_udf(function, returned)(argument)
    if not fields:
        return df.withColumn(output, scored)
    struct = "__" + output
    wide = df.withColumn(struct, scored)
    return wide.select(*map(quoted, columns), *(wide[struct][f].alias(n) for f, n in zip(fields, names, strict=True)))


def _first_rows(
    df: DataFrame, model: Any, features: Any, output: str, proba: Any, cascade: Any, top_k: int, approximate: Any
) -> DataFrame:
    if isinstance(model, str | os.PathLike):
        model = load_model(model, df.sparkSession)
    found = first_rows(score(df, model, features, output, proba, cascade), df.columns, top_k)
    if approximate is None:
        return found
    if cascade is not None:
        raise UserError("approximate= and cascade= exclude each other: pass one of them")
    return approximate_rows(found, model, proba, top_k, approximate)


def approximate_rows(first: DataFrame, model: Any, proba: Any, top_k: int, path: str | os.PathLike[str]) -> DataFrame:
    """Finds the result of `first_rows` by the candidates of the ranking in `path`, where it serves the query."""
    if isinstance(model, str | os.PathLike):
        model = load_model(model, first.sparkSession)
    return ranking.approximate(first, model, top_k, proba, path)


def first_rows(scored: DataFrame, others: Sequence[str], top_k: int) -> DataFrame:
    """Returns the rows with the `top_k` largest values of the one column that is not among `others`, NULL last.

    Equal values are ordered by the `others`. Raises UserError when there are several such columns, or the column is not a
    number.
    """
    made = [name for name in scored.columns if name not in others]
    types = dict(scored.dtypes)
    if not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1 or len(made) != 1 or types[made[0]] == "string":
        what = "must be 1 or more, and requires one number per row: choose a class with --proba CLASS, or proba=CLASS"
        raise UserError(f"--top-k, or top_k=, here {top_k!r}, {what}")
    ties = [quoted(name) for name in scored.columns if not types[name].startswith(_UNORDERED)]
    return scored.orderBy(F.desc_nulls_last(quoted(made[0])), *ties).limit(top_k)


def cascade_of(model: Any, path: str | os.PathLike[str] | Cascade) -> Any:
    """Loads the cascade of a directory for its own model; None, after a RefusalWarning, when it cannot be used.

    In the place of the directory, it accepts the cascade itself.
    """
    try:
        if isinstance(path, Cascade):
            made, of, place = path, fingerprint(path.full), "cascade="
        else:
            made, certificate = store.load(store.directory(path))
            of, place = certificate.model, str(path)
        if of != fingerprint(model):
            raise refusal("SW952", what="cascade", path=place, model=type(model).__name__)
    except Refusal as refused:
        warnings.warn(f"the full model scores every row: {refused}", RefusalWarning, stacklevel=3)
        return None
    cloudpickle.register_pickle_by_value(cascade_module)  # workers read it without this package
    return made


def _holder(df: DataFrame, model: Any) -> Any:
    """Wraps the model as the `value` of a broadcast, which is sent once and not again with each function.

    A Connect session has no broadcasts, so a plain object holds the model.
    """
    if hasattr(df, "_jdf"):
        return shared(df.sparkSession.sparkContext, model)
    return SimpleNamespace(value=model)
