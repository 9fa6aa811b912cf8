"""Compares functions of scipy.special with PySpark's worker, and matrices of 32-bit floats that become arrays of doubles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import ArrayType, DoubleType, FloatType
from scipy.special import expit, softmax

from sparkweld.contract.constants import SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker
from tests.helpers.models import compare, numbers

BATCH, ODD = numbers(), numbers(odd=True, seed=3)


def of_series(pdf):
    return expit(pdf.a * 3 - pdf.b)


def of_array(pdf):
    return pd.Series(expit(pdf["a"].to_numpy()) * expit(0.5))


def of_rows(pdf):
    return pd.Series(softmax(pdf.to_numpy() * 0.01, axis=1)[:, 2])


def of_constants(pdf):
    return pdf.a * softmax(np.array([1.0, 2.0]))[0]


@pytest.mark.parametrize("batch", [BATCH, ODD], ids=["plain", "odd"])
@pytest.mark.parametrize("function", [of_series, of_array, of_rows, of_constants])
def test_values(function, batch):
    compared = compare(function, batch, rtol=1e-14, atol=1e-300)
    assert not compared.refused and compared.rows > 150
    assert compared.kept == (() if function is of_constants else ("exp",)), compared.kept


def test_floats_of_32_bits():
    def scaled(pdf):
        return pd.Series(expit(pdf["a"].to_numpy().astype(np.float32)))

    assert compare(scaled, BATCH, FloatType(), rtol=1e-6).rows > 150


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda pdf: pd.Series(softmax(pdf["a"].to_numpy())), "SW250"),
        (lambda pdf: pd.Series(softmax(pdf.to_numpy(), axis=0)[:, 0]), "SW250"),
        (lambda pdf: expit((pdf.a > 0).astype("int64")), "SW262"),
        (lambda pdf: pd.Series(expit(pdf["a"].to_numpy(), where=True)), "SW262"),
    ],
)
def test_refusals(function, code):
    assert compare(function, BATCH).refused == code


def as_rows(a, b, c, d):
    return pd.Series(list(np.column_stack([a, b, c]).astype(np.float32)))


def test_rows_of_32_bits_as_arrays_of_doubles():
    compared = compare_with_worker(as_rows, [BATCH, ODD], ArrayType(DoubleType()), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == 2 and compared.flagged == 1, compared
