"""pandas' category columns before LightGBM and XGBoost: texts to their places among the categories that a model was fitted on.

Both libraries look for a text among the categories of the training data, whatever those of the given column are: so codes depend
on the row's text alone, even where the column's categories are those of its batch (``astype("category")``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sparkweld.ir import Value
from sparkweld.ir.ops import Lookup
from sparkweld.ir.types import F64, STR
from udf_compiler.models.features import Features
from udf_compiler.trace.text import among, is_among


def category_columns(x: Features) -> list[int]:
    """The positions of the category columns."""
    return [at for at, dtype in enumerate(x.categories) if dtype is not None]


def as_in_training(x: Features, known: Mapping[int, Sequence[str]]) -> Features:
    """The columns at these positions with the categories of the training data; other texts are missing."""
    columns, categories = list(x.columns), list(x.categories)
    for at, texts in known.items():
        value = columns[at]
        assert isinstance(value, Value)
        columns[at], categories[at] = among(x.loop, value, texts), pd.CategoricalDtype(list(texts))
    return replace(x, columns=tuple(columns), categories=tuple(categories))


def guard_known(x: Features, known: Mapping[int, Sequence[str]]) -> None:
    """Guards the rows whose texts are missing or among these, and that a column has a text at all."""
    loop = x.loop
    for at, texts in known.items():
        text = x.columns[at]
        assert isinstance(text, Value)
        some = is_among(loop, text, texts)
        if text.type.nullable:
            valid = loop.is_valid(text)
            some = loop.call("logical_or", some, loop.call("logical_not", valid))
            if x.categories[at].categories is None:  # type: ignore[union-attr]
                loop.guard_some(valid)
        loop.guard(some)


def numbers_of(x: Features) -> list[Value]:
    """All columns as numbers: of category columns the place of the category, a float64, NaN where missing."""
    made = list(x.values)
    for at in category_columns(x):
        texts = x.categories[at].categories  # type: ignore[union-attr]
        table: dict[object, object] = {text: float(place) for place, text in enumerate(texts)}
        found = x.loop.emit(Lookup.of(table, STR, F64), x.loop.value_of(made[at]))
        known = x.loop.is_valid(found)
        if made[at].type.nullable:
            known = x.loop.call("logical_and", known, x.loop.is_valid(made[at]))
        made[at] = x.loop.select(known, x.loop.value_of(found), x.loop.const(np.nan, F64))
    return made


def are_texts(categories: object) -> bool:
    """Whether these are categories of texts."""
    return isinstance(categories, list | tuple) and all(isinstance(c, str) for c in categories)
