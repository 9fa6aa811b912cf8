"""Compares plain UDFs through compile requests with Python for each row: arguments, chains, results, both wire formats."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import Row
from pyspark.sql.types import BooleanType, ByteType, DoubleType, FloatType, LongType

from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.compiled import compare_with_worker
from tests.helpers.kinds import codes, compile_struct, compile_udf, run, same

A = [1, -7, None, 40, 0]
X = [0.5, None, 2.0, float("nan"), -3.0]
SPARK = {"double": DoubleType(), "long": LongType(), "boolean": BooleanType(), "float": FloatType(), "byte": ByteType()}


def grade(a, x):
    if a is None or x is None:
        return None
    return a * 2 if x > 0 else a - 1


@pytest.mark.parametrize("eval_type", [100, 101])
def test_none_where_null(eval_type):
    (got,), flagged = run(compile_udf(grade, eval_type, {"a": "long", "x": "double"}, "long"), {"a": A, "x": X})
    assert not flagged.any()
    assert got == [grade(a, x) for a, x in zip(A, X, strict=True)]


def test_the_wire_formats_differ_in_their_conversions():
    (pickled,), _ = run(compile_udf(lambda a: a, 100, {"a": "long"}, "double"), {"a": [3, None]})
    (arrow,), _ = run(compile_udf(lambda a: a, 101, {"a": "long"}, "double"), {"a": [3, None]})
    assert pickled == [None, None]
    assert same(arrow, [3.0, None])


_NUMPY = {"double": lambda a, x: np.floor(x), "long": lambda a, x: np.abs(a), "boolean": lambda a, x: np.isnan(x),
          "float": lambda a, x: np.sign(x) if x > 0 else 0.5, "byte": lambda a, x: np.sign(a)}  # fmt: skip


@pytest.mark.parametrize("returns", _NUMPY)
def test_numpy_scalars_are_results_as_values_of_python_are(returns):
    def function(a, x, of=_NUMPY[returns]):
        return None if a is None or x is None else of(a, x)

    batch = pa.record_batch({"a": A, "x": X})
    compared = compare_with_worker(function, [batch, batch.slice(3, 1)], SPARK[returns], 101)
    assert (compared.decided, compared.refused) == (2, "")
    for other in SPARK.keys() - {returns} - ({"double", "float"} if returns in ("double", "float") else {"byte", "long"}):
        assert compare_with_worker(function, [batch], SPARK[other], 101).refused == "SW293"
    assert codes(compile_udf(function, 100, {"a": "long", "x": "double"}, returns)) == ["SW293"]


def test_a_warning_of_numpy_in_the_trial_is_no_exception():
    reply = compile_udf(lambda x: None if x is None else float(np.floor(x) * 1e308), 101, {"x": "double"}, "double")
    assert reply["status"] == "ok"


@pytest.mark.parametrize("eval_type", [100, 101])
def test_chains_hand_python_values_on(eval_type):
    def half(a):
        return None if a is None else a / 2

    inner = udf(0, "a", name="half", returns="integer", evalType=eval_type)
    outer = udf(1, inner, name="plus", returns="double", evalType=eval_type)
    blobs = [payload(half), payload(lambda h: -1.0 if h is None else h + 1)]
    reply = compile_pipeline(request(python_step(r=outer), inputs={"a": "long"}, nullable_state=["a"]), blobs)
    (got,), flagged = run(reply, {"a": A})
    assert not flagged.any()
    assert got == [1.5, -2.5, -1.0, 21.0, 1.0]


@pytest.mark.parametrize("eval_type", [100, 101])
def test_chains_of_functions_with_loops(eval_type):
    def halvings(a):
        if a is None:
            return None
        n = 0
        while abs(a) > 1 and n < 40:
            a, n = (a // 2, n + 1) if a % 2 == 0 else (a - 1, n + 1)
        return n if n > 2 else None if n == 1 else 0.5

    def digits(h):
        if h is None:
            return -1.0
        total = 0
        for i in range(int(h) + 30):
            total += i * h
            if total > 100:
                break
        return float(total)

    inner = udf(0, "a", name="halvings", returns="integer", evalType=eval_type)
    outer = udf(1, inner, name="digits", returns="double", evalType=eval_type)
    reply = compile_pipeline(
        request(python_step(r=outer), inputs={"a": "long"}, nullable_state=["a"]), [payload(halvings), payload(digits)]
    )
    given = [*A, 1000, 7, 2, -5, 1]
    (got,), flagged = run(reply, {"a": given})
    assert not flagged.any()
    assert got == [digits(halvings(a)) for a in given]


@pytest.mark.parametrize("constant, returns", [(1e30, "long"), (float("nan"), "long"), (300, "byte"), (-40_000.0, "short")])
def test_constants_that_the_return_type_does_not_have(constant, returns):
    reply = compile_udf(lambda a: 5 if a is None or a > 0 else constant, 101, {"a": "long"}, returns)
    (got,), flagged = run(reply, {"a": A})
    assert flagged.tolist() == [False, True, False, False, True] and [got[i] for i in (0, 2, 3)] == [5, 5, 5]


def test_a_pandas_udf_and_a_plain_one_of_one_column():
    """In the form without NULLs the plain one reads plain values, in the other it receives None."""
    steps = [
        python_step(r=udf(0, "a", name="rows", returns="long", evalType=101)),
        python_step(s=udf(1, "a", name="batch", returns="double")),
    ]
    blobs = [payload(lambda a: -1 if a is None else a + 1), payload(lambda a: a * 2)]
    for nullable, a in ((False, [1, 2, 3]), (True, [1, None, 3])):
        state = ["a"] if nullable else []
        reply = compile_pipeline(request(*steps, inputs={"a": "long"}, outputs=["r", "s"], nullable_state=state), blobs)
        (rows, batch), flagged = run(reply, {"a": a})
        assert not flagged.any()
        assert rows == [-1 if v is None else v + 1 for v in a]
        assert batch == [None if v is None else v * 2.0 for v in a]


def test_refusals():
    assert codes(compile_udf(lambda d: d, 101, {"d": "variant"}, "long")) == ["SW101"]
    legacy = {"spark.sql.legacy.execution.pythonUDF.pandas.conversion.enabled": "true"}
    assert codes(compile_udf(lambda a: a, 101, {"a": "long"}, "long", pandas=legacy)) == ["SW110"]
    assert codes(compile_udf(lambda a: a, 100, {"a": "long"}, "binary")) == ["SW226"]
    assert codes(compile_udf(lambda a: a, 100, {"a": "long"}, "timestamp")) == ["SW298"]
    assert codes(compile_udf(lambda a: a, 100, {"a": "long"}, "date")) == ["SW298"]


FIELDS = {"a": "long", "x": "double", "s": "string", "d": "date"}
D = [datetime.date(2024, 2, 29), None, datetime.date(1969, 12, 31), datetime.date(1, 1, 1), None]
S = ["one", None, "", "é", "five"]
VALUES = {"a": A, "x": X, "s": S, "d": D}


def struct_reply(function, eval_type, returns="long", fields=FIELDS):
    """Returns the reply for a UDF of one struct of `fields`; `returns` is a type or the types of a struct's fields by name."""
    return compile_struct(function, eval_type, fields, returns, fields)


def by_attribute(r):
    return None if r.a is None else r.a + 1


def by_name_and_number(r):
    return len(r["s"]) if r[2] is not None and r[-2] else -1


def unpacked(r):
    a, x, *rest = r
    return len(rest) if a is None or x is None else int(a > x) + len(r)


def as_dict(r):
    return sum(1 for value in r.asDict().values() if value is None)


def membership(r):
    return r.d.year if "d" in r and "b" not in r and r and r.d is not None and isinstance(r, tuple) else len(r[:2])


@pytest.mark.parametrize("eval_type", [100, 101])
@pytest.mark.parametrize("function", [by_attribute, by_name_and_number, unpacked, as_dict, membership])
def test_a_struct_is_a_row(function, eval_type):
    (got,), flagged = run(struct_reply(function, eval_type), VALUES)
    assert not flagged.any()
    assert got == [function(Row(**dict(zip(FIELDS, row, strict=True)))) for row in zip(*VALUES.values(), strict=True)]


RESULT = {"n": "long", "half": "double", "text": "string"}


def as_tuple(r):
    return (r.a, None if r.x is None else r.x / 2, "" if r.s is None else r.s + "!")


def as_names(r):
    return {"text": r.s, "n": 1} if r.s else {"half": 0.5, "n": r.a, "other": "x"}


@pytest.mark.parametrize("eval_type", [100, 101])
@pytest.mark.parametrize("function", [as_tuple, as_names])
def test_a_struct_of_results(function, eval_type):
    got, flagged = run(struct_reply(function, eval_type, RESULT), VALUES)
    assert not flagged.any()
    rows = [function(Row(**dict(zip(FIELDS, row, strict=True)))) for row in zip(*VALUES.values(), strict=True)]
    for at, (name, values) in enumerate(zip(RESULT, got, strict=True)):
        assert same(values, [r.get(name) if isinstance(r, dict) else r[at] for r in rows])


@pytest.mark.parametrize("eval_type", [100, 101])
def test_rows_without_a_struct_run_in_python(eval_type):
    got, flagged = run(struct_reply(lambda r: None if r.a is None else (r.a, 2.0, "x"), eval_type, RESULT), VALUES)
    assert flagged.tolist() == [a is None for a in VALUES["a"]] and 0 < flagged.sum() < len(flagged)
    assert [n for n, row in zip(got[0], flagged, strict=True) if not row] == [a for a in VALUES["a"] if a is not None]


def test_structs_that_are_refused():
    assert codes(struct_reply(lambda r: r.b, 101)) == ["SW261"]
    assert codes(struct_reply(lambda r: r.count(1), 101)) == ["SW251"]
    assert codes(struct_reply(lambda r: r[r.a], 101)) == ["SW262"]
    assert codes(struct_reply(lambda r: r, 101)) == ["SW293"]
    assert codes(struct_reply(lambda r: r == (1, 2), 100)) == ["SW251"]
    assert codes(struct_reply(lambda r: 1 in r, 100)) == ["SW262"]
    assert codes(struct_reply(lambda r: r[7], 100)) == ["SW261"]
    assert codes(struct_reply(lambda r: r.a, 101, fields={})) == ["SW103"]
    assert codes(struct_reply(lambda r: None, 101, RESULT)) == ["SW310"]
    assert codes(struct_reply(lambda r: (1, 2.0), 100, RESULT)) == ["SW311"]
    assert codes(struct_reply(lambda r: [1, 2.0, "x"], 101, RESULT)) == ["SW311"]
    assert codes(struct_reply(lambda r: (1.5, 2.0, "x"), 101, RESULT)) == ["SW298"]
    (n, half, text), _ = run(struct_reply(lambda r: [1.5, 2.0, "x"], 100, RESULT), VALUES)
    assert (n, half, text) == ([None] * 5, [2.0] * 5, ["x"] * 5)
    assert codes(struct_reply(lambda r: {r.s: 1}, 100, RESULT)) == ["SW311"]
    assert codes(struct_reply(lambda r: (1, 2.0, f"{r.a:^9}"), 101, RESULT)) == ["SW602"]
    assert codes(struct_reply(lambda r: (1,), 101, {})) == ["SW103"]


def many_paths(r):
    total = 0
    for low in (-10, -5, 0, 5, 10):
        if r.a is not None and r.a > low:
            total += 1
        if r.x is not None and r.x > low:
            total += 10
    return total


def many_results(r):
    n = many_paths(r)
    return (n, n / 2, "odd" if n % 2 else "even")


def test_structs_of_functions_with_many_paths():
    rows = [Row(**dict(zip(FIELDS, row, strict=True))) for row in zip(*VALUES.values(), strict=True)]
    for function, returns in ((many_paths, "long"), (many_results, RESULT)):
        got, flagged = run(struct_reply(function, 101, returns), VALUES)
        assert not flagged.any()
        wanted = [function(row) for row in rows]
        columns = [list(c) for c in zip(*wanted, strict=True)] if isinstance(returns, dict) else [wanted]
        assert all(same(a, b) for a, b in zip(got, columns, strict=True))


@pytest.mark.parametrize("spark_type", ["decimal(19,2)", "interval day to second", "interval year to month", "variant"])
@pytest.mark.parametrize("eval_type", [100, 101, 200, 204, 250])
def test_types_that_no_kind_takes(eval_type, spark_type):
    assert codes(compile_udf(lambda v: v, eval_type, {"v": spark_type}, "long")) == ["SW101"]


def test_decimal_columns_of_other_kinds():
    assert codes(compile_udf(lambda v: v, 250, {"v": "decimal(12,2)"}, "long")) == ["SW101"]


@pytest.mark.parametrize("eval_type", [100, 200, 204, 250])
def test_binary_columns_of_other_kinds(eval_type):
    assert codes(compile_udf(lambda v: v, eval_type, {"v": "binary"}, "long")) == ["SW101"]
