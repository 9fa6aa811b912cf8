"""Checks that LLVM vectorised the row loop: widest registers, libmvec, no overlap checks, no scalar remainder."""

from __future__ import annotations

import numpy as np
import pytest
from llvmlite import binding

from sparkweld.ir.ops import IsIn, Lookup
from sparkweld.ir.types import BOOL, DATE, F32, F64, I8, I32, I64
from sparkweld.kernels import Kernel, compile_program
from sparkweld.kernels.codegen.llvm_module import optimised_module
from sparkweld.kernels.llvm import math_library
from sparkweld.kernels.llvm.target import target_machine
from tests.helpers.columns import extremes
from tests.helpers.kernels import check, check_loaded, program


def _log(loop, columns):
    loop.append("o", loop.call("log", columns["a"]))
    loop.append("e", loop.call("exp", columns["a"]))


def _ints(loop, columns):
    loop.append("o", loop.call("sin", loop.call("multiply", loop.cast(columns["i"], F64), loop.cast(columns["j"], F64))))


def _dates(loop, columns):
    days = loop.call("remainder", loop.cast(columns["d"], I32), loop.const(7, I32))
    loop.append("o", loop.call("cos", loop.cast(days, F64)))
    loop.append("late", loop.call("greater", columns["d"], loop.cast(loop.const(20000, I32), DATE)))


def _bools(loop, columns):
    loop.append("o", loop.call("logical_and", columns["b"], loop.call("greater", loop.call("expm1", columns["a"]), columns["a"])))


def _nullable(loop, columns):
    both = loop.call("logical_and", loop.is_valid(columns["x"]), loop.is_valid(columns["n"]))
    product = loop.call("multiply", loop.call("exp", loop.value_of(columns["x"])), loop.cast(loop.value_of(columns["n"]), F64))
    loop.append("o", loop.optional(product, both))


def _selects(loop, columns):
    a = columns["a"]
    loop.append("o", loop.select(loop.call("isnan", a), loop.const(0.0, F64), loop.call("tanh", a)))


def _guards(loop, columns):
    loop.guard(loop.call("less", columns["a"], loop.const(700.0, F64)))
    loop.append("o", loop.call("exp", columns["a"]))


def _where(loop, columns):
    loop.append("o", loop.call("exp", columns["a"]))
    return loop.call("greater", columns["a"], loop.const(0.0, F64))


def _floats(loop, columns):
    loop.append("o", loop.call("power", columns["s"], loop.call("sin", columns["s"])))


def _without_libmvec(loop, columns):
    rest = loop.call("remainder", columns["a"], loop.const(24.0, F64))
    loop.append("o", loop.call("exp", loop.call("logaddexp", columns["a"], rest)))
    loop.append("g", loop.call("gcd", columns["j"], columns["j"]))


def _tables(loop, columns):
    table = loop.emit(Lookup.of({k: k / 3 for k in range(24)}, I64, F64), columns["j"])
    loop.append("o", loop.call("exp", loop.value_of(table)))
    loop.append("in", loop.emit(IsIn.of([k * 0.37 for k in range(100)], F64), columns["a"]))


def _narrow(loop, columns):
    # A vector of 64 bytes holds 64 of these rows, more than libmvec has lanes.
    loop.append("o", loop.call("greater", loop.call("exp2", loop.cast(columns["c"], F32)), loop.const(1.0, F32)))


VECTOR_INPUTS = {"c": I8, "a": F64, "s": F32, "i": I32, "j": I64, "b": BOOL, "d": DATE, "x": F64.optional(), "n": I32.optional()}
BODIES = [_log, _ints, _dates, _bools, _nullable, _selects, _guards, _where, _floats, _without_libmvec, _tables, _narrow]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__.strip("_"))
def test_is_vectorised(body, capfd):
    """No scalar version of a function remains, and the widest registers of the host are used."""
    features = binding.get_host_cpu_features()
    register, letter = ("%zmm", "e") if features.get("avx512f") else ("%ymm", "d") if features.get("avx2") else ("%xmm", "b")
    p = program(VECTOR_INPUTS, body)
    code = compile_program(p)
    assert any(symbol.startswith(f"_ZGV{letter}N") for symbol in code.imports), code.imports
    assert register in target_machine().emit_assembly(optimised_module(p)[0])
    rows = 1000
    columns = {i.name: extremes(i.type, rows) for i in p.inputs}
    check_loaded(Kernel.load(code, p), columns, rows, ulp=8)
    assert "not vectorized" not in capfd.readouterr().err


def test_thirty_columns_are_one_vector_loop():
    names = [f"x{i}" for i in range(30)]

    def body(loop, columns):
        total = loop.const(0.25, F64)
        for number, name in enumerate(names):
            total = loop.call("add", total, loop.call("multiply", columns[name], loop.const(number / 7 - 2, F64)))
        one = loop.const(1.0, F64)
        loop.append("p", loop.call("divide", one, loop.call("add", one, loop.call("exp", loop.call("negative", total)))))

    p = program(dict.fromkeys(names, F64), body)
    text = str(optimised_module(p)[0])
    assert "fmul double" not in text, "no scalar remainder"
    assert "vector.memcheck" not in text, "no overlap checks"
    check(p, {name: np.random.default_rng(i).normal(size=1000) for i, name in enumerate(names)}, 1000, ulp=4)


def test_a_function_in_two_loops_has_one_version(monkeypatch):
    """Where LLVM vectorises one loop with a call of a function and not another, all rows use the scalar version."""
    p = program({"a": F64}, lambda loop, columns: loop.append("o", loop.call("exp", columns["a"])))
    assert "_exp" in target_machine().emit_assembly(optimised_module(p)[0])
    found = iter(["exp"])
    real = math_library.computed_in_two_ways
    monkeypatch.setattr(math_library, "computed_in_two_ways", lambda module: next(found, None) or real(module))
    text = str(optimised_module(p)[0])
    assert "_ZGV" not in text and "exp" in text
