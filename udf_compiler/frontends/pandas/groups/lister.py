"""Represents values of a group in a region: scalars as scalars, columns and lists as lists of the region's row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import BuiltinMethodType, CellType, FunctionType
from typing import TYPE_CHECKING, Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import I64
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.apply.comprehensions import Values
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import DATETIMES
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.groups.appending import single
from udf_compiler.frontends.pandas.groups.dict_rows import DictRows
from udf_compiler.frontends.pandas.groups.listed import (
    ITERROWS,
    RECORDS,
    TUPLE,
    Form,
    ListedColumn,
    ListedFrame,
    ListedRows,
    ListedTuples,
    fields_of,
    listed_type,
)
from udf_compiler.frontends.pandas.groups.made_lists import (
    GroupDict,
    GroupList,
    GroupRecords,
    GroupSet,
    collected,
    list_of_values,
)
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.groups.single_values import GroupElement, GroupSpan
from udf_compiler.frontends.pandas.kind import BOOL_OBJECTS
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.dict_classes import DICTS
from udf_compiler.frontends.python.new_lists import list_of
from udf_compiler.frontends.python.regions.growing import Growing
from udf_compiler.frontends.python.regions.iteration import Counter, Elements, Together
from udf_compiler.frontends.python.regions.new_dicts import of_dict
from udf_compiler.frontends.python.regions.overwritten import Overwritten
from udf_compiler.frontends.python.regions.seen import Seen
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.session import attempt, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_CALL = "a loop over rows"

#: Kinds of Series whose columns become lists.
_KINDS = (NUMBERS, STRINGS, DATES, DATETIMES, BOOL_OBJECTS)

#: Frames with more columns become lists of those that the function names only.
_FEW = 4


class Lister:
    """Represents values of the group in a region: scalars as scalars, columns as lists. `loop`: the loop of the region's row."""

    def __init__(self, group: FrameGroup, function: FunctionType, overwritable: frozenset[int] = frozenset()) -> None:
        self.group, self.loop, self._overwritable = group, group.builder.loop("rows in order"), overwritable
        self._named = _names(function)
        self._made: dict[int, tuple[Any, Any]] = {}

    def first(self) -> TracedScalar:
        """Returns whether a row is the first of the group. Rows that a kernel pads are none."""
        loop, zero = self.loop, self.loop.const(0, I64)
        some = loop.call("greater", loop.repeat(self.group.count_of(self.group.root, _CALL)), zero)
        at_first = loop.call("equal", self.group.position(loop), zero)
        return TracedScalar("bool", loop.call("logical_and", at_first, some))

    def listed(self, x: Any, outer: dict[int, Any]) -> Any:
        """Returns a variable of the function as one of the region; refuses (SW600) objects that regions do not have."""
        kind = type(x)
        if kind in (GroupScalar, GroupSpan) or (kind is GroupElement and x.series.kind in (STRINGS, DATES, DATETIMES)):
            return single(self.group, x, self.loop)
        if kind in (GroupDict, GroupList, GroupRecords, GroupSet):
            return x.listed(self.loop)
        if kind is DictRows:
            return x.listed(self)
        if id(x) in self._overwritable:
            if id(x) not in self._made:
                self._made[id(x)] = x, self._overwritten(x)
            return self._made[id(x)][1]
        if kind is TracedSeries:
            return self.column(x)
        if kind is TracedArray and x.ndim == 1:
            column = self.column(TracedSeries(x.loop, x.value, x.dtype))
            return TracedScalar(column.values.kind, column.values.value, numpy=lists.NDARRAY)
        if kind is TracedFrame:
            return self.frame(x)
        if kind is Values:
            return list_of_values(self.group, x).listed(self.loop)
        if kind in (list, tuple, set, *DICTS) and id(x) not in outer:
            if id(x) not in self._made:
                self._made[id(x)] = x, self._container(x, outer)
            return self._made[id(x)][1]
        of_container = kind is BuiltinMethodType and type(x.__self__) in (list, set, *DICTS)  # it may change that object
        if issubclass(kind, Traced) or kind is set or of_container:
            refuse("SW600")
        return x

    def _overwritten(self, x: Any) -> Growing:
        """Returns an array or list to whose elements the loop may assign."""
        if type(x) is Values:
            base = list_of_values(self.group, x).listed(self.loop)
        else:
            values = self.column(TracedSeries(x.loop, x.value, x.dtype)).values
            base = TracedScalar(values.kind, values.value, numpy=lists.NDARRAY)
        first = list_of(self.loop, (base.kind, base.numpy), ())
        return Growing(Overwritten(first, base))

    def _container(self, x: Any, outer: dict[int, Any]) -> Any:
        if type(x) in (list, tuple):
            return type(x)(self.listed(part, outer) for part in x)
        if type(x) in DICTS:
            made = of_dict(x, {key: self.listed(value, outer) for key, value in x.items()})
            return made if made is not None else refuse("SW600")
        return Seen([]) if not x else refuse("SW600")

    def counter(self, start: Any, stop: Any, step: int) -> Counter:
        """Returns the numbers of a range."""
        return Counter(self.listed(start, {}), self.listed(stop, {}), step)

    def counted(self, numbered: Any) -> Together:
        """Returns the numbers from 0 on beside the elements of an iterator."""
        return Together((Counter(0, 2**62, 1), numbered))

    def count(self, loop: LoopBuilder) -> GroupScalar:
        """Returns the number of rows of a loop."""
        return GroupScalar(self.group.loop, self.group.count_of(loop, _CALL), weak=True)

    def tuples(self, columns: Sequence[Any], single: bool) -> Elements:
        """Returns the tuples of the elements of columns, or the elements of a single one."""
        return Elements(ListedTuples(tuple(self.listed(column, {}) for column in columns), single), 0)

    def together(self, columns: Sequence[Any], single: bool) -> Together:
        """Returns the tuples of the elements of columns and lists; the numbers from 0 on beside those of a `single` one."""
        parts = tuple(Elements(self.listed(column, {}), 0) for column in columns)
        return Together((Counter(0, 2**62, 1), *parts) if single else parts)

    def elements(self, items: Any) -> Elements:
        """Returns the elements of a list that another loop has made."""
        return Elements(self.listed(items, {}), 0)

    def labelled_rows(self, frame: TracedFrame) -> Elements:
        """Returns the labels and rows of `DataFrame.iterrows`."""
        return Elements(ListedRows(self.frame(frame), ITERROWS, ()), 0)

    def dict_rows(self, frame: TracedFrame) -> ListedRows:
        """Returns the dicts of ``DataFrame.to_dict("records")``."""
        return ListedRows(self.frame(frame), RECORDS, ())

    def named_tuples(self, frame: TracedFrame, index: Any, name: Any) -> Elements:
        """Returns the tuples of `DataFrame.itertuples`."""
        made = self.frame(frame, every=name is None)
        return Elements(ListedRows(made, TUPLE, fields_of(made.form, index, name)), 0)

    def column(self, series: TracedSeries) -> ListedColumn:
        """Returns a Series as lists. Groups with a missing time run in Python. Refuses (SW600) Series of other kinds."""
        if series.kind not in _KINDS or series.batch_dependent is not None:
            refuse("SW600")
        loop, value = series.loop, series.value
        if series.kind is DATETIMES and value.type.nullable:
            self.group.guard_none(loop, loop.call("logical_not", loop.is_valid(value)), _CALL)
            series = datetimes.new(loop, loop.value_of(value), DATETIMES)
            value = series.value
        values = self._collected(loop, loop.cast(loop.value_of(value), listed_type(value.type.plain())))
        valid = self._collected(loop, loop.is_valid(value)) if value.type.nullable else None
        return ListedColumn(Form({"": series.twin(shared=False)}, loop.numbered), values, valid)

    def _collected(self, loop: LoopBuilder, value: Value) -> TracedScalar:
        """Returns the list of a value of the kept rows."""
        made = collected(self.group, loop, value, self.loop)
        return TracedScalar(made.type.kind, made)

    def frame(self, frame: TracedFrame, every: bool = False) -> ListedFrame:
        """Returns a DataFrame as lists of the columns that the function names; of all if there are few, or if `every`."""
        every = every or len(frame.series) <= _FEW
        columns = []
        for name, series in frame.series.items():
            wanted = (every or name in self._named) and series.kind in _KINDS
            found = attempt(partial(self.column, series)) if wanted else None
            columns.append(found if type(found) is ListedColumn else None)
        known = {name: series.twin(shared=False) for name, series in frame.series.items()}
        size = self.count(frame.loop).of_row(self.loop)
        return ListedFrame(Form(known, frame.loop.numbered), tuple(columns), size)


def _names(function: FunctionType) -> frozenset[str]:
    """Returns the strings and names in a function, and in the functions that it defines, calls or captures."""
    found: set[str] = set()
    scope = function.__globals__
    waiting: list[Any] = [function.__code__, *(c.cell_contents for c in function.__closure__ or () if c != CellType())]
    seen: set[int] = set()
    while waiting:
        x = unwrapped(waiting.pop())
        if id(x) in seen or isinstance(x, StandIn):
            continue
        seen.add(id(x))
        if isinstance(x, str):
            found.add(x)
        elif isinstance(x, tuple | list | set | frozenset):
            waiting += x
        elif isinstance(x, dict):
            waiting += [*x, *x.values()]
        elif isinstance(x, FunctionType):
            waiting.append(x.__code__)
        elif hasattr(x, "co_consts"):
            found.update(x.co_names)
            waiting += [*x.co_consts, *(scope[name] for name in x.co_names if name in scope)]
    return frozenset(found)

