"""Lowers VectorAssembler and Interaction: concatenates columns of numbers and vectors, or multiplies them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64
from udf_compiler.frontends.models.features import Column, Features, Indicator
from udf_compiler.frontends.spark_ml.stages import Argument, Maybe, Rule, Stage, Vector, double, one_vector
from udf_compiler.frontends.tracing.session import check_size
from udf_compiler.process.spark_line import LINE


def assemble(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements VectorAssembler. Zeros are not stored, so they lose their sign.

    NULL and NaN raise in Spark, so they are guarded; both become NaN when `handleInvalid` is keep.
    """
    columns: list[Column] = []
    kept = False
    for arg in args:
        if isinstance(arg, Vector):
            kept = kept or arg.features.kept
            columns += [c if isinstance(c, Indicator) else _unsigned_zero(loop, c) for c in arg.features.columns]
        else:
            assert isinstance(arg, Maybe)
            columns.append(_unsigned_zero(loop, _number(stage, loop, arg.value, arg.valid)))
    return Vector(Features(loop, tuple(columns), kept=kept), "compressed")


def _number(stage: Stage, loop: LoopBuilder, value: Value, valid: Value | None) -> Value:
    if stage.params["keepInvalid"]:
        return value if valid is None else loop.select(valid, value, double(loop, np.nan))
    if valid is not None:
        loop.guard(valid)
    loop.guard(loop.call("logical_not", loop.call("isnan", value)))
    return value


def _unsigned_zero(loop: LoopBuilder, value: Value) -> Value:
    return loop.call("add", value, double(loop, 0.0))  # -0.0 + 0.0 -> 0.0


def interact(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements Interaction: all products of one number from each column; the first column varies slowest.

    Spark multiplies stored numbers from the last column to the first. A number that a sparse vector does not store yields an
    unsigned zero, whatever the other factors. NULL and numbers outside a nominal column's categories raise, so they are guarded.
    """
    counts, ends = stage.arrays["counts"].tolist(), np.cumsum(stage.arrays["lengths"]).tolist()
    products: list[_Stored] = [(double(loop, 1.0), None)]
    for arg, begin, end in reversed(list(zip(args, [0, *ends], ends, strict=False))):
        factors = _factors(stage, loop, arg, counts[begin:end])
        products = [_times(loop, product, factor) for factor in factors for product in products]
        check_size(loop)
    zero = double(loop, 0.0)
    values = [value if stored is None else loop.select(stored, value, zero) for value, stored in products]
    kept = any(isinstance(arg, Vector) and arg.features.kept for arg in args)
    return Vector(Features(loop, tuple(values), kept=kept), "compressed")


#: A number of a vector, and a bool value for whether the vector stores it; None: always.
_Stored = tuple[Value, Value | None]


def _times(loop: LoopBuilder, product: _Stored, factor: _Stored) -> _Stored:
    both = [s for s in (product[1], factor[1]) if s is not None]
    stored = loop.fold("logical_and", both) if both else None
    return loop.call("multiply", product[0], factor[0]), stored


def _factors(stage: Stage, loop: LoopBuilder, arg: Argument, counts: Sequence[int]) -> list[_Stored]:
    """Returns the factors of one column; `counts`: the number of categories of each number, 1 for a numeric one."""
    values, stored = _numbers(stage, loop, arg, len(counts))
    made: list[_Stored] = []
    for value, there, count in zip(values, stored, counts, strict=True):
        if count == 1:
            made.append((value, there))
            continue
        for category in _categories(loop, value, there, count):
            made.append((double(loop, 1.0), category if there is None else loop.call("logical_and", there, category)))
    return made


def _numbers(stage: Stage, loop: LoopBuilder, arg: Argument, size: int) -> tuple[Sequence[Value], Sequence[Value | None]]:
    if isinstance(arg, Vector):
        return arg.sized(size, stage).values, _stored(stage, loop, arg)
    assert isinstance(arg, Maybe)
    if arg.valid is not None:
        loop.guard(arg.valid)
    return [arg.value], [None]


def _categories(loop: LoopBuilder, value: Value, stored: Value | None, count: int) -> list[Value]:
    """Emits, for each category, whether the number equals it. Guards stored numbers that equal none: Spark raises."""
    equal = [loop.call("equal", value, double(loop, category)) for category in range(count)]
    some = loop.fold("logical_or", equal)
    loop.guard(some if stored is None else loop.call("logical_or", some, loop.call("logical_not", stored)))
    return equal


def _stored(stage: Stage, loop: LoopBuilder, x: Vector) -> list[Value | None]:
    """Emits whether Spark's vector stores each number; `Vector.compressed` omits zeros where that is smaller."""
    if x.form == "dense":
        return [None] * x.size
    if not has_known_form(x):
        stage.refuse("vectors that may be sparse or dense")
    if x.when_written is not None:
        x.when_written()
    some = [loop.call("not_equal", value, double(loop, 0.0)) for value in x.values]
    dense = is_dense(loop, x)
    return [*some] if dense is None else [loop.call("logical_or", dense, s) for s in some]


def has_known_form(x: Vector) -> bool:
    """Whether the numbers of each row determine if Spark's vector is sparse or dense."""
    return x.form in ("dense", "sparse", "compressed", "mixed")


def is_dense(loop: LoopBuilder, x: Vector) -> Value | None:
    """Emits whether Spark's vector of each row is dense, for a form that is known but not "dense"; None for "sparse"."""
    if x.form == "sparse":
        return None
    if x.dense is not None:
        return loop.call("equal", x.dense, double(loop, 1.0))
    count = loop.fold("add", [loop.cast(loop.call("not_equal", value, double(loop, 0.0)), F64) for value in x.values])
    limit = double(loop, x.size - LINE.sparse_overhead)
    return loop.call("greater_equal", loop.call("multiply", count, double(loop, 1.5)), limit)


def array_to_vector(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements array_to_vector of the array that OneVsRestModel fills. Refuses (SW901) other arrays, whose size is unknown."""
    if not isinstance(args[0], Vector):
        stage.refuse("an array whose size is not known")
    return one_vector(args)


STAGES: dict[str, Rule] = {
    "VectorAssembler": assemble,
    "Interaction": interact,
    "array_to_vector": array_to_vector,
}
