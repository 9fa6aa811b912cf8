"""Translates Catalyst expressions (as the JVM sends them) to IR values, with the semantics of Spark 4.3.

Internally, an expression is a pair: a plain value and whether it is not NULL, so three-valued logic is explicit. An operation
that raises in Spark under ANSI (overflow, a zero divisor) becomes a guard. The guard is required only where Spark evaluates the
operand. That is in the taken branch of If, CaseWhen and Coalesce. On the right of And and Or, it is where the left does not
decide. A guard may fail where Spark would not have raised (the batch then runs in Spark's own operators), never the reverse.

Floats compare as in Spark SQL: NaN equals NaN and is the largest value, and -0.0 equals 0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sparkweld.contract.expressions import Expression
from sparkweld.errors import InternalError
from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.ops import Fits, IsIn
from sparkweld.ir.types import BOOL, DATE, I32, I64, INTEGERS_OF_TIMES, STR, TS
from sparkweld.reasons import refusal
from udf_compiler.boundary.series import COLUMN_TYPES
from udf_compiler.frontends.catalyst.lists import LIST_RULES
from udf_compiler.frontends.catalyst.numbers import NUMBER_RULES
from udf_compiler.frontends.catalyst.strings import STRING_RULES, guard_text, text_of
from udf_compiler.frontends.catalyst.times import TIME_RULES, day_of
from udf_compiler.frontends.spark_ml import MlFunctions
from udf_compiler.frontends.spark_ml.stages import Vector, Words
from udf_compiler.frontends.tracing.expression_rules import Maybe, Rule, ansi, literal_value
from udf_compiler.frontends.tracing.integer_checks import within


def translate(loop: LoopBuilder, expr: Expression, columns: Callable[[str], Value], ml: MlFunctions | None = None) -> Value:
    """Returns the value of a Catalyst expression; it is nullable unless the expression is never NULL. Guards join `loop`.

    `columns` maps a column name to its value; `ml` holds the functions of Spark's ML library. Refuses SW321 (an expression),
    SW322 (a type), SW323 (a cast), and whatever `MlFunctions` refuses.
    """
    result = _Translator(loop, columns, ml).of(expr, None)
    return result.value if result.valid is None else loop.optional(result.value, result.valid)


def translate_vector(loop: LoopBuilder, expr: Expression, columns: Callable[[str], Value], ml: MlFunctions) -> Vector | Words:
    """Returns the vector, or the words, of an expression.

    Guards join `loop`. Refuses like `translate` and `MlFunctions.vector`.
    """
    return ml.vector(_Translator(loop, columns, ml), expr, None)


def translate_dense(loop: LoopBuilder, expr: Expression, columns: Callable[[str], Value], ml: MlFunctions) -> Value:
    """Returns the numbers of a dense vector as a list, NULL where the vector is. Refuses like `MlFunctions.dense`."""
    return ml.dense(_Translator(loop, columns, ml), expr, None)


def translate_condition(loop: LoopBuilder, expr: Expression, columns: Callable[[str], Value]) -> Value:
    """Returns a plain bool that is True for the rows that a filter with this condition keeps. Refuses like `translate`."""
    result = _Translator(loop, columns).of(expr, None)
    return result.value if result.valid is None else loop.call("logical_and", result.value, result.valid)


class _Translator:
    """The translator of one expression. `demand` is a bool value: the rows for which Spark evaluates it; None: all rows."""

    def __init__(self, loop: LoopBuilder, columns: Callable[[str], Value], ml: MlFunctions | None = None) -> None:
        self.loop, self.columns, self.functions = loop, columns, ml

    def of(self, expr: Expression, demand: Value | None) -> Maybe:
        rule = _RULES.get(expr.op)
        if rule is None:
            raise refusal("SW321", expression=expr.op)
        result = rule(self, expr, demand)
        if result.value.type != self.type_of(expr):
            raise InternalError(f"{expr.op} of Spark type {expr.type} became {result.value.type}")
        return result

    def type_of(self, expr: Expression) -> Type:
        if expr.type not in COLUMN_TYPES:
            raise refusal("SW322", expression=expr.op, type=expr.type)
        return COLUMN_TYPES[expr.type]

    def operands(self, expr: Expression, demand: Value | None) -> list[Maybe]:
        return [self.of(arg, demand) for arg in expr.args]

    # Plain bools.

    def all_of(self, *conditions: Value | None) -> Value | None:
        """Returns the conjunction; None represents True."""
        given = [condition for condition in conditions if condition is not None]
        return self.loop.fold("logical_and", given) if given else None

    def negate(self, condition: Value) -> Value:
        return self.loop.call("logical_not", condition)

    def either(self, a: Value, b: Value) -> Value:
        return self.loop.call("logical_or", a, b)

    def true(self) -> Value:
        return self.loop.const(True, BOOL)

    def is_true(self, x: Maybe) -> Value:
        """Returns where a boolean is TRUE, neither FALSE nor NULL."""
        return x.value if x.valid is None else self.loop.call("logical_and", x.value, x.valid)

    def is_false(self, x: Maybe) -> Value:
        false = self.negate(x.value)
        return false if x.valid is None else self.loop.call("logical_and", false, x.valid)

    def guard(self, condition: Value, *demands: Value | None) -> None:
        """Flags rows where the condition fails and every demand holds."""
        demand = self.all_of(*demands)
        self.loop.guard(condition if demand is None else self.either(self.negate(demand), condition))

    # Leaves.

    def column(self, expr: Expression, demand: Value | None) -> Maybe:
        self.type_of(expr)
        value = self.columns(expr.name)
        plain = self.loop.value_of(value)
        if plain.type == STR:
            guard_text(self, plain, demand)
        return Maybe(plain, self.loop.is_valid(value) if value.type.nullable else None)

    def literal(self, expr: Expression, demand: Value | None) -> Maybe:
        type = self.type_of(expr)
        if expr.value is None:
            return Maybe(self.loop.const(type.zero, type), self.loop.const(False, BOOL))
        return Maybe(self.loop.const(literal_value(expr.value, type), type))

    def ml(self, expr: Expression, demand: Value | None) -> Maybe:
        if self.functions is None:
            raise refusal("SW321", expression=expr.op)
        return self.functions.value(self, expr, demand)

    # Logic.

    def and_(self, expr: Expression, demand: Value | None) -> Maybe:
        return self._logic(expr, demand, self.is_false, "logical_and")

    def or_(self, expr: Expression, demand: Value | None) -> Maybe:
        return self._logic(expr, demand, self.is_true, "logical_or")

    def _logic(self, expr: Expression, demand: Value | None, decides: Callable[[Maybe], Value], fn: str) -> Maybe:
        left = self.of(expr.args[0], demand)
        right = self.of(expr.args[1], self.all_of(demand, self.negate(decides(left))))
        value = self.loop.call(fn, self.is_true(left), self.is_true(right))
        if left.valid is None and right.valid is None:
            return Maybe(value)
        decided = self.either(decides(left), decides(right))
        known = self.all_of(left.valid, right.valid)
        assert known is not None
        return Maybe(value, self.either(decided, known))

    def not_(self, expr: Expression, demand: Value | None) -> Maybe:
        (x,) = self.operands(expr, demand)
        return Maybe(self.negate(x.value), x.valid)

    def is_null(self, expr: Expression, demand: Value | None) -> Maybe:
        (x,) = self.operands(expr, demand)
        return Maybe(self.loop.const(False, BOOL) if x.valid is None else self.negate(x.valid))

    def is_not_null(self, expr: Expression, demand: Value | None) -> Maybe:
        (x,) = self.operands(expr, demand)
        return Maybe(self.true() if x.valid is None else x.valid)

    def is_nan(self, expr: Expression, demand: Value | None) -> Maybe:
        (x,) = self.operands(expr, demand)
        found = self.all_of(self.loop.call("isnan", x.value), x.valid)
        assert found is not None
        return Maybe(found)  # NULL is not NaN

    # Comparison.

    def compare(self, expr: Expression, demand: Value | None) -> Maybe:
        a, b = self.operands(expr, demand)
        return Maybe(self._compare(expr.op, a.value, b.value), self.all_of(a.valid, b.valid))

    def _compare(self, op: str, a: Value, b: Value) -> Value:
        if op in ("GreaterThan", "GreaterThanOrEqual"):
            return self._compare("LessThan" if op == "GreaterThan" else "LessThanOrEqual", b, a)
        fn = {"EqualTo": "equal", "LessThan": "less", "LessThanOrEqual": "less_equal"}[op]
        plain = self.loop.call(fn, a, b)
        if not a.type.is_float:
            return plain
        nan_a, nan_b = self.loop.call("isnan", a), self.loop.call("isnan", b)
        if op == "LessThanOrEqual":
            return self.either(plain, nan_b)
        nan = nan_a if op == "EqualTo" else self.negate(nan_a)
        return self.either(plain, self.loop.call("logical_and", nan, nan_b))

    def equal_null_safe(self, expr: Expression, demand: Value | None) -> Maybe:
        a, b = self.operands(expr, demand)
        equal = self.all_of(self._compare("EqualTo", a.value, b.value), a.valid, b.valid)
        assert equal is not None
        if a.valid is None or b.valid is None:
            return Maybe(equal)
        neither = self.loop.call("logical_and", self.negate(a.valid), self.negate(b.valid))
        return Maybe(self.either(equal, neither))

    def in_(self, expr: Expression, demand: Value | None) -> Maybe:
        if len(expr.args) < 2:
            raise refusal("SW321", expression="In of an empty list")
        x, *others = self.operands(expr, demand)
        if self._is_table(expr):
            return self._in_table(expr, x)
        matches = [self.all_of(self._compare("EqualTo", x.value, o.value), o.valid) for o in others]
        found = matches[0]
        for match in matches[1:]:
            found = self.either(found, match)  # type: ignore[arg-type]
        assert found is not None
        every = self.all_of(*(o.valid for o in others))
        known = None if every is None else self.either(found, every)
        return Maybe(found, self.all_of(x.valid, known))

    def _is_table(self, expr: Expression) -> bool:
        """Whether a list consists of literals that a table can hold; a float NaN equals itself in Spark, but not in a table."""
        return all(e.op == "Literal" for e in expr.args[1:]) and not self.type_of(expr.args[0]).is_float

    def _in_table(self, expr: Expression, x: Maybe) -> Maybe:
        literals = [e.value for e in expr.args[1:]]
        known = [literal_value(v, x.value.type) for v in literals if v is not None]
        found = self.loop.emit(IsIn.of(known, x.value.type), x.value)
        return Maybe(found, self.all_of(x.valid, found if None in literals else None))

    # Choice.

    def if_(self, expr: Expression, demand: Value | None) -> Maybe:
        condition, then, otherwise = expr.args
        return self._branch(self.of(condition, demand), then, lambda rest: self.of(otherwise, rest), demand)

    def case_when(self, expr: Expression, demand: Value | None) -> Maybe:
        """Translates arguments condition, value, condition, value, ..., and the else value when their number is odd."""
        return self._case(expr, expr.args, demand)

    def _case(self, expr: Expression, args: Sequence[Expression], demand: Value | None) -> Maybe:
        if not args:
            return self.literal(Expression(op="Literal", type=expr.type, value=None), demand)
        if len(args) == 1:
            return self.of(args[0], demand)
        return self._branch(self.of(args[0], demand), args[1], lambda rest: self._case(expr, args[2:], rest), demand)

    def _branch(
        self, condition: Maybe, then: Expression, otherwise: Callable[[Value | None], Maybe], demand: Value | None
    ) -> Maybe:
        taken = self.is_true(condition)
        a = self.of(then, self.all_of(demand, taken))
        return self._choose(taken, a, otherwise(self.all_of(demand, self.negate(taken))))

    def _choose(self, taken: Value, a: Maybe, b: Maybe) -> Maybe:
        value = self.loop.select(taken, a.value, b.value)
        if a.valid is None and b.valid is None:
            return Maybe(value)
        return Maybe(value, self.loop.select(taken, a.valid or self.true(), b.valid or self.true()))

    def coalesce(self, expr: Expression, demand: Value | None) -> Maybe:
        first = self.of(expr.args[0], demand)
        if first.valid is None or len(expr.args) == 1:
            return first
        rest = replace(expr, args=expr.args[1:])
        other = self.coalesce(rest, self.all_of(demand, self.negate(first.valid)))
        return self._choose(first.valid, Maybe(first.value), other)

    def same(self, expr: Expression, demand: Value | None) -> Maybe:
        (x,) = self.operands(expr, demand)
        return x

    # Casts.

    def cast(self, expr: Expression, demand: Value | None) -> Maybe:
        child = expr.args[0]
        if child.is_null:
            return self.literal(replace(child, type=expr.type), demand)  # an untyped NULL
        (x,) = self.operands(expr, demand)
        of, to = x.value.type, self.type_of(expr)
        if of == to:
            return x
        if of == TS and to == DATE:
            return Maybe(day_of(self.loop, x.value, expr), x.valid)
        if to == STR and (of.is_int or of == BOOL):
            return Maybe(text_of(self, x.value), x.valid)
        if of.kind in INTEGERS_OF_TIMES or to.kind in INTEGERS_OF_TIMES or STR in (of, to):
            raise refusal("SW323", of=child.type, to=expr.type)
        if of.is_float and to.is_int:
            return Maybe(self._truncate(x, to, ansi(expr), demand), x.valid)
        if ansi(expr) and of.is_int and to.is_int and to.dtype.itemsize < of.dtype.itemsize:
            self.guard(within(self.loop, x.value, to), demand, x.valid)
        return Maybe(self.loop.cast(x.value, to), x.valid)

    def _truncate(self, x: Maybe, to: Type, ansi: bool, demand: Value | None) -> Value:
        if ansi:
            self.guard(self.loop.emit(Fits(to), x.value), demand, x.valid)
            return self.loop.cast(x.value, to)
        # Java's casts saturate to int or long and map NaN to 0; a byte or short is the low bits of the int.
        wide = to if to == I64 else I32
        limits = np.iinfo(wide.dtype)
        zero = self.loop.const(0, x.value.type)
        high = self.loop.select(
            self.loop.call("greater", x.value, zero), self.loop.const(limits.max, wide), self.loop.const(0, wide)
        )
        end = self.loop.select(self.loop.call("less", x.value, zero), self.loop.const(limits.min, wide), high)
        whole = self.loop.select(self.loop.emit(Fits(wide), x.value), self.loop.cast(x.value, wide), end)
        return self.loop.cast(whole, to)


_RULES: dict[str, Rule] = {
    **LIST_RULES,
    **NUMBER_RULES,
    **STRING_RULES,
    **TIME_RULES,
    "And": _Translator.and_,
    "ArgMax": _Translator.ml,
    "CaseWhen": _Translator.case_when,
    "Cast": _Translator.cast,
    "Coalesce": _Translator.coalesce,
    "Column": _Translator.column,
    "EqualNullSafe": _Translator.equal_null_safe,
    "EqualTo": _Translator.compare,
    "GreaterThan": _Translator.compare,
    "GreaterThanOrEqual": _Translator.compare,
    "If": _Translator.if_,
    "In": _Translator.in_,
    "IsNaN": _Translator.is_nan,
    "IsNotNull": _Translator.is_not_null,
    "IsNull": _Translator.is_null,
    "KnownFloatingPointNormalized": _Translator.same,
    "KnownNotNull": _Translator.same,
    "LessThan": _Translator.compare,
    "LessThanOrEqual": _Translator.compare,
    "Literal": _Translator.literal,
    "Ml": _Translator.ml,
    "Not": _Translator.not_,
    "Or": _Translator.or_,
    "VectorElement": _Translator.ml,
}

#: Supported expressions: those that the JVM may send, except CreateNamedStruct (an argument of a UDF) and calls of Spark's
#: ML library (`udf_compiler.frontends.spark_ml`).
EXPRESSIONS = frozenset(_RULES) - {"ArgMax", "Ml", "VectorElement"}
