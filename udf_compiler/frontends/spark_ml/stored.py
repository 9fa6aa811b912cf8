"""Converts input columns of vectors, in Spark's storage format, to what lowering rules and functions of Python accept."""

from __future__ import annotations

from sparkweld.contract.expressions import Expression
from sparkweld.ir import Value
from sparkweld.ir.ops import ListCall, VectorColumns
from sparkweld.ir.types import F64, I8, I32, I64
from sparkweld.reasons import refusal
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.labels import all_of
from udf_compiler.frontends.models.sparse_text_features import Terms, VectorPart
from udf_compiler.frontends.spark_ml.stages import Vector
from udf_compiler.frontends.tracing.expression_rules import Maybe, Translator

#: Values of a stored vector's type field, see VectorUDT.
_SPARSE, _DENSE = 0, 1

#: Maximum size for weighted sums over columns, which a kernel adds for several rows at a time.
_FEW = 32


def stored_vector(translator: Translator, expr: Expression, demand: Value | None, most: int) -> Vector:
    """Lowers a stored vector. Guards rows that are NULL, of another size or no vector. `most`: maximum number of columns.

    Refuses SW902 where the size is unknown.
    """
    loop, size = translator.loop, expr.size
    if size is None:
        raise refusal("SW902", column=expr.name)
    kind, width, indices, values = (translator.of(arg, demand) for arg in expr.args)
    dense = loop.call("equal", kind.value, loop.const(_DENSE, I8))
    parts = [
        loop.call("equal", kind.value, loop.const(_SPARSE, I8)),
        loop.call("equal", width.value, loop.const(size, I32)), width.valid, indices.valid,
    ]  # fmt: skip
    sparse = all_of(loop, [part for part in parts if part is not None])
    translator.guard(loop.call("logical_or", dense, sparse), demand)
    if values.valid is not None:
        translator.guard(values.valid, demand)
    arguments = dense, indices.value, values.value
    part = Terms(loop, (VectorPart(arguments, size),))
    if size > most:
        return Vector(part)
    op = VectorColumns.of(size)
    whole, zeros, *numbers = (loop.emit(op.at(at), *arguments) for at in range(2 + size))
    translator.guard(loop.call("equal", whole, loop.const(1, I64)), demand)

    def without_zeros() -> None:
        translator.guard(loop.call("equal", zeros, loop.const(0, I64)), demand)

    features = Features(loop, tuple(numbers))
    return Vector(features, "mixed", None, without_zeros, loop.cast(dense, F64), part if size > _FEW else None)


def stored_numbers(translator: Translator, expr: Expression, demand: Value | None) -> Value:
    """Lowers a stored vector to the list of its numbers; NULL where the vector is. Guards rows that are not dense."""
    loop = translator.loop
    kind, _, _, values = (translator.of(arg, demand) for arg in expr.args)
    dense = all_of(loop, [loop.call("equal", kind.value, loop.const(_DENSE, I8)), *_present(kind)])
    if values.valid is None:
        translator.guard(dense, demand)
        return values.value
    whole = loop.call("logical_and", values.valid, dense)
    absent = loop.fold("logical_or", [values.valid, *_present(kind)])
    translator.guard(loop.call("logical_or", whole, loop.call("logical_not", absent)), demand)
    return loop.optional(values.value, values.valid)


def _present(x: Maybe) -> list[Value]:
    return [] if x.valid is None else [x.valid]


def array_numbers(translator: Translator, expr: Expression, demand: Value | None) -> Value:
    """Lowers ``array_to_vector(column)`` to the column's numbers. Guards NULLs, for which Spark raises."""
    array = translator.of(expr.args[0], demand)
    for valid in _present(array):
        translator.guard(valid, demand)
    translator.guard(translator.loop.emit(ListCall("complete", array.value.type), array.value), demand)
    return array.value
