"""Checks dicts, Counters and sets whose keys are tuples of values of the row."""

from __future__ import annotations

import itertools

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check, function_of, traced

HEAD = "from collections import Counter, defaultdict\n\ndef f(xs, ys, ws):\n    {}\n"
TYPES = ("list<i64>", "list<i64>", "list<str>")
INTS = [[], [1, 2, 1, 2, 1], [0, -3, 2**62, 0], [7] * 6]
OTHERS = [[2, 1, 2], [0, 0, 1, 1, -3]]
WORDS = [[], ["a", "b", "a", "b"], ["", "é", "", "é", "b"]]
ROWS = list(itertools.product(INTS, OTHERS, WORDS))

DICTS = [
    "d = {}\n    for a, b in zip(xs, xs[1:]):\n        d[a, b] = d.get((a, b), 0) + 1\n    return len(d) * 100 + sum(d.values())",
    "d = defaultdict(int)\n    for x, w in zip(xs, ws):\n        d[(w, x % 2)] += 1\n"
    "    return [f'{a}{b}{n}' for (a, b), n in d.items()]",
    "d = defaultdict(float)\n    for x, w in zip(xs, ws):\n        d[w, x] += x * 0.5\n"
    "    return [v for k, v in sorted(d.items())]",
    "d = {(0, 0): 5}\n    for x, y in zip(xs, ys):\n        if (x, y) in d:\n            d[y, x] = x\n        d[x, y] = y\n"
    "    return list(d.values())",
    "d = {}\n    for x, y in zip(xs, ys):\n        d[x, y] = x\n    return d.get((1, 2), -1) + d.get((0, 0), -2) + ((7, 1) in d)",
    "d = {}\n    for x, w in zip(xs, ws):\n        d.setdefault((x, w), len(d))\n    return [f'{x}{w}' for x, w in sorted(d)]",
    "d = Counter()\n    for a, b in zip(ws, ws[1:]):\n        d[a, b] += len(a) + 1\n"
    "    return max(d, key=d.get)[0] if d else None",
]
COUNTERS = [
    "c = Counter(zip(xs, ys))\n    return max(c.values()) if c else 0",
    "c = Counter(zip(ws, ws[1:]))\n    return [f'{a}-{b}-{n}' for (a, b), n in c.most_common(2)]",
    "c = Counter((a, b) for a, b in zip(ws, ws[1:]))\n    return [n for _, n in c.most_common()]",
    "c = Counter(zip(xs, xs[1:], xs[2:]))\n    return sum(n * (a % 9 + b % 7) for (a, b, _), n in c.items())",
    "c = Counter(zip(ws, ws[1:]))\n    (a, b), n = c.most_common(1)[0] if c else (('', ''), 0)\n    return a + b + str(n)",
]
SETS = [
    "return len(set(zip(xs, ys)))",
    "a, b = set(zip(xs, xs[1:])), set(zip(ys, ys[1:]))\n    return len(a & b) * 100 + len(a | b) * 10 + len(a - b)",
    "a, b = set(zip(xs, ys)), set(zip(ys, xs))\n    return [a == b, a != b, a <= b, a.isdisjoint(b), bool(a)]",
    "s = set(zip(ws, xs))\n    return [f'{w}{x}' for w, x in sorted(s)]",
    "s = {(x % 2, w) for x, w in zip(xs, ws)}\n    return max(s)[1] + min(s)[1] if s else None",
    "s, n = set(), 0\n    for i, x in enumerate(xs):\n        n += (x % 3, i % 2) in s\n        s.add((x % 3, i % 2))\n"
    "    return n * 10 + len(s)",
    "x = y = 0\n    s = {(0, 0)}\n    for w in ws:\n        x, y = (x + 1, y) if w else (x, y - 1)\n        s.add((x, y))\n"
    "    return len(s)",
    "s = {0}\n    for x in xs:\n        if x in s:\n            return x\n        s.add(x)\n    return len(s)",
    "s = set(zip(xs, ys))\n    return sum(a % 5 for a, b in s) + ((1, 2) in s)",
]


@pytest.mark.parametrize("body", DICTS)
def test_dicts(body):
    check(HEAD.format(body), TYPES, rows=ROWS)


@pytest.mark.parametrize("body", COUNTERS)
def test_counters(body):
    check(HEAD.format(body), TYPES, rows=ROWS)


@pytest.mark.parametrize("body", SETS)
def test_sets(body):
    check(HEAD.format(body), TYPES, rows=ROWS)


@pytest.mark.parametrize(
    "body", ["return [w for x, w in sorted(zip(xs, ws), reverse=True)]", "return max(zip(ws, xs), default=('', 0))[1]"]
)
def test_orders_of_zip(body):
    check(HEAD.format(body), TYPES, rows=ROWS)


def test_strings():
    source = """
from collections import Counter

def f(a, b):
    x, y = set(zip(a, a[1:])), set(zip(b, b[1:]))
    repeated = sum(n for n in Counter(zip(a, a[1:])).values() if n > 1)
    return 2.0 * len(x & y) / (len(x) + len(y) or 1) + repeated
"""
    check(source, ("str", "str"))


@pytest.mark.parametrize(
    ("body", "code"),
    [("d = {}\n    for x in xs:\n        d[x, 'a'] = 1\n        d['b', x] = 1\n    return len(d)", "SW244"),
     ("d = {}\n    for x in xs:\n        d[x, x * 0.5] = 1\n    return len(d)", "SW244"),
     ("d = {}\n    for x in xs:\n        d[x, x] = 1\n    return d.get((1.0, 1), 0)", "SW222"),
     ("return len(set(zip(xs, [x / 2 for x in xs])))", "SW223"),
     ("d = {}\n    for x in xs:\n        d[x, x] = 1\n    return d", "SW293")],
)  # fmt: skip
def test_refused(body, code):
    """A float may be equal to an int, and 0.0 to -0.0, so tuples have strings and ints alone."""
    with pytest.raises(Refusal) as refused:
        traced(function_of(HEAD.format(body)), TYPES)
    assert refused.value.code == code
