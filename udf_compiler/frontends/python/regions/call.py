"""Emits a call of a scalar function as a `Region` in the loop of its row; forks by the kind of the region's result."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import BuiltinMethodType, CellType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from sparkweld.errors import Refusal, SparkWeldError
from sparkweld.ir.ops.regions import Graph, Region
from sparkweld.ir.printing import print_graph
from sparkweld.ir.types import I32, I64
from sparkweld.reasons import has
from udf_compiler.frontends.python.frame_row import TracedRow
from udf_compiler.frontends.python.instances import attributes, is_instance, lend
from udf_compiler.frontends.python.json_values import optional
from udf_compiler.frontends.python.lists import as_list, of_list
from udf_compiler.frontends.python.maps import TracedMap
from udf_compiler.frontends.python.nested_lists import Lists, TracedLists
from udf_compiler.frontends.python.new_lists import index_of
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.records import Records, TracedRecords
from udf_compiler.frontends.python.regions.build import GraphBuilder
from udf_compiler.frontends.python.regions.closures import opened
from udf_compiler.frontends.python.regions.code import GENERATED, TOTAL, YIELDS, code_of
from udf_compiler.frontends.python.regions.distinct import Distinct
from udf_compiler.frontends.python.regions.equivalents import CONSUMERS
from udf_compiler.frontends.python.regions.growing import Growing
from udf_compiler.frontends.python.regions.instructions import advance
from udf_compiler.frontends.python.regions.iteration import Walk
from udf_compiler.frontends.python.regions.lending import lent
from udf_compiler.frontends.python.regions.machine import Machine, is_generator, is_of_user
from udf_compiler.frontends.python.regions.mappings import Mapping, read
from udf_compiler.frontends.python.regions.results import ALONE, PREFIXES, RESULTS, Kind, Maps, types_of
from udf_compiler.frontends.python.regions.row_reads import columns_read
from udf_compiler.frontends.python.regions.shapes import Shape
from udf_compiler.frontends.python.regions.state import UNSET, State, check_kept, is_made, reachable, row_of, within
from udf_compiler.frontends.python.regions.stored import Line
from udf_compiler.frontends.python.regions.versions import KNOWN, is_known_version
from udf_compiler.frontends.python.row_lists import TracedElement
from udf_compiler.frontends.python.rows import TracedStruct
from udf_compiler.frontends.python.undecided import Undecided, decided
from udf_compiler.frontends.python.values import TIME_KINDS, TYPES, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python, check_exception
from udf_compiler.frontends.tracing.session import attempt, check_size, refuse, refuse_again, refuse_work
from udf_compiler.frontends.tracing.stand_ins import of_python
from udf_compiler.frontends.tracing.values import Traced

_Made = tuple[Graph, tuple[Kind, ...]]

#: The most characters of a printed region. It contains the regions of its callees, once for each call.
_MOST_TEXT = 1 << 20


def call_region(function: Any, args: Sequence[Any], kwargs: dict[str, Any], whole: bool = False) -> Any:
    """Calls ``function(*args, **kwargs)`` for one row; anything but a Python function of user code is called directly.

    `whole`: it is the UDF itself, see `GraphBuilder`.
    """
    owners = (function.__self__,) if type(function) is MethodType and not is_made(function.__self__) else ()
    function, closed = opened(function)
    function, args = without_method(function, args)
    searched = function.__self__ if type(function) is BuiltinMethodType and function.__name__ == "index" else None
    if isinstance(searched, list | tuple) and len(args) == 1 and not kwargs:
        return index_of(searched, args[0])
    if not is_of_user(function):
        return as_python(function, *map(decided, args), **{name: decided(x) for name, x in kwargs.items()})
    yields = "" if not is_generator(function) else YIELDS if whole else GENERATED
    regions = explorer().regions
    if regions is not None:  # default values outlive the call
        defaults = reachable(*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        regions.setdefault("defined", {}).update(defaults)
    variables = {name: lent(as_list(x)) for name, x in bound_variables(function, args, kwargs, bool(yields)).items()}
    if any(_may_change(x) for x in variables.values() if not any(x is owner for owner in owners)):
        refuse("SW282", what="a list that is passed to another function")
    variables |= closed | ({TOTAL: []} if yields else {})
    if yields == GENERATED and not _ends(function):
        refuse("SW280", what="a generator with a while loop")
    found = _called_with(function, function, variables, yields, whole, owners)
    if found is not None:
        return found[0]
    if closed or any(type(x) is Mapping for x in variables.values()):
        return walked(Machine(function, True, called, reduce_in_region), variables)
    made = function(*args, **kwargs)
    return rows_of(made) if yields == YIELDS else list(made) if yields else made


def reduce_in_region(reduction: str, code: CodeType, scope: dict[str, Any], variables: dict[str, Any]) -> Any:
    """Returns the result of sum, any, all or next over a generator expression with these variables, or its elements as a list.

    The variable TOTAL is the default of next.
    """
    body, begin = body_of(reduction, code, scope)
    over = variables[".0"]
    if type(over) is Walk and not over.items:
        return begin
    found = _called_with(body, code, {TOTAL: begin, **variables}, reduction, whole=reduction in ("next", "first"))
    if found is None:  # the path has only constants
        return walked(Machine(body, True, called, reduce_in_region, reduction), {TOTAL: begin, **variables})
    return found[0]


def walked(machine: Machine, variables: dict[str, Any]) -> Any:
    """Returns the result of a function that is interpreted on the current path, with these variables."""
    code, state = code_of(machine.function.__code__), State([], variables)
    while state.result is UNSET:
        advance(machine, code, state)
        check_size(explorer().loop)
    return read(state.result)


def body_of(reduction: str, code: CodeType, scope: dict[str, Any]) -> tuple[FunctionType, Any]:
    """Returns a generator expression as a function, and the start value of its reduction."""
    body = FunctionType(code, scope, closure=tuple(CellType() for _ in code.co_freevars))
    return body, {"sum": 0, "list": []}.get(reduction, reduction == "all")


def _ends(function: FunctionType) -> bool:
    """Whether a generator ends, as all its loops go over iterators of the row. Regions compute all elements of a helper."""
    instructions, heads = code_of(function.__code__).instructions, code_of(function.__code__).heads
    return all(instructions[at].name in ("FOR_ITER", "SEND", "END_SEND") for at in heads)


def _may_change(x: Any) -> bool:
    """Whether the callee could mutate the argument visibly to the caller."""
    if issubclass(type(x), Traced | Distinct) or id(x) in (explorer().regions or {}).get("defined", {}):
        return False  # a mutation of a list or dict of the row, or of a captured one, is refused anyway
    parts = x if type(x) is tuple else attributes(x)[1] if is_instance(x) else ()
    return isinstance(x, list | dict | set) or any(map(_may_change, parts))


def _called_with(
    function: FunctionType, identity: Any, variables: dict[str, Any], reduction: str = "", whole: bool = False,
    owners: tuple[Any, ...] = (),
) -> tuple[Any] | None:  # fmt: skip
    """Returns the result in a tuple; None where no value of the row is an argument. `owners`: the object of a method."""
    outer = {**reachable(function, function.__code__.co_consts, *owners), **(explorer().regions or {}).get("defined", {})}
    variables = _with_lent_objects(variables, outer)
    shape = Shape(outer)
    shaped = shape.of_state(State([], variables))
    key = (id(identity), reduction, whole, shaped, tuple(repr(x) for x in shape.leaves if not is_scalar(x)))
    values = [x.value for x in shape.leaves if is_scalar(x)]
    if not values:
        return None
    graph, kinds = _region(function, variables, outer, key, reduction, whole)
    return (_result(graph, kinds, values),)


def _with_lent_objects(variables: dict[str, Any], outer: dict[int, Any]) -> dict[str, Any]:
    """Returns variables of a called function with copies of the caller's objects, which it may neither change nor keep."""
    own = [x for x in variables.values() if id(x) not in outer]  # captured tables may be large
    if not any(is_instance(part) for x in own for part in within(x)):
        return variables
    copied = State([], variables).copied(outer).variables
    for part in (part for x in copied.values() for part in within(x)):
        if is_instance(part) and id(part) not in outer:
            lend(part)
    return copied


def without_method(function: Any, args: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Returns a method as its function with the object as first argument; anything else unchanged."""
    if isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
        return function.__func__, (function.__self__, *args)
    return function, args


def rows_of(made: Any) -> list[Any]:
    """Returns the elements of a generator as they are when they are yielded: Spark converts each at once."""
    return [tuple(x) if type(x) is list else dict(x) if type(x) is dict else x for x in made]


def bound_variables(
    function: FunctionType, args: Sequence[Any], kwargs: dict[str, Any], yields: bool = False
) -> dict[str, Any]:
    """Returns the variables that an interpreted call begins with; refuses unknown Pythons (SW288).

    Refuses generators (SW280), except one whose elements become a list (`yields`).
    """
    if not is_known_version():
        own, *known = (".".join(map(str, version)) for version in (sys.version_info[:2], min(KNOWN), max(KNOWN)))
        refuse("SW288", version=own, first=known[0], last=known[1])
    if is_generator(function) and not yields:
        refuse("SW280", what="a generator")
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise of_python(error) from None
    bound.apply_defaults()
    for x in bound.arguments.values() if function not in CONSUMERS else ():
        check_kept(x)
    return {name: _variable(x, function, name) for name, x in bound.arguments.items()}


def _variable(x: Any, function: FunctionType, parameter: str = "") -> Any:
    """Returns an argument as a variable.

    The values of ``**kwargs`` are decided. A frame's row is reduced to the columns that the function reads, if it reads them by
    their names alone. The fields of a struct are decided where the function reads them.
    """
    if type(x) is TracedStruct:
        return TracedElement(x.names, [_variable(source(), function) for source in x.sources])
    if type(x) is dict and any(type(value) is Undecided for value in x.values()):
        return {name: decided(value) for name, value in x.items()}
    if type(x) is not TracedRow:
        return x
    named = columns_read(function.__code__, parameter, x.sources)
    return row_of({name: source() for name, source in x.sources.items() if named is None or name in named})


def _region(
    function: FunctionType, variables: dict[str, Any], outer: dict[int, Any], key: Any, reduction: str, whole: bool
) -> _Made:
    regions = explorer().regions
    assert regions is not None
    made = regions.get(key)
    if made is None:
        running = regions.setdefault("running", [])
        if function in running:
            refuse("SW285", function=function.__name__)
        running.append(function)
        regions.setdefault("held", []).append((function, outer))  # keeps ids in keys unique while they are in use
        try:
            made = regions[key] = attempt(lambda: _or_error(lambda: _made(function, variables, outer, regions, reduction, whole)))
        finally:
            running.pop()
    if isinstance(made, Exception) and not isinstance(made, Refusal):
        if explorer().handled:
            refuse("SW284")  # a handler depends on which exception is raised, and on which rows
        raise of_python(made)
    return refuse_again(made) if isinstance(made, Refusal) else made


def _or_error(make: Callable[[], _Made]) -> _Made | Exception:
    """Returns the result of `make`, or the exception of a function that raises on all its paths."""
    try:
        return make()
    except (SparkWeldError, RecursionError):
        raise
    except Exception as error:  # noqa: BLE001 - user code may raise anything
        check_exception(error)
        return error.with_traceback(None)


def _made(
    function: FunctionType, variables: dict[str, Any], outer: dict[int, Any], regions: dict[Any, Any], reduction: str, whole: bool
) -> _Made:
    """Returns the region with its loops; unrolls loops over constants where a block depends on their elements."""

    def build(unroll: bool, changes: bool = False, splits: bool = False, merges: bool = False, stores: bool = False) -> _Made:
        machine = Machine(function, unroll, called, reduce_in_region, reduction, changes, outer, stores=stores)
        graph, kinds = GraphBuilder(machine, outer, regions, whole, splits, merges).build(State([], variables))
        text = print_graph(graph)
        if len(text) > _MOST_TEXT:
            refuse_work(f"a program of {len(text):,} characters", f"{_MOST_TEXT:,}")
        return graph, kinds

    rolled = attempt(lambda: build(False))
    if isinstance(rolled, Refusal) and has(rolled.code, "many_paths"):
        split = attempt(lambda: build(False, splits=True))
        rolled = rolled if isinstance(split, Refusal) else split
    if isinstance(rolled, Refusal) and has(rolled.code, "many_blocks") and code_of(function.__code__).collects:
        merged = attempt(lambda: build(False, merges=True))
        return refuse_again(rolled) if isinstance(merged, Refusal) else merged  # unrolled loops have more blocks
    if not isinstance(rolled, Refusal):
        return rolled
    if has(rolled.code, "too_much_work"):
        refuse_again(rolled)
    unrolled = attempt(lambda: build(True))
    code = code_of(function.__code__)
    for stores in (True, False) if code.changes_lists else (False,) if code.appends else ():
        if isinstance(unrolled, Refusal):
            unrolled = attempt(partial(build, False, changes=True, stores=stores))
    return refuse_again(rolled) if isinstance(unrolled, Refusal) else unrolled


def called(function: Any, args: Sequence[Any], kwargs: dict[str, Any], whole: bool = False) -> Any:
    """Calls a function within a region: user functions become nested regions, or are traced inline if unsupported."""
    if not is_of_user(without_method(function, ())[0]):
        return call_region(function, args, kwargs)
    found = attempt(lambda: call_region(function, args, kwargs, whole))
    if not isinstance(found, Refusal):
        return found
    given = (*args, *kwargs.values())
    changing = any(type(x) in (Growing, Line, Mapping) for x in given)
    if has(found.code, "recursion") or has(found.code, "too_much_work") or changing:
        refuse_again(found)
    if is_generator(function):
        refuse_again(found)
    own, closed = opened(function)
    if closed:
        return walked(Machine(own, True, called, reduce_in_region), bound_variables(own, args, kwargs) | closed)
    return function(*map(decided, args), **{name: decided(x) for name, x in kwargs.items()})


def _result(graph: Graph, kinds: tuple[Kind, ...], values: Sequence[Any]) -> Any:
    run, loop = explorer(), explorer().loop
    first = loop.emit(Region(graph), *values)
    run.guard(loop.is_valid(first))
    results = [loop.value_of(loop.emit(Region(graph, n), *values)) for n in range(len(graph.results))]
    if len(kinds) == 1:
        return _python(kinds[0], *results)
    number = results.pop(0)
    of_kind = []
    for kind in kinds:
        count = len(types_of(kind))
        of_kind.append(results[:count])
        results = results[count:]
    for at, kind in enumerate(kinds[:-1]):
        if run.decide(loop.call("equal", number, loop.const(at, I64))):
            return _python(kind, *of_kind[at])
    return _python(kinds[-1], *of_kind[-1])


def _python(kind: Kind, value: Any, *more: Any) -> Any:
    if isinstance(kind, Records):
        return TracedRecords.of(kind, [of_list(x) for x in (value, *more)])
    if isinstance(kind, Maps):
        *keys, values = (of_list(x) for x in (value, *more))
        return TracedMap(TracedRecords.of(kind.keys, keys), values)
    if isinstance(kind, Lists):
        return TracedLists.of(kind, [of_list(x) for x in (value, *more)])
    if not isinstance(kind, str):
        rest, parts = [value, *more], []
        for part in kind.kinds:
            count = len(types_of(part))
            parts.append(_python(part, *rest[:count]))
            rest = rest[count:]
        return tuple(parts) if kind.keys is None else dict(zip(kind.keys, parts, strict=True))
    if kind == "json":
        return optional(value)
    if kind in ALONE:
        return {"None": None, "[]": [], "{}": {}}[kind]
    if more:
        return TracedMap(of_list(value), of_list(*more))
    if kind == "bool":
        loop = explorer().loop
        return TracedScalar("bool", loop.call("not_equal", value, loop.const(0, I64)))
    assert value.type == RESULTS[kind][0]
    if kind in ("date", *TIME_KINDS):
        loop = explorer().loop
        return TracedScalar(kind, loop.cast(loop.cast(value, I32) if kind == "date" else value, TYPES[kind]))
    if kind.startswith("np."):
        dtype = np.dtype(kind.removeprefix("np."))
        truth = explorer().loop.call("not_equal", value, explorer().loop.const(0, I64)) if dtype == np.bool_ else value
        return numpy_scalar(truth, dtype)
    numpy = next(numpy for numpy, prefix in reversed(PREFIXES.items()) if kind.startswith(prefix))
    return TracedScalar(kind.removeprefix(PREFIXES[numpy]), value, numpy=numpy)
