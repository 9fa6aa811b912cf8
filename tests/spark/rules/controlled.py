"""Provides functions that PySpark pickles by name, for patterns that name their module."""

from __future__ import annotations

from pyspark.sql.functions import udf


def tripled(x):
    return 3 * x


class Scaled:
    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        return self.by * x


def numbered(number):
    """Returns a UDF with a name of its own."""

    def function(x):
        return x + number

    function.__name__ = f"plus_{number}"
    return udf(function, "long")
