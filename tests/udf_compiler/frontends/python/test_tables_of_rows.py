"""Compares functions that assign to the elements of lists of lists, and of long lists, with PySpark's worker."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, IntegerType, LongType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

WORDS = ["", "a", "ab", "kitten", "sitting", "abcbad", "éa日a", "aabbcca", "x" * 14]
TEXTS = [pa.record_batch({"s": pa.array([s for s in WORDS for _ in WORDS]), "t": pa.array(WORDS * len(WORDS))})]
COUNTS = [0, 1, 2, 3, 5, -4, 7, 1], [0, 2, 1, -3, 6, 5, 3, 0]
NUMBERS = [pa.record_batch({name: pa.array(values, pa.int32()) for name, values in zip("nm", COUNTS, strict=True)})]
LISTS = [
    pa.record_batch({
        "w": pa.array([[1, 2, 3], [], [5, 1]]), "v": pa.array([[6, 10, 12], [], [3, 4]]), "c": pa.array([5, 3, 6]),
    })
]  # fmt: skip


def edit_distance(s, t):
    m, n = len(s), len(t)
    d = [[0] * (n + 1) for _ in range(m + 1)]
    for i in range(m + 1):
        d[i][0] = i
    for j in range(n + 1):
        d[0][j] = j
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            cost = 0 if s[i - 1] == t[j - 1] else 1
            d[i][j] = min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost)
    return d[m][n]


def with_transpositions(s, t):
    d = [[i + j if i * j == 0 else 0 for j in range(len(t) + 1)] for i in range(len(s) + 1)]
    for i in range(1, len(s) + 1):
        for j in range(1, len(t) + 1):
            d[i][j] = min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + int(s[i - 1] != t[j - 1]))
            if i > 1 and j > 1 and s[i - 1] == t[j - 2] and s[i - 2] == t[j - 1]:
                d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1)
    return d[-1][-1]


def alignment(s, t):
    score = [[0 for _ in range(len(t) + 1)] for _ in range(len(s) + 1)]
    for i in range(len(s) + 1):
        for j in range(len(t) + 1):
            if i == 0 or j == 0:
                score[i][j] = -2 * (i + j)
            else:
                diagonal = score[i - 1][j - 1] + (1 if s[i - 1] == t[j - 1] else -1)
                score[i][j] = max(diagonal, score[i - 1][j] - 2, score[i][j - 1] - 2)
    return score[len(s)][len(t)]


def longest_palindrome(s, t):
    size = len(s)
    inside = [[False] * size for _ in range(size)]
    best = min(size, 1)
    for i in range(size):
        inside[i][i] = True
    for length in range(2, size + 1):
        for i in range(size - length + 1):
            j = i + length - 1
            if s[i] == s[j] and (length == 2 or inside[i + 1][j - 1]):
                inside[i][j] = True
                best = max(best, length)
    return best


@pytest.mark.nightly_cases("with_transpositions", "alignment", "longest_palindrome")
@pytest.mark.parametrize("function", [edit_distance, with_transpositions, alignment, longest_palindrome])
def test_tables_of_two_strings(function):
    compared = compare_with_worker(function, TEXTS, IntegerType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


def common_substring(s, t):
    table = [[0] * (1 + len(t)) for _ in range(1 + len(s))]
    longest, end = 0, 0
    for i in range(1, 1 + len(s)):
        for j in range(1, 1 + len(t)):
            if s[i - 1] == t[j - 1]:
                table[i][j] = table[i - 1][j - 1] + 1
                if table[i][j] > longest:
                    longest, end = table[i][j], i
    return s[end - longest : end]


def common_subsequence(s, t):
    table = [[""] * (len(t) + 1) for _ in range(len(s) + 1)]
    for i in range(1, len(s) + 1):
        for j in range(1, len(t) + 1):
            if s[i - 1] == t[j - 1]:
                table[i][j] = table[i - 1][j - 1] + s[i - 1]
            else:
                table[i][j] = max(table[i - 1][j], table[i][j - 1], key=len)
    return table[-1][-1]


@pytest.mark.nightly_cases("common_subsequence")
@pytest.mark.parametrize("function", [common_substring, common_subsequence])
def test_tables_of_numbers_and_strings(function):
    compared = compare_with_worker(function, TEXTS, StringType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


def knapsack(w, v, c):
    best = [[0 for _ in range(c + 1)] for _ in range(len(w) + 1)]
    for i in range(1, len(w) + 1):
        for room in range(c + 1):
            best[i][room] = best[i - 1][room]
            if w[i - 1] <= room:
                best[i][room] = max(best[i][room], v[i - 1] + best[i - 1][room - w[i - 1]])
    return best[-1][c]


def test_a_table_of_lists():
    compared = compare_with_worker(knapsack, LISTS, LongType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


def similarity(s, t):
    score, best = [[0.0] * (len(t) + 1) for _ in range(len(s) + 1)], 0.0
    for i in range(1, len(s) + 1):
        score[i][0] = score[i - 1][0] + 0.1
        for j in range(1, len(t) + 1):
            score[i][j] = max(score[i - 1][j - 1] + (1.0 if s[i - 1] == t[j - 1] else -0.3), score[i - 1][j] - 0.5, 0.0)
            best = max(best, score[i][j])
    return best + max(max(row) for row in score)


def test_a_table_of_floats():
    compared = compare_with_worker(similarity, TEXTS, DoubleType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


def names_of_a_row(n, m):
    d = [[j + 1 for j in range(abs(m) + 1)] for _ in range(abs(n) + 1)]
    row = d[-1]
    row[0] = 5
    d[0][-1] = row[0] + d[abs(n)][0]
    other = row
    other[0] += 3
    return d[-1][0] * 1000 + d[0][-1] + sum(row) + max(d[0])


def a_row_that_joins(n, m):
    d = []
    for i in range(abs(n) + 1):
        row = [i] * (abs(m) + 1)
        d.append(row)
        row[0] = 7
        d[i][-1] += 9
    return d[0][0] * 100 + d[-1][-1] + row[-1]


def slices_are_copies(n, m):
    d = [[0] * (abs(m) + 2) for _ in range(abs(n) + 2)]
    before = d[0][:]
    d[0][1] = 4
    return sum(before) * 100 + sum(d[0][1:]) + len(d[0][:1])


def equal_tables(n, m):
    a = [[0] * (abs(m) + 2) for _ in range(abs(n) + 2)]
    b = [[0] * (abs(m) + 2) for _ in range(abs(n) + 2)]
    a[0][0] = 1
    b[0][0] = 2
    a[1][1] = b[0][0]
    return a[0][0] * 100 + b[0][0] * 10 + a[1][1] + b[1][1]


def equal_lists(n, m):
    a, b = [0] * (abs(n) + 2), [0] * (abs(n) + 2)
    c = a
    a[0] = 1
    b[0] = 2
    c[1] = 8
    return a[0] * 1000 + b[0] * 100 + a[1] * 10 + b[1]


def outside_of_it(n, m):
    d = [[1] * 3 for _ in range(abs(n) + 1)]
    try:
        d[m][n] = 4
    except IndexError:
        d[0][0] = 100
    return d[0][0] + d[-1][-1]


def loops_over_rows(n, m):
    d = [[i] * abs(m) for i in range(abs(n))]
    for i, row in enumerate(d):
        for j in range(len(row)):
            row[j] += i * j
    total = 0
    for row in d:
        for x in row:
            total += x
        total += len(row)
    return total + sum(x for row in d for x in row) * 1000


def reads_before_and_after(n, m):
    d = [[3] * 4 for _ in range(abs(n) + 1)]
    old, x = d[0][0], d[-1][1]
    d[0][0] = 8
    d[-1][1] = old + 1
    y = d[0][0]
    if n > 1:
        d[0][0] = 1
        return old * 1000 + x * 100 + y * 10 + d[0][0]
    return old * 1000 + x * 100 + y * 10 + d[-1][1]


def swaps(n, m):
    d = [[i, i + 1, 5] for i in range(abs(n) + 1)]
    for i in range(abs(n)):
        d[i][0], d[i][1] = d[i][1], d[i][0]
        d[i][2] += d[i][0] if m > 1 else min(d[i][1], m)
    return d[0][0] * 100 + d[0][1] * 10 + d[0][2]


def new_lists_in_a_loop(n, m):
    best, last = 0, [0] * 2
    for k in range(abs(n)):
        now = [0] * 2
        now[1] = k
        now[0] = last[1]
        last, now = now, last
        d = [[k] * 2 for _ in range(2)]
        d[0][0] += 1
        best += last[0] * 100 + now[1] + d[0][0] + d[1][0]
    return best


def first_of(d, i):
    return d[i][0]


def of_a_helper(n, m):
    d = [[1] * 2 for _ in range(abs(n) + 1)]
    d[0][0] = m
    return first_of(d, 0) * 10 + first_of(d, -1)


SHARING = [
    names_of_a_row, a_row_that_joins, slices_are_copies, equal_tables, equal_lists, outside_of_it, loops_over_rows,
    reads_before_and_after, swaps, new_lists_in_a_loop, of_a_helper,
]  # fmt: skip


@pytest.mark.nightly_cases("a_row_that_joins", "loops_over_rows", "swaps", "of_a_helper")
@pytest.mark.parametrize("function", SHARING)
def test_names_of_one_list_see_its_changes(function):
    compared = compare_with_worker(function, NUMBERS, LongType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


def products(n, m):
    d = [[0] * abs(m) for _ in range(abs(n))]
    for i in range(abs(n)):
        for j in range(abs(m)):
            d[i][j] = i * j
    return d


def test_a_table_as_the_result():
    compared = compare_with_worker(products, NUMBERS, ArrayType(ArrayType(IntegerType())), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


def pascal(n, m):
    d = [[1] * (i + 1) for i in range(abs(n) + 1)]
    for i in range(2, abs(n) + 1):
        for j in range(1, i):
            d[i][j] = d[i - 1][j - 1] + d[i - 1][j]
    return d[-1]


def test_a_row_as_the_result():
    compared = compare_with_worker(pascal, NUMBERS, ArrayType(IntegerType()), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


def ways_to_pay(n, m):
    ways = [0] * (abs(n) * 100 + 1)
    ways[0] = 1
    for coin in (1, 2, 5, 10, 20, 50):
        for amount in range(coin, len(ways)):
            ways[amount] = (ways[amount] + ways[amount - coin]) % 1_000_007
    return ways[-1]


def test_long_lists_change_in_place():
    compared = compare_with_worker(ways_to_pay, NUMBERS, LongType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


def one_row_repeated(n, m):
    d = [[0] * abs(n)] * abs(m)
    d[0][0] = 1
    return d[-1][0]


def one_row_twice(n, m):
    row, d = [0] * (abs(m) + 1), []
    for i in range(abs(n)):
        d.append(row)
        d[i][0] = i
    return d[0][0] if d else -1


def display_of_names(n, m):
    a, b = [0] * (abs(n) + 2), [0] * (abs(n) + 2)
    d = [a, b]
    d[1][1] += 5
    return b[1]


def shallow_copy(n, m):
    d = [[0] * (abs(m) + 2) for _ in range(abs(n) + 2)]
    e = d[:]
    e[0][1] = 4
    return d[0][1]


def row_that_another_replaces(n, m):
    d = [[0] * 2 for _ in range(abs(n) + 1)]
    row = d[0]
    d[0] = [1, 2]
    row[0] = 5
    return d[0][0]


def row_that_grows(n, m):
    d = [[0] * 2 for _ in range(abs(n) + 1)]
    d[0].append(5)
    d[0][0] = 2
    return sum(d[0])


def row_in_a_tuple(n, m):
    d = [[i] * 2 for i in range(abs(n) + 2)]
    rows = (d[0], d[1])
    rows[0][0] = 4
    return d[0][0]


def row_that_is_found(n, m):
    d = [[i] * 2 for i in range(abs(n) + 2)]
    row = next(r for r in d if r[0] == 1)
    d[1][0] = 60
    return row[0]


def _changes(row):
    row[0] = 77
    return 1


def row_of_a_helper(n, m):
    d = [[1] * 2 for _ in range(abs(n) + 1)]
    d[0][0] = m
    _changes(d[0])
    return d[0][0]


def other_class(n, m):
    d = [[0] * 3 for _ in range(abs(n) + 1)]
    d[0][0] = 0.5
    return int(d[0][0] * 4)


REFUSED = {
    one_row_repeated: "SW262", one_row_twice: "SW256", display_of_names: "SW256", shallow_copy: "SW256",
    row_that_another_replaces: "SW282",
    row_that_grows: "SW222", row_in_a_tuple: "SW256", row_that_is_found: "SW256", row_of_a_helper: "SW256", other_class: "SW256",
}  # fmt: skip


@pytest.mark.parametrize("function", REFUSED)
def test_other_tables_are_refused(function):
    assert compare_with_worker(function, NUMBERS, LongType(), ARROW_BATCHED).refused == REFUSED[function]
