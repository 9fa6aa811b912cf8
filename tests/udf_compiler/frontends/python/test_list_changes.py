"""Compares functions that change lists of their own with PySpark's worker, and refuses changes of lists that others may see."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, BooleanType, DoubleType, IntegerType, LongType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

LONGS = [[3, 1, 2], [5], [], None, [1, 1, 2, 9, -4], [7, 7], [None, 1], [2**62, -(2**63)]]
BATCHES = [
    pa.record_batch({
        "xs": pa.array(LONGS, pa.list_(pa.int64())), "n": pa.array([0, 1, -1, 2, 4, 1, 0, 1], pa.int64()),
        "s": pa.array(["b,a,c", "", None, "x", ",", "é,b", "a,a", "z"]),
        "d": pa.array([[0.5, -0.0, 0.0], [float("nan"), 1.0], [], None, [2.0], [1e308], [None], [3.0]], pa.list_(pa.float64())),
    }),
]  # fmt: skip
INTEGERS, STRINGS, FLOATS = ArrayType(LongType()), ArrayType(StringType()), ArrayType(DoubleType())


def letter_counts(xs, n, s, d):
    counts = [0] * 26
    for c in (s or "").lower():
        if "a" <= c <= "z":
            counts[ord(c) - 97] += 1
    return counts


def marks(xs, n, s, d):
    made = [0] * 5
    for x in xs or []:
        made[x % 5] = x
    return made


def by_an_index_of_the_row(xs, n, s, d):
    made = [10, 20, 30]
    made[n] = 99
    return made


def copied(xs, n, s, d):
    if xs is None:
        return None
    made = list(xs)
    for i in range(len(made)):
        if made[i] < 2:
            made[i] = 0
    return made + xs


def bubbles(xs, n, s, d):
    made = xs[:] if xs else []
    for i in range(len(made)):
        for j in range(len(made) - 1 - i):
            if made[j] > made[j + 1]:
                made[j], made[j + 1] = made[j + 1], made[j]
    return made


def two_names(xs, n, s, d):
    if not xs:
        return []
    a = list(xs)
    b = a
    c = a[:]
    b[0] = 100
    b.append(7)
    return a + b + c


def one_hot(xs, n, s, d):
    size = 4 if n is None else abs(n) + 2
    made = [0] * size
    for x in xs or []:
        if 0 <= x < size:
            made[x] = 1
    return made


def takes_the_last(xs, n, s, d):
    if not xs:
        return None
    made = list(xs)
    last = made.pop()
    return [last, len(made), *made]


def sorts(xs, n, s, d):
    made = list(xs or [])
    made.sort(reverse=True)
    made.reverse()
    return made


def inserts(xs, n, s, d):
    if not xs:
        return []
    made = list(xs)
    made.insert(n, 42)
    made.insert(100, -1)
    return made


def removes(xs, n, s, d):
    made = list(xs or [])
    if 1 in made:
        made.remove(1)
    del made[0]
    return made


def clears(xs, n, s, d):
    made = list(xs or [])
    if len(made) > 2:
        made.clear()
    made.append(len(made))
    return made


def unpacked(xs, n, s, d):
    made = [0] * 3
    p, q = map(len, (s or "a,b").split(",")[:2])
    made[p % 3] += q
    return made


@pytest.mark.parametrize("function", [
    letter_counts, marks, by_an_index_of_the_row, copied, bubbles, two_names, one_hot, takes_the_last, sorts,
    inserts, removes, clears, unpacked,
])  # fmt: skip
def test_integers(function):
    compared = compare_with_worker(function, BATCHES, INTEGERS, ARROW_BATCHED, kernel=True)
    assert not compared.refused, compared


def trims(xs, n, s, d):
    parts = (s or "").split(",")
    while parts and parts[0] == "":
        parts.pop(0)
    while parts and parts[-1] == "":
        parts.pop()
    return parts


def sorts_words(xs, n, s, d):
    words = (s or "").split(",")
    words.sort()
    words[0] = words[0].upper()
    return words


def swaps(xs, n, s, d):
    words = (s or "").split(",")
    words[0], words[-1] = words[-1], words[0]
    return words


@pytest.mark.parametrize("function", [trims, sorts_words, swaps])
def test_strings(function):
    compared = compare_with_worker(function, BATCHES, STRINGS, ARROW_BATCHED, kernel=True)
    assert not compared.refused, compared


def of_floats(xs, n, s, d):
    made = list(d or [])
    made.sort()
    if made:
        made[0] = made[-1] * 2
    return made


def test_floats():
    compared = compare_with_worker(of_floats, BATCHES, FLOATS, ARROW_BATCHED, kernel=True)
    assert not compared.refused, compared


def balanced(xs, n, s, d):
    stack, pairs = [], {")": "(", "]": "["}
    for c in (s or "").replace("a", "(").replace("b", ")").replace(",", "["):
        if c in "([":
            stack.append(c)
        elif c in pairs and (not stack or stack.pop() != pairs[c]):
            return False
    return not stack


def test_stacks():
    compared = compare_with_worker(balanced, BATCHES, BooleanType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused, compared


def while_it_iterates(xs, n, s, d):
    made = list(xs or [])
    total = 0
    for x in made:
        total += x % 1000
        if len(made) > 2:
            made.pop(0)
    return total + len(made)


def test_a_list_that_a_loop_goes_over():
    compared = compare_with_worker(while_it_iterates, BATCHES, IntegerType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused, compared


def counts_down(n):
    made = list(range(n or 0))
    while len(made) > 2:
        made.pop()
        made[0] += 1
    return made


def test_long_lists_run_in_python():
    """A change of a list copies it, so a row with a longer list than the kernel changes is flagged."""
    batch = pa.record_batch({"n": pa.array([5, 0, 128, 129, None], pa.int64())})
    compared = compare_with_worker(counts_down, [batch, batch[:3]], INTEGERS, ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.flagged == 1, compared


def extended_by_repetition(xs, n, s, d):
    out = []
    for word in (s or "").split(","):
        out.extend([word] * word.count("a"))
    return out


def extended_by_splits(xs, n, s, d):
    out = ["first"]
    for word in (s or "").split(","):
        out.extend(word.split("b"))
    other = out
    other.append("last")
    return out


def extended_once(xs, n, s, d):
    out = []
    out.extend((s or "").split(","))
    return sorted(out)


def extended_by_an_alias(xs, n, s, d):
    out, more = [], []
    for word in (s or "").split(","):
        more.append(word)
        out.extend(more)
        more.append("+")
    return out + more


@pytest.mark.nightly_cases("extended_by_an_alias")
@pytest.mark.parametrize("function", [extended_by_repetition, extended_by_splits, extended_once, extended_by_an_alias])
def test_extend(function):
    compared = compare_with_worker(function, BATCHES, STRINGS, ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def test_extend_of_another_class():
    def mixed(xs, n, s, d):
        out = [1]
        out.extend((s or "").split(","))
        return out

    assert compare_with_worker(mixed, BATCHES, STRINGS, ARROW_BATCHED).refused
