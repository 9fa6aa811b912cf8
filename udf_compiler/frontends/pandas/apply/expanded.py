"""Makes a frame where ``Series.apply`` calls a function that returns a Series: a row of the frame for each value.

Where each row has a string, pandas collects the rows in an array of objects. It infers the dtype of each column as that of a list
of its values. A Series of numbers alone has a dtype of its own: all columns have it if all rows do.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import pandas as pd

from sparkweld.ir import LoopBuilder
from sparkweld.ir.types import F64
from udf_compiler.frontends.pandas.apply.row_loops import frame_of_tree
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.frontends.python.path_explorer import Node, leaves
from udf_compiler.frontends.python.path_trees import with_results
from udf_compiler.frontends.python.result_kinds import kind_of_result
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced, series_class

_MARK = object()
_KINDS = frozenset(("str", "int", "float", "bool", "None"))


class RowOfFrame(Traced):
    """A Series that a function of one value makes, by the names of its values. It can only be returned."""

    __slots__ = ("values",)
    what = "Series within a scalar function"
    stands_for = pd.Series
    __class__ = property(series_class)  # type: ignore[assignment]

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def _more_names(self) -> frozenset[str]:
        return frozenset(self.values)

    def __getattr__(self, name: str) -> NoReturn:
        self._refuse()

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse("SW262", call="pd.Series", what="a Series within a scalar function that does more than to return it")

    __getitem__ = __len__ = __iter__ = __bool__ = _binary = _unary = _in_place = _refuse  # type: ignore[assignment]


def row_of_frame(data: Any, index: Any) -> RowOfFrame | None:
    """Returns ``pd.Series(data, index)`` of a dict, or of a list or tuple with names; None for other data."""
    if type(data) in (list, tuple) and type(index) in (list, tuple) and len(data) == len(index):
        data = dict(zip(index, data, strict=True)) if len({*index}) == len(index) else None
    elif index is not None:
        return None
    if type(data) is not dict or not data or not all(type(name) is str for name in data):
        return None
    return RowOfFrame(data)


def marked(x: Any) -> Any:
    """Returns the values of such a Series in a tuple that marks them; anything else unchanged."""
    return (_MARK, x.values) if type(x) is RowOfFrame else x


def expanded(loop: LoopBuilder, tree: Node, call: str) -> TracedFrame | None:
    """Returns the frame if the paths return Series; None if none does. Refuses (SW262) rows of which pandas infers otherwise."""
    ends = [leaf.value for leaf in leaves(tree) if leaf.error is None]
    rows = [x[1] for x in ends if type(x) is tuple and len(x) == 2 and x[0] is _MARK]
    if not rows:
        return None
    session = current()
    if len(rows) < len(ends) or session.group is not None or session.groups is not None or loop.parent is not None:
        refuse("SW262", call=call, what="a function that returns a Series on some paths only, or for some rows of a batch,")
    classes = {_class_of(row) for row in rows}
    if len(classes) > 1 or "" in classes:
        refuse("SW262", call=call, what="a function that returns a Series of other values than strings and numbers,")
    (whole,) = classes

    def row(x: Any) -> dict[str, Any]:
        return {name: _as_float(loop, part) if whole == "float" else part for name, part in x[1].items()}

    return fresh(loop, frame_of_tree(loop, with_results(tree, row)))


def _class_of(row: dict[str, Any]) -> str:
    """Returns the class of the elements of a row's Series: "float", "int" or, if one is a string, "object"; "" for others."""
    kinds = {kind_of_result(x) if not (is_scalar(x) and x.numpy) else x.numpy for x in row.values()}
    if kinds == {"int"}:
        return "int"
    if "float" in kinds and kinds <= {"float", "int", "None"}:
        return "float"
    return "object" if "str" in kinds and kinds <= _KINDS else ""


def _as_float(loop: LoopBuilder, x: Any) -> Any:
    """Returns a number as an element of a Series of float64, in which None is NaN."""
    if is_scalar(x):
        return x if x.kind == "float" else TracedScalar("float", loop.cast(x.value, F64))
    return math.nan if x is None else float(x)
