"""Lowers functions of Spark's ML library, as the JVM describes them, and the expressions that call them, to IR.

A vector is never a column of a program. Its expression is stored by name, and each reader of the column computes the numbers in
its own loop. Loop fusion then removes duplicate values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sparkweld.contract.expressions import Expression
from sparkweld.contract.replies import UdfNotes
from sparkweld.contract.requests import StageDescription
from sparkweld.errors import InternalError
from sparkweld.ir import Value
from sparkweld.ir.ops import MakeList
from sparkweld.ir.types import F32, F64, I32, list_of
from sparkweld.reasons import refusal
from udf_compiler.boundary.columns import Unknown, title_of
from udf_compiler.frontends.models.sums import clear_argmax
from udf_compiler.frontends.pandas.dispatch import DISPATCH
from udf_compiler.frontends.spark_ml import assembling, categories, linear, other_models, scaling, texts, trees, vectors
from udf_compiler.frontends.spark_ml.stages import Argument, Rule, Stage, Vector, Words, double, vector_of
from udf_compiler.frontends.spark_ml.stored import array_numbers, stored_numbers, stored_vector
from udf_compiler.frontends.tracing.expression_rules import Maybe, Translator
from udf_compiler.frontends.tracing.lower import is_negative_zero
from udf_compiler.frontends.tracing.session import Session, running

#: Name of a function in requests -> its lowering rule.
STAGES: dict[str, Rule] = {
    **assembling.STAGES,
    **scaling.STAGES,
    **categories.STAGES,
    **vectors.STAGES,
    **texts.STAGES,
    **linear.STAGES,
    **trees.STAGES,
    **other_models.STAGES,
}

#: Classes with approximate results, with a documented error bound: BLAS adds their products in an order of its own.
KEPT = linear.KEPT | trees.KEPT | vectors.KEPT | other_models.KEPT

#: Functions that accept word counts of a string, which are no columns.
OF_WORDS = (
    "IDFModel", "StandardScalerModel", "ElementwiseProduct", "Normalizer", "LinearRegressionModel", "LogisticRegressionModel",
    "LinearSVCModel", "GeneralizedLinearRegressionModel", "NaiveBayesModel",
)  # fmt: skip

#: Maximum size of a vector that a kernel writes or splits into columns.
MAX_SIZE = 512


class MlFunctions:
    """The ML functions of one request, and its vector columns. `kept`: (operation, error bound) of approximate results."""

    def __init__(self, stages: Sequence[StageDescription], blobs: Sequence[bytes], exact: bool) -> None:
        self.kept: list[tuple[str, str]] = []
        self.notes: dict[str, list[str]] = {}
        self._stages = [_stage(described, blobs) for described in stages]
        self._exact = exact
        self._vectors: dict[str, Expression | None] = {}

    def described(self) -> list[UdfNotes]:
        """Returns the functions' notes for explain."""
        return [UdfNotes(name=name, notes=tuple(notes)) for name, notes in self.notes.items() if notes]

    def is_vector(self, expr: Expression) -> bool:
        """Whether an expression is a vector or the words of a string, which are no columns of a program."""
        if expr.op == "Column":
            return self.has_vector(expr.name)
        return expr.type == "vector" or (expr.op == "Ml" and self._stages[expr.stage].name in texts.WORDS)

    def define(self, name: str, expr: Expression | None) -> None:
        """Records the expression of a column of vectors or words; None if it was refused."""
        self._vectors[name] = expr

    def has_vector(self, name: str) -> bool:
        """Whether a column has vectors or words, which are never NULL in a program."""
        return name in self._vectors

    def value(self, translator: Translator, expr: Expression, demand: Value | None) -> Maybe:
        """Lowers a scalar result: of a function, one element of a vector (VectorElement), or its first largest index (ArgMax)."""
        if expr.op == "VectorElement":
            return self._element(translator, expr, demand)[0]
        if expr.op == "ArgMax":
            return self._largest(translator, expr.args[0], demand)
        if expr.op == "Ml" and self._stages[expr.stage].name == "vector_to_array":
            return self._array(translator, expr, demand)
        made = self._call(translator, expr, demand)
        if not isinstance(made, Maybe):
            raise InternalError(f"{self._stages[expr.stage].name} returned no value for {expr.type}")
        return made

    def vector(self, translator: Translator, expr: Expression, demand: Value | None) -> Vector | Words:
        """Lowers an expression to a vector or to the words of a string.

        Refuses an unknown function (SW900) and an expression of another kind (SW905). Raises Unknown for a column whose own
        refusal is recorded.
        """
        if expr.op == "Column":
            return self.vector(translator, self._defined(expr), demand)
        if expr.op == "VectorUnless":  # the JVM encodes: NULL if the first argument is true, else the second
            none, value = expr.args
            present = translator.loop.call("logical_not", translator.of(none, demand).value)
            translator.guard(present, demand)
            return self.vector(translator, value, translator.all_of(demand, present))
        if expr.op == "StoredVector":
            return stored_vector(translator, expr, demand, MAX_SIZE)
        if expr.op == "DenseVector":
            raise refusal("SW902", column=expr.name)
        if expr.op == "Scores":
            return self._scores(translator, expr, demand)
        if expr.op != "Ml":
            raise refusal("SW905", what=f"{expr.op} of a vector")
        made = self._call(translator, expr, demand)
        if isinstance(made, Maybe):
            raise InternalError(f"{self._stages[expr.stage].name} returned no vector")
        return made

    def dense(self, translator: Translator, expr: Expression, demand: Value | None) -> Value:
        """Lowers a vector to the list of its numbers, which is NULL where the vector is. Guards rows that are not dense.

        Refuses (SW906) a vector that a kernel computes if its form is unknown or always sparse.
        """
        if expr.op == "Column":
            return self.dense(translator, self._defined(expr), demand)
        if expr.op == "DenseVector":  # made by a UDF of the same kernel, of the arrays of a column
            made = translator.of(expr.args[0], demand)
            return made.value if made.valid is None else translator.loop.optional(made.value, made.valid)
        if expr.op == "StoredVector":
            return stored_numbers(translator, expr, demand)
        if self.is_of_array(expr):
            return array_numbers(translator, expr, demand)
        vector = self.vector(translator, expr, demand)
        if not isinstance(vector, Vector) or vector.is_words or not 0 < vector.size <= MAX_SIZE:
            raise refusal("SW906", size=MAX_SIZE)
        if vector.form != "dense":
            _guard_dense(translator, vector, demand)
        return translator.loop.emit(MakeList(list_of(F64)), *vector.values)

    def _defined(self, column: Expression) -> Expression:
        """Returns the expression of a column. Raises Unknown if its refusal is recorded; refuses (SW902) other arrays."""
        if column.name not in self._vectors:
            raise refusal("SW902", column=title_of(column.name))
        known = self._vectors[column.name]
        if known is None:
            raise Unknown(column.name)
        return known

    def is_of_array(self, expr: Expression) -> bool:
        """Whether an expression is array_to_vector of a column, a vector whose size only its rows know."""
        if expr.op != "Ml" or self._stages[expr.stage].name != "array_to_vector":
            return False
        return not self.is_vector(expr.args[0]) and expr.args[0].op != "Scores"

    def _element(self, translator: Translator, expr: Expression, demand: Value | None) -> tuple[Maybe, Vector]:
        """Returns one element of a vector, and the vector."""
        x = self.vector(translator, expr.args[0], demand)
        assert isinstance(x, Vector)
        if x.is_words:
            raise refusal("SW852", what="vector_to_array")
        if not 0 <= expr.at < x.size:
            raise refusal("SW905", what=f"number {expr.at} of a vector of {x.size}")  # Spark raises or yields NULL
        return Maybe(x.values[expr.at]), x

    def _array(self, translator: Translator, expr: Expression, demand: Value | None) -> Maybe:
        """Returns the numbers of a vector as doubles or floats. Refuses more than MAX_SIZE (SW906) and unknown sizes (SW902).

        Rows with a negative zero are guarded where Spark may not store zeros: these become positive.
        """
        x = self.vector(translator, expr.args[0], demand)
        if not isinstance(x, Vector) or x.is_words:
            raise refusal("SW852", what="vector_to_array")
        if not 0 < x.size <= MAX_SIZE:
            raise refusal("SW906", size=MAX_SIZE)
        loop, to = translator.loop, F32 if expr.type == "array<float>" else F64
        if x.form != "dense" and (x.form != "mixed" or to == F32):  # Spark copies floats without zeros
            _guard_unsigned_zeros(translator, x, demand)
        return Maybe(loop.emit(MakeList(list_of(to)), *(loop.cast(value, to) for value in x.values)))

    def _scores(self, translator: Translator, expr: Expression, demand: Value | None) -> Vector:
        """Builds the array that OneVsRestModel fills: empty, or an earlier array with one element of a vector appended."""
        loop = translator.loop
        if not expr.args:
            return vector_of(loop, [], "dense")
        before, last = expr.args
        earlier = self.vector(translator, before, demand)
        number, source = self._element(translator, last, demand)
        assert isinstance(earlier, Vector)
        if earlier.errors is None and source.errors is None:
            return vector_of(loop, [*earlier.values, number.value], "dense")

        def errors() -> list[Value]:
            none = double(loop, 0.0)
            own = source.errors()[last.at] if source.errors else none
            return [*(earlier.errors() if earlier.errors else [none] * earlier.size), own]

        return vector_of(loop, [*earlier.values, number.value], "dense", errors)

    def _largest(self, translator: Translator, expr: Expression, demand: Value | None) -> Maybe:
        """Returns the first index of the largest score.

        Guards rows with a score that is NaN or -inf: Spark skips NaN, and yields -1 where no score is above -inf.
        """
        x, loop = self.vector(translator, expr, demand), translator.loop
        assert isinstance(x, Vector)
        if not x.size:
            raise refusal("SW905", what="the largest of no scores")
        before, loop.where = loop.where, translator.all_of(loop.where, demand)
        try:
            for value in x.values:
                loop.guard(loop.call("greater", value, double(loop, -np.inf)))
            return Maybe(loop.cast(clear_argmax(loop, x.values, x.errors() if x.errors else []), I32))
        finally:
            loop.where = before

    def _call(self, translator: Translator, expr: Expression, demand: Value | None) -> Argument:
        stage = self._stages[expr.stage]
        rule = STAGES.get(stage.name)
        if rule is None:
            raise refusal("SW900", what=stage.name)
        args = [self._argument(translator, _of_size(arg, stage), demand) for given in expr.args for arg in _flat(given)]
        if stage.name != "array_to_vector":
            for given, arg in zip(expr.args, args, strict=False):
                if isinstance(arg, Maybe) and arg.value.type.is_list:
                    raise refusal("SW902", column=title_of(given.name))
        if any(isinstance(arg, Vector) and arg.is_words for arg in args) and not stage.name.startswith(OF_WORDS):
            raise refusal("SW852", what=stage.name)
        loop = translator.loop
        before, loop.where = loop.where, translator.all_of(loop.where, demand)
        try:
            with running(Session(loop, exact=self._exact, place=stage.name, dispatch=DISPATCH)) as session:
                made = rule(stage, loop, args)
        finally:
            loop.where = before
        self.kept += [pair for pair in session.kept if pair not in self.kept]
        self.notes[stage.name] = session.notes
        return made

    def _argument(self, translator: Translator, expr: Expression, demand: Value | None) -> Argument:
        return self.vector(translator, expr, demand) if self.is_vector(expr) else translator.of(expr, demand)


def _guard_dense(translator: Translator, x: Vector, demand: Value | None) -> None:
    """Guards the rows whose vector is sparse, or whose zeros lost their sign in Spark. Refuses (SW906) an unknown form."""
    dense = assembling.is_dense(translator.loop, x) if assembling.has_known_form(x) else None
    if dense is None:
        raise refusal("SW906", size=MAX_SIZE)
    if x.when_written is not None:
        x.when_written()
    translator.guard(dense, demand)
    _guard_unsigned_zeros(translator, x, demand)


def _guard_unsigned_zeros(translator: Translator, x: Vector, demand: Value | None) -> None:
    loop = translator.loop
    negative = [is_negative_zero(loop, v) for v in x.values]
    translator.guard(loop.call("logical_not", loop.fold("logical_or", negative)), demand)


def _of_size(expr: Expression, stage: Stage) -> Expression:
    """Sets the size of a stored vector of unknown size to the number of features of the stage; other rows are guarded."""
    if expr.op == "VectorUnless":
        none, value = expr.args
        return replace(expr, args=(none, _of_size(value, stage)))
    known = expr.op != "StoredVector" or expr.size is not None
    return expr if known else replace(expr, size=stage.takes)


def result(vector: Vector, title: str) -> Vector:
    """Returns a vector that is a result. Refuses (SW903) one of unknown form, of word counts, or that is too large."""
    if vector.size > MAX_SIZE:
        raise refusal("SW903", title, column=title, what=f"has {vector.size} numbers")
    if vector.is_words:
        raise refusal("SW903", title, column=title, what="counts words")
    if not vector.form:
        raise refusal("SW903", title, column=title, what="may be sparse or dense")
    if vector.when_written is not None:
        vector.when_written()
    return vector


def _flat(expr: Expression) -> Sequence[Expression]:
    return expr.args if expr.op == "CreateNamedStruct" else (expr,)


def _stage(described: StageDescription, blobs: Sequence[bytes]) -> Stage:
    arrays = {key: np.frombuffer(blobs[array.blob], array.dtype) for key, array in described.arrays.items()}
    return Stage(described.name, described.params, arrays)


__all__ = ["KEPT", "MAX_SIZE", "STAGES", "MlFunctions", "result"]
