"""Scores a DataFrame with a pyspark.ml model, and drops the intermediate columns of its stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparkweld.api.columns import quoted, refuse_taken
from sparkweld.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def score_ml(df: DataFrame, model: Any, columns: Mapping[str, str], features: Any, output: str, proba: Any) -> DataFrame:
    """Implements `score` for pyspark.ml.

    Raises UserError for columns that the stages lack, and for columns that they would replace.
    """
    # pyspark.ml loads slowly, and only models of it need it
    from pyspark.ml.functions import vector_to_array

    if features is not None:
        raise UserError("a pyspark.ml model names its columns itself: omit features=, or rename the table's columns")
    stages = _stages(model)
    _check_columns(stages, columns)
    last = stages[-1]
    column = _param(last, "predictionCol" if proba is False else "probabilityCol")
    if column is None:
        what = "predictions" if proba is False else "probabilities"
        raise UserError(f"the last stage, {type(last).__name__}, returns no {what}")
    transformed, kept = model.transform(df), [quoted(name) for name in columns]
    if proba is False:
        refuse_taken([output], columns)
        return transformed.select(*kept, quoted(column).alias(output))
    count = int(last.numClasses)
    values = vector_to_array(quoted(column))
    if proba is True and count != 2:
        names = [f"{output}_{at}" for at in range(count)]
        refuse_taken(names, columns)
        return transformed.select(*kept, *(values[at].alias(name) for at, name in enumerate(names)))
    label = 1 if proba is True else _number(proba)
    if label not in range(count):
        raise UserError(f"the model has no class {proba!r}: its classes are the numbers from 0 to {count - 1}")
    refuse_taken([output], columns)
    return transformed.select(*kept, values[label].alias(output))


def _stages(model: Any) -> list[Any]:
    inner = getattr(model, "stages", None)
    return [model] if inner is None else [stage for part in inner for stage in _stages(part)]


def _check_columns(stages: list[Any], columns: Mapping[str, str]) -> None:
    there = set(columns)
    for stage in stages:
        needed = _names(stage, ("inputCol", "inputCols", "featuresCol"))
        missing = [name for name in needed if name not in there]
        if missing:
            raise UserError(f"the table has no column {', '.join(map(repr, missing))}, which {type(stage).__name__} needs")
        made = _names(stage, ("outputCol", "outputCols", "predictionCol", "probabilityCol", "rawPredictionCol"))
        taken = [name for name in made if name in columns]
        if taken:
            raise UserError(f"the table has a column {taken[0]!r}, which {type(stage).__name__} creates: rename it first")
        there.update(made)


def _names(stage: Any, params: tuple[str, ...]) -> list[str]:
    values = [_param(stage, param) for param in params]
    return [name for value in values if value for name in ([value] if isinstance(value, str) else value)]


def _param(stage: Any, name: str) -> Any:
    """Returns a parameter of a stage; None when it lacks the parameter or a value for it."""
    if not stage.hasParam(name) or not stage.isDefined(name):
        return None
    return stage.getOrDefault(name)


def _number(label: Any) -> int:
    try:
        return int(float(label))
    except (TypeError, ValueError):
        return -1
