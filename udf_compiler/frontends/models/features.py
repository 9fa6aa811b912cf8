"""Represents an estimator's input: columns of numbers or strings over one loop, from a DataFrame, array, Series or estimator.

The library decides which inputs it accepts and the dtype in which it computes. `validated` calls its `validate_data` on one row
of the same container and dtypes, and adds guards for conditions on values (NaN, infinity).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64, STR, Type
from udf_compiler.frontends.models.by_version import validate_data
from udf_compiler.frontends.pandas import batch_dependent
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.kind import CATEGORIES
from udf_compiler.frontends.pandas.missing import PRESENT, Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS, some_string
from udf_compiler.frontends.tracing.lower import run_prototype, type_of
from udf_compiler.frontends.tracing.session import check_size, refuse
from udf_compiler.frontends.tracing.values import raw

#: The dtypes of scikit-learn's FLOAT_DTYPES.
FLOATS = (np.float64, np.float32)


@dataclass(frozen=True, slots=True)
class Indicator:
    """A column that is 1 where its row belongs to group number `at` of an encoder's column, else 0.

    `by_group(numbers)` returns the number of the row's group, 0 for a row without a group. There are `count` groups; columns may
    omit some. So a weighted sum of all indicators of a column is one lookup without a matrix.
    """

    by_group: Callable[[Sequence[float], Type], Value]
    count: int
    at: int
    type: Type

    def value(self) -> Value:
        """Returns the column itself."""
        return self.by_group([float(g == self.at) for g in range(self.count)], self.type)


Column = Value | Indicator


@dataclass(frozen=True, slots=True)
class Features:
    """The input or output of an estimator: columns in order over the rows of `loop`.

    - `columns`: numbers are plain values; strings are NULL where missing.
    - `names`: the column names of a DataFrame; None for an array. `ndim` 1 means the shape (n,), with names a Series.
    - `order`: the memory order, as in TracedArray. `sparse`: a scipy matrix. `fresh`: its memory is not shared.
    - `missing`: per column, the library's representation of missing strings; empty when nothing is missing.
    - `kept`: some value is approximate, not bit-equal to the library's.
    - `categories`: the dtypes of pandas' category columns, which hold values, not codes. None for other columns; empty when no
      column is one.
    """

    loop: LoopBuilder
    columns: tuple[Column, ...]
    names: tuple[str, ...] | None = None
    ndim: int = 2
    order: str | None = "C"
    sparse: bool = False
    fresh: bool = True
    missing: tuple[Missing, ...] = ()
    kept: bool = False
    categories: tuple[pd.CategoricalDtype | None, ...] = ()

    @property
    def values(self) -> tuple[Value, ...]:
        """Returns all columns as values."""
        return tuple(c.value() if isinstance(c, Indicator) else c for c in self.columns)

    @property
    def types(self) -> tuple[Type, ...]:
        """Returns the plain types of the columns."""
        return tuple(c.type.plain() for c in self.columns)

    @property
    def has_texts(self) -> bool:
        return any(t == STR for at, t in enumerate(self.types) if not (self.categories and self.categories[at] is not None))

    def missing_of(self, at: int) -> Missing:
        """Returns the representation of a column's missing strings."""
        return self.missing[at] if self.missing else PRESENT

    def array(self, columns: Sequence[Column], **changes: Any) -> Features:
        """Returns an array of other columns over the same rows, as an estimator creates it."""
        return Features(self.loop, tuple(columns), **{"order": self.order, "kept": self.kept, **changes})

    def chosen(self, positions: Sequence[int]) -> Features:
        """Returns the columns at these positions, in that order."""
        missing = tuple(self.missing_of(i) for i in positions) if self.missing else ()
        names = None if self.names is None else tuple(self.names[i] for i in positions)
        categories = tuple(self.categories[i] for i in positions) if self.categories else ()
        columns = tuple(self.columns[i] for i in positions)
        return replace(self, columns=columns, names=names, missing=missing, categories=categories, order=None)

    def prototype(self) -> Any:
        """Returns one row of the same container and dtypes: ones and the string "a"."""
        rows: list[Any] = [np.array(["a"], object) if t == STR else np.ones(1, t.dtype) for t in self.types]
        for at, dtype in enumerate(self.categories):
            if dtype is not None:
                rows[at] = pd.Categorical(rows[at] if dtype.categories is None else dtype.categories[:1], dtype=dtype)
        if self.names is not None:
            return pd.DataFrame(dict(enumerate(rows))).set_axis(list(self.names), axis=1)
        if self.ndim == 1:
            return rows[0]
        array = np.column_stack(rows)
        return importlib.import_module("scipy.sparse").csr_matrix(array) if self.sparse else array


def features_of(x: Any, call: str, categories: bool = False) -> Features:
    """Converts a traced argument of a model. Refuses SW810, and SW251 category columns unless the model takes `categories`."""
    if isinstance(x, TracedFrame):
        parts = [_column(s, call, categories) for s in x.series.values()]
        names = tuple(x.series)
        missings = tuple(m for _, m in parts)
        dtypes = tuple(s.dtype if s.kind is CATEGORIES else None for s in x.series.values())
        kinds = dtypes if any(dtype is not None for dtype in dtypes) else ()
        return Features(x.loop, tuple(v for v, _ in parts), names, order=None, fresh=False, missing=missings, categories=kinds)
    if isinstance(x, TracedArray):
        return Features(x.loop, x.columns, ndim=x.ndim, order=x.order, fresh=False)
    if isinstance(x, TracedSeries):
        value, missing = _column(x, call)
        return Features(x.loop, (value,), ndim=1, fresh=False, missing=(missing,))
    refuse("SW810", call=call, what=raw(x))


def _column(series: TracedSeries, call: str, categories: bool = False) -> tuple[Value, Missing]:
    if series.kind is CATEGORIES and categories:
        return series.value, series.missing.kept()
    if series.kind is STRINGS:
        some_string(series)  # without a string, the column may be float64
        return series.value, series.missing.kept()
    series.kind.check_numeric(call)
    return batch_dependent.plain(series, call).value, PRESENT


def refuse_categories(x: Features, call: str) -> None:
    """Refuses (SW251) category columns."""
    if any(dtype is not None for dtype in x.categories):
        refuse("SW251", call=f"{call} of categories")


def validated(model: Any, x: Features, call: str, finite: bool | str = True, **options: Any) -> Features:
    """Returns the numeric array of ``validate_data(model, x, reset=False, **options)``.

    `finite` is its `ensure_all_finite`. Rows with NaN or infinity for which the library raises are guarded. Refuses SW252 where
    it raises for these columns, names and dtypes. Refuses SW811 strings, which it would parse.
    """
    if not isinstance(x, Features):
        return x.validated(model, call, finite, options)  # type: ignore[no-any-return,attr-defined]
    refuse_categories(x, call)
    if x.has_texts:
        refuse("SW811", call=call)
    type = type_of(_dtype(model, x, call, options), call)
    columns = tuple(_cast(x.loop, c, type) for c in x.columns)
    if type.is_float and finite is not False:
        guard_finite(x.loop, [c for c in columns if isinstance(c, Value)], allow_nan=finite == "allow-nan")
    check_size(x.loop)
    return replace(x, columns=columns, names=None, missing=(), fresh=x.fresh or options.get("copy", False))


def _dtype(model: Any, x: Features, call: str, options: dict[str, Any]) -> np.dtype:
    given = {"reset": False, "ensure_all_finite": False, **options}
    return np.dtype(run_prototype(call, validate_data, model, x.prototype(), **given).dtype)


def _cast(loop: LoopBuilder, column: Column, type: Type) -> Column:
    return replace(column, type=type) if isinstance(column, Indicator) else loop.cast(column, type)


def binarized(x: Features, threshold: float) -> Features:
    """Returns 1 for values above the threshold, else 0, in the types of the values."""
    loop, values = x.loop, []
    for value in x.values:
        type = value.type if value.type.is_float else F64
        above = loop.call("greater", loop.cast(value, type), loop.const(threshold, type))
        values.append(loop.cast(above, value.type))
    return x.array(values)


def guard_finite(loop: LoopBuilder, values: Sequence[Value], allow_nan: bool = False) -> None:
    """Guards that the floats of a row are all finite; NaN passes if `allow_nan`."""
    fine: Value | None = None
    for value in dict.fromkeys(v.id for v in values):
        one = loop.value(value)
        test = loop.call("logical_not", loop.call("isinf", one)) if allow_nan else loop.call("isfinite", one)
        fine = test if fine is None else loop.call("logical_and", fine, test)
    if fine is not None:
        loop.guard(fine, local=True)
