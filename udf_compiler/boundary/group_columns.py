"""Converts the columns of groups, in which booleans with NULLs are Python objects that few operations accept."""

from __future__ import annotations

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.reasons import refusal
from udf_compiler.boundary.series import Field, series_of_column
from udf_compiler.frontends.pandas.kind import BOOL_OBJECTS
from udf_compiler.frontends.pandas.series import TracedSeries


def series_of_group(loop: LoopBuilder, field: Field) -> TracedSeries:
    """Returns the Series that a worker makes of a column of a group."""
    if field.spark_type == "boolean" and field.state == "nullable":
        return TracedSeries(loop, field.value, np.dtype(object), BOOL_OBJECTS)
    return series_of_column(loop, field.value, field.spark_type, True, field.state, field.name)


def column_of_booleans(result: TracedSeries, to: str, udf: str) -> Value:
    """Returns the column of such a Series. Refuses (SW109) other types than boolean."""
    if to != "boolean":
        raise refusal("SW109", udf, dtype="booleans with None", type=to)
    return result.value
