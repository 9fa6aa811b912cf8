"""Collects iterator pandas UDFs, which set up once and then map each batch."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tests.corpus.case import pandas_udf_iterator


@pandas_udf_iterator("double", "sensors", "x3")
def scaled(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    """A constant factor, set up once."""
    factor = np.sqrt(2.0)
    for x in batches:
        yield x * factor


@pandas_udf_iterator("double", "sensors", "x3 x4")
def blended(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
    """Two columns in tuples."""
    for a, b in batches:
        yield 0.7 * a + 0.3 * b.clip(-5, 5)


@pandas_udf_iterator("double", "loans", "dti amount")
def default_probability(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
    """Coefficients loaded before the loop, a formula in it."""
    coefficients = {"dti": 0.04, "amount": 2e-5, "intercept": -3.2}
    for dti, amount in batches:
        z = coefficients["intercept"] + coefficients["dti"] * dti.fillna(0) + coefficients["amount"] * amount
        yield 1 / (1 + np.exp(-z))


@pandas_udf_iterator("string", "customers", "country")
def clean_country(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    """Text cleaning with a dictionary made before the loop."""
    fixes = {"UK": "GB"}
    for country in batches:
        code = country.str.strip().str.upper()
        yield code.where(~code.isin(list(fixes)), "GB")


@pandas_udf_iterator("boolean", "trips", "distance")
def is_long(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    """A generator expression in place of a loop."""
    return (distance > 10 for distance in batches)
