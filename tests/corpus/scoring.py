"""Collects formulas over numeric columns: scores, rates, prices, physics."""

import math

import numpy as np
import pandas as pd

from tests.corpus.case import pandas_udf

EARTH_KM = 6371.0088
WEIGHTS = np.array([0.31, -1.2, 0.004, 0.77])
INTERCEPT = -0.45
BASE_POINTS, POINTS_TO_DOUBLE = 600, 20


@pandas_udf("double", "trips", "pickup_lat pickup_lon dropoff_lat dropoff_lon")
def haversine_km(lat1: pd.Series, lon1: pd.Series, lat2: pd.Series, lon2: pd.Series) -> pd.Series:
    """Great-circle distance of a trip."""
    lat1, lon1, lat2, lon2 = map(np.radians, [lat1, lon1, lat2, lon2])
    a = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(a))


@pandas_udf("double", "trips", "pickup_lat pickup_lon dropoff_lat dropoff_lon")
def bearing(lat1: pd.Series, lon1: pd.Series, lat2: pd.Series, lon2: pd.Series) -> pd.Series:
    """Initial compass bearing in degrees."""
    delta = np.radians(lon2 - lon1)
    y = np.sin(delta) * np.cos(np.radians(lat2))
    x = np.cos(np.radians(lat1)) * np.sin(np.radians(lat2))
    x = x - np.sin(np.radians(lat1)) * np.cos(np.radians(lat2)) * np.cos(delta)
    return (np.degrees(np.arctan2(y, x)) + 360) % 360


@pandas_udf("double", "sensors", "x0 x2 x3 x4")
def logistic_score(x0: pd.Series, x2: pd.Series, x3: pd.Series, x4: pd.Series) -> pd.Series:
    """Logistic regression with weights from a global array."""
    z = INTERCEPT + x0 * WEIGHTS[0] + x2 * WEIGHTS[1] + x3 * WEIGHTS[2] + x4 * WEIGHTS[3]
    return 1.0 / (1.0 + np.exp(-z))


@pandas_udf("double", "sensors", "{x1 x3 x4 x5}")
def linear_model(features: pd.DataFrame) -> pd.Series:
    """Dot product of a struct of features with coefficients."""
    return pd.Series(features.to_numpy() @ WEIGHTS + INTERCEPT)


@pandas_udf("double", "loans", "amount rate term")
def monthly_payment(amount: pd.Series, rate: pd.Series, term: pd.Series) -> pd.Series:
    """Annuity formula, with the case of no interest."""
    monthly = rate / 1200.0
    factor = (1 + monthly) ** term
    paid = amount * monthly * factor / (factor - 1)
    return paid.where(monthly > 0, amount / term)


@pandas_udf("long", "loans", "score dti delinquent")
def credit_points(score: pd.Series, dti: pd.Series, delinquent: pd.Series) -> pd.Series:
    """Points of a score card with defaults for what is unknown."""
    points = pd.Series(np.where(score.fillna(0) >= 720, 40, np.where(score.fillna(0) >= 640, 20, 0)))
    points = points + np.where(dti.fillna(99) < 20, 15, 0)
    return points - 10 * delinquent


@pandas_udf("double", "loans", "score")
def odds_to_points(score: pd.Series) -> pd.Series:
    """Scaled log odds of a score."""
    odds = (score - 300) / (851 - score)
    return BASE_POINTS + POINTS_TO_DOUBLE / math.log(2) * np.log(odds + 1e-6)


@pandas_udf("double", "sensors", "celsius humidity")
def heat_index(celsius: pd.Series, humidity: pd.Series) -> pd.Series:
    """Felt temperature, a polynomial above 26.7 degrees."""
    t = celsius * 9 / 5 + 32
    h = humidity
    full = -42.379 + 2.04901523 * t + 10.14333127 * h - 0.22475541 * t * h - 6.83783e-3 * t**2 - 5.481717e-2 * h**2
    return (pd.Series(np.where(t >= 80, full, t)) - 32) * 5 / 9


@pandas_udf("double", "sensors", "celsius humidity")
def dew_point(celsius: pd.Series, humidity: pd.Series) -> pd.Series:
    """Magnus formula."""
    a, b = 17.625, 243.04
    alpha = np.log(humidity / 100) + a * celsius / (b + celsius)
    return b * alpha / (a - alpha)


@pandas_udf("float", "sensors", "pressure")
def sea_level_pressure(pressure: pd.Series) -> pd.Series:
    """Barometric correction in single precision."""
    return pressure * np.float32(1.0117)


@pandas_udf("double", "products", "rating reviews")
def wilson_lower(rating: pd.Series, reviews: pd.Series) -> pd.Series:
    """Lower bound of the share of good reviews."""
    z, n = 1.96, reviews + 1
    p = (rating - 1) / 4
    centre = p + z * z / (2 * n)
    return (centre - z * np.sqrt((p * (1 - p) + z * z / (4 * n)) / n)) / (1 + z * z / n)


@pandas_udf("double", "products", "rating reviews")
def bayesian_rating(rating: pd.Series, reviews: pd.Series) -> pd.Series:
    """Shrinks a rating to the prior when it has few reviews."""
    prior, strength = 3.9, 25
    return (rating.fillna(prior) * reviews + prior * strength) / (reviews + strength)


@pandas_udf("double", "customers", "orders returns income")
def churn_risk(orders: pd.Series, returns: pd.Series, income: pd.Series) -> pd.Series:
    """A helper of the module inside of the UDF."""
    return sigmoid(0.8 * safe_ratio(returns, orders) - 0.02 * orders - np.log1p(income) / 20)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def safe_ratio(a, b):
    return a / b.where(b > 0, 1)


@pandas_udf("double", "sensors", "x3 x4")
def gelu(x: pd.Series, y: pd.Series) -> pd.Series:
    """An activation function in its tanh form."""
    v = x + y
    return 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3)))
