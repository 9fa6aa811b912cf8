"""Compares functions of libm, libmvec and our own with NumPy over wide ranges, in ULP; the table has the largest distances.

Measured with glibc 2.41 and NumPy 2.4 over 200,000 arguments in each range, for AVX-512 and AVX2 kernels against NumPy's
loops with and without AVX-512. The documented bound is 4.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import pytest

from sparkweld.ir import Input, Program, ProgramBuilder, evaluate
from sparkweld.ir.ops import Call
from sparkweld.ir.ops.elementwise import EXACT, LIBM_ULP, inner_loops
from sparkweld.ir.types import Type
from sparkweld.kernels import Kernel, ObjectCode, compile_program
from sparkweld.kernels.llvm import math_library
from sparkweld.kernels.llvm.vector_math import FUNCTIONS
from tests.helpers.columns import special_values, ulp_distance
from tests.helpers.kernels import load_as_is

#: NumPy's function -> (largest ULP of f32, of f64).
MEASURED = {
    "arccos": (2, 2), "arccosh": (3, 3), "arcsin": (3, 3), "arcsinh": (2, 3), "arctan": (2, 3), "arctan2": (3, 3),
    "arctanh": (2, 3), "cbrt": (3, 4), "cos": (2, 3), "cosh": (2, 2), "exp": (3, 3), "exp2": (2, 2), "expm1": (2, 3),
    "float_power": (0, 1), "hypot": (1, 1), "log": (4, 2), "log10": (2, 3), "log1p": (2, 2), "log2": (2, 2),
    "logaddexp": (0, 0), "logaddexp2": (0, 0), "power": (1, 1), "sin": (2, 3), "sinh": (1, 3), "tan": (3, 3),
    "tanh": (1, 2),
}  # fmt: skip

ROWS = 40_000
RANGES = ("special", "unit", "near one", "small", "hundreds", "angles", "all exponents", "positive")


def arguments(type: Type, range: str, at: int) -> np.ndarray:
    """Returns arguments of one range; `at` is the argument position."""
    specials = special_values(type)
    single = type.dtype.itemsize == 4
    exponent = 126 if single else 1022
    rng = np.random.default_rng([at, RANGES.index(range)])
    match range:
        case "special":  # every pair of them
            values = specials[(np.arange(len(specials) ** 2) // len(specials) ** at) % len(specials)]
        case "unit":
            values = rng.uniform(-1, 1, ROWS)
        case "near one":
            values = 1 + rng.normal(0, 1, ROWS) * 2.0 ** -rng.uniform(0, 22 if single else 50, ROWS)
        case "small":
            values = rng.uniform(-10, 10, ROWS)
        case "hundreds":
            values = rng.uniform(-750, 750, ROWS)
        case "angles":
            values = rng.uniform(-1e5, 1e5, ROWS)
        case _:  # subnormals included
            values = rng.uniform(1, 2, ROWS) * 2.0 ** rng.uniform(-exponent - (20 if single else 50), exponent, ROWS)
            values *= 1 if range == "positive" else rng.choice([-1, 1], ROWS)
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(type.dtype)


CASES = [(fn, types) for fn in sorted(LIBM_ULP) for types in inner_loops(fn) if types[0].is_float]


@pytest.fixture(scope="module")
def kernels() -> dict[int, Kernel]:
    """Returns one kernel of all functions for each float type, keyed by its size in bytes."""
    return {size: load_as_is(p) for size in (4, 8) for p in [_program(size)]}


def _program(size: int, functions: Collection[str] = tuple(LIBM_ULP)) -> Program:
    builder = ProgramBuilder("math", [Input(f"x{at}", Type(f"f{8 * size}")) for at in range(2)])
    loop = builder.loop("math")
    columns = [loop.read("x0"), loop.read("x1")]
    names = [fn for fn, types in CASES if types[0].dtype.itemsize == size and fn in functions]
    for fn in names:
        loop.append(fn, loop.emit(Call(fn), *columns[: Call(fn).ufunc.nin]))
    loop.close()
    return builder.finish(names)


def test_functions_without_a_bound_are_those_of_libm():
    exact = sorted(EXACT & math_library.LIBM_FUNCTIONS)
    assert "fmod" in exact
    assert not [fn for fn in exact if not math_library.libm_name(fn, 64).startswith(math_library.EXACT_PREFIX)]


def test_the_table_is_complete():
    assert set(MEASURED) == set(LIBM_ULP)
    assert all(max(MEASURED[fn]) <= bound for fn, bound in LIBM_ULP.items())


@pytest.mark.parametrize("range", RANGES)
@pytest.mark.parametrize("size", [4, 8])
def test_within_the_bound_of_numpy(kernels, size, range):
    _check(kernels[size], range)


#: NumPy's functions with a formula of ours, which leaves rare arguments of the last four to libm.
OWN = ["arctan", "arctan2", "cbrt", "exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "tanh", "cos", "power", "sin", "tan"]


@pytest.fixture
def without_libmvec(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(math_library, "_SETS", {})
    math_library.math_function.cache_clear()
    yield
    math_library.math_function.cache_clear()


def _libm_calls(code: ObjectCode) -> set[str]:
    return {symbol for symbol in code.imports if math_library.math_function(symbol) is not None}


@pytest.mark.parametrize("size", [4, 8])
def test_a_host_without_libmvec_uses_own_code(without_libmvec: None, size: int):
    assert len(OWN) == len(FUNCTIONS)
    assert math_library.vector_math() == "own"
    p = _program(size, OWN)
    code = compile_program(p)
    assert _libm_calls(code) == {"cos", "pow", "sin", "tan"}
    assert not any(symbol.startswith("_ZGV") for symbol in code.imports)
    for range in RANGES:
        _check(Kernel.load(code, p), range)


@pytest.mark.parametrize("size", [4, 8])
def test_a_host_without_libmvec_and_fma_uses_libm(without_libmvec: None, monkeypatch: pytest.MonkeyPatch, size: int):
    monkeypatch.setattr(math_library, "_multiplies_and_adds", lambda: False)
    assert math_library.vector_math() == "none"
    p = _program(size)
    code = compile_program(p)
    assert len(_libm_calls(code)) >= len(FUNCTIONS)
    for range in RANGES:
        _check(Kernel.load(code, p), range)


@pytest.mark.parametrize("size", [4, 8])
def test_own_code_returns_the_same_bits_for_a_row_at_each_position(without_libmvec: None, size: int):
    p = _program(size, OWN)
    kernel = load_as_is(p)
    values = {i.name: arguments(i.type, "small", at)[:100] for at, i in enumerate(p.inputs)}
    values["x0"][::7] = 2.0**30  # rare for sin, cos and tan: beside other rows, and alone
    whole = kernel.run(values, 100).columns
    for row in (*np.arange(0, 100, 9), 98, 99):
        alone = kernel.run({name: v[row : row + 1] for name, v in values.items()}, 1).columns
        for fn in OWN:
            assert np.asarray(alone[fn]).tobytes() == np.asarray(whole[fn])[row : row + 1].tobytes(), (fn, row)


def _check(kernel: Kernel, range: str) -> None:
    p = kernel.program
    inputs = {i.name: arguments(i.type, range, at) for at, i in enumerate(p.inputs)}
    rows = len(inputs["x0"])
    got, expected = kernel.run(inputs, rows).columns, evaluate(p, inputs, rows).columns
    for fn in p.outputs:
        ours, numpys = np.asarray(got[fn]), np.asarray(expected[fn])
        distance = ulp_distance(ours, numpys)  # infinite where only one is NaN
        at = int(np.argmax(distance))
        where = f"{fn}({inputs['x0'][at]!r}, {inputs['x1'][at]!r})"
        assert distance[at] <= LIBM_ULP[fn], f"{where} is {ours[at]!r}, in NumPy {numpys[at]!r}"
        zeros = (ours == 0) & (numpys == 0)
        assert np.array_equal(np.signbit(ours[zeros]), np.signbit(numpys[zeros])), f"{fn}: the sign of a zero"
