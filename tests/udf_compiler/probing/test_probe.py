"""Checks the probe of a traced function: it accepts right translations, refuses wrong ones, and is cheap and silent."""

from __future__ import annotations

import datetime
import math
import time
import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

from sparkweld.errors import Refusal
from sparkweld.ir import Input, ProgramBuilder
from sparkweld.ir.python_rules import RULES
from sparkweld.ir.types import parse_type
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import call, column, payload, python_step, request, run_reply, udf
from tests.helpers.expressions import NAMES, Function, functions
from tests.helpers.kinds import codes, compile_udf
from tests.helpers.tracing import _REAL, _TRACED, make
from udf_compiler.eval_types import row as row_kind
from udf_compiler.eval_types import scalar_pandas
from udf_compiler.frontends.pandas.calls import arrays, numpy_, series_methods
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.trace import trace
from udf_compiler.frontends.python import sums
from udf_compiler.probing import probe as probe_module
from udf_compiler.probing.constants import constants_of
from udf_compiler.probing.differences import Tolerance, difference_of, tolerance_of
from udf_compiler.probing.probe import probe
from udf_compiler.probing.rows import ROW_COUNT, column_of


def compiled(*functions: Any, inputs: dict[str, str] | None = None, **given: Any) -> dict[str, Any]:
    """Returns the reply for functions of the inputs, one UDF each."""
    inputs = inputs or {"a": "double", "b": "double"}
    steps = python_step(**{f"r{i}": udf(i, *inputs, name=f"f{i}") for i in range(len(functions))})
    outputs = [f"r{i}" for i in range(len(functions))]
    return compile_pipeline(request(steps, inputs=inputs, outputs=outputs, **given), [payload(f) for f in functions])


def refusals(reply: dict[str, Any]) -> list[str]:
    return [r["code"] for r in reply.get("refusals", ())]


# (table, its entry, a wrong translation, a function that uses it)
WRONG = [
    (series_methods.METHODS, "abs", lambda s: s, lambda a, b: a.abs() + b),
    (series_methods.METHODS, "round", lambda s, decimals=0: s, lambda a, b: a.round(1)),
    (series_methods.METHODS, "fillna", lambda s, value=None: s, lambda a, b: a.fillna(0.0)),
    (series_methods.METHODS, "notna", series_methods.isna, lambda a, b: a.where(b.notna(), 1.0)),
    (series_methods.METHODS, "gt", series_methods.flex("ge", False), lambda a, b: a.gt(b).astype("float64")),
    (series_methods.METHODS, "add", series_methods.flex("sub", False), lambda a, b: a.add(b)),
    (arrays.METHODS, "copy", lambda x: -x, lambda a, b: pd.Series(a.to_numpy().copy())),
    (numpy_.TABLE, np.where, lambda c, x, y: numpy_.where(c, y, x), lambda a, b: pd.Series(np.where(a > b, a, b))),
    (numpy_.TABLE, np.nan_to_num, lambda x, nan=0.0: x, lambda a, b: pd.Series(np.nan_to_num(a, nan=1.0))),
    (numpy_.TABLE, np.zeros_like, lambda x: numpy_.ones_like(x), lambda a, b: pd.Series(np.zeros_like(a)) + b),
]  # fmt: skip


@pytest.mark.parametrize("table, entry, wrong, function", WRONG, ids=lambda x: getattr(x, "__name__", "") or str(x)[:20])
def test_a_wrong_translation_is_refused(table, entry, wrong, function, monkeypatch):
    assert compiled(function)["status"] == "ok"
    monkeypatch.setitem(table, entry, wrong)
    reply = compiled(function)
    assert refusals(reply) == ["SW233"], reply
    refused = reply["refusals"][0]
    assert "the function returns" in refused["message"] and "its translation" in refused["message"]
    assert refused["place"].endswith("of test_probe.py") and "report" in refused["hint"]


def test_a_wrong_dtype_is_refused(monkeypatch):
    monkeypatch.setitem(series_methods.METHODS, "abs", lambda s: series_methods.abs_(s.astype("float64")))
    reply = compiled(lambda a: a.abs(), inputs={"a": "integer"})
    assert refusals(reply) == ["SW233"] and "int32" in reply["refusals"][0]["message"]


def test_an_exception_that_no_guard_announced_is_refused(monkeypatch):
    monkeypatch.setitem(series_methods.METHODS, "astype", lambda s, dtype: s)  # no guard for values that no integer holds
    reply = compiled(lambda a, b: a.astype("int64") * 0.5)
    assert refusals(reply) == ["SW233"] and "raises IntCastingNaNError" in reply["refusals"][0]["message"]


def test_memory_that_pandas_has_not_written_refuses_nothing(monkeypatch):
    """The fraction of a number that is NaN is uninitialised memory; where rounding that overflows, to_datetime raises."""
    from pandas.core.tools import datetimes

    real = datetimes.cast_from_unit_vectorized

    def raises(values, unit):
        if np.isnan(values).any():
            raise FloatingPointError("overflow encountered in multiply")
        return real(values, unit=unit)

    monkeypatch.setattr(datetimes, "cast_from_unit_vectorized", raises)
    assert compiled(lambda a, b: pd.to_datetime(a, unit="s").dt.hour + b)["status"] == "ok"


def test_a_missing_guard_is_refused(monkeypatch):
    from udf_compiler.frontends.pandas import series

    function = lambda a, b: a // b  # noqa: E731
    types = {"a": "integer", "b": "integer"}
    assert compiled(function, inputs=types)["status"] == "ok"
    monkeypatch.setattr(series, "_guard_divisor", lambda *args: None)
    assert refusals(compiled(function, inputs=types)) == ["SW233"]


def test_wrong_dot_products_are_refused(monkeypatch):
    w = np.array([0.25, -3.0])
    function = lambda a, b: pd.Series(np.column_stack([a, b]) @ w)  # noqa: E731
    assert compiled(function)["status"] == "ok"
    right = arrays.column_stack
    monkeypatch.setitem(numpy_.TABLE, np.column_stack, lambda tup: right(tup[::-1]))
    assert refusals(compiled(function)) == ["SW233"]


@pytest.mark.parametrize("type, digits", [("f32", True), ("f64", False)])
def test_doubles_of_single_precision_are_compared_as_such(type, digits):
    """XGBoost computes probabilities as 32-bit floats, and users convert them to doubles."""
    loop = ProgramBuilder("p", [Input("x", parse_type(type))]).loop("x")
    loop.call("exp", loop.read("x"))
    tolerance = tolerance_of([("link", "4 ULP of exp, and its propagated error")], loop.body)
    x = pd.Series(np.linspace(0.1, 0.9, 9))
    assert (difference_of(x * (1 + 3e-7), x, tolerance) is None) == digits
    assert difference_of(x * (1 + 1e-3), x, tolerance) is not None
    assert difference_of(x * (1 + 1e-13), x, tolerance) is None


def test_thresholds_of_dot_products_are_compared_coarsely():
    w = np.array([0.1, 0.7, -0.3])
    function = lambda a, b: pd.Series(np.column_stack([a, b, a]) @ w > 0.5)  # noqa: E731
    reply = compile_pipeline(
        request(python_step(r=udf(0, "a", "b", returns="boolean")), inputs={"a": "double", "b": "double"}), [payload(function)]
    )
    assert reply["status"] == "ok"


def test_guards_that_never_hold_do_not_run_the_function():
    runs = []

    def function(a):
        runs.append(len(a))
        return a

    builder = ProgramBuilder("f", [Input("a", parse_type("f64"))])
    loop = builder.loop("f")
    a = TracedSeries(loop, loop.read("a"), np.float64)
    probe(function, [a], {}, a, loop, "")
    assert runs == [ROW_COUNT]
    loop.guard(loop.call("isnan", loop.read("a")))
    probe(function, [a], {}, a, loop, "")
    assert runs == [ROW_COUNT, np.count_nonzero(np.isnan(column_of(parse_type("f64"), 0)))]
    loop.guard(loop.call("logical_not", loop.call("isnan", loop.read("a"))))
    probe(function, [a], {}, a, loop, "")
    assert len(runs) == 2


def test_large_functions_are_not_run(monkeypatch):
    def function(a, b):
        for k in range(1200):
            a = a * 1.0625 + b * k
        return a

    ran = []
    monkeypatch.setattr(probe_module, "difference_of", lambda *args: ran.append(1))
    assert compiled(function)["status"] == "ok" and ran == []
    assert compiled(lambda a, b: a + b)["status"] == "ok" and ran == [1]


def test_nothing_is_warned_of():
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        reply = compiled(lambda a, b: (a / b) * np.log(a) + np.exp(b) * 1e300 - a.astype("float32"))
    assert reply["status"] == "ok"


def test_every_kind_of_argument_is_probed(monkeypatch):
    seen: list[Any] = []

    def spy(given, wanted, rounded):
        seen.append(given)
        return real(given, wanted, rounded)

    real = probe_module.difference_of
    monkeypatch.setattr(probe_module, "difference_of", spy)
    names = "boolean byte short integer long float double date timestamp".split()
    types = dict(zip("abcdefghi", names, strict=True))
    day = datetime.date(2024, 1, 1)
    function = lambda a, b, c, d, e, f, g, h, i: (a * b + c * d - e) * f + g * (h > day) + i.dt.year  # noqa: E731
    assert compiled(function, inputs=types)["status"] == "ok"
    assert compiled(function, inputs=types, nullable_state=list("bcdehi"))["status"] == "ok"
    assert len(seen) == 2 and all(s.dtype == np.float64 for s in seen)
    fields = call("CreateNamedStruct", column("a"), column("b", "integer"), type="struct", names=["x", "y"])
    struct = python_step(r=udf(0, fields))
    reply = compile_pipeline(request(struct, inputs={"a": "double", "b": "integer"}), [payload(lambda t: t.x + t["y"])])
    assert reply["status"] == "ok" and len(seen) == 3
    chain = python_step(r=udf(0, udf(1, "a", name="g"), ("k", column("a")), name="f"))
    blobs = [payload(lambda s, k: s * k), payload(lambda s: s.to_numpy() + 1)]
    assert compile_pipeline(request(chain), blobs)["status"] == "ok"
    assert [type(s) for s in seen[3:]] == [np.ndarray, pd.Series]


def test_below_a_filter_and_beside_expressions():
    positive = call("GreaterThan", column("a", "integer"), {"op": "Literal", "type": "integer", "value": "0", "nullable": False})
    total = call("Add", column("a", "integer"), column("b", "integer"), type="integer", ansi=True)
    steps = [{"kind": "filter", "condition": positive}, python_step(r=udf(0, total, "a"))]
    reply = compile_pipeline(
        request(*steps, inputs={"a": "integer", "b": "integer"}), [payload(lambda s, a: (s + a) * 0.5 + (s - a) // 3)]
    )
    a, b = np.array([3, -1, 5], np.int32), np.array([4, 5, 6], np.int32)
    (got,) = run_reply(reply, {"a": a, "b": b}).values()
    np.testing.assert_array_equal(got, [6.0, 10.0])


def test_the_cost_is_a_few_milliseconds():
    """The haversine formula is measured, the best of three; the bound allows for a busy machine."""

    def haversine(a, b, c, d):
        h = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin((d - c) / 2) ** 2
        return 2 * 6371 * np.arcsin(np.sqrt(h.clip(0, 1)))

    builder = ProgramBuilder("f", [Input(name, parse_type("f64")) for name in "abcd"])
    loop = builder.loop("f")
    args = [TracedSeries(loop, loop.read(name), np.float64) for name in "abcd"]
    result = trace(make("lambda a, b, c, d: f(a, b, c, d)", {"f": haversine}, _TRACED), args, loop=loop)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        probe(haversine, args, {}, result, loop, "")
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.010


def check(function: Function) -> None:
    builder = ProgramBuilder("f", [Input(n, parse_type(t)) for n, t in zip(NAMES, function.types, strict=False)])
    loop = builder.loop("f")
    args = [TracedSeries(loop, v, v.type.dtype) for v in (loop.read(i.name) for i in builder.inputs)]
    try:
        result = trace(make(function.source, {}, _TRACED), args, loop=loop)
    except Refusal:
        return
    probe(make(function.source, {}, _REAL), args, {}, result, loop, "")


@settings(max_examples=150, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(functions())
def test_right_translations_pass(function: Function) -> None:
    check(function)


OPTIONS = [("mode.copy_on_write", True), ("future.infer_string", True), ("compute.use_bottleneck", False)]


@pytest.mark.parametrize("option, value", OPTIONS)
def test_options_that_a_module_sets_change_nothing(option, value):
    """A module may set them when it is imported, in the worker and so in the compile service; functions may not (SW263)."""

    def function(a, b):
        s = a * 1
        s[b > 0] = 0.0
        t = s.copy(deep=False).where(b < 2, 1.0)
        return pd.DataFrame({"s": s, "t": t, "a": a.fillna(0.0)}).sum(axis=1)

    with pd.option_context(option, value):
        assert compiled(function)["status"] == "ok"


def test_sums_that_cancel_are_among_the_rows(monkeypatch):
    function = lambda a, b, c: None if None in (a, b, c) else sum([a, b, c])  # noqa: E731
    types = dict.fromkeys("abc", "double")
    assert compile_udf(function, 101, types, "double")["status"] == "ok"
    others = replace(RULES, compensates_floats=not RULES.compensates_floats)
    monkeypatch.setattr(sums, "sum_of", partial(sums.sum_of, rules=others))
    assert codes(compile_udf(function, 101, types, "double")) == ["SW233"]


CODES = {"X7": 1.0, "Y": 2.0}
LIMIT = 1234.5

#: (type of the column, the original, the function that it is mistaken for)
MISTAKEN = [
    ("string", lambda s: 1.0 if s == "Q-17" else 0.0, lambda s: 0.0),
    ("string", lambda s: CODES.get(s, 0.0), lambda s: 0.0),
    ("string", lambda s: 1.0 if s is not None and s.startswith("Q-17") else 0.0, lambda s: 0.0),
    ("long", lambda n: 1.0 if n in (77_123, 99_991) else 0.0, lambda n: 0.0),
    ("long", lambda n: 1.0 if n == 77_124 - 1 else 0.0, lambda n: 0.0),
    ("double", lambda x: 1.0 if x is not None and LIMIT <= x < LIMIT + 2 else 0.0, lambda x: 0.0),
    ("double", lambda x: 1.0 if x is not None and 0.7 <= x <= 0.7 else 0.0, lambda x: 0.0),
    ("array<string>", lambda xs: 1.0 if xs is not None and "Q-17" in xs else 0.0, lambda xs: 0.0),
]


@pytest.mark.parametrize("type, original, mistaken", MISTAKEN)
def test_branches_of_the_functions_own_constants_are_among_the_rows(type, original, mistaken, monkeypatch):
    real = row_kind.probe_row
    monkeypatch.setattr(row_kind, "probe_row", lambda _, *rest: real(original, *rest))
    assert codes(compile_udf(mistaken, 101, {"a": type}, "double")) == ["SW233"]


@pytest.mark.parametrize("compared", [77.25, LIMIT, "CODES"])
def test_a_pandas_function_meets_its_constants(compared, monkeypatch):
    if compared == "CODES":
        original, inputs = lambda s: s.map(CODES).fillna(0.0), {"a": "string"}
        mistaken = lambda s: s.str.len().fillna(0.0) * 0.0  # noqa: E731
    else:
        original, inputs = lambda s: (s == compared) * 1.0, {"a": "double"}
        mistaken = lambda s: (s != s) * 0.0  # noqa: E731
    real = scalar_pandas.probe
    assert compiled(mistaken, inputs=inputs)["status"] == "ok"
    monkeypatch.setattr(scalar_pandas, "probe", lambda _, *rest: real(original, *rest))
    assert refusals(compiled(mistaken, inputs=inputs)) == ["SW233"]


def test_constants_of_a_function():
    table = {"k": 5, "m": (6, "n")}
    scale = np.array([0.25, 3.0])

    def function(x, limit=9.5):
        inner = lambda y: y * 11 if y == "in" else table  # noqa: E731
        return partial(inner, 12) if x > limit else scale

    found = constants_of(partial(function, factor=13))
    assert {"k", "m", 5, 6, "n", 0.25, 3.0, 9.5, 11, "in", 12, 13} <= set(found)
    assert not any(isinstance(c, bool) for c in constants_of(lambda x: x is True))


LIBM = ["x ** 3", "x ** 0.3 if x > 0 else 0.0", "2 ** x", "math.exp(x)", "math.pow(x, 3) if x < 9 else 1.0"]


@pytest.mark.parametrize("source", LIBM)
def test_digits_of_libm_are_no_difference(source):
    """Python calls libm for one number; NumPy's array loop has different last digits."""
    scope = {"math": math, "__name__": "__main__"}
    function = eval(f"lambda a, b: a.apply(lambda x: {source}) + b", scope)
    assert compiled(function)["status"] == "ok"
    wrong = eval(f"lambda a, b: a.apply(lambda x: ({source}) * (1 + 1e-7)) + b", scope)
    real = scalar_pandas.probe
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scalar_pandas, "probe", lambda _, *rest: real(wrong, *rest))
        assert refusals(compiled(function)) == ["SW233"]


def test_dates_that_are_all_missing():
    """pandas makes datetime64 of objects that are all NaT; dates that are not all missing differ from it."""
    dates = pd.Series([None, None], dtype=object)
    times, numbers = pd.Series([pd.NaT, pd.NaT], dtype="datetime64[ns]"), pd.Series([0.5, np.nan])
    assert difference_of(times, dates, Tolerance.BITS) is None
    assert difference_of(times, numbers, Tolerance.BITS) is not None
    assert difference_of(times, pd.Series([datetime.date(2020, 1, 1), None]), Tolerance.BITS) is not None
    assert difference_of(times, dates[:1], Tolerance.BITS) is not None
