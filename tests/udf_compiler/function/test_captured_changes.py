"""Checks what bytecode shows of changes of captured data."""

from __future__ import annotations

import functools
import heapq
import types
from collections.abc import Iterator
from types import CodeType

import numpy as np
import pytest

from udf_compiler.function.captured_changes import may_change_captured

ITEMS: list[int] = []
TABLE: dict[str, int] = {}
ARRAY, lists = np.ones(3), ITEMS


def codes_of(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_of(constant)


def may_change(function, nested=False):
    return may_change_captured(codes_of(function.__code__), function, nested)


def of_its_argument(f):
    f["x"] = f["y"] * 2
    f.loc[f.x > 0, "y"] = 1
    f.columns = ["x", "y"]
    return f


def of_its_own_list(s):
    made = []
    for x in s:
        made.append(x)
    return made


def appends(s):
    ITEMS.append(1)


def sets_an_item(s):
    TABLE["x"] = 1


def by_another_name(s):
    mine = ITEMS
    mine.append(1)


def by_a_choice(s):
    mine = TABLE if s else {}
    mine["x"] = 1


def by_a_helper(s):
    def append(items):
        items.append(1)

    append(ITEMS)


def of_itself(s):
    of_itself.calls = 1


def of_a_default(s, known=[]):  # noqa: B006 - as people write it
    known.append(1)


def of_a_list_named_as_numpy(s):
    lists.sort()


def of_another_function_of_numpy(s):
    np.put(ARRAY, 0, 1)


def of_another_module(s):
    heapq.heappush(ITEMS, 1)


@pytest.mark.parametrize("function", [of_a_list_named_as_numpy, of_another_function_of_numpy, of_another_module])
def test_functions_of_modules_that_change(function):
    assert may_change(function)


def copies(s):
    ranks = [np.sort(x) for x in s]
    return np.append(np.sort(ARRAY), np.insert(ARRAY, 0, 1)), ranks


def test_functions_of_numpy_that_copy():
    """`np.sort` returns a copy, unlike the method of lists. Only NumPy itself is recognized, by the function's globals."""
    assert not may_change(copies) and not may_change(copies, nested=True)
    other = types.FunctionType(copies.__code__, {**globals(), "np": ITEMS})
    assert may_change(other)
    assert may_change_captured(codes_of(copies.__code__), functools.partial(copies), False)


@pytest.mark.parametrize("function", [of_a_default, appends, sets_an_item, by_another_name, by_a_choice, by_a_helper, of_itself])
def test_changes(function):
    assert may_change(function) and may_change(function, nested=True)


def test_arguments_of_a_partial_may_be_captured():
    assert may_change_captured([of_its_argument.__code__], functools.partial(of_its_argument, TABLE), False)


def test_arguments_and_new_objects():
    assert not may_change(of_its_argument) and not may_change(of_its_argument, nested=True)
    assert not may_change(of_its_own_list)
    assert may_change(of_its_own_list, nested=True)  # a list may be a part of a captured one
