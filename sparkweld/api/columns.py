"""Names columns of a DataFrame, and refuses names that it has already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from sparkweld.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def quoted(name: str) -> Column:
    """Returns the column of exactly this name, dots and spaces included."""
    return F.col("`" + name.replace("`", "``") + "`")


def refuse_taken(names: Sequence[str], columns: Mapping[str, str]) -> None:
    """Raises UserError for a name that a column has already; Spark treats names that differ only in case as equal."""
    lowered = {column.lower() for column in columns}
    taken = [name for name in names if name.lower() in lowered]
    if taken:
        raise UserError(f"the table has a column {taken[0]!r} already: choose another output=")


def column_types(df: DataFrame) -> dict[str, str]:
    """Maps the name of each column to its type. Raises UserError for a repeated name."""
    found: dict[str, str] = {}
    for name, kind in df.dtypes:
        if name in found:
            raise UserError(f"the table has two columns {name!r}: rename or drop one first")
        found[name] = kind
    return found
