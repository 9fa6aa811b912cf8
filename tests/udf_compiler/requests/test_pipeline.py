"""Checks compile requests and programs: fusion, chaining, the form of a batch, and that every refusal is listed."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from pyspark import cloudpickle
from pyspark.sql.types import LongType

from sparkweld.contract.decoding import MessageError
from sparkweld.ir import evaluate, parse_program
from sparkweld.ir.ops import Optional
from sparkweld.reasons import refusal
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import (
    call,
    column,
    literal,
    payload,
    python_step,
    request,
    run_pandas,
    run_reply,
    udf,
)
from udf_compiler.process.spark_line import BROADCASTS

A = np.array([0.5, -1.0, 3.25, 100.0])
B = np.array([2.0, 0.25, -3.0, 1.0])
INTS = np.array([7, -2, 0, 5])

two = {"a": "double", "b": "double"}


def codes(reply):
    assert reply["status"] == "refused", reply
    return [r["code"] for r in reply["refusals"]]


def greater(name, value, type="double"):
    return call("GreaterThan", column(name, type), literal(value, type))


def test_one_udf_over_two_columns():
    function = lambda a, b: np.sqrt(a * a + b * b) + 1  # noqa: E731
    reply = compile_pipeline(request(python_step(r=udf(0, "a", "b")), inputs=two), [payload(function)])
    np.testing.assert_array_equal(run_reply(reply, {"a": A, "b": B})["r"], run_pandas(function, A, B))
    assert reply["inputs"] == ["a", "b"]
    assert reply["outputs"] == [{"name": "r", "type": "double", "nullable": True}]
    assert reply["kept"] == [] and not reply["guarded"] and not reply["filtered"]
    assert reply["fused"] == ["f"]
    assert reply["hash"] == parse_program(reply["program"]).digest
    assert reply["udfs"][0]["name"] == "f"
    assert "f(float64, float64)" in reply["udfs"][0]["notes"]
    assert any("row-local" in note for note in reply["udfs"][0]["notes"])
    json.dumps(reply)


def test_keyword_arguments_and_defaults():
    function = lambda a, *, w, k=3.0: a * k - w  # noqa: E731
    reply = compile_pipeline(request(python_step(r=udf(0, "a", ("w", "b"))), inputs=two), [payload(function)])
    np.testing.assert_array_equal(run_reply(reply, {"a": A, "b": B})["r"], run_pandas(function, A, w=B))


def test_chained_udfs_ignore_the_inner_return_type():
    """The worker passes 1.5 on although the inner function was declared to return int."""
    inner, outer = (lambda a: a + 0.5), (lambda a: a * 2)
    step = python_step(r=udf(1, udf(0, "a", name="inner", returns="integer"), name="outer"))
    reply = compile_pipeline(request(step), [payload(inner), payload(outer)])
    np.testing.assert_array_equal(run_reply(reply, {"a": A})["r"], (A + 0.5) * 2)
    assert not reply["guarded"]


def test_an_array_between_chained_udfs_stays_an_array():
    inner, outer = (lambda a: a.to_numpy()), (lambda x: pd.Series(np.where(x > 0, x, 0.0)))
    step = python_step(r=udf(1, udf(0, "a", name="inner"), name="outer"))
    reply = compile_pipeline(request(step), [payload(inner), payload(outer)])
    np.testing.assert_array_equal(run_reply(reply, {"a": A})["r"], np.where(A > 0, A, 0.0))


def test_a_scalar_between_chained_udfs_is_refused():
    step = python_step(r=udf(1, udf(0, "a", name="inner"), name="outer"))
    reply = compile_pipeline(request(step), [payload(lambda a: 3.0), payload(lambda x: x)])
    assert codes(reply) == ["SW106"]


def test_expressions_as_arguments():
    expr = call("Multiply", column("a"), column("b"), type="double", ansi=True)
    reply = compile_pipeline(request(python_step(r=udf(0, expr)), inputs=two), [payload(lambda x: x + 1)])
    np.testing.assert_array_equal(run_reply(reply, {"a": A, "b": B})["r"], A * B + 1)


def test_a_struct_argument_is_a_frame():
    struct = {
        "op": "CreateNamedStruct", "type": {"type": "struct", "fields": []}, "nullable": False, "names": ["x", "y"],
        "args": [column("a"), column("i", "integer", False)],
    }  # fmt: skip
    function = lambda s: s["x"] * s.y  # noqa: E731
    reply = compile_pipeline(
        request(python_step(r=udf(0, struct)), inputs={"a": "double", "i": "integer"}), [payload(function)]
    )
    np.testing.assert_array_equal(run_reply(reply, {"a": A, "i": INTS})["r"], A * INTS)


def test_filter_and_projection_fuse_with_the_udfs_around_them():
    steps = [
        python_step(s=udf(0, "a", name="score")),
        {"kind": "filter", "condition": greater("s", "0x1.0p1")},
        {"kind": "project", "columns": [{"name": "p", "expr": call("Add", column("s"), column("b"), type="double", ansi=True)}]},
        python_step(r=udf(1, "p", name="last")),
    ]
    blobs = [payload(lambda a: a * 2), payload(lambda p: -p)]
    reply = compile_pipeline(request(*steps, inputs=two, outputs=["s", "p", "r"]), blobs)
    result = run_reply(reply, {"a": A, "b": B})
    keep = A * 2 > 2.0
    np.testing.assert_array_equal(result["s"], (A * 2)[keep])
    np.testing.assert_array_equal(result["p"], (A * 2 + B)[keep])
    np.testing.assert_array_equal(result["r"], -(A * 2 + B)[keep])
    assert reply["filtered"]
    assert reply["fused"] == ["score", "filter", "project", "last"]
    program = parse_program(reply["program"])
    assert len(program.loops) == 1
    assert [o["name"] for o in reply["outputs"]] == ["s", "p", "r"]


def test_one_udf_in_a_filter_and_a_projection_is_evaluated_once():
    steps = [
        python_step(s=udf(0, "a", name="score")),
        {"kind": "filter", "condition": greater("s", "0x0.0p0")},
        python_step(r=udf(0, "a", name="score")),
    ]
    blobs = [payload(lambda a: np.exp(a) - 2)]
    reply = compile_pipeline(request(*steps), blobs)
    assert reply["program"].count(" = exp ") == 1
    assert reply["kept"] == [{"op": "exp", "bound": "4 ULP"}]
    integers = request(*steps, inputs={"a": "long"}, nullable_state=["a"])
    reply = compile_pipeline(integers, [payload(lambda a: a * 0.5)])
    assert reply["status"] == "ok", "the filter decides no dtype: the call above it is the call below it"


def test_a_filter_without_outputs_returns_the_selection():
    steps = [python_step(s=udf(0, "a")), {"kind": "filter", "condition": greater("s", "0x0.0p0")}]
    reply = compile_pipeline(request(*steps, outputs=[]), [payload(lambda a: a + 1)])
    program = parse_program(reply["program"])
    given = {"a": Optional(A, np.ones(4, np.bool_))}
    np.testing.assert_array_equal(evaluate(program, given, 4).selection, np.flatnonzero(A + 1 > 0))
    assert reply["outputs"] == [] and reply["filtered"]


@pytest.mark.parametrize("state, expected", [("dense", "int32"), ("nullable", "float64")])
def test_an_integer_column_has_the_dtype_of_its_batch(state, expected):
    nullable = ["i"] if state == "nullable" else []
    step = python_step(r=udf(0, column("i", "integer")))
    reply = compile_pipeline(request(step, inputs={"i": "integer"}, nullable_state=nullable), [payload(lambda i: i / 2)])
    assert f"f({expected})" in reply["udfs"][0]["notes"]
    program = parse_program(reply["program"])
    assert program.inputs[0].type.nullable == (state == "nullable")


@pytest.mark.parametrize(
    "expr, expected",
    [
        (call("Add", column("i", "integer"), literal("1", "integer"), type="integer", ansi=False), "float64"),
        (call("Coalesce", column("i", "integer"), literal("1", "integer"), type="integer", nullable=False), "int32"),
    ],
)
def test_an_expression_has_the_dtype_of_its_batch(expr, expected):
    reply = compile_pipeline(
        request(python_step(r=udf(0, expr)), inputs={"i": "integer"}, nullable_state=["i"]), [payload(lambda i: i / 2)]
    )
    assert f"f({expected})" in reply["udfs"][0]["notes"]


def test_a_boolean_column_with_nulls_is_refused():
    step = python_step(r=udf(0, column("i", "boolean")))
    reply = compile_pipeline(request(step, inputs={"i": "boolean"}, nullable_state=["i"]), [payload(lambda i: i + 0.0)])
    assert codes(reply) == ["SW102"]


def _below(condition):
    steps = [{"kind": "filter", "condition": condition}, python_step(r=udf(0, column("i", "integer")))]
    given = request(*steps, inputs={"i": "integer", "a": "double"}, nullable_state=["i"])
    return compile_pipeline(given, [payload(lambda i: i + 1)])


def test_nulls_below_a_filter_leave_the_dtype_open():
    reply = _below(greater("a", "0x0.0p0"))
    assert codes(reply) == ["SW234"]
    assert "IS NOT NULL" in reply["refusals"][0]["hint"]
    assert codes(_below(call("IsNull", column("i", "integer")))) == ["SW234"]
    either = call("Or", call("IsNotNull", column("i", "integer")), greater("a", "0x0.0p0"))
    assert codes(_below(either)) == ["SW234"]


@pytest.mark.parametrize(
    "condition",
    [
        call("IsNotNull", column("i", "integer")),
        greater("i", "3", "integer"),
        call("And", greater("a", "0x0.0p0"), call("Not", call("EqualTo", column("i", "integer"), literal("3", "integer")))),
        call("Or", call("IsNotNull", column("i", "integer")), greater("i", "3", "integer")),
    ],
)
def test_a_filter_that_excludes_nulls_makes_an_integer_column_dense(condition):
    reply = _below(condition)
    assert reply["status"] == "ok", reply
    assert "f(int32)" in reply["udfs"][0]["notes"]


def test_a_null_in_an_integer_result_that_feeds_a_udf_is_guarded():
    steps = [python_step(m=udf(0, "a", name="g", returns="integer")), python_step(r=udf(1, column("m", "integer")))]
    reply = compile_pipeline(request(*steps), [payload(lambda a: np.floor(a)), payload(lambda m: m + 1)])
    assert reply["guarded"]
    program = parse_program(reply["program"])
    given = Optional(np.array([1.0, 2.5, 0.0]), np.array([True, True, False]))
    np.testing.assert_array_equal(evaluate(program, {"a": given}, 3).flagged, [False, False, True])


def test_functions_of_rows_tell_which_rows_are_flagged():
    def digits(k: int) -> int:
        return k * k % 1000 + (k + 2**62) % 3

    row = python_step(r=udf(0, column("a", "long"), evalType=101, returns="long"))
    asked = request(row, inputs={"a": "long"}, nullable_state=["a"])
    reply = compile_pipeline({**asked, "rowwise": True}, [payload(digits, LongType())])
    program = parse_program(reply["program"])
    assert reply["flags"] and reply["guarded"] and program.outputs == ("r", "flagged") and len(reply["outputs"]) == 1
    columns = {"a": Optional(np.array([7, 2**40, -3, 2**62, 2**33]), np.ones(5, np.bool_))}
    made = evaluate(program, columns, 5)
    decided = made.columns["flagged"].valid
    assert decided.tolist() == [True, False, True, False, False] and not made.flagged.any()
    assert made.columns["r"][decided].tolist() == [digits(7), digits(-3)]
    whole = compile_pipeline(asked, [payload(digits, LongType())])
    assert not whole["flags"] and evaluate(parse_program(whole["program"]), columns, 5).flagged.tolist() == (~decided).tolist()


def test_every_refusal_is_listed_with_its_step():
    steps = [
        python_step(x=udf(0, "a", name="first"), y=udf(1, "a", name="second")),
        python_step(r=udf(2, "x", name="third")),
        {"kind": "filter", "condition": call("NoSuchExpression", column("a"))},
    ]
    blobs = [payload(lambda a: a - a.mean()), payload(lambda a: a + 1), payload(lambda x: x.cumsum())]
    reply = compile_pipeline(request(*steps, outputs=["r", "y"]), blobs)
    found = [(r["udf"], r["step"], r["code"][:3]) for r in reply["refusals"]]
    assert found == [("first", 0, "SW2"), ("third", 1, "SW2"), (None, 2, "SW3")]
    assert reply["refusals"][0]["place"].endswith("of test_pipeline.py")
    assert set(reply["refusals"][0]) == {"udf", "step", "code", "title", "message", "hint", "place"}


def test_readers_of_a_refused_column_of_unknown_type_add_nothing():
    steps = [python_step(x=udf(0, "a", name="first", returns="binary")), python_step(r=udf(1, column("x", "binary")))]
    reply = compile_pipeline(request(*steps), [payload(lambda a: a), payload(lambda x: x)])
    assert codes(reply) == ["SW104"]


@pytest.mark.parametrize(
    "code, given",
    [
        ("SW206", {"evalType": 201}),
        ("SW207", {"deterministic": False}),
        ("SW203", {"payload": 1}),
        ("SW104", {"returnType": "binary"}),
    ],
)
def test_entries_that_are_refused(code, given):
    entry = {**udf(0, "a"), **given}
    reply = compile_pipeline(request(python_step(r=entry)), [payload(lambda a: a), b"no pickle"])
    assert codes(reply) == [code]
    assert reply["refusals"][0]["udf"] == "f"


def test_confs_that_change_the_worker_are_refused():
    conf = {"spark.sql.execution.pythonUDF.pandas.preferIntExtensionDtype": "true"}
    reply = compile_pipeline(request(python_step(r=udf(0, "a")), pandas=conf), [payload(lambda a: a)])
    assert codes(reply) == ["SW110"]


def test_conversions_that_wrap_concern_the_whole_batch():
    """Without checks, the conversion of a row that a kernel flags depends on the dtype of its batch; others convert alike."""
    conf = {"spark.sql.execution.pandas.convertToArrowArraySafely": "false"}

    def why(step, function, pandas=conf):
        reply = compile_pipeline({**request(step, pandas=pandas), "regrouped": True}, [payload(function)])
        assert reply["status"] == "ok", reply
        return reply["batchwise"]

    def called(returns):
        return python_step(r=udf(0, "a", returns=returns))

    assert why(called("double"), lambda a: a) is None
    assert why(called("integer"), lambda a: a) == "a row may decide about others of its batch in f"
    assert why(called("integer"), lambda a: a, dict.fromkeys(conf, "true")) is None  # the batch raises
    returns = {"type": "struct", "fields": [{"name": "a", "type": "integer", "nullable": True}]}
    step = {"kind": "map", "name": "f", "results": ["r"]}
    whole = {"op": "CreateNamedStruct", "names": ["a"], "args": [column("a")], "type": "struct"}
    mapped = {**step, "udf": udf(0, whole, evalType=205, returnType=returns)}
    assert why(mapped, _same) == "a row may decide about others of its batch in f"


def _same(batches):
    for batch in batches:
        yield batch[["a"]]


def test_input_types_without_a_kernel_are_refused():
    reply = compile_pipeline(
        request(python_step(r=udf(0, column("a", "binary"))), inputs={"a": "binary"}), [payload(lambda a: a)]
    )
    assert codes(reply) == ["SW101"]


def test_exact_mode_refuses_operations_that_are_only_approximate():
    steps = [python_step(x=udf(0, "a", name="safe")), python_step(r=udf(1, "a", name="bound"))]
    blobs = [payload(lambda a: np.sqrt(a)), payload(lambda a: np.exp(a) + np.log(a))]
    assert compile_pipeline(request(*steps), blobs)["status"] == "ok"
    reply = compile_pipeline(request(*steps, outputs=["x", "r"], exact=True), blobs)
    assert codes(reply) == ["SW232", "SW232"]
    assert {r["udf"] for r in reply["refusals"]} == {"bound"}
    assert "exp" in reply["refusals"][0]["message"] and "4 ULP" in reply["refusals"][0]["message"]
    assert reply["refusals"][0]["place"].endswith("of test_pipeline.py")


def test_dot_products_are_kept_with_their_bounds():
    w, u = np.array([0.5, 2.0]), np.array([1.0, 2.0, 3.0])
    dot = payload(lambda a: pd.Series(np.column_stack([a, a]) @ w + np.column_stack([a, a]) @ w))
    wide = payload(lambda a: np.exp(pd.Series(np.column_stack([a, a, a]) @ u)))
    steps = [python_step(r=udf(0, "a", name="dot"), s=udf(1, "a", name="wide"))]
    reply = compile_pipeline(request(*steps, outputs=["r", "s"]), [dot, wide])
    assert reply["kept"] == [
        {"op": "exp", "bound": "4 ULP"},
        {"op": "dot", "bound": "4 * eps * sum(|x * w|)"},
        {"op": "dot", "bound": "5 * eps * sum(|x * w|)"},
    ]
    assert any("2 columns" in note for note in reply["udfs"][0]["notes"])
    assert codes(compile_pipeline(request(*steps, outputs=["r", "s"], exact=True), [dot, wide])) == ["SW260", "SW260"]


def test_a_deeply_nested_closure_is_refused():
    nested = []
    for _ in range(250):
        nested = [nested]
    reply = compile_pipeline(request(python_step(r=udf(0, "a"))), [payload(lambda a: a * len(nested))])
    assert codes(reply) == ["SW231"]


def test_endless_recursion_is_refused():
    def forever(n):
        return forever(n + 1)

    reply = compile_pipeline(request(python_step(r=udf(0, "a"))), [payload(lambda a: a * forever(0))])
    assert reply["status"] == "refused"


def test_the_size_check_of_kernels_runs():
    def check(program):
        raise refusal("SW501", what=f"{program.size} values", limit="none")

    reply = compile_pipeline(request(python_step(r=udf(0, "a"))), [payload(lambda a: a + 1)], check)
    assert codes(reply) == ["SW501"]


class _Handle:
    def __reduce__(self):
        return BROADCASTS._from_id, (11,)


def test_a_large_command_and_a_broadcast_weight_table(tmp_path):
    weights = {"w": np.array([2.0, 3.0])}
    (tmp_path / "weights").write_bytes(cloudpickle.dumps(weights))
    handle, offsets = _Handle(), np.arange(300_000.0)
    command = payload(lambda a, b: a * handle.value["w"][0] + b * handle.value["w"][1] + offsets[5])
    assert len(command) > 1 << 20
    (tmp_path / "command").write_bytes(cloudpickle.dumps(command))
    entry = udf(
        0, "a", "b", broadcasts=[{"id": 11, "path": str(tmp_path / "weights")}, {"id": 12, "path": str(tmp_path / "command")}]
    )

    class Command:
        def __reduce__(self):
            return BROADCASTS._from_id, (12,)

    reply = compile_pipeline(request(python_step(r=entry), inputs=two), [cloudpickle.dumps(Command())])
    np.testing.assert_array_equal(run_reply(reply, {"a": A, "b": B})["r"], A * 2.0 + B * 3.0 + 5.0)


def test_a_broken_broadcast_file_is_refused(tmp_path):
    handle = _Handle()
    (tmp_path / "weights").write_bytes(b"\x80\x05nonsense")
    entry = udf(0, "a", broadcasts=[{"id": 11, "path": str(tmp_path / "weights")}])
    reply = compile_pipeline(request(python_step(r=entry)), [payload(lambda a: a * handle.value)])
    assert codes(reply) == ["SW203"]
    entry = udf(0, "a", broadcasts=[{"id": 11, "path": str(tmp_path / "gone")}])
    reply = compile_pipeline(request(python_step(r=entry)), [payload(lambda a: a * handle.value)])
    assert codes(reply) == ["SW205"]


def test_requests_are_independent_of_each_other():
    """The same payload yields the same program again, byte for byte."""
    given = request(python_step(r=udf(0, "a", "b")), inputs=two)
    blobs = [payload(lambda a, b: np.exp(a) * b + 1)]
    first, second = compile_pipeline(given, blobs), compile_pipeline(given, blobs)
    assert first["program"] == second["program"]


def test_our_own_bugs_are_no_refusals():
    with pytest.raises(MessageError, match=r"inputs\[0\]\.name: missing"):
        compile_pipeline(request(python_step(r=udf(0, "unknown"))) | {"inputs": [{}]}, [payload(lambda a: a)])


def _projected_then_udf(expr, state="dense"):
    project = {"kind": "project", "columns": [{"name": "m", "expr": expr}]}
    nullable = ["k"] if state == "nullable" else []
    message = request(project, python_step(r=udf(0, column("m", "long"))), inputs={"k": "long"}, nullable_state=nullable)
    return compile_pipeline(message, [payload(lambda m: m * 2)])


def test_a_computed_integer_that_may_be_null_stays_with_spark():
    maybe = call("If", greater("k", "3", "long"), literal(None, "long"), column("k", "long"), type="long")
    reply = _projected_then_udf(maybe)
    assert codes(reply) == ["SW324"]
    assert reply["refusals"][0]["step"] == 0


def test_an_argument_that_makes_nulls_stays_with_spark():
    maybe = call("If", greater("k", "3", "long"), literal(None, "long"), column("k", "long"), type="long")
    reply = compile_pipeline(request(python_step(r=udf(0, maybe)), inputs={"k": "long"}), [payload(lambda m: m * 2)])
    assert codes(reply) == ["SW324"]


@pytest.mark.parametrize(("divisor", "refused"), [("3", []), ("0", ["SW324"]), (None, ["SW324"])])
def test_a_remainder_makes_nulls_where_its_divisor_may_be_zero(divisor, refused):
    """Without ANSI mode, which Spark 3.5 does not set."""
    rest = call("Remainder", column("k", "long"), literal(divisor, "long"), type="long", ansi=False)
    for reply in (
        compile_pipeline(request(python_step(r=udf(0, rest)), inputs={"k": "long"}), [payload(lambda m: m * 2)]),
        _projected_then_udf(rest),
    ):
        assert [found["code"] for found in reply.get("refusals", ())] == refused


@pytest.mark.parametrize("state", ["dense", "nullable"])
def test_a_computed_integer_has_the_nulls_of_its_columns(state):
    reply = _projected_then_udf(call("Add", column("k", "long"), literal("1", "long"), type="long", ansi=False), state)
    assert reply["status"] == "ok", reply
    valid = INTS != 0 if state == "nullable" else np.ones(4, np.bool_)
    program = parse_program(reply["program"])
    result = evaluate(program, {"k": Optional(INTS, valid) if state == "nullable" else INTS}, 4)
    assert not result.flagged.any()
    np.testing.assert_array_equal(result.columns["r"].valid if state == "nullable" else valid, valid)
