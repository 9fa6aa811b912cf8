"""Compares the kernels of functions of whole columns with `evaluate`, and sums with NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from sparkweld.errors import VerifyError
from sparkweld.ir import ROWS, Input, Program, ProgramBuilder, evaluate, parse_program, print_program
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.program import Stage
from sparkweld.ir.rolling import STATISTICS, window_of
from sparkweld.ir.types import BOOL, F64, I32, I64, STR, Items, Type, list_of
from sparkweld.ir.wholes import WHOLES, Whole, evaluate_whole, whole_type
from sparkweld.kernels import ObjectCache, compile_program
from sparkweld.optimizer import optimize
from sparkweld.optimizer.choose_layouts import choose_layouts
from tests.helpers import kernels

ROWS_OF_GROUPS = (0, 1, 2, 7, 8, 9, 63, 129, 1000, 8193, 20_001)
TYPES = {
    "position": [()],
    "sum": [(F64,), (I64,)],
    "buffered_sum": [(F64,)],
    "product": [(F64,), (I64,)],
    "min": [(F64,), (I64,), (I32,), (BOOL,)],
    "max": [(F64,), (I64,), (I32,), (BOOL,)],
    "at": [(F64, I64), (STR, I64), (BOOL, I64), (list_of(F64), I64)],
    "elements": [(list_of(F64),), (list_of(BOOL),), (list_of(STR),)],
    "sorted": [(F64,), (I64,)],
    "shift": [(F64, I64), (I32, I64), (BOOL, I64)],
    "running_sum": [(F64,), (I64,)],
    "running_max": [(F64,), (I64,)],
    "running_min": [(F64,), (I64,)],
    "order": [(F64,), (I64,), (STR,), (BOOL,), (I32, I64)],
    "descending_order": [(F64,), (STR,), (I32, I64)],
    "take": [(F64, I64), (STR, I64), (BOOL, I64)],
    "fill_forward": [(F64,), (STR,), (I32,)],
    "fill_backward": [(F64,), (STR,), (I32,)],
    **{f"same_{what}": [(F64,), (I32,), (STR,)] for what in ("first", "last", "count")},
    **{f"grouped_{what}": [(F64, I64), (I64, I64)] for what in ("sum", "running_sum", "min", "max")},
    "grouped_squares": [(F64, I64)],
    **{f"rolling_{what}": [(F64, I64)] for what in STATISTICS},
    "weighted_mean": [(F64, F64)],
    "adjusted_weighted_mean": [(F64, F64)],
    **{f"rank_{method}": [(F64,), (I64,)] for method in ("average", "min", "max", "first", "dense")},
}


#: Functions with the same type of their first argument, which are results of one program: a compile has a fixed cost.
TOGETHER = 12


def _together() -> list[list[tuple[str, tuple[Type, ...]]]]:
    calls: dict[tuple[Type, ...], list[tuple[str, tuple[Type, ...]]]] = {}
    for fn, every in TYPES.items():
        for types in every:
            calls.setdefault(types[:1], []).append((fn, types))
    return [same[at : at + TOGETHER] for same in calls.values() for at in range(0, len(same), TOGETHER)]


def program_of(*calls: tuple[str, tuple[Type, ...]]) -> Program:
    """Returns a program with a result for each function: of the column x, and of a second column of its own."""
    types = {name: type for fn, of in calls for name, type in zip(_arguments(fn, of), of, strict=True)}
    inputs = tuple(Input(name, type) for name, type in types.items())
    stage = ProgramBuilder("stage", inputs)
    loop = stage.loop("stage")
    for name in types:
        loop.append(f"a {name}", loop.read(name))
    loop.close()
    wholes = tuple(Whole(f"w {fn}", fn, tuple(f"a {name}" for name in _arguments(fn, of))) for fn, of in calls)
    first = Stage(stage.finish([f"a {name}" for name in types]), wholes)
    last = ProgramBuilder("last", inputs)
    loop = last.loop("last")
    for whole, result in zip(wholes, first.results, strict=True):
        last.columns[whole.column] = result.type
        loop.append(whole.fn, loop.read(whole.column))
    loop.close()
    return Program("whole", inputs, tuple(last.loops), tuple(fn for fn, _ in calls), (first,))


def _arguments(fn: str, types: tuple[Type, ...]) -> list[str]:
    return ["x", f"second of {fn}"][: len(types)]


def column(type: Type, rows: int, seed: int) -> Array:
    """Returns values with ties, zeros of both signs and cancelling sums."""
    rng = np.random.default_rng((rows, seed))
    if type.plain() == F64:
        values = rng.normal(size=rows) * 10.0 ** rng.integers(-8, 9, rows)
        values[rng.random(rows) < 0.3] = 0.5
        values[rng.random(rows) < 0.1] = -0.0
    elif type.is_list:
        elements = column(type.element, rows + 3, seed).tolist()
        values = np.full(rows, type.zero, object)
        values[:] = [Items(type.element.kind, tuple(elements[: rows // 2 + row])) for row in range(rows)]
    elif type.plain() == STR:
        values = np.array([f"row {x}" for x in rng.integers(0, 50, rows)], object)
    else:
        values = rng.integers(-50, 50, rows).astype(type.dtype)
    return Optional(values, rng.random(rows) < 0.8) if type.nullable else values


def second_column(fn: str, rows: int) -> np.ndarray:
    if fn.startswith("rolling"):
        return np.full(rows, window_of(3, 2), np.int64)
    if fn.endswith("weighted_mean"):
        return np.full(rows, 5.5)
    if fn.startswith("grouped"):
        return np.random.default_rng(rows).integers(0, max(rows // 3, 1), rows)
    if fn == "take" or fn.endswith("order"):
        return np.random.default_rng(rows).permutation(rows)
    return np.full(rows, {"at": rows // 2, "shift": 3}[fn], np.int64)


@pytest.mark.gate_cases(
    "1 of -True",
    "1 of list<bool>-False",
    "1 of list<str>-True",
    "10 of i32-False",
    "12 of f64_0-True",
    "12 of f64_1-False",
    "12 of f64_2-True",
    "12 of i64-False",
    "2 of list<f64>-True",
    "6 of bool-False",
    "6 of i64-True",
    "9 of str-False",
)
@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize("calls", _together(), ids=lambda calls: f"{len(calls)} of {'-'.join(map(str, calls[0][1][:1]))}")
def test_kernels_return_the_bits_of_evaluate(calls, nullable):
    of_complete = ("rolling", "weighted", "adjusted", "elements")
    if nullable:  # windows and lists are of complete columns only
        calls = [(fn, (types[0].optional(), *types[1:])) for fn, types in calls if types and not fn.startswith(of_complete)]
    if not calls:
        return
    program = optimize(program_of(*calls))
    assert parse_program(print_program(program)) == program
    kernel = kernels.load(program)
    for rows in ROWS_OF_GROUPS[:-3] if calls[0][1] and calls[0][1][0].is_list else ROWS_OF_GROUPS:
        columns = {i.name: column(i.type, rows, 0) for i in program.inputs if i.name == "x"}
        columns |= {f"second of {fn}": second_column(fn, rows) for fn, types in calls if len(types) == 2}
        evaluated, ran = evaluate(program, columns, rows).columns, kernel.run(columns, rows).columns
        for fn, _ in calls:
            valid, expected, got = np.ones(rows, np.bool_), evaluated[fn], ran[fn]
            if isinstance(expected, Optional):
                assert np.array_equal(expected.valid, got.valid), (fn, rows)
                valid, expected, got = expected.valid, expected.values, got.values
            if np.asarray(expected).dtype == object:
                assert got[valid].tolist() == expected[valid].tolist(), (fn, rows)
            else:
                assert np.asarray(got)[valid].tobytes() == np.ascontiguousarray(expected[valid]).tobytes(), (fn, rows)


def test_functions_are_cached_beside_the_programs_that_call_them(tmp_path):
    files = []
    for calls in ([("sum", (I64,))], [("sum", (I64,)), ("max", (I64,))]):
        compile_program(choose_layouts(optimize(program_of(*calls))), ObjectCache(tmp_path / "kernels"))
        files.append(len([*(tmp_path / "kernels").glob("*.kernel")]))
    assert files == [2, 4], "two programs and two functions"


def test_every_function_is_tested():
    assert {*TYPES, "collected"} == set(WHOLES)


@pytest.mark.parametrize("rows", ROWS_OF_GROUPS)
def test_sums_of_integers_add_as_numpy_adds_converted_integers(rows):
    rng = np.random.default_rng(rows)
    for values in (rng.integers(-(2**62), 2**62, rows), rng.integers(-(2**31), 2**31, rows).astype(np.int32)):
        found = evaluate_whole("buffered_sum", (values.astype(np.float64),), max(rows, 1))
        assert found[0] == values.sum(dtype=np.float64)


def test_stages_without_readers_are_removed():
    program = program_of(("sum", (F64,)))
    loop = ProgramBuilder("last", program.inputs).loop("last")
    loop.append("sum", loop.read("x"))
    loop.close()
    alone = optimize(Program("whole", program.inputs, tuple(loop.program.loops), program.outputs, program.stages))
    assert alone.stages == ()


def test_later_stages_read_earlier_ones():
    builder = ProgramBuilder("group", (Input("x", F64),))
    loop = builder.loop("rows")
    total = builder.whole("sum", loop.read("x"))
    squares = builder.whole("sum", loop.call("square", loop.call("subtract", loop.read("x"), loop.read(total))))
    loop.append("r", loop.read(squares))
    loop.close()
    program = optimize(builder.finish(("r",)))
    assert len(program.stages) == 2
    x = np.array([1.0, 2.0, 4.0])
    for result in (evaluate(program, {"x": x}, 3), kernels.load(program).run({"x": x}, 3)):
        assert result.columns["r"].tolist() == [np.sum((x - 7.0) ** 2)] * 3


def test_collected_columns_are_lists_of_all_rows():
    builder = ProgramBuilder("group", tuple(Input(type.kind, type) for type in (F64, I32, BOOL, STR)))
    loop = builder.loop("rows")
    for type in (F64, I32, BOOL, STR):
        first = loop.call("equal", loop.read(builder.whole("position")), loop.const(0, I64))
        items = loop.read(builder.whole("collected", loop.read(type.kind)))
        alone = loop.select(first, items, loop.const(list_of(type).zero, list_of(type)))
        loop.append(f"{type}s", loop.read(builder.whole("elements", alone)))
    loop.close()
    program = optimize(builder.finish(tuple(f"{type}s" for type in (F64, I32, BOOL, STR))))
    columns = {type.kind: column(type, 77, 1) for type in (F64, I32, BOOL, STR)}
    for result in (evaluate(program, columns, 77), kernels.load(program).run(columns, 77)):
        for name, given in columns.items():
            assert result.columns[f"{name}s"].valid.all()
            assert result.columns[f"{name}s"].values.tolist() == given.tolist()


def test_invalid_stages_are_rejected():
    with pytest.raises(VerifyError, match="does not accept"):
        whole_type("sum", (STR,))
    with pytest.raises(VerifyError, match="unknown function"):
        whole_type("mode", (F64,))
    program = program_of(("sum", (F64,)))
    with pytest.raises(VerifyError, match="no column"):
        optimize(Program("whole", (), program.loops, program.outputs, program.stages))
    assert program.stages[0].program.loops[0].domain == ROWS
