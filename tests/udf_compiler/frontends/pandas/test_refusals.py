"""Checks untraceable sources: the reason code of each, and the guarantees of a refusal."""

from __future__ import annotations

import datetime
import random

import numpy as np
import pandas as pd
import pytest

from sparkweld.errors import InternalError, Refusal
from sparkweld.ir import Input, ProgramBuilder
from sparkweld.ir.types import F64
from tests.helpers.tracing import trace_source
from udf_compiler.frontends.pandas.dispatch import DISPATCH
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.pandas.trace import trace
from udf_compiler.frontends.tracing import lower
from udf_compiler.frontends.tracing.session import Session, running

#: (expression of a and b, types of a and b, code)
TABLE = [
    *[
        (f"a.{name}()", "f64", "SW250")
        for name in "mean sum std min max any all rank unique duplicated diff cumsum head quantile".split()
    ],
    ("a * len(a)", "f64", "SW259"),
    *[(f"a * {count}", "f64", "SW250") for count in ("a.size", "a.shape[0]", "a[a > 0].empty")],
    *[(f"a.{name}", "f64", "SW250") for name in "iloc[0] rolling groupby sort_values shift index.values".split()],
    *[(f"np.{name}(a)", "f64", "SW250") for name in "sum mean max min any all cumsum sort diff median unique std".split()],
    ("a[a > 0].sum()", "f64", "SW250"),
    ("a.loc[a > 0]", "f64", "SW250"),
    ("a.values[0]", "f64", "SW250"),
    ("a.values[a > 0]", "f64", "SW250"),
    ("np.column_stack([a, b]).sum()", "f64", "SW250"),
    ("np.column_stack([a, b]).sum(axis=0)", "f64", "SW250"),
    ("np.concatenate([a, b])", "f64", "SW250"),
    ("np.hstack([a, b])", "f64", "SW250"),
    ("np.add.reduce(a)", "f64", "SW250"),
    ("np.maximum.accumulate(a.values)", "f64", "SW250"),
    ("np.subtract.outer(a, b)", "f64", "SW250"),
    ("a.values @ b.values", "f64", "SW250"),
    ("np.column_stack([a, b]) @ np.column_stack([a, b])", "f64", "SW250"),
    ("pd.Series(a, index=[1, 2])", "f64", "SW250"),
    ("pd.Series([a, b])", "f64", "SW250"),
    ("pd.concat([a, b])", "f64", "SW250"),
    ("np.column_stack([a, b]).shape[0]", "f64", "SW250"),
    ("a * a.values.tolist()[0]", "f64", "SW250"),
    ("a.str.upper()", "f64", "SW252"),
    ("a.replace(1, 2, limit=1)", "f64", "SW262"),
    ("a.apply('sum')", "f64", "SW251"),
    ("a.loc * 2", "f64", "SW251"),
    ("a.str + 1", "str?", "SW251"),
    ("-a.str", "str?", "SW251"),
    ("a.str.split('x').str + b", "str?", "SW251"),
    ("a.map(lambda x: x + '1')", "f64", "SW261"),
    ("a.map(np.exp)", "f64", "SW251"),
    ("np.frompyfunc", "f64", "SW263"),
    ("np.unwrap(a)", "f64", "SW263"),
    ("a.dot(b)", "f64", "SW250"),
    ("a.no_such_method()", "f64", "SW261"),
    ("a + 'x'", "f64", "SW262"),
    ("a + 300", "i8", "SW251" if lower.BY_VALUE else "SW252"),
    ("~a", "f64", "SW252"),
    ("a ** -1", "i64", "SW252"),
    ("a / b", "bool", "SW252"),
    ("a - b", "bool", "SW252"),
    ("a.fillna(None)", "f64", "SW252"),
    ("a.where(a)", "f64", "SW252"),
    ("a.between(0, 1, inclusive='x')", "f64", "SW252"),
    ("np.digitize(a, [1, 3, 2])", "f64", "SW252"),
    ("np.column_stack([a, b]) + np.array([1., 2, 3])", "f64", "SW252"),
    ("a.values.round_(1)", "f64", "SW261"),
    ("round(a.values, 1)", "f64", "SW252"),
    ("a if a > 0 else b", "f64", "SW253"),
    ("a > 0 and b > 0", "f64", "SW253"),
    ("not a", "f64", "SW253"),
    ("0 < a < 1", "f64", "SW253"),
    ("max(a, b)", "f64", "SW253"),
    ("a in [1, b]", "f64", "SW253"),
    ("bool(a.values)", "f64", "SW253"),
    ("np.sqrt(a)", "i8", "SW254"),
    ("a.astype('string')", "f64", "SW254"),
    ("a.astype(str)", "f32", "SW254"),
    ("a.astype('Int64')", "i64", "SW254"),
    ("a.astype('uint8')", "i64", "SW254"),
    ("a.map({1: (1, 2)})", "i64", "SW262"),
    ("a // 0", "i64", "SW255"),
    ("a % 0", "i64", "SW255"),
    ("a // 0", "f32", "SW255"),
    ("a.where(b > 0)", "i64", "SW255"),
    ("a.where(b > 0, 1.5)", "i64", "SW255"),
    ("a.clip(0.5)", "i64", "SW255"),
    ("a.mask(b > 0, b * 1.5)", "i64", "SW255"),
    ("a.map({True: 1})", "bool", "SW255"),
    ("a.__iadd__(1)", "f64", "SW256"),
    ("a.values.__imul__(2)", "f64", "SW256"),
    ("a.__setitem__(a > 0, 1.0)", "f64", "SW256"),
    ("a.loc.__setitem__(a > 0, 1.0)", "f64", "SW256"),
    ("a.fillna(0, inplace=True)", "f64", "SW256"),
    ("a.clip(0, 1, inplace=True)", "f64", "SW256"),
    ("np.nan_to_num(a, copy=False)", "f64", "SW256"),
    ("a.values.sort()", "f64", "SW256"),
    ("a.pop(0)", "f64", "SW256"),
    ("setattr(a, 'name', 'x')", "f64", "SW256"),
    ("a + np.array([1.0, 2.0])", "f64", "SW257"),
    ("a + [1.0, 2.0]", "f64", "SW257"),
    ("a * POINTS", "f64", "SW257"),
    ("POINTS * a", "f64", "SW257"),
    ("np.maximum(POINTS, a)", "f64", "SW257"),
    ("a * pd.Series([1.0, 2.0])", "f64", "SW262"),
    ("np.array(['now'], dtype='M8[s]')", "f64", "SW263"),
    ("np.datetime64('now')", "f64", "SW230"),
    ("a.values * np.array([1.0, 2.0])", "f64", "SW257"),
    ("np.where(a > 0, [1, 2], 0)", "f64", "SW257"),
    ("a.clip([0, 1], 2)", "f64", "SW257"),
    ("a.values + np.column_stack([a, b])", "f64", "SW257"),
    ("[a := a + 1 for _ in range(30000)][-1]", "f64", "SW258"),
    ("len(a)", "f64", "SW259"),
    ("float(a)", "f64", "SW259"),
    ("int(a)", "f64", "SW259"),
    ("math.sqrt(a)", "f64", "SW259"),
    ("math.floor(a)", "f64", "SW259"),
    ("[x for x in a]", "f64", "SW600"),
    ("{a: 1}", "f64", "SW259"),
    ("f'{a}'", "f64", "SW259"),
    ("str(a)", "f64", "SW259"),
    ("range(a)", "i64", "SW259"),
    ("1 in a", "f64", "SW259"),
    ("a.to_dict()", "f64", "SW259"),
    ("a.item()", "f64", "SW259"),
    ("sorted(a)", "f64", "SW600"),
    ("np.float64(a)", "f64", "SW259"),
    ("np.array([a] * 9).T.sum(axis=1)", "f64", "SW260"),
    ("1 / 0", "f64", "SW261"),
    ("[][0]", "f64", "SW261"),
    ("undefined", "f64", "SW261"),
    ("a(1)", "f64", "SW261"),
    ("np.where(a > 0)", "f64", "SW262"),
    ("np.sqrt(a, where=a > 0)", "f64", "SW262"),
    ("np.sqrt(a, dtype='float32')", "f64", "SW262"),
    ("np.add(a, b, out=a)", "f64", "SW262"),
    ("a.fillna(method='ffill')", "f64", "SW262"),
    ("a.round(a)", "f64", "SW262"),
    ("a.round(-1)", "i64", "SW262"),
    ("a.isin([1, 'x'])", "f64", "SW262"),
    ("a.isin(b)", "f64", "SW262"),
    ("a.map({1: 2}, na_action='ignore')", "f64", "SW262"),
    ("a.combine_first(b.astype('float32'))", "f64", "SW262"),
    ("a.where(lambda x: x > 0)", "f64", "SW262"),
    ("a.where([True, False])", "f64", "SW262"),
    ("np.errstate(divide='raise')", "f64", "SW262"),
    ("pd.Series(a, dtype='int64')", "f64", "SW262"),
    ("pd.DataFrame({'x': a}, dtype='float32')", "f64", "SW262"),
    ("np.random.rand(3)", "f64", "SW230"),
    ("np.load('x')", "f64", "SW263"),
    ("pd.read_csv('x')", "f64", "SW263"),
    ("pd.NA", "f64", "SW263"),
    ("date.today()", "f64", "SW230"),
    ("a + 1", "date", "SW264"),
    ("a.clip(date(2000, 1, 1))", "date", "SW264"),
    ("a.astype(str)", "date", "SW264"),
    ("np.maximum(a, b)", "date", "SW264"),
    ("a == '2000-01-01'", "date", "SW264"),
    ("a.isin(['x'])", "date", "SW264"),
    ("a.fillna(0)", "date", "SW264"),
    ("timedelta(1) - a", "date", "SW264"),
    ("a - timedelta(hours=5)", "date", "SW264"),
    ("a + a", "date", "SW264"),
    ("np.where(a > b, a, b)", "date", "SW264"),
]


@pytest.mark.parametrize(("source", "type", "code"), TABLE)
def test_refused(source: str, type: str, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        trace_source(f"lambda a, b: {source}", (type, type), setattr=setattr, POINTS=pd.Series([1.0, 2.0]))
    assert caught.value.code == code, str(caught.value)
    assert caught.value.place.startswith("<lambda>, line 1 of <string>") or "<listcomp>" in caught.value.place


def _series(name: str = "a") -> tuple[TracedSeries, object]:
    loop = ProgramBuilder("f", [Input(name, F64)]).loop("f")
    return TracedSeries(loop, loop.read(name), np.float64), loop


def test_exact_refuses_float_matmul() -> None:
    source = "lambda a, b: np.column_stack([a, b]) @ np.array([1.0, 2.0])"
    assert trace_source(source, ("f64", "f64")).notes
    with pytest.raises(Refusal, match="SW260"):
        trace_source(source, ("f64", "f64"), exact=True)


def test_a_refusal_that_the_function_catches_still_refuses() -> None:
    source = "def f(a):\n    try:\n        return a / a.mean()\n    except Exception:\n        return a"
    with pytest.raises(Refusal, match="SW250"):
        trace_source(source, ("f64",))


def test_names_the_function_and_line_of_the_user() -> None:
    source = "def f(a):\n    def inner(x):\n        y = x + 1\n        return y.cumsum()\n    return inner(a)"
    with pytest.raises(Refusal) as caught:
        trace_source(source, ("f64",))
    assert caught.value.place.endswith("inner, line 4 of <string>")
    assert "Series.cumsum" in caught.value.message and caught.value.hint


def test_arguments_and_views_do_not_change() -> None:
    for body in ("a += 1", "a[a > 0] = 0", "v = a.values; v += 1", "s = a + 1; v = s.values; s += 1", "t = a.clip(); t += 1"):
        with pytest.raises(Refusal, match="SW256"):
            trace_source("def f(a):\n    " + body.replace("; ", "\n    ") + "\n    return a", ("f64",))


def test_values_of_two_traces_do_not_mix() -> None:
    (one, loop), (other, _) = _series(), _series()
    with pytest.raises(Refusal, match="SW262"):
        trace(lambda a: a + other, [one], loop=loop)


def test_frames_refuse_calls_for_which_pandas_raises() -> None:
    for source, code in (
        ("d['no']", "SW252"),
        ("d.no", "SW261"),
        ("d.apply(sum)", "SW600"),
        ("d.mean()", "SW250"),
        ("d + d", "SW251"),
        ("d + 'a'", "SW251"),
        ("divmod(d, 2)", "SW251"),
        ("np.logaddexp(d, 1)", "SW251"),
    ):
        with pytest.raises(Refusal, match=code):
            trace_source(f"lambda d: {source}", ("frame(f64,f64)",))


def test_stand_ins() -> None:
    for pure in (np.exp, np.float64, abs, callable, round, np.pi):
        assert stand_in(pure) is pure
    for impure in (
        open,
        eval,
        input,
        random.random,
        np.random.rand,
        np.load,
        pd.read_csv,
        datetime.tzinfo,
    ):
        assert stand_in(impure) is None
    fake_pd, fake_np = stand_in(pd), stand_in(np)
    series, loop = _series()
    with running(Session(loop, dispatch=DISPATCH)):
        assert isinstance(series, fake_pd.Series) and isinstance(series.values, fake_np.ndarray)
    assert isinstance(pd.Series([1]), fake_pd.Series) and not isinstance(series, fake_pd.DataFrame)
    assert stand_in(type)(series) is fake_pd.Series
    assert fake_np.array([1, 2]).tolist() == [1, 2] and fake_np.sum([1, 2]) == 3


def test_a_bug_of_ours_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lower, "_KNOWN", None)
    series, loop = _series()
    with pytest.raises(InternalError, match="while tracing"):
        trace(lambda a: np.exp(a), [series], loop=loop)
