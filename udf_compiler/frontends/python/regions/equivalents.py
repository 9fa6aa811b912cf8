"""Defines functions of Python and of functools and itertools in Python, so that they are interpreted as code of the user's."""

from __future__ import annotations

import builtins
import functools
import itertools
from collections.abc import Callable
from types import FunctionType
from typing import Any

from udf_compiler.frontends.python.builtin_calls import is_builtin


def _reduce(function, items):  # type: ignore[no-untyped-def]
    if not items:
        raise TypeError("reduce() of empty iterable with no initial value")
    total = items[0]
    for item in items[1:]:
        total = function(total, item)
    return total


def _fold(function, items, total):  # type: ignore[no-untyped-def]
    for item in items:
        total = function(total, item)
    return total


def _map(function, items):  # type: ignore[no-untyped-def]
    made = []
    for item in items:
        made.append(function(item))
    return made


def _filter(function, items):  # type: ignore[no-untyped-def]
    made = []
    for item in items:
        if function(item):
            made.append(item)
    return made


def _filter_true(function, items):  # type: ignore[no-untyped-def]
    made = []
    for item in items:
        if item:
            made.append(item)
    return made


def _accumulated(items):  # type: ignore[no-untyped-def]
    made: list[Any] = []
    for item in items:
        made.append(made[-1] + item if made else item)
    return made


def _accumulated_by(items, function):  # type: ignore[no-untyped-def]
    made: list[Any] = []
    for item in items:
        made.append(function(made[-1], item) if made else item)
    return made


def _chain(first, second):  # type: ignore[no-untyped-def]
    made = []
    for item in first:
        made.append(item)
    for item in second:
        made.append(item)
    return made


def _chain_of_three(first, second, third):  # type: ignore[no-untyped-def]
    made = []
    for item in first:
        made.append(item)
    for item in second:
        made.append(item)
    for item in third:
        made.append(item)
    return made


def _elements(items):  # type: ignore[no-untyped-def]
    made = []
    for item in items:
        made.append(item)
    return made


def _flattened(items):  # type: ignore[no-untyped-def]
    made = []
    for item in items:
        for x in item:
            made.append(x)
    return made


def _any(items):  # type: ignore[no-untyped-def]
    for item in items:
        if item:
            return True
    return False


def _all(items):  # type: ignore[no-untyped-def]
    for item in items:
        if not item:
            return False
    return True


def _pairs(items):  # type: ignore[no-untyped-def]
    made: dict[Any, Any] = {}
    for key, value in items:
        made[key] = value
    return made


def _from_keys(items, value):  # type: ignore[no-untyped-def]
    made: dict[Any, Any] = {}
    for item in items:
        made[item] = value
    return made


def _count(items):  # type: ignore[no-untyped-def]
    made: dict[Any, Any] = {}
    for item in items:
        made[item] = made.get(item, 0) + 1
    return made


def _count_more(keys, values, items):  # type: ignore[no-untyped-def]
    made: dict[Any, Any] = {}
    for key, value in zip(keys, values, strict=False):
        made[key] = value
    for item in items:
        made[item] = made.get(item, 0) + 1
    return made


def _equal_counts(first, second):  # type: ignore[no-untyped-def]
    for key in first:
        if first[key] != second.get(key, 0):
            return False
    for key in second:
        if second[key] != first.get(key, 0):
            return False
    return True


def _equal_dicts(first, second):  # type: ignore[no-untyped-def]
    if len(first) != len(second):
        return False
    for key in first:
        if key not in second or first[key] != second[key]:
            return False
    return True


def _largest_by(items, key):  # type: ignore[no-untyped-def]
    if not items:
        raise ValueError("max() iterable argument is empty")
    best = items[0]
    most = key(best)
    for item in items[1:]:
        found = key(item)
        if found > most:
            best, most = item, found
    return best


def _smallest_by(items, key):  # type: ignore[no-untyped-def]
    if not items:
        raise ValueError("min() iterable argument is empty")
    best = items[0]
    least = key(best)
    for item in items[1:]:
        found = key(item)
        if found < least:
            best, least = item, found
    return best


def _parts_of_keys(items, key, part, at, size):  # type: ignore[no-untyped-def]
    made = []
    for item in items:
        made.append(part(key(item), at, size))
    return made


def _run_ends(items):  # type: ignore[no-untyped-def]
    ends = []
    at = 1
    for item, following in zip(items, items[1:], strict=False):
        if item != following:
            ends.append(at)
        at += 1
    if items:
        ends.append(at)
    return ends


def _substituted(function, matches, pieces):  # type: ignore[no-untyped-def]
    made = []
    for piece, match in zip(pieces, matches, strict=False):
        made.append(piece)
        made.append(function(match))
    made.append(pieces[-1])
    return "".join(made)


def interpreted(function: Any, module: str = "functools") -> FunctionType:
    """Returns the function with Python's builtins alone, and as one of a module that is not ours, so that it is interpreted."""
    return FunctionType(function.__code__, {"__name__": module, "__builtins__": builtins}, function.__name__)


#: Function -> number of arguments -> its definition.
_EQUIVALENTS: dict[Callable[..., Any], dict[int, FunctionType]] = {
    functools.reduce: {2: interpreted(_reduce), 3: interpreted(_fold)}, map: {2: interpreted(_map)},
    filter: {2: interpreted(_filter)}, itertools.chain: {2: interpreted(_chain), 3: interpreted(_chain_of_three)},
    itertools.accumulate: {1: interpreted(_accumulated), 2: interpreted(_accumulated_by)},
}  # fmt: skip
EQUIVALENT: tuple[Callable[..., Any], ...] = tuple(_EQUIVALENTS)
_FILTER_TRUE = interpreted(_filter_true)
_BY_KEY: dict[Callable[..., Any], FunctionType] = {max: interpreted(_largest_by), min: interpreted(_smallest_by)}
#: Definitions of dict, dict.fromkeys, Counter and Counter.update, and of the equality of Counters and of dicts.
PAIRS, FROM_KEYS, COUNT, COUNT_MORE = map(interpreted, (_pairs, _from_keys, _count, _count_more))
EQUAL_COUNTS, EQUAL_DICTS = map(interpreted, (_equal_counts, _equal_dicts))
#: The list of one part of the keys of items.
PARTS_OF_KEYS = interpreted(_parts_of_keys)
#: The list of the characters of a string, of the numbers of a range, and of the tuples of a zip.
ELEMENTS = interpreted(_elements)
#: The elements of all lists of a list, and whether any or all of these are true.
FLATTEN, ANY, ALL = map(interpreted, (_flattened, _any, _all))
#: The position after each run of equal elements.
RUN_ENDS = interpreted(_run_ends)
#: The text of pieces with a function's results for the matches between them.
SUBSTITUTED = interpreted(_substituted)
#: Those that read an iterator once, to its end.
CONSUMERS = (PAIRS, COUNT, ELEMENTS)


def by_key(function: Any) -> FunctionType | None:
    """Returns the definition of ``max(items, key=key)`` or of min; None for another function."""
    return next((made for f, made in _BY_KEY.items() if is_builtin(function, f)), None)


def equivalent(function: Any, args: list[Any]) -> Callable[..., Any] | None:
    """Returns the definition of a function for these arguments, or None.

    Those of `map` and `filter` return lists: functions of a row are pure, so nothing depends on when they run.
    """
    known = next((f for f in EQUIVALENT if is_builtin(function, f)), None)
    if known is filter and len(args) == 2 and args[0] is None:
        return _FILTER_TRUE
    return None if known is None else _EQUIVALENTS[known].get(len(args))
