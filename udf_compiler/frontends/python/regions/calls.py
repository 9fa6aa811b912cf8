"""Interprets calls of functions and the generator expressions in them, one function for each instruction as in `instructions`."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import groupby
from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.builtin_calls import is_builtin
from udf_compiler.frontends.python.found_matches import FoundMatches
from udf_compiler.frontends.python.json_calls import is_dumps
from udf_compiler.frontends.python.json_values import TracedJson
from udf_compiler.frontends.python.operands import as_text, make_text
from udf_compiler.frontends.python.output_calls import is_writer
from udf_compiler.frontends.python.patterns import Substitution, TracedFound
from udf_compiler.frontends.python.regions import queries, sets
from udf_compiler.frontends.python.regions.bucket_changes import read as read_bucket
from udf_compiler.frontends.python.regions.code import Instruction
from udf_compiler.frontends.python.regions.definitions import defined_now, make_function, share
from udf_compiler.frontends.python.regions.dict_calls import got, of_dict_call
from udf_compiler.frontends.python.regions.distinct import Distinct, call_of_set
from udf_compiler.frontends.python.regions.equivalents import (
    SUBSTITUTED,
    equivalent,
)
from udf_compiler.frontends.python.regions.expressions import generated, reduced
from udf_compiler.frontends.python.regions.gathering import is_append
from udf_compiler.frontends.python.regions.groups import Bucket
from udf_compiler.frontends.python.regions.growing import Growing, current
from udf_compiler.frontends.python.regions.iteration import ITERATIONS, Elements, Walk
from udf_compiler.frontends.python.regions.largest import largest
from udf_compiler.frontends.python.regions.list_calls import of_iterator, of_list_call, with_characters
from udf_compiler.frontends.python.regions.list_changes import changed, check_snapshot, fresh, makes_list
from udf_compiler.frontends.python.regions.machine import (
    Machine,
    attribute,
    check_exceptions,
    check_growing,
    decide,
    is_generator,
    is_of_user,
    message,
    note_captured,
    pop,
    pop_arguments,
    pop_read,
    pop_undecided,
)
from udf_compiler.frontends.python.regions.mappings import (
    Mapping,
    constant,
    contents,
)
from udf_compiler.frontends.python.regions.nested_calls import gathering
from udf_compiler.frontends.python.regions.readers import copies, is_join, only_reads, takes_elements
from udf_compiler.frontends.python.regions.runs import runs
from udf_compiler.frontends.python.regions.seen import Seen
from udf_compiler.frontends.python.regions.sorting import with_options
from udf_compiler.frontends.python.regions.state import UNSET, Expression, Local, Method, State, Unordered
from udf_compiler.frontends.python.regions.strings import fill, fills_plainly, with_text
from udf_compiler.frontends.python.regions.unordered import check_unordered
from udf_compiler.frontends.python.regions.yields import yield_
from udf_compiler.frontends.python.rows import is_as_dict
from udf_compiler.frontends.python.undecided import Undecided, holds_undecided
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

#: Builtins that read the elements of a tuple or list one after the other.
_DECIDE_LATE: tuple[Callable[..., Any], ...] = (any, all, zip, enumerate)
#: Builtins that copy the elements of a list.
_COPIES: tuple[Callable[..., Any], ...] = (list, tuple, set, frozenset)


def _call(machine: Machine, i: Instruction, s: State) -> None:
    args = _arguments(s, i.arg)
    s.stack.append(_made(machine, s, args, {}))


def _arguments(s: State, count: int) -> list[Any]:
    """Pops the arguments of a call. Some functions decide the undecided ones where they read them."""
    at = len(s.stack) - count
    function = next((x for x in s.stack[at - 2 : at] if x is not UNSET), UNSET)
    late = is_of_user(function) or type(function) is Local or is_append(function)
    if late or any(is_builtin(function, f) for f in _DECIDE_LATE):
        return pop_undecided(s, count)
    if (count == 1 and is_builtin(function, str)) or fills_plainly(function):
        s.stack[at:] = map(with_text, s.stack[at:])
    args = pop_arguments(s, count)
    updates = type(function) is Method and function.name == "update" and type(function.owner) is TracedJson
    return list(map(contents, args)) if updates or is_dumps(function) else args


def _call_kw(machine: Machine, i: Instruction, s: State) -> None:
    (names,) = pop(s, 1)
    args = _arguments(s, i.arg)
    first = len(args) - len(names)
    s.stack.append(_made(machine, s, args[:first], dict(zip(names, args[first:], strict=True))))


def _call_with(machine: Machine, i: Instruction, s: State) -> None:
    """Calls ``f(*args, **kwargs)``."""
    kwargs = pop(s, 1)[0] if i.arg & 1 else {}
    (args,) = pop_read(s, 1)
    check_growing((args,))
    whole = gathering(next(x for x in s.stack[-2:] if x is not UNSET), args) if not kwargs else None
    if whole is not None:
        s.stack[-2:] = [whole if x is not UNSET else x for x in s.stack[-2:]]
    s.stack.append(_called(machine, s, as_python(list, args) if whole is None else [args], as_python(dict, kwargs)))


def _made(machine: Machine, s: State, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Calls the function below the arguments; a new list may be changed in a function that changes lists."""
    makes = machine.changes and makes_list(next(x for x in s.stack[-2:] if x is not UNSET))
    made = _called(machine, s, args, kwargs)
    return fresh(machine, made) if makes else made


def _called(machine: Machine, s: State, args: list[Any], kwargs: dict[str, Any]) -> Any:
    function, first = pop(s, 2)
    if function is UNSET:  # the order of the two before CPython 3.13
        function, first = first, UNSET
    if type(function) is Unordered:
        s.stack += [function.called, UNSET]
        return check_unordered(function, _called(machine, s, args, kwargs))
    return _result(machine, s, function, args if first is UNSET else [first, *args], kwargs)


def _result(machine: Machine, s: State, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    shares = any(type(x) is Local for x in args)
    function, *args = (defined_now(s, x) for x in (function, *args))
    kwargs = {name: defined_now(s, x) for name, x in kwargs.items()}
    if is_builtin(function, str) or is_writer(function):
        args, kwargs = list(map(message, args)), {name: message(x) for name, x in kwargs.items()}
    check_exceptions((*args, *kwargs.values()))
    if len(args) == 1 and holds_undecided(args[0]) and not is_of_user(function) and not is_append(function):
        return _any_or_all(s, is_builtin(function, any), args[0])
    args = _without_buckets(function, args)
    made = of_dict_call(machine, s, function, args, kwargs) or changed(machine, s, function, args, kwargs)
    if made is not None:
        return made[0]
    if is_of_user(function) and not any(type(x) is Expression for x in args):
        return _of_user(machine, s, function, args, kwargs, shares)
    kept = not (only_reads(function) or copies(function))
    args, kwargs = [constant(x, kept) for x in args], {name: constant(x, kept) for name, x in kwargs.items()}
    if any(type(x) is Mapping for x in (*args, *kwargs.values())):
        refuse("SW282", what="a dict that it makes, for another function")
    if type(function) is Method and type(function.owner) not in (Distinct, Seen):
        function = attribute(current(function.owner), function.name)
    owner = None if isinstance(function, StandIn) else unwrapped(getattr(function, "__self__", None))
    found = got(owner, function, args, kwargs)
    if found is not None:
        return found[0]
    if type(owner) is str and getattr(function, "__name__", "") == "format":
        return fill(owner, args, kwargs)
    if type(owner) is str and not is_join(function) and any(map(is_scalar, args)):
        function = attribute(make_text(as_text(owner)), function.__name__)
    of_expression = generated(machine, function, args, s)
    if of_expression is not None:
        return of_expression[0]
    args = [reduced(machine, "list", a, s) if type(a) is Expression else a for a in args]
    if takes_elements(function) or (only_reads(function) and not is_builtin(function, len)):
        args = with_characters(machine, function, list(map(of_iterator, args)))
    made = of_list_call(machine, function, args) if not kwargs else with_options(machine, function, args, kwargs)
    if made is not None:
        return made
    if type(function) is Method and type(function.owner) in (Distinct, Seen):
        return sets.call_method(machine, function.owner, function.name, args) if not kwargs else sets.unknown()
    args = [sets.as_distinct(x) for x in args]
    if any(type(x) is Distinct for x in (*args, *kwargs.values())):
        return call_of_set(function, args[0], kwargs) if len(args) == 1 else refuse("SW282", what="a set, for another function")
    check_snapshot(machine, s, function, args, shares)
    args = [decide(s, x) if type(x) is Undecided else x for x in args]
    if (iterator := _iterator(machine, function, args, kwargs)) is not None:
        return iterator
    return _of_values(machine, function, [decide(s, x) for x in args], kwargs)


def _of_values(machine: Machine, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Calls a function of values that are decided, and of lists and dicts that it does not keep."""
    if (found := largest(machine, function, args, kwargs) or queries.pairs(machine, function, args, kwargs)) is not None:
        return found[0]
    defined = equivalent(function, args) if not kwargs else None
    if defined is not None:
        made = machine.call(defined, [tuple(x) if type(x) is list else current(x) for x in args], {})
        return made if is_builtin(function, reduce) else Walk(tuple(made), 0, True) if type(made) is list else Elements(made, 0)
    if any(type(x) is Growing for x in (*args, *kwargs.values())) and not (only_reads(function) or copies(function)):
        refuse("SW282", what="a list that grows in a loop, for another function")
    made = machine.call(function, list(map(current, args)), {name: current(x) for name, x in kwargs.items()})
    if type(made) is Substitution:
        return machine.call(SUBSTITUTED, [made.function, made.matches, made.pieces], {})
    if is_as_dict(function):
        return Mapping(made)  # a new dict, which the function may change
    return Elements(made, 0) if type(made) is FoundMatches else lists.as_list(made) if type(made) is TracedFound else made


def _without_buckets(function: Any, args: list[Any]) -> list[Any]:
    """Returns the arguments with the current lists of dicts of lists, which may change later if the function copies them."""
    reads = only_reads(function) or copies(function) or is_join(function) or any(is_builtin(function, f) for f in _COPIES)
    reads = reads or (type(function) is Method and type(function.owner) is Bucket)
    return [current(x) if type(x) is Bucket and reads else read_bucket(x) for x in args]


def _of_user(machine: Machine, s: State, function: Any, args: list[Any], kwargs: dict[str, Any], shares: bool) -> Any:
    """Calls a function of user code. It may read the lists and dicts that this function makes, but not change or keep them."""
    given = [*args, *kwargs.values()]
    if any(type(x) is Seen and not x.items for x in given):
        refuse("SW282", what="an empty set, for another function")
    note_captured(machine, given)
    is_late = is_generator(function)
    check_snapshot(machine, s, function, args, shares, is_late)
    made = machine.call(function, list(map(sets.as_distinct, args)), {name: sets.as_distinct(x) for name, x in kwargs.items()})
    if is_late:
        return Walk(tuple(made), 0, True) if type(made) is list else Elements(made, 0)
    return lists.as_list(made) if type(made) is TracedFound else made


def _iterator(machine: Machine, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Returns the state of a loop over a call of zip, enumerate and the like; None for other calls."""
    if is_builtin(function, groupby):
        return runs(machine, list(map(of_iterator, args))) if not kwargs else None
    begin = next((b for known, b in ITERATIONS.items() if is_builtin(function, known)), None)
    if begin is None or (kwargs and not (is_builtin(function, zip) and kwargs == {"strict": False})):
        return None
    return begin(machine.unroll, args)


def _any_or_all(s: State, wanted: bool, parts: list[Any]) -> bool:
    """Evaluates ``any(parts)`` where `wanted` is True, else ``all(parts)``: one part after the other, as Python does."""
    return wanted if any(as_python(bool, decide(s, part)) == wanted for part in parts) else not wanted


CALLS: dict[str, Callable[[Machine, Instruction, State], None]] = {
    "CALL": _call, "CALL_KW": _call_kw, "CALL_FUNCTION_EX": _call_with, "MAKE_FUNCTION": make_function,
    "SET_FUNCTION_ATTRIBUTE": share, "YIELD_VALUE": yield_,
}  # fmt: skip
