"""Lowers merges of a DataFrame with a constant one whose keys are unique, to one lookup for each of its columns.

A left merge keeps the rows and their order; an inner one drops those without a key. A missing key of a row matches nothing, as
the constant frame has no missing key. The dtypes of the new columns are those of `Series.map`: pandas takes the elements of a
Series by their positions in both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir.types import BOOL
from udf_compiler.frontends.pandas.batch_dependent import BATCH_DEPENDENT, plain_value
from udf_compiler.frontends.pandas.calls.column_names import are_names
from udf_compiler.frontends.pandas.calls.frames import keep_rows, reset_index
from udf_compiler.frontends.pandas.calls.membership import series_map
from udf_compiler.frontends.pandas.calls.series_methods import copy as copy_series
from udf_compiler.frontends.pandas.calls.strings.tables import map_ as map_texts
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh, is_frame
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS, some_string
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

_CALL = "DataFrame.merge"


def merge(
    left: Any, right: Any, how: Any = "inner", on: Any = None, left_on: Any = None, right_on: Any = None, *,
    suffixes: Any = ("_x", "_y"), validate: Any = None,
) -> TracedFrame:  # fmt: skip
    """Implements DataFrame.merge and pd.merge of a frame with a constant one by one key.

    Refuses (SW250) other frames, and (SW262) keys that are missing, doubled or of another kind than the column.
    """
    table = unwrapped(right)
    if not is_frame(left) or type(table) is not pd.DataFrame:
        refuse("SW250", call=_CALL)
    if how not in ("left", "inner") or validate not in (None, "m:1", "many_to_one"):
        refuse("SW262", call=_CALL, what=f"how={raw(how)}, validate={raw(validate)}")
    key, its_key = _keys(left, table, on, left_on, right_on)
    keys = table[its_key]
    if keys.hasnans or not keys.is_unique or not len(keys):
        refuse("SW262", call=_CALL, what="a constant DataFrame without keys, or with keys that are missing or doubled")
    if how == "inner":
        _check_order(keys)
        left = keep_rows(left, _looked_up(left.column(key), keys, np.arange(len(keys), dtype=np.float64)).notna(), _CALL)
    made = reset_index(left, drop=True)
    assert made is not None
    series, wanted = made.series[key], [n for n in table if n != its_key or key != its_key]
    found = {n: _looked_up(series, keys, table[n].to_numpy()) for n in wanted}
    if how == "inner":  # each row has a key, so no dtype depends on the batch
        found = {n: s.new(plain_value(s)) if s.kind is BATCH_DEPENDENT else s for n, s in found.items()}
    both = made.series.keys() & found.keys()
    ends = _suffixes(suffixes, both)
    columns = [(n + ends[0] if n in both else n, s) for n, s in made.series.items()]
    columns += [(n + ends[1] if n in both else n, copy_series(s)) for n, s in found.items()]
    if len(dict(columns)) < len(columns):
        refuse("SW262", call=_CALL, what="two columns of one name")
    return fresh(made.loop, dict(columns))


def _keys(left: TracedFrame, table: pd.DataFrame, on: Any, left_on: Any, right_on: Any) -> tuple[str, str]:
    """Returns the names of the key in both frames. Refuses (SW262) several keys."""
    if on is None and left_on is None and right_on is None:
        on = [n for n in left.series if n in table.columns]
    names = (on, on) if left_on is None and right_on is None else (left_on, right_on)
    found = [n[0] if isinstance(n, list | tuple) and len(n) == 1 else n for n in names]
    if (on is not None and names != (on, on)) or not all(type(n) is str for n in found) or found[1] not in table.columns:
        refuse("SW262", call=_CALL, what="anything but one key, a name of a column")
    left.column(found[0])
    return found[0], found[1]


def _suffixes(suffixes: Any, both: Any) -> tuple[str, str]:
    known = isinstance(suffixes, list | tuple) and are_names(list(suffixes), 2)
    if both and not known:
        refuse("SW262", call=_CALL, what=f"suffixes={raw(suffixes)}")
    return (suffixes[0], suffixes[1]) if known else ("", "")


def _looked_up(series: TracedSeries, keys: pd.Series, values: np.ndarray) -> TracedSeries:
    """Returns the value of each row's key, missing where there is none."""
    mapper = pd.Series(values, index=pd.Index(keys.to_numpy()))
    if series.kind is STRINGS and keys.dtype == object:
        some_string(series)  # pandas raises for keys of float64 and object
        return map_texts(series, mapper)
    if series.kind is NUMBERS and series.value.type != BOOL and keys.dtype in (np.dtype(np.int64), np.dtype(np.float64)):
        return series_map(series, mapper)  # type: ignore[return-value]
    refuse("SW262", call=_CALL, what=f"a key of {series.kind.name} and one of {keys.dtype}")


def _check_order(keys: pd.Series) -> None:
    """Refuses (SW262) an inner merge where the installed pandas does not keep the order of the rows."""
    some = keys.iloc[:2].tolist()[::-1]
    rows = pd.DataFrame({"k": pd.Series([*some, *some], dtype=keys.dtype), "n": range(2 * len(some))})
    found = run_prototype(_CALL, lambda: rows.merge(pd.DataFrame({"k": keys}), on="k")["n"].tolist())
    if found != rows["n"].tolist():
        refuse("SW262", call=_CALL, what="how='inner', for which this pandas changes the order of rows")
