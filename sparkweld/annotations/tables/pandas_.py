"""Annotates row-local functions and methods of pandas, and reductions.

A method is accessed as an attribute of a Series, so its row names the function of the class.
"""

from __future__ import annotations

from sparkweld.annotations.split_types import Broadcast, Count, Filtered, Max, Min, Rows, Sum
from sparkweld.annotations.tables.row import Row

_NUMBERS, _FLAGS = Rows(), Rows(dtype="bool")
_INTEGERS = Rows(dtype="int64")

ROWS = (
    *(Row(f"pandas:{name}", (_NUMBERS,), Rows()) for name in ("isna", "notna", "isnull", "notnull", "to_numeric")),
    Row("pandas:to_datetime", (_INTEGERS,), Rows(), {"unit": Broadcast("s"), "origin": Broadcast("unix")}),
    Row("pandas:to_timedelta", (_INTEGERS,), Rows(), {"unit": Broadcast("h")}),
    Row("pandas:cut", (_NUMBERS,), Rows(), {"bins": Broadcast([-100.0, 0.0, 5.0, 100.0]), "labels": Broadcast(False)}),
    *(Row(f"pandas:Series.{name}", (_NUMBERS,), Rows()) for name in ("abs", "isna", "notna")),
    Row("pandas:Series.clip", (_NUMBERS, Broadcast(-1.0), Broadcast(1.0)), Rows()),
    Row("pandas:Series.round", (_NUMBERS, Broadcast(1)), Rows()),
    Row("pandas:Series.fillna", (_NUMBERS, Broadcast(0.0)), Rows()),
    Row("pandas:Series.isin", (_NUMBERS, Broadcast([0.0, 1.0])), Rows()),
    Row("pandas:Series.between", (_NUMBERS, Broadcast(-1.0), Broadcast(1.0)), Rows()),
    Row("pandas:Series.where", (_NUMBERS, _FLAGS), Rows()),
    Row("pandas:Series.mask", (_NUMBERS, _FLAGS), Rows()),
    Row("pandas:Series.dropna", (_NUMBERS,), Filtered()),
    Row("pandas:Series.sum", (_INTEGERS,), Sum()),
    Row("pandas:Series.count", (_NUMBERS,), Count()),
    Row("pandas:Series.min", (_INTEGERS,), Min()),
    Row("pandas:Series.max", (_INTEGERS,), Max()),
)
