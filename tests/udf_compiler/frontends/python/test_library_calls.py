"""Checks calendar, os.path, unicodedata and string in functions of a row, and methods that are read from their class."""

from __future__ import annotations

import calendar
import gc
import os
import string
import unicodedata

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import VALUES, check, function_of, traced

MODULES = {"calendar": calendar, "os": os, "string": string, "unicodedata": unicodedata}
YEARS = [(y, m) for y in (1, 4, 1900, 2000, 2023, 2024, 9999) for m in (-1, 0, 1, 2, 4, 7, 8, 11, 12, 13)]
NAMES = ["", "/", "//", "a", "a.b", "/a.b/c", "x/.hidden", "x/..b.c", "a.tar.gz", "/x/", "x//y.z", "é/ü.ß", ".", "..", "a."]
NAMES += ["b/...c"]


@pytest.mark.parametrize("call", ["calendar.isleap(a)", "calendar.monthrange(a, b)[1]", "max(calendar.monthrange(a, b)[1:])"])
def test_calendars(call):
    check(f"lambda a, b: {call}", ("i64", "i64"), rows=YEARS, **MODULES)


def test_the_weekday_of_a_month_can_be_ignored_only():
    check("def f(a, b):\n    _, days = calendar.monthrange(a, b)\n    return days\n", ("i64", "i64"), rows=YEARS, **MODULES)
    for use in ("calendar.monthrange(a, 1)[0] + 1", "calendar.monthrange(a, 1)[0]", "str(calendar.monthrange(a, 1))"):
        with pytest.raises(Refusal):
            traced(function_of(f"lambda a: {use}", **MODULES), ("i64",))


def test_garbage_collection_changes_no_row():
    gc.freeze()  # collecting the objects of earlier tests take seconds each time
    check("def f(a):\n    import gc\n    gc.collect()\n    gc.collect(0)\n    return a + 1\n", ("i64",))
    for use in ("gc.collect() + a", "a if gc.collect() else -a", "str(gc.collect())", "gc.collect(3)", "gc.get_count()[0] + a"):
        with pytest.raises(Refusal):
            traced(function_of(f"lambda a: {use}", gc=gc), ("i64",))


@pytest.mark.parametrize("name", ["month_name", "month_abbr", "day_name", "day_abbr"])
def test_names_of_months_and_days(name):
    source = f"def f(a):\n    return calendar.{name}[a] if 0 <= a < 7 else None\n"
    check(source, ("i64",), rows=[(n,) for n in range(-1, 9)], **MODULES)


@pytest.mark.parametrize(
    "call",
    ["os.path.basename(a)", "os.path.dirname(a)", "os.path.splitext(a)[0]", "os.path.splitext(a)[1]", "os.path.join('x', a)",
     "os.path.join(a, 'y')", "os.path.join(a, 'b/', a)", "os.path.splitext(os.path.basename(a))[0].upper()"],
)  # fmt: skip
def test_paths(call):
    check(f"lambda a: {call}", ("str",), rows=[(name,) for name in NAMES], **MODULES)


@pytest.mark.parametrize(
    "call", ["os.path.exists(a)", "os.getenv(a)", "unicodedata.name(a)", "calendar.timegm(a)", "calendar.weekday(a, 1, 1)"]
)
def test_other_functions_are_refused(call):
    with pytest.raises(Refusal) as refused:
        traced(function_of(f"lambda a: {call}", **MODULES), ("str",))
    assert refused.value.code == "SW263"


def test_normal_forms_of_ascii():
    strings = [(s,) for s in VALUES["str"]]
    needless = sum(not s.isascii() for (s,) in strings)
    check("lambda a: unicodedata.normalize('NFKD', a).lower()", ("str",), needless=needless, rows=strings, **MODULES)
    source = "lambda a: ''.join(c for c in unicodedata.normalize('NFD', a) if unicodedata.category(c) != 'Mn')"
    check(source, ("str",), needless=needless, rows=strings, **MODULES)
    source = "def f(a):\n    return ''.join([c for c in a if not unicodedata.combining(c)])\n"
    check(source, ("str",), needless=needless, rows=strings, **MODULES)


@pytest.mark.parametrize(
    "source",
    ["lambda a: ''.join([c for c in a if c not in string.punctuation])", "lambda a: a in string.ascii_letters",
     "lambda a: a.translate(str.maketrans('', '', string.punctuation))",
     "def f(a):\n    n = 0\n    for c in a:\n        n += string.ascii_lowercase.find(c)\n    return n\n"],
)  # fmt: skip
def test_constants_of_string(source):
    check(source, ("str",), **MODULES)


STEPS = [str.strip, str.lower, lambda s: s.replace("a", "o")]


@pytest.mark.parametrize(
    ("source", "type"),
    [
        ("lambda a: str.upper(a)", "str"),
        ("lambda a: str.strip(a, 'a ')", "str"),
        ("lambda a: '-'.join(map(str.title, a))", "list<str>"),
        ("lambda a: ''.join(filter(str.isalpha, a))", "str"),
        ("def f(a):\n    for step in STEPS:\n        a = step(a)\n    return a\n", "str"),
        ("lambda a: int.bit_length(a)", "i64"),
        ("lambda a: float.is_integer(a)", "f64"),
    ],
)
def test_methods_of_a_class(source, type):
    rows = [(xs,) for xs in VALUES[type] if None not in xs] if type.startswith("list") else None
    check(source, (type,), rows=rows, STEPS=STEPS)


def test_a_method_of_another_class_raises_as_in_python():
    check("def f(a):\n    try:\n        return str.upper(a)\n    except TypeError:\n        return 'no string'\n", ("i64",))


@pytest.mark.parametrize("source", ["lambda a: '*' * a", "lambda a: 'ab' * (a - 1) + '|'", "lambda a: a * '' + '.'"])
def test_a_constant_string_is_repeated(source):
    check(source, ("i64",), needless=1, rows=[(n,) for n in (-(2**63), -1, 0, 1, 2, 7, 60, 100, 2000)])


def test_imports_inside_a_function_that_is_interpreted():
    source = """def f(a):
    import math
    from calendar import month_abbr
    total = 0.0
    for k in range(a % 5):
        total += math.sqrt(k)
    return month_abbr[a % 12] + str(int(total))
"""
    check(source, ("i32",))
