"""Compares list-array functions in arrow UDFs with pyarrow, one row at a time, and checks refusals."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sparkweld.ir.types import Items
from tests.helpers.kinds import codes, compile_map, compile_udf, run

ROWS = [[1.0, 2.0, 3.0], None, [], [0.5], [float("nan"), -0.0], [None], [1.0, None, 3.0]]
ARRAY = "array<double>"

FUNCTIONS = [
    (lambda a: a, ARRAY), (lambda a: pc.list_value_length(a), "integer"), (lambda a: a.value_lengths(), "long"),
    (lambda a: pc.list_element(a, 0), "double"), (lambda a: pc.list_slice(a, 1, 3), ARRAY),
    (lambda a: pc.list_slice(a, 1), ARRAY),
    (lambda a: pc.list_slice(a, 2, 2), ARRAY), (lambda a: pc.is_valid(a), "boolean"), (lambda a: a.is_null(), "boolean"),
    (lambda a: pc.fill_null(pc.list_value_length(a), -1), "integer"),
    (lambda a: pc.multiply(pc.list_element(a, 1), 2.0), "double"),
    (lambda a: pc.if_else(pc.is_null(a), 0, pc.list_value_length(a)), "integer"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "returns"), FUNCTIONS)
def test_functions_of_lists(function, returns):
    reply = compile_udf(function, 250, {"a": ARRAY}, returns)
    (got,), flagged = run(reply, {"a": [None if x is None else Items("f64", tuple(x)) for x in ROWS]})
    for row, ours, left in zip(ROWS, got, flagged.tolist(), strict=True):
        wanted = raised = None
        try:
            wanted = function(pa.array([row], pa.list_(pa.float64()))).to_pylist()[0]
        except pa.ArrowInvalid:
            raised = True
        assert left == (bool(raised) or (row is not None and None in row)), row
        if not left:
            wanted = Items("f64", tuple(wanted)) if isinstance(wanted, list) else wanted
            assert ours == wanted or (ours != ours and wanted != wanted), row
    assert len(ROWS) - flagged.sum() >= 3


def test_lists_of_strings():
    rows = [["a", "bc"], None, [], ["\u00e9", ""], [None, "x"]]
    items = [None if x is None else Items("str", tuple(x)) for x in rows]
    given = {"a": "array<string>"}
    (got,), flagged = run(compile_udf(lambda a: pc.list_element(a, 1), 250, given, "string"), {"a": items})
    assert flagged.tolist() == [False, False, True, False, True] and [got[0], got[1], got[3]] == ["bc", None, ""]
    (got,), flagged = run(compile_udf(lambda a: pc.list_slice(a, 1), 250, given, "array<string>"), {"a": items})
    assert flagged.tolist() == [False, False, False, False, True] and got[:4] == [
        Items("str", ("bc",)), None, Items("str", ()), Items("str", ("",))]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "returns", "code"),
    [
        (lambda a: pc.list_flatten(a), "double", "SW250"), (lambda a: a.flatten(), "double", "SW250"),
        (lambda a: a.type, "double", "SW251"), (lambda a: pc.add(a, 1), ARRAY, "SW262"), (lambda a: a, "array<float>", "SW226"),
        (lambda a: pc.fill_null(a, 0), ARRAY, "SW262"), (lambda a: pc.list_element(a, -1), "double", "SW252"),
        (lambda a: pc.list_slice(a, 2, 1), ARRAY, "SW252"), (lambda a: pc.list_slice(a, 0, 4, 2), ARRAY, "SW262"),
        (lambda a: pc.if_else(pc.is_null(a), a, a), ARRAY, "SW262"), (lambda a: pc.list_value_length(a), ARRAY, "SW226"),
        (lambda a: a.nope, "double", "SW261"), (lambda a: pc.list_element(pc.list_value_length(a), 0), "double", "SW262"),
    ],
)  # fmt: skip
def test_refused_operations_on_lists(function, returns, code):
    assert codes(compile_udf(function, 250, {"a": ARRAY}, returns)) == [code]


def test_batches_with_lists():
    def longer(batches):
        for batch in batches:
            yield batch.append_column("n", pc.list_value_length(batch.column("a")))

    given = {"a": ARRAY, "k": "integer"}
    reply = compile_map(longer, 207, given, {**given, "n": "integer"})
    rows = {"a": [Items("f64", (1.0, 2.0)), Items("f64", ()), Items("f64", (None,))], "k": [1, 2, 3]}
    (lists, _, lengths), flagged = run(reply, rows)
    assert flagged.tolist() == [False, False, True] and lists[:2] == rows["a"][:2] and lengths[:2] == [2, 0]
    assert codes(compile_map(longer, 207, given, {**given, "n": "array<integer>"})) == ["SW364"]
