"""Compares every op of the IR in a kernel with `evaluate`, over extremes of every type, at sizes around a tile."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from sparkweld.ir import Input, Program, ProgramBuilder, evaluate
from sparkweld.ir.ops import OPS, Array, Call, IsIn, ListCall, Lookup, ModelOp, Op, Optional
from sparkweld.ir.types import BOOL, DATE, F32, F64, I8, I16, I32, I64, Items, Type
from tests.helpers.columns import difference, extremes, take
from tests.helpers.kernels import load_as_is

SIZES = (0, 1, 7, 63, 64, 65, 4096, 10000)
#: Ops in one program: a compile has a fixed cost, and a large program needs memory.
TOGETHER = 60

EXAMPLES = [(op, types) for cls in OPS if not issubclass(cls, ModelOp) for op, types in cls.examples]
_MATH = [(op, types) for op, types in EXAMPLES if op.bound is not None]
_EXACT = [(op, types) for op, types in EXAMPLES if op.bound is None and not any(type.is_view for type in types)]
_OF_VIEWS = [(op, types) for op, types in EXAMPLES if op.bound is None and any(type.is_view for type in types)]


def _chunks(examples: list[tuple[Op, tuple[Type, ...]]]) -> list[list[tuple[Op, tuple[Type, ...]]]]:
    rest = iter(examples)
    return list(iter(lambda: list(islice(rest, TOGETHER)), []))


def _program(examples: list[tuple[Op, tuple[Type, ...]]]) -> Program:
    """Returns one loop that appends each op's result; every argument position and type has its own input column."""
    columns = {f"{type}.{at}": type for _, types in examples for at, type in enumerate(types)}
    builder = ProgramBuilder("ops", [Input(name, type) for name, type in columns.items()])
    loop = builder.loop("ops")
    for number, (op, types) in enumerate(examples):
        arguments = [loop.read(f"{type}.{at}") for at, type in enumerate(types)]
        loop.append(f"{number}", loop.emit(op, *arguments))
    loop.close()
    return builder.finish([str(number) for number in range(len(examples))])


CHUNKS = _chunks(_EXACT) + _chunks(_OF_VIEWS) + _chunks(_MATH)


@pytest.mark.parametrize("examples", CHUNKS, ids=lambda chunk: f"{chunk[0][0].name}-{len(chunk)}")
def test_kernel_equals_evaluate(examples):
    program = _program(examples)
    kernel = load_as_is(program)
    views = any(i.type.is_view for i in program.inputs)
    for rows in (0, 1, 65, 700) if views else SIZES:  # `evaluate` is slow for views; 625 rows have all special values
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
    # NumPy's own fmax(0.0, -0.0) depends on the position in the array: its SIMD loop returns the second, its tail the first.
    return isinstance(op, Call) and op.fn in ("fmax", "fmin")


def _check_nulls(column: Array, nulls: int) -> None:
    if isinstance(column, Optional):
        assert nulls == np.count_nonzero(~column.valid)
        assert not any(column.values[~column.valid].tolist()), "values of NULL rows are 0 or empty"
    else:
        assert nulls == 0


def test_integer_power_with_exponents_of_zero_and_more():
    for type in (Type("i8"), Type("i16"), Type("i32"), Type("i64")):
        program = _program([(Call("power"), (type, type))])
        kernel = load_as_is(program)
        inputs = {f"{type}.0": extremes(type, 5000, at=0), f"{type}.1": np.abs(extremes(type, 5000, at=1) // 2)}
        got, expected = kernel.run(inputs, 5000), evaluate(program, inputs, 5000)
        assert difference(got.columns["0"], expected.columns["0"]) is None


def test_pairwise_sums_of_long_lists_add_in_the_order_of_numpy():
    """NumPy 1 adds at most a buffer of 8192 elements pairwise, and then the sums. The sums depend on the order."""
    rng, sizes = np.random.default_rng(3), (8191, 8192, 8193, 10_000, 20_001)
    for element in (F64, F32):
        type, arrays = Type(f"list<{element}>"), [rng.normal(size=size).astype(element.dtype) for size in sizes]
        lists = np.array([Items(type.element.kind, tuple(each.tolist())) for each in arrays], object)
        got = load_as_is(_program([(ListCall("sum_pairwise", type), (type,))])).run({f"{type}.0": lists}, len(lists))
        assert difference(got.columns["0"], np.array([np.sum(each) for each in arrays])) is None


_LOW, _HIGH = np.iinfo(np.int64).min, np.iinfo(np.int64).max

#: Tables of each shape (compared one by one, indexed, searched) and type.
TABLES = [
    (IsIn.of([True], BOOL), BOOL),
    (IsIn.of([False, True], BOOL), BOOL),
    (IsIn.of([-128, 127, 0], I8), I8),
    (IsIn.of(range(-128, 128, 3), I8), I8),
    (IsIn.of(range(-300, 300, 7), I16), I16),
    (IsIn.of([_LOW, _HIGH, *range(30)], I64), I64),
    (IsIn.of([k * 1000003 for k in range(-50, 50)], I32), I32),
    (IsIn.of([k / 8 for k in range(-50, 50)] + [np.inf, -np.inf], F32), F32),
    (Lookup.of({True: 7}, BOOL, I8), BOOL),
    (Lookup.of({k: k % 2 == 0 for k in range(-20, 20)}, I8, BOOL), I8),
    (Lookup.of({k: k * k for k in range(5)}, I16, I64), I16),
    (Lookup.of({k * 77777: -k for k in range(-60, 60)}, I32, I16), I32),
    (Lookup.of({k: k / 3 for k in range(18000, 20000)}, DATE, F32), DATE),
    (Lookup.of({_LOW: 1, _HIGH: 2, **{k: k for k in range(20)}}, I64, DATE), I64),
    (Lookup.of({k / 4: np.nan if k == 3 else -0.0 for k in range(100)}, F32, F64), F32),
    (Lookup.of({np.inf: 1.0, 0.0: 2.0, 1e300: 3.0}, F64, F64), F64),
]


def test_tables_of_every_shape_and_type():
    program = _program([(op, (type,)) for op, type in TABLES])
    kernel = load_as_is(program)
    inputs = {i.name: extremes(i.type, 9000) for i in program.inputs}
    inputs["date.0"][6000:] = np.arange(17500, 20500)
    inputs["i16.0"][6000:] = np.arange(-1500, 1500)
    inputs["f32.0"][6000:] = np.arange(-1500, 1500) / 8
    got, expected = kernel.run(inputs, 9000), evaluate(program, inputs, 9000)
    for (op, _), name in zip(TABLES, program.outputs, strict=True):
        problem = difference(got.columns[name], expected.columns[name])
        assert problem is None, f"{op}: {problem}"
        _check_nulls(got.columns[name], got.nulls[name])


@pytest.mark.parametrize("type", [F32, F64], ids=str)
def test_remainders_near_multiples(type):
    """The rounded quotient reaches the next integer, or is on either side of the largest quotient without a call."""
    rng = np.random.default_rng(5)
    rows = 200_000
    limit = 30 if type == F32 else 60
    divisor = (rng.normal(size=rows) * 2.0 ** rng.integers(-20, 20, rows)).astype(type.dtype)
    multiple = np.floor(2.0 ** rng.uniform(0, limit, rows)) * rng.choice([-1, 1], rows)
    x = (divisor * multiple).astype(type.dtype)
    step = rng.integers(0, 3, rows)
    x = np.where(step == 1, np.nextafter(x, type.dtype.type(np.inf)), np.where(step == 2, np.nextafter(x, -x), x))
    program = _program([(Call(fn), (type, type)) for fn in ("fmod", "remainder", "floor_divide")])
    inputs = {f"{type}.0": x, f"{type}.1": divisor}
    got, expected = load_as_is(program).run(inputs, rows), evaluate(program, inputs, rows)
    for name in program.outputs:
        assert difference(got.columns[name], expected.columns[name]) is None


@pytest.mark.parametrize("examples", _chunks(_MATH), ids=lambda chunk: f"math-{len(chunk)}")
def test_math_does_not_depend_on_position(examples):
    """The same values at other positions, in a batch of another size, have the same bits."""
    program = _program(examples)
    kernel = load_as_is(program)
    inputs = {i.name: extremes(i.type, 777, at=int(i.name[-1])) for i in program.inputs}
    whole = kernel.run(inputs, 777)
    for start, rows in ((1, 776), (13, 5), (500, 130), (776, 1)):
        part = kernel.run({name: take(column, slice(start, start + rows)) for name, column in inputs.items()}, rows)
        for name in program.outputs:
            assert part.columns[name].tobytes() == whole.columns[name][start : start + rows].tobytes()
