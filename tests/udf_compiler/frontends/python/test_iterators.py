"""Checks distinctions of Python that stand-ins must keep: ranges and iterators, classes and objects with their methods."""

# ruff: noqa: B905, C416, C417 - the loops themselves are what is tested

from __future__ import annotations

import functools
import itertools
import operator
import typing

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType

from sparkweld.errors import Refusal
from tests.helpers.compiled import compare_with_worker
from tests.helpers.scalars import check

#: Functions of an int or of a string that use one range or iterator twice.
TWICE = {
    "i64": [
        "r = range(a % 5)\n    return sum(r) * 10 + sum(r)",
        "r = range(a % 6)\n    return sum(i for i in r) * 10 + sum(1 for i in r)",
        "r = range(a % 6)\n    return 3 in r and 2 in r",
        "r, t = range(a % 4), 0\n    for i in r:\n        for j in r:\n            t += i * j + 1\n    return t",
        "r = range(1, a % 4)\n    return r.start + r.stop",
        "r = range(a % 4)\n    return (lambda s: sum(s) + max([i for i in s], default=-1))(r)",
    ],
    "str": [
        "t = 0\n    for b in a:\n        for c in a:\n            t += b == c\n    return t",
        "p = a.split(',')\n    return sum(len(x) for x in p) * 100 + sum(len(x) for x in p)",
        "z = zip(a[:3], a[1:4])\n    return sum(x == y for x, y in z) * 100 + sum(1 for _ in z)",
    ],
}


@pytest.mark.parametrize(("type", "body"), [(type, body) for type, bodies in TWICE.items() for body in bodies])
def test_values_that_are_used_twice(type, body):
    """A loop over a range begins at its start each time; an iterator continues where the last loop stopped."""
    try:
        check(f"def f(a):\n    {body}\n", (type,), rows=ROWS.get(type))
    except Refusal as refused:
        assert "zip" in body and refused.code in ("SW282", "SW259", "SW600")


ROWS = {"i64": [(n,) for n in (0, 1, 2, 3, 4, 5, 7, 11, -1, -8)]}
ITERATORS = [
    "e, t = enumerate(a), 0\n    for i, x in e:\n        t += i * x\n        for j, y in e:\n            t += j\n    return t",
    "g = (x + 1 for x in a)\n    return sum(g) * 100 + sum(g)",
    "return (lambda e: sum(i * x for i, x in e) + sum(i for i, x in e))(enumerate(a))",
]


@pytest.mark.parametrize("body", ITERATORS)
def test_iterators_in_variables(body):
    with pytest.raises(Refusal) as refused:
        check(f"def f(a):\n    {body}\n", ("list<i64>",))
    assert refused.value.code in ("SW282", "SW280", "SW223", "SW299"), refused.value


@pytest.mark.parametrize("call", ["range(a)[0]", "len(range(a))", "list(reversed(range(0, a, 2)))[0]"])
def test_ranges_are_not_their_stand_ins(call):
    """Without a class of ranges, C code would raise errors of another class, and a handler would take them for Python's."""
    source = f"def f(a):\n    try:\n        return {call}\n    except TypeError:\n        return -1\n"
    with pytest.raises(Refusal) as refused:
        check(source, ("i64",), rows=ROWS["i64"])
    assert refused.value.code in ("SW251", "SW299", "SW259")


@pytest.mark.parametrize("kind", ["i64", "f64", "bool", "date", "str"])
@pytest.mark.parametrize("name", ["Iterable", "Sized", "Container", "Hashable"])
def test_checks_of_methods(kind, name):
    """A number has none of a list's methods; its stand-in has."""
    kinds = f"typing.{name}"
    for source in (f"isinstance(a, {kinds})", f"isinstance(a, (str, {kinds}))", f"issubclass(type(a), {kinds})"):
        with pytest.raises(Refusal) as refused:
            check(f"lambda a: {source}", (kind,), typing=typing)
        assert refused.value.code in ("SW262", "SW221")


CLASSES = ["isinstance(a, int | str)", "isinstance(a, (int, (float, str)))", "issubclass(type(a), float)"]


@pytest.mark.parametrize("source", CLASSES)
@pytest.mark.parametrize("kind", ["i64", "f64", "bool"])
def test_checks_of_classes(kind, source):
    check(f"lambda a: {source}", (kind,))


def test_an_error_without_a_subject():
    """``str.maketrans`` does not recognise the stand-in of a str as a str."""
    with pytest.raises(Refusal, match="SW299"):
        check("def f(a):\n    try:\n        return str.maketrans(a, 'b')\n    except TypeError:\n        return 1\n", ("str",))
    caught = "def f(a):\n    try:\n        return {}\n    except TypeError:\n        return -1\n"
    for known in ("a + None", "NOTHING[a]", "len(None)", "(lambda: 1)(a)", "'a' + 1 if a > 3 else a"):
        check(f"NOTHING = None\n{caught.format(known)}", ("i64",))


@pytest.mark.parametrize(
    "function",
    [
        lambda s: pd.Series(sum(s) for _ in [1]),
        lambda s: pd.Series([float(len([y for y in s])) for x in s]),
        lambda s: pd.Series([[y for y in s][0] for x in s]),
        lambda s: pd.Series([x for x in filter(None, s)]),
        lambda s: pd.Series([x for x in itertools.accumulate(s)]),
        lambda s: pd.Series([x for x in itertools.islice(s, 1)]),
        lambda s: pd.Series([x for x in itertools.chain(s, s)]),
        lambda s: pd.Series([x + y for x, y in zip(s, itertools.accumulate(s))]),
        lambda s: pd.Series(x * y for x in s for y in s),
        lambda s: pd.Series(functools.reduce(operator.add, s) for _ in [1]),
        lambda s: pd.Series([x for x in iter(s)]),
    ],
)
def test_a_loop_that_sees_more_than_its_row_is_refused_before_the_trial(function):
    """The trial on synthetic rows (SW233) is not what refuses it: no translation is made that could differ."""
    batches = [pa.record_batch({"a": pa.array([1.0, 2.0, 3.0])}), pa.record_batch({"a": pa.array([5.0])})]
    assert compare_with_worker(function, batches, DoubleType()).refused == "SW600"


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda s: pd.Series([float(i) for i, x in enumerate(s)]), "SW259"),
        (lambda s: pd.Series([x + i for i, (x, y) in enumerate(zip(s, s))]), "SW250"),
    ],
)
def test_a_loop_that_returns_positions_of_rows(function, code):
    batches = [pa.record_batch({"a": pa.array([1.0, 2.0, 3.0])}), pa.record_batch({"a": pa.array([5.0])})]
    assert compare_with_worker(function, batches, DoubleType()).refused == code


@pytest.mark.parametrize(
    "function",
    [
        lambda s: pd.Series([x * 2 for x in s]),
        lambda s: pd.Series(x * 2 for x in (y + 1 for y in s)),
        lambda s: pd.Series([x + y for x, y in zip(s, s)]),
        lambda s: pd.Series(map(lambda x: x * 3, s)),
        lambda s: pd.Series([x * 2 for x in s]) + pd.Series([x + 1 for x in s]),
    ],
)
def test_a_loop_over_each_row_is_compiled(function):
    batches = [pa.record_batch({"a": pa.array([1.0, 2.0, 3.0])}), pa.record_batch({"a": pa.array([5.0])})]
    proved = compare_with_worker(function, batches, DoubleType())
    assert (proved.refused, proved.decided) == ("", 2)


FIRSTS = [
    "next((x for x in a if len(x) > 1), None)", "next((x for x in a if len(x) > 1), 'none')", "next(len(x) for x in a)",
    "next((i for i, x in enumerate(a) if x == 'x'), -1)", "next((x for x in [] if x), 'none')", "next((x for x in a), a[1])",
    "next(x for x in a if next((y for y in x if y == 'a'), None))", "next((n for n, s in (('é', 1), ('a', 2)) if n in a), None)",
]  # fmt: skip


@pytest.mark.parametrize("source", FIRSTS)
def test_the_first_element_of_a_generator_expression(source):
    """A list with None runs in Python."""
    check(f"lambda a: {source}", ("list<str>",), needless=1)
    caught = f"def f(a):\n    try:\n        return {source}\n    except StopIteration:\n        return 'stop'"
    check(caught, ("list<str>",), needless=1)


NO_FIRSTS = [
    "g = (x for x in a)\n    return next(g) + next(g)", "return next((x, 1) for x in a)[0]", "return next((x for x in a), [])",
    "return next(iter(a), None)",
]  # fmt: skip


@pytest.mark.parametrize("body", NO_FIRSTS)
def test_other_calls_of_next_are_refused(body):
    with pytest.raises(Refusal):
        check(f"def f(a):\n    {body}\n", ("list<str>",))


CONSTANTS = [
    "best = ['', 0]\n    for x in a:\n        if len(x) > best[1]:\n            best[0], best[1] = x, len(x)\n"
    "    return '-'.join(str(part) for part in best)",
    "n = 0\n    for x in a:\n        n += sum(len(w) for w in ('a', 'new'))\n"
    "        n += sum(1 for w in ('a', 'new') if w == x)\n    return n",
    "for x in a:\n        if x == next((w for w in ('q', 'a') if w > 'p'), 'z'):\n            return 'q'\n"
    "        if all(w < 'x' for w in ('a', 'b')):\n            return x",
]


@pytest.mark.parametrize("body", CONSTANTS)
def test_generator_expressions_over_constants(body):
    """A list with None runs in Python."""
    check(f"def f(a):\n    {body}\n", ("list<str>",), needless=1)


KEPT = [
    "t = (reversed(xs), 1)\n    return len(list(t[0])) * 10 + len(list(t[0]))",
    "t = [(1, [reversed(xs)])]\n    return len(list(t[0][1][0])) * 10 + len(list(t[0][1][0]))",
    "t = []\n    t.append(reversed(xs))\n    return len(list(t[0])) * 10 + len(list(t[0]))",
    "t = [reversed(x) for x in (xs, xs)]\n    return len(list(t[0])) * 10 + len(list(t[0]))",
]


@pytest.mark.parametrize("body", KEPT)
def test_iterators_in_tuples_and_lists(body):
    """A second list of the same iterator is empty."""
    with pytest.raises(Refusal) as refused:
        check(f"def f(xs):\n    {body}", ("list<i64>",))
    assert refused.value.code == "SW259"
