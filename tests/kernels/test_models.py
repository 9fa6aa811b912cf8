"""Compares kernels of model ops with `evaluate`, alone and among numbers, strings and filters, at sizes around a chunk."""

from __future__ import annotations

import numpy as np
import pytest

from sparkweld.errors import InternalError, Refusal
from sparkweld.ir import Input, LoopBuilder, Program, ProgramBuilder, Value, evaluate, parse_program, print_program
from sparkweld.ir.ops import OPS, Array, Distances, Mlp, ModelOp, Optional, StrCall
from sparkweld.ir.types import BOOL, F32, F64, I64, STR, Items, Type
from sparkweld.kernels import Kernel, ObjectCache, check_size, compile_program
from sparkweld.kernels.codegen.llvm_module import row_loop_source
from sparkweld.kernels.functions.models import PIECE, scorer
from tests.helpers.columns import difference
from tests.helpers.kernels import load, program

SIZES = (0, 1, 63, 64, 65, 511, 512, 513, 10_000)
EXAMPLES = [(op, types) for cls in OPS if issubclass(cls, ModelOp) for op, types in cls.examples]


def _inputs(p: Program, rows: int, seed: int = 0) -> dict[str, Array]:
    """Returns numbers of magnitude about one, with NaN and infinities among the first rows of each column."""
    random = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    lengths = random.choice([0, 1, 2, 3, 5, 5, 9], rows)
    for i in p.inputs:
        if i.type.is_list:
            found[i.name] = _lists(i.type, lengths, random)
            continue
        if i.type.kind == "str":
            values = np.array([("ab é" * 3)[: k % 9] for k in random.integers(0, 9, rows)], object)
        elif i.type.is_float:
            values = random.normal(size=rows, scale=2).astype(i.type.dtype)
            for at, special in enumerate((np.nan, np.inf, -np.inf, -0.0)):
                values[at::1009] = np.where(random.random(len(values[at::1009])) < 0.3, special, values[at::1009])
        else:
            values = random.integers(0, 2 if i.type == BOOL else 9, rows).astype(i.type.dtype)
        found[i.name] = Optional(values, random.random(rows) < 0.9) if i.type.nullable else values
    return found


def _lists(type: Type, lengths: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns lists with the other columns' lengths except a few: ascending integers of up to 10, and any doubles."""
    made = np.empty(len(lengths), object)
    for row, length in enumerate(np.where(random.random(len(lengths)) < 0.05, 4, lengths).tolist()):
        values = random.normal(size=length)
        values[random.random(length) < 0.1] = random.choice([0.0, -0.0, np.nan, np.inf])
        indices = np.sort(random.choice(11 if row % 5 else 9, min(length, 9), replace=row % 31 == 0))
        made[row] = Items(type.element.kind, tuple((values if type.element.is_float else indices).tolist()))
    return made


def _close(got: Array, expected: Array, what: object) -> None:
    assert not isinstance(got, Optional) and not isinstance(expected, Optional)
    assert got.dtype == expected.dtype
    if got.dtype.kind != "f":
        assert got.tolist() == expected.tolist(), what
        return
    eps = float(np.finfo(got.dtype).eps)
    np.testing.assert_allclose(got, expected, rtol=2000 * eps, atol=2000 * eps, err_msg=str(what))


def _check(p: Program, sizes: tuple[int, ...] = SIZES, kernel: Kernel | None = None) -> None:
    kernel = kernel or load(p)
    for rows in sizes:
        inputs = _inputs(p, rows)
        got, expected = kernel.run(inputs, rows), evaluate(p, inputs, rows)
        assert got.flagged == np.count_nonzero(expected.flagged)
        if got.selection is not None:
            assert got.selection.tolist() == expected.selection.tolist()
        for name in p.outputs:
            if isinstance(got.columns[name], np.ndarray) and got.columns[name].dtype.kind == "f":
                _close(got.columns[name], expected.columns[name], (name, rows))
            else:
                assert difference(got.columns[name], expected.columns[name]) is None, (name, rows)


def test_every_example_with_all_its_results_at_all_sizes():
    columns = {f"{type}.{at}": type for _, types in EXAMPLES for at, type in enumerate(types)}

    def body(loop: LoopBuilder, read: dict[str, Value]) -> None:
        for number, (op, types) in enumerate(EXAMPLES):
            assert isinstance(op, ModelOp)
            for output in range(len(op.results(*types))):
                loop.append(f"{number}.{output}", loop.emit(op.at(output), *(read[f"{t}.{a}"] for a, t in enumerate(types))))

    _check(program(columns, body), (*SIZES[:-1], 700))  # `evaluate` is slow


def _mlp(*layers: int, activation: str = "relu", out: str = "identity", dtype: type = np.float64) -> Mlp:
    random = np.random.default_rng(layers)
    pairs = list(zip(layers, layers[1:], strict=False))
    weights = [random.normal(size=pair).astype(dtype) for pair in pairs]
    return Mlp.of(weights, [random.normal(size=b).astype(dtype) for _, b in pairs], activation, out)


def test_models_among_strings_numbers_constants_and_nulls():
    """Models take another's result, a string's length, a constant and a NULL's zero; one result is unused."""
    inputs = {"x": F64, "y": F64.optional(), "n": I64, "flag": BOOL, "s": STR}

    def body(loop: LoopBuilder, read: dict[str, Value]) -> None:
        first, second = _mlp(4, 7, 3, out="softmax"), _mlp(3, 2)
        length = loop.cast(loop.emit(StrCall("length"), read["s"]), F64)
        arguments = (read["x"], loop.value_of(read["y"]), loop.const(0.5, F64), length)
        a, b = (loop.emit(first.at(k), *arguments) for k in (0, 2))
        c = loop.emit(second.at(1), a, loop.call("exp", loop.cast(read["flag"], F64)), loop.cast(read["n"], F64))
        loop.append("a", a)
        loop.append("sum", loop.call("add", b, c))
        loop.append("maybe", loop.optional(loop.emit(StrCall("upper"), read["s"]), loop.is_valid(read["y"])))
        loop.append("twice", loop.call("multiply", length, loop.const(2.0, F64)))
        loop.append("near", loop.emit(Distances.of(np.array([[1.0, 2.0], [0.0, 0.0]])).at(1), c, read["x"]))

    p = program(inputs, body)
    _check(p, (0, 1, 65, 513, 3000))
    source = row_loop_source(p)
    assert source.count("mlp_f64(") == 2 and source.count("distances_f64(") == 1


@pytest.mark.gate_cases("0.3", "1000000000.0")
@pytest.mark.parametrize("above", [-9.0, 0.3, 2.5, 1e9])
def test_filters(above):
    """All, some, few and no rows are kept; a guard is over kept rows; one model runs above a filter by another model."""

    def body(loop: LoopBuilder, read: dict[str, Value]) -> Value:
        where = loop.call("greater", read["x"], loop.const(above, F64))
        score = loop.emit(_mlp(3, 5, 1, out="logistic"), read["x"], read["n"], loop.const(0.5, F64))
        narrow = loop.emit(_mlp(2, 1, dtype=np.float32).at(0), read["f"], read["f"])
        fine = loop.call("less", score, loop.const(0.97, F64))
        loop.guard(loop.call("logical_or", loop.call("logical_not", where), fine))
        loop.append("score", score)
        loop.append("narrow", narrow)
        loop.append("more", loop.call("add", score, loop.const(1.0, F64)))
        return where

    p = program({"x": F64, "n": F64, "f": F32}, body)
    assert row_loop_source(p).count(" = kept_rows(") == 2
    _check(p)


def test_filters_that_models_decide():
    def body(loop: LoopBuilder, read: dict[str, Value]) -> Value:
        first, second = (loop.emit(_mlp(2, 4, n, out="softmax"), read["x"], read["y"]) for n in (2, 3))
        where = loop.call("greater", first, loop.const(0.9, F64))
        loop.append("first", first)
        loop.append("second", second)
        loop.append("third", loop.emit(_mlp(1, 2), first))
        return where

    p = program({"x": F64, "y": F64}, body)
    assert row_loop_source(p).count(" = kept_rows(") == 1  # the second was computed before the condition, the third after
    _check(p)


def test_a_guard_of_every_row_requires_the_model_for_every_row():
    def body(loop: LoopBuilder, read: dict[str, Value]) -> Value:
        where = loop.call("greater", read["x"], loop.const(1.0, F64))
        score = loop.emit(_mlp(1, 1), read["x"])
        loop.guard(loop.call("less", score, loop.const(4.0, F64)))
        loop.append("score", score)
        return where

    p = program({"x": F64}, body)
    assert "kept_rows" not in row_loop_source(p)
    _check(p, (0, 64, 700))


def test_guards_of_results():
    def body(loop: LoopBuilder, read: dict[str, Value]) -> None:
        score = loop.emit(_mlp(1, 1), read["x"])
        loop.guard(loop.call("less", score, loop.const(4.0, F64)))
        loop.append("score", score)

    p = program({"x": F64}, body)
    kernel = load(p)
    for rows in (1, 64, 700):
        inputs = _inputs(p, rows, seed=3)
        assert kernel.run(inputs, rows).flagged == np.count_nonzero(evaluate(p, inputs, rows).flagged)


def test_input_columns_are_not_copied_and_computed_ones_are_stored_between_stages():
    def body(loop: LoopBuilder, read: dict[str, Value]) -> None:
        loop.append("out", loop.emit(_mlp(2, 1), read["x"], loop.call("negative", read["y"])))

    source = row_loop_source(program({"x": F64, "y": F64}, body))
    assert "(t0, 0, b0)" in source and "(t0, 8, c_v" in source
    assert source.count("while row < tile + 64:") == 2  # one loop for -y, one for the result


@pytest.mark.nightly(
    "tests/kernels/test_kernels.py::test_wide_rows_run_in_small_tiles",
    "test_every_example_with_all_its_results_at_all_sizes",
)
def test_wide_models():
    """Columns between stages that fill the second-level cache make smaller chunks; their memory is not on any stack."""
    inputs = {f"x{k}": F32 for k in range(700)}

    def body(loop: LoopBuilder, read: dict[str, Value]) -> None:
        arguments = [loop.cast(value, F64) for value in read.values()]
        loop.append("out", loop.emit(_mlp(700, 3, 1), *arguments))

    p = program(inputs, body)
    assert "rows > 64" not in row_loop_source(p) and "while tile < 64:" in row_loop_source(p)
    made = compile_program(p)
    _check(p, (1, 200), Kernel.load(made, p))
    assert made.memory > 64 * 700 * 8


def test_too_many_arguments_are_refused():
    def body(loop: LoopBuilder, read: dict[str, Value]) -> None:
        op = Distances.of(np.zeros((1, 8200)))
        loop.append("out", loop.emit(op, *([read["x"]] * 8200)))

    with pytest.raises(Refusal, match="8200 arguments"):
        check_size(program({"x": F64}, body))


def test_too_wide_rows_are_refused():
    def body(loop: LoopBuilder, read: dict[str, Value]) -> None:
        loop.append("out", loop.emit(Distances.of(np.zeros((1, 1))), read["x"]))

    with pytest.raises(Refusal, match="65,536 bytes per row"):
        check_size(program({"x": F64, **{f"s{at}": STR for at in range(4100)}}, body))


def test_a_model_trained_again_runs_the_same_object(tmp_path):
    def of(weight: float) -> Program:
        def body(loop: LoopBuilder, read: dict[str, Value]) -> None:
            loop.append("out", loop.emit(Mlp.of([np.full((1, 1), weight)], [np.zeros(1)]), read["x"]))

        return program({"x": F64}, body)

    cache = ObjectCache(tmp_path)
    first, second = of(2.0), of(3.0)
    made, again = compile_program(first, cache), compile_program(second, cache)
    assert again.cached and again.data == made.data and again.memory == made.memory > 0
    x = np.array([1.0, -4.0])
    assert Kernel.load(made, first).run({"x": x}, 2).columns["out"].tolist() == [2.0, -8.0]
    assert Kernel.load(again, second).run({"x": x}, 2).columns["out"].tolist() == [3.0, -12.0]
    bare = parse_program(print_program(second))
    assert compile_program(bare, cache).cached
    with pytest.raises(InternalError, match="without the bytes"):
        Kernel.load(again, bare).run({"x": x}, 2)


class _Unknown(Mlp):
    """An op that no scorer supports."""


def test_an_op_without_a_kernel():
    op = _mlp(1, 1)
    with pytest.raises(InternalError, match="has no kernel"):
        scorer(_Unknown(op.layers, op.activation, op.out_activation, op.guarded, op.block))


def test_rows_do_not_depend_on_position():
    p = _models_of(F64)
    kernel = load(p)
    inputs = _inputs(p, PIECE + 300)
    whole = kernel.run(inputs, PIECE + 300)
    for start, rows in ((1, 700), (300, 64), (PIECE, 300), (777, 3)):
        part = kernel.run({name: column[start : start + rows] for name, column in inputs.items()}, rows)  # type: ignore[index]
        for name in p.outputs:
            assert part.columns[name].tobytes() == whole.columns[name][start : start + rows].tobytes()


def _models_of(type: Type) -> Program:
    builder = ProgramBuilder("models", [Input(f"x{k}", type) for k in range(13)])
    loop = builder.loop("models")
    read = [loop.read(f"x{k}") for k in range(13)]
    loop.append("mlp", loop.emit(_mlp(13, 5, 3, activation="tanh", out="softmax"), *read))
    loop.append("distance", loop.emit(Distances.of(np.ones((2, 13))), *read))
    loop.close()
    return builder.finish(["mlp", "distance"])


@pytest.mark.gate_cases("0.7")
@pytest.mark.parametrize("above", [-9.0, 0.7, 2.5])
def test_a_select_requires_a_model_where_it_chooses_it(above):
    """In a cascade the second model scores unsure rows of the first, a third those of them that a filter keeps."""

    def body(loop: LoopBuilder, read: dict[str, Value]) -> Value:
        where = loop.call("less", read["y"], loop.const(1.5, F64))
        first = loop.emit(_mlp(2, 4, 2, out="softmax"), read["x"], read["y"])
        sure = loop.call("greater", first, loop.const(above, F64))
        second = loop.emit(_mlp(2, 3, 2, out="softmax"), read["x"], read["y"])
        third = loop.emit(Distances.of(np.array([[1.0, 2.0]])), second, read["y"])
        loop.guard(loop.call("logical_or", sure, loop.call("less", second, loop.const(0.99, F64))))
        loop.append("score", loop.select(sure, first, loop.call("add", second, loop.const(1.0, F64))))
        loop.append("far", loop.select(loop.call("logical_not", sure), third, first))
        return where

    p = program({"x": F64, "y": F64}, body)
    source = row_loop_source(p)
    assert source.count(" = kept_rows(") == 2 and " v3_not_v6 = " in source  # the conjunction of both conditions is one bool
    _check(p)


def test_a_flag_among_the_inputs_chooses_a_model():
    def body(loop: LoopBuilder, read: dict[str, Value]) -> None:
        score = loop.emit(_mlp(1, 1), read["x"])
        loop.append("score", loop.select(read["b"], score, loop.const(0.0, F64)))

    p = program({"x": F64, "b": BOOL}, body)
    assert row_loop_source(p).count(" = kept_rows(") == 1
    _check(p, (0, 1, 65, 700))


def test_requests_of_two_users():
    """One user requires every row; or both require those of one condition, and others of their own."""

    def body(loop: LoopBuilder, read: dict[str, Value]) -> None:
        a, b, c = (loop.call("greater", read[name], loop.const(1.0, F64)) for name in "xyz")
        every, some = (loop.emit(_mlp(3, n, 1), read["x"], read["y"], read["z"]) for n in (2, 3))
        loop.append("one", loop.select(a, every, read["x"]))
        loop.append("all", every)
        both = loop.call("logical_and", a, b)
        loop.append("two", loop.select(both, some, read["x"]))
        loop.append("three", loop.select(loop.call("logical_or", loop.call("logical_not", a), c), read["y"], some))
        loop.append("flag", loop.call("logical_and", a, loop.call("less", some, loop.const(0.3, F64))))

    p = program({"x": F64, "y": F64, "z": F64}, body)
    assert row_loop_source(p).count(" = kept_rows(") == 1
    _check(p)


def test_conditions_of_null_and_of_a_column():
    def body(loop: LoopBuilder, read: dict[str, Value]) -> None:
        valid = loop.is_valid(read["x"])  # conditions must come first
        score = loop.emit(_mlp(1, 6, 1), loop.value_of(read["x"]))
        other = loop.emit(_mlp(1, 7, 1), loop.value_of(read["x"]))
        loop.append("valid", loop.select(valid, score, loop.const(-1.0, F64)))
        loop.append("flagged", loop.select(read["flag"], loop.const(0.0, F64), other))

    p = program({"x": F64.optional(), "flag": BOOL}, body)
    assert row_loop_source(p).count(" = kept_rows(") == 2
    _check(p)


def test_a_part_of_a_filter_decides_for_whom_the_rest_is_made():
    def body(loop: LoopBuilder, read: dict[str, Value]) -> Value:
        cheap = loop.call("greater", read["x"], loop.const(1.0, F64))
        score = loop.emit(_mlp(2, 5, 1, out="logistic"), read["x"], read["y"])
        loop.append("score", score)
        return loop.call("logical_and", loop.call("greater", score, loop.const(0.4, F64)), cheap)

    p = program({"x": F64, "y": F64}, body)
    assert row_loop_source(p).count(" = kept_rows(") == 1
    _check(p)
