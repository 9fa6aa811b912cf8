"""Loads scikit-learn's bundled data sets with short column names, and makes batches of them with missing and odd values."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn import datasets

#: Name -> its loader; the first eight columns are used.
_LOADERS = {
    "cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "digits": datasets.load_digits,
    "linnerud": datasets.load_linnerud,
}
_COLUMNS = 8
#: Values that libraries treat specially.
_ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, -1e300, 5e-324, 1e16, -1.0)


@cache
def table(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Returns (features f0, f1, ..., target) of a data set."""
    values, target = _LOADERS[name](return_X_y=True)
    if name == "digits":  # the columns in the middle of the image
        values = values[:, 18:46]
    values = values[:, :_COLUMNS].astype(np.float64)
    return pd.DataFrame(values, columns=[f"f{i}" for i in range(values.shape[1])]), target


@cache
def with_gaps(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Returns the table with a tenth of the values missing."""
    values, target = table(name)
    return values.mask(np.random.default_rng(len(name)).random(values.shape) < 0.1), target


@cache
def rows(name: str, gaps: bool = False, odd: bool = False) -> pa.RecordBatch:
    """Returns 150 rows of a data set; some hold odd values when `odd`."""
    values = (with_gaps if gaps else table)(name)[0].to_numpy(copy=True)
    rng = np.random.default_rng(7)
    values = values[rng.permutation(len(values))[:150]]
    if odd:
        at = rng.permutation(len(values))[: len(_ODD)]
        values[at, rng.integers(0, values.shape[1], len(_ODD))] = _ODD
    return pa.RecordBatch.from_arrays([pa.array(c) for c in values.T], [f"f{i}" for i in range(values.shape[1])])


@cache
def with_categories() -> tuple[pd.DataFrame, np.ndarray]:
    """Returns the first columns of `cancer` with gaps, and three category columns: integers, partly missing strings, floats."""
    values, target = with_gaps("cancer")
    rng = np.random.default_rng(1)
    made = values.iloc[:, :3].assign(
        k=rng.integers(0, 6, len(values)),
        s=rng.choice(np.array(["a", "b", "c", None], object), len(values)),
        g=np.where(rng.random(len(values)) < 0.1, np.nan, rng.integers(0, 4, len(values))),
    )
    return made, ((target + (made.k > 2) + (made.s == "a")) > 1).astype(int)


@cache
def category_rows() -> pa.RecordBatch:
    """Returns rows of `with_categories` with reordered columns and some unseen categories."""
    made = with_categories()[0].iloc[:200].copy()
    made["k"] += np.arange(200) % 3
    made.loc[::20, "s"] = "z"
    return pa.RecordBatch.from_pandas(made[["s", "k", "f0", "f1", "f2", "g"]], preserve_index=False)
