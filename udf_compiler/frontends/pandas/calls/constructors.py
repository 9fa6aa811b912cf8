"""Implements pd.Series(...) of columns and scalars, on the index of the batch's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import I64
from udf_compiler.frontends.pandas.apply.comprehensions import collect, is_collection
from udf_compiler.frontends.pandas.apply.expanded import row_of_frame
from udf_compiler.frontends.pandas.apply.results import ListSeries, RowSeries
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.strings.choose import texts_of
from udf_compiler.frontends.pandas.frame import refuse_renumbered
from udf_compiler.frontends.pandas.missing import PRESENT
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS, constant, text_series
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.tracing.lower import cast, is_number, run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import raw


class Index(StandIn):
    """The index of a traced Series; it can only be passed to pd.Series or pd.DataFrame."""

    __slots__ = ("_loop",)
    what = "Series.index"
    stands_for = pd.RangeIndex

    def __init__(self, loop: LoopBuilder) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        refuse("SW250", call=f"Series.index.{name}")

    def __bool__(self) -> bool:
        refuse("SW250", call="Series.index")

    __len__ = __iter__ = __eq__ = __getitem__ = __hash__ = __array__ = __add__ = __array_ufunc__ = lambda self, *args: refuse(
        "SW250", call="Series.index"
    )


def _check_index(data: Any, index: Any, call: str) -> None:
    """Refuses (SW250) any index but that of the data's own rows; None is allowed where it yields the same index."""
    if index is not None and type(index) is not Index:
        refuse("SW250", call=f"{call} with an index of its own")
    if index is not None and isinstance(data, TracedSeries | TracedArray) and data.loop is not index._loop:
        refuse("SW250", call=f"{call} with the index of other rows")


def make_series(data: Any = None, index: Any = None, dtype: Any = None, name: Any = None, copy: Any = None) -> Any:
    """Implements pd.Series(...) of a traced value, of a scalar on a traced index, or of the values of one row."""
    row = row_of_frame(data, index) if is_exploring() and dtype is None and name is None else None
    if row is not None:
        return row
    made = _series(data, index, dtype)
    if type(made) is TracedSeries and type(name) is str:
        made.known_name = name
    return made


def _series(data: Any, index: Any, dtype: Any) -> Any:
    call, of_a_list = "pd.Series", is_collection(data)
    of_series = isinstance(data, TracedSeries | RowSeries | ListSeries)
    data = texts_of(collect(data) if of_a_list else data)
    if index is None and not of_series and getattr(data, "loop", None) is not None:
        refuse_renumbered(data.loop, call)  # pandas numbers the rows of a list or an array from 0
    if of_a_list and type(data) is RowSeries:
        return data if dtype is None else data.astype(dtype)
    if type(data) in (RowSeries, ListSeries) and index is None and dtype is None:
        return data
    _check_index(data, index, call)
    if isinstance(data, TracedSeries) and of_a_list:
        made = data.twin(shared=False)  # pandas makes an array from a list
    elif isinstance(data, TracedSeries):
        data.shared = True
        made = data.twin(shared=True)
    elif isinstance(data, TracedArray):
        if data.ndim != 1:
            refuse("SW252", call=call, error="ValueError: Data must be 1-dimensional")
        data.shared = True
        made = TracedSeries(data.loop, data.value, data.dtype, shared=True)
    elif is_number(data) and index is not None:
        return _scalar_series(index._loop, data, dtype, call)
    elif type(data) is str and index is not None and dtype in (None, object, "object", str, "str"):
        return text_series(index._loop, constant(index._loop, data, call))
    else:
        refuse("SW250", call=f"pd.Series of {raw(data)}")
    if dtype is None:
        return made
    if made.kind is STRINGS and (dtype is object or dtype is str or dtype in ("object", "str")):
        if dtype in (object, "object"):
            return made
        if not of_series and made.missing != PRESENT:
            refuse("SW262", call=call, what="dtype=str for a list or an array with missing elements")  # pandas keeps these
        return made.astype(str)
    made.kind.check_numeric(call)
    made = made.kind.plain(made, call)
    wanted = run_prototype(call, lambda: pd.Series(np.ones(1, made.dtype), dtype=dtype).dtype)
    if of_a_list and isinstance(wanted, np.dtype) and wanted.kind == made.dtype.kind in "if":
        return made.new(_narrowed(made, wanted, call))
    if not isinstance(wanted, np.dtype) or not np.can_cast(made.dtype, wanted, "safe"):
        refuse("SW262", call=call, what=f"dtype={dtype} for {made.dtype} values")
    return made.new(cast(made.loop, made.value, type_of(wanted, call)))


def _narrowed(made: TracedSeries, wanted: np.dtype, call: str) -> Value:
    """Returns numbers of a list as those of another dtype of their kind. Guards integers that it does not hold: pandas raises."""
    loop, type_ = made.loop, type_of(wanted, call)
    if wanted.kind == "i" and wanted.itemsize < made.dtype.itemsize:
        low, high = (loop.const(int(end), I64) for end in (np.iinfo(wanted).min, np.iinfo(wanted).max))
        value = loop.cast(made.value, I64)
        loop.guard(both(loop, loop.call("greater_equal", value, low), loop.call("less_equal", value, high)))
    return cast(loop, made.value, type_)


def _scalar_series(loop: LoopBuilder, value: Any, dtype: Any, call: str) -> TracedSeries:
    proto = run_prototype(call, lambda: pd.Series(value, index=range(1), dtype=dtype))
    if not isinstance(proto.dtype, np.dtype):
        refuse("SW254", call=call, type=str(proto.dtype))
    return TracedSeries(loop, loop.const(proto.iloc[0], type_of(proto.dtype, call)), proto.dtype)
