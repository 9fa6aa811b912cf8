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
from types import CellType, CodeType, FrameType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any

from sparkweld.errors import Refusal
from sparkweld.ir import Value
from sparkweld.ir.ops.regions import Region
from sparkweld.ir.types import I64
from sparkweld.reasons import has
from udf_compiler.frontends.pandas.apply.comprehensions import Values
from udf_compiler.frontends.pandas.apply.row_iterator import listing_of
from udf_compiler.frontends.pandas.apply.row_loops import LOOPS
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.groups.lister import Lister
from udf_compiler.frontends.pandas.groups.made_lists import (
    GroupList,
    GroupRecords,
    elements_in,
)
from udf_compiler.frontends.pandas.groups.results import (
    results_of_group,
)
from udf_compiler.frontends.pandas.groups.rewriting import Comprehension
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.dict_classes import DICTS
from udf_compiler.frontends.python.nested_lists import Lists
from udf_compiler.frontends.python.path_explorer import exploring
from udf_compiler.frontends.python.regions.build import GraphBuilder
from udf_compiler.frontends.python.regions.call import bound_variables, called, reduce_in_region
from udf_compiler.frontends.python.regions.code import TOTAL, WHERE, Instruction, Loop, code_of, loop_at
from udf_compiler.frontends.python.regions.machine import Machine, is_of_user
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.results import Kind, Parts
from udf_compiler.frontends.python.regions.seen import Seen
from udf_compiler.frontends.python.regions.shapes import Shape
from udf_compiler.frontends.python.regions.state import State, reachable, within
from udf_compiler.frontends.python.regions.versions import is_known_version
from udf_compiler.frontends.python.state import Record
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.frames import instruction, offset_of
from udf_compiler.frontends.tracing.session import attempt, current, leave_unseen, refuse, refuse_again
from udf_compiler.frontends.tracing.values import Traced
from udf_compiler.process.context_variables import assigned

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_CALL = "a loop over rows"


def run_loop(group: FrameGroup, frame: FrameType, over: Callable[[Lister], Any]) -> None:
    """Runs the loop whose FOR_ITER a frame executes, and assigns its results to the frame's variables.

    `over`: returns what the loop iterates over. Refuses (SW600) a loop that returns or yields, and one that assigns to variables
    of other functions.
    """
    loop = _loop_of(frame)
    made = attempt(lambda: _changed(group, frame, loop, over, False))
    if isinstance(made, Refusal):
        if not loop.code.changes_lists or not _overwritable(frame):
            refuse_again(made)
        again = attempt(lambda: _changed(group, frame, loop, over, True))
        made = refuse_again(made) if isinstance(again, Refusal) else again
    _assign(frame, made)


def _changed(group: FrameGroup, frame: FrameType, loop: Loop, over: Callable[[Lister], Any], overwrites: bool) -> dict[str, Any]:
    """Returns the variables that a loop assigns or changes. `overwrites`: arrays and lists of columns may be among these."""
    function = _function_of(frame)
    outer = _outer(frame, function)
    overwritable = _overwritable(frame) if overwrites else frozenset()
    lister = Lister(group, function, overwritable)
    inner = {name: x for name, x in frame.f_locals.items() if name not in frame.f_code.co_freevars}
    # a list that the loop changes may have other names, by which code after the loop reads it
    own = {name: x for name, x in inner.items() if name in loop.read or (name in loop.after and _may_change(x))}
    variables = {name: lister.listed(x, outer) for name, x in (own | _captured(frame)).items()}
    changes = {name for name, x in own.items() if _may_change(x) and id(x) not in outer}
    overwritten = {name: x for name, x in own.items() if id(x) in overwritable}
    changes |= {*overwritten}
    names = tuple(sorted((loop.assigned | changes) & loop.after))
    begin, record = State([over(lister)], variables, loop.start), Record(*outer.values())
    code = loop.ending_with(names)
    made = _run(group, lister, Machine(function, False, called, reduce_in_region, outer=outer, part=code), begin)
    record.check()
    leave_unseen()
    results = dict(zip(names, made, strict=False))
    _own(inner, loop, results)
    for name, x in overwritten.items():
        if name in results and name not in loop.assigned and type(x) is not Values:
            results[name] = TracedArray(x.loop, (elements_in(group, x.loop, results[name].value),))
    if any(type(part) is GroupList and part.numpy == lists.NDARRAY for x in results.values() for part in _parts(x)):
        refuse("SW600")
    return results


def _overwritable(frame: FrameType) -> frozenset[int]:
    """Returns the ids of the arrays and lists of columns to whose elements a loop may assign: those with one name only."""
    found = [x for x in frame.f_locals.values() if (type(x) is TracedArray and x.ndim == 1 and not x.shared) or type(x) is Values]
    held = [id(part) for at in (frame, *callers(frame)) for x in at.f_locals.values() for part in _parts(x)]
    return frozenset(id(x) for x in found if held.count(id(x)) == 1)


def _own(before: dict[str, Any], loop: Loop, results: dict[str, Any]) -> None:
    """Marks the lists to which later code may append: those with one name only."""
    lists = {name for name, x in results.items() if type(x) in (GroupList, GroupRecords)}
    if lists & loop.assigned:
        return
    held = [id(part) for x in before.values() for part in _parts(x)]
    for name in lists:
        results[name].owned = type(before.get(name)) is list and held.count(id(before[name])) == 1


def _parts(x: Any) -> Iterator[Any]:
    """Yields an object and what it holds."""
    yield x
    if type(x) in (list, tuple, *DICTS):
        for part in x.values() if isinstance(x, dict) else x:
            yield from _parts(part)


def run_comprehension(group: FrameGroup, frame: FrameType, over: Callable[[Lister], Any], of: Comprehension) -> Any:
    """Returns the list, dict or set of a comprehension over rows, which may not change other objects."""
    starts = [i.offset for i in dis.get_instructions(of.code) if i.opname == "FOR_ITER"]
    loop = loop_at(of.code, starts.index(of.start)) if is_known_version() else None
    if loop is None or loop.assigned - of.own:
        refuse("SW600")
    function = _function_of(frame)
    outer, lister = _outer(frame, function), Lister(group, function)
    own = {name: x for name, x in frame.f_locals.items() if name in loop.read and name not in of.code.co_freevars}
    cells = [cell.cell_contents for cell in _cells(frame) if cell != CellType()]
    body = loop.code.instructions[loop.start : loop.code.instructions[loop.start].value]
    _check_unchanged(function, [*own.values(), *cells], [*body, *_nested(of.code)])
    variables = {name: lister.listed(x, outer) for name, x in (own | _captured(frame)).items()}
    container = {"BUILD_LIST": [], "BUILD_MAP": Mapping({}), "BUILD_SET": Seen([])}[instruction(of.code, of.begin)]
    outer = {**outer, **_without_values(variables)}
    machine = Machine(function, False, called, reduce_in_region, outer=outer, part=loop.making())
    return _run(group, lister, machine, State([container, over(lister)], variables, loop.start))[0]


def needs_region(helper: FunctionType) -> bool:
    """Whether a helper has a loop that runs in no region of its own: a `while` loop, or one that returns."""
    if not is_known_version():
        return False
    code = code_of(helper.__code__)
    starts = [n for n, i in enumerate(code.instructions) if i.name == "FOR_ITER"]
    return any(head not in starts for head in code.heads) or any(loop_at(helper.__code__, n) is None for n in range(len(starts)))


def run_helper(group: FrameGroup, helper: FunctionType, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Returns the result of a helper that `needs_region`; calls it where it receives no values of the group."""
    if not any(issubclass(type(part), Traced) for x in (*args, *kwargs.values()) for part in _parts(x)):
        return helper(*args, **kwargs)
    code = current().originals.get(helper.__code__, helper.__code__)
    function = FunctionType(code, helper.__globals__, helper.__name__, helper.__defaults__, helper.__closure__)
    function.__kwdefaults__ = helper.__kwdefaults__
    lister, outer = Lister(group, function), reachable(function, code.co_consts)
    _check_unchanged(function, [*args, *kwargs.values()], _instructions(code))
    variables = {name: lister.listed(x, outer) for name, x in bound_variables(function, args, kwargs).items()}
    outer |= _without_values(variables)
    machine = Machine(function, False, called, reduce_in_region, outer=outer)
    (made,) = _run(group, lister, machine, State([], variables), single=True)
    if any(type(part) is GroupList and part.numpy == lists.NDARRAY for part in _parts(made)):
        refuse("SW600")
    return made


def run_generator(group: FrameGroup, generator: GeneratorType) -> Any:
    """Returns the list of the elements of a generator expression over rows, which nothing has advanced."""
    frame, code = generator.gi_frame, generator.gi_code
    over = listing_of(frame.f_locals.get(".0")) if frame is not None else None
    writes = any(i.opname.startswith(("STORE_DEREF", "STORE_GLOBAL")) for i in dis.get_instructions(code))
    if frame is None or over is None or writes or code.co_name != "<genexpr>" or not is_known_version():
        refuse("SW600")
    function = _function_of(frame)
    lister, outer = Lister(group, function), _outer(frame, function)
    _check_unchanged(function, [cell.cell_contents for cell in _cells(frame) if cell != CellType()], _instructions(code))
    variables = {name: lister.listed(x, outer) for name, x in _captured(frame).items()}
    outer |= _without_values(variables)
    machine = Machine(function, False, called, reduce_in_region, "list", outer=outer)
    generator.close()
    return _run(group, lister, machine, State([], {".0": over(lister), TOTAL: [], **variables}))[0]


#: Methods that change lists, dicts and sets.
_CHANGING = frozenset(
    """append extend insert pop remove sort reverse clear add update discard setdefault popitem difference_update
    intersection_update symmetric_difference_update""".split()
)


def _check_unchanged(function: FunctionType, values: Sequence[Any], instructions: Sequence[Instruction]) -> None:
    """Refuses (SW600) code that may change a list, dict or set which later code may read: a region has copies of these.

    So may all functions of user code that it reaches.
    """
    if not any(type(part) in (list, set, *DICTS) for x in values for part in _parts(x)):
        return
    known = (x for x in reachable(function, *values).values() if is_of_user(x))
    helpers = [x.__code__ for x in known if x.__code__ is not function.__code__]
    for i in (*instructions, *(i for code in helpers for i in _instructions(code))):
        by_method = i.name == "LOAD_ATTR" and i.value in _CHANGING
        by_operator = i.name == "BINARY_OP" and i.text.endswith("=")
        if by_method or by_operator or i.name in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_ATTR"):
            refuse("SW600")


def _instructions(code: CodeType) -> list[Instruction]:
    """Returns the instructions of a code object and of those in it."""
    return [*code_of(code).instructions, *_nested(code)]


def _nested(code: CodeType) -> list[Instruction]:
    return [i for x in code.co_consts if isinstance(x, CodeType) for i in _instructions(x)]


def computed(group: FrameGroup, function: Callable[..., Any], *args: Any) -> Any:
    """Returns the result of a function of lists and numbers of the group, which returns it in a tuple of its own."""
    (made,) = computed_all(group, function, *args)
    return made


def computed_all(group: FrameGroup, function: Callable[..., Any], *args: Any) -> list[Any]:
    """Returns the results of a function of lists and numbers of the group, which returns a tuple."""
    assert isinstance(function, FunctionType)
    lister = Lister(group, function)
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    variables = {name: lister.listed(x, {}) for name, x in zip(names, args, strict=True)}
    machine = Machine(function, False, called, reduce_in_region, outer=reachable(function))
    return _run(group, lister, machine, State([], variables))


def _loop_of(frame: FrameType) -> Loop:
    at, code = offset_of(frame), _code_of(frame)
    starts = [i.offset for i in dis.get_instructions(code) if i.opname == "FOR_ITER"]
    loop = loop_at(code, starts.index(at)) if is_known_version() and at in starts else None
    # the loops of comprehensions that are functions of their own are not counted
    apart = any(getattr(x, "co_name", "") == "<listcomp>" for x in code.co_consts)
    if loop is None or apart or loop.assigned & {*code.co_freevars}:
        refuse("SW600")
    return loop


def _function_of(frame: FrameType) -> FunctionType:
    """Returns the function that a frame runs, with the present values of its enclosing functions' variables.

    Values of the group are left out: they are variables of the region (`_captured`).
    """
    code = _code_of(frame)
    closure = tuple(CellType() if _is_of_group(c) else c for c in _cells(frame))
    return FunctionType(code, frame.f_globals, closure=closure)


def _captured(frame: FrameType) -> dict[str, Any]:
    """Returns the variables of enclosing functions that are values of the group; refuses (SW600) containers of such values."""
    cells = list(zip(frame.f_code.co_freevars, _cells(frame), strict=True))
    for cell in (cell for _, cell in cells if cell != CellType() and not _is_of_group(cell)):
        if any(issubclass(type(x), Traced) for x in _parts(cell.cell_contents)):
            refuse("SW600")
    return {name: cell.cell_contents for name, cell in cells if _is_of_group(cell)}


def _is_of_group(cell: CellType) -> bool:
    return cell != CellType() and issubclass(type(cell.cell_contents), Traced)


def _code_of(frame: FrameType) -> CodeType:
    """Returns the user's code that a frame runs."""
    return current().originals.get(frame.f_code, frame.f_code)


def _cells(frame: FrameType) -> tuple[CellType, ...]:
    known = frame.f_locals
    return tuple(CellType(known[name]) if name in known else CellType() for name in frame.f_code.co_freevars)


def _outer(frame: FrameType, function: FunctionType) -> dict[int, Any]:
    """Returns the objects that the loop may not change: those that other functions can reach."""
    found = reachable(function, function.__code__.co_consts)
    for caller in callers(frame):
        found |= _reachable_values(caller)
    return found


def callers(frame: FrameType) -> Iterator[FrameType]:
    """Yields the frames of user code that have called a frame."""
    caller = frame.f_back
    while caller is not None:
        module = str(caller.f_globals.get("__name__") or "")
        if module.startswith("udf_compiler.eval_types"):  # which has called the UDF
            return
        if module.partition(".")[0] not in ("udf_compiler", "sparkweld"):
            yield caller
        caller = caller.f_back


def _reachable_values(frame: FrameType) -> dict[int, Any]:
    """Returns the containers of a frame but tuples of values of the group, which no code changes."""
    found: dict[int, Any] = {}
    for x in frame.f_locals.values():
        if isinstance(x, list | dict | set | tuple):
            found |= reachable(x)
    return {at: x for at, x in found.items() if type(x) is not tuple or not _has_values(x)}


def _has_values(x: Any) -> bool:
    return any(issubclass(type(part), Traced) for part in within(x))


def _without_values(variables: dict[str, Any]) -> dict[int, Any]:
    """Returns the objects of variables but those that hold values of the group, which become arguments of the region."""
    found = reachable(*variables.values())
    return {at: x for at, x in found.items() if not _has_values(x)}


def _may_change(x: Any) -> bool:
    return type(x) in (list, set, *DICTS) or (type(x) is tuple and any(map(_may_change, x)))


def _run(group: FrameGroup, lister: Lister, machine: Machine, begin: State, single: bool = False) -> list[Any]:
    """Returns the results of a loop, or of a whole function, as values of the group. `single`: a tuple is one result."""
    outer, rows = machine.outer or {}, lister.loop
    begin.variables[WHERE] = lister.first()
    shape = Shape(outer)
    shape.of_state(begin)
    values = [x.value for x in shape.leaves if is_scalar(x)]

    def build(splits: bool, merges: bool) -> Any:
        graph, kinds = GraphBuilder(machine, outer, {}, whole=True, splits=splits, merges=merges).build(begin.copied(outer))
        return refuse("SW600") if any(map(_has_lists, kinds)) else (graph, kinds)

    with _alone():
        made = attempt(lambda: build(False, False))
        if isinstance(made, Refusal) and has(made.code, "many_paths"):
            made = attempt(lambda: build(True, False))
        if isinstance(made, Refusal) and has(made.code, "many_blocks"):
            made = attempt(lambda: build(False, True))
        if isinstance(made, Refusal):
            current().list_rows = True
            again = attempt(lambda: build(False, False))
            made = again if not isinstance(again, Refusal) or has(made.code, "loop_over_rows") else made
    if isinstance(made, Refusal):
        refuse_again(made)
    graph, kinds = made
    found = rows.is_valid(rows.emit(Region(graph), *values))
    group.loop.guard(_of_first(group, found))
    parts = [rows.value_of(rows.emit(Region(graph, at), *values)) for at in range(len(graph.results))]
    kinds = tuple(kind if isinstance(kind, Parts) and not single else Parts((kind,)) for kind in kinds)
    return results_of_group(group, kinds, [_of_first(group, part) for part in parts])


def _has_lists(kind: Kind) -> bool:
    """Whether a result is a list of lists, or has one."""
    return isinstance(kind, Lists) or (isinstance(kind, Parts) and any(map(_has_lists, kind.kinds)))


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
        session.group, session.of_columns, session.list_rows = group, False, False


def _assign(frame: FrameType, values: dict[str, Any]) -> None:
    """Assigns to the variables of a frame that runs."""
    variables = frame.f_locals
    variables.update(values)
    if type(variables) is dict:  # before CPython 3.13, a copy of the variables
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
