"""Compares scalar functions inside pandas UDFs, for any batch, with PySpark's conversion of pandas' results."""

from __future__ import annotations

import datetime
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sparkweld.errors import Refusal
from sparkweld.ir import Input, Program, ProgramBuilder, evaluate, parse_program
from sparkweld.ir.ops import Optional
from sparkweld.ir.program import output_types
from sparkweld.ir.types import F64
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.scalars import VALUES, same
from tests.helpers.worker import converted
from tests.udf_compiler.boundary.test_boundary import PYSPARK_TYPES
from tests.udf_compiler.frontends.python.test_regions import many_branches
from udf_compiler.boundary.series import SPARK_TYPES
from udf_compiler.frontends.pandas.dispatch import DISPATCH
from udf_compiler.frontends.python.calendar import EPOCH
from udf_compiler.frontends.python.path_explorer import Explorer
from udf_compiler.frontends.python.values import of_value
from udf_compiler.frontends.tracing.lower import BY_VALUE
from udf_compiler.frontends.tracing.session import Session, running


def compiled(function: Callable[..., Any], types: tuple[str, ...], returns: str, **given: Any) -> dict[str, Any]:
    names = "abcd"[: len(types)]
    inputs = dict(zip(names, types, strict=True))
    step = python_step(r=udf(0, *names, returns=returns))
    return compile_pipeline(request(step, inputs=inputs, **given), [payload(function)])


def refused(function: Callable[..., Any], types: tuple[str, ...] = ("double",), returns: str = "double") -> list[str]:
    return [r["code"] for r in compiled(function, types, returns).get("refusals", ())]


def _column(values: list[Any], type: str) -> np.ndarray:
    return np.array([v.toordinal() - EPOCH if type == "date" else v for v in values], SPARK_TYPES[type].dtype)


def _series(column: np.ndarray, type: str) -> pd.Series:
    if type != "date":
        return pd.Series(column)
    return pd.Series([datetime.date.fromordinal(int(day) + EPOCH) for day in column], dtype=object)


def worker(
    function: Callable[..., Any], columns: list[np.ndarray], types: tuple[str, ...], returns: str
) -> list[Any]:
    """Returns the results of PySpark's worker for a batch, as Python values."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        result = function(*map(_series, columns, types))
    return converted(result, PYSPARK_TYPES[returns]).to_pylist()


def run(program: Program, columns: list[np.ndarray]) -> tuple[list[Any], np.ndarray]:
    given = {}
    for name, values in zip("abcd", columns, strict=False):
        type = next((i.type for i in program.inputs if i.name == name), None)
        if type is not None:
            given[name] = Optional(values, np.ones(len(values), np.bool_)) if type.nullable else values
    result = evaluate(program, given, len(columns[0]))
    column = result.columns["r"]
    if isinstance(column, Optional):
        values, valid = column.values.tolist(), column.valid
    else:
        values, valid = column.tolist(), np.ones(len(column), np.bool_)
    if output_types(program)[0].kind == "date":
        values = [datetime.date.fromordinal(v + EPOCH) for v in values]
    return [v if ok else None for v, ok in zip(values, valid, strict=True)], result.flagged


def check(function: Callable[..., Any], types: tuple[str, ...], returns: str, ulp: int = 0) -> None:
    """Compares the rows that no guard flags: together, alone, and in random batches.

    On flagged rows PySpark must raise, or they must be numbers that other rows of a batch would change (ints beyond 2**53).
    """
    reply = compiled(function, types, returns)
    assert reply["status"] == "ok", reply["refusals"]
    program = parse_program(reply["program"])
    rng = np.random.default_rng(0)
    pools = [VALUES[str(SPARK_TYPES[t])] for t in types]
    rows = [tuple(p[rng.integers(len(p))] for p in pools) for _ in range(120)] if len(pools) > 1 else [(v,) for v in pools[0]]
    columns = [_column([r[i] for r in rows], t) for i, t in enumerate(types)]
    _, flagged = run(program, columns)
    kept = [c[~flagged] for c in columns]
    assert len(kept[0]), "every row is flagged"
    batches = [np.arange(len(kept[0])), *(np.array([i]) for i in range(min(len(kept[0]), 40)))]
    batches += [rng.integers(0, len(kept[0]), size) for size in (2, 2, 3, 5, 8)]
    for at in batches:
        batch = [c[at] for c in kept]
        got, again = run(program, batch)
        assert not again.any()
        wanted = worker(function, batch, types, returns)
        for row, (g, w) in enumerate(zip(got, wanted, strict=True)):
            assert same(g, w, ulp), f"{[c[row] for c in batch]} of {batch}: PySpark returns {w!r}, the kernel {g!r}"


def grade(x):
    if x < 0:
        return "no"
    return 1


def tier(x):
    if x < 10:
        return 0.1
    elif x < 100:
        return 0.2
    else:
        return 0.3


def safe_divide(x):
    try:
        return 10 / x
    except ZeroDivisionError:
        return None


def safe_log(x):
    try:
        return math.log(x)
    except (ValueError, TypeError):
        return float("nan")


def collatz(x):
    steps = 0
    while x > 1 and steps < 8:
        x = x // 2 if x % 2 == 0 else 3 * x + 1
        steps += 1
    return steps


def mixed(x):
    return x * 2 if x > 5 else x / 2


NUMBERS = [1.5]


def helper(x, low=0.0, high=1.0):
    return min(max(x, low), high)


def finally_(x):
    total = 0
    try:
        total += 1
        if x > 3:
            return total
    finally:
        total += 10
    return total


FUNCTIONS: list[tuple[Callable[..., Any], tuple[str, ...], str]] = [
    (lambda a: a.apply(lambda x: x + 1), ("double",), "double"),
    (lambda a: a.apply(lambda x: x + 1), ("long",), "long"),
    (lambda a: a.apply(lambda x: x + 1), ("integer",), "integer"),
    (lambda a: a.apply(lambda x: x * 2), ("byte",), "byte"),
    (lambda a: a.apply(lambda x: x / 2), ("integer",), "double"),
    (lambda a: a.apply(lambda x: x > 2), ("double",), "boolean"),
    (lambda a: a.apply(lambda x: not x), ("boolean",), "boolean"),
    (lambda a: a.apply(lambda x: 1 if x else 0), ("boolean",), "long"),
    (lambda a: a.apply(tier), ("double",), "double"),
    (lambda a: a.map(tier), ("long",), "double"),
    (lambda a: a.apply(safe_divide), ("long",), "double"),
    (lambda a: a.apply(safe_log), ("double",), "double"),
    (lambda a: a.apply(collatz), ("byte",), "integer"),
    (lambda a: a.apply(mixed), ("long",), "double"),
    (lambda a: a.apply(mixed), ("integer",), "double"),
    (lambda a: a.apply(mixed), ("double",), "double"),
    (lambda a: a.apply(lambda x: 0 if x < 1 else x), ("double",), "double"),
    (lambda a: a.apply(lambda x: 0 if x < 1 else None), ("double",), "long"),
    (lambda a: a.apply(lambda x: None if x < 1 else x), ("long",), "long"),
    (lambda a: a.apply(lambda x: None if x < 1 else x > 5), ("long",), "boolean"),
    (lambda a: a.apply(lambda x: None), ("long",), "double"),
    (lambda a: a.apply(lambda x: None), ("long",), "boolean"),
    (lambda a: a.apply(helper), ("double",), "double"),
    (lambda a: a.apply(helper, args=(-1.0,)), ("double",), "double"),
    (lambda a: a.apply(helper, high=5.0), ("double",), "double"),
    (lambda a: a.apply(float), ("integer",), "double"),
    (lambda a: a.apply(bool), ("double",), "boolean"),
    (lambda a: a.apply(abs), ("double",), "double"),
    (lambda a: a.apply(round), ("double",), "long"),
    (lambda a: a.apply(int), ("double",), "long"),
    (lambda a: a.apply(finally_), ("double",), "integer"),
    (lambda a: a.apply(lambda x: x).astype(float) * 2, ("long",), "double"),
    (lambda a: a.apply(lambda x: 0 if x < 1 else x).astype(float) * 2, ("double",), "double"),
    (lambda a: a.map(lambda x: x * 2 if x < 5 else 0.5, na_action="ignore"), ("double",), "double"),
    (lambda a: a.apply(lambda x: x * 2) + a.apply(lambda x: x % 3 if x > 0 else 0), ("integer",), "long"),
    (lambda a, b: a.apply(lambda x: max(x, 0)) + b.apply(lambda x: min(x, 3)), ("integer", "integer"), "long"),
    (lambda a: a.astype(float).apply(lambda x: x if x == x else -1.0), ("integer",), "double"),
]


@pytest.mark.parametrize("function, types, returns", FUNCTIONS)
def test_pandas_infers_the_same(function, types, returns):
    check(function, types, returns)


def counter(a):
    n = [0]

    def f(x):
        n[0] += 1
        return x + n[0]

    return a.apply(f)


def remember(a):
    seen = []
    return a.apply(lambda x: seen.append(x) or len(seen))


def nonlocal_(a):
    n = 0

    def f(x):
        nonlocal n
        n += 1
        return n

    return a.apply(f)


def iterator(a):
    numbers = iter(range(100))
    return a.apply(lambda x: x + next(numbers))


def leaked(a):
    kept = []

    def f(x):
        kept[:] = [x]
        return x

    a.apply(f)
    return a + kept[0]


class Flag:
    def __init__(self) -> None:
        self.on = False

    def flip(self, x):
        self.on = not self.on
        return x if self.on else -x


def flips(a):
    flag = Flag()
    return a.apply(flag.flip)


def endlessly(n):
    try:
        return endlessly(n)
    except RecursionError:
        return 0


REFUSED: list[tuple[str, Callable[..., Any], str, str]] = [
    ("SW295", counter, "double", "double"),
    ("SW295", remember, "double", "double"),
    ("SW295", nonlocal_, "double", "long"),
    ("SW295", iterator, "double", "double"),
    ("SW295", leaked, "double", "double"),
    ("SW295", flips, "double", "double"),
    ("SW231", lambda a: a.apply(endlessly), "integer", "long"),
    ("SW296", lambda a: pd.Series([sum([1 for _ in range(x)]) for x in a]), "integer", "long"),
    ("SW293", lambda a: a.apply(lambda x: x if x > 1 else x > 0), "double", "double"),
    ("SW106", lambda a: a.apply(lambda x: (x, x)), "double", "double"),
    ("SW294", lambda a: a.apply(lambda x: x & 0xFFFF_FFFF_FFFF_FFFF), "long", "long"),
    ("SW294", lambda a: a.apply(lambda x: 2**63 if x > 1 else 0), "long", "long"),
    ("SW297", lambda a: a.apply(lambda x: 0 if x < 1 else x) + 1, "double", "double"),
    ("SW297", lambda a: np.exp(a.apply(lambda x: None if x < 1 else x)), "double", "double"),
    ("SW298", lambda a: a.apply(lambda x: None if x < 1 else x > 2), "double", "long"),
    ("SW298", lambda a: a.apply(lambda x: 0 if x < 1 else x), "double", "float"),
    ("SW261", lambda a: a.apply(lambda x: 1 / 0), "double", "double"),
    ("SW261", lambda a: a.apply(lambda x: x + "1"), "double", "double"),
    ("SW251", lambda a: a.apply(lambda x: math.gamma(x)), "double", "double"),
]


@pytest.mark.parametrize("code, function, type, returns", REFUSED)
def test_refused(code, function, type, returns):
    assert refused(function, (type,), returns) == [code]


def test_exact_mode_refuses_approximate_operations():
    reply = compiled(lambda a: a.apply(lambda x: x**2), ("double",), "double", exact=True)
    assert [r["code"] for r in reply["refusals"]] == ["SW232"]
    assert compiled(lambda a: a.apply(lambda x: x**2), ("double",), "double")["kept"] == [{"op": "x ** 2", "bound": "1 ULP"}]
    assert compiled(lambda a: a.apply(lambda x: x**2), ("long",), "double", exact=True)["status"] == "ok"


def test_a_function_that_is_not_a_function_of_its_row():
    calls = []

    def f() -> Any:
        calls.append(1)
        return bool(x > len(calls))

    builder = ProgramBuilder("f", [Input("a", F64)])
    loop = builder.loop("f")
    x = of_value(loop.read("a"))
    with running(Session(loop, dispatch=DISPATCH)), pytest.raises(Refusal, match="SW291"):
        Explorer(loop).explore(f)
    with running(Session(loop, dispatch=DISPATCH)), pytest.raises(Refusal, match="SW292"):
        bool(x > 0)


def _two(x, y):
    return x / y if y != 0 else 0.0


def in_variable(a, b):
    out = [_two(x, y) for x, y in zip(a, b, strict=True)]
    return pd.Series(out, index=a.index)


def twice(a):
    first = pd.Series([x * 2 if x > 0 else 0 for x in a])
    second = pd.Series([x + 1 for x in first])
    return first * 10 + second


def long_loop(x):
    n = 0
    for _ in range(x):
        n += 2
    return n


COMPREHENSIONS: list[tuple[Callable[..., Any], tuple[str, ...], str]] = [
    (lambda a: pd.Series([x + 1 for x in a]), ("double",), "double"),
    (lambda a: pd.Series([1 if x > 3 else 0 for x in a]), ("double",), "long"),
    (lambda a: pd.Series([1 if x > 3 else 0.5 for x in a]), ("double",), "double"),
    (lambda a: pd.Series([None if x > 3 else x for x in a], dtype=float), ("long",), "double"),
    (lambda a, b: pd.Series([_two(x, y) for x, y in zip(a, b)]), ("integer", "integer"), "double"),  # noqa: B905
    (lambda a, b: pd.Series(_two(x, y) for x, y in zip(a, b)), ("integer", "integer"), "double"),  # noqa: B905
    (lambda a, b: pd.Series(map(_two, a, b)), ("integer", "integer"), "double"),
    (lambda a: pd.Series(tier(x) for x in a), ("double",), "double"),
    (lambda a: pd.Series([tier(x) for x in a]) * 2 + a, ("double",), "double"),
    (in_variable, ("integer", "integer"), "double"),
    (twice, ("integer",), "long"),
    (lambda a: pd.Series([sum([x for _ in range(3)]) for x in a]), ("double",), "double"),
    (lambda a: pd.Series([many_branches(x) for x in a]), ("byte",), "long"),
    (lambda a: pd.Series([long_loop(x) for x in a]), ("byte",), "long"),
]


@pytest.mark.parametrize("function, types, returns", COMPREHENSIONS)
def test_comprehensions(function, types, returns):
    check(function, types, returns)


def _frame(**columns):
    return pd.DataFrame(columns)


OPENING = datetime.date(2020, 6, 15)
WEIGHTS = np.array([0.5, 2.0, -1.25, 0.0])


def _row_tier(row):
    if row["b"] > 1:
        return 3
    if row.a >= 7:
        return 1
    return 2


def _row_ratio(row, scale=1.0):
    return scale * row["a"] / row["b"] if row["b"] != 0 else 0.0


ROWS: list[tuple[Callable[..., Any], tuple[str, ...], str]] = [
    (lambda a, b: _frame(a=a, b=b).apply(_row_tier, axis=1), ("integer", "integer"), "integer"),
    (lambda a, b: _frame(a=a, b=b).apply(_row_tier, axis=1), ("double", "long"), "long"),
    (lambda a, b: _frame(a=a, b=b).apply(_row_ratio, axis=1), ("double", "double"), "double"),
    (lambda a, b: _frame(a=a, b=b).apply(_row_ratio, axis=1, scale=2.0), ("double", "integer"), "double"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: row["a"] / row["b"], axis=1), ("double", "double"), "double"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: row["a"] / row["b"], axis=1), ("long", "long"), "double"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: row["a"] * 2 + row["b"], axis="columns"), ("long", "long"), "long"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: max(row["a"], row["b"], 0.5), axis=1), ("double", "double"), "double"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: row["a"] > row["b"], axis=1), ("double", "long"), "boolean"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: round(row["a"] * row["b"], 1), axis=1), ("double", "double"), "double"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: row["a"] + 1 if row["b"] else 0, axis=1), ("long", "boolean"), "long"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: row["a"] // row["b"], axis=1), ("double", "double"), "double"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: abs(-row["a"]) % 7.5, axis=1), ("double", "double"), "double"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: int(row["a"]) + 1, axis=1), ("double", "double"), "long"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: row["a"] * 3 - row["b"], axis=1), ("integer", "integer"), "long"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: row["a"] // row["b"] + row["a"] / 7, axis=1), ("integer",) * 2, "double"),
    (lambda a, b: _frame(a=a, b=b).apply(sum, axis=1), ("double", "double"), "double"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: max(row) / 2, axis=1), ("double", "long"), "double"),
    (lambda a, b: _frame(a=a, b=b).apply(lambda row: 1 if all(v > 0 for v in row) else 0, axis=1), ("long", "integer"), "long"),
    (lambda a: a.apply(lambda x: np.sqrt(x) / 2 if x > 0 else -1.0), ("double",), "double"),
    (lambda a: a.apply(lambda x: np.floor(x) + 1), ("double",), "double"),
    (lambda a: a.transform(lambda x: x * 2 if x > 1 else 0.5), ("double",), "double"),
    (lambda a: a.map(lambda day: day is not None and day < OPENING), ("date",), "boolean"),
    (lambda a: a.apply(lambda day: day.year * 100 + day.month), ("date",), "integer"),
    (lambda a: a.apply(lambda day: day if day > OPENING else None), ("date",), "date"),
    (lambda a: a.apply(lambda day: min(day, OPENING)), ("date",), "date"),
    (lambda a: a.apply(lambda x: WEIGHTS[0] * x + x * WEIGHTS[1] - WEIGHTS[2]), ("double",), "double"),
    (lambda a: a.apply(lambda x: x / WEIGHTS[3] if x > WEIGHTS[1] else WEIGHTS[0]), ("long",), "double"),
    (lambda a: a.apply(np.isfinite), ("double",), "boolean"),
    (lambda a: a.apply(lambda x: np.maximum(x, 1.5) / 0), ("double",), "double"),
]


@pytest.mark.parametrize("function, types, returns", ROWS)
def test_rows_of_frames_and_numpy_scalars(function, types, returns):
    if BY_VALUE and types == ("integer", "integer") and returns != "integer":
        assert refused(function, types) == ["SW251"]  # int32 and a Python int make an int64
        return
    check(function, types, returns)


NO_ROWS = [
    ("SW250", lambda a: _frame(a=a).apply(lambda column: column.cumsum(), axis=0), "double"),
    ("SW262", lambda a: _frame(a=a, b=a).apply(lambda row: row["a"] ** 0.5, axis=1), "integer"),
    ("SW254", lambda a: _frame(a=a, b=a).apply(lambda row: row["a"], axis=1), "float"),
    ("SW262", lambda a: _frame(a=a).apply(lambda row: row["nope"], axis=1), "double"),
    ("SW251", lambda a: _frame(a=a).apply(lambda row: row.sum(), axis=1), "double"),
    ("SW251", lambda a: _frame(a=a).apply(lambda row: row * 2, axis=1), "double"),
]


@pytest.mark.parametrize("code, function, type", NO_ROWS)
def test_rows_of_frames_are_refused(code, function, type):
    assert refused(function, (type,)) == [code]


vectorized = np.vectorize(tier)


VECTORIZED: list[tuple[Callable[..., Any], tuple[str, ...], str]] = [
    (lambda a: pd.Series(np.vectorize(lambda x: x * 2 if x > 1 else x)(a)), ("double",), "double"),
    (lambda a: pd.Series(vectorized(a)), ("double",), "double"),
    (lambda a: pd.Series(vectorized(a)) * a, ("integer",), "double"),
    (lambda a, b: pd.Series(np.vectorize(_two)(a, b)), ("long", "long"), "double"),
    (lambda a, b: pd.Series(np.vectorize(_two)(a, y=b)), ("integer", "double"), "double"),
    (lambda a: pd.Series(np.vectorize(_two)(a, 3)), ("double",), "double"),
    (lambda a: pd.Series(np.vectorize(lambda x: x > 3)(a.values)), ("integer",), "boolean"),
    (lambda a: pd.Series(np.vectorize(mixed, otypes=[float])(a)), ("integer",), "double"),
    (lambda a: pd.Series(np.vectorize(mixed, otypes=["int64"])(a)), ("integer",), "long"),
    (lambda a: pd.Series(np.vectorize(lambda x: 1 if x > 2 else 0)(a)), ("byte",), "long"),
]


@pytest.mark.parametrize("function, types, returns", VECTORIZED)
def test_vectorize(function, types, returns):
    check(function, types, returns)


NO_VECTORIZE = [
    ("SW297", lambda a: pd.Series(np.vectorize(mixed)(a)), "integer"),
    ("SW262", lambda a: pd.Series(np.vectorize(lambda x: x + 1)(a)), "integer"),
    ("SW262", lambda a: pd.Series(np.vectorize(tier, signature="()->()")(a)), "double"),
    ("SW262", lambda a: pd.Series(np.vectorize(tier, otypes=["f4"])(a)), "double"),
]


@pytest.mark.parametrize("code, function, type", NO_VECTORIZE)
def test_vectorize_is_refused(code, function, type):
    assert refused(function, (type,)) == [code]


def running_total(a):
    out, total = [], 0.0
    for x in a:
        total += x
        out.append(total)
    return pd.Series(out)


def walrus(a):
    last = 0.0
    return pd.Series([last := last + x for x in a])


def appended(a):
    seen: list[Any] = []
    return pd.Series([seen.append(x) or len(seen) for x in a])


def measured(a):
    out = [x + 1 for x in a]
    return pd.Series(out) + len(out)


def largest(a):
    return a - max([x + 0 for x in a])


ONE = [1.0]


def beside(a):
    return _second([x + 0 for x in a], pd.Series(ONE))


def _second(x, y):
    return y


NO_COMPREHENSIONS = [
    ("SW603", lambda a: pd.Series([1.0 if (x > 1) is True else 2.0 for x in a])),
    ("SW603", lambda a: a.apply(lambda x: 1.0 if x is NUMBERS[0] else 2.0)),
    ("SW603", lambda a: a.map(lambda x: 1.0 if (x if x > 1 else -x) is NUMBERS[0] else 2.0)),
    ("SW600", running_total), ("SW600", walrus), ("SW295", appended), ("SW600", measured), ("SW262", largest), ("SW600", beside),
    ("SW600", lambda a: pd.Series([x + 0 for x in a] + [1.0])), ("SW600", lambda a: pd.Series(tuple(a))),
    ("SW262", lambda a: pd.Series([1.0])), ("SW600", lambda a: a + sum(x for x in a)),
    ("SW600", lambda a: pd.Series([[x + 0 for x in a][0]])), ("SW600", lambda a: pd.Series(sorted(a))),
    ("SW107", lambda a: pd.Series([x for x in a if x > 1])),
]  # fmt: skip


@pytest.mark.parametrize("code, function", NO_COMPREHENSIONS)
def test_loops_that_see_other_rows_are_refused(code, function):
    assert refused(function) == [code]
