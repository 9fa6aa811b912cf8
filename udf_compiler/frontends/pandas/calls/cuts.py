"""Lowers pd.cut with constant bins to IR: computes each value's bin number and the Categorical of bin labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Lookup
from sparkweld.ir.types import BOOL, F64, I64, STR
from udf_compiler.frontends.pandas import batch_dependent
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.calls.polynomials import count_below
from udf_compiler.frontends.pandas.calls.strings.convert import is_str_dtype
from udf_compiler.frontends.pandas.kind import CATEGORIES
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import optional, text_series
from udf_compiler.frontends.tracing.lower import constant_of, is_number, run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.utf8 import check_text
from udf_compiler.frontends.tracing.values import Traced, raw, series_class

#: Maximum number of bins: each costs one comparison per row.
_LIMIT = 256


class TracedCut(Traced):
    """A categorical Series: `at` is the position of a row's label where `present`. All labels are str, or all are numbers.

    As a column of a DataFrame it becomes `categories_of`, like other categorical Series.
    """

    __slots__ = ("at", "labels", "loop", "present")
    what = "categorical Series"
    stands_for = pd.Series

    def __init__(self, loop: LoopBuilder, at: Value, present: Value, labels: list[Any]) -> None:
        self.loop, self.at, self.present, self.labels = loop, at, present, labels

    __class__ = property(series_class)  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        call = f"Series.{name} of a Categorical"
        if name == "cat":
            return _Cat(self)
        if name not in _METHODS:
            refuse("SW251", call=call)
        return bound(_METHODS[name], self, call)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        """Compares with a label by == or !=; a missing row equals no label."""
        if name not in ("eq", "ne") or other not in self.labels:
            refuse("SW251", call=f"{name} of a Categorical and {raw(other)}")
        loop = self.loop
        same = loop.call("equal", self.at, loop.const(self.labels.index(other), I64))
        same = loop.call("logical_and", self.present, same)
        return TracedSeries(loop, same if name == "eq" else loop.call("logical_not", same), np.bool_)


class _Cat(StandIn):
    """The accessor ``series.cat``; supports ``codes`` only."""

    __slots__ = ("_cut",)
    what = "Series.cat"
    stands_for = pd.Series.cat
    visible = frozenset({"codes"})

    def __init__(self, cut: TracedCut) -> None:
        self._cut = cut

    @property
    def codes(self) -> TracedSeries:
        cut = self._cut
        code = cut.loop.select(cut.present, cut.at, cut.loop.const(-1, I64))
        dtype = pd.Categorical([], categories=range(len(cut.labels))).codes.dtype
        return TracedSeries(cut.loop, code, np.dtype(np.int64)).astype(dtype)


def cut(
    x: Any,
    bins: Any,
    right: bool = True,
    labels: Any = None,
    retbins: bool = False,
    precision: int = 3,
    include_lowest: bool = False,
    duplicates: str = "raise",
    ordered: bool = True,
) -> Any:
    """Implements pd.cut (pandas/core/reshape/tile.py, ``_bins_to_cuts``).

    Refuses (SW250) a number of bins instead of their edges: the edges then depend on the batch.
    """
    call, bins = "pd.cut", constant_of(bins)
    if not isinstance(x, TracedSeries) or retbins is not False:
        refuse("SW262", call=call, what=raw(x) if retbins is False else "retbins=True")
    if is_number(bins) or isinstance(bins, Traced):
        refuse("SW250", call=f"{call} into a number of bins")
    x.kind.check_numeric(call)
    x = batch_dependent.plain(x, call)
    table = run_prototype(call, lambda: np.asarray(bins))
    if table.ndim != 1 or table.dtype.kind not in "if" or not 2 <= len(table) <= _LIMIT or not np.all(table[1:] > table[:-1]):
        refuse("SW262", call=call, what="a table of bins that is not ascending, or has more than 256,")
    labels = constant_of(labels)
    run_prototype(call, lambda: pd.cut(pd.Series([0.5]), table, right=bool(right), labels=labels, ordered=ordered))
    loop = x.loop
    above = count_below(loop, x.value, table, "left" if right else "right", call)
    if include_lowest:
        common = type_of(np.result_type(x.dtype, table.dtype), call)
        lowest = loop.call("equal", loop.cast(x.value, common), loop.const(table[0], common))
        above = loop.select(lowest, loop.const(1, I64), above)
    below, beyond = (loop.call("equal", above, loop.const(n, I64)) for n in (0, len(table)))
    present = loop.call("logical_not", loop.call("logical_or", below, beyond))
    at = loop.call("subtract", above, loop.const(1, I64))
    if labels is False:
        return batch_dependent.batch_dependent_series(loop, at, present, Missing(nan=True))
    names = list(labels) if isinstance(labels, list | tuple | np.ndarray) else []
    names = [n.item() if isinstance(n, np.generic) else n for n in names]
    if len({type(n) for n in names}) != 1 or type(names[0]) not in (str, int, float) or len(set(names)) < len(names):
        refuse("SW262", call=call, what="labels that are not all distinct strings, or all distinct numbers,")
    if any(n != n for n in names):
        refuse("SW262", call=call, what="NaN among the labels")
    return TracedCut(loop, loop.select(present, at, loop.const(0, I64)), present, names)


def plain(cut: TracedCut) -> TracedSeries:
    """Converts to the dtype of the labels, as PySpark does with a Categorical; a missing row becomes NaN."""
    return _astype(cut, object if type(cut.labels[0]) is str else np.asarray(cut.labels).dtype)


def _astype(cut: TracedCut, dtype: Any, copy: Any = None) -> TracedSeries:
    call, loop = "Series.astype of a Categorical", cut.loop
    texts = type(cut.labels[0]) is str
    if texts and (is_str_dtype(dtype) or dtype in (object, "object")):
        names: dict[object, object] = {n: check_text(label, call) for n, label in enumerate(cut.labels)}
        found = loop.value_of(loop.emit(Lookup.of(names, I64, STR), cut.at))
        if is_str_dtype(dtype):
            return text_series(loop, loop.select(cut.present, found, loop.const("nan", STR)))  # type: ignore[no-any-return]
        return text_series(loop, optional(loop, found, cut.present), Missing(nan=True))  # type: ignore[no-any-return]
    made = run_prototype(call, lambda: np.dtype(dtype)) if isinstance(dtype, str | type | np.dtype) else None
    if texts or made is None or made.kind not in "if":
        refuse("SW262", call=call, what=f"{raw(dtype)} for these labels")
    type_ = F64 if made.kind == "f" else I64
    if type_ == I64:
        if type(cut.labels[0]) is not int:
            refuse("SW262", call=call, what="integers for float labels")
        loop.guard(cut.present)  # pandas raises for NaN
    values: dict[object, object] = dict(enumerate(cut.labels))
    found = loop.value_of(loop.emit(Lookup.of(values, I64, type_), cut.at))
    if type_ == F64:
        found = loop.select(cut.present, found, loop.const(np.nan, F64))
    return TracedSeries(loop, found, type_.dtype).astype(made)


def categories_of(cut: TracedCut, call: str) -> TracedSeries:
    """Converts to a categorical Series of `frontends.pandas.calls.categoricals`: the labels themselves, NULL where missing."""
    loop, kind = cut.loop, {str: STR, int: I64, float: F64}[type(cut.labels[0])]
    labels = [check_text(label, call) for label in cut.labels] if kind == STR else cut.labels
    found = loop.value_of(loop.emit(Lookup.of(dict(enumerate(labels)), I64, kind), cut.at))
    made = loop.optional(found, cut.present)
    return TracedSeries(loop, made, pd.CategoricalDtype(list(labels)), CATEGORIES, missing=Missing(nan=kind == STR))


def _isna(cut: TracedCut) -> TracedSeries:
    return TracedSeries(cut.loop, cut.loop.call("logical_not", cut.present), np.bool_)


def _notna(cut: TracedCut) -> TracedSeries:
    return TracedSeries(cut.loop, cut.present, np.bool_)


def _fillna(cut: TracedCut, value: Any) -> TracedCut:
    """Implements fillna with a label; refuses (SW252) any other value: pandas raises."""
    value = constant_of(value)
    if type(value) is not type(cut.labels[0]) or value not in cut.labels:
        refuse("SW252", call="Series.fillna of a Categorical", error="TypeError: Cannot setitem with a new category")
    loop = cut.loop
    at = loop.select(cut.present, cut.at, loop.const(cut.labels.index(value), I64))
    return TracedCut(loop, at, loop.const(True, BOOL), cut.labels)


_METHODS: dict[str, Callable[..., Any]] = {
    "astype": _astype, "isna": _isna, "isnull": _isna, "notna": _notna, "notnull": _notna, "fillna": _fillna,
}  # fmt: skip
