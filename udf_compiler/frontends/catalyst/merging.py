"""Translates an aggregate step to the loop that merges rows: Spark's partial aggregation over existing columns."""

from __future__ import annotations

from sparkweld.contract.requests import AggregateStep
from sparkweld.errors import VerifyError
from sparkweld.ir.merges import MOMENTS
from sparkweld.reasons import refusal
from udf_compiler.boundary.columns import Column, Columns

#: fn -> the Spark type of its buffer, for an integral argument and for others; None: the type of the argument.
_TYPES: dict[str, tuple[str | None, str | None]] = {
    "rows": ("long", "long"), "count": ("long", "long"), "sum": ("long", "double"), "checked_sum": ("long", "double"),
    "total": ("double", "double"), "min": (None, None), "max": (None, None),
    **dict.fromkeys(MOMENTS, ("double", "double")),
}  # fmt: skip
_INTEGRAL = frozenset({"byte", "short", "integer", "long"})


def merge_rows(columns: Columns, step: AggregateStep) -> list[Column]:
    """Adds the loop of an aggregate step and returns its columns, keys first.

    Raises a refusal for a merge or a key that the IR does not support.
    """
    loop = columns.loop("aggregate")
    made: list[Column] = []
    for key in step.keys:
        loop.key(key.name, loop.read(columns[key.column].name))
        made.append(Column(key.name, columns[key.column].spark_type, True))
    for merge in step.merges:
        fn, column = merge.fn, merge.column
        value = None if column is None else loop.read(columns[column].name)
        of = None if column is None else columns[column].spark_type
        loop.merge(merge.name, fn, value)
        made.append(Column(merge.name, str(_TYPES[fn][of not in _INTEGRAL] or of), True))
    try:
        loop.close_groups("groups")
    except VerifyError as error:
        raise refusal("SW368", what=str(error)) from None
    return made
