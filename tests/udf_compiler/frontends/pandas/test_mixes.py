"""Checks operators and methods of every kind of Series with every other and with constants: pandas' result, or a refusal."""

from __future__ import annotations

import itertools
import random

import pytest

from sparkweld.errors import Refusal
from tests.helpers.tracing import check, trace_source

#: "?": may have missing values, "!": certainly has.
STATES = [
    ("datetime?", "timedelta?", "date?", "str?", "i64", "f64"),
    ("datetime!", "timedelta!", "date?", "str?", "i64", "f64"),
    ("datetime", "timedelta", "date", "str", "i64", "f64"),
    ("datetime!", "timedelta", "date", "str?", "i32", "f32"),
]
HEAD = "lambda a, b, d, s, n, f: "
SERIES = """a || b || a.dt.isocalendar().week || d || s || n || a.where(n > 1).dt.year || (n > 1) || f || a.dt.date ||
a.dt.to_period('M') || a.dt"""
CONSTANTS = """1 || 2.5 || '2020-01-01' || 'x' || None || np.nan || pd.NaT || pd.Timestamp('2020-01-01') || pd.Timedelta(5) ||
True || pd.Timedelta(days=1) || date(2020, 1, 1) || datetime(2020, 1, 1) || timedelta(1) || np.datetime64('2020-01-01') ||
np.timedelta64(1, 'D')"""
OPERATORS = [f"{{x}} {symbol} {{y}}" for symbol in ("+", "-", "*", "/", "//", "%", "==", "<", "&")]
METHODS = """{x}.where(n > 1, {y}) || {x}.fillna({y}) || {x}.isin([{y}]) || np.where(n > 1, {x}, {y}) || np.maximum({x}, {y}) ||
{x}.combine_first({y}) || {x}.between({y}, {y}) || {x}.eq({y}) || {x}.add({y}) || {x}.clip({y})"""


def cells(table: str) -> list[str]:
    return [cell.strip() for cell in table.split("||")]


def sources() -> list[str]:
    series, constants = cells(SERIES), cells(CONSTANTS)
    pairs = [pair for pair in itertools.product(series, series) if {"a", "b", "d"} & set(pair) or "dt" in "".join(pair)]
    given = [*pairs, *itertools.product(series, constants)]
    made = [form.format(x=x, y=y) for x, y in given for form in (*OPERATORS, *cells(METHODS))]
    return made + [form.format(x=c, y=x) for x in series for c in constants for form in OPERATORS[:5]]


def traces(source: str, types: tuple[str, ...]) -> bool:
    """Whether it is traced; any error except a refusal is a bug."""
    try:
        trace_source(HEAD + source, types)
    except Refusal:
        return False
    except AssertionError as error:
        assert "no traced result" in str(error)
        return False
    return True


def test_every_mix_is_traced_or_refused() -> None:
    assert sum(traces(source, STATES[0]) for source in sources()) == 766


@pytest.mark.gate_cases("1", "3")
@pytest.mark.parametrize(("types", "traced"), list(zip(STATES, (45, 54, 41, 27), strict=True)), ids=range(len(STATES)))
def test_mixes_equal_those_of_pandas(types: tuple[str, ...], traced: int) -> None:
    chosen = random.Random(" ".join(types)).sample(sources(), 400)
    compared = [check(HEAD + source, types, spare=False) for source in chosen if traces(source, types)]
    assert len(compared) == traced
