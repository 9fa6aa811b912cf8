"""Compiles loops over the rows of a whole group that carry state from row to row, by one region that runs the loop.

Where Python starts such a loop, the region takes its place. It interprets the loop's code to its end, on the variables that the
loop reads. The columns of the group are lists in it (`listed`). The region runs in the first row of the group only.
Its results become the variables of the user's frame, and Python goes on after the loop.
"""

from __future__ import annotations

import ctypes
import dis
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import CellType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any

from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops.regions import Region
from sparkweld.ir.types import I64
from sparkweld.reasons import has
from udf_compiler.frontends.pandas.apply.comprehensions import Values
from udf_compiler.frontends.pandas.apply.row_loops import LOOPS
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.groups.listed import (
    ITERROWS,
    TUPLE,
    Form,
    ListedColumn,
    ListedFrame,
    ListedRows,
    ListedTuples,
    fields_of,
    listed_type,
)
from udf_compiler.frontends.pandas.groups.results import (
    GroupDict,
    GroupList,
    GroupRecords,
    GroupSet,
    collected,
    list_of_values,
    results_of_group,
)
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.groups.single_values import GroupElement
from udf_compiler.frontends.pandas.kind import BOOL_OBJECTS
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.path_explorer import exploring
from udf_compiler.frontends.python.regions.build import GraphBuilder
from udf_compiler.frontends.python.regions.call import called, reduce_in_region
from udf_compiler.frontends.python.regions.code import WHERE, Loop, loop_at
from udf_compiler.frontends.python.regions.iteration import Counter, Elements, Together
from udf_compiler.frontends.python.regions.machine import Machine
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.seen import Seen
from udf_compiler.frontends.python.regions.state import Shape, State, reachable
from udf_compiler.frontends.python.regions.versions import is_known_version
from udf_compiler.frontends.python.state import Record
from udf_compiler.frontends.python.values import TracedScalar, is_scalar, of_value
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.frames import offset_of
from udf_compiler.frontends.tracing.session import attempt, current, leave_unseen, refuse, refuse_again
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced
from udf_compiler.process.context_variables import assigned

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_CALL = "a loop over rows"

#: Kinds of Series whose columns become lists.
_KINDS = (NUMBERS, STRINGS, DATES, BOOL_OBJECTS)

#: Frames with more columns become lists of those that the function names only.
_FEW = 4


def run_loop(group: FrameGroup, frame: FrameType, over: Callable[[Lister], Any]) -> None:
    """Runs the loop whose FOR_ITER a frame executes, and assigns its results to the frame's variables.

    `over`: returns what the loop iterates over. Refuses (SW600) a loop that returns or yields, and one that assigns to variables
    of other functions.
    """
    loop = _loop_of(frame)
    function = _function_of(frame)
    outer = _outer(frame, function)
    lister = Lister(group, function)
    inner = {name: x for name, x in frame.f_locals.items() if name not in frame.f_code.co_freevars}
    # a list that the loop changes may have other names, by which code after the loop reads it
    own = {name: x for name, x in inner.items() if name in loop.read or (name in loop.after and _may_change(x))}
    variables = {name: lister.listed(x, outer) for name, x in own.items()}
    changes = {name for name, x in own.items() if _may_change(x) and id(x) not in outer}
    names = tuple(sorted((loop.assigned | changes) & loop.after))
    begin, record = State([over(lister)], variables, loop.start), Record(*outer.values())
    made = _run(group, lister, Machine(function, False, called, reduce_in_region, outer=outer), loop, names, begin)
    record.check()
    leave_unseen()
    _assign(frame, dict(zip(names, made, strict=False)))


def computed(group: FrameGroup, function: Callable[..., Any], *args: Any) -> Any:
    """Returns the result of a function of lists and numbers of the group, which returns it in a tuple of its own."""
    assert isinstance(function, FunctionType)
    lister = Lister(group, function)
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    variables = {name: lister.listed(x, {}) for name, x in zip(names, args, strict=True)}
    machine = Machine(function, False, called, reduce_in_region, outer=reachable(function))
    (made,) = _run(group, lister, machine, None, (), State([], variables))
    return made


def _loop_of(frame: FrameType) -> Loop:
    at = offset_of(frame)
    starts = [i.offset for i in dis.get_instructions(frame.f_code) if i.opname == "FOR_ITER"]
    loop = loop_at(frame.f_code, starts.index(at)) if is_known_version() and at in starts else None
    # the loops of comprehensions that are functions of their own are not counted
    apart = any(getattr(x, "co_name", "") == "<listcomp>" for x in frame.f_code.co_consts)
    if loop is None or apart or loop.assigned & {*frame.f_code.co_freevars}:
        refuse("SW600")
    return loop


def _function_of(frame: FrameType) -> FunctionType:
    """Returns the function that a frame runs, with the present values of its enclosing functions' variables."""
    code, known = frame.f_code, frame.f_locals
    closure = tuple(CellType(known[name]) if name in known else CellType() for name in code.co_freevars)
    return FunctionType(code, frame.f_globals, closure=closure)


def _outer(frame: FrameType, function: FunctionType) -> dict[int, Any]:
    """Returns the objects that the loop may not change: those that other functions can reach."""
    found, caller = reachable(function, function.__code__.co_consts), frame.f_back
    while caller is not None:
        module = str(caller.f_globals.get("__name__") or "")
        if module.startswith("udf_compiler.eval_types"):  # which has called the UDF
            break
        if module.partition(".")[0] not in ("udf_compiler", "sparkweld"):
            found |= _reachable_values(caller)
        caller = caller.f_back
    return found


def _reachable_values(frame: FrameType) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for x in frame.f_locals.values():
        if isinstance(x, list | dict | set | tuple):
            found |= reachable(x)
    return found


def _may_change(x: Any) -> bool:
    return type(x) in (list, dict, set) or (type(x) is tuple and any(map(_may_change, x)))


def _run(
    group: FrameGroup, lister: Lister, machine: Machine, loop: Loop | None, names: tuple[str, ...], begin: State
) -> list[Any]:
    """Returns the results of a loop, or of a whole function, as values of the group."""
    outer, rows = machine.outer or {}, lister.loop
    begin.variables[WHERE] = lister.first()
    shape = Shape(outer)
    shape.of_state(begin)
    values = [x.value for x in shape.leaves if is_scalar(x)]

    def build(splits: bool, merges: bool) -> Any:
        code = None if loop is None else loop.ending_with(names)
        part = Machine(machine.function, False, machine.call, machine.reduce, outer=outer, part=code)
        return GraphBuilder(part, outer, {}, whole=True, splits=splits, merges=merges).build(begin.copied(outer))

    with _alone():
        made = attempt(lambda: build(False, False))
        if isinstance(made, Refusal) and has(made.code, "many_paths"):
            made = attempt(lambda: build(True, False))
        if isinstance(made, Refusal) and has(made.code, "many_blocks"):
            made = attempt(lambda: build(False, True))
    if isinstance(made, Refusal):
        refuse_again(made)
    graph, kinds = made
    found = rows.is_valid(rows.emit(Region(graph), *values))
    group.loop.guard(_of_first(group, found))
    parts = [rows.value_of(rows.emit(Region(graph, at), *values)) for at in range(len(graph.results))]
    return results_of_group(group, kinds, [_of_first(group, part) for part in parts])


def _of_first(group: FrameGroup, value: Value) -> Value:
    """Returns the value of the first row in the loop of scalars."""
    return group.reduced(_CALL, "at", value, value.loop.const(0, I64))


@contextmanager
def _alone() -> Iterator[None]:
    """Interprets functions of single values: no loop over rows and no group is seen."""
    session = current()
    group, session.group, session.of_columns = session.group, None, True
    try:
        with exploring(None), assigned(LOOPS, None):
            yield
    finally:
        session.group, session.of_columns = group, False


def _assign(frame: FrameType, values: dict[str, Any]) -> None:
    """Assigns to the variables of a frame that runs."""
    variables = frame.f_locals
    variables.update(values)
    if type(variables) is dict:  # before CPython 3.13, a copy of the variables
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))


class Lister:
    """Represents values of the group in a region: scalars as scalars, columns as lists. `loop`: the loop of the region's row."""

    def __init__(self, group: FrameGroup, function: FunctionType) -> None:
        self.group, self.loop = group, group.builder.loop("rows in order")
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
        if kind is GroupScalar:
            return x.of_row(self.loop)
        if kind is GroupElement and x.series.kind in (STRINGS, DATES):
            x.guard_present(self.group)
            return of_value(self.loop.repeat(self.group.loop.value_of(x.value)))
        if kind in (GroupDict, GroupList, GroupRecords, GroupSet):
            return x.listed(self.loop)
        if kind is TracedSeries:
            return self.column(x)
        if kind is TracedArray and x.ndim == 1:
            column = self.column(TracedSeries(x.loop, x.value, x.dtype))
            return TracedScalar(column.values.kind, column.values.value, numpy=lists.NDARRAY)
        if kind is TracedFrame:
            return self.frame(x)
        if kind is Values:
            return list_of_values(self.group, x).listed(self.loop)
        if kind in (list, tuple, dict, set) and id(x) not in outer:
            if id(x) not in self._made:
                self._made[id(x)] = x, self._container(x, outer)
            return self._made[id(x)][1]
        if issubclass(kind, Traced) or kind is set:
            refuse("SW600")
        return x

    def _container(self, x: Any, outer: dict[int, Any]) -> Any:
        if type(x) in (list, tuple):
            return type(x)(self.listed(part, outer) for part in x)
        if type(x) is dict:
            return Mapping({key: self.listed(value, outer) for key, value in x.items()})
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

    def elements(self, items: Any) -> Elements:
        """Returns the elements of a list that another loop has made."""
        return Elements(items.listed(self.loop), 0)

    def labelled_rows(self, frame: TracedFrame) -> Elements:
        """Returns the labels and rows of `DataFrame.iterrows`."""
        return Elements(ListedRows(self.frame(frame), ITERROWS, ()), 0)

    def named_tuples(self, frame: TracedFrame, index: Any, name: Any) -> Elements:
        """Returns the tuples of `DataFrame.itertuples`."""
        made = self.frame(frame, every=name is None)
        return Elements(ListedRows(made, TUPLE, fields_of(made.form, index, name)), 0)

    def column(self, series: TracedSeries) -> ListedColumn:
        """Returns a Series as lists. Refuses (SW600) Series of times and other kinds."""
        if series.kind not in _KINDS or series.batch_dependent is not None or series.has_nat:
            refuse("SW600")
        loop, value = series.loop, series.value
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

