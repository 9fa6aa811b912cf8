"""Collects functions that no row compiler can support: they use other rows, the outside world, or objects of other libraries."""

import datetime
import os
import random
import time
import uuid
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from tests.corpus.case import map_in_pandas, pandas_udf, udf

BATCH = "a row's result depends on the other rows of its batch"
OUTSIDE = "its result is no function of the row"

_RNG = np.random.default_rng(0)
MODEL = LogisticRegression().fit(_RNG.normal(size=(60, 2)), np.arange(60) % 2)


@pandas_udf("double", "sensors", "x3", never=BATCH)
def standardised(x: pd.Series) -> pd.Series:
    """Mean and deviation of the batch, taken for those of the column."""
    return (x - x.mean()) / x.std()


@pandas_udf("double", "sensors", "humidity", never=BATCH)
def filled_with_mean(humidity: pd.Series) -> pd.Series:
    """Missing values filled with the mean of the batch."""
    return humidity.fillna(humidity.mean())


@pandas_udf("double", "products", "cost", never=BATCH)
def cost_rank(cost: pd.Series) -> pd.Series:
    """Rank within the batch."""
    return cost.rank(pct=True)


@pandas_udf("double", "flights", "dep_delay", never=BATCH)
def change_of_delay(dep_delay: pd.Series) -> pd.Series:
    """Difference to the row before."""
    return dep_delay - dep_delay.shift(1)


@pandas_udf("double", "sensors", "celsius", never=BATCH)
def rolling_mean(celsius: pd.Series) -> pd.Series:
    """A moving average over rows."""
    return celsius.rolling(3, min_periods=1).mean()


@pandas_udf("int", "loans", "income", never=BATCH)
def income_quartile(income: pd.Series) -> pd.Series:
    """Quantiles of the batch."""
    return pd.qcut(income.fillna(0), 4, labels=False, duplicates="drop")


@pandas_udf("double", "sensors", "x2", never=BATCH)
def forward_filled(x: pd.Series) -> pd.Series:
    """The last known value of the rows before."""
    return x.ffill()


@pandas_udf("double", "products", "cost", never=BATCH)
def share_of_cost(cost: pd.Series) -> pd.Series:
    """A share of the batch's total."""
    return cost / cost.sum()


@pandas_udf("double", "sensors", "x3", never=OUTSIDE, repeatable=False)
def with_noise(x: pd.Series) -> pd.Series:
    """Random noise."""
    return x + np.random.normal(0, 0.1, len(x))


@pandas_udf("string", "customers", "id", never=OUTSIDE, repeatable=False)
def surrogate_key(ids: pd.Series) -> pd.Series:
    """Random identifiers."""
    return ids.apply(lambda _: str(uuid.uuid4()))


@pandas_udf("boolean", "sensors", "{x3 x4}")
def model_class(features: pd.DataFrame) -> pd.Series:
    """A fitted model of a library."""
    return pd.Series(MODEL.predict(features.to_numpy()) == 1)


@udf("double", "trips", "fare", never=OUTSIDE, repeatable=False)
def sampled(fare):
    """A coin flip."""
    return fare if random.random() < 0.5 else None


@udf("double", "trips", "distance", never=OUTSIDE, repeatable=False)
def stamped(distance):
    """The clock."""
    return distance + time.time()


@udf("boolean", "products", "path", never=OUTSIDE)
def is_on_disk(path):
    """A look at the file system."""
    return os.path.exists(path or "")


@udf("int", "customers", "birth", never=OUTSIDE, repeatable=False)
def age_today(birth):
    """An age of today."""
    return (datetime.date.today() - birth).days // 365 if birth else None


@map_in_pandas("id long, orders long", "customers", "id country orders", never=BATCH)
def best_of_batch(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The largest row of each country in the batch."""
    for rows in batches:
        yield rows.sort_values("orders").drop_duplicates("country", keep="last")[["id", "orders"]]
