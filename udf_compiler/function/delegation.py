"""Converts a function that only returns the generator of another one, ``lambda frames: score(frames, names)``, to a partial."""

from __future__ import annotations

import dis
import functools
import inspect
from types import FunctionType
from typing import Any

from udf_compiler.function.kept_arguments import is_set

#: Instructions that add nothing to the stack of arguments, in CPython 3.10 to 3.14.
_SILENT = frozenset("RESUME COPY_FREE_VARS PUSH_NULL PRECALL CACHE NOP MAKE_CELL".split())
_CONSTANTS = frozenset("LOAD_CONST LOAD_SMALL_INT".split())
_CALLS = frozenset("CALL CALL_FUNCTION CALL_KW CALL_FUNCTION_KW".split())
#: Calls that take the names of keyword arguments from the stack.
_NAMED_CALLS = frozenset("CALL_KW CALL_FUNCTION_KW".split())

_BATCHES = object()


def generator_behind(function: Any) -> Any:
    """Returns an equivalent partial of a generator function, if all that `function` does is to return its generator.

    Any other function is returned unchanged. The variables that the call reads are those that the function captured.
    """
    if type(function) is not FunctionType or function.__code__.co_flags & inspect.CO_GENERATOR:
        return function
    called = _returned_call(function)
    if called is None:
        return function
    target, args, kwargs = called
    if type(target) is not FunctionType or not target.__code__.co_flags & inspect.CO_GENERATOR:
        return function
    made = _partial(target, args, kwargs)
    return function if made is None else made


def _returned_call(function: FunctionType) -> tuple[Any, list[Any], dict[str, Any]] | None:
    """Returns the function and the arguments of ``return f(...)``, the only statement of a function; None for any other body."""
    stack: list[Any] = []
    names: tuple[str, ...] = ()
    variables = _variables(function)
    called = None
    for instruction in dis.get_instructions(function):
        op, value = instruction.opname, instruction.argval
        if called is not None:
            return called if op == "RETURN_VALUE" else None
        if op in _CONSTANTS:
            stack.append(value)
        elif op == "KW_NAMES":
            names = function.__code__.co_consts[instruction.arg or 0]  # `dis` of 3.11 does not resolve it
        elif op in _CALLS:
            names = stack.pop() if op in _NAMED_CALLS else names
            first = len(stack) - (instruction.arg or 0)
            if type(names) is not tuple or first != 1:
                return None
            target, *given = stack
            stack, count = [], len(given) - len(names)
            called = (target, given[:count], dict(zip(names, given[count:], strict=True)))
        elif op not in _SILENT:
            loaded = value if isinstance(value, tuple) else (value,)  # 3.13 loads two variables at once
            if not op.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_GLOBAL")) or not all(name in variables for name in loaded):
                return None
            stack += [variables[name] for name in loaded]
    return None


def _variables(function: FunctionType) -> dict[str, Any]:
    """Returns what the names of a function mean: the batches, its defaults, and what it captured; locals hide the others."""
    found = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        found.pop(name, None)
        if is_set(cell):
            found[name] = cell.cell_contents
    parameters = inspect.signature(function).parameters.values()
    for i, parameter in enumerate(parameters):
        found.pop(parameter.name, None)
        if i == 0 and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            found[parameter.name] = _BATCHES
        elif parameter.default is not parameter.empty:
            found[parameter.name] = parameter.default
    return found


def _partial(target: FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Returns the partial that takes the batches as its only argument; None where no partial means the same."""
    signature = inspect.signature(target)
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return None
    kinds = {signature.parameters[name].kind for name in bound}
    if kinds - {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}:
        return None
    order = list(bound)
    places = [i for i, name in enumerate(order) if bound[name] is _BATCHES]
    if len(places) != 1 or order[: places[0] + 1] != list(signature.parameters)[: places[0] + 1]:
        return None
    before, after = order[: places[0]], order[places[0] + 1 :]
    if signature.parameters[order[places[0]]].kind is inspect.Parameter.KEYWORD_ONLY:
        return None
    return functools.partial(target, *(bound[name] for name in before), **{name: bound[name] for name in after})
