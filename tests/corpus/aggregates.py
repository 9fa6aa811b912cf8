"""Collects grouped aggregates: one value for all rows of a group."""

import numpy as np
import pandas as pd

from tests.corpus.case import pandas_udf_aggregate


@pandas_udf_aggregate("double", "trips", "fare", by="vendor")
def mean_fare(fare: pd.Series) -> float:
    """The mean."""
    return fare.mean()


@pandas_udf_aggregate("double", "products", "rating reviews", by="size")
def weighted_rating(rating: pd.Series, reviews: pd.Series) -> float:
    """A mean with weights."""
    return (rating * reviews).sum() / reviews.sum()


@pandas_udf_aggregate("double", "flights", "arr_delay", by="carrier")
def late_share(arr_delay: pd.Series) -> float:
    """The share of rows of a condition."""
    return (arr_delay > 15).mean()


@pandas_udf_aggregate("double", "sensors", "celsius", by="site")
def spread(celsius: pd.Series) -> float:
    """Largest less smallest."""
    return celsius.max() - celsius.min()


@pandas_udf_aggregate("long", "customers", "orders", by="country")
def all_orders(orders: pd.Series) -> int:
    """A sum of integers."""
    return orders.sum()


@pandas_udf_aggregate("double", "sensors", "x3", by="site")
def root_mean_square(x: pd.Series) -> float:
    """A square root of a mean of squares."""
    return float(np.sqrt((x**2).mean()))


@pandas_udf_aggregate("double", "flights", "distance", by="origin")
def median_distance(distance: pd.Series) -> float:
    """The median."""
    return float(distance.median())


@pandas_udf_aggregate("double", "products", "cost", by="size")
def tail_cost(cost: pd.Series) -> float:
    """A percentile."""
    return np.percentile(cost, 95)


@pandas_udf_aggregate("string", "flights", "dest", by="carrier")
def usual_destination(dest: pd.Series) -> str:
    """The most frequent string."""
    return dest.mode()[0]


@pandas_udf_aggregate("long", "flights", "dest", by="carrier")
def destinations(dest: pd.Series) -> int:
    """The number of distinct strings."""
    return dest.nunique()


@pandas_udf_aggregate("double", "sensors", "celsius", by="site")
def first_reading(celsius: pd.Series) -> float:
    """The first known value, if there is any."""
    known = celsius.dropna()
    if known.empty:
        return None
    return known.iloc[0]


@pandas_udf_aggregate("double", "flights", "arr_delay air_time", by="origin")
def weighted_delay(arr_delay: pd.Series, air_time: pd.Series) -> float:
    """NumPy's average with weights."""
    both = arr_delay.notna() & air_time.notna()
    return np.average(arr_delay[both], weights=air_time[both])


@pandas_udf_aggregate("double", "flights", "arr_delay distance", by="carrier")
def delay_of_longest(arr_delay: pd.Series, distance: pd.Series) -> float:
    """The value in the row with the largest other one."""
    return arr_delay.loc[distance.idxmax()]


@pandas_udf_aggregate("double", "sensors", "x3", by="site")
def trimmed_mean(x: pd.Series) -> float:
    """A mean between two quantiles."""
    low, high = x.quantile(0.05), x.quantile(0.95)
    return x[(x >= low) & (x <= high)].mean()


@pandas_udf_aggregate("double", "flights", "arr_delay", by="dest")
def skewness(arr_delay: pd.Series) -> float:
    """A moment that kernels do not compute."""
    return arr_delay.skew()
