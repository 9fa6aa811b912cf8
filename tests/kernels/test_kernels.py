"""Checks whole kernels: NULLs, guards, filters, positions, memory bounds, limits."""

from __future__ import annotations

import ctypes
import mmap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sparkweld.errors import InternalError, Refusal
from sparkweld.ir import Input, ProgramBuilder, evaluate, print_program
from sparkweld.ir.ops import Fits, Optional, Region
from sparkweld.ir.program import output_types
from sparkweld.ir.types import BOOL, DATE, F32, F64, I8, I16, I32, I64
from sparkweld.kernels import Kernel, ObjectCode, check_size, compile_program
from sparkweld.kernels.__main__ import main
from sparkweld.kernels.codegen.llvm_module import row_loop_source
from sparkweld.kernels.codegen.shape import MAX_VALUES
from tests.helpers.columns import difference, extremes, take
from tests.helpers.kernels import check, check_loaded, load, program

SIZES = (0, 1, 7, 63, 64, 65, 1023, 1024, 1025, 4096, 10000)

KINDS = (BOOL, I8, I16, I32, I64, F32, F64, DATE)


@pytest.fixture(scope="module")
def nulls() -> Kernel:
    """Returns a kernel over every nullable type: unchanged, converted to non-null, and NULL where another value is."""

    def body(loop, columns):
        for name, value in columns.items():
            loop.append(f"{name}.same", value)
            loop.append(f"{name}.plain", loop.value_of(value))
            loop.append(f"{name}.valid", loop.is_valid(value))
            loop.append(f"{name}.both", loop.optional(loop.value_of(value), loop.is_valid(columns["f64"])))

    return load(program({t.kind: t.optional() for t in KINDS}, body))


@pytest.mark.parametrize("rows", SIZES)
def test_nulls(nulls, rows):
    check_loaded(nulls, {t.kind: extremes(t.optional(), rows) for t in KINDS}, rows)


@pytest.mark.parametrize("valid", [True, False])
def test_no_nulls_and_only_nulls(nulls, valid):
    columns = {t.kind: Optional(extremes(t, 100), np.full(100, valid)) for t in KINDS}
    check_loaded(nulls, columns, 100)


@pytest.fixture(scope="module")
def guarded() -> Kernel:
    def body(loop, columns):
        a, b = columns["a"], columns["b"]
        loop.guard(loop.call("not_equal", b, loop.const(0, I64)))
        loop.guard(loop.emit(Fits(I32), a))
        loop.append("quotient", loop.call("floor_divide", loop.cast(a, I64), b))

    return load(program({"a": F64, "b": I64}, body))


@pytest.mark.parametrize("rows", SIZES)
def test_guards_count_real_rows_only(guarded, rows):
    # Padding is zeros, which the first guard flags: it must not be counted.
    a, b = np.linspace(-5, 5, rows), np.arange(1, rows + 1)
    check_loaded(guarded, {"a": a, "b": b}, rows)
    check_loaded(guarded, {"a": a * 1e9, "b": b % 3}, rows)


@pytest.fixture(scope="module")
def some() -> Kernel:
    """Requires b = 1 in some row with a > 0, and c = 1 in some row. A filter is included, so that there are several blocks."""

    def body(loop, columns):
        one = loop.const(1, I64)
        positive = loop.call("greater", columns["a"], loop.const(0, I64))
        loop.some.append((positive.id, loop.call("equal", columns["b"], one).id))
        loop.guard_some(loop.call("equal", columns["c"], one))
        loop.append("o", columns["a"])
        return loop.call("not_equal", columns["a"], one)

    return load(program({"a": I64, "b": I64, "c": I64}, body))


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 1024, 1025, 5000])
def test_guards_of_whole_batches(some, rows):
    def batch(**at):
        columns = {name: np.zeros(rows, np.int64) for name in "abc"}
        for name, (row, value) in at.items():
            columns[name][row] = value
        check_loaded(some, columns, rows)
        return some.run(columns, rows).flagged > 0

    last = rows - 1
    for row in (0, last // 2, last):
        assert batch() and batch(a=(row, 5)) and batch(a=(row, 5), c=(row, 1))
        assert not batch(c=(row, 1)) and not batch(a=(row, 5), b=(row, 1), c=(last, 1))
        assert rows == 1 or batch(a=(row, 5), b=(row - 1, 1), c=(0, 1))


def test_more_guards_of_whole_batches_than_there_are_bits():
    def body(loop, columns):
        for n in range(16):
            loop.guard_some(loop.call("equal", columns["a"], loop.const(n, I64)))
        loop.append("o", columns["a"])

    with pytest.raises(Refusal) as refused:
        check_size(program({"a": I64}, body))
    assert refused.value.code == "SW501"


@pytest.fixture(scope="module")
def filtered() -> Kernel:
    """Returns a kernel with a filter, outputs of every width, plain and nullable, and a guard."""

    def body(loop, columns):
        loop.guard(loop.call("less", columns["key"], loop.const(90, I32)))
        for name, value in columns.items():
            loop.append(f"{name}.out", value)
        loop.append("twice", loop.call("add", columns["x"], columns["x"]))
        return loop.call("less", columns["key"], loop.const(50, I32))

    inputs = {"key": I32, "x": F64, "b": BOOL.optional(), "s": I16.optional(), "f": F32, "l": I64.optional(), "d": DATE}
    return load(program(inputs, body))


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("keys", ["some", "none", "all", "runs"])
def test_filter(filtered, rows, keys):
    columns = {i.name: extremes(i.type, rows) for i in filtered.program.inputs}
    index = np.arange(rows)
    made = {"some": index * 37 % 100, "none": index % 50 + 50, "all": index % 50, "runs": (index // 700) % 2 * 60}
    columns["key"] = made[keys].astype(np.int32)
    check_loaded(filtered, columns, rows)


def test_filter_without_outputs():
    p = program({"a": F64}, lambda loop, columns: loop.call("greater", columns["a"], loop.const(0.5, F64)))
    check(p, {"a": np.random.default_rng(1).random(3000)}, 3000)


def test_constant_outputs_and_no_inputs():
    def body(loop, columns):
        loop.append("c", loop.const(1.5, F64))
        loop.append("n", loop.optional(loop.const(-7, I16), loop.const(False, BOOL)))
        loop.append("b", loop.const(True, BOOL))
        loop.append("x", loop.const(float("nan"), F32))

    kernel = load(program({}, body))
    for rows in SIZES:
        check_loaded(kernel, {}, rows)


def test_a_row_does_not_depend_on_its_position(filtered):
    rows = 5000
    columns = {i.name: extremes(i.type, rows) for i in filtered.program.inputs}
    columns["key"] = np.zeros(rows, np.int32)
    whole = filtered.run(columns, rows)
    for start, count in ((1, 4999), (77, 1), (1000, 64), (1023, 1030)):
        part = filtered.run({n: take(c, slice(start, start + count)) for n, c in columns.items()}, count)
        for name in filtered.program.outputs:
            assert difference(part.columns[name], take(whole.columns[name], slice(start, start + count))) is None


def test_names_and_constants_of_any_text():
    name = 'a "quoted"\n# name \\ % {}'

    def body(loop, columns):
        loop.append(name + " out", loop.call("multiply", columns[name], loop.const(1e-300, F64)))

    check(program({name: F64}, body), {name: np.arange(10.0)}, 10)


# Memory bounds


class FencedArray:
    """An array whose last byte precedes an inaccessible page, or whose first byte follows one."""

    def __init__(self, array: np.ndarray, *, fence_before: bool = False) -> None:
        page = mmap.PAGESIZE
        size = -(-max(array.nbytes, 1) // page) * page
        self.map = mmap.mmap(-1, size + 2 * page)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        for fence in (base, base + page + size):
            assert protect(ctypes.c_void_p(fence), ctypes.c_size_t(page), 0) == 0
        self.address = base + page if fence_before else base + page + size - array.nbytes
        ctypes.memmove(self.address, array.tobytes(), array.nbytes)

    def read(self, dtype: np.dtype, count: int) -> np.ndarray:
        return np.frombuffer(ctypes.string_at(self.address, dtype.itemsize * count), dtype)


@pytest.mark.parametrize("fence_before", [False, True])
@pytest.mark.parametrize("rows", [1, 7, 64, 65, 1023, 1025])
def test_touches_no_byte_outside_of_its_columns(filtered, nulls, rows, fence_before):
    # A fault here ends the process, so a pass is the proof.
    for kernel in (filtered, nulls):
        p = kernel.program
        inputs = {i.name: extremes(i.type, rows) for i in p.inputs}
        if "key" in inputs:
            inputs["key"] = np.zeros(rows, np.int32)
        arrays: list[np.ndarray] = []
        for column in inputs.values():
            values, valid = column if isinstance(column, Optional) else (column, np.ones(rows, np.bool_))
            arrays += [values, ~valid]
        for type in output_types(p):
            arrays += [np.empty(rows, type.dtype), np.empty(rows, np.uint8)]
        if kernel is filtered:
            arrays.append(np.empty(rows, np.int32))
        fenced = [FencedArray(array, fence_before=fence_before) for array in arrays]
        result = kernel.call([f.address for f in fenced], rows)
        assert result[0] == rows
        expected = evaluate(p, inputs, rows)
        for number, (name, type) in enumerate(zip(p.outputs, output_types(p), strict=True)):
            column = expected.columns[name]
            values = np.where(column.valid, column.values, 0) if isinstance(column, Optional) else column
            got = fenced[2 * (len(inputs) + number)].read(type.dtype, rows)
            assert difference(got, values.astype(type.dtype)) is None


# Imports, limits, faults


def _log(loop, columns):
    loop.append("o", loop.call("log", columns["a"]))


def _everything_of_libm(loop, columns):
    rest = loop.call("remainder", columns["a"], loop.const(24.0, F64))
    loop.append("o", loop.call("exp", loop.call("logaddexp", columns["a"], rest)))
    loop.append("g", loop.call("gcd", columns["j"], columns["j"]))


def test_imports_are_libm_libmvec_memcpy_and_memset():
    code = compile_program(program({"a": F64, "j": I64}, _everything_of_libm))
    known = {"memcpy", "memset", "exp", "log1p", "fmod"}
    assert {s for s in code.imports if not s.startswith("_ZGV")} <= known
    assert code.symbol.startswith("sw_") and len(code.symbol) == 19


def test_wide_rows_run_in_small_tiles():
    names = [f"x{i}" for i in range(600)]

    def body(loop, columns):
        total = columns[names[0]]
        for name in names[1:]:
            total = loop.call("add", total, columns[name])
        loop.append("sum", loop.call("exp", total))

    p = program(dict.fromkeys(names, F64), body)
    kernel = load(p)
    for rows in (1, 15, 33, 300):
        check_loaded(kernel, {name: np.random.default_rng(i).normal(size=rows) for i, name in enumerate(names)}, rows, ulp=4)


def test_a_program_of_too_many_values_is_refused():
    def body(loop, columns):
        total = columns["a"]
        for _ in range(MAX_VALUES):
            total = loop.call("add", total, total)
        loop.append("o", total)

    with pytest.raises(Refusal) as refused:
        compile_program(program({"a": F64}, body))
    assert refused.value.code == "SW501"


def test_too_wide_rows_are_refused():
    def body(loop, columns):
        for name, value in columns.items():
            loop.append(f"{name}.out", value)

    with pytest.raises(Refusal) as refused:
        check_size(program({f"x{i}": F64 for i in range(1000)}, body))
    assert refused.value.code == "SW501"


def test_a_program_of_two_loops_is_a_bug():
    builder = ProgramBuilder("two", [Input("a", F64)])
    for name in ("one", "two"):
        loop = builder.loop(name)
        loop.append(name, loop.call("negative", loop.read("a")))
        loop.close()
    with pytest.raises(InternalError, match="2 loops"):
        compile_program(builder.finish(["one", "two"]))


def test_object_code_of_another_cpu_is_not_linked():
    p = program({"a": F64}, _log)
    code = compile_program(p)
    with pytest.raises(InternalError, match="other-cpu"):
        Kernel.load(ObjectCode(code.symbol, code.imports, "other-cpu|0", code.data), p)


def test_threads_compile_and_run_at_the_same_time():
    def one(number: int) -> np.ndarray:
        def body(loop, columns):
            loop.append("o", loop.call("multiply", loop.call("exp", columns["a"]), loop.const(float(number % 4), F64)))

        kernel = load(program({"a": F64}, body))
        return [kernel.run({"a": a}, len(a)).columns["o"] for _ in range(20)][-1] / max(number % 4, 1)

    a = np.linspace(-3, 3, 5000)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(one, range(12)))
    for number, result in enumerate(results):
        assert np.allclose(result, np.exp(a) if number % 4 else 0)


def test_damaged_object_code_is_not_linked():
    p = program({"a": F64}, _log)
    code = compile_program(p)
    with pytest.raises(InternalError, match="linking"):
        Kernel.load(ObjectCode(code.symbol, code.imports, code.cpu, b"\x7fELF\x02\x01" + b"?" * 100), p)


def _guarded(loop, columns):
    loop.guard(loop.call("less", columns["a"], loop.const(700.0, F64)))
    loop.append("o", loop.call("exp", columns["a"]))


def test_a_region_is_called_once_for_all_of_its_results():
    def body(loop, columns):
        positive = loop.call("greater", columns["x"], loop.const(0.0, F64))
        root, steps = (loop.value_of(loop.emit(region, columns["x"])) for region, types in Region.examples if types == (F64,))
        loop.append("root", loop.select(positive, root, columns["x"]))
        loop.append("steps", steps)

    p = program({"x": F64}, body)
    assert row_loop_source(p).count(" = region(") == 1
    check(p, {"x": np.array([2.0, 0.0, -1.0, np.nan, 1e6])}, 5)


def test_source_reads_like_the_program():
    source = row_loop_source(program({"a": F64}, _guarded))
    assert "v2 = less_f64(v0, 700.0)" in source
    assert "flagged = count_flagged(flagged, v2, row, count)" in source


def test_command_prints_each_stage(tmp_path, capsys):
    file = tmp_path / "program.txt"
    file.write_text(print_program(program({"a": F64}, _log)))
    assert main([str(file), "--show", "source", "llvm", "optimised", "assembly"]) == 0
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("def row_loop", "libm.log", "define", ".globl"))
    file.write_text("program")
    assert main([str(file)]) == 1
    assert "expected" in capsys.readouterr().err
