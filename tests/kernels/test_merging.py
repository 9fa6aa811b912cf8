"""Checks merge builders: their semantics, and their kernels per group, over batches and full tables."""

from __future__ import annotations

import numpy as np
import pytest

from sparkweld.errors import VerifyError
from sparkweld.ir import Input, Program, ProgramBuilder, Type, evaluate, parse_program
from sparkweld.ir.ops import Array, Optional
from sparkweld.kernels import Kernel
from sparkweld.optimizer import optimize
from tests.helpers.columns import extremes, take
from tests.helpers.kernels import compiled
from tests.helpers.merging import Merger, run_batches

NUMBERS = ("bool", "i8", "i16", "i32", "i64", "f32", "f64", "date", "ts")
KEYS = ("bool", "i8", "i64", "date", "str")


def program(keys=(), merges=(), nullable=True) -> Program:
    """Returns a program with keys of these kinds; merges are (fn, kind or None)."""
    kinds = list(dict.fromkeys(kind for _, kind in merges if kind))
    inputs = [Input(f"k{i}", Type(k, nullable)) for i, k in enumerate(keys)] + [Input(k, Type(k, nullable)) for k in kinds]
    builder = ProgramBuilder("p", inputs)
    loop = builder.loop("merge")
    for i in range(len(keys)):
        loop.key(f"key{i}", loop.read(f"k{i}"))
    for fn, kind in merges:
        loop.merge(f"{fn} {kind}", fn, None if kind is None else loop.read(kind))
    loop.close_groups("groups")
    return builder.finish([f"key{i}" for i in range(len(keys))] + [f"{fn} {kind}" for fn, kind in merges])


def all_merges():
    found = [("rows", None)]
    for kind in NUMBERS:
        found += [("count", kind), ("min", kind), ("max", kind)]
        if kind not in ("bool", "date", "ts"):
            found += [("sum", kind), ("total", kind)]
    found += [(f"moment{i}", "f64") for i in range(3)]
    return found


def columns_of(made: Program, rows: int, groups: int = 7) -> dict[str, Array]:
    random = np.random.default_rng(rows)
    columns = {}
    for at, given in enumerate(made.inputs):
        column = extremes(given.type, max(rows, groups), at=at % 2)
        if given.name.startswith("k"):
            column = take(column, random.integers(0, groups, rows))  # few values
        columns[given.name] = take(column, np.arange(rows))
    return columns


def kernel_of(made: Program) -> Kernel:
    return Kernel.load(compiled(optimize(made)), made)


def cells(column: Array) -> list[object]:
    """Returns values that compare by their bits, -0.0 and NaN included; None for NULL."""
    values = column.values if isinstance(column, Optional) else column
    found = [v.hex() if isinstance(v, float) else v for v in values.tolist()]
    return [v if ok else None for v, ok in zip(found, column.valid, strict=True)] if isinstance(column, Optional) else found


@pytest.mark.parametrize("keys", [(), ("str",), KEYS], ids=["no keys", "a text", "keys of all kinds"])
def test_kernel_equals_evaluate(keys):
    made = program(keys, all_merges())
    kernel = kernel_of(made)
    for rows in (0, 1, 50, 400):
        columns = columns_of(made, rows)
        parts = (np.arange(rows // 2), np.arange(rows // 2, rows))
        batches = [({name: take(c, part) for name, c in columns.items()}, len(part)) for part in parts]
        pieces = run_batches(Merger(kernel, 1000), batches)
        expected = evaluate(made, columns, rows)
        (piece,) = pieces
        for name in made.outputs:
            assert cells(piece[name]) == cells(expected.columns[name]), name


@pytest.mark.each_value_once
@pytest.mark.parametrize("keys", [("str",), ("i64", "str"), ("str", "date", "str")], ids="-".join)
@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("groups", [3, 3000])
def test_strings_at_the_addresses_of_an_earlier_row(keys, dictionary, groups):
    made = program(keys, [("rows", None), ("sum", "f64")])
    columns = columns_of(made, 3000, groups)
    for i, key in enumerate(keys):
        if key == "str":
            valid = columns[f"k{i}"].valid
            texts = np.array([f"{row % groups:0{row % 11}}" for row in range(3000)], object)
            columns[f"k{i}"] = Optional(texts, valid)
    (piece,) = run_batches(Merger(kernel_of(made), 4000, dictionary=dictionary), [(columns, 3000)] * 2)
    twice = {name: take(column, np.arange(6000) % 3000) for name, column in columns.items()}
    expected = evaluate(made, twice, 6000)
    for name in made.outputs:
        assert cells(piece[name]) == cells(expected.columns[name]), name


def test_a_place_that_holds_another_text_in_the_next_batch():
    made = program(("str",), [("rows", None)], nullable=False)
    merger = Merger(kernel_of(made), 8)
    text, nulls = np.frombuffer(b"ab", np.uint8).copy(), np.zeros(2, np.uint8)
    views = np.array([[text.ctypes.data, 2]] * 2)
    outputs = [a.ctypes.data for pair in merger.outputs for a in pair]
    for content in (b"ab", b"cd", b"ab"):
        text[:] = np.frombuffer(content, np.uint8)
        merger._state[6] = 0
        merger.kernel.call([views.ctypes.data, nulls.ctypes.data, *outputs, merger._state.ctypes.data], 2)
    groups = merger.groups()
    assert groups["key0"].tolist() == ["ab", "cd"] and groups["rows None"].tolist() == [4, 2]


def _length(column: Array) -> int:
    return len(column.values if isinstance(column, Optional) else column)


def test_a_full_table_is_emptied_and_merging_continues():
    made = program(("str", "i64"), [("rows", None), ("sum", "i64"), ("max", "f64")])
    kernel = kernel_of(made)
    columns = columns_of(made, 500, groups=20)
    whole = evaluate(made, columns, 500)
    for merger in (Merger(kernel, 3), Merger(kernel, 1), Merger(kernel, 100, text=32)):
        pieces = run_batches(merger, [(columns, 500)])
        assert len(pieces) > 1 and all(_length(piece["rows None"]) <= merger.room for piece in pieces)
        again: dict[tuple, list] = {}
        for piece in pieces:
            for text, number, rows, total, most in zip(*(cells(piece[name]) for name in made.outputs), strict=True):
                state = again.setdefault((text, number), [0, None, None])
                state[0] += rows
                state[1] = total if state[1] is None else state[1] + (total or 0)
                mosts = [m for m in (state[2], most) if m is not None]
                state[2] = max(mosts, key=lambda m: (np.isnan(float.fromhex(m)), float.fromhex(m))) if mosts else None
        rows_of = zip(*(cells(whole.columns[name]) for name in made.outputs), strict=True)
        expected = {row[:2]: row[2:] for row in rows_of}
        assert set(again) == set(expected)
        for key, (rows, total, most) in expected.items():
            wrapped = None if again[key][1] is None else (again[key][1] + 2**63) % 2**64 - 2**63
            assert (again[key][0], wrapped) == (rows, total)
            assert float.fromhex(again[key][2] or "0") == float.fromhex(most or "0") or "nan" in str(most)


def test_sums_of_doubles_add_in_the_order_of_rows():
    made = program(("i8",), [("sum", "f64"), ("total", "f64"), ("min", "f64"), ("max", "f64")], nullable=False)
    values = np.array([1e16, 1.0, 1.0, -1e16, -0.0, 0.0, np.nan, 3.0])
    keys = np.array([1, 1, 1, 1, 2, 2, 3, 3], np.int8)
    (piece,) = run_batches(Merger(kernel_of(made), 8), [({"k0": keys, "f64": values}, 8)])
    assert cells(piece["sum f64"]) == [(((0.0 + 1e16) + 1.0) + 1.0 - 1e16).hex(), (0.0).hex(), "nan"]
    assert cells(piece["min f64"]) == [(-1e16).hex(), (-0.0).hex(), (3.0).hex()], "of equal ones the first; NaN is the largest"
    assert cells(piece["max f64"]) == [(1e16).hex(), (-0.0).hex(), "nan"]


def test_a_checked_sum_stops_at_the_row_that_it_cannot_take():
    for keys in ((), ("i8",)):
        made = program(keys, [("checked_sum", "i64"), ("rows", None)])
        big = 2**62
        column = Optional(np.array([big, 5, big, -1, big], np.int64), np.array([True, True, True, False, True]))
        columns = {"i64": column, **({"k0": Optional(np.zeros(5, np.int8), np.ones(5, bool))} if keys else {})}
        merger = Merger(kernel_of(made), 4)
        assert not list(merger.merge(columns, 5)) and merger.overflowed and merger._state[6] == 2 and merger._state[7] == 0
        assert evaluate(made, columns, 5).flagged.tolist() == [False, False, True, False, False]
        fine = {name: take(c, np.arange(2)) for name, c in columns.items()}
        (piece,) = run_batches(Merger(merger.kernel, 4), [(fine, 2)])
        assert cells(piece["checked_sum i64"]) == [big + 5] and cells(piece["rows None"]) == [2]


def test_text_form():
    made = program(KEYS, all_merges())
    assert parse_program(str(made)) == made


def test_central_moments_of_one_value_require_each_other():
    with pytest.raises(VerifyError, match="some central moments of a value"):
        program((), [("moment0", "f64"), ("moment2", "f64")])
    made = program(("i8",), [(f"moment{i}", "f64") for i in range(3)], nullable=False)
    values = np.array([1.0, 2.0, 4.0, 1e9, 1e9 + 1])
    (piece,) = run_batches(Merger(kernel_of(made), 8), [({"k0": np.array([1, 1, 1, 2, 2], np.int8), "f64": values}, 5)])
    assert piece["moment0 f64"].tolist() == [3.0, 2.0] and piece["moment1 f64"].tolist() == [7 / 3, 1e9 + 0.5]
    assert piece["moment2 f64"].tolist() == pytest.approx([14 / 3, 0.5])


@pytest.mark.parametrize(
    "merge, message",
    [(("sum", "bool"), "merge sum does not apply to bool"), (("max", "str"), "merge max does not apply to str"),
     (("rows", "i8"), "rows requires no value"), (("checked_sum", "f64"), "merge checked_sum does not apply"),
     (("sum", None), "sum requires one value"), (("median", "f64"), "merge median does not apply")],
)  # fmt: skip
def test_merges_that_do_not_exist(merge, message):
    with pytest.raises(VerifyError, match=message):
        program((), [merge], nullable=False)
