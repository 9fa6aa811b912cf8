"""Functions of lists of a row: their programs and kernels against Python row by row, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from sparkweld.errors import Refusal
from sparkweld.ir import evaluate
from sparkweld.ir.types import Items
from sparkweld.kernels import Kernel, compile_program
from sparkweld.optimizer.pipeline import optimize
from tests.helpers.columns import difference
from tests.helpers.kinds import codes, compile_udf, run
from tests.helpers.scalars import check, columns_of, rows_of

WEIGHTS = [0.5, -1.25, 3.0]

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
]  # fmt: skip


#: Of those, the ones that leave more to Python than lists with a None in them, and how many rows.
NEEDLESS = {"lambda xs, x: x in xs": 6, "lambda xs: sum(xs)": 1}


def complete(types):
    """Rows without a None in a list: all others go to Python."""
    return [row for row in rows_of(types) if not any(isinstance(x, list) and None in x for x in row)]


@pytest.mark.parametrize(("source", "types"), FUNCTIONS, ids=lambda x: x if isinstance(x, str) else "")
def test_functions_of_lists(source, types):
    program = check(source, types, needless=NEEDLESS.get(source, 0), rows=complete(types))
    others = [row for row in rows_of(types) if row not in complete(types)]
    assert evaluate(program, columns_of(types, others), len(others)).flagged.all()


def test_kernels_of_functions_of_lists():
    for source, types in FUNCTIONS[::3]:
        rows = complete(types)
        program = optimize(check(source, types, needless=NEEDLESS.get(source, 0), rows=rows))
        inputs = columns_of(types, rows)
        got, wanted = Kernel.load(compile_program(program), program).run(inputs, len(rows)), evaluate(program, inputs, len(rows))
        assert got.flagged == wanted.flagged.sum(), source
        for name in program.outputs if not got.flagged else ():
            assert difference(got.columns[name], wanted.columns[name]) is None, source


@pytest.mark.parametrize(
    ("source", "type", "code"),
    [
        ("lambda xs: xs + xs", "list<f64>", "SW222"),
        ("lambda xs: sorted(xs)[0]", "list<f64>", "SW223"),
        ("lambda xs: xs.append(1.0)", "list<f64>", "SW222"),
        ("lambda xs: xs[::2][0]", "list<f64>", "SW222"),
        ("lambda xs: sum(xs, 5)", "list<i32>", "SW222"),
        ("lambda xs: xs == [1, 2]", "list<i32>", "SW222"),
        ("lambda xs: f'{xs}'", "list<i32>", "SW222"),
        ("lambda xs: tuple(xs)[0]", "list<i32>", "SW223"),
    ],
)
def test_what_is_refused(source, type, code):
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
        (lambda xs, a: (a * 0.1, float(a)), "array<float>"),
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
    small = compile_udf(lambda a: [0 if a is None else a, 1], eval_type, {"a": "integer"}, "array<byte>")
    assert run(small, {"a": data["a"]})[1].tolist() == [False, True, False, False]


def test_lists_that_do_not_always_convert_are_refused():
    for function, returns in [
        (lambda xs: [len(xs), 1.5], "array<double>"), (lambda xs: [None, 1.0], "array<double>"), (lambda xs: xs, "array<float>"),
        (lambda xs: 1.0, "array<double>"), (lambda xs: [1.0], "array<integer>"),
    ]:  # fmt: skip
        assert codes(compile_udf(function, 101, {"xs": "array<double>"}, returns)) == ["SW226"]
    assert codes(compile_udf(lambda s: s, 200, {"s": "array<double>"}, "array<float>")) == ["SW226"]
    assert codes(compile_udf(lambda s: s, 200, {"s": "array<double>"}, "double")) == ["SW109"]
