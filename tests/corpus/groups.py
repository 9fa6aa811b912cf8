"""Collects functions of whole groups, for `applyInPandas`."""

import numpy as np
import pandas as pd

from tests.corpus.case import apply_in_pandas


@apply_in_pandas("id long, site string, z double", "sensors", "id site x3", by="site")
def z_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Distances from the mean of the group, by its deviation."""
    x = frame["x3"]
    return frame.assign(z=(x - x.mean()) / x.std())[["id", "site", "z"]]


@apply_in_pandas("carrier string, mean double, worst double, flights long", "flights", "carrier arr_delay", by="carrier")
def carrier_summary(key: tuple, frame: pd.DataFrame) -> pd.DataFrame:
    """One row of statistics for each group."""
    delay = frame["arr_delay"]
    return pd.DataFrame({"carrier": [key[0]], "mean": [delay.mean()], "worst": [delay.max()], "flights": [len(frame)]})


@apply_in_pandas("id long, site string, level double", "sensors", "id site celsius", by="site")
def smoothed(frame: pd.DataFrame) -> pd.DataFrame:
    """A moving average of values in the order of another column, gaps filled."""
    frame = frame.sort_values("id").reset_index(drop=True)
    frame["level"] = frame["celsius"].ffill().rolling(5, min_periods=1).mean()
    return frame[["id", "site", "level"]]


@apply_in_pandas("id long, origin string, distance long", "flights", "id origin distance", by="origin")
def longest_flights(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with the largest values."""
    return frame.nlargest(5, "distance")


@apply_in_pandas("id long, size string, cost double", "products", "id size cost", by="size")
def without_outliers(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows between two quantiles of the group."""
    low, high = frame["cost"].quantile(0.25), frame["cost"].quantile(0.75)
    span = 1.5 * (high - low)
    return frame[(frame["cost"] >= low - span) & (frame["cost"] <= high + span)]


@apply_in_pandas("id long, carrier string, dest string", "flights", "id carrier dest", by="carrier")
def first_of_each(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each distinct value of a column."""
    return frame.sort_values("id").drop_duplicates(subset=["dest"], keep="first")


@apply_in_pandas("id long, origin string, step double, share double", "flights", "id origin distance", by="origin")
def steps_and_shares(frame: pd.DataFrame) -> pd.DataFrame:
    """Differences to the row before, and running shares of the total."""
    frame = frame.sort_values("id")
    frame["step"] = frame["distance"].diff().fillna(0)
    frame["share"] = frame["distance"].cumsum() / frame["distance"].sum()
    return frame[["id", "origin", "step", "share"]]


@apply_in_pandas("id long, site string, x3 double", "sensors", "id site x3", by="site")
def peak(frame: pd.DataFrame) -> pd.DataFrame:
    """The whole row with the largest value."""
    return frame.loc[[frame["x3"].idxmax()]]


@apply_in_pandas("size string, slope double", "products", "size cost reviews", by="size")
def cost_trend(frame: pd.DataFrame) -> pd.DataFrame:
    """A line through the points of a group, by its closed form."""
    x, y = frame["reviews"], frame["cost"]
    if len(frame) < 3:
        return pd.DataFrame({"size": [frame["size"].iloc[0]], "slope": [0.0]})
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    return pd.DataFrame({"size": [frame["size"].iloc[0]], "slope": [slope]})


@apply_in_pandas("carrier string, low double, high double", "flights", "carrier arr_delay", by="carrier")
def resampled(frame: pd.DataFrame) -> pd.DataFrame:
    """A confidence interval from random samples, which no kernel draws."""
    rng = np.random.default_rng(0)
    known = frame["arr_delay"].dropna().to_numpy()
    means = [rng.choice(known, len(known)).mean() for _ in range(50)]
    low, high = np.percentile(means, [5, 95])
    return pd.DataFrame({"carrier": [frame["carrier"].iloc[0]], "low": [low], "high": [high]})
