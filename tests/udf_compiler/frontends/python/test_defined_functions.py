"""Compares lambdas and nested functions over a row's list, as in reduce, map and filter, with PySpark's worker."""

# ruff: noqa: C417 - the calls of map are what is tested

from __future__ import annotations

import functools
import itertools
import operator
from functools import reduce
from itertools import accumulate, chain

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, LongType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

NUMBERS = [pa.record_batch({"x": pa.array([[4, 1, 3], [7], [-2, 90_000, 5, 0], [0, 0, 2**40]], pa.list_(pa.int64()))})]
ODD = [pa.record_batch({"x": pa.array([[], None, [2**62, 2**62], [1]], pa.list_(pa.int64()))})]
WORDS = [pa.record_batch({"s": pa.array(["late Fees, apply", "", None, "a bc  d", "Über ß"])})]
FACTOR = 3


def checksum(x):
    return reduce(lambda total, item: (total * 31 + item) % 65_521, x)


def total(x):
    return functools.reduce(operator.add, x, 10)


def largest(x):
    def larger(a, b):
        return a if a > b else b

    return reduce(larger, x)


def by_own_constant(x):
    base = 7
    return reduce(lambda a, b: (a * base + b) % 1000, x, 1)


def of_known_values(x):
    count = 0
    for _ in x:
        count += 1
    return reduce(lambda a, b: a - b, [count, 1, 2])


def sum_of_squares(x):
    return sum(map(lambda v: v * v * FACTOR, filter(lambda v: v < 100, x)))


def loop_over_a_map(x):
    made = 0
    for value in map(abs, x):
        made += value
    return made + len(list(filter(None, x)))


@pytest.mark.parametrize(
    "function", [checksum, total, largest, by_own_constant, of_known_values, sum_of_squares, loop_over_a_map]
)
def test_numbers(function):
    compared = compare_with_worker(function, NUMBERS, LongType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    assert not compare_with_worker(function, ODD, LongType(), ARROW_BATCHED, kernel=True).refused


def test_lists():
    def doubled(x):
        return list(map(lambda v: v * 2, x)) if x else None

    def positive(x):
        return [v + 1 for v in filter(lambda v: v > 0, x)] if x else None

    def running(x):
        return list(itertools.accumulate(x)) if x else []

    def running_largest(x):
        return list(accumulate(x, max))

    def running_by(x):
        return [v % 1000 for v in accumulate(x, lambda a, b: (a * 7 + b) % 9973)]

    def both(x):
        return list(itertools.chain(x, x[:2]))

    def three(x):
        return [v for v in chain(x, x, x[1:]) if v != 0]

    for function in (doubled, positive, running, running_largest, running_by, both, three):
        compared = compare_with_worker(function, NUMBERS + ODD, ArrayType(LongType()), ARROW_BATCHED, kernel=True)
        assert not compared.refused and compared.decided, compared


def chain_of_a_list_that_grows(x):
    made = []
    for v in itertools.chain(x, made):
        if v > 0 and len(made) < 50:
            made.append(v - 1)
    return made


def map_over_a_list_that_grows(x):
    made = [v for v in x]  # noqa: C416
    for v in map(lambda v: v - 1, made):
        if v > 0 and len(made) < 50:
            made.append(v)
    return made


def running_of_a_list_that_grows(x):
    made = [v for v in x]  # noqa: C416
    for v in accumulate(made):
        if len(made) < 6:
            made.append(v % 5)
    return made


def map_with_a_variable_that_changes(x):
    k, made = 1, []
    for v in map(lambda v: v * k, x):
        k += 1
        made.append(v)
    return made


def zip_of_a_map_with_a_variable_that_changes(x):
    k, made = 1, []
    for v, w in zip(map(lambda v: v + k, x), x):  # noqa: B905
        k += 1
        made.append(v + w)
    return made


@pytest.mark.parametrize(
    "function",
    [
        chain_of_a_list_that_grows, map_over_a_list_that_grows, running_of_a_list_that_grows, map_with_a_variable_that_changes,
        zip_of_a_map_with_a_variable_that_changes,
    ],
)  # fmt: skip
def test_iterators_read_lists_and_variables_as_they_advance(function):
    small = [pa.record_batch({"x": pa.array([[1, 2, 3], [], [5]], pa.list_(pa.int64()))})]
    assert compare_with_worker(function, small, ArrayType(LongType()), ARROW_BATCHED).refused == "SW282"


def joined(s):
    return "-".join(map(lambda word: word.upper(), s.split())) if s else s


def kept(s):
    return " ".join(filter(lambda word: len(word) > 1, s.split())) if s else s


def cleaned(s):
    def clean(word):
        return word.strip(",").lower()

    words = []
    for word in (s or "").split():
        words.append(clean(word))
    return " ".join(words)


@pytest.mark.parametrize("function", [joined, kept, cleaned])
def test_strings(function):
    compared = compare_with_worker(function, WORDS, StringType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


def of_captured_objects():
    """Returns functions with helpers that read variables around them: a module, a list, and constants of their own."""
    import math as mm

    common = ["a", "bc"]

    def is_number(s):
        def number(v):
            try:
                found = float(v)
                if mm.isnan(found):
                    return ""
                if found <= 0:
                    return ""
            except (ValueError, TypeError):
                pass
            return "x"

        return "yes" if number(s) and number((s or "")[1:]) else "no"

    def common_words(s):
        def is_common(word):
            return word in common

        return "-".join(word for word in (s or "").split() if is_common(word)) + str(sum(is_common(w) for w in (s or "").split()))

    def by_own_table(s):
        names, times = {"a": "one", "d": "two"}, 2

        def name(word):
            return names.get(word, word) * times

        made = []
        for word in (s or "").split():
            made.append(name(word))
        for word in (s or "").split(","):
            made.append(name(word))
        return "|".join(made)

    def with_placeholders(s):
        unknown = {None, "-1", "", "a bc  d"}

        def length(v):
            if v in unknown:
                return 0.5
            try:
                return max(float(v), 0.0)
            except (TypeError, ValueError):
                return float(len(v))

        return str(max(length(s), length((s or "")[2:4]), length((s or "")[1:3])))

    return is_number, common_words, by_own_table, with_placeholders


@pytest.mark.nightly_cases("with_placeholders")
@pytest.mark.parametrize("function", of_captured_objects(), ids=lambda f: f.__name__)
def test_helpers_with_variables_that_do_not_change(function):
    rows = [*WORDS, pa.record_batch({"s": pa.array(["1", "12", "-1", "nan", "a1", "nan4", " 7 ", None, "x-1", "d,a", "a bc"])})]
    compared = compare_with_worker(function, rows, StringType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 2, compared


def assigns_again(x):
    base = 7

    def step(a):
        return a * base

    total = 0
    for v in x:
        total += step(v)
        base = 8
    return total


def assigns_to_a_parameter(x, base=2):
    def step(a):
        return a * base

    base = 3
    total = 0
    for v in x:
        total += step(v)
    return total


def assigns_in_the_helper(x):
    count = 0

    def step():
        nonlocal count
        count += 1

    step()
    total = count
    for v in x:
        total += v
    return total


def changes_the_table(x):
    table = {1: 10}

    def score(v):
        return table.get(v, v)

    total = 0
    for v in x:
        table[3] = 30
        total += score(v)
    return total


@pytest.mark.parametrize(
    ("function", "code"),
    [(assigns_again, "SW280"), (assigns_to_a_parameter, "SW280"), (assigns_in_the_helper, "SW280"), (changes_the_table, "SW282")],
)
def test_helpers_with_variables_that_change(function, code):
    compared = compare_with_worker(function, NUMBERS, LongType(), ARROW_BATCHED, kernel=True)
    assert compared.refused == code, compared


def read_twice(x):
    items = map(lambda v: v + 1, x)
    return sum(items) + sum(items)  # the second sum is 0


def length_of_a_map(x):
    return len(map(lambda v: v, x))


def with_defaults(x):
    return reduce(lambda a, b, c=2: a * c + b, x)


def kept_function(x):
    base = 7
    step = lambda a, b: a * base + b  # noqa: E731
    base = 8
    return reduce(step, x)


@pytest.mark.parametrize("function", [read_twice, length_of_a_map, with_defaults, kept_function])
def test_what_is_refused(function):
    assert compare_with_worker(function, NUMBERS, LongType(), ARROW_BATCHED).refused in ("SW280", "SW282", "SW299", "SW223")


def test_a_comprehension_over_a_nullable_list_calls_a_helper():
    common = ["a", "d"]

    def is_common(word):
        return word.lower() in common

    def clean(word):
        if word and not is_common(word):
            word = word.strip(",").title()
        return word

    def cleaned_words(x):
        return [clean(word) for word in x]

    rows = [pa.record_batch({"x": pa.array([["late", "A", "fees,", ""], [], ["d"]])})]
    compared = compare_with_worker(cleaned_words, rows, ArrayType(StringType()), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    rows = [pa.record_batch({"x": pa.array([["late"], None])}), pa.record_batch({"x": pa.array([["late", None, "b"]])})]
    compared = compare_with_worker(cleaned_words, rows, ArrayType(StringType()), ARROW_BATCHED, kernel=True)
    assert not compared.refused and (compared.flagged, compared.raised) == (2, 1), compared


def factorial(x):
    def of(n: int) -> int:
        return 1 if n <= 1 else n * of(n - 1)

    return of(len(x))


def fibonacci(x):
    of = lambda n: n if n < 2 else of(n - 1) + of(n - 2)  # noqa: E731
    return of(len(x))


def with_default(x):
    def of(n, depth=0):
        return depth if n < 1 else of(n - 1, depth + 1)

    return of(len(x))


@pytest.mark.parametrize("function", [factorial, fibonacci, with_default])
def test_a_recursive_function_within_another_is_refused_at_once(function):
    """A search of all paths would take a long time, as each path ends at another depth."""
    assert compare_with_worker(function, NUMBERS, LongType(), ARROW_BATCHED).refused == "SW285"
