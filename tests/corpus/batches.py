"""Collects functions that take the rows of their batch for those of the column."""

import pandas as pd

from tests.corpus.case import pandas_udf


@pandas_udf("double", "sensors", "x3")
def standardised(x: pd.Series) -> pd.Series:
    """Mean and deviation of the batch, taken for those of the column."""
    return (x - x.mean()) / x.std()


@pandas_udf("double", "sensors", "humidity")
def filled_with_mean(humidity: pd.Series) -> pd.Series:
    """Missing values filled with the mean of the batch."""
    return humidity.fillna(humidity.mean())


@pandas_udf("double", "products", "cost")
def cost_rank(cost: pd.Series) -> pd.Series:
    """Rank within the batch."""
    return cost.rank(pct=True)


@pandas_udf("double", "flights", "dep_delay")
def change_of_delay(dep_delay: pd.Series) -> pd.Series:
    """Difference to the row before."""
    return dep_delay - dep_delay.shift(1)


@pandas_udf("double", "sensors", "celsius")
def rolling_mean(celsius: pd.Series) -> pd.Series:
    """A moving average over rows."""
    return celsius.rolling(3, min_periods=1).mean()


@pandas_udf("double", "sensors", "x2")
def forward_filled(x: pd.Series) -> pd.Series:
    """The last known value of the rows before."""
    return x.ffill()


@pandas_udf("double", "products", "cost")
def share_of_cost(cost: pd.Series) -> pd.Series:
    """A share of the batch's total."""
    return cost / cost.sum()
