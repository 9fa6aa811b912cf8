"""Profiles a query: runs it without and with kernels, compares the rows, and shows times, places, reasons and advice.

`profile` is the entry; `%load_ext sparkweld` defines the cell magic ``%%sparkweld`` of notebooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from sparkweld.api.explain import check_query
from sparkweld.errors import UserError
from sparkweld.profiling.advice import advise
from sparkweld.profiling.measuring import measure
from sparkweld.profiling.result import Profile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Profile", "profile"]


@overload
def profile(df: DataFrame, *, seconds: float = 30.0, format: Literal["profile"] = "profile") -> Profile: ...


@overload
def profile(df: DataFrame, *, seconds: float = 30.0, format: Literal["dict"]) -> dict[str, Any]: ...


def profile(
    df: DataFrame, *, seconds: float = 30.0, format: Literal["profile", "dict"] = "profile"
) -> Profile | dict[str, Any]:
    """Runs the query `df` without and with kernels, and returns a `Profile` of both, which notebooks show as HTML.

    The query runs at least twice, so what its functions do outside of Spark happens twice, too. Both first runs compute hashes of
    all rows, which Spark adds up: nothing is written, and no row is collected. Up to three further pairs of runs discard the
    rows, as far as `seconds` suffice; only their times are without the hashes. A query whose rows differ runs again, to find out
    why. A change of a function that is proposed as a diff has run, too, for queries that take at most `seconds`.

    `format="dict"` returns `Profile.as_dict()`.

    Raises the query's own error if it has one. Raises UserError for a streaming DataFrame, for one of Spark Connect, where the
    plugin is not active, and for another `format`. Restores all settings that it changes, also when it is interrupted. Do not
    run other queries in the same session meanwhile: they would run without kernels.
    """
    if format not in ("profile", "dict"):
        raise UserError(f"format={format!r}: pass 'profile' or 'dict'")
    check_query(df, "profile")
    measured = measure(df, seconds)
    made = Profile(measured, advise(df, measured, seconds))
    return made.as_dict() if format == "dict" else made
