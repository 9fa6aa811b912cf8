"""Refuses changes of lists, sets and dicts that others may see, and those whose effect is not known."""

from __future__ import annotations

import functools

import pytest

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker
from tests.udf_compiler.frontends.python.test_list_changes import BATCHES, INTEGERS, STRINGS

KNOWN = [1, 2, 3]


class Splitter:
    def split(self, xs):
        return xs


SPLITTER = Splitter()


@functools.lru_cache
def split(s):
    return s.split(",")


def change(made):
    made.append(1)


def make(xs):
    return list(xs or [1])


def identity(made):
    return made


def gen_pop(xs, n, s, d):
    a = list(xs or [])
    t = sum(a.pop() for _ in range(len(a) // 2))
    return t % 1000 * 10 + len(a)


def gen_append(xs, n, s, d):
    a = [0]
    for x in xs or []:
        a.append(x % 7)
    t = sum(a.append(x) or 1 for x in xs or [])
    return t * 10 + len(a)


def all_pop(xs, n, s, d):
    a = (s or "").split(",")
    r = all(a.pop() == c for c in "bc" if a)
    return r or len(a) > 1


def reversed_change(xs, n, s, d):
    a = list(xs or [])
    out = []
    for x in reversed(a):
        out.append(x % 10)
        if len(a) > 2:
            a[0] = 50
            a.pop()
    return out + a


def map_change(xs, n, s, d):
    a = list(xs or [])
    out = []
    for x in map(abs, a):
        out.append(x % 10)
        if len(a) > 2:
            a.pop()
    return out


def filter_change(xs, n, s, d):
    a = list(xs or [])
    out = []
    for x in filter(lambda v: v > 0, a):
        out.append(x % 10)
        if len(a) > 1:
            a.pop()
    return out


def tuple_of(xs, n, s, d):
    t = tuple(xs or [])
    t[0] = 1
    return list(t)


def del_arg(xs, n, s, d):
    del xs[0]
    return xs


def del_global(xs, n, s, d):
    del KNOWN[0]
    return list(KNOWN)


def del_default(xs, n, s, d, m=[1, 2]):  # noqa: B006 - as people write it
    del m[0]
    return list(m)


def pop_default(xs, n, s, d, m=[1, 2]):  # noqa: B006 - as people write it
    m.pop()
    return list(m)


def alias_global(xs, n, s, d):
    z = KNOWN if n else [1, 2, 3]
    z[0] = n or 0
    return z


def in_dict(xs, n, s, d):
    a = list(xs or [])
    q = {"k": a}
    a.append(1)
    a[0] = 3
    return q["k"]


def cond_alias_arg(xs, n, s, d):
    b = list(xs or []) if n else xs or []
    b.append(4)
    b[0] = 1
    return b


def imul(xs, n, s, d):
    a = list(xs or [])
    b = a
    a *= 2
    b[0] = 8
    return b


def ext_self(xs, n, s, d):
    a = list(xs or [])
    a.extend(a)
    a[0] = 8
    a.extend(a[1:])
    a.extend(x for x in a)
    return a


def mixed(xs, n, s, d):
    a = list(d or [])
    a.append(1)
    a[0] = True
    return a


def boolint(xs, n, s, d):
    a = list(xs or [])
    a[0] = True
    return a


def store_none(xs, n, s, d):
    a = [0] * 3
    a[n] = None
    return [x or 0 for x in a]


def floatidx(xs, n, s, d):
    a = list(xs or [])
    a[1.0] = 4
    return a


def sort_arg(xs, n, s, d):
    a = list(xs or [])
    a.sort(reverse=n)
    return a


def bound(xs, n, s, d):
    a = list(xs or [])
    p = a.pop
    q = a.append
    q(3)
    r = p()
    a[0] = r
    return a


def unbound(xs, n, s, d):
    a = list(xs or [])
    list.append(a, 3)
    a[0] = 2
    list.sort(a)
    return a


def helper_arg(xs, n, s, d):
    a = list(xs or [])
    change(a)
    a[0] = 1
    return a


def helper_id(xs, n, s, d):
    a = list(xs or [1])
    b = identity(a)
    b[0] = 4
    return a


def helper_ret(xs, n, s, d):
    a = make(xs)
    b = a
    b[0] = 4
    b.pop()
    return a


def lam(xs, n, s, d):
    a = list(xs or [])
    f = lambda: a.pop()  # noqa: E731
    f()
    a[0] = 1
    return a


def kept_iter(xs, n, s, d):
    a = list(xs or [])
    it = iter(a)
    a.pop()
    return list(it)


def walk_iadd(xs, n, s, d):
    a = [1, 2, 3]
    k = 0
    for _ in a:
        k += 1
        if k > 3:
            break
        a += xs or []
    return a


def user_split(xs, n, s, d):
    if not xs:
        return None
    a = list(xs)
    a.append(1)
    b = SPLITTER.split(xs)
    b[0] = 7
    return xs + b


def cached_split(xs, n, s, d):
    p = split(s or "")
    p.append("x")
    p[0] = "q"
    return p


def rec_self(xs, n, s, d):
    a = list(xs or [])
    a.append(a)
    return [1]


def of_an_argument(xs, n, s, d):
    xs[0] = 1
    return xs


def sorts_an_argument(xs, n, s, d):
    xs.sort()
    return xs


def of_captured_data(xs, n, s, d):
    KNOWN[n] = 5
    return list(KNOWN)


def of_a_default(xs, n, s, d, made=[0, 0]):  # noqa: B006 - as people write it
    made[n] = 5
    return list(made)


def of_another_class(xs, n, s, d):
    made = list(xs or [])
    for i in range(len(made)):
        made[i] = 0.5
    return [int(x) for x in made]


def of_a_slice(xs, n, s, d):
    made = list(xs or [])
    made[1:] = [n]
    return made


def of_what_a_function_returns(xs, n, s, d):
    made = identity(xs)
    made[0] = 1
    return xs


def first_of_pair(pair):
    return pair[0] + pair[1] % 5


def map_zip(xs, n, s, d):
    a = list(xs or [])
    o = []
    for x in map(first_of_pair, zip(a, a, strict=False)):
        o.append(x)
        a[-1] = 5
    return o


def bigint(xs, n, s, d):
    a = [2 ** 70, 1, 2]
    a[n or 0] = 5
    return a[1:]


def seen_in_an_expression(xs, n, s, d):
    seen = set()
    count = sum(1 for x in xs or [] if x not in seen and not seen.add(x))
    return [count, len(seen)]


def dict_in_an_expression(xs, n, s, d):
    known = {}
    total = sum(known.setdefault(x, 1) for x in xs or [])
    return [total, len(known)]


@pytest.mark.parametrize("function", [
    seen_in_an_expression, dict_in_an_expression, map_zip, bigint,
    gen_pop, gen_append, all_pop, reversed_change, map_change, filter_change, tuple_of, del_arg, del_global, del_default,
    pop_default, alias_global, in_dict, cond_alias_arg, imul, ext_self, mixed, boolint, store_none, floatidx, sort_arg,
    bound, unbound, helper_arg, helper_id, helper_ret, lam, kept_iter, walk_iadd, user_split, cached_split, rec_self,
    of_an_argument, sorts_an_argument, of_captured_data, of_a_default, of_another_class, of_a_slice,
    of_what_a_function_returns,
])  # fmt: skip
def test_refused(function):
    returns = STRINGS if function is cached_split else INTEGERS
    assert compare_with_worker(function, BATCHES, returns, ARROW_BATCHED).refused
    assert KNOWN == [1, 2, 3]
