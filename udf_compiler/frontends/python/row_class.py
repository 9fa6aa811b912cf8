"""Represents the class Row of pyspark.sql, of which functions make Rows with named values."""

from __future__ import annotations

from typing import Any

from pyspark.sql import Row

from udf_compiler.frontends.python.row_lists import TracedElement
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.session import refuse


def _made(*args: Any, **kwargs: Any) -> Any:
    """Returns ``Row(name=value, ...)``. Refuses (SW263) values without names, which may be the names of another Row."""
    if args or not kwargs:
        refuse("SW263", name="Row() without names")
    return TracedElement(tuple(kwargs), tuple(kwargs.values()))


_CLASS = class_stand_in(Row, "Row", _made)


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the class Row, or None."""
    return _CLASS if obj is Row else None
