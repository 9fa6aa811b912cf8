"""Creates the pandas function that scores with a fitted model, as a user would write it by hand.

SparkWeld compiles the function like a user's own; without the plugin PySpark runs it unchanged. It is pickled by value, so
workers need no SparkWeld.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd


def predictor(
    holder: Any, method: str, *, documents: bool, array: bool, at: int | None, columns: Sequence[str], framed: bool = False
) -> Callable[..., Any]:
    """Returns the function of a batch that calls `method` of the model ``holder.value``.

    `documents`: it takes a column of documents, else a DataFrame, which it passes on as an `array` where the model was fitted on
    one. It returns the result, column number `at` of a matrix, or all `columns`.
    """

    def predict(rows: Any) -> Any:
        model = holder.value
        made = getattr(model, method)(rows.to_numpy() if array else rows)
        if framed:
            return made
        if columns:
            return pd.DataFrame(made, columns=columns)
        return pd.Series(made if at is None else made[:, at])

    given = pd.Series if documents else pd.DataFrame
    predict.__annotations__ = {"rows": given, "return": pd.DataFrame if columns else pd.Series}
    return predict
