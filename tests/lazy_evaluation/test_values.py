"""Checks lazy values: results equal those of NumPy and pandas, from a pipeline where possible, else from the libraries."""

from __future__ import annotations

import html
import json
import math
import operator
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.special
import scipy.stats

import sparkweld
from sparkweld.annotations import Rows, annotate
from sparkweld.annotations.containers import equal
from sparkweld.errors import UserError
from sparkweld.lazy_evaluation import explain
from sparkweld.lazy_evaluation import session as session_module
from sparkweld.lazy_evaluation.frame import LazyFrame
from sparkweld.lazy_evaluation.values import Lazy, LazyArray, LazySeries

N = 2000
LABELS = pd.Index(np.arange(N)[::-1] * 2, name="label")
RNG = np.random.default_rng(3)
A = np.where(RNG.random(N) < 0.05, np.nan, RNG.normal(0, 2, N))
B = RNG.uniform(0.1, 3, N)
I = RNG.integers(-5, 6, N)  # noqa: E741
FLAGS = RNG.random(N) < 0.5
TEXTS = RNG.choice(np.array(["alpha", "Beta gamma", " x ", "", "<é>", "10001-2345"], object), N)
SOME = np.where(RNG.random(N) < 0.1, None, TEXTS)
FRAME = pd.DataFrame({"a": A, "b": B, "i": I, "flag": FLAGS, "text": TEXTS, "some": SOME}, index=LABELS)
FRAME["day"] = pd.date_range("2024-01-01", periods=N, freq="h").to_numpy()
FRAME["list"] = pd.Series([[k] for k in range(N)], index=LABELS)


@pytest.fixture(autouse=True)
def _record_all(monkeypatch):
    """Removes the row threshold, because the data here is small."""
    monkeypatch.setattr(session_module, "LEAST_ROWS", 0)


#: Libm functions differ in the last digits; all else is bitwise equal.
ULPS = 8


def black_scholes(p, k, t, v):
    d1 = (np.log(p / k) + (0.05 + v * v / 2) * t) / (v * np.sqrt(t))
    return p * (0.5 + 0.5 * scipy.special.erf(d1)) - np.exp(-0.05 * t) * k


def in_place(a, b):
    a = a + 1
    a *= b
    a[a > 2] = 2.5
    np.multiply(a, b, out=a)
    return a


def sigmoid_of(cdf):
    return lambda a, b: cdf(a) * b + 1


#: (function of lazy or real values, names of columns or arrays, bits): computations that a pipeline supports.
CAPTURED = [
    (lambda a, b: (a + b * 2 - 1) / b, "AB", True),
    (lambda a, b: 2**b - a // b + a % b, "AB", False),
    (lambda a, b: (a > b) & ~(b < 1) | (a == b), "AB", True),
    (lambda a, b: -a + abs(b) + np.minimum(a, b), "AB", True),
    (lambda a, b: np.where(a > b, a, b), "AB", True),
    (lambda a, b: np.select([a > 1, b > 1], [a, b], default=-1.0), "AB", True),
    (lambda a, i: a * i + i // 3 + (i & 3), "AI", True),
    (lambda i: i.astype("int8") * 100, "I", True),
    (black_scholes, "BBBB", False),
    (lambda a, b: scipy.special.erf(a) * scipy.special.betainc(b, b, 0.5), "AB", True),
    (lambda a, b: np.sinc(scipy.special.erf(a + b)) - b, "AB", True),
    (in_place, "AB", True),
    (sigmoid_of(sparkweld.lazy(scipy.stats.norm.cdf)), "AB", True),
    (lambda a, b: a[a > b] * 2 + b[a > b], "AB", True),
    (lambda a, b: scipy.special.erf(a[a > b])[scipy.special.erf(a[a > b]) < 0.9], "AB", True),
    (lambda b: divmod(b, 0.7), "B", True),
    (lambda s: s.fillna(0).clip(-1, 1).round(2), "a", True),
    (lambda s, t: s.where(s > t, 0.0) + t, "ab", True),
    (lambda s, t: s.isna() | t.between(1, 2) | s.isin([0.5]), "ab", True),
    (lambda s, a: s * a, "aB", True),
    (lambda s, t: s[s > t] + t[s > t], "ab", True),
    (lambda i: i.map({1: 10.0, 2: 20.0}), "i", True),
    (lambda s: scipy.special.erf(s).rename("erf") + 1, "a", True),
    (lambda s: s.str.strip().str.upper() + "!", "text", True),
    (lambda s: s.str.slice(0, 5), "some", True),
    (lambda s: s.str.len() > 4, "text", True),
    (lambda s: s.map(html.escape), "text", True),
    (lambda s: s.map(html.escape).str.len() * 2, "text", True),
    (lambda s: s.apply(html.escape).str.contains("lt"), "text", True),
    (lambda b: b.map(math.lgamma) + 1, "b", True),
]
_DATA = {"A": A, "B": B, "I": I}


def given(names):
    names = [names] if names in FRAME else list(names)
    return [_DATA[n].copy() if n in _DATA else FRAME[n].copy() for n in names]


def close(a, b, bits):
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(close, a, b, [bits] * len(a)))
    return equal(a, b) or (not bits and equal(a, b, rtol=ULPS * np.finfo(float).eps * 100))


@pytest.mark.parametrize(("function", "names", "bits"), CAPTURED)
def test_captured(function, names, bits):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = function(*given(names))
    session = sparkweld.lazy(block_rows=300, threads=2)
    result = function(*map(session, given(names)))
    lazies = result if isinstance(result, tuple) else (result,)
    assert all(isinstance(x, Lazy) and not x._definition.is_computed for x in lazies)
    got = sparkweld.compute(*lazies)
    assert close(got if isinstance(result, tuple) else got[0], wanted, bits)
    runner = session.space(N).last
    assert runner.metrics.blocks == 7 * runner.metrics.runs > 0 and runner.metrics.fallbacks == 0


#: Steps of generated functions: each takes two values with the same rows.
STEPS = [
    lambda a, b: a + b, lambda a, b: a * 0.5 - b, lambda a, b: np.maximum(a, b), lambda a, b: np.where(a > b, a, b / 2),
    lambda a, b: scipy.special.erf(a) + b, lambda a, b: scipy.special.expit(b) * a, lambda a, b: np.sinc(a),
    lambda a, b: np.abs(a) - np.floor(b),
]  # fmt: skip


@pytest.mark.gate_cases("1", "5")
@pytest.mark.parametrize("seed", range(8))
def test_generated(seed):
    session = sparkweld.lazy(block_rows=int(RNG.integers(1, 900)), threads=seed % 2 + 1)
    rng = np.random.default_rng(seed)
    real, lazies = [A, B], [session(A), session(B)]
    for step in rng.integers(0, len(STEPS), 7):
        i, j = rng.integers(0, len(real), 2)
        for values in (real, lazies):
            values.append(STEPS[step](values[i], values[j]))
        if step == 0:  # all continue with a subset of the rows
            real = [x[real[-1] > 0] for x in real]
            lazies = [x[lazies[-1] > 0] for x in lazies]
    assert all(map(equal, sparkweld.compute(*lazies), real)) and session.space(N).last.metrics.fallbacks == 0


#: Computations that no pipeline supports: the library computes them from lazy arguments, with its result or error.
FORWARDED = [
    (lambda a: a.cumsum(), "A"),
    (lambda s: s.sum(), "a"),
    (lambda s: s.rank() + s.shift(1), "a"),
    (lambda s: s.sort_values().head(3), "a"),
    (lambda s: s.groupby(s > 0).mean(), "a"),
    (lambda s: s.apply(lambda v: v + 1), "b"),
    (lambda s: s.iloc[3:5], "a"),
    (lambda a: a[3:7] + a[0], "A"),
    (lambda a, b: a[a > 0] + b[: (a > 0).sum()], "AB"),
    (lambda a, b: a[a > 0] + b, "AB"),
    (lambda s, t: s + t[::-1], "ab"),
    (lambda s, t: s[s > 0] + t, "ab"),
    (lambda a: np.concatenate([a, a]), "A"),
    (lambda a: a.reshape(-1, 10).sum(axis=1), "A"),
    (lambda s: s + "x", "a"),
    (lambda s: s.nothing, "a"),
    (lambda a: float(a.max()) + len(a) + int(a[0]), "B"),
    (lambda s: s.dt.year, "day"),
    (lambda s: s.str.len(), "list"),
    (lambda s: s.map(json.loads), "text"),
    (lambda s: (s + "\ud800").str.upper().str.len(), "text"),
]


def outcome(function, *args):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(*args)
            return result.compute() if isinstance(result, Lazy | LazyFrame) else result
    except Exception as error:  # noqa: BLE001 - the same error is the expected outcome
        return type(error), str(error)


@pytest.mark.parametrize(("function", "names"), FORWARDED)
def test_forwarded(function, names):
    assert equal(outcome(function, *map(sparkweld.lazy(), given(names))), outcome(function, *given(names)))


def frames(d):
    d = d[d["b"] > 0.5]
    d["score"] = d["a"].fillna(0) * d.b + d["i"]
    d = d[d["score"] > 0]
    d["upper"] = d["text"].str.upper()
    return d


def test_frames():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = frames(FRAME.copy())
    result = frames(sparkweld.lazy(FRAME))
    assert isinstance(result, LazyFrame)
    pd.testing.assert_frame_equal(result.compute(), wanted, check_exact=True)
    whole = sparkweld.lazy(FRAME)
    assert equal(whole.groupby("i")["b"].mean(), FRAME.groupby("i")["b"].mean())
    assert equal(whole[["a", "i"]].compute(), FRAME[["a", "i"]]) and len(whole) == N and repr(whole) == repr(FRAME)
    whole["c"] = 1
    assert equal(whole.compute(), FRAME.assign(c=1)) and "c" not in FRAME
    table = pa.table({"x": B})
    assert equal((sparkweld.lazy(table)["x"] * 2).compute(), table.to_pandas()["x"] * 2)


@pytest.mark.parametrize("dtype", ["string[python]", "string[pyarrow]", "category", "Int64", "datetime64[ns, UTC]"])
def test_columns_of_pandas_own_types_are_kept_by_place(dtype):
    """Rows are selected by position, not by label, because most of these labels are at another position."""
    column = pd.Series(I, LABELS // 2) if dtype[0] in "Id" else pd.Series(SOME, LABELS // 2)
    frame = pd.DataFrame({"a": A, "c": column.to_numpy()}, column.index).astype({"c": dtype})
    lazy = sparkweld.lazy(frame, block_rows=300)
    kept, wanted = lazy[lazy["a"] > 0], frame[frame["a"] > 0]
    assert equal(kept["c"].compute(), wanted["c"]) and equal(kept.compute(), wanted)


def test_categories_are_mapped_to_categories():
    column = pd.Series(TEXTS, LABELS, dtype="category")
    assert equal(sparkweld.lazy(column).map(html.escape).compute(), column.map(html.escape))


def test_results_are_merged_from_chunks():
    session = sparkweld.lazy(block_rows=100)
    for function, data in (
        (np.sum, I),
        (np.max, B),
        (np.count_nonzero, I),
        (pd.Series.sum, FRAME["i"]),
        (pd.Series.count, FRAME["a"]),
    ):
        lazily = session(data)
        got = lazily.sum() if function is pd.Series.sum else lazily.count() if function is pd.Series.count else function(lazily)
        assert equal(got, function(data))


def test_a_session_computes_its_live_results_in_one_pipeline():
    with sparkweld.lazy(threads=1) as wrap:
        a, b = wrap(A), wrap(B)
        e = scipy.special.erf(a)
        x, y = e * b, e + b
        assert "call: erf" in explain(x, y) and explain(x).count("kernel") == 1
    runner = wrap.space(N).last
    assert (
        x._definition.is_computed and y._definition.is_computed and runner.metrics.runs == 1 and len(runner.pipeline.calls) == 1
    )
    assert explain(x).startswith("computed already")
    assert "ran 1 times: 2,000 rows" in sparkweld.lazy_evaluation.evaluating.described(runner)


def test_exact_sessions_compute_only_operations_that_are_equal_bit_for_bit():
    a = sparkweld.lazy(exact=True)(B)
    assert isinstance(a + 1, LazyArray) and not (a + 1)._definition.is_computed
    logs = np.log(a)
    assert logs._definition.is_computed and equal(logs.compute(), np.log(B))


def test_the_library_decides_rows_that_kernels_may_not():
    session = sparkweld.lazy()
    s, t = FRAME["i"], FRAME["i"] * 0 + 3
    t.iloc[5] = 0
    quotient = session(s) // session(t)  # a zero divisor turns the whole Series into floats
    assert isinstance(quotient, LazySeries) and equal(quotient.compute(), s // t)
    assert session.space(N).last.metrics.fallbacks == 1


def test_broken_promises_warn_and_change_nothing():
    def short(a):
        return a[:-1] if len(a) == 500 else a * 2.0

    def changing(a):
        if len(a) > 4:
            a += 1
        return a * 1.0

    for function in (short, changing):
        wrong = annotate(function, (Rows(container="array"),), returns=Rows(container="array"), check=False)
        data = B.copy()
        wanted = function(data.copy())
        result = sparkweld.lazy(wrong)(sparkweld.lazy(block_rows=500)(data))
        with pytest.warns(RuntimeWarning, match=f"the original computation runs.*{function.__name__}"):
            assert equal(result.compute(), wanted)


def test_wrong_use():
    with pytest.raises(UserError, match="takes a DataFrame, .* not a ndarray of 2 dimensions"):
        sparkweld.lazy(np.ones((2, 2)))
    with pytest.raises(UserError, match="not a int"):
        sparkweld.lazy(3)
    with pytest.raises(UserError, match="block_rows=0"):
        sparkweld.lazy(B, block_rows=0)
    with pytest.raises(TypeError, match="unhashable"):
        hash(sparkweld.lazy(B))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(sparkweld.lazy(B) > 1)
    x = sparkweld.lazy(I)
    with pytest.raises(TypeError, match="same_kind"):
        np.multiply(x, 0.5, out=x)
    assert operator.index(sparkweld.lazy(np.array([3]))[0]) == 3 and sparkweld.lazy(np.array([])).compute().size == 0


def test_calls_that_cost_more_to_record_run_at_once(monkeypatch):
    monkeypatch.undo()
    assert "least_rows" in explain(np.sqrt(sparkweld.lazy(B)))
    assert np.array_equal(np.sqrt(sparkweld.lazy(B)).compute(), np.sqrt(B))
    assert equal(sparkweld.lazy(FRAME)[FRAME["b"] > 1].compute(), FRAME[FRAME["b"] > 1])
    assert "kernel" in explain(np.sqrt(sparkweld.lazy(B, least_rows=N)))
    with pytest.raises(UserError, match="least_rows"):
        sparkweld.lazy(B, least_rows=-1)


@pytest.mark.gate_cases("mul", "copysign")
@pytest.mark.parametrize(
    "function", [operator.mul, operator.truediv, np.copysign, operator.pow], ids=["mul", "truediv", "copysign", "pow"]
)
def test_warnings_of_one_call_are_not_repeated_for_another(function):
    """Equal constants of other types or signs, and equal calls on other dtypes and names, are cached separately."""
    small, series = np.array([1, -2, 100], np.int8), pd.Series([1.0, -2.0, 0.0], name="a")
    for x in (small, small.astype(np.float32), series, series.rename("b"), series.astype("int64")):
        for constant in (0.0, -0.0, 0, False, 1, True, 1.0, np.float64(1), np.int64(1), 2, 2.0, -1.5):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    wanted = function(x, constant)
                except TypeError as error:
                    with pytest.raises(TypeError, match=str(error)[:20].replace("(", r"\(")):
                        function(sparkweld.lazy(x), constant)
                    continue
                got = sparkweld.compute(function(sparkweld.lazy(x), constant))[0]
            assert equal(got, wanted) and np.array_equal(np.signbit(got), np.signbit(wanted)), (x, constant, function)
            assert getattr(got, "name", None) == getattr(wanted, "name", None)


def test_a_call_without_annotation_breaks_the_pipeline_and_both_halves_are_kept():
    def stencil(x):
        rolled = np.roll(scipy.special.erf(x * 2 + 1) - x, 1)
        return rolled * 3 + x, rolled - 1

    session = sparkweld.lazy()
    got = sparkweld.compute(*stencil(session(A.copy())))
    assert all(map(equal, got, stencil(A)))
    first, second = session.space(N).runners.values()
    assert [r.metrics.runs for r in (first, second)] == [1, 1] and len(first.pipeline.calls) == 1 and not second.pipeline.calls
    assert set(second.pipeline.outputs) == {"out0", "out1"}


def test_calls_that_differ_in_the_sign_of_zero_are_two():
    x = sparkweld.lazy(B)
    plus, minus = sparkweld.compute(scipy.special.xlog1py(x, 0.0), scipy.special.xlog1py(x, -0.0))
    assert equal(plus, 0.0 * B) and equal(minus, -0.0 * B)


def test_equal_strings_are_passed_once():
    given_texts = []

    def shortened(text):
        given_texts.append(text)
        return text[:2]

    listed = Rows(container="list", dtype="str")
    short = annotate(shortened, (listed,), returns=Rows(container="list"), elementwise=True, check=False)
    for texts, calls in ((TEXTS, len(set(TEXTS))), (np.array([f"t{k}" for k in range(N)], object), N)):
        lazy = sparkweld.lazy(pd.Series(texts), block_rows=N)
        made = lazy.map(short)
        given_texts.clear()
        assert sparkweld.compute(made)[0].equals(pd.Series([t[:2] for t in texts])) and len(given_texts) == calls
    repeated = pd.Series(np.tile([f"t{k}" for k in range(N // 4)], 4))
    made = sparkweld.lazy(repeated, block_rows=N // 8).map(short)
    given_texts.clear()
    assert made.compute().equals(repeated.str.slice(0, 2)) and len(given_texts) == N // 4  # in all blocks
    own = annotate(lambda text: [text], (listed,), returns=Rows(container="list"), elementwise=True, check=False)
    made = sparkweld.lazy(pd.Series(TEXTS), block_rows=N).map(own).compute()
    assert len(set(map(id, made))) == N  # separate lists, because they may be mutated
