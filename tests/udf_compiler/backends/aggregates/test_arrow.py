"""Compares traced Arrow aggregate UDFs with pyarrow on real arrays of a group, NULLs included, and checks refusals."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sparkweld.errors import Refusal
from sparkweld.ir.ops import Optional
from tests.helpers.answers import aggregate_compiler, compile_aggregate
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from udf_compiler.backends.aggregates.probe import evaluate_form
from udf_compiler.function.payload import load_command

NAN, INF = float("nan"), float("inf")
GROUPS = {
    "double": [[0.5], [NAN], [None], [None, NAN], [1.5, NAN, -2.0, None], [3.0] * 5, [INF, 1.0, None], [None, None], [2.0, 8.0]],
    "float": [[0.5], [None], [1.5, -2.0, None, 7.25]],
    "long": [[7], [1, -2, None, 50], [2**62, 2**62, 2**62], [None, None], [0, 0]],
    "short": [[7], [None], [1, None, 50], [32767, 32767, -1]],
    "boolean": [[True], [False, None], [None, None], [False, True], [True, None]],
}
TYPES = {"double": pa.float64(), "float": pa.float32(), "long": pa.int64(), "short": pa.int16(), "boolean": pa.bool_()}
RETURNS = {arrow: name for name, arrow in TYPES.items()}
NUMBERS = ("double", "float", "long", "short")
CASES = [
    ("lambda v: pc.sum(v)", NUMBERS),
    ("lambda v: pc.sum(v).as_py()", NUMBERS),
    ("lambda v: pc.sum(v, skip_nulls=False)", NUMBERS),
    ("lambda v: pc.sum(v, min_count=0)", NUMBERS),
    ("lambda v: pc.sum(v, min_count=3).as_py()", ("double", "long")),
    ("lambda v: pc.mean(v)", NUMBERS),
    ("lambda v: pc.mean(v, min_count=0)", ("double",)),
    ("lambda v: pc.min(v).as_py()", NUMBERS),
    ("lambda v: pc.max(v)", NUMBERS),
    ("lambda v: pc.max(v, skip_nulls=False, min_count=2)", NUMBERS),
    ("lambda v: pc.min(v, min_count=0)", NUMBERS),
    ("lambda v: pc.variance(v)", NUMBERS),
    ("lambda v: pc.stddev(v, ddof=1)", ("double", "long")),
    ("lambda v: pc.variance(v, ddof=1, skip_nulls=False, min_count=3)", ("double", "short")),
    ("lambda v: pc.count(v)", (*NUMBERS, "boolean")),
    ("lambda v: pc.count(v, mode='only_null').as_py()", ("double", "boolean")),
    ("lambda v: pc.count(v, 'all')", ("double", "boolean")),
    ("lambda v: pc.any(v)", ("boolean",)),
    ("lambda v: pc.all(v).as_py()", ("boolean",)),
    ("lambda v: pc.any(pc.greater(v, 2))", ("double", "long")),
    ("lambda v: pc.sum(pc.multiply(v, v))", ("double", "long")),
    ("lambda v: pc.divide(pc.sum(v), pc.sum(pc.multiply(v, v)))", ("double",)),
    ("lambda v: pc.subtract(pc.max(v), pc.min(v))", NUMBERS),
    ("lambda v: pc.max(v).as_py() - pc.min(v).as_py()", ("double",)),
    ("lambda v: pc.sum(v).as_py() / pc.sum(pc.multiply(v, v)).as_py() * 100", ("double",)),
    ("lambda v: 1.0 - pc.mean(v).as_py()", NUMBERS),
    ("lambda v: pc.mean(pc.fill_null(v, 0))", ("double", "long")),
]


def sent(function, returns, type):
    made = request(python_step(r=udf(0, column("a", type), returns=returns, evalType=252)), inputs={"a": type})
    for given in made["inputs"]:
        given["nullable"] = True
    return made, [payload(function)]


def form_of(function, returns, type):
    made, blobs = sent(function, returns, type)
    assert compile_aggregate(made, blobs)["status"] == "ok"
    return aggregate_compiler(made, load_command(blobs[0]).function)._form(set())


@pytest.mark.parametrize("source, types", CASES, ids=[source for source, _ in CASES])
def test_a_form_is_the_function(source, types):
    function = eval(source, {"__name__": "__main__", "pc": pc, "pa": pa})
    for type in types:
        arrow = function(pa.array([1, 2, 3], pa.int64()).cast(TYPES[type]))
        inferred = arrow.type if isinstance(arrow, pa.Scalar) else pa.scalar(arrow).type
        form = form_of(function, RETURNS[inferred], type)
        for group in GROUPS[type]:
            _compare(function, form, pa.array(group, TYPES[type]), inferred)


def _compare(function, form, array, inferred):
    valid = ~np.array(array.is_null())
    given = Optional(np.array(array.fill_null(False if array.type == pa.bool_() else 0)), valid)
    got, errors = evaluate_form(form, {"a": given}, len(array))
    try:
        expected = function(array)
    except (TypeError, ZeroDivisionError) as error:
        assert any(e.startswith(type(error).__name__) for e in errors), (error, errors)
        return
    assert not errors
    expected = expected.as_py() if isinstance(expected, pa.Scalar) else expected
    if expected is None or got is None:
        assert expected is None and got is None, (expected, got)
    elif inferred in (pa.float64(), pa.float32()):
        assert got == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True), (array, got, expected)
    else:
        assert got == expected, (array, got, expected)


REFUSED = [
    ("lambda v: pc.sum(v)", "boolean", "SW254"),
    ("lambda v: pc.max(v)", "string", "SW254"),
    ("lambda v: pc.count_distinct(v)", "double", "SW250"),
    ("lambda v: pc.quantile(v)[0]", "double", "SW250"),
    ("lambda v: pc.sum(pc.subtract(v, pc.mean(v)))", "double", "SW262"),
    ("lambda v: pc.sum(pc.sum(v))", "double", "SW262"),
    ("lambda v: pc.sum(v).as_py() + 1", "long", "SW262"),
    ("lambda v: pc.sum(v).as_py() ** 2", "double", "SW262"),
    ("lambda v: pc.add(v, 1)", "double", "SW385"),
    ("lambda v: pc.any(v, min_count=0)", "boolean", "SW262"),
    ("lambda v: pc.variance(v, ddof=-1)", "double", "SW262"),
    ("lambda v: pc.sum(v, min_count=True)", "double", "SW262"),
    ("lambda v: pc.sum(v).is_valid", "double", "SW251"),
    ("lambda v: pc.sum(v).as_py().real", "double", "SW251"),
    ("lambda v: pc.divide(pc.sum(v), pc.cast(pc.count(v), 'float64'))", "double", "SW384"),
    ("lambda v: -pc.sum(v).as_py()", "double", "SW251"),
]


@pytest.mark.parametrize("source, type, code", REFUSED, ids=[source for source, _, _ in REFUSED])
def test_refusals(source, type, code):
    made, blobs = sent(eval(source, {"__name__": "__main__", "pc": pc, "pa": pa}), "double", type)
    with pytest.raises(Refusal) as refused:
        compile_aggregate(made, blobs)
    assert refused.value.code == code


def test_exact_mode_and_confs():
    made, blobs = sent(lambda v: pc.sum(v), "double", "double")
    made["conf"]["exact"] = True
    with pytest.raises(Refusal, match="SW387"):
        compile_aggregate(made, blobs)
    made, blobs = sent(lambda v: pc.count(v), "long", "double")
    made["conf"]["pandas"] = {"spark.sql.execution.arrow.useLargeVarTypes": "true"}
    with pytest.raises(Refusal, match="SW110"):
        compile_aggregate(made, blobs)
