"""Checks which instructions a handler protects, on each version of CPython, against what happens when they raise."""

from __future__ import annotations

import sys

import pytest

from udf_compiler.frontends.tracing.exception_ranges import exception_ranges
from udf_compiler.frontends.tracing.handlers import is_protected


def before_and_after(f):
    f("outside")
    try:
        f("inside")
    except ValueError:
        f("handler")
    f("outside")


def named(f):
    try:
        f("inside")
    except ValueError as error:
        f("handler")
        del error


def nested(f):
    try:
        f("inside")
        try:
            f("inside")
        except KeyError:
            f("inside")
    except ValueError:
        f("handler")


def in_a_loop(f):
    for _ in range(2):
        f("outside")
        try:
            f("inside")
        except ValueError:
            continue
        else:
            f("outside")


def with_finally(f):
    try:
        f("inside")
    finally:
        f("outside")


def with_a_manager(f):
    with open("/dev/null"):
        f("outside")
    f("outside")


@pytest.mark.parametrize("function", [before_and_after, named, nested, in_a_loop, with_finally, with_a_manager])
@pytest.mark.parametrize("raises", [False, True])
def test_calls_within_a_try_statement_are_protected(function, raises):
    """`f` notes whether the instruction that calls it is protected; it raises the first time that it is inside."""
    seen, left = [], [raises]

    def f(where):
        seen.append((where == "inside", is_protected(sys._getframe(1))))
        if where == "inside" and left.pop():
            raise ValueError
        left.append(False)

    try:
        function(f)
    except ValueError:
        assert function is with_finally
    assert seen
    assert all(expected == found for expected, found in seen), seen


def test_a_function_without_handlers_has_no_range():
    assert exception_ranges((lambda x: x + 1).__code__) == ()
    assert not any(r.handles for r in exception_ranges(with_a_manager.__code__))
