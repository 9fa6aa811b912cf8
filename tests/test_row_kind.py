"""Plain UDFs through compile requests: arguments, chains and results by both wire formats, against Python row by row."""

from __future__ import annotations

import pytest

from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.kinds import codes, compile_udf, run, same
from udf_compiler.pipeline import compile_pipeline

A = [1, -7, None, 40, 0]
X = [0.5, None, 2.0, float("nan"), -3.0]


def grade(a, x):
    if a is None or x is None:
        return None
    return a * 2 if x > 0 else a - 1


@pytest.mark.parametrize("eval_type", [100, 101])
def test_none_where_null(eval_type):
    (got,), flagged = run(compile_udf(grade, eval_type, {"a": "long", "x": "double"}, "long"), {"a": A, "x": X})
    assert not flagged.any()
    assert got == [grade(a, x) for a, x in zip(A, X, strict=True)]


def test_the_wire_formats_differ_in_what_they_convert():
    (pickled,), _ = run(compile_udf(lambda a: a, 100, {"a": "long"}, "double"), {"a": [3, None]})
    (arrow,), _ = run(compile_udf(lambda a: a, 101, {"a": "long"}, "double"), {"a": [3, None]})
    assert pickled == [None, None]
    assert same(arrow, [3.0, None])


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


def test_a_pandas_udf_and_a_plain_one_of_one_column():
    """In the form without NULLs the plain one reads plain values, in the other it sees None."""
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
    assert codes(compile_udf(lambda d: d, 101, {"d": "timestamp"}, "long")) == ["SW101"]
    legacy = {"spark.sql.legacy.execution.pythonUDF.pandas.conversion.enabled": "true"}
    assert codes(compile_udf(lambda a: a, 101, {"a": "long"}, "long", pandas=legacy)) == ["SW110"]
    assert codes(compile_udf(lambda a: a, 100, {"a": "long"}, "timestamp")) == ["SW104"]
    assert codes(compile_udf(lambda a: a, 100, {"a": "long"}, "date")) == ["SW298"]
