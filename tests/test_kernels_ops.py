"""Every op of the IR: its kernel against `evaluate`, over extremes of every type, at sizes around a tile."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from sparkweld.ir import Input, Program, ProgramBuilder, evaluate
from sparkweld.ir.ops import OPS, Array, Call, Op, Optional
from sparkweld.ir.types import Type
from sparkweld.kernels import Kernel, compile_program
from tests.helpers.columns import difference, extremes, take

SIZES = (0, 1, 7, 63, 64, 65, 4096, 10000)
#: Ops in one program: a compile costs some fixed time, a large program some memory.
TOGETHER = 60

EXAMPLES = [(op, types) for cls in OPS for op, types in cls.examples]
_MATH = [(op, types) for op, types in EXAMPLES if op.bound is not None]
_EXACT = [(op, types) for op, types in EXAMPLES if op.bound is None]


def _chunks(examples: list[tuple[Op, tuple[Type, ...]]]) -> list[list[tuple[Op, tuple[Type, ...]]]]:
    rest = iter(examples)
    return list(iter(lambda: list(islice(rest, TOGETHER)), []))


def _program(examples: list[tuple[Op, tuple[Type, ...]]]) -> Program:
    """One loop that appends each op's result; every argument position and type has its own input column."""
    columns = {f"{type}.{at}": type for _, types in examples for at, type in enumerate(types)}
    builder = ProgramBuilder("ops", [Input(name, type) for name, type in columns.items()])
    loop = builder.loop("ops")
    for number, (op, types) in enumerate(examples):
        arguments = [loop.read(f"{type}.{at}") for at, type in enumerate(types)]
        loop.append(f"{number}", loop.emit(op, *arguments))
    loop.close()
    return builder.finish([str(number) for number in range(len(examples))])


@pytest.mark.parametrize("examples", _chunks(_EXACT) + _chunks(_MATH), ids=lambda chunk: f"{chunk[0][0].name}-{len(chunk)}")
def test_kernel_equals_evaluate(examples):
    program = _program(examples)
    kernel = Kernel.load(compile_program(program), program)
    for rows in SIZES:
        inputs = {i.name: extremes(i.type, rows, at=int(i.name[-1])) for i in program.inputs}
        got, expected = kernel.run(inputs, rows), evaluate(program, inputs, rows)
        assert got.flagged == 0
        for (op, types), name in zip(examples, program.outputs, strict=True):
            problem = difference(got.columns[name], expected.columns[name], _ulp(op), ignore_zero_sign=_zero_sign_varies(op))
            assert problem is None, f"{op} of ({', '.join(map(str, types))}), {rows} rows: {problem}"
            _check_nulls(got.columns[name], got.nulls[name])


def _ulp(op: Op) -> int:
    return int(op.bound.split()[0]) if op.bound else 0


def _zero_sign_varies(op: Op) -> bool:
    # NumPy's own fmax(0.0, -0.0) depends on the position in the array: its SIMD loop gives the second, its tail the first.
    return isinstance(op, Call) and op.fn in ("fmax", "fmin")


def _check_nulls(column: Array, nulls: int) -> None:
    if isinstance(column, Optional):
        assert nulls == np.count_nonzero(~column.valid)
        assert not column.values[~column.valid].tobytes().strip(b"\0"), "value bytes of NULL rows are 0"
    else:
        assert nulls == 0


def test_integer_power_with_exponents_of_zero_and_more():
    for type in (Type("i8"), Type("i16"), Type("i32"), Type("i64")):
        program = _program([(Call("power"), (type, type))])
        kernel = Kernel.load(compile_program(program), program)
        inputs = {f"{type}.0": extremes(type, 5000, at=0), f"{type}.1": np.abs(extremes(type, 5000, at=1) // 2)}
        got, expected = kernel.run(inputs, 5000), evaluate(program, inputs, 5000)
        assert difference(got.columns["0"], expected.columns["0"]) is None


@pytest.mark.parametrize("examples", _chunks(_MATH), ids=lambda chunk: f"math-{len(chunk)}")
def test_math_does_not_depend_on_position(examples):
    """The same values at other positions, in a batch of another size: the same bits."""
    program = _program(examples)
    kernel = Kernel.load(compile_program(program), program)
    inputs = {i.name: extremes(i.type, 777, at=int(i.name[-1])) for i in program.inputs}
    whole = kernel.run(inputs, 777)
    for start, rows in ((1, 776), (13, 5), (500, 130), (776, 1)):
        part = kernel.run({name: take(column, slice(start, start + rows)) for name, column in inputs.items()}, rows)
        for name in program.outputs:
            assert part.columns[name].tobytes() == whole.columns[name][start : start + rows].tobytes()
