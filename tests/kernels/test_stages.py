"""Checks staged row loops over strings and numbers: the numbers are vectorised, and the results equal `evaluate`."""

from __future__ import annotations

import numpy as np
import pytest
from llvmlite import binding

from sparkweld.ir.ops import RegexCall, StrCall
from sparkweld.ir.ops.automata import POSITION, Automaton
from sparkweld.ir.types import BOOL, F32, F64, I8, I64, STR
from sparkweld.kernels import Kernel, compile_program
from sparkweld.kernels.codegen.llvm_module import optimised_module, row_loop_source
from sparkweld.kernels.llvm.target import target_machine
from tests.helpers.columns import extremes
from tests.helpers.kernels import check_loaded, load, program

SIZES = (0, 1, 63, 64, 65, 1023, 1024, 1089, 3000)
INPUTS = {"s": STR, "t": STR.optional(), "x": F64, "n": F64.optional(), "f": F32, "c": I8, "b": BOOL}


def _score(loop, columns):
    """Builds strings first: their lengths enter a formula."""
    length = loop.cast(loop.emit(StrCall("length"), columns["s"]), F64)
    scaled = loop.call("multiply", length, columns["x"])
    loop.append("score", loop.call("tanh", loop.call("exp", scaled)))
    loop.append("upper", loop.emit(StrCall("upper"), columns["s"]))


def _there_and_back(loop, columns):
    """Alternates numbers and strings: values of every width cross stages, and one string crosses a stage of numbers."""
    x, s, text = columns["x"], columns["s"], loop.value_of(columns["t"])
    bounded = loop.call("fmod", loop.call("exp", loop.call("sin", x)), loop.const(5.0, F64))
    start = loop.cast(loop.select(loop.call("isnan", bounded), loop.const(1.0, F64), bounded), I64)
    lower = loop.emit(StrCall("lower"), s)
    piece = loop.emit(StrCall("substring"), lower, start, loop.call("add", start, loop.const(3, I64)))
    parsed = loop.emit(StrCall("parse_float"), s)
    half = loop.cast(loop.cast(loop.emit(StrCall("length"), piece), I8), F32)
    root = loop.call("log1p", loop.call("absolute", loop.cast(loop.call("add", half, columns["f"]), F64)))
    capped = loop.cast(loop.call("fmin", loop.call("fmax", root, loop.const(0.0, F64)), loop.const(9.0, F64)), I64)
    loop.append("tail", loop.emit(StrCall("substring"), lower, capped, loop.const(1 << 40, I64)))
    loop.append("piece", piece)
    loop.append("root", root)
    loop.append("parsed", parsed)
    loop.append("power", loop.call("power", loop.value_of(parsed), loop.const(0.3, F64)))
    loop.append("either", loop.select(loop.call("less", s, text), x, loop.call("cos", x)))
    loop.append("n.same", columns["n"])
    loop.append("c.same", columns["c"])
    loop.guard(loop.call("less_equal", capped, loop.emit(StrCall("length"), s)))
    loop.guard(loop.call("less", x, loop.const(1e300, F64)))


def _filtered(loop, columns):
    _there_and_back(loop, columns)
    loop.append("t.same", columns["t"])
    return loop.call("logical_or", columns["b"], loop.emit(StrCall("contains", ("a",)), columns["s"]))


@pytest.fixture(scope="module", params=[_score, _there_and_back, _filtered], ids=lambda body: body.__name__.strip("_"))
def kernel(request) -> Kernel:
    return load(program(INPUTS, request.param))


@pytest.mark.parametrize("rows", SIZES)
def test_stages_return_the_values_of_evaluate(kernel, rows):
    # Results of libm are within their bound of NumPy's and then rounded to integers, so there are no ties here.
    inputs = {i.name: extremes(i.type, rows) for i in kernel.program.inputs}
    if "x" in inputs:
        inputs["x"] = np.random.default_rng(rows).normal(size=rows)
    check_loaded(kernel, inputs, rows, ulp=8)


def test_an_arena_that_is_too_small(kernel):
    inputs = {i.name: extremes(i.type, 1000) for i in kernel.program.inputs} | {"x": np.linspace(-2, 2, 1000)}
    kernel.arena_bytes = 1
    check_loaded(kernel, inputs, 1000, ulp=8)


def test_numbers_beside_strings_are_vectorised(capfd):
    features = binding.get_host_cpu_features()
    register, letter = ("%zmm", "e") if features.get("avx512f") else ("%ymm", "d") if features.get("avx2") else ("%xmm", "b")
    for body in (_score, _there_and_back):
        p = program(INPUTS, body)
        code = compile_program(p)
        assert any(symbol.startswith(f"_ZGV{letter}N") for symbol in code.imports), code.imports
        assert "exp" not in code.imports
        assert register in target_machine().emit_assembly(optimised_module(p)[0])
    assert "not vectorized" not in capfd.readouterr().err


def _loops(body, inputs=None) -> int:
    return row_loop_source(program(inputs or INPUTS, body)).count("while row <")


def test_stages_only_where_they_pay():
    def cheap(loop, columns):
        loop.append("o", loop.call("add", loop.cast(loop.emit(StrCall("length"), columns["s"]), F64), columns["x"]))

    def numbers(loop, columns):
        loop.append("o", loop.call("exp", columns["x"]))

    def strings(loop, columns):
        loop.append("o", loop.emit(StrCall("lower"), columns["s"]))

    assert [_loops(body) for body in (cheap, numbers, strings, _score, _there_and_back)] == [1, 1, 1, 2, 4]


def test_too_many_values_between_stages_stay_in_one():
    def body(loop, columns):
        for number in range(80):
            length = loop.emit(StrCall("count", (f"{number}", None, None)), columns["s"])
            loop.append(f"{number}", loop.call("exp", loop.cast(length, F64)))

    p = program({"s": STR}, body)
    assert row_loop_source(p).count("while row <") == 1
    check_loaded(load(p), {"s": extremes(STR, 500)}, 500, ulp=4)


def test_patterns_keep_their_registers_apart_from_the_stack_of_stages():
    bounds, classes, targets, acts = (0, 48, 58), (0, 1, 0), (0, 0, 0, 1, 2, 0, 0, 2, 0), (0, 0, 0, 0, 1, 0, 2, 2, 2)
    tables = Automaton(bounds, classes, targets, acts, ((0,), (0, 2, POSITION), (1, 0, 2, 1, POSITION)), 1, (1, 1), 1, 3)

    def body(loop, columns):
        found = loop.emit(RegexCall("group", "[0-9]+", tables.encode()), columns["s"])
        loop.append("digits", found)
        loop.append("o", loop.call("exp", loop.call("negative", loop.value_of(loop.emit(StrCall("parse_float"), columns["s"])))))

    check_loaded(load(program({"s": STR}, body)), {"s": extremes(STR, 2000)}, 2000, ulp=4)
