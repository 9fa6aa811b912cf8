"""Checks sets of a row's elements: their operators and methods, sets that loops fill, and the largest element by a key."""

from __future__ import annotations

import itertools

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check, function_of, traced

WORDS = [[], ["a"], ["b", "a"], ["a", "b", "a"], ["c", "é"], ["zz", "", "a"], ["x"] * 9]
NUMBERS = [[], [1], [2, 1], [1, 2, 1], [3, -4], [0, 7, 7, 2**40]]
PAIRS = {"list<str>": list(itertools.product(WORDS, WORDS)), "list<i64>": list(itertools.product(NUMBERS, NUMBERS))}
RESULTS = ["a & b", "a | b", "a - b", "a ^ b", "a.intersection(b)", "a.union(b)", "a.difference(b)", "a.symmetric_difference(b)"]
TESTS = ["a == b", "a != b", "a <= b", "a >= b", "a.isdisjoint(b)", "a.issubset(b)", "a.issuperset(b)", "bool(a & b)"]
OF_SETS = "def f(x, y):\n    a, b = set(x), set(y)\n    return {}\n"


@pytest.mark.parametrize("type", PAIRS)
@pytest.mark.parametrize("operation", RESULTS)
def test_operations(operation, type):
    made = OF_SETS.format(f"sorted({operation})")
    check(made, (type, type), rows=PAIRS[type])


@pytest.mark.parametrize("type", PAIRS)
@pytest.mark.parametrize("operation", TESTS)
def test_comparisons(operation, type):
    check(OF_SETS.format(operation), (type, type), rows=PAIRS[type])


@pytest.mark.parametrize("type", PAIRS)
@pytest.mark.parametrize(
    "operation",
    ["len(a & b) - len(a | b)", "sorted(a - b) + sorted(a ^ b)", "a == b", "a != b", "a <= b", "a >= b",
     "len(a.union(b))", "len(a.intersection(y or []))", "a.issubset(b)", "a.isdisjoint(y or ())", "bool(a) or not b"],
)  # fmt: skip
def test_sets_that_may_be_empty(operation, type):
    """A default makes an empty set of Python, whose elements have no class yet."""
    check(f"def f(x, y):\n    a, b = set(x or []), set(y or ())\n    return {operation}\n", (type, type), rows=PAIRS[type])


def test_operators_of_an_empty_set_and_a_list():
    with pytest.raises(Refusal) as refused:
        check("lambda x, y: len(set(x or []) & (y or []))", ("list<str>", "list<str>"), rows=PAIRS["list<str>"])
    assert refused.value.code == "SW282"


@pytest.mark.parametrize(
    "source",
    ["lambda x, y: len(set(x) & set(y)) / (len(set(x) | set(y)) or 1)", "lambda x, y: len(set(x).intersection(y))",
     "lambda x, y: sorted(set(x) - {'a', 'b'})", "lambda x, y: sorted({'a', 'zz', 'q'} - set(y))",
     "lambda x, y: sorted(set(x) & KNOWN | {'m'})", "lambda x, y: set(x) == {'a', 'b'} or KNOWN >= set(y)",
     "lambda x, y: sorted(list(set([w.upper() for w in x])))", "lambda x, y: max(list(set(x)), default='')",
     "lambda x, y: 'a' in list(set(x)) and len(list(set(y))) > 1"],
)  # fmt: skip
def test_sets_with_constants_and_lists(source):
    check(source, ("list<str>", "list<str>"), rows=PAIRS["list<str>"], KNOWN={"a", "b", "c"})


def test_sets_of_characters():
    rows = list(itertools.product(["", "a", "abc", "éa", "aab", "xyz"], repeat=2))
    check("lambda a, b: len(set(a) & set(b.lower())) - len(set(a) | set(b))", ("str", "str"), rows=rows)
    check("lambda a, b: ''.join(sorted(set(a))) + ','.join(list(b))", ("str", "str"), rows=rows)


KEPT = """def f(a):
    kept, digits = set("abcé"), set(["1", "2"])
    return "".join([c for c in a if c.lower() in kept or c in digits]) if a else "none"
"""


def test_sets_of_constants_that_a_function_makes():
    check(KEPT, ("str",), rows=[("",), ("a-b-C",), ("É1é23",), ("xyz",), ("12" * 40,)])


FILLED = {
    "duplicates are dropped in order": """def f(x):
    seen, made = set(), []
    for w in x:
        if w not in seen:
            seen.add(w)
            made.append(w)
    return made
""",
    "a number for each": """def f(x):
    seen = set()
    n = 0
    for w in x:
        n += w in seen
        seen.add(w)
    return 100 * n + len(seen)
""",
    "two names": """def f(x):
    seen = set()
    known = seen
    for w in x:
        seen.add(w)
    return len(known) * 10 + len(sorted(known))
""",
    "the first that repeats": """def f(x):
    seen = set()
    for w in x:
        if w in seen:
            return w
        seen.add(w)
    return None
""",
    "operators": """def f(x):
    seen = set()
    for w in x[1:]:
        seen.add(w)
    return len(seen & set(x)) if seen else -1
""",
}


@pytest.mark.parametrize("type", PAIRS)
@pytest.mark.parametrize("source", FILLED.values(), ids=FILLED)
def test_sets_that_a_loop_fills(source, type):
    check(source, (type,), rows=[(x,) for x in (WORDS if type == "list<str>" else NUMBERS)])


def test_a_filled_set_may_start_with_elements():
    source = "def f(x):\n    s = {'a'}\n    for w in x:\n        s.add(w)\n    return len(s)\n"
    check(source, ("list<str>",), rows=[(x,) for x in WORDS])


@pytest.mark.parametrize(
    ("source", "type"),
    [
        ("lambda x: max(x, key=len)", "list<str>"),
        ("lambda x: min(x, key=lambda w: (len(w), w)[0])", "list<str>"),
        ("lambda x: max(x.split(','), key=len)", "str"),
        ("lambda x: max(x, key=abs) - min(x, key=lambda v: v % 3)", "list<i64>"),
        ("lambda x: max(x, key=None)", "list<i64>"),
    ],
)
def test_the_largest_by_a_key(source, type):
    check(source, (type,), rows=[(x,) for x in {"list<str>": WORDS, "list<i64>": NUMBERS}.get(type, ["", "a,bb,cc", ",", "b,a"])])


@pytest.mark.parametrize(
    ("source", "type", "code"),
    [
        ("lambda x: list(set(x))", "list<str>", "SW293"),  # in the order of hashes
        ("lambda x: ','.join(set(x) & {'a'})", "list<str>", "SW282"),
        ("lambda x: len(set(x) & {1.0})", "list<f64>", "SW282"),  # 0.0 and -0.0 are equal and differ
        ("lambda x: list(set(x)) == list(set(x[1:]))", "list<str>", "SW282"),
        ("def f(x):\n    s = set(x)\n    s |= {'a'}\n    return len(s)\n", "list<str>", "SW282"),
        ("def f(x):\n    s = set()\n    for w in x:\n        s.add(w)\n    return [w for w in s]\n", "list<str>", "SW282"),
        ("def f(x):\n    s = set()\n    for w in x:\n        s.add(w)\n    return len(s)\n", "list<f64>", "SW282"),
    ],
)
def test_refused_sets(source, type, code):
    with pytest.raises(Refusal) as refused:
        traced(function_of(source), (type,))
    assert refused.value.code == code


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    s = frozenset('a zz'.split())\n    return [w for w in x if w not in s]\n",
        "def f(x):\n    s = frozenset(['a', 'b'])\n    n = 0\n    for w in x:\n        n += w in s\n    return n\n",
        "def f(x):\n    s, n = frozenset('ac' if len(x) > 1 else 'b'), 0\n    for w in x:\n        n += w in s\n    return n\n",
        "def f(x):\n    s, n = frozenset([1, 2]), 0\n    for w in x:\n        n += len(w) in s\n    return n\n",
    ],
)
def test_constant_frozensets_in_loops(source):
    check(source, ("list<str>",), rows=[(x,) for x in WORDS])
