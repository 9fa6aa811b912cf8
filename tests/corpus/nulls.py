"""Collects functions of missing values: defaults, flags, first known value, validity checks."""

import numpy as np
import pandas as pd

from tests.corpus.case import pandas_udf, udf


@pandas_udf("double", "customers", "income")
def income_or_default(income: pd.Series) -> pd.Series:
    """A default for missing values."""
    return income.fillna(32_500.0)


@pandas_udf("boolean", "customers", "age income")
def is_incomplete(age: pd.Series, income: pd.Series) -> pd.Series:
    """Whether any of two columns is missing."""
    return age.isna() | income.isna()


@pandas_udf("int", "customers", "age income email")
def known_fields(age: pd.Series, income: pd.Series, email: pd.Series) -> pd.Series:
    """How many columns are known."""
    return age.notna().astype(int) + income.notna().astype(int) + email.notna().astype(int)


@pandas_udf("string", "customers", "email phone")
def contact(email: pd.Series, phone: pd.Series) -> pd.Series:
    """The first text that is not missing."""
    return email.where(email.notna(), phone).fillna("unknown")


@pandas_udf("double", "flights", "arr_delay dep_delay")
def delay_or_departure(arr_delay: pd.Series, dep_delay: pd.Series) -> pd.Series:
    """One column, else the other, else 0."""
    return arr_delay.combine_first(dep_delay).fillna(0)


@pandas_udf("double", "sensors", "celsius")
def plausible_celsius(celsius: pd.Series) -> pd.Series:
    """Values outside of a range become missing."""
    return celsius.where(celsius.between(-40, 55))


@pandas_udf("double", "sensors", "x1")
def without_infinities(x: pd.Series) -> pd.Series:
    """Infinities become missing by replace."""
    return x.replace([np.inf, -np.inf], np.nan)


@pandas_udf("int", "trips", "passengers")
def passengers_or_one(passengers: pd.Series) -> pd.Series:
    """An integer column with a default, as an integer again."""
    return passengers.fillna(1).replace(0, 1).astype(int)


@pandas_udf("string", "customers", "tier")
def tier_or_none(tier: pd.Series) -> pd.Series:
    """An empty text for a missing one."""
    return tier.fillna("").str.lower()


@udf("double", "customers", "income")
def income_thousands(income):
    """A guard for None in a plain udf."""
    if income is None:
        return None
    return income / 1000.0


@udf("string", "customers", "tier")
def tier_label(tier):
    """A default for None or an empty text."""
    return tier.upper() if tier else "UNKNOWN"


@udf("int", "customers", "age returns")
def age_plus_returns(age, returns):
    """None when either is None."""
    if age is None or returns is None:
        return None
    return age + returns


@udf("boolean", "customers", "email")
def has_email(email):
    """A test for None and for content."""
    return email is not None and "@" in email
