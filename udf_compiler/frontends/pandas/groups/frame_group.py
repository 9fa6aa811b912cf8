"""Models the whole group that a function of `applyInPandas` receives: what its rows ask of the other rows.

The function is traced as for a batch. A reduction is a column that has the same value in all rows (see
`sparkweld.ir.wholes`). Scalars that the function computes from reductions are values of a loop of their own. They are repeated in
each loop of rows that reads them.

A branch on a scalar takes one way, and a guard sends groups that take the other one to Python.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType, FunctionType
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Call, ModelOp
from sparkweld.ir.types import BOOL, I64
from sparkweld.ir.whole_builder import values_below
from udf_compiler.frontends.pandas.apply.interpreted_helpers import interpreting
from udf_compiler.frontends.pandas.apply.row_iterator import listing_of
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.series_choices import KeptElements
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.groups import (
    correlations,
    dict_rows,
    elements,
    filled,
    inner_groups,
    lines,
    list_calls,
    made_lists,
    neighbours,
    ordered_rows,
    orders,
    reductions,
    rewriting,
    sequential,
    summaries,
    value_counts,
)
from udf_compiler.frontends.pandas.groups.appending import check_appended
from udf_compiler.frontends.pandas.groups.made_lists import GroupDict, GroupList, GroupRecords, GroupSet
from udf_compiler.frontends.pandas.groups.operands import Operands
from udf_compiler.frontends.pandas.groups.scalars import MAX_ROWS, GroupScalar
from udf_compiler.frontends.pandas.groups.single_values import GroupElement
from udf_compiler.frontends.pandas.groups.value_counts import ValueCounts
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.tracing.frames import in_while
from udf_compiler.frontends.tracing.session import leave_unseen, refuse

#: Comparisons that most groups do not satisfy, such as ``std == 0`` and ``len(frame) < 3``.
_RARE = frozenset("equal less less_equal isnan isinf".split())


class FrameGroup(Operands):
    """The group of one trace: `root` is the loop of its rows, `loop` that of its scalars (`Session.group`)."""

    def __init__(self, root: LoopBuilder) -> None:
        self.root, self.builder = root, root.program
        self.loop: LoopBuilder = root.program.loop("group")
        self._labels: dict[LoopBuilder, Value] = {}
        self._kept: dict[tuple[LoopBuilder, int], LoopBuilder] = {}
        #: The loop of the rows of which a value of the loop of scalars is the number.
        self.counted: dict[int, LoopBuilder] = {}
        #: What code has appended to lists that a loop has made, and its contents at that time (`appending`).
        self.appended: list[tuple[Any, list[Any]]] = []

    # What rows ask of the group

    def whole(self, call: str, fn: str, *args: Value) -> str:
        """Returns the column of a function of whole columns. Refuses (SW312) arguments that a stage cannot compute exactly."""
        for arg in args:
            for value in values_below(arg.loop.body, [arg.id]):
                op = arg.loop.body[value].op
                if isinstance(op, ModelOp) or op.bound is not None:
                    refuse("SW312", call=call, what=f"it reads the result of {getattr(op, 'fn', op.name)}")
        return self.builder.whole(fn, *args)

    def reduced(self, call: str, fn: str, *args: Value) -> Value:
        """Returns a reduction as a value of the loop of scalars."""
        return self.loop.read(self.whole(call, fn, *args))

    def position(self, loop: LoopBuilder) -> Value:
        """Returns the number of each row in the group, from 0 on."""
        return loop.read(self.builder.whole("position"))

    def place(self, loop: LoopBuilder) -> Value:
        """Returns the number of each row among those that a filter keeps, from 0 on."""
        if loop.where is None:
            return self.position(loop)
        before = loop.read(self.whole("iloc", "running_sum", loop.cast(loop.where, I64)))
        return loop.call("subtract", before, loop.const(1, I64))

    def kept(self, loop: LoopBuilder, condition: Value) -> LoopBuilder:
        """Returns the loop of the rows where a condition holds, the same for each Series that it selects from."""
        key = (loop, condition.id)
        if key not in self._kept:
            self._kept[key] = loop.kept(condition)
        return self._kept[key]

    def alone(self, x: Any) -> Any:
        """Returns the Series of selected elements, and a list that a loop has made as an array; anything else unchanged."""
        if type(x) is GroupList:
            return made_lists.array_of(self, x)
        return x.alone() if type(x) is KeptElements else x

    def packed(self, loop: LoopBuilder, value: Value, call: str) -> Value:
        """Returns a value of the kept rows in the first rows, absent in the others."""
        if loop.where is None:
            return value
        order = loop.read(self.whole(call, "descending_order", loop.where))
        first = loop.read(self.whole(call, "take", value, order))
        inside = loop.call("less", self.position(loop), self.of_rows(self.count_of(loop, call), loop))
        valid = loop.call("logical_and", inside, loop.is_valid(first))
        return loop.optional(loop.value_of(first), valid)

    def unpacked(self, loop: LoopBuilder, value: Value, call: str) -> Value:
        """Returns a value of the first rows in the kept rows."""
        return value if loop.where is None else loop.read(self.whole(call, "take", value, self.place(loop)))

    def labels(self, loop: LoopBuilder) -> Value:
        """Returns the label of each row in the index of a frame or Series."""
        at: LoopBuilder | None = loop
        while at is not None:
            if at in self._labels:
                return loop.repeat(self._labels[at])
            at = at.parent
        return self.position(loop)

    def set_labels(self, loop: LoopBuilder, labels: Value) -> None:
        self._labels[loop] = labels

    def renumber(self, loop: LoopBuilder) -> None:
        """Labels the rows of a loop from 0 on."""
        loop.numbered = True
        self.set_labels(loop, self.place(loop))

    def count_of(self, loop: LoopBuilder, call: str) -> Value:
        """Returns the number of rows that a filter keeps, in the loop of scalars."""
        kept = loop.const(True, BOOL) if loop.where is None else loop.where
        return self.reduced(call, "sum", loop.cast(kept, I64))

    def some(self, loop: LoopBuilder, condition: Value, call: str) -> Value:
        """Returns, in the loop of scalars, whether a condition holds in some row that a filter keeps."""
        if loop.where is not None:
            condition = loop.call("logical_and", condition, loop.where)
        count = self.reduced(call, "sum", loop.cast(condition, I64))
        return self.loop.call("greater", count, self.loop.const(0, I64))

    def guard_none(self, loop: LoopBuilder, condition: Value, call: str) -> None:
        """Sends groups to Python in which a condition holds in some row that a filter keeps."""
        self.loop.guard(self.loop.call("logical_not", self.some(loop, condition, call)))

    def length(self, x: Any, call: str) -> GroupScalar:
        """Returns the number of rows of a loop, or of elements, as a Python int."""
        if self.has_length(x):
            return x.length  # type: ignore[no-any-return]
        count = self.count_of(x.loop, call)
        self.counted.setdefault(count.id, x.loop)
        return GroupScalar(self.loop, count, weak=True, bound=MAX_ROWS)

    def has_length(self, x: Any) -> bool:
        """Whether `x` is a list that a loop over the group has made."""
        return type(x) in (GroupDict, GroupList, GroupRecords, GroupSet, list_calls.Distinct, dict_rows.DictRows, ValueCounts)

    def is_length(self, x: GroupScalar) -> bool:
        """Whether a scalar is the number of rows of the whole group, which is never 0."""
        ones = self.root.cast(self.root.const(True, BOOL), I64)
        return x.value.id == self.loop.read(self.builder.whole("sum", ones)).id

    # What the function does with scalars

    def range(self, *args: Any) -> Any:
        """Returns ``range(*args)`` of scalars."""
        return elements.range_of_group(args)

    def has_scalar(self, x: Any) -> bool:
        """Whether `x` is a number that the function has computed from reductions."""
        return type(x) is GroupScalar

    def has_array(self, x: Any) -> bool:
        """Whether `array_beside` makes an array of `x`: of such a number, and of np.arange."""
        return self.has_scalar(x) or (type(x) is elements.Places and x.of is np.ndarray)

    def decide(self, scalar: GroupScalar) -> bool:
        """Returns the truth of a scalar that most groups have; a guard flags the others.

        Refuses (SW312) a branch of a `while` loop, which goes round another number of times in each group.
        """
        if any(map(in_while, sequential.callers(sys._getframe()))):
            refuse("SW312", call="a while loop", what="one that branches on a value of the group")
        loop, value = self.loop, scalar.value
        if value.type != BOOL:
            value = loop.call("not_equal", value, loop.const(0, value.type))
        truth = not self._is_rare(value.id)
        leave_unseen()
        loop.guard(value if truth else loop.call("logical_not", value))
        return truth

    def _is_rare(self, value: int) -> bool:
        let = self.loop.body[value]
        name = let.op.fn if isinstance(let.op, Call) else ""
        if name == "logical_not":
            return not self._is_rare(let.args[0])
        if name in ("logical_or", "logical_and"):
            rare = [self._is_rare(arg) for arg in let.args]
            return all(rare) if name == "logical_or" else any(rare)
        return name in _RARE

    def guard(self, last: LoopBuilder) -> None:
        """Adds all guards to the loop of the result. They flag a group, whatever rows it keeps."""
        check_appended(self)
        last.gather_guards(self.root)
        for guard in self.loop.guards:
            value = self.of_rows(self.loop.value(guard), last)
            if value.id not in last.guards:
                last.guards.append(value.id)

    # Attributes and functions

    def series_attribute(self, series: TracedSeries, name: str) -> Any:
        """Returns a Series attribute that reads other rows. Refuses (SW312) one without a kernel."""
        if name in ("min", "max") and series.kind in ordered_rows.OBJECTS:
            return ordered_rows.extreme(self, series, name)
        for module in (reductions, orders, ordered_rows, neighbours, elements, correlations, value_counts):
            if name in module.SERIES:
                return module.SERIES[name](self, series)
        if name in ("size", "shape"):
            count = self.length(series, f"Series.{name}")
            return count if name == "size" else (count,)
        if name == "empty":
            return self.is_empty(series, "Series.empty")
        refuse("SW312", call=f"Series.{name}", what="not among the supported methods")

    def frame_attribute(self, frame: TracedFrame, name: str) -> Any:
        """Returns a DataFrame attribute that reads other rows, or None."""
        for table in (elements.FRAME, dict_rows.FRAME, ordered_rows.FRAME, neighbours.FRAME, inner_groups.FRAME):
            if name in table:
                return table[name](self, frame)
        return None

    def element_of_label(self, series: TracedSeries, label: Any, call: str) -> Any:
        """Returns the element of a label of the index."""
        return elements.element_of_label(self, series, label, call)

    def element(self, x: TracedSeries | TracedArray, at: int, call: str) -> Any:
        """Returns the element at a place of a Series or of a one-dimensional array."""
        series = TracedSeries(x.loop, x.value, x.dtype) if isinstance(x, TracedArray) else x
        return elements.element(self, series, at, call)

    def python_element(self, x: TracedSeries | TracedArray, at: int, call: str) -> Any:
        """Returns the element at a place of ``series.tolist()``, which is Python's, or of ``list(array)``, which is NumPy's."""
        found = self.element(x, at, call)
        if type(found) is GroupScalar and type(x) is not TracedArray:
            python = {"b": bool, "i": int, "f": float}.get(found.dtype.kind)
            return found.converted(python) if python is not None else refuse("SW312", call=call, what=str(found.dtype))
        return found

    def rows_at(self, x: TracedSeries | TracedArray, places: slice) -> TracedSeries | TracedArray:
        """Returns the elements at constant places from one on, up to another one."""
        series = TracedSeries(x.loop, x.value, x.dtype) if isinstance(x, TracedArray) else x
        found = elements.Iloc(self, series)[places]
        return found.to_array("array[...]") if isinstance(x, TracedArray) else found  # type: ignore[no-any-return]

    def first_rows(self, frame: TracedFrame, n: int) -> TracedFrame:
        """Returns the first n rows."""
        return elements.first_rows(self, frame, n)

    def is_empty(self, x: Any, call: str) -> Any:
        """Whether no rows are left: False for a whole group."""
        if x.loop.where is None:
            return False
        count = self.length(x, call)
        return self.decide(GroupScalar(self.loop, self.loop.call("equal", count.value, self.loop.const(0, I64))))

    def array_attribute(self, array: TracedArray, name: str) -> Any:
        """Returns a one-dimensional array's attribute that reads other rows, or None."""
        if name in ("size", "shape"):
            count = self.length(array, f"array.{name}")
            return count if name == "size" else (count,)
        return reductions.of_array(self, array, name)

    def numpy_function(self, function: Any, args: tuple[Any, ...]) -> Any:
        """Returns the reduction that a NumPy function applies to a column, or None."""
        name = getattr(function, "__name__", "")
        if name == "arange":
            return partial(elements.places, np.ndarray)
        modules = (orders, correlations, lines, reductions)
        return next((found for module in modules if (found := module.numpy_function(self, name, args)) is not None), None)

    def make_frame(self, data: Any, columns: Any, index: Any) -> TracedFrame | None:
        """Returns the DataFrame of one row or a few rows of scalars; None for other data."""
        made = made_lists.frame_of_lists(self, data, columns, index)
        beside_columns = isinstance(data, dict) and any(self.has_length(x) for x in data.values())
        return made if made is not None or beside_columns else summaries.summary(self, data, columns, index)

    def takes_lists(self, args: tuple[Any, ...]) -> bool:
        """Whether a builtin receives a list of the values of a group."""
        return list_calls.takes(args)

    def of_lists(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Returns the result of a builtin of lists."""
        return list_calls.call(self, name, args, kwargs)

    def run_loop(self, frame: FrameType, over: Callable[[Any], Any]) -> None:
        """Runs a loop over rows that carries state, which a frame begins (`sequential`)."""
        sequential.run_loop(self, frame, over)

    def comprehension_of(self, frame: FrameType) -> Any:
        """Returns the comprehension whose loop a frame begins, or None."""
        return rewriting.comprehension_of(frame)

    def comprehended(self, frame: FrameType, rows: Any, of: rewriting.Comprehension) -> Any:
        """Returns the result of a comprehension. Refuses (SW600) one over anything but rows."""
        over = listing_of(rows)
        return refuse("SW600") if over is None else sequential.run_comprehension(self, frame, over, of)

    @contextmanager
    def rewritten(self, function: Callable[..., Any], sites: set[rewriting.Comprehension]) -> Iterator[None]:
        """Rewrites the function's code inside the block (`rewriting`), and runs helpers in regions that need one."""
        with rewriting.rewritten(function, sites), interpreting(function, self._call_helper, sequential.needs_region):
            yield

    def _call_helper(self, helper: FunctionType, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        return helper(*args, **kwargs) if is_exploring() else sequential.run_helper(self, helper, args, kwargs)

    def filled(self, function: Any, count: GroupScalar, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TracedArray:
        """Returns the array of np.zeros, ones, full or empty."""
        return filled.filled(self, function, count, args, kwargs)

    def repeated(self, count: GroupScalar, items: list[Any]) -> Any:
        """Returns ``items * count``."""
        return filled.repeated(self, count, items)

    def set_element(self, array: TracedArray, key: int, value: Any) -> None:
        """Assigns an element of an array."""
        filled.set_element(self, array, key, value)

    def is_joined(self, items: Any) -> bool:
        """Whether `str.join` receives values of the group."""
        return list_calls.is_column(items) or list_calls.takes((items,)) or list_calls.has_strings(items)

    def together(self, columns: Sequence[Any], single: bool = False) -> Any:
        """Returns ``zip(*columns)``, some of which are lists that a loop has made; the numbers beside a `single` one."""
        return elements.rows_in_region(lambda to: to.together(columns, single))

    def is_made(self, x: Any) -> bool:
        """Whether `x` is a list that a loop over the group has made."""
        return type(x) in (GroupList, GroupRecords)

    def joined(self, text: str, items: Any) -> GroupElement:
        """Returns ``text.join(items)`` of the values of a group."""
        return list_calls.joined(self, text, items)

    def mark(self) -> tuple[Any, ...]:
        """Returns what `undo` requires to remove all that was traced since."""
        return self.loop.mark(), self.root.mark(), len(self.root.derived), len(self.builder.wholes)

    def undo(self, mark: tuple[Any, ...]) -> None:
        """Removes all that was traced since a mark, which was made before any rows were selected."""
        scalars, root, derived, wholes = mark
        self.loop.undo(scalars)
        self.root.undo(root)
        del self.root.derived[derived:]
        self.builder.forget_wholes(wholes)
        self._labels.clear()
        self._kept.clear()
        self.counted.clear()
        self.appended.clear()

    def one_row(self) -> LoopBuilder:
        """Returns a loop for one row for the group."""
        return self.first_of_root(1)

    def first_of_root(self, count: int) -> LoopBuilder:
        """Returns a loop for a few rows for the group. A group with fewer rows runs in Python."""
        root, scalars = self.root, self.loop
        if count > 1:
            scalars.guard(scalars.call("less_equal", scalars.const(count, I64), self.count_of(root, "pd.DataFrame")))
        inside = "equal" if count == 1 else "less"
        made = root.kept(root.call(inside, self.position(root), root.const(0 if count == 1 else count, I64)))
        made.numbered = True
        return made
