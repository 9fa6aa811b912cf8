"""Compares functions whose changes of a list are visible through another name, a loop or a handler with PySpark's worker."""

from __future__ import annotations

import re

import pytest

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker
from tests.udf_compiler.frontends.python.test_list_changes import BATCHES, INTEGERS, STRINGS


def enum_change(xs, n, s, d):
    a = list(xs or [])
    out = []
    for i, x in enumerate(a):
        out.append(x % 10 + i)
        if len(a) > 2:
            a.pop()
        a[0] = 4
    return out + a


def zip_change(xs, n, s, d):
    a = list(xs or [])
    out = []
    for x, y in zip(a, a[1:], strict=False):
        out.append(x % 10 - y % 10)
        if len(a) > 2:
            a.pop(1)
    return out + a


def remove_in_loop(xs, n, s, d):
    a = list(xs or [])
    for x in a:
        if x % 2 == 1:
            a.remove(x)
    return a


def in_tuple_const(xs, n, s, d):
    a = [1, 2, 3]
    q = (a, a)
    a[n] = 9
    q[1][0] = 8
    return q[0]


def branch(xs, n, s, d):
    a = list(xs or [])
    b = a
    if n is not None and n > 0 and a:
        a[0] = 9
        b = a[:]
        b.append(1)
    b.append(2)
    return a + b


def cond_alias(xs, n, s, d):
    a = list(xs or [])
    b = a if n else list(a)
    b.append(4)
    b[0] = 1
    return a


def iadd(xs, n, s, d):
    a = list(xs or [])
    b = a
    a += [1]
    a += b
    b[0] = 8
    return a


def imul_const(xs, n, s, d):
    a = [1, 2]
    b = a
    a *= 2
    b[n] = 8
    return b


def imul_row(xs, n, s, d):
    a = [1]
    b = a
    a *= n or 3
    b.append(8)
    return b


def iadd_row(xs, n, s, d):
    a = [1]
    b = a
    a += xs or [5]
    b[0] = 3
    return a


def iadd_row2(xs, n, s, d):
    a = [1]
    b = a
    a += xs[:2] if xs else [5]
    return b


def insert_null(xs, n, s, d):
    a = list(xs or [])
    a.insert(n, 5)
    a[0] = 1
    return a


def insert_caught(xs, n, s, d):
    a = list(xs or [])
    try:
        a.insert(n, 5)
    except TypeError:
        a.append(-1)
    a[0] = 1
    return a


def handler(xs, n, s, d):
    a = list(xs or [])
    try:
        a[1] = 5
        a[n] = 6
        a.pop(2)
        a.remove(1)
    except IndexError:
        a.append(100)
    except ValueError:
        a.append(200)
    except TypeError:
        a.append(300)
    return a


def swap_eval(xs, n, s, d):
    a = list(xs or [])
    if len(a) < 3:
        return a
    i = 0
    i, a[i] = (1, 9)
    a[0], a[1], a[2] = (a[2], a[0], a[1])
    a[a[0] % 3] = a.pop()
    return a


def or_alias(xs, n, s, d):
    a = list(xs or [])
    b = a or [1, 2]
    b[0] = 5
    b.pop()
    return a + b


def split_alias(xs, n, s, d):
    p = (s or "").split(",")
    q = p
    p[0] = "z"
    q.append("w")
    q.sort()
    q.reverse()
    return p


def clear_alias(xs, n, s, d):
    a = list(xs or [])
    b = a
    a.clear()
    b.append(1)
    a = [2]
    a.append(3)
    return b + a


def in_loop_new(xs, n, s, d):
    out = []
    for x in xs or []:
        t = [0] * 3
        t[x % 3] = 1
        out += t
    return out


def loop_alias(xs, n, s, d):
    a = [0]
    b = a
    for x in xs or []:
        b.append(x)
        a = a[:] if x > 2 else a
        a[0] += 1
    return a + b


def const_iter(xs, n, s, d):
    a = [1, 2, 3]
    out = []
    for x in a:
        a[n] = 7
        out.append(x)
    return out


def const_enum(xs, n, s, d):
    a = [1, 2, 3]
    out = []
    for i, x in enumerate(a):
        a[(n or 0) % 3] = i * 10
        out.append(x)
    return out + a


def const_pop2(xs, n, s, d):
    a = [1, 2, 3]
    b = a
    m = n or 0
    x = a.pop(m)
    a.append(x)
    a.insert(m, 8)
    return b


def const_del2(xs, n, s, d):
    a = [1, 2, 3]
    b = a
    m = n or 0
    del a[m]
    return b


def const_ins_loop(xs, n, s, d):
    a = []
    for x in xs or []:
        a.insert(x % 3, x)
    return a


def rev_range(xs, n, s, d):
    a = list(xs or [])
    for i in reversed(range(len(a))):
        if a[i] % 2 == 0:
            del a[i]
    return a


def rev_list(xs, n, s, d):
    a = list(xs or [])
    b = list(reversed(a))
    b[0] = 1
    return sorted(map(abs, a)) + b


def walk_grow(xs, n, s, d):
    a = [1, 2, 3]
    for x in a:
        if len(a) < 8:
            a.append(x + (n or 0))
    return a


def try_all(xs, n, s, d):
    a = list(xs or [])
    o = []
    for k in (0, 5, -1):
        try:
            a[k] = k
            o.append(1)
        except IndexError:
            o.append(0)
        try:
            o.append(a.pop(k) % 10)
        except IndexError:
            o.append(-1)
        try:
            a.remove(2)
            o.append(2)
        except ValueError:
            o.append(-2)
    return o + a


def nested(xs, n, s, d):
    m = [[0] * 3] * 2
    m[0][n] = 1
    m[1][0] = 7
    return m[0] + m[1]


def sorted_new(xs, n, s, d):
    a = sorted(xs or [])
    b = (xs or []).copy()
    if a:
        a[0] = 7
        b[-1] = 8
    return a + b + (xs or [])


def two_loops(xs, n, s, d):
    a = list(xs or [])
    for i in range(len(a) - 1):
        if a[i] > a[i + 1]:
            a[i], a[i + 1] = (a[i + 1], a[i])
            break
    else:
        a.append(0)
    while len(a) > 3:
        a.pop()
    return a


def const_pop(xs, n, s, d):
    a = [1, 2, 3]
    x = a.pop(n)
    a.append(x)
    return a


def found_new(xs, n, s, d):
    a = re.findall("[a-z]", s or "")
    b = re.split(",", s or "")
    c = (s or "").rsplit(",")
    a.reverse()
    b.insert(1, "w")
    b.pop(0)
    c.append("u")
    c[0] = "m"
    return a + b + c


@pytest.mark.parametrize("function", [
    sorted_new, two_loops, const_pop,
    enum_change, zip_change, remove_in_loop, in_tuple_const, branch, cond_alias, iadd, imul_const, imul_row, iadd_row,
    iadd_row2, insert_null, insert_caught, handler, swap_eval, or_alias, clear_alias, in_loop_new, loop_alias, const_iter,
    const_enum, const_pop2, const_del2, const_ins_loop, rev_range, rev_list, walk_grow, try_all, nested,
])  # fmt: skip
def test_integers(function):
    compared = compare_with_worker(function, BATCHES, INTEGERS, ARROW_BATCHED)
    assert not compared.refused, compared


@pytest.mark.parametrize("function", [split_alias, found_new])
def test_strings(function):
    compared = compare_with_worker(function, BATCHES, STRINGS, ARROW_BATCHED)
    assert not compared.refused, compared
