"""Checks row values as keys: dicts and sets by [], get and in return Python's results, or are refused."""

from __future__ import annotations

import datetime

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

TABLE = {1: 10, 2: 20.5, -1: 7, 64: None, 2.5: 3}
NAMES = {"a": "first", "abc": "second", "": "none", "é": "accent", "12": "number"}
CODES = {1, 7, 25}


class Scorer:
    def __init__(self) -> None:
        self.weights = {1: 0.5, 2: 0.25}

    def score(self, a):
        return self.weights.get(a, 0.0)


SCORER = Scorer()

NUMBERS = [
    "TABLE.get(a, -5)", "TABLE.get(a)", "TABLE[a] if a in TABLE else 'no'", "a in CODES", "a not in {1, 2, 3}",
    "{1: 'x', 3: 'y'}.get(a, 'z')",
    "{1: 'x'}[a]", "TABLE[a]", "TABLE.get(a + 1, a)", "{1: a, 2: -a}.get(a, 0)", "SCORER.score(a)", "SCORER.weights.get(a, 1.0)",
    "dict([(1, 2)]).get(a)", "TABLE.get(a if a > 1 else 1)",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["i64", "f64", "bool"])
@pytest.mark.parametrize("source", NUMBERS)
def test_numbers(kind, source):
    check(f"lambda a: {source}", (kind,), needless=1, TABLE=TABLE, CODES=CODES, SCORER=SCORER)


DAYS = {datetime.date(1970, 1, 1), datetime.date(2024, 2, 29), datetime.date(9999, 12, 31)}
SEASONS = {datetime.date(2021, 1, 3): "winter", datetime.date(1900, 3, 1): "spring", "none": "?"}


@pytest.mark.parametrize(
    "source", ["a in DAYS", "SEASONS.get(a, 'other')", "a not in DAYS and a.day > 1", "SEASONS[a] if a in SEASONS else None",
               "(a, 1) in DATED"],
)  # fmt: skip
def test_dates(source):
    check(f"lambda a: {source}", ("date",), DAYS=DAYS, SEASONS=SEASONS, DATED={(day, 1): 0 for day in DAYS})


def test_a_time_equals_no_date():
    check("lambda a: a in DAYS", ("ts",), DAYS=DAYS)


@pytest.mark.parametrize("source", ["{a: 1}.get(2, 0)", "{a: 'x', 3: 'y'}[3]"])
def test_keys_of_the_row_in_a_new_dict(source):
    check(f"lambda a: {source}", ("i64",), TABLE=TABLE)


def test_containers_that_the_code_does_not_show_are_refused():
    with pytest.raises(Refusal, match="SW601"):
        check("lambda a: {a + 0.5: 1}.get(2.5, 0)", ("f64",), TABLE=TABLE)


POSITIONS = [
    "LETTERS[a % 3]", "LETTERS[a] if 0 <= a < 3 else None", "('no', 'yes')[a > 0]", "len(LETTERS[a % 2])", "PAIRS[a % 2][1]",
]  # fmt: skip


@pytest.mark.parametrize("source", POSITIONS)
def test_positions_in_constant_sequences(source):
    check(f"lambda a: {source}", ("i64",), LETTERS=["a", "", "éß"], PAIRS=[(1, "one"), (2, "two")])


TEXTS = [
    "NAMES.get(a, a)", "NAMES[a.strip()]", "a in NAMES", "NAMES.get(a)", "{'a': 1, 'abc': 2}.get(a, 0) + len(a)",
    "a in {'a', 'x=1;y=2'}",
    "NAMES.get(a.lower(), 'no') + NAMES.get(a[:1], '')", "TABLE.get(a, 'no')",
]  # fmt: skip


@pytest.mark.parametrize("source", TEXTS)
def test_strings(source):
    check(f"lambda a: {source}", ("str",), NAMES=NAMES, TABLE=TABLE)


FUNCTIONS = [
    "def f(a):\n    rates = {'a': 0.5, 'abc': 2.5}\n    return 2 * rates.get(a.strip(), 0.15)",
    "def f(a):\n    try:\n        return NAMES[a]\n    except KeyError:\n        return None",
    "def f(a):\n    rates = {k: len(k) for k in ('a', 'abc')}\n    return rates[a] if a in rates else -1",
    "def f(a):\n    if a is None:\n        return 'missing'\n    return NAMES.get(a, 'other')",
]


@pytest.mark.parametrize("source", FUNCTIONS)
def test_functions(source):
    check(source, ("str?",) if "None:" in source else ("str",), NAMES=NAMES)


HOLIDAYS = {(1, 1), (7, 4), (12, 25)}
MARKED = {(month, 10 + month) for month in range(1, 13)} | {(2, 29), "none", (1,), (1, "x"), (2**70, 1), (1, 3)}


@pytest.mark.parametrize("source", ["(a.month, a.day) in HOLIDAYS", "(a.month, a.day) not in MARKED", "(1, a.day) in MARKED"])
def test_sets_of_tuples(source):
    check(f"lambda a: {source}", ("date",), HOLIDAYS=HOLIDAYS, MARKED=MARKED)


NAMED = ["(a[:1], len(a)) in NAMED", "(len(a), 'a') in NAMED", "(a, None) in {('abc', None), ('é', 1)}"]


@pytest.mark.parametrize("source", NAMED)
def test_sets_of_tuples_of_strings(source):
    many = {(c, n) for n, c in enumerate("abcé1" * 9)} | {(1, "a"), (5, "b"), ("\ud800", 1)}
    check(f"lambda a: {source}", ("str",), NAMED=many)


@pytest.mark.parametrize("kind", [tuple, list])
def test_long_sequences(kind):
    """A tuple or a list of more constants than paths is looked up as a set is, but a float still equals an int."""
    named, numbered = kind(str(i) for i in range(-100, 100)), kind(range(-100, 100))
    for source in ("def f(a):\n    if a in LONG:\n        return 'known'\n    return 'new'", "lambda a: a not in LONG or a == 7"):
        check(source, ("str",), LONG=named)
        check(source, ("i64",), LONG=numbered)
        check(source, ("i64",), LONG=kind([*numbered, "none", 2**70]))
    with pytest.raises(Refusal, match="SW290"):
        check("lambda a: a in LONG", ("i64",), LONG=kind([*numbered, 0.5]))


def test_orders_of_sets_of_tuples():
    """The order of tuples with strings depends on hashes, which differ between processes."""
    with pytest.raises(Refusal, match="SW216"):
        check("lambda a: len([x for x, _ in NAMED if x == a])", ("str",), NAMED={("a", 1), ("b", 2)})
    with pytest.raises(Refusal, match="SW216"):
        check("lambda a: (a, 1) in NAMED", ("str",), NAMED={("a", frozenset("b"))})
