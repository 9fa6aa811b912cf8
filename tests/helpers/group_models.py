"""Wraps small fitted models as scalar pandas UDFs of numeric columns."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import functions as F


@cache
def _fitted(name: str, columns: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeRegressor

    random = np.random.default_rng(4)
    x = random.integers(-4, 12, (60, columns)).astype(float)
    y = x @ np.arange(1, columns + 1)
    if name in ("imputed", "histogram"):
        x[random.random(x.shape) < 0.1] = np.nan
    models = {
        "linear": LinearRegression(), "tree": DecisionTreeRegressor(max_depth=4, random_state=0),
        "histogram": HistGradientBoostingRegressor(max_iter=4, min_samples_leaf=3),
        "imputed": make_pipeline(SimpleImputer(), LinearRegression()),
    }  # fmt: skip
    return models[name].fit(x, y)


def score_of(name: str, columns: int) -> Any:
    """Returns the UDF of a model of `columns` columns."""
    model, names = _fitted(name, columns), ", ".join(f"c{at}" for at in range(columns))
    scope = {"model": model, "np": np, "pd": pd, "__name__": "__main__"}
    score = eval(f"lambda {names}: pd.Series(model.predict(np.column_stack([{names}])))", scope)
    score.__annotations__ = dict.fromkeys((*names.split(", "), "return"), pd.Series)
    return F.pandas_udf(score, "double")
