"""Collects functions that no row compiler can support: they use other rows, the outside world, or objects of other libraries."""

import datetime
import os
import random
import socket
import time
import uuid
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from tests.corpus.case import map_in_pandas, pandas_udf, udf

BATCH = "a row's result depends on the other rows of its batch"
OUTSIDE = "its result is no function of the row"

COUNTER = {"calls": 0}

_RNG = np.random.default_rng(0)
MODEL = LogisticRegression().fit(_RNG.normal(size=(60, 2)), np.arange(60) % 2)


@pandas_udf("int", "loans", "income", never=BATCH)
def income_quartile(income: pd.Series) -> pd.Series:
    """Quantiles of the batch."""
    return pd.qcut(income.fillna(0), 4, labels=False, duplicates="drop")


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


@pandas_udf("double", "sensors", "x3", never=BATCH)
def decayed(x: pd.Series) -> pd.Series:
    """A deviation with exponential weights over the rows of the batch."""
    return x.ewm(span=5).std()


@udf("string", "products", "path", never=OUTSIDE)
def first_line(path):
    """The content of a file."""
    if not path or not os.path.isfile(path):
        return None
    with open(path) as lines:
        return lines.readline()


@udf("string", "customers", "id", never=OUTSIDE)
def with_host(key):
    """The name of the machine."""
    return f"{key}@{socket.gethostname()}"


@udf("string", "customers", "country", never=OUTSIDE, repeatable=False)
def with_process(country):
    """The process of the worker."""
    return f"{country}-{os.getpid()}"


@pandas_udf("double", "trips", "fare", never=OUTSIDE, repeatable=False)
def reordered(fare: pd.Series) -> pd.Series:
    """A random order of the batch."""
    return fare.sample(frac=1).reset_index(drop=True)


@udf("string", "products", "path", never=OUTSIDE)
def from_environment(path):
    """A variable of the environment."""
    return os.environ.get("DATA_ROOT", "") + (path or "")


@udf("long", "trips", "distance", never=OUTSIDE, repeatable=False)
def numbered(distance):
    """The number of calls so far in this worker."""
    COUNTER["calls"] += 1
    return COUNTER["calls"]


@map_in_pandas("id long, orders long", "customers", "id country orders", never=BATCH)
def best_of_batch(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The largest row of each country in the batch."""
    for rows in batches:
        yield rows.sort_values("orders").drop_duplicates("country", keep="last")[["id", "orders"]]
