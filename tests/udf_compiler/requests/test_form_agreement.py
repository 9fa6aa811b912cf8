"""Checks the proof that a row's result does not depend on its batch by evaluating both forms."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from sparkweld.ir import evaluate, parse_program
from sparkweld.ir.ops import Optional
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import call, column, payload, python_step, request, udf
from tests.helpers.compiled import TWO_FORMS, TYPE_NAMES, inputs_of, spark_name
from tests.helpers.generated import number_cases, series_cases, time_cases
from udf_compiler.requests.trace_cache import no_traces, remembering
from udf_compiler.requests.udfs import UdfTracer

EDGES = {
    "integer": [0, 1, -1, 7, -7, 2**31 - 1, -(2**31), 2**24 + 1, 12345],
    "long": [0, 1, -1, 7, -7, 2**63 - 1, -(2**63), 2**53, 2**53 + 1, -(2**53) - 1],
    "short": [0, 1, -1, 7, -7, 2**15 - 1, -(2**15)],
    "date": [0, 1, -1, 365, 18_000],
    "timestamp": [0, 1, -1, 1_577_836_800_000_000, -86_400_000_001],
}
DTYPES = {"integer": "int32", "long": "int64", "short": "int16", "date": "int32", "timestamp": "int64"}


def requested(function, inputs, returns, nulls=(), steps=()):
    """Returns the reply for a batch with NULLs in `nulls`, requested as above a filter."""
    given = request(*steps, python_step(r=udf(0, *(column(n, t) for n, t in inputs.items()), returns=returns)), inputs=inputs,
                    nullable_state=nulls)  # fmt: skip
    return compile_pipeline({**given, "regrouped": True}, [payload(function)])


def verdict(function, returns="double", steps=(), **inputs):
    reply = requested(function, inputs or {"x": "integer"}, returns, steps=steps)
    assert reply["status"] == "ok", reply["refusals"]
    return reply["batchwise"]


def results(function, inputs, returns, nulls, rows=None):
    """Returns a form's results for all pairs of non-NULL edge values, or `rows`; None where a row is flagged."""
    reply = requested(function, inputs, returns, nulls)
    assert reply["status"] == "ok", reply["refusals"]
    program = parse_program(reply["program"], reply["blocks"])
    rows = rows or list(itertools.product(*(EDGES[type] for type in inputs.values())))
    arrays = {}
    for at, (name, type) in enumerate(inputs.items()):
        values = np.array([row[at] for row in rows], DTYPES[type])
        arrays[name] = Optional(values, np.ones(len(rows), bool)) if name in nulls else values
    used = {given.name: arrays[given.name] for given in program.inputs}
    found = evaluate(program, used, len(rows))
    made = found.columns[program.outputs[0]]
    values, valid = made if isinstance(made, Optional) else (made, np.ones(len(rows), bool))
    return [None if flag else (v if ok else "NULL") for v, ok, flag in zip(values, valid, found.flagged, strict=True)], made


def repeated(values):
    return [repr(v) for v in values]


def tier_of_rows(x, y):
    """In one form both are integers, in the other floats whose comparison is written the other way around."""
    return pd.DataFrame({"x": x, "y": y}).apply(lambda row: 1 if row["x"] > 1 else 2 if row["y"] >= 7 else 3, axis=1)


PROVED = {
    "half": (lambda x: x / 2, "double", {"x": "integer"}),
    "product with a float": (lambda x: x * 0.5 + 1, "double", {"x": "long"}),
    "compared": (lambda x: x > 5, "boolean", {"x": "long"}),
    "equal": (lambda x: (x == 7) | (x != 12), "boolean", {"x": "long"}),
    "between": (lambda x: x.between(-3, 1000), "boolean", {"x": "long"}),
    "where": (lambda x: pd.Series(np.where(x >= 3, 1.5, x * 2.0)), "double", {"x": "integer"}),
    "log": (lambda x: np.log1p(x.astype("float64").abs()), "double", {"x": "short"}),
    "clip": (lambda x: x.clip(1, 100), "long", {"x": "integer"}),
    "filled": (lambda x: x.fillna(0).astype("int64"), "long", {"x": "integer"}),
    "itself": (lambda x: x, "long", {"x": "integer"}),
    "wide sum": (lambda x: x.astype("float64") + 1, "double", {"x": "integer"}),
    "two columns": (lambda x, y: x * 0.5 + y * 0.25, "double", {"x": "integer", "y": "long"}),
    "ratio": (lambda x, y: x / y, "double", {"x": "integer", "y": "short"}),
    "order": (lambda x, y: x < y, "boolean", {"x": "integer", "y": "short"}),
    "year": (lambda t: pd.to_datetime(t).dt.year, "long", {"t": "timestamp"}),
    "hour": (lambda t: t.dt.hour * 1.0, "double", {"t": "timestamp"}),
    "remainder": (lambda x: x % 10, "long", {"x": "integer"}),
    "quotient": (lambda x: x // 10, "long", {"x": "short"}),
    "applied": (lambda x: x.apply(lambda v: 1.5 if v > 2 else 0.5), "double", {"x": "long"}),
    "applied and raises": (lambda x: x.map(lambda v: "low" if 10 / (v - 1) > 3 else "high"), "string", {"x": "integer"}),
    "a list that raises": (lambda x: pd.Series([2.5 / v for v in x]), "double", {"x": "integer"}),
    "rows": (tier_of_rows, "integer", {"x": "integer", "y": "integer"}),
}

REFUSED = {
    "astype str": (lambda x: x.astype(str), "string", {"x": "integer"}),
    "sum wraps": (lambda x: x + 1, "long", {"x": "integer"}),
    "sum of 64 bits": (lambda x: x + 1, "long", {"x": "long"}),
    "scaled by a large int": (lambda x: x * 2**20, "double", {"x": "long"}),
    "declared double": (lambda x: x, "double", {"x": "long"}),
    "minus zero": (lambda x: x * -1, "double", {"x": "short"}),
    "negative": (lambda x: -x, "double", {"x": "short"}),
    "order of 64 bits": (lambda x, y: x < y, "boolean", {"x": "long", "y": "long"}),
    "dtype": (lambda x: x * 0.5 if x.dtype == "int32" else x * 0.25, "double", {"x": "integer"}),
    "quotient of 64 bits": (lambda x: x // 2, "long", {"x": "long"}),
    "narrowed": (lambda x: x.astype("int8"), "byte", {"x": "integer"}),
    "filled 64 bits": (lambda x: x.fillna(0), "long", {"x": "long"}),
    "bool": (lambda b: b.astype(float), "double", {"b": "boolean"}),
    "another column": (lambda x, y: pd.concat([x, y], axis=1).max(axis=1).astype(str), "string", dict.fromkeys("xy", "integer")),
    "many columns": (lambda a, b, c, d, e: a * 0.5 + (b + c) + d + e, "double", dict.fromkeys("abcde", "integer")),
    "one of many": (lambda a, b, c, d, e: a * 0.5 + b * 0.5 + c / 2 + d / 2 + e * e, "double", dict.fromkeys("abcde", "long")),
    "a dtype of many": (
        lambda a, b, c, d, e: a * 0.5 + b * 0.5 + c * 0.5 + d * (0.5 if e.dtype == "int32" else 0.25), "double",
        dict.fromkeys("abcde", "integer"),
    ),
    "bools of many": (lambda a, b, c, d, e: a & b & c & d & e, "boolean", dict.fromkeys("abcde", "boolean")),
    "a list of many": (lambda *c: pd.Series([str(v) for v in c[0]]), "string", dict.fromkeys("abcde", "integer")),
}


@pytest.mark.parametrize("name", PROVED)
def test_forms_that_are_proved_equal_return_equal_rows(name):
    function, returns, inputs = PROVED[name]
    assert verdict(function, returns, **inputs) is None
    dense, _ = results(function, inputs, returns, ())
    for count in range(1, len(inputs) + 1):
        for nulls in itertools.combinations(inputs, count):
            assert repeated(results(function, inputs, returns, nulls)[0]) == repeated(dense), nulls


@pytest.mark.parametrize("name", REFUSED)
def test_forms_that_differ_are_not_proved_equal(name):
    function, returns, inputs = REFUSED[name]
    assert isinstance(verdict(function, returns, **inputs), str)


def test_the_refused_examples_do_differ():
    """Otherwise the test above would also accept a vacuous proof."""
    for name in ("sum wraps", "sum of 64 bits", "declared double", "minus zero", "quotient of 64 bits", "order of 64 bits"):
        function, returns, inputs = REFUSED[name]
        dense, _ = results(function, inputs, returns, ())
        assert any(
            repeated(results(function, inputs, returns, nulls)[0]) != repeated(dense)
            for count in range(1, len(inputs) + 1)
            for nulls in itertools.combinations(inputs, count)
        ), name


MANY = {
    "weights": lambda *c: sum(x * w for x, w in zip(c, (0.5, 0.25, 3.5, -1.5, 0.1, 2.0, 7.5, 0.3), strict=True)),
    "mixed": lambda a, b, c, d, e, f, g, h: pd.Series(np.where(a > 7, b / (c.clip(0, 100) + 1.5), d.fillna(0.5) * 0.25))
    + e.clip(-5, 5) / 2.0 + np.sqrt(f * 0.5 * f) + (g == 12) * 1.5 + (h.isna() | (h < 3)) * 2.5,
    "values": lambda a, b, c, d, e, f, g, h: 0.5 * a + b.map(lambda v: 1.5 if v > 3 else 2.5) + c.between(0, 9) * 1.0
    + d.apply(lambda v: 0.25 * v) + e.astype("float64") + f.isin([7, 12345]) * 3.0 - g / 3.0 + (h % 7) * 0.1,
}


@pytest.mark.parametrize("name", MANY)
def test_many_columns_are_proved_by_one_trace(name):
    function, inputs = MANY[name], dict.fromkeys("abcdefgh", "integer")
    assert verdict(function, **inputs) is None
    random = np.random.default_rng(3)
    rows = [tuple(row) for row in random.choice(EDGES["integer"], (120, len(inputs))).tolist()]
    dense, _ = results(function, inputs, "double", (), rows)
    for _ in range(6):
        nulls = [column for column in inputs if random.random() < 0.5]
        assert repeated(results(function, inputs, "double", nulls, rows)[0]) == repeated(dense), nulls


def test_rows_that_decide_about_others_are_not_proved():
    for function, returns, inputs in [
        (lambda s: s.str[0].str.upper(), "string", {"s": "string"}),  # a batch without strings has floats
        (lambda s: s.str.len() // 2, "long", {"s": "string"}),  # a missing string turns all lengths into floats
        (lambda a, b: a // b, "long", {"a": "integer", "b": "integer"}),  # a zero divisor turns all quotients into floats
        (lambda x: x.apply(lambda v: v**3), "double", {"x": "long"}),  # an integer beyond 64 bits turns all into objects
        (lambda x: x.transform(lambda v: 10 / v), "double", {"x": "double"}),  # pandas passes the Series where it raises
    ]:
        assert verdict(function, returns, **inputs), function


def test_a_column_that_the_filter_leaves_without_null_decides_nothing():
    kept = {"kind": "filter", "condition": call("IsNotNull", column("x", "long"))}
    assert verdict(lambda x: x.astype(str), "string", steps=[kept], x="long") is None


def test_a_column_of_an_expression_is_of_the_forms_of_its_columns():
    made = {"kind": "project", "columns": [{"name": "y", "expr": call("Coalesce", column("x", "integer"),
            {"op": "Literal", "type": "integer", "value": "3", "nullable": False}, type="integer", nullable=False)}]}  # fmt: skip
    given = request(made, python_step(r=udf(0, column("y", "integer"), returns="string")), inputs={"x": "integer"})
    reply = compile_pipeline({**given, "regrouped": True}, [payload(lambda y: y.astype(str))])
    assert reply["status"] == "ok", reply["refusals"]
    assert reply["batchwise"] is None


def test_no_request_is_made_where_the_batches_are_those_of_spark():
    given = request(python_step(r=udf(0, column("x", "long"), returns="string")), inputs={"x": "long"})
    assert compile_pipeline(given, [payload(lambda x: x.astype(str))])["batchwise"] is None


def test_a_trace_serves_requests_about_other_batches(monkeypatch):
    """Checking other batches needs no second trace of a function, which may hold a large model."""
    made = []
    trace = UdfTracer._made
    monkeypatch.setattr(UdfTracer, "_made", lambda self, *args: made.append(1) or trace(self, *args))
    given = request(python_step(r=udf(0, column("x", "double"))), inputs={"x": "double"})
    with remembering(no_traces()):
        for regrouped in (False, True):
            assert compile_pipeline({**given, "regrouped": regrouped}, [payload(lambda x: x * 2)])["status"] == "ok"
    assert len(made) == 1


def asked(case, inputs, nulls):
    """Returns the reply for a generated function, in the form for batches with NULLs in `nulls`."""
    always = [name for name, type in inputs.items() if type not in TWO_FORMS]
    called = udf(0, *(column(name, type) for name, type in inputs.items()), returns=spark_name(case.returns))
    given = request(python_step(r=called), inputs=inputs, nullable_state=[*nulls, *always])
    return compile_pipeline({**given, "regrouped": True}, [payload(case.function, case.returns)])


def rows_of(reply, batch):
    program = parse_program(reply["program"], reply["blocks"])
    found = evaluate(program, inputs_of(program, batch), batch.num_rows)
    made = found.columns[program.outputs[0]]
    values, valid = made if isinstance(made, Optional) else (made, np.ones(batch.num_rows, bool))
    arrays = (np.broadcast_to(array, batch.num_rows) for array in (values, valid))
    return ["flagged" if flag else (repr(v) if ok else "NULL") for v, ok, flag in zip(*arrays, found.flagged, strict=True)]


@seed(7)
@settings(max_examples=30, deadline=None, database=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(st.data())
def check_generated(proved, data):
    case = data.draw(st.sampled_from((number_cases, series_cases, time_cases)))(data.draw)
    schema = case.batches[0].schema
    inputs = {name: TYPE_NAMES[str(type)] for name, type in zip(schema.names, schema.types, strict=True)}
    states = [name for name, type in inputs.items() if type in TWO_FORMS]
    reply = asked(case, inputs, ())
    if not states or reply["status"] != "ok" or reply["batchwise"]:
        return
    table = pa.Table.from_batches([batch for batch in case.batches if batch.schema == schema])
    complete = np.logical_and.reduce([np.asarray(table[name].is_valid()) for name in states])
    (batch,) = table.filter(pa.array(complete)).combine_chunks().to_batches()
    expected = rows_of(reply, batch)
    for count in range(1, len(states) + 1):
        for nulls in itertools.combinations(states, count):
            assert rows_of(asked(case, inputs, nulls), batch) == expected, f"{case.source}\nNULLs in {nulls}"
    proved.append(case.source)


def test_generated_functions_that_are_proved_return_equal_rows():
    proved: list[str] = []
    check_generated(proved)
    assert len(proved) >= 3
