"""Compares functions of a row's lists, as programs and kernels, with Python for each row, and checks refusals."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType

from sparkweld.errors import Refusal
from sparkweld.ir import Program, evaluate, parse_program
from sparkweld.ir.types import LISTS, Items
from sparkweld.kernels import Kernel
from sparkweld.optimizer.pipeline import optimize
from tests.helpers.columns import difference
from tests.helpers.compiled import TYPE_NAMES, compare_with_worker, inputs_of
from tests.helpers.kernels import load_as_is, runs_kernels
from tests.helpers.kinds import codes, compile_udf, run, values_of
from tests.helpers.lines import PythonEvalType, spark_type_of
from tests.helpers.scalars import check, columns_of, function_of, rows_of, same
from udf_compiler.boundary.series import COLUMN_TYPES
from udf_compiler.frontends.python.path_explorer import Explorer
from udf_compiler.frontends.tracing.lower import BY_VALUE

WEIGHTS = [0.5, -1.25, 3.0]
RETURNS = {"double": pa.float64(), "long": pa.int64(), "boolean": pa.bool_(), "array<long>": pa.list_(pa.int64()),
           "array<double>": pa.list_(pa.float64())}  # fmt: skip

#: Source, types of the arguments.
FUNCTIONS: list[tuple[str, tuple[str, ...]]] = [
    ("lambda xs: len(xs)", ("list<f64>",)),
    ("lambda xs: 0 if xs is None else len(xs)", ("list<f64>?",)),
    ("lambda xs: xs[0]", ("list<f64>",)),
    ("lambda xs: xs[-1] if xs else None", ("list<i32>",)),
    ("lambda xs, i: xs[i]", ("list<i64>", "i32")),
    ("lambda xs: xs[0] + xs[1] * 2", ("list<f32>",)),
    ("lambda xs: xs[0]", ("list<bool>",)),
    ("lambda xs: sum(xs)", ("list<f64>",)),
    ("lambda xs: sum(xs)", ("list<f32>",)),
    ("lambda xs: sum(xs)", ("list<i32>",)),
    ("lambda xs: sum(xs)", ("list<i64>",)),
    ("lambda xs: sum(xs)", ("list<bool>",)),
    ("lambda xs: sum(xs, 0.0)", ("list<f64>",)),
    ("lambda xs: sum(xs) / len(xs) if xs else None", ("list<f64>",)),
    ("lambda xs: min(xs)", ("list<f64>",)),
    ("lambda xs: max(xs)", ("list<i64>",)),
    ("lambda xs: max(xs, default=-1) - min(xs, default=0)", ("list<i32>",)),
    ("lambda xs: max(xs) if xs else 0.0", ("list<f32>",)),
    ("lambda xs: any(xs)", ("list<f64>",)),
    ("lambda xs: all(xs)", ("list<bool>",)),
    ("lambda xs: sum(xs[1:]) - sum(xs[:-1])", ("list<i32>",)),
    ("lambda xs, a: len(xs[a:]) + len(xs[:a]) * 100", ("list<i32>", "i8")),
    ("lambda xs, x: x in xs", ("list<i32>", "i64")),
    ("lambda xs, x: x in xs", ("list<f32>", "f64")),
    ("lambda xs: 3 in xs and not 7 in xs", ("list<i32>",)),
    ("lambda xs: xs.count(3)", ("list<i64>",)),
    ("def f(xs):\n    total = 0.0\n    for x in xs:\n        total += x * x\n    return total", ("list<f64>",)),
    ("def f(xs):\n    n = 0\n    for x in xs:\n        if x < 0:\n            continue\n        n += 1\n        if x > 100:\n"
     "            break\n    return n", ("list<i64>",)),
    ("def f(xs):\n    best, at = None, -1\n    for i, x in enumerate(xs):\n        if best is None or x > best:\n"
     "            best, at = x, i\n    return at", ("list<f64>",)),
    ("def f(xs, ys):\n    total = 0.0\n    for x, y in zip(xs, ys):\n        total += x * y\n    return total",
     ("list<f64>", "list<f64>")),
    ("def f(xs):\n    total = 0\n    for i in range(len(xs)):\n        total += xs[i] * (i + 1)\n    return total",
     ("list<i32>",)),
    ("lambda xs: sum(x * x for x in xs)", ("list<i32>",)),
    ("lambda xs: sum(x for x in xs)", ("list<f64>",)),
    ("lambda xs: sum(x * 0.1 for x in xs if x > 0)", ("list<i32>",)),
    ("lambda xs: any(x > 5 for x in xs)", ("list<i64>",)),
    ("lambda xs: all(x == x for x in xs)", ("list<f64>",)),
    ("def f(xs):\n    if xs is None or not xs:\n        return None\n    m = sum(xs) / len(xs)\n    v = 0.0\n    for x in xs:\n"
     "        v += (x - m) ** 2\n    return v / len(xs)", ("list<f64>?",)),
    ("def f(xs):\n    try:\n        return xs[3]\n    except IndexError:\n        return -1", ("list<i32>",)),
    ("def f(xs):\n    return sum(xs[i] * w for i, w in enumerate(xs))", ("list<i32>",)),
    ("lambda xs: sum(x * x for x in xs)", ("list<i32>?",)),
    ("lambda xs, ys: sum(a * b for a, b in zip(xs, ys))", ("list<bool>?", "list<i32>?")),
    ("def f(xs):\n    n = 0\n    for k, x in enumerate(xs):\n        n = n + k if x else n\n    return n", ("list<f32>?",)),
    ("lambda xs, ys: len(xs + ys)", ("list<f64>", "list<f64>?")),
    ("lambda xs, ys: sum(xs + ys)", ("list<i32>", "list<i64>")),
    ("lambda xs, ys: xs == ys", ("list<f64>", "list<f64>?")),
    ("lambda xs, ys: xs != ys", ("list<bool>", "list<bool>")),
    ("lambda xs: xs == [5, 3, 8, 3] or xs == []", ("list<i32>",)),
    ("lambda xs: xs == None or xs == 1 or xs == 'a' or xs == (1,)", ("list<i32>?",)),
    ("lambda xs: sorted(xs)[0]", ("list<f64>",)),
    ("lambda xs: sorted(xs, reverse=True)[1]", ("list<i64>",)),
    ("lambda xs: sorted(xs)[-1]", ("list<bool>",)),
    ("lambda xs: sorted(xs)[len(xs) // 2] if xs else None", ("list<f32>",)),
    ("lambda xs: xs[::-1][0] - xs[1::2][0]", ("list<i32>",)),
    ("lambda xs: xs[-2::-1][0]", ("list<f64>",)),
    ("lambda xs: list(xs)[0] + xs.copy()[0]", ("list<f64>",)),
    ("def f(xs):\n    ys = list(xs)\n    ys.append(7)\n    return len(ys) - len(xs) + ys[-1]", ("list<i64>",)),
    ("lambda xs: list(reversed(xs))[0]", ("list<i64>",)),
    ("def f(xs):\n    n = 0\n    for k, x in enumerate(reversed(xs)):\n        n += k if x else 0\n    return n", ("list<i32>",)),
    ("lambda xs, x: xs.index(x)", ("list<i64>", "i64")),
    ("def f(xs):\n    try:\n        return xs.index(3)\n    except ValueError:\n        return -1", ("list<i32>",)),
    ("lambda xs: xs.index(None)", ("list<i32>",)),
    ("lambda xs: min(x for x in xs)", ("list<f64>",)),
    ("lambda xs: max((x + 1 for x in xs), default=0)", ("list<i32>",)),
    ("lambda xs: sorted(-x for x in xs)[0]", ("list<i32>",)),
    ("lambda xs: len([*xs, 1, *xs])", ("list<i64>",)),
    ("lambda xs: xs[0].lower()", ("list<str>",)),
    ("lambda xs: xs[-1] if xs else 'none'", ("list<str>?",)),
    ("lambda xs: ' '.join(xs)", ("list<str>?",)),
    ("lambda xs, s: s.join(xs)", ("list<str>", "str")),
    ("lambda xs: ', '.join(x.strip().upper() for x in xs if x)", ("list<str>",)),
    ("lambda xs: '|'.join([x for x in xs[::-1]])", ("list<str>",)),
    ("lambda xs: '-'.join(sorted(xs))", ("list<str>",)),
    ("lambda xs: ','.join(sorted(xs, reverse=True)[:2])", ("list<str>",)),
    ("lambda xs: 'a' in xs or None in xs or 1 in xs", ("list<str>",)),
    ("lambda xs, s: xs.count(s) + xs.index(s)", ("list<str>", "str")),
    ("lambda xs: max(len(x) for x in xs)", ("list<str>",)),
    ("lambda xs: max(xs) + min(xs)", ("list<str>",)),
    ("lambda xs: any(xs) and not all(xs)", ("list<str>",)),
    ("lambda xs: any(x.startswith('ne') for x in xs or [])", ("list<str>?",)),
    ("lambda xs: sum(len(x) for x in xs)", ("list<str>",)),
    ("lambda xs, ys: len([x for x in xs if x not in ys])", ("list<str>", "list<str>?")),
    ("lambda xs, ys: xs == ys or xs + ['a'] == ys", ("list<str>", "list<str>")),
    ("def f(xs):\n    out = ''\n    for x in xs:\n        out += x[:1]\n    return out", ("list<str>",)),
    ("def f(xs):\n    best = ''\n    for k, x in enumerate(xs):\n        if len(x) > len(best):\n"
     "            best = f'{k}={x}'\n    return best", ("list<str>",)),
    ("lambda s: ' '.join(s.split())", ("str",)),
    ("lambda xs: len(set(xs))", ("list<i64>",)),
    ("lambda xs: len(set(xs)) == len(xs)", ("list<str>?",)),
    ("lambda xs: len(set(xs)) if set(xs) else None", ("list<f64>",)),
    ("lambda xs: '-'.join(sorted(set(xs), reverse=True))", ("list<str>",)),
    ("lambda xs, s: s in set(xs) or max(set(xs)) == s", ("list<str>", "str")),
    ("lambda xs: len(frozenset(x.lower() for x in xs or [] if x))", ("list<str>?",)),
    ("def f(xs):\n    known = set(xs)\n    n = 0\n    for k in range(5):\n        if k in known:\n"
     "            n += 1\n    return n", ("list<i64>",)),
    ("lambda s: '-'.join(re.findall('[a-z]+', s))", ("str",)),
    ("lambda s: re.findall('[0-9]', s) == [] or len(re.findall('=(.)', s)) > 1", ("str",)),
    ("lambda s: re.findall('[a-zA-Z]', s)[-1] if re.findall('[a-zA-Z]', s) else 'none'", ("str",)),
    ("lambda s: len(re.split('[, ]', s))", ("str",)),
    ("lambda s: s.split(',') == ['a', 'b', 'c'] or 'x=1' in s.split(';')", ("str",)),
    ("lambda s: ' '.join(w.capitalize() for w in s.split(' '))", ("str",)),
    ("lambda s: '.'.join(s.rsplit(None, 1)[::-1])", ("str",)),
    ("lambda s, t: '-'.join([s, t.strip(), 'end'])", ("str", "str")),
    ("lambda s: sorted(s.split(','))[-1]", ("str",)),
    ("def f(s):\n    while len(s) < 10:\n        s = s + '-' + s.upper()\n    return s", ("str",)),
    ("def f(s):\n    parts = s.split(',')\n    n = 0\n    for p in parts:\n        n += len(p)\n    return n + len(parts)",
     ("str",)),
]  # fmt: skip


#: Those of FUNCTIONS that leave more to Python than lists containing None, and the number of such rows.
NEEDLESS = {
    "lambda xs, x: x in xs": 6, "lambda xs: sum(xs)": 1, "lambda xs: sorted(xs)[0]": 3,
    "lambda xs: len(set(xs)) if set(xs) else None": 3,
    "lambda xs, ys: sum(xs + ys)": 4, "lambda xs, ys: xs == ys": 45, "lambda xs: sorted(xs)[len(xs) // 2] if xs else None": 1,
}  # fmt: skip


def complete(types):
    """Returns rows without a None in a list: all others run in Python."""
    return [row for row in rows_of(types) if not any(isinstance(x, list) and None in x for x in row)]


@pytest.mark.parametrize(("source", "types"), FUNCTIONS, ids=lambda x: x if isinstance(x, str) else "")
def test_functions_of_lists(source, types):
    program = check(source, types, needless=NEEDLESS.get(source, 0), rows=complete(types))
    others = [row for row in rows_of(types) if row not in complete(types)]
    assert evaluate(program, columns_of(types, others), len(others)).flagged.all()


@pytest.mark.parametrize("share", [6, pytest.param(3, marks=pytest.mark.nightly)])  # all are compared with `evaluate` above
def test_kernels_of_functions_of_lists(share):
    compared = 0
    for source, types in FUNCTIONS[::share]:
        rows = complete(types)
        program = optimize(check(source, types, needless=NEEDLESS.get(source, 0), rows=rows))
        inputs = columns_of(types, rows)
        got, wanted = load_as_is(program).run(inputs, len(rows)), evaluate(program, inputs, len(rows))
        assert got.flagged == wanted.flagged.sum(), source
        for name in program.outputs if not got.flagged else ():
            assert difference(got.columns[name], wanted.columns[name]) is None, source
            compared += 1
    assert compared >= len(FUNCTIONS[::share]) // 2


#: Source, types of the arguments, of the result: functions that build lists by one element per iteration.
MAKERS: list[tuple[str, tuple[str, ...], str]] = [
    ("lambda xs: [x for x in xs]", ("array<boolean>",), "array<boolean>"),
    ("lambda xs: [x * 2 + 1 for x in xs]", ("array<integer>",), "array<long>"),
    ("lambda xs: [x * 2 + 1 for x in xs]", ("array<integer>",), "array<integer>"),
    ("lambda xs: [x * 0.5 for x in xs if x > 0]", ("array<double>",), "array<double>"),
    ("lambda xs: [x * 0.1 for x in xs]", ("array<float>",), "array<float>"),
    ("lambda xs: [len(xs) for _ in xs][:2]", ("array<float>",), "array<short>"),
    ("lambda xs, ys: [a for a, b in zip(xs, ys) if a == b]", ("array<integer>", "array<long>"), "array<integer>"),
    ("lambda n: [i * i for i in range(n)]", ("byte",), "array<long>"),
    ("lambda xs: sum([x > 1 for x in xs]) if xs else None", ("array<long>",), "long"),
    ("lambda xs: [float(i) if i % 2 else x for i, x in enumerate(xs)]", ("array<double>",), "array<double>"),
    ("def f(xs):\n    out = []\n    total = 0.0\n    for x in xs or []:\n        total += x\n        out.append(total)\n"
     "    return out", ("array<double>",), "array<double>"),
    ("def f(xs):\n    out = [1.0]\n    for x in xs:\n        if x != x:\n            return []\n        if out[-1] < x:\n"
     "            out.append(x)\n        elif len(out) > 2:\n            out = []\n            out += [x, x]\n    return out",
     ("array<double>",), "array<double>"),
    ("def f(n):\n    digits = []\n    n = abs(n)\n    while n > 0:\n        digits.append(n % 10)\n        n //= 10\n"
     "    total = 0\n    for d in digits:\n        total = total * 10 + d\n    return total", ("integer",), "long"),
    ("def f(xs):\n    a = b = []\n    for x in xs:\n        a.append(x)\n        if b[0] > len(b):\n            break\n"
     "    return b", ("array<integer>",), "array<long>"),
    ("def f(xs):\n    up, down = [], []\n    for x in xs:\n        (up if x > 0 else down).append(x)\n"
     "    return up if len(up) > len(down) else down", ("array<integer>",), "array<long>"),
    ("def f(xs):\n    out = []\n    for x in xs:\n        out.append(x)\n        for y in out:\n            if y > x:\n"
     "                out.append(y)\n                break\n    return out", ("array<integer>",), "array<long>"),
    ("lambda xs, ys: xs + ys", ("array<double>", "array<double>"), "array<double>"),
    ("lambda xs, ys: xs + ys + [1]", ("array<integer>", "array<long>"), "array<long>"),
    ("lambda xs, i: [i] + xs + [i, 2]", ("array<long>", "integer"), "array<long>"),
    ("lambda xs: sorted(xs)", ("array<float>",), "array<float>"),
    ("lambda xs: sorted(xs, reverse=True)[:3]", ("array<integer>",), "array<integer>"),
    ("lambda xs: xs[::-1]", ("array<boolean>",), "array<boolean>"),
    ("lambda xs: list(reversed(xs[1::2]))", ("array<double>",), "array<double>"),
    ("lambda xs: [*xs, *xs[:1]]", ("array<integer>",), "array<integer>"),
    ("lambda xs: xs", ("array<string>",), "array<string>"),
    ("lambda xs: [x.strip().lower() for x in xs if x.strip()] if xs else []", ("array<string>",), "array<string>"),
    ("lambda xs, ys: sorted([x for x in xs if x not in ys])", ("array<string>", "array<string>"), "array<string>"),
    ("lambda xs: [f'{k}:{x}' for k, x in enumerate(xs)]", ("array<string>",), "array<string>"),
    ("lambda xs: ['first', xs[0], xs[-1].upper()]", ("array<string>",), "array<string>"),
    ("lambda xs: [w for x in xs for w in x.split(',')]", ("array<string>",), "array<string>"),
    ("lambda xs: ['yes', 'no'] if 'a' in xs else []", ("array<string>",), "array<string>"),
    ("lambda s: s.split(',')", ("string",), "array<string>"),
    ("lambda s: s.split()[::-1]", ("string",), "array<string>"),
    ("lambda s: s.rsplit(None, 1) if s else None", ("string",), "array<string>"),
    ("lambda s: [int(p) for p in s.split(',')]", ("string",), "array<long>"),
    ("lambda s: re.findall('[a-z]', s)", ("string",), "array<string>"),
    ("lambda s: [m + '!' for m in re.findall('([A-Za-z])[^,]', s) if m]", ("string",), "array<string>"),
    ("lambda s: sorted(re.split('[,;=]', s))", ("string",), "array<string>"),
    ("lambda s: re.compile('[,=]').split(s)[1:]", ("string",), "array<string>"),
    ("lambda s: [int(d) for d in re.findall('[0-9]', s)]", ("string",), "array<long>"),
    ("lambda s: [s] * 1 if s == 'a' else [s, s + '!']", ("string",), "array<string>"),
    ("def f(xs):\n    known = [x for x in xs if x > 0]\n    return max(known) - min(known) if known else None",
     ("array<double>",), "double"),
    ("def f(xs):\n    known = [x for x in xs or [] if x is not None]\n    return sum(known) / len(known) if known else None",
     ("array<double>",), "double"),
]  # fmt: skip


@pytest.mark.nightly_cases(
    "lambda n: [i * i for i in range(n)]--array<long>",
    "lambda s: [int(p) for p in s.split(',')]--array<long>",
    "def f(xs):\\n    known = [x for x in xs if x > 0]\\n    return max(known) - min(known) if known else None--double",
)
@pytest.mark.parametrize(("source", "types", "returns"), MAKERS, ids=lambda x: x if isinstance(x, str) else "")
def test_functions_that_make_lists(source, types, returns):
    kinds = [COLUMN_TYPES[t].kind for t in types]
    rows = complete([f"{kind}?" for kind in kinds])
    loaded: dict[Program, Kernel] = {}  # both kinds of functions mostly have one program
    for eval_type in (100, 101):
        reply = compile_udf(function_of(source), eval_type, dict(zip("ab", types, strict=False)), returns)
        given = [[None if x is None else Items(LISTS[kind], tuple(x)) if kind in LISTS else x for x in column]
                 for kind, column in zip(kinds, zip(*rows, strict=True), strict=True)]  # fmt: skip
        (got,), flagged = run(reply, dict(zip("ab", given, strict=False)))
        program = optimize(parse_program(reply["program"], reply["blocks"]))
        native = got
        if runs_kernels(source):
            if program not in loaded:
                loaded[program] = load_as_is(program)
            made = loaded[program].run(columns_of([f"{k}?" for k in kinds], rows), len(rows))
            native = values_of(made.columns[program.outputs[0]], COLUMN_TYPES[returns])
        needless = 0
        for row, ours, theirs, left in zip(rows, got, native, flagged.tolist(), strict=True):
            wanted = expected(source, row, returns)
            assert left or wanted is not LEFT, (row, ours)
            needless += left and wanted is not LEFT
            if not left:
                assert same(list(ours.values) if isinstance(ours, Items) else ours, wanted), (row, ours, wanted)
                assert theirs == ours or theirs != theirs, row
        assert needless <= 1


#: Marks results that only Python can produce: it raises, or the column cannot hold them.
LEFT = object()


def expected(source, row, returns):
    """Returns the value of the column, or LEFT."""
    try:
        wanted = function_of(source)(*row)
    except (TypeError, IndexError, ValueError, AttributeError):
        return LEFT
    if type(wanted) is not list or returns == "array<string>":
        return wanted
    if None in wanted:
        return LEFT
    dtype = COLUMN_TYPES[returns].element.dtype
    if dtype.kind == "i" and not all(np.iinfo(dtype).min <= x <= np.iinfo(dtype).max for x in wanted):
        return LEFT
    return [x.item() for x in np.array(wanted, dtype)] if wanted else []


@pytest.mark.parametrize(
    ("source", "type", "code"),
    [
        ("lambda xs: xs.append(1.0)", "list<f64>", "SW222"),
        ("lambda xs: sorted(xs, key=lambda x: [x])[0]", "list<f64>", "SW222"),
        ("def f(xs):\n    ys = xs\n    ys += [1.0]\n    return len(xs)", "list<f64>", "SW222"),
        ("lambda xs: xs * 2", "list<f64>", "SW222"),
        ("lambda xs: sum(xs)", "list<str>", "SW222"),
        ("lambda xs: [x for x in set(xs)][0]", "list<str>", "SW282"),
        ("lambda xs: sum(xs, 5.0)", "list<i32>", "SW222"),
        ("lambda xs: xs == [1.5]", "list<i32>", "SW222"),
        ("lambda xs: f'{xs}'", "list<i32>", "SW222"),
        ("lambda xs: tuple(xs)[0]", "list<i32>", "SW223"),
        ("lambda xs: [x if x > 0 else 1.5 for x in xs]", "list<i32>", "SW244"),
        ("lambda xs: len([None if x > 0 else x for x in xs])", "list<i32>", "SW281"),
        ('lambda xs: len([[x, "a"] for x in xs])', "list<i32>", "SW281"),
    ],
)
def test_refused_functions(source, type, code):
    with pytest.raises(Refusal) as refused:
        check(source, (type,))
    assert refused.value.code == code


@pytest.mark.parametrize("eval_type", [100, 101])
def test_lists_as_results(eval_type):
    data = {"xs": [[1.0, 2.0, 3.0], [0.5, -0.25], [], None], "a": [1, 300, -4, 7]}
    cases = [
        (lambda xs, a: xs, "array<double>"),
        (lambda xs, a: None if xs is None else xs[1:], "array<double>"),
        (lambda xs, a: [a * 0.5, 1.0] if a > 0 else [], "array<double>"),
        (lambda xs, a: [a * 0.1, float(a)], "array<float>"),
        (lambda xs, a: [a, 2 * a, 7], "array<long>"),
        (lambda xs, a: [a > 0, xs is None], "array<boolean>"),
    ]
    for function, returns in cases:
        reply = compile_udf(function, eval_type, {"xs": "array<double>", "a": "integer"}, returns)
        given = {"xs": [None if xs is None else Items("f64", tuple(xs)) for xs in data["xs"]], "a": data["a"]}
        (got,), flagged = run(reply, given)
        assert not flagged.any()
        wanted = [function(*row) for row in zip(*data.values(), strict=True)]
        if returns == "array<float>":
            wanted = [np.array(x, np.float32).tolist() for x in wanted]
        assert [None if x is None else list(x.values) for x in got] == [None if x is None else list(x) for x in wanted]
    for returns, of in (("array<string>", lambda a: ("a", "b")), ("array<long>", lambda a: (1, 2) if a is None else [a])):
        reply = compile_udf(of, eval_type, {"a": "integer"}, returns)
        assert (reply["status"] == "ok") if eval_type == 100 else (codes(reply) == ["SW226"]), "for Arrow, PySpark asserts a list"
    small = compile_udf(lambda a: [0 if a is None else a, 1], eval_type, {"a": "integer"}, "array<byte>")
    assert run(small, {"a": data["a"]})[1].tolist() == [False, True, False, False]


def _tail(v):
    for x in v:
        if x > 100:
            return v[2:]
    return v[1:]


#: Functions of an ndarray whose results depend on NumPy's dtypes, and the result of each in Spark.
OF_NDARRAYS = [
    (lambda v: v * 2 + 1, None), (lambda v: 1 - v, None), (lambda v: v[v > 0], None), (lambda v: v * np.int64(3), "array<long>"),
    (lambda v: v / 2, "array<double>"), (lambda v: v.sum() / v.size, "double"), (lambda v: v.mean(), "double"),
    (lambda v: v.std(), "double"), (lambda v: v.var(ddof=1), "double"), (lambda v: np.where(v > v[0], v, 0).max(), "double"),
    (lambda v: (v > 1).mean(), "double"), (lambda v: v[0] * 100, "long"), (lambda v: v[0] + v[1] / 3, "double"),
    (lambda v: np.clip(v, -2, 2), None), (lambda v: (v - v.mean())[-1], "double"), (lambda v: (v * v).sum(), "double"),
    (lambda v: sum(x * 3 for x in v) if len(v) else None, "double"), (lambda v: [x * 2 for x in v], None),
    (lambda v: (_tail(v) + _tail(v)).sum(), "double"), (lambda v: (v * [2]).sum(), "double"),
    (lambda v: v[0] == 0.1, "boolean"), (lambda v: round(v[0] / 7, 1), "double"), (lambda v: abs(v[0] // 3), "double"),
]  # fmt: skip


@pytest.mark.gate_cases("float")
@pytest.mark.parametrize("type", [pa.int8(), pa.int64(), pa.float32()], ids=str)
def test_arithmetic_of_ndarrays(type):
    lists = [[1, 2, 3], [100, -7], [0, 0], [5], [3, 101, 120, -128, 7], [2] * 9, [7, 1, 120] * 20]
    if pa.types.is_floating(type):
        lists += [[0.1, 0.25, -0.0], [float("nan"), 1.0], [1e30, -1e30, 0.5, float("inf")]]
    batch = pa.RecordBatch.from_arrays([pa.array(lists, pa.list_(type))], ["a"])
    refused = []
    for function, returns in OF_NDARRAYS:
        wanted = spark_type_of(pa.list_(type) if returns is None else RETURNS[returns])
        proved = compare_with_worker(lambda s, f=function: s.map(f), [batch, batch.slice(0, 1)], wanted)
        assert proved.refused or proved.decided, function
        refused += [proved.refused] if proved.refused else []
    former = {"SW223", "SW251"} if BY_VALUE else set()
    assert set(refused) <= {"SW222", "SW226", "SW293", *former} and len(refused) <= (14 if former else 5), refused


@pytest.mark.parametrize(
    ("lists", "returns"),
    [
        (pa.array([["é", "", None], ["a"]], pa.list_(pa.string())), StringType()),
        (pa.array([[1, None], [7, 8]], pa.list_(pa.int64())), LongType()),
    ],
    ids=str,
)
def test_a_kernel_returns_a_list_with_a_null_element_for_a_flagged_row_only(lists, returns):
    batch = pa.RecordBatch.from_arrays([lists], ["a"])
    proved = compare_with_worker(lambda v: v, [batch], ArrayType(returns), PythonEvalType.SQL_ARROW_BATCHED_UDF, kernel=True)
    assert (proved.refused, proved.flagged, proved.decided) == ("", 1, 1), proved


@pytest.mark.parametrize("type", [pa.float64(), pa.float32()], ids=str)
def test_null_elements_of_floats_are_nan_in_ndarrays(type):
    lists = pa.array([[1.0, None, 2.0], None, [], [None], [0.5, -0.5], [float("nan"), 1.0], [None, None, 3.0]], pa.list_(type))
    batch = pa.RecordBatch.from_arrays([lists], ["a"])
    for function in (
        lambda v: 0.0 if v is None or len(v) == 0 else float(np.nan_to_num(v).sum() + v[0]),
        lambda v: None if v is None else float(len(v[~np.isnan(v)])),
    ):
        proved = compare_with_worker(lambda s, f=function: s.map(f), [batch], DoubleType())
        assert (proved.decided, proved.flagged, proved.refused) == (1, 0, ""), proved
        reply = compile_udf(lambda s, f=function: s.map(f), 200, {"a": TYPE_NAMES[str(lists.type)]}, "double")
        program = optimize(parse_program(reply["program"], reply["blocks"]))
        inputs = inputs_of(program, batch)
        kernel, wanted = load_as_is(program).run(inputs, 7), evaluate(program, inputs, 7)
        assert not kernel.flagged
        assert difference(kernel.columns[program.outputs[0]], wanted.columns[program.outputs[0]]) is None


@pytest.mark.parametrize(
    ("function", "returns", "code"),
    [
        (lambda v: np.exp(v.astype(np.float32)), "array<float>", "SW286"), (lambda v: v @ [[1.0], [2.0]], "double", "SW222"),
        (lambda v: v.cumprod(), None, "SW222"), (lambda v: v[[0, 1]], None, "SW222"),
        (lambda v: v + [v[0], 1.0], None, "SW222"), (lambda v: np.where(v), None, "SW222"),
        (lambda v: np.percentile(v, [-1]), "double", "SW222"), (lambda v: v.sum(axis=1), "double", "SW222"),
        (lambda v: v.clip(v[0], v[1]), None, "SW222"), (lambda v: v == "a", "array<boolean>", "SW222"),
    ],
)  # fmt: skip
def test_refused_operations_on_ndarrays(function, returns, code):
    assert codes(compile_udf(lambda s: s.map(function), 200, {"s": "array<double>"}, returns or "array<double>")) == [code]


def test_an_ndarray_is_not_changed_in_place():
    def doubled(v):
        w = v
        w *= 2
        return v

    assert codes(compile_udf(lambda s: s.map(doubled), 200, {"s": "array<double>"}, "array<double>")) == ["SW256"]


def test_refused_operations_on_series_of_lists():
    made = lambda s: s.map(lambda v: [x * 2 for x in v])  # noqa: E731
    for function, returns, code in [
        (lambda s: made(s) * 2, "array<double>", "SW245"), (lambda s: made(s).astype(float), "array<double>", "SW245"),
        (made, "array<integer>", "SW226"), (lambda s: s.map(lambda v: v if v.any() else [1.0]), "array<double>", "SW293"),
        (lambda s: s.map(lambda v: [1, 2.0]), "array<double>", "SW293"),
        (made, "double", "SW109"),
    ]:  # fmt: skip
        assert codes(compile_udf(function, 200, {"s": "array<double>"}, returns)) == [code]


REPEATED = [
    ("array<string>", lambda n, s: [s] * n),
    ("array<string>", lambda n, s: ["a"] * len(s) if s else []),
    ("array<long>", lambda n, s: (n - 1) * [n]),
    ("array<string>", lambda n, s: [s, str(n)] if n else [s]),
    ("array<double>", lambda n, s: [n / 2, None if n > 3 else 0.5]),
]


@pytest.mark.parametrize(("returns", "function"), REPEATED)
def test_lists_that_repeat_a_value_or_have_none(returns, function):
    """A row whose list has None, or very many elements, runs in Python."""
    batch = pa.record_batch({
        "n": pa.array([3, 0, -2, 1, 5, 70_000], pa.int64()), "s": pa.array(["a", "", "é", "bb", "c", "d"]),
    })  # fmt: skip
    nulls = pa.record_batch({"n": pa.array([1, 2], pa.int64()), "s": pa.array([None, "x"])})
    element = {"string": StringType(), "long": LongType(), "double": DoubleType()}[returns[6:-1]]
    batches, row = [batch[:4], batch, nulls], PythonEvalType.SQL_ARROW_BATCHED_UDF
    compared = compare_with_worker(function, batches, ArrayType(element), row, kernel=True)
    assert not compared.refused and compared.decided == 3, compared


def edits(a, b):
    row = list(range(len(b) + 1))
    for i, c in enumerate(a):
        new = [i + 1]
        for j, d in enumerate(b):
            new.append(min(row[j + 1] + 1, new[j] + 1, row[j] + (c != d)))
        row = new
    return row[-1]


def numbers_between(a, b):
    made = list(range(len(a), -len(b), -2))
    made.append(7)
    return sum(made) * 100 + len(made)


def numbers_read_twice(a, b):
    numbers = range(len(a), len(a) + len(b))
    total = 0
    for n in numbers:
        total += n * len(list(numbers))
    return total


def words_between(a, b):
    made = a + b
    for n in list(range(len(a)))[::-1]:
        made += str(n)
    return len(made) + len(made.upper().split("1"))


@pytest.mark.parametrize("function", [edits, numbers_between, numbers_read_twice, words_between])
def test_lists_of_ranges(function):
    """The region frees its lists after each row, so later rows reuse their memory."""
    batch = pa.record_batch({
        "a": pa.array(["kitten", "", "a", "abc", "naïve", "sitting" * 3, "x"] * 3),
        "b": pa.array(["sitting", "x", "", "abd", "café", "kit" * 4, "a much longer word"] * 3),
    })  # fmt: skip
    row = PythonEvalType.SQL_ARROW_BATCHED_UDF
    compared = compare_with_worker(function, [batch[:4], batch], LongType(), row, kernel=True)
    assert not compared.refused and compared.decided == 2, compared


def test_lists_that_do_not_always_convert_are_refused():
    for function, returns in [
        (lambda xs: [None, 1.0], "array<double>"), (lambda xs: xs, "array<long>"),
        (lambda xs: 1.0, "array<double>"), (lambda xs: [1.0], "array<integer>"),
    ]:  # fmt: skip
        assert codes(compile_udf(function, 101, {"xs": "array<double>"}, returns)) == ["SW226"]
    assert codes(compile_udf(lambda s: s, 200, {"s": "array<double>"}, "array<integer>")) == ["SW226"]
    assert codes(compile_udf(lambda s: s, 200, {"s": "array<double>"}, "double")) == ["SW109"]


def address(s):
    parts = [p.strip() for p in s.split(",")]
    try:
        number, street = parts[0].split(" ", 1)
        return [number, street.title(), parts[1] if parts[1] != "none" else None, parts[-1]]
    except IndexError:
        return None


def test_a_list_with_none_on_some_paths():
    """The row whose list has a None runs in Python."""
    strings = ["12 main st, Springfield, IL", "7 elm , none, b", "9 oak", "3 x, y"]
    batch = pa.record_batch({"s": strings})
    kind = PythonEvalType.SQL_ARROW_BATCHED_UDF
    compared = compare_with_worker(address, [batch], returns=ArrayType(StringType()), eval_type=kind)
    assert (compared.decided, compared.flagged, compared.refused) == (1, 1, "")


def test_a_loop_with_a_path_for_each_round_is_given_up_early(monkeypatch):
    """A tree of few paths cannot have all the rounds of a loop of the row's length, so the first attempt visits some of them."""
    paths = []
    run = Explorer._run
    monkeypatch.setattr(Explorer, "_run", lambda self, call: paths.append(self.regions is None) or run(self, call))
    check("lambda s: [p.strip() for p in s.split(',')][-1]", ("str",))
    assert sum(paths) == 1
