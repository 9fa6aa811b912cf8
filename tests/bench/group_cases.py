"""Defines jobs over groups as benchmark cases: functions of `applyInPandas`, and aggregate UDFs of all values of a group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

#: Rows of a group, on average.
GROUP_ROWS = 500


@dataclass(frozen=True)
class GroupCase:
    """One benchmark case: a query over the table that `write_table` makes."""

    name: str
    query: Callable[[DataFrame], DataFrame]


def write_table(folder: Path, rows: int, files: int = 4) -> None:
    """Writes readings of shops: `shop` has groups of very different sizes, `price` has NULLs, `at` has no value twice."""
    rng = np.random.default_rng(7)
    shops = max(rows // GROUP_ROWS, 1)
    table = pa.table({
        "id": np.arange(rows),
        "shop": (rng.random(rows) ** 2 * shops).astype(np.int64),
        "at": rng.permutation(rows),
        "price": pa.array(np.round(rng.gamma(2.0, 20.0, rows), 2), mask=rng.random(rows) < 0.02),
        "amount": rng.integers(1, 30, rows),
    })  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(files):
        start, end = at * rows // files, (at + 1) * rows // files
        pq.write_table(table.slice(start, end - start), folder / f"{at}.parquet")


def z_scores(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(z=(frame["price"] - frame["price"].mean()) / frame["price"].std())


def summary(key: tuple[int], frame: pd.DataFrame) -> pd.DataFrame:
    price = frame["price"]
    row = [key[0], price.mean(), price.median(), price.max() - price.min(), frame["amount"].nunique(), len(frame)]
    return pd.DataFrame([row], columns=["shop", "mean", "middle", "spread", "amounts", "rows"])


def latest(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.sort_values("at", ascending=False)
    frame["change"] = frame["price"].diff()
    return frame.head(10)


def smoothed(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.sort_values("at").reset_index(drop=True)
    frame["level"] = frame["price"].ffill().rolling(7, min_periods=1).mean()
    return frame


@F.pandas_udf(DoubleType())
def middle(price: pd.Series) -> float:
    return price.median()


@F.pandas_udf(DoubleType())
def weighted_tail(price: pd.Series, amount: pd.Series) -> float:
    high = price.quantile(0.9)
    return (price * amount)[price > high].sum() / amount.sum()


_COLUMNS = "id long, shop long, at long, price double, amount long"
CASES = (
    GroupCase("z-scores", lambda t: t.groupBy("shop").applyInPandas(z_scores, f"{_COLUMNS}, z double")),
    GroupCase("summary row", lambda t: t.groupBy("shop").applyInPandas(
        summary, "shop long, mean double, middle double, spread double, amounts long, rows long")),
    GroupCase("sorted head", lambda t: t.groupBy("shop").applyInPandas(latest, f"{_COLUMNS}, change double")),
    GroupCase("smoothing", lambda t: t.groupBy("shop").applyInPandas(smoothed, f"{_COLUMNS}, level double")),
    GroupCase("median aggregate", lambda t: t.groupBy("shop").agg(middle("price").alias("r"))),
    GroupCase("tail aggregate", lambda t: t.groupBy("shop").agg(weighted_tail("price", "amount").alias("r"))),
)  # fmt: skip


def group_case(name: str) -> GroupCase:
    return next(case for case in CASES if case.name == name)
