"""Collects mapInPandas functions and struct results."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tests.corpus.case import map_in_pandas, pandas_udf


@map_in_pandas("id long, speed double", "trips", "id distance seconds")
def add_speed(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """A computed column by assign."""
    for trips in batches:
        yield trips.assign(speed=trips["distance"] / (trips["seconds"] + 1) * 3600)[["id", "speed"]]


@map_in_pandas("id long, x3 double", "sensors", "id x3 humidity")
def humid_only(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Rows kept by a mask."""
    for rows in batches:
        yield rows[rows["humidity"] > 50][["id", "x3"]]


@map_in_pandas("id long, email string", "customers", "id email")
def clean_emails(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """A column replaced in place."""
    for rows in batches:
        rows["email"] = rows["email"].str.strip().str.lower()
        yield rows


@map_in_pandas("id long, probability double", "loans", "id dti amount")
def score_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """A model set up once, applied to each batch, in new frames."""
    coefficients = np.array([0.04, 2e-5])
    for rows in batches:
        z = rows["dti"].fillna(20) * coefficients[0] + rows["amount"] * coefficients[1] - 3
        yield pd.DataFrame({"id": rows["id"], "probability": 1 / (1 + np.exp(-z))})


@pandas_udf("low double, high double", "sensors", "celsius")
def celsius_range(celsius: pd.Series) -> pd.DataFrame:
    """Two columns as a struct."""
    return pd.DataFrame({"low": celsius - 0.5, "high": celsius + 0.5})


@pandas_udf("hour int, minute int", "flights", "sched_dep")
def clock_parts(sched: pd.Series) -> pd.DataFrame:
    """Parts of a number as a struct."""
    return pd.DataFrame({"hour": sched // 100, "minute": sched % 100})


@pandas_udf("user string, domain string", "customers", "email")
def email_parts(email: pd.Series) -> pd.DataFrame:
    """Parts of a text as a struct."""
    return pd.DataFrame({"user": email.str.split("@").str[0], "domain": email.str.split("@").str[1]})


@pandas_udf("double", "trips", "{fare tip tolls}")
def total_of_struct(bill: pd.DataFrame) -> pd.Series:
    """Columns of a struct argument."""
    return bill["fare"].fillna(0) + bill["tip"].fillna(0) + bill["tolls"]


@pandas_udf("double", "sensors", "{x3 x4 x5} wind")
def weighted_sensors(readings: pd.DataFrame, wind: pd.Series) -> pd.Series:
    """A struct and a column."""
    return (readings["x3"] + readings["x4"] - readings["x5"]) * wind.fillna(0)
