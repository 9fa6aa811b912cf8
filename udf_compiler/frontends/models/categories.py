"""Maps pandas' category columns to codes of the categories that a LightGBM or XGBoost model was fitted on.

Both libraries look a value up among the training data's categories, whatever the categories of the given column. So codes depend
only on the row's value, even where the column's categories are those of its batch (``astype("category")``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import Value
from sparkweld.ir.ops import Lookup
from sparkweld.ir.types import BOOL, F64, STR, Type
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.pandas.calls.categoricals import keys_of, one_of
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.tracing.session import refuse


def category_columns(x: Features) -> list[int]:
    """Returns the positions of the category columns."""
    return [at for at, dtype in enumerate(x.categories) if dtype is not None]


def as_in_training(x: Features, known: Mapping[int, Sequence[Any]]) -> Features:
    """Recodes the columns at these positions with the training data's categories; other values become missing."""
    columns, categories = list(x.columns), list(x.categories)
    for at, wanted in known.items():
        value = columns[at]
        assert isinstance(value, Value)
        columns[at] = x.loop.optional(x.loop.value_of(value), one_of(x.loop, value, wanted))
        categories[at] = pd.CategoricalDtype(pd.Index(wanted))
    return replace(x, columns=tuple(columns), categories=tuple(categories))


def guard_known(x: Features, known: Mapping[int, Sequence[Any]]) -> None:
    """Guards that values are missing or known, and that each column without fixed categories has some value."""
    loop = x.loop
    for at, wanted in known.items():
        value = x.columns[at]
        assert isinstance(value, Value)
        some = one_of(loop, value, wanted)
        if value.type.nullable:
            valid = loop.is_valid(value)
            some = loop.call("logical_or", some, loop.call("logical_not", valid))
            if x.categories[at].categories is None:  # type: ignore[union-attr]
                loop.guard_some(valid)
        loop.guard(some, local=True)


def numbers_of(x: Features) -> list[Value]:
    """Returns all columns as numbers; a category column becomes its float64 codes, NaN where missing."""
    made = list(x.values)
    for at in category_columns(x):
        value = made[at]
        keys, type = keys_of(value.type, list(x.categories[at].categories))  # type: ignore[union-attr]
        table: dict[object, object] = {key: float(place) for place, key in enumerate(keys)}
        found = x.loop.emit(Lookup.of(table, type, F64), x.loop.cast(x.loop.value_of(value), type))
        known = x.loop.is_valid(found)
        if value.type.nullable:
            known = x.loop.call("logical_and", known, x.loop.is_valid(value))
        made[at] = x.loop.select(known, x.loop.value_of(found), x.loop.const(np.nan, F64))
    return made


def are_of(categories: object, type: Type) -> bool:
    """Whether a column of the type can have these categories: strings, bools, or numbers."""
    if not isinstance(categories, list | tuple) or not categories:
        return False
    wanted = {STR: (str,), BOOL: (bool, np.bool_)}.get(type.plain(), (int, float, np.integer, np.floating))
    return all(isinstance(c, wanted) and (BOOL == type.plain() or not isinstance(c, bool)) for c in categories)


def as_values(x: Features, call: str) -> Features:
    """Converts category columns as NumPy does: NaN where missing. Refuses (SW251) categories of bools."""
    columns, missing = list(x.columns), [x.missing_of(at) for at in range(len(x.columns))]
    loop = x.loop
    for at in category_columns(x):
        value = columns[at]
        assert isinstance(value, Value)
        if value.type.plain() == BOOL:
            refuse("SW251", call=f"{call} of categories of bools")
        if value.type.plain() == STR:
            missing[at] = Missing(nan=value.type.nullable)
        elif value.type.nullable:
            columns[at] = loop.select(loop.is_valid(value), loop.cast(loop.value_of(value), F64), loop.const(np.nan, F64))
    return replace(x, columns=tuple(columns), missing=tuple(missing), categories=())
