"""Collects functions of dates and times: fields, flags, differences, formats."""

import datetime

import numpy as np
import pandas as pd

from tests.corpus.case import pandas_udf, udf

OPENING = datetime.date(2020, 1, 1)
LAUNCH = pd.Timestamp("2023-06-01")


@pandas_udf("int", "events", "ts")
def hour_of_day(ts: pd.Series) -> pd.Series:
    """Hour of a timestamp."""
    return ts.dt.hour


@pandas_udf("boolean", "events", "ts")
def is_weekend(ts: pd.Series) -> pd.Series:
    """Saturday or Sunday."""
    return ts.dt.dayofweek >= 5


@pandas_udf("string", "events", "ts")
def month_key(ts: pd.Series) -> pd.Series:
    """Year and month as text."""
    return ts.dt.strftime("%Y-%m")


@pandas_udf("date", "events", "ts")
def day_of(ts: pd.Series) -> pd.Series:
    """The date of a timestamp."""
    return ts.dt.date


@pandas_udf("timestamp", "events", "ts")
def hour_bucket(ts: pd.Series) -> pd.Series:
    """A timestamp cut to the hour."""
    return ts.dt.floor("h")


@pandas_udf("double", "events", "ts ended")
def session_minutes(ts: pd.Series, ended: pd.Series) -> pd.Series:
    """Minutes between two timestamps."""
    return (ended - ts).dt.total_seconds() / 60


@pandas_udf("boolean", "events", "ts")
def business_hours(ts: pd.Series) -> pd.Series:
    """Weekday, from nine to five."""
    return (ts.dt.weekday < 5) & ts.dt.hour.between(9, 16)


@pandas_udf("int", "events", "ts")
def quarter(ts: pd.Series) -> pd.Series:
    """Quarter of the year."""
    return ts.dt.quarter


@pandas_udf("double", "events", "ts")
def time_of_day_sine(ts: pd.Series) -> pd.Series:
    """Cyclic encoding of hour and minute."""
    return np.sin(2 * np.pi * (ts.dt.hour * 60 + ts.dt.minute) / 1440)


@pandas_udf("int", "events", "ts")
def days_since_launch(ts: pd.Series) -> pd.Series:
    """Days since a constant timestamp."""
    return (ts - LAUNCH).dt.days


@pandas_udf("boolean", "events", "ts")
def is_month_end(ts: pd.Series) -> pd.Series:
    """The last day of a month."""
    return ts.dt.is_month_end


@pandas_udf("int", "events", "ts")
def iso_week(ts: pd.Series) -> pd.Series:
    """Week of the year."""
    return ts.dt.isocalendar().week.astype("int32")


@pandas_udf("timestamp", "events", "ts")
def retry_at(ts: pd.Series) -> pd.Series:
    """A constant time later."""
    return ts + pd.Timedelta(minutes=15)


@pandas_udf("boolean", "events", "ended")
def still_open(ended: pd.Series) -> pd.Series:
    """A missing timestamp, or one after a constant."""
    return ended.isna() | (ended > pd.Timestamp("2024-06-01"))


@pandas_udf("timestamp", "events", "stamp")
def parsed_stamp(stamp: pd.Series) -> pd.Series:
    """Texts of one format to timestamps, others to missing."""
    return pd.to_datetime(stamp, format="%Y-%m-%d", errors="coerce")


@pandas_udf("int", "flights", "flew")
def flight_month(flew: pd.Series) -> pd.Series:
    """Month of a date column, by way of datetime64."""
    return pd.to_datetime(flew).dt.month


@pandas_udf("boolean", "customers", "signup")
def is_early_adopter(signup: pd.Series) -> pd.Series:
    """A date before a constant."""
    return signup.map(lambda day: day is not None and day < OPENING)


@udf("int", "customers", "birth")
def birth_year(birth):
    """Attribute of a date."""
    return birth.year if birth is not None else None


@udf("int", "customers", "birth signup")
def age_at_signup(birth, signup):
    """Full years between two dates."""
    if birth is None or signup is None:
        return None
    years = signup.year - birth.year
    if (signup.month, signup.day) < (birth.month, birth.day):
        years -= 1
    return years


@udf("string", "flights", "flew")
def season(flew):
    """Season by the month of a date."""
    month = flew.month
    if month in (12, 1, 2):
        return "winter"
    if month in (3, 4, 5):
        return "spring"
    if month in (6, 7, 8):
        return "summer"
    return "autumn"


@udf("int", "customers", "signup")
def days_as_customer(signup):
    """Days from a date to a constant one."""
    if signup is None:
        return None
    return (datetime.date(2025, 1, 1) - signup).days


@udf("boolean", "flights", "flew")
def flies_on_weekend(flew):
    """weekday() of a date."""
    return flew.weekday() >= 5
