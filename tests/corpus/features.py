"""Collects feature engineering on numbers: bins, flags, ratios, clips, encodings."""

import numpy as np
import pandas as pd

from tests.corpus.case import pandas_udf

AGE_EDGES = [18, 25, 35, 50, 65]
PEAK_HOURS = {7, 8, 9, 16, 17, 18}


@pandas_udf("long", "customers", "age")
def age_band(age: pd.Series) -> pd.Series:
    """Index of the age band by np.digitize, unknown as -1."""
    bands = np.digitize(age.fillna(-1), AGE_EDGES)
    return pd.Series(np.where(age.isna(), -1, bands))


@pandas_udf("double", "customers", "income")
def log_income(income: pd.Series) -> pd.Series:
    """log1p of an amount without its outliers."""
    return np.log1p(income.clip(0, 250_000))


@pandas_udf("boolean", "trips", "distance fare")
def is_airport_like(distance: pd.Series, fare: pd.Series) -> pd.Series:
    """A flag of two conditions."""
    return (distance > 12) & (fare >= 45)


@pandas_udf("double", "trips", "distance seconds")
def speed_kmh(distance: pd.Series, seconds: pd.Series) -> pd.Series:
    """Average speed, infinite ones as missing."""
    speed = distance / (seconds / 3600)
    return speed.where(np.isfinite(speed), np.nan)


@pandas_udf("double", "trips", "tip fare tolls")
def tip_share(tip: pd.Series, fare: pd.Series, tolls: pd.Series) -> pd.Series:
    """Share of the tip, between 0 and 1."""
    total = fare.fillna(0) + tolls
    return (tip / total).where(total > 0).clip(lower=0, upper=1).round(4)


@pandas_udf("int", "flights", "dep_time")
def departure_hour(dep_time: pd.Series) -> pd.Series:
    """Hour of a time that was written as HHMM."""
    return dep_time // 100


@pandas_udf("long", "flights", "sched_dep")
def minutes_since_midnight(sched: pd.Series) -> pd.Series:
    """Minutes of a time that was written as HHMM."""
    return sched // 100 * 60 + sched % 100


@pandas_udf("double", "flights", "sched_dep")
def hour_sine(sched: pd.Series) -> pd.Series:
    """Cyclic encoding of the time of day."""
    return np.sin(2 * np.pi * (sched // 100) / 24)


@pandas_udf("boolean", "flights", "sched_dep")
def is_peak(sched: pd.Series) -> pd.Series:
    """Membership of the hour in a set."""
    return (sched // 100).isin(PEAK_HOURS)


@pandas_udf("double", "flights", "dep_delay arr_delay")
def made_up_time(dep_delay: pd.Series, arr_delay: pd.Series) -> pd.Series:
    """Minutes that a flight made up, at least none."""
    return np.maximum(dep_delay - arr_delay, 0)


@pandas_udf("int", "flights", "arr_delay")
def delay_class(arr_delay: pd.Series) -> pd.Series:
    """Classes of delay by np.select."""
    conditions = [arr_delay < 0, arr_delay <= 15, arr_delay <= 60]
    return pd.Series(np.select(conditions, [0, 1, 2], default=3))


@pandas_udf("long", "sensors", "flags")
def count_of_flags(flags: pd.Series) -> pd.Series:
    """Bits that are set in a mask, by division."""
    wide = flags.astype("int64")
    return (wide & 1) + (wide // 2 & 1) + (wide // 4 & 1) + (wide // 8 & 1)


@pandas_udf("long", "sensors", "counter")
def hash_bucket(counter: pd.Series) -> pd.Series:
    """A multiplicative hash that wraps around, in 64 buckets."""
    return (counter * 2654435761) % 64


@pandas_udf("double", "sensors", "raw")
def adc_to_volts(raw: pd.Series) -> pd.Series:
    """Calibration of a sensor by interpolation."""
    return pd.Series(np.interp(raw, [0, 256, 512, 1023], [0.0, 0.8, 1.7, 3.3]))


@pandas_udf("double", "sensors", "x2 x3")
def z_score(x2: pd.Series, x3: pd.Series) -> pd.Series:
    """Standardises with statistics from training time."""
    means, deviations = {"x2": 0.02, "x3": -0.1}, {"x2": 3.0, "x3": 4.1}
    return ((x2 - means["x2"]) / deviations["x2"]).fillna(0) + (x3 - means["x3"]) / deviations["x3"]


@pandas_udf("double", "sensors", "{x2 x3 x4}")
def row_maximum(features: pd.DataFrame) -> pd.Series:
    """The largest of some columns."""
    return pd.Series(features.values.max(axis=1))


@pandas_udf("double", "loans", "amount income")
def payment_to_income(amount: pd.Series, income: pd.Series) -> pd.Series:
    """A ratio whose denominator may be 0 or missing."""
    return amount.div(income.mask(income == 0)).fillna(99.0)


@pandas_udf("byte", "loans", "score")
def prime(score: pd.Series) -> pd.Series:
    """A flag as a small integer."""
    return score.ge(670).astype("int8")


@pandas_udf("double", "products", "cost list_price")
def margin(cost: pd.Series, list_price: pd.Series) -> pd.Series:
    """Margin in percent, rounded."""
    return ((list_price - cost) / list_price * 100).round(2)


@pandas_udf("boolean", "products", "stock reviews")
def needs_restock(stock: pd.Series, reviews: pd.Series) -> pd.Series:
    """Conditions with or and not."""
    return (stock.fillna(0) < 10) & ~(reviews < 100) | stock.isna()


@pandas_udf("string", "customers", "age")
def age_group(age: pd.Series) -> pd.Series:
    """Labels of bins, as text."""
    groups = pd.cut(age, [0, 17, 25, 45, 65, np.inf], labels=["child", "young", "adult", "middle", "senior"], include_lowest=True)
    return groups.astype(object).fillna("unknown")


@pandas_udf("double", "trips", "fare tip tolls")
def largest_share(fare: pd.Series, tip: pd.Series, tolls: pd.Series) -> pd.Series:
    """The largest of several columns as a share of their sum, row by row."""
    parts = pd.concat([fare, tip, tolls], axis=1)
    return parts.max(axis=1) / parts.sum(axis=1)


@pandas_udf("double", "sensors", "x0 x1 x2")
def mean_reading(x0: pd.Series, x1: pd.Series, x2: pd.Series) -> pd.Series:
    """The mean of the sensors that gave a value, if two did."""
    readings = pd.DataFrame({"a": x0, "b": x1, "c": x2})
    return readings.mean(axis=1).where(readings.count(axis=1) >= 2)
