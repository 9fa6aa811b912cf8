"""Checks non-temporal stores and vector compaction of kept rows: the results equal those of plain stores."""

from __future__ import annotations

import platform

import numpy as np
import pytest

import sparkweld
from sparkweld.ir import evaluate
from sparkweld.ir.types import BOOL, F32, F64, I8, I16, I32, I64
from sparkweld.kernels import ALIGNMENT, Kernel, can_stream, compile_program
from sparkweld.kernels.codegen.llvm_module import optimised_module
from sparkweld.kernels.llvm.target import target_machine
from sparkweld.pipelines import run as running
from tests.helpers.kernels import check_loaded, load, program

INPUTS = {"a": F64, "i": I64, "s": F32, "j": I32, "h": I16, "t": I8}
ROWS = (0, 1, 15, 16, 63, 64, 65, 1000, 1023, 1024, 1025, 5000)


def _outputs(loop, columns):
    loop.append("double", loop.call("exp", columns["a"]))
    loop.append("flag", loop.call("greater", columns["a"], loop.const(0.0, F64)))
    for name in ("i", "s", "j", "h", "t"):
        loop.append(f"{name}2", loop.call("add", columns[name], columns[name]))


def columns(rows: int, seed: int = 3) -> dict:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(-100, 100, rows).astype(type.dtype) for name, type in INPUTS.items()}


def places(p, types, rows: int, off: int = 0) -> dict:
    made = {}
    for name, type in zip(p.outputs, types, strict=True):
        memory = np.zeros(rows * type.width + 2 * ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT + off
        made[name] = memory[start : start + rows * type.width].view(type.dtype)
    return made


def test_streamed_results_are_those_of_plain_stores():
    p = program(INPUTS, _outputs)
    assert can_stream(p)
    streaming = Kernel.load(compile_program(p, streams=True), p)
    for rows in ROWS:
        inputs = columns(rows)
        got = streaming.run(inputs, rows, places(p, streaming._types, rows)).columns
        plain = load(p).run(inputs, rows).columns
        assert all(got[name].tobytes() == plain[name].tobytes() for name in p.outputs)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="non-temporal stores are those of x86-64")
def test_whole_vectors_are_streamed_and_fenced():
    p = program(INPUTS, _outputs)
    assembly = target_machine().emit_assembly(optimised_module(p, streams=True)[0])
    assert "vmovnt" in assembly and "sfence" in assembly
    assert "vmovnt" not in target_machine().emit_assembly(optimised_module(p)[0])


def test_which_programs_stream():
    def filtered(loop, columns):
        _outputs(loop, columns)
        return loop.call("greater", columns["a"], loop.const(0.0, F64))

    def nullable(loop, columns):
        loop.append("o", loop.optional(columns["a"], loop.call("greater", columns["a"], loop.const(0.0, F64))))

    assert not can_stream(program(INPUTS, filtered)) and not can_stream(program(INPUTS, nullable))


def test_pipelines_stream_large_results_to_lines_of_the_cache_only(monkeypatch):
    monkeypatch.setattr(running, "_STREAMED", 0)
    x = np.random.default_rng(1).normal(size=100_003)
    for block_rows in (None, 1000, 4096):  # blocks of 1,000 rows begin within a cache line
        with sparkweld.lazy(block_rows=block_rows, threads=2) as wrap:
            lazy = wrap(x)
            total, ahead = lazy * 2.0 + 1.0, lazy > 0.5
        assert np.array_equal(total.compute(), x * 2.0 + 1.0) and np.array_equal(ahead.compute(), x > 0.5)


@pytest.mark.parametrize("share", (0.0, 0.03, 0.5, 0.97, 1.0))
def test_kept_rows_are_moved_together(share):
    def body(loop, columns):
        _outputs(loop, columns)
        return columns["keep"]

    p = program({**INPUTS, "keep": BOOL}, body)
    kernel = load(p)
    for rows in ROWS:
        inputs = {**columns(rows), "keep": np.random.default_rng(rows).random(rows) < share}
        check_loaded(kernel, inputs, rows, ulp=4)
        got = kernel.run(inputs, rows)
        assert np.array_equal(got.columns["i2"], evaluate(p, inputs, rows).columns["i2"])
