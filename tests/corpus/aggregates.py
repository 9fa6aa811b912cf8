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


@pandas_udf_aggregate("double", "flights", "distance", by="origin", never="a median needs all values of the group at once")
def median_distance(distance: pd.Series) -> float:
    """The median."""
    return float(distance.median())
