"""Checks Python's `str` in scalar functions: operators, methods and conversions return Python's own results."""

from __future__ import annotations

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

SOURCES = [
    "a + '!'", "'<' + a + '>'", "a * 2", "3 * a", "a == 'abc'", "a != 'abc'", "a < 'b'", "'b' <= a", "a == 1", "a != None",
    "not a", "bool(a)", "len(a)", "len(a) > 2 and a[0]", "a[0]", "a[-1]", "a[1:3]", "a[::-1]", "a[:2] + a[-1:]",
    "a[len(a) - 1]", "a[1:len(a)]", "'b' in a", "'' in a", "a in ('abc', '12')", "a.lower()", "a.upper().strip()",
    "a.title()", "a.strip(' a')", "a.startswith('a')", "a.startswith(('a', 'x'))", "a.endswith('c')", "a.find('b')",
    "a.find('a', len(a) - len(a.strip()))", "a.find(',', a.find(',') + 1)", "a.rfind('b')", "a.index('b')", "a.count('a')",
    "a.replace('a', 'xy')", "a.replace(',', '', 1)", "a.split(',')[0]", "a.split(',')[1]", "len(a.split(','))",
    "a.split()[-1]", "a.split(',', 1)[-1]", "a.rsplit(',', 1)[0]", "a.partition('=')[2]", "a.isdigit()",
    "a.translate({97: None, 44: '; ', 233: 'e'})", "a.translate(str.maketrans('abc', 'xyz'))", "a.translate({})",
    "a.zfill(5)", "a.center(9, '*')", "a.ljust(5)", "a.removeprefix('a')", "int(a)", "float(a)", "str(a)", "str(len(a))",
    "int(a) if a.strip().isdigit() else -1", "'long' if len(a) > 3 else 'short'", "None if a == '' else a", "a or 'none'",
    "max((len(w) for w in a.split()), default=0)", "isinstance(a, str)", "type(a) is str", "a.isascii()", "min(a, 'b')",
    "'x' if a.split() else 'y'", "a.encode",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES[:-1])
def test_expressions(source):
    needless = 2 if "int(" in source or "float(" in source else 0
    check(f"lambda a: {source}", ("str",), needless=needless)


TWO = [
    "a + b", "a == b", "a < b", "a in b", "a.startswith(b)", "a.find(b)", "a if len(a) < len(b) else b", "min(a, b)",
    "a.count(b)", "a.rfind(b)", "a.index(b)", "a.split(b)[0]", "len(a.split(b or ','))", "'|'.join(a.split(b[:1]))",
    "a.partition(b)[2]", "a.partition(b[-1:])[0]", "a.partition(b[:1])[1]", "a.removeprefix(b[:2])",
    "a.removesuffix(b[-1:])", "a.replace(b[:1], 'é')", "a.replace(b[:1], b)", "'ébé'.count(b)", "'a,b'.split(a)[-1]",
]  # fmt: skip


@pytest.mark.parametrize("source", TWO)
def test_two_strings(source):
    """Rows in which an empty string would be replaced run in Python."""
    check(f"lambda a, b: {source}", ("str", "str"), needless=18 if "replace" in source else 0)


def test_an_empty_separator_that_is_caught():
    source = "def f(a, b):\n    try:\n        return a.split(b[:1])[0] + a.partition(b)[2]\n"
    check(f"{source}    except ValueError:\n        return 'none'", ("str", "str"))


@pytest.mark.parametrize("kind", ["i64", "f64", "bool"])
@pytest.mark.parametrize("source", ["str(a)", "'n' + str(a)", "str(a).zfill(4)", "str(a) == '1'", "a == '1'"])
def test_text_of_numbers(kind, source):
    check(f"lambda a: {source}", (kind,), needless=9 if kind == "f64" else 0)


RAISING = [
    "def f(a):\n    try:\n        return int(a)\n    except ValueError:\n        return None",
    "def f(a):\n    try:\n        return float(a.split('=')[1])\n    except (ValueError, IndexError):\n        return -1.0",
    "def f(a):\n    try:\n        key, value = a.split('=')\n    except ValueError:\n        return 'no'\n    return value + key",
    "def f(a):\n    try:\n        return a + 1\n    except TypeError:\n        return 'no'",
    "def f(a):\n    if a is None:\n        return 'missing'\n    return a.upper()",
    "def f(a):\n    return 'x' if a and a[0] == 'a' else a",
]


@pytest.mark.parametrize("source", RAISING)
def test_exceptions_and_none(source):
    check(source, ("str?",) if "None:" in source or "a and" in source else ("str",), needless=4)


def test_a_text_within_a_constant():
    """Python would call the constant's own method, which does not support a symbolic value; a region answers instead."""
    check("lambda a: a in 'xabcx'", ("str",), needless=4)
    check("def f(a):\n    try:\n        return a in 'xabcx'\n    except TypeError:\n        return False", ("str?",), needless=4)


@pytest.mark.parametrize("source", ["'abc'.endswith(a)", "'abc'.startswith(a)", "'abcabc'.count(a)", "'-bc'.zfill(len(a) + 2)"])
def test_methods_of_a_constant(source):
    check(f"lambda a: {source}", ("str",), rows=[("c",), ("ab",), ("",), ("abcd",)])


OF_OBJECTS = {
    "'abc'.strip(a)": "SW299", "'abc'.expandtabs(len(a))": "SW259", "'%(x)s' % {'x': a}": "SW259", "'%(x)s' % {a: 1}": "SW601",
}  # fmt: skip


@pytest.mark.parametrize(("source", "code"), OF_OBJECTS.items())
@pytest.mark.parametrize("caught", [False, True])
def test_calls_that_require_the_object_are_refused(source, code, caught):
    """This holds even where the function catches the TypeError that the symbolic value causes."""
    handler = f"def f(a):\n    try:\n        return {source}\n    except TypeError:\n        return False"
    with pytest.raises(Refusal, match=code):
        check(handler if caught else f"lambda a: {source}", ("str",))


@pytest.mark.parametrize("call", ["find(b)", "startswith(b)", "replace(b, 'x')", "count(b)", "strip(b)"])
def test_arguments_that_are_none(call):
    source = f"def f(a):\n    b = 'a' if len(a) > 2 else None if len(a) > 1 else 3\n    try:\n        return str(a.{call})\n"
    check(f"{source}    except TypeError:\n        return 'no'", ("str",), needless=2)


@pytest.mark.parametrize("source", ["a * b", "b * a", "'<' + a[:2] * (b % 5) + '>'", "a.upper() * max(b, 0)"])
def test_strings_many_times(source):
    """More than 256 times run in Python."""
    rows = [(a, b) for a in ("", "a", "é😀", "x" * 40) for b in (0, 1, 3, -1, 256, 257, -(2**31))]
    check(f"lambda a, b: {source}", ("str", "i32"), rows=rows, needless=4)
