"""Compares regions of branching, looping scalar functions with Python for each row, by `evaluate` and by kernels."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from sparkweld.errors import InternalError, Refusal, VerifyError
from sparkweld.ir import Input, Program, ProgramBuilder, evaluate, parse_program
from sparkweld.ir.ops import Arg, Region
from sparkweld.ir.ops.regions import Graph
from sparkweld.ir.text import parse_graph
from sparkweld.ir.types import I64, parse_type
from sparkweld.optimizer.pipeline import optimize
from tests.helpers.columns import difference, take
from tests.helpers.kernels import load_as_is
from tests.helpers.scalars import NAMES, check, columns_of, rows_of
from udf_compiler.eval_types.plain_results import result_of_row
from udf_compiler.frontends.pandas.dispatch import DISPATCH
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.python import running as running_module
from udf_compiler.frontends.python.regions import instructions, versions
from udf_compiler.frontends.tracing.session import Session, running
from udf_compiler.probing.scalar_functions import kinds_and_values
from udf_compiler.rebuild.purity import prepare

PRIMES = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71]
PLACES = tuple((math.sin(i) * 60, math.cos(i) * 170) for i in range(20))
RATES = {1: 0.1, 2: 0.25, 7: 0.5}
MIXED = ["x", 2, 3.0]


def gcd(a, b):
    while b:
        a, b = b, a % b
    return a


def collatz(n):
    count = 0
    n = n % 1000 + 1
    while n != 1 and count < 500:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        count += 1
    return count


def many_branches(x):
    total = 0
    for i in range(12):
        if x % (i + 2) > 1:
            total += i
    return total


def digit_sum(n):
    s = 0
    n = abs(n)
    while n > 0:
        s += n % 10
        n //= 10
    return s


def luhn(n):
    if n < 0:
        return False
    total, double = 0, False
    while n:
        n, digit = divmod(n, 10)
        if double:
            digit *= 2
            if digit > 9:
                digit -= 9
        total += digit
        double = not double
    return total % 10 == 0


def root(x):
    if x <= 0:
        return None
    g = x
    for _ in range(50):
        h = 0.5 * (g + x / g)
        if abs(h - g) < 1e-12 * g:
            return h
        g = h
    return g


def factorial(n):
    result = 1
    for i in range(2, n % 30):
        result *= i
    return result


def smallest_factor(n):
    n = abs(n) % 5000
    for p in PRIMES:
        if p * p > n:
            break
        if n % p == 0:
            return p
    else:
        return -1
    return n


def nearest(x):
    best, at = None, -1
    for i, (lat, lon) in enumerate(PLACES):
        d = math.sqrt((lat - x) ** 2 + (lon - 2 * x) ** 2)
        if best is None or d < best:
            best, at = d, i
    return at


def classes_meet(x):
    r = 0
    if x > 1:
        r = 1.5
    if x > 2:
        r += 1
    if x > 3:
        r = None
    if x > 5:
        r = "large"
    if x > 7 and r == "large":
        r = x
    for _ in range(20):
        if r == x:
            break
    return r


def continues(a, b):
    total = 0
    for i in range(a % 40):
        if i % 3 == 0:
            continue
        for j in range(i, b % 17, 2):
            if j == 11:
                break
            total += i * j
        else:
            total -= 1
    return total


def catches(a, b):
    n, failed = 0, 0
    while n < 20:
        n += 1
        try:
            a = a // (b - n) + 3
        except ZeroDivisionError:
            failed += 1
        except OverflowError:
            failed += 100
    return failed * 1000 + a % 7


def catches_of_builtins(n):
    failed, n = 0, n % 1000
    while n > 0:
        try:
            failed += "abc".index("c") + "abc".index("z")
        except ValueError:
            failed += n
        n //= 2
    return failed


def raises(n):
    n = n % 50
    while True:
        if n > 40:
            raise ValueError("too large")
        n = n + 7
        if n % 5 == 0:
            return n


def exponential(x):
    term, total, n = 1.0, 1.0, 1
    while abs(term) > 1e-10 and n < 100:
        term = term * x / n
        total += term
        n += 1
    return total + math.exp(x / 1000) + math.sin(x) ** 2


def window(x):
    a, b, c = 0, 0, 0
    xs = [x, x + 1, x * 0.5]
    for i in range(25):
        xs[i % 3] = i + 1
        a, b, c = b, c, a + i if x > i else c
    return a + b * 10 + len(xs) + xs[0]


def compares(a, x):
    n = 0
    while a < x and n < 60:
        a = a * 2 + 1
        n += 1
    return n


def bits(n):
    n &= 0xFFFFFFFF
    n = (n ^ (n >> 16)) * 73244475 & 0xFFFFFFFF
    count = 0
    while n:
        n &= n - 1
        count += 1
    return count << 1 | count % 2


def looks_up(n):
    total, n = 0.0, n % 100
    while n > 0:
        total += RATES.get(n % 10, 0.0)
        if n % 10 in RATES:
            total += 1
        n //= 2
    return total


def helper(n, limit=10):
    while n > limit:
        n -= limit
    return n


def calls(n):
    n, total = abs(n) % 300, 0
    for i in range(n):
        total += helper(i, limit=7) * helper(n)
    return total


def indexed(n):
    n = n % 1000
    total = 0
    while n > 0:
        total += PRIMES[n % 25 - 5]
        n -= 37
    return total


def floats(x, y):
    n = 0
    while x > 0.5 and n < 30:
        x = x % 3.7 if n % 2 else x // 1.3
        y = -y * 1.5 + math.floor(x)
        n += 1
        if y > 1e6 or y != y:
            return n
    return y


def int_to_float(n):
    x = n % 100
    while x < 1000:
        x = x * 1.7 + 1
    return x


def letters(s):
    vowels, digits, total, longest, run, before = 0, 0, 0, 0, 0, None
    for i, c in enumerate(s):
        if c in "aeiouAEIOU":
            vowels += 1
        elif c.isdigit() and c.isascii():
            digits += 1
            total += int(c) * (i + 1)
        run = run + 1 if c == before else 1
        longest = max(longest, run)
        before = c
    if not s:
        return "empty"
    return vowels * 1000 + digits * 100 + total + longest / len(s)


def brackets(s):
    depth = 0
    for i in range(len(s)):
        if s[i] == "a" or s[i : i + 2] == "b,":
            depth += 1
        elif s[i] == "c":
            depth -= 1
            if depth < 0:
                return False
    return depth == 0


def counted(s):
    limit = len(s) // 2 + 48
    vowels = sum(1 for c in s if c in "aeiou") + 10 * any(c == " " for c in s)
    return vowels + sum(int(c) for c in s if "0" <= c <= "9" and limit > 49)


CASES: list[tuple[Callable[..., Any], tuple[str, ...], int]] = [
    (gcd, ("i64", "i64"), 0), (collatz, ("i64",), 0), (many_branches, ("i64",), 0), (digit_sum, ("i64",), 1),
    (luhn, ("i64",), 0), (root, ("f64",), 0), (factorial, ("i64",), 0), (smallest_factor, ("i64",), 1), (nearest, ("f64",), 0),
    (classes_meet, ("f64",), 0), (continues, ("i64", "i64"), 0), (catches, ("i64", "i64"), 22), (raises, ("i64",), 0),
    (catches_of_builtins, ("i64",), 0),
    (exponential, ("f64",), 0), (window, ("f64",), 0), (compares, ("i64", "f64"), 800), (bits, ("i64",), 0),
    (looks_up, ("i64",), 0), (calls, ("i64",), 1), (indexed, ("i64",), 0), (floats, ("f64", "f64"), 28),
    (int_to_float, ("i64",), 0), (letters, ("str",), 0), (brackets, ("str",), 0),
    (counted, ("str",), 0),
]  # fmt: skip


def programs_of(types: Sequence[str], functions: Sequence[Callable[..., Any]]) -> Program:
    """Returns one program of several functions of the same columns."""
    builder = ProgramBuilder("f", [Input(n, parse_type(t)) for n, t in zip(NAMES, types, strict=False)])
    loop = builder.loop("f")
    args = [loop.read(n) for n, _ in zip(NAMES, types, strict=False)]
    names = []
    for function in functions:
        prepared = prepare(function, stand_in)
        with prepared.checked(), running(Session(loop, place=prepared.place, handlers=prepared.handlers, dispatch=DISPATCH)):
            parts = kinds_and_values(loop, result_of_row(loop, prepared.function, args, {}, prepared.handlers).tree)
        for name, value in parts.items():
            names.append(f"{name} of {function.__name__}")
            loop.append(names[-1], value)
    loop.close()
    return builder.finish(names)


@pytest.mark.parametrize("types", sorted({types for _, types, _ in CASES}), ids=" ".join)
def test_kernels(monkeypatch, types):
    monkeypatch.setattr(running_module, "_FEW", 0)
    program = parse_program(str(programs_of(types, [f for f, given, _ in CASES if given == types])))
    optimised = optimize(program)
    columns, rows = columns_of(types, rows_of(types)), len(rows_of(types))
    got, wanted = load_as_is(optimised).run(columns, rows), evaluate(program, columns, rows)
    assert got.flagged == np.count_nonzero(wanted.flagged) < rows
    decided = np.flatnonzero(~wanted.flagged)
    for name in program.outputs:
        problem = difference(take(got.columns[name], decided), take(wanted.columns[name], decided), 0)
        assert problem is None, f"{name}: {problem}"


@pytest.mark.parametrize("function, types, needless", CASES, ids=lambda x: getattr(x, "__name__", None))
def test_like_python(monkeypatch, function, types, needless):
    monkeypatch.setattr(running_module, "_FEW", 0)
    program = check(function.__name__, types, needless=needless, **{function.__name__: function})
    assert "region" in str(program)


def shares(n):
    total = 0
    while n > 0:
        n -= 1
        total += len([lambda i=i: i for i in range(n)])
    return total


def differs(n):
    values = [0] * 12
    for i in range(12):
        if n % (i + 2) == 1:
            values[i] = 0.5
        elif n % (i + 2) == 0:
            values[i] = None
    return len(values)


def keeps(n):
    seen = set()
    while n > 3:
        seen.add(0.5)
        n -= 1
    return len(seen)


def mixed(n):
    return MIXED[n % 3] if n > 0 else 1


def endless(n):
    while True:
        n = n // 2


def recursive(n):
    while n > 100:
        n -= 100
    return 1 if n < 2 else recursive(n - 1) + recursive(n // 2)


def numpy_digits(x):
    while x < 100:
        x = x * x + float(np.exp(x))
    return x


def catches_of_symbolic(n):
    count, n = 0, n % 1000
    while n > 0:
        try:
            count += n * 1j != 1
        except TypeError:  # of our class only: Python multiplies an int by a complex number
            count += 100
        n //= 2
    return count


@pytest.mark.parametrize(
    "code, function, type",
    [("SW280", shares, "i64"), ("SW281", differs, "i64"), ("SW282", keeps, "i64"), ("SW283", mixed, "i64"),
     ("SW284", endless, "i64"), ("SW285", recursive, "i64"), ("SW286", numpy_digits, "f64"),
     ("SW299", catches_of_symbolic, "i64")],
)  # fmt: skip
def test_refused(monkeypatch, code, function, type):
    monkeypatch.setattr(running_module, "_FEW", 0)
    with pytest.raises(Refusal, match=code):
        programs_of((type,), [function])


def test_loops_of_an_unknown_python_are_refused(monkeypatch):
    monkeypatch.setattr(running_module, "_FEW", 0)
    monkeypatch.delitem(versions.KNOWN, sys.version_info[:2])
    with pytest.raises(Refusal, match="SW288") as refused:
        programs_of(("i64",), [endless])
    assert "is not known; that of 3.1" in str(refused.value)


def catches_keys(n):
    count, n = 0, n % 1000
    while n > 0:
        try:
            count += 100 // n
        except KeyError:
            count += 1
        n = n // 2 if n % 3 else n - 1
    return count


def test_an_error_of_our_own_is_not_caught_by_user_code(monkeypatch):
    monkeypatch.setattr(running_module, "_FEW", 0)
    monkeypatch.delitem(instructions._BINARY, "//")
    with pytest.raises(InternalError, match="KeyError: //"):
        programs_of(("i64",), [catches_keys])


def test_a_row_of_an_endless_loop_is_flagged():
    graph = parse_graph("""-> i64
    block (i64)
      %0: i64 = arg[0, i64]
      %1: i64 = const["0", i64]
      %2: bool = greater %0 %1
      branch %2 0(%0) 1(%0)
    block (i64)
      %0: i64 = arg[0, i64]
      return %0
    """)
    region = Region(graph, steps=10)
    assert region.evaluate(np.array([-3, 5])).valid.tolist() == [True, False]


def test_all_results_of_a_region_come_from_one_run(monkeypatch):
    graph = parse_graph("""-> i64 i64
    block (i64)
      %0: i64 = arg[0, i64]
      %1: i64 = add %0 %0
      return %0 %1
    """)
    runs, run = [], Graph.run
    monkeypatch.setattr(Graph, "run", lambda self, *given: runs.append(self) or run(self, *given))
    builder = ProgramBuilder("f", [Input("a", I64), Input("b", I64)])
    loop = builder.loop("f")
    names = [f"{name}{output}" for name in "ab" for output in (0, 1)]
    for name in names:
        loop.append(name, loop.emit(Region(graph, int(name[1])), loop.read(name[0])))
    loop.close()
    found = evaluate(builder.finish(names), {"a": np.array([3]), "b": np.array([5])}, 1).columns
    assert [found[name].values.tolist() for name in names] == [[3], [6], [5], [10]]
    assert len(runs) == 2


@pytest.mark.parametrize(
    "text",
    ["-> i64", "-> bool\nblock (i64)\nleave", "-> i64\nblock (i64)\njump 1()", "-> i64\nblock (i64)\njump 0()",
     "-> i64\nblock (i64)\n%0: f64 = arg[0, f64]\nleave", "-> i64\nblock (i64)\n%0: i64 = arg[0, i64]\nguard %0\nleave",
     "-> i64\nblock (f64)\n%0: f64 = arg[0, f64]\nreturn %0", "-> i64\nblock (i64)\nbranch %0 0()", "-> f64\nblock (f64, f64)\n"
     "%0: f64 = arg[0, f64]\n%1: f64 = hypot %0 %0\nreturn %1", '-> i64\nblock (i64)\n%0: i64 = read["a", i64]\nleave'],
)  # fmt: skip
def test_functions_that_are_not_regions(text):
    with pytest.raises(VerifyError):
        parse_graph(text)


def test_arguments_are_of_regions_only():
    loop = ProgramBuilder("f", []).loop("f")
    loop.append("x", loop.emit(Arg(0, I64)))
    loop.close()
    with pytest.raises(VerifyError, match="only a region"):
        loop.program.finish(["x"])
