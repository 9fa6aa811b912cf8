"""Times a query of the full model and of its cascade, for the certificate."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkweld.api.cascade_functions import in_front
from sparkweld.api.columns import quoted
from sparkweld.api.fitted import takes_documents
from sparkweld.api.scoring import score
from sparkweld.cascades.black_box import BlackBox
from sparkweld.cascades.cost import nanoseconds
from sparkweld.cascades.fitting import Fitted
from sparkweld.errors import UserError

#: The runs of each query after a warm-up; they alternate.
_REPEATS = 3
#: Kind of a dtype -> Spark type of a function's results.
_RETURNED = {"f": "double", "i": "long", "u": "long", "b": "boolean"}


def timed(made: Fitted, query: DataFrame, columns: Sequence[str]) -> Fitted:
    """Returns the cascade with the times of scoring all rows of `query` in its certificate, by the clock.

    `columns`: those that the full model or the function takes, in its order. The results are not written anywhere. Raises
    UserError for columns that the table lacks, and for what is no DataFrame of Spark.
    """
    if not isinstance(query, DataFrame):
        raise UserError(f"query is a {type(query).__name__}: pass a DataFrame of Spark, such as the table that you will score")
    absent = [name for name in columns if name not in query.columns]
    if absent:
        raise UserError(f"query has no column {absent[0]!r}: {', '.join(query.columns)}")
    of = _of_function if isinstance(made.full, BlackBox) else _of_model
    rows = query.count()
    runs = [partial(_run, frame) for frame in of(made, query, columns)]
    full, cascade = nanoseconds(runs, rows, _REPEATS, time.perf_counter)
    return replace(made, certificate=replace(made.certificate, query_rows=rows, query_full_cost=full, query_cost=cascade))


def _run(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def _of_model(made: Fitted, query: DataFrame, columns: Sequence[str]) -> list[DataFrame]:
    features = list(columns) if takes_documents(made.full) or not hasattr(made.full, "feature_names_in_") else None
    table = query.select(*map(quoted, columns))
    output = _new(columns)
    return [score(table, made.full, features, output, cascade=used).select(quoted(output)) for used in (None, made.cascade)]


def _of_function(made: Fitted, query: DataFrame, columns: Sequence[str]) -> list[DataFrame]:
    function: Callable[..., Any] = made.full.function
    returned = "double" if made.full.kind == "numbers" else _RETURNED.get(made.full.classes_.dtype.kind, "string")
    arguments = [quoted(name) for name in columns]
    if made.full.takes_frame:
        arguments = [F.struct(*arguments)]
    ways = (function, in_front(made.cascade, function))
    return [query.select(F.pandas_udf(way, returned)(*arguments).alias("made")) for way in ways]  # type: ignore[call-overload]


def _new(columns: Sequence[str]) -> str:
    """Returns a name that none of the columns has."""
    return "_".join(["prediction", *columns])
