"""A fitted model to the pandas function that scores with it: what a user would have written by hand.

SparkWeld compiles the function as it compiles a user's own; without the plugin PySpark runs it as it is. It travels by value, so
workers need no SparkWeld.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd


def predictor(
    holder: Any, method: str, *, documents: bool, array: bool, at: int | None, columns: Sequence[str]
) -> Callable[..., Any]:
    """The function of a batch that calls `method` of the model ``holder.value``.

    `documents`: it takes a column of texts, else a DataFrame, which it hands on as an `array` where the model was fitted on one.
    It gives the result, or of a matrix column number `at`, or all `columns`.
    """

    def predict(rows: Any) -> Any:
        model = holder.value
        made = getattr(model, method)(rows.to_numpy() if array else rows)
        if columns:
            return pd.DataFrame(made, columns=columns)
        return pd.Series(made if at is None else made[:, at])

    given = pd.Series if documents else pd.DataFrame
    predict.__annotations__ = {"rows": given, "return": pd.DataFrame if columns else pd.Series}
    return predict
