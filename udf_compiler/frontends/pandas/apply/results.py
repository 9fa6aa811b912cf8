"""Converts the results of a scalar function's paths to a Series, with the dtype that pandas infers from a batch.

pandas.lib.map_infer inspects all values of the batch (maybe_convert_objects). Ints become int64; with a float among them,
float64. None is a missing value beside numbers, and makes objects beside bools. The dtype is therefore known when all paths
return one kind of value. Other mixes become a `RowSeries`, which represents any dtype of the batch and can only be returned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, DATE, F64, I64, LISTS, STR, of_dtype
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.kind import ARRAY_OBJECTS
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import text_series
from udf_compiler.frontends.python.builtin_calls import real_class
from udf_compiler.frontends.python.conditions import both, constant
from udf_compiler.frontends.python.formats import assembled
from udf_compiler.frontends.python.new_lists import with_lists
from udf_compiler.frontends.python.of_text import element
from udf_compiler.frontends.python.path_explorer import Node, guards_of, leaves
from udf_compiler.frontends.python.path_trees import decided
from udf_compiler.frontends.python.result_kinds import kind_of_result, kinds_of, merged, not_none, value_as
from udf_compiler.frontends.python.running import tree_of
from udf_compiler.frontends.python.state import Record
from udf_compiler.frontends.python.values import DECIMALS, TIME_KINDS, TYPES, is_scalar, shown
from udf_compiler.frontends.tracing.exceptions import told
from udf_compiler.frontends.tracing.session import current, place_of, refuse
from udf_compiler.frontends.tracing.values import Traced, series_class

#: Larger ints are not exact in a float64 Series.
_EXACT = 2**53


class RowSeries(Traced):
    """A Series whose dtype depends on the kinds of values in the batch (`kinds`, which may include "None").

    `value`: nullable, a bool or a float64; NULL where the function returns None. A guard keeps its ints within 2**53, so that
    they are the same numbers in every dtype. Frames set the other slots of their columns.
    """

    __slots__ = ("has_nat", "kinds", "shared", "value", "viewed")
    what = "Series whose dtype depends on the batch"
    stands_for = pd.Series

    value: Value
    kinds: frozenset[str]

    def __init__(self, value: Value, kinds: frozenset[str]) -> None:
        self.value, self.kinds = value, kinds
        self.has_nat = self.shared = self.viewed = False

    __class__ = property(series_class)  # type: ignore[assignment]

    @property
    def loop(self) -> LoopBuilder:
        """The loop of the values."""
        return self.value.loop

    def twin(self, shared: bool) -> RowSeries:
        """Returns another Series of the same values."""
        return type(self)(self.value, self.kinds)

    def __getattr__(self, name: str) -> Any:
        if name == "astype":
            return self._astype
        self._refuse(f"Series.{name}")

    def _astype(self, dtype: Any) -> Any:
        if real_class(dtype) not in (float, "float", "float64") or self.value.type.kind != "f64":
            self._refuse("Series.astype")
        loop = self.value.loop
        missing = loop.const(float("nan"), F64)
        return TracedSeries(loop, loop.select(loop.is_valid(self.value), loop.value_of(self.value), missing), F64.dtype)

    def _refuse(self, call: str) -> NoReturn:
        refuse("SW297", call=call, kinds=shown(self.kinds))

    def _other(self) -> NoReturn:
        self._refuse("A method of a DataFrame with this column")

    # what methods of frames ask of their columns
    kind = _dtype = missing = batch_dependent = known_name = nat_objects = to_array = new = property(_other)

    def _binary(self, name: str, other: Any, reflected: bool) -> NoReturn:
        self._refuse(f"Series {name} ...")

    def _unary(self, name: str) -> NoReturn:
        self._refuse(f"{name} of a Series")

    def _in_place(self, name: str, other: Any) -> NoReturn:
        self._refuse(f"Series {name}= ...")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> NoReturn:
        self._refuse(f"np.{ufunc.__name__}")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> NoReturn:
        self._refuse(f"np.{function.__name__}")


class ListSeries(RowSeries):
    """A Series of Python lists, None where NULL; it too can only be returned."""

    __slots__ = RowSeries.__slots__
    what = "Series of lists"

    def _astype(self, dtype: Any) -> NoReturn:
        self._refuse("Series.astype")

    def _refuse(self, call: str) -> NoReturn:
        refuse("SW245", call=call)


def explored(
    loop: LoopBuilder, call: Callable[[], Any], handled: bool, *reachable: Any, many: bool = False, nullable: int = 0
) -> Node:
    """Returns the tree of `call`; its guards join the loop.

    Refuses a function that changes an object within its reach, or that always raises. `many` and `nullable`: as in `tree_of`.
    """
    record = Record(*reachable)
    tree = tree_of(loop, lambda: assembled(element(call())), handled, many, nullable)
    record.check()
    return finished(loop, tree, handled)


def finished(loop: LoopBuilder, tree: Node, handled: bool) -> Node:
    """Returns the tree itself, with its guards in the loop; refuses one whose paths all raise (SW261).

    A row that raises does so in any batch, unless the enclosing function catches that (`handled`). A row that Python computes may
    have a value of another type, and so change the dtype that pandas infers for the batch.
    """
    ends = list(leaves(tree))
    if all(leaf.error is not None for leaf in ends):
        error = ends[0].error
        assert error is not None
        refuse("SW261", at=place_of(error), error=told(error))
    condition = decided(loop, tree)
    if constant(loop, condition) is False and current().left:
        refuse("SW229", what=current().left)
    if constant(loop, condition) is not True:
        loop.guard(condition, local=not handled and all(guard.local for guard in guards_of(tree)))
    return tree


def series_of_tree(loop: LoopBuilder, tree: Node) -> TracedSeries | RowSeries:
    """Returns the Series that pandas infers; refuses mixes of bools, numbers and strings, which become objects (SW293)."""
    tree = with_lists(loop, tree)
    narrow = _narrow_dtype(tree)
    if narrow is not None:
        return _of_dtype(loop, tree, narrow)
    kinds = kinds_of(tree)
    if not kinds.isdisjoint(DECIMALS):
        refuse("SW293", type=shown(kinds))
    if not kinds.isdisjoint(TIME_KINDS):
        return _times(loop, tree, kinds)
    if kinds & LISTS.keys():
        return _arrays(loop, tree, kinds)
    if len(kinds) == 1 and not kinds & {"None", "str", "date"}:
        type = TYPES[next(iter(kinds))]
        return TracedSeries(loop, merged(loop, tree, type, lambda x: value_as(loop, x, type)), type.dtype)
    if "date" in kinds and kinds <= {"date", "None"}:
        value = merged(loop, tree, DATE, lambda x: value_as(loop, x, DATE))
        if "None" in kinds:
            value = loop.optional(value, not_none(loop, tree))
        return TracedSeries(loop, value, np.dtype(object), DATES)
    if "str" in kinds and kinds <= {"str", "None"}:
        return _texts(loop, tree, Missing(none="None" in kinds))
    if kinds == {"str", "float"} and all(_is_nan(leaf.value) for leaf in leaves(tree) if kind_of_result(leaf.value) == "float"):
        return _texts(loop, tree, Missing(nan=True, void=True))  # a batch of NaN alone is float64
    if kinds & {"str", "date"} or ("bool" in kinds and len(kinds - {"None"}) > 1):
        refuse("SW293", type=shown(kinds))
    type = BOOL if "bool" in kinds else F64
    if "int" in kinds:
        loop.guard(merged(loop, tree, BOOL, lambda x: _is_exact(loop, x)))
    value = merged(loop, tree, type, lambda x: value_as(loop, x, type))
    return RowSeries(loop.optional(value, not_none(loop, tree)), kinds)


#: Kind of a time -> the kind of the Series that pandas infers from such values.
_TIMES = {"datetime": datetimes.DATETIMES, "timedelta": datetimes.TIMEDELTAS}


def _times(loop: LoopBuilder, tree: Node, kinds: frozenset[str]) -> TracedSeries:
    """Returns a Series of nanoseconds, NaT where a path returns None; guards times that nanoseconds do not hold.

    A batch of None alone is flagged, since its Series has objects.
    """
    kind = next(iter(kinds - {"None"}))
    if len(kinds - {"None"}) > 1 or kind not in _TIMES or int(pd.__version__.partition(".")[0]) >= 3:
        refuse("SW293", type=shown(kinds))
    value = loop.cast(merged(loop, tree, TYPES[kind], lambda x: value_as(loop, x, TYPES[kind])), I64)
    limit = loop.const((2**63 - 1) // 1000, I64)
    inside = both(loop, loop.call("less_equal", value, limit), loop.call("greater_equal", value, loop.call("negative", limit)))
    loop.guard(inside)
    nanoseconds = loop.call("multiply", value, loop.const(1000, I64))
    if "None" not in kinds:
        return datetimes.new(loop, nanoseconds, _TIMES[kind])  # type: ignore[no-any-return]
    valid = not_none(loop, tree)
    loop.guard_some(valid)
    return datetimes.new(loop, loop.optional(nanoseconds, valid), _TIMES[kind])  # type: ignore[no-any-return]


def _narrow_dtype(tree: Node) -> np.dtype | None:
    """Returns the common dtype of narrow NumPy scalars (fewer than 64 bits) that all paths return, ignoring None; else None."""
    values = [leaf.value for leaf in leaves(tree) if leaf.error is None]
    found = {x.numpy if is_scalar(x) and not x.is_list else "" for x in values if x is not None}
    name = found.pop() if len(found) == 1 else ""
    return np.dtype(name) if name in ("int8", "int16", "int32", "float32") else None


def _of_dtype(loop: LoopBuilder, tree: Node, dtype: np.dtype) -> TracedSeries | RowSeries:
    """Returns a Series of that dtype. With a None in the batch it is float64, and objects if all are None."""
    type = of_dtype(dtype)
    assert type is not None
    if any(leaf.value is None for leaf in leaves(tree) if leaf.error is None):
        value = merged(loop, tree, F64, lambda x: value_as(loop, x, F64))
        return RowSeries(loop.optional(value, not_none(loop, tree)), frozenset(("None", {"i": "int", "f": "float"}[dtype.kind])))
    return TracedSeries(loop, merged(loop, tree, type, lambda x: loop.cast(x.value, type)), dtype)


def _arrays(loop: LoopBuilder, tree: Node, kinds: frozenset[str]) -> TracedSeries | ListSeries:
    """Returns a Series of arrays of one kind, or of lists; None where a path returns it."""
    found = kinds - {"None"}
    classes = {leaf.value.is_ndarray for leaf in leaves(tree) if leaf.error is None and is_scalar(leaf.value)}
    if len(found) > 1 or len(classes) > 1:
        refuse("SW293", type=shown(kinds))
    type = TYPES[next(iter(found))]
    value = merged(loop, tree, type, lambda x: loop.const(type.zero, type) if x is None else x.value)
    if "None" in kinds:
        value = loop.optional(value, not_none(loop, tree))
    return TracedSeries(loop, value, np.dtype(object), ARRAY_OBJECTS) if True in classes else ListSeries(value, kinds)


def _texts(loop: LoopBuilder, tree: Node, missing: Missing) -> TracedSeries:
    """Returns a Series of strings; NULL where a path returns None or NaN."""
    value = merged(loop, tree, STR, lambda x: value_as(loop, x, STR) if kind_of_result(x) == "str" else loop.const("", STR))
    if missing != Missing():
        present = merged(loop, tree, BOOL, lambda x: loop.const(kind_of_result(x) == "str", BOOL))
        value = loop.optional(value, present)
    return text_series(loop, value, missing)  # type: ignore[no-any-return]


def _is_nan(x: Any) -> bool:
    return not is_scalar(x) and x != x


def _is_exact(loop: LoopBuilder, x: Any) -> Value:
    if not is_scalar(x):
        return loop.const(not isinstance(x, int) or abs(x) <= _EXACT, BOOL)
    if x.kind != "int" or (-_EXACT <= x.span[0] and x.span[1] <= _EXACT):
        return loop.const(True, BOOL)
    above = loop.call("greater_equal", x.value, loop.const(-_EXACT, I64))
    return loop.call("logical_and", above, loop.call("less_equal", x.value, loop.const(_EXACT, I64)))


__all__ = ["ListSeries", "RowSeries", "explored", "kinds_of", "merged", "series_of_tree"]
