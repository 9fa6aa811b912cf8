"""Checks calls on results of earlier calls: replies are those without kept results, and each function is traced once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.udf_compiler.requests.test_trace_cache import told
from udf_compiler.eval_types.scalar_pandas import ScalarPandas
from udf_compiler.function.options import ATTRIBUTE
from udf_compiler.requests.handed_on import HandedOn


def _in_place(v: pd.Series) -> pd.Series:
    made = v + 1
    made += v
    return made


def _cut_in_place(v: pd.Series) -> pd.Series:
    v[v > 5] = 5
    return v


_FIRST = pd.Series([3.0])

#: name -> (types of the column and of all results, functions, innermost first)
CHAINS = {
    "lines": ("double", "double", [lambda v: v * 2, lambda v: v + 1, lambda v: v / 3, lambda v: v - 1]),
    "integers with guards": ("long", "long", [lambda v: v + 1, lambda v: v // 3, lambda v: v % 7]),
    "doubles from integers": ("long", "double", [lambda v: v / 2, lambda v: v.fillna(0) + 1]),
    "strings": ("string", "string", [lambda s: s.str.strip(), lambda s: s.str.lower() + "x", lambda s: s.str.slice(0, 3)]),
    "strings or None": ("string", "string", [lambda s: s.where(s.str.len() > 2, None), lambda s: s.fillna("") + "a"]),
    "dates": ("timestamp", "timestamp", [lambda t: t.dt.floor("D"), lambda t: t + pd.Timedelta("1D")]),
    "approximate": ("double", "double", [np.exp, lambda v: v * 2, np.sin]),
    "the argument": ("double", "double", [lambda v: v, lambda v: v + 1, lambda v: v]),
    "in place": ("double", "double", [_in_place, _in_place, _cut_in_place]),
    "an array": ("double", "double", [lambda v: v.to_numpy() + 1, lambda v: pd.Series(v) * 2]),
    "booleans": ("double", "boolean", [lambda v: v > 1, lambda v: ~v]),
    "rows in Python": ("double", "double", [lambda v: v.map(lambda x: x + 1 if x > 2 else x), lambda v: v * 2]),
    "the whole batch": ("double", "double", [lambda v: v - v.mean(), lambda v: v * 2]),
    "refused": ("double", "double", [lambda v: v + 1, lambda v: v + _FIRST, lambda v: v * 2, lambda v: v * 3]),
}


def kept_columns(type, returns, functions, states=()):
    """Returns a request that keeps the result of each function of a chain."""
    calls, argument = {}, column("a", type)
    for at in range(len(functions)):
        calls[f"r{at}"] = argument = udf(at, argument, name=f"f{at}", returns=returns)
    made = request(python_step(**calls), inputs={"a": type}, outputs=list(calls), nullable_state=states, whole_batches=True)
    return made, [payload(function) for function in functions]


@pytest.fixture
def traced(monkeypatch):
    """Records the names of traced calls."""
    names, run = [], ScalarPandas.call
    monkeypatch.setattr(ScalarPandas, "call", lambda self, call: names.append(call.name) or run(self, call))
    return names


@pytest.mark.parametrize("states", [(), ("a",)])
@pytest.mark.parametrize("name", CHAINS)
def test_replies_are_those_without_kept_results(name, states, monkeypatch):
    made, blobs = kept_columns(*CHAINS[name], states)
    reply = told(compile_pipeline(made, blobs))
    monkeypatch.setattr(HandedOn, "of", lambda *given: None)
    assert reply == told(compile_pipeline(made, blobs))


@pytest.mark.parametrize("name", ["lines", "integers with guards", "strings", "approximate", "booleans"])
def test_each_function_of_kept_columns_is_traced_once(name, traced):
    made, blobs = kept_columns(*CHAINS[name])
    assert compile_pipeline(made, blobs)["status"] == "ok"
    assert sorted(traced) == sorted(f"f{at}" for at in range(len(blobs)))


def test_a_call_of_another_name_is_traced_again(traced):
    inner = udf(0, "a", name="inner")
    made = request(python_step(r=inner, s=udf(1, {**inner, "name": "other"}, name="outer")), outputs=["r", "s"])
    assert compile_pipeline(made, [payload(lambda v: v + 1), payload(lambda v: v * 2)])["status"] == "ok"
    assert traced == ["inner", "other", "outer"]


def test_an_exact_function_takes_no_approximate_result(traced):
    def doubled(v):
        return v * 2

    setattr(doubled, ATTRIBUTE, {"exact": True})
    made, blobs = kept_columns("double", "double", [np.exp, doubled])
    reply = compile_pipeline(made, blobs)
    assert reply["status"] == "refused" and {refused["udf"] for refused in reply["refusals"]} == {"f1"}
    assert traced == ["f0", "f0", "f1"]
