"""Maps elementwise functions to Catalyst: a rule returns an expression with NumPy's bits for the argument types, or None.

A rule carries its proof unless that follows directly from the rules of Java and IEEE 754.
"""

from __future__ import annotations

from collections.abc import Callable

from sparkweld.contract.expressions import Expression
from sparkweld.ir import Type
from sparkweld.ir.types import BOOL, F32, F64, I64
from udf_compiler.backends.catalyst.nodes import both, choice, is_literal, is_nan, literal, negation, node, number

Rule = Callable[[list[Type], list[Expression]], Expression | None]


def _arithmetic(op: str, of_bools: str | None = None) -> Rule:
    """Builds the rule of + - or *: Java wraps integers and rounds floats as C does.

    Spark narrows bytes and shorts afterwards, as NumPy does.
    """

    def rule(types: list[Type], args: list[Expression]) -> Expression | None:
        if types[0] == BOOL:
            return None if of_bools is None else node(of_bools, BOOL, *args)
        return node(op, types[0], *args)

    return rule


def _divide(types: list[Type], args: list[Expression]) -> Expression | None:
    """Divides as Java does; Spark's own Divide is NULL for a zero divisor."""
    return node("IeeeDivide", types[0], *args) if types[0].is_float else None


def _floor_divide(types: list[Type], args: list[Expression]) -> Expression | None:
    """Divides integers by a positive constant: the quotient towards zero, minus one where the remainder is negative."""
    if not _by_positive(types, args):
        return None
    below = node("LessThan", BOOL, node("Remainder", types[0], *args), literal(0, types[0]))
    a, b = (x if types[0] == I64 else node("Cast", I64, x) for x in args)  # Spark's `div` accepts only longs
    whole = node("IntegralDivide", I64, a, b)
    floor = node("Subtract", I64, whole, choice(below, literal(1, I64), literal(0, I64), I64))
    return floor if types[0] == I64 else node("Cast", types[0], floor)


def _remainder(types: list[Type], args: list[Expression]) -> Expression | None:
    """Uses Spark's pmod, which is the floor remainder of integers by a positive divisor; r + n cannot overflow since r < 0."""
    return node("Pmod", types[0], *args) if _by_positive(types, args) else None


def _fmod(types: list[Type], args: list[Expression]) -> Expression | None:
    """Uses Java's %, which equals C's fmod and C's integer %; Spark's differs only for a zero divisor, where it is NULL."""
    nonzero = is_literal(args[1]) and number(args[1]) != 0 and types[0] != BOOL
    return node("Remainder", types[0], *args) if nonzero else None


def _by_positive(types: list[Type], args: list[Expression]) -> bool:
    return types[0].is_int and is_literal(args[1]) and number(args[1]) > 0


def _compare(op: str) -> Rule:
    def rule(types: list[Type], args: list[Expression]) -> Expression | None:
        a, b = args
        if op.startswith("Greater"):
            return rule_of("Less" + op.removeprefix("Greater"), types, b, a)
        return rule_of(op, types, a, b)

    def rule_of(op: str, types: list[Type], a: Expression, b: Expression) -> Expression:
        if op == "NotEqual":
            return negation(rule_of("EqualTo", types, a, b))
        plain = node(op, BOOL, a, b)
        if not types[0].is_float:
            return plain
        # Spark's NaN equals itself and is above all, so x < NaN and NaN == NaN are true in Spark and false in NumPy.
        side = a if op == "EqualTo" and not is_literal(b) else b
        return both(plain, negation(is_nan(side)) if not is_literal(side) else literal(number(side) == number(side), BOOL))

    return rule


def _maximum(types: list[Type], args: list[Expression]) -> Expression | None:
    """Selects the larger operand: Spark's > orders NaN above all, so NaN wins.

    Of equal operands (zeros) the second one wins, as in NumPy's loops.
    """
    a, b = args
    if types[0] == BOOL:
        return node("Or", BOOL, a, b)
    return choice(node("GreaterThan", BOOL, a, b), a, b, types[0])


def _minimum(types: list[Type], args: list[Expression]) -> Expression | None:
    a, b = args
    if types[0] == BOOL:
        return node("And", BOOL, a, b)
    less = node("LessThan", BOOL, a, b)
    if not types[0].is_float:
        return choice(less, a, b, types[0])
    less = both(less, negation(is_nan(b))) if not is_literal(b) else less
    if is_literal(b) and number(b) != number(b):
        return b
    return choice(is_nan(a), a, choice(less, a, b, types[0]), types[0])


def _fmax(types: list[Type], args: list[Expression]) -> Expression | None:
    a, b = args
    if not types[0].is_float:
        return _maximum(types, args)
    return choice(is_nan(a), b, choice(is_nan(b), a, choice(node("GreaterThan", BOOL, a, b), a, b, types[0]), types[0]), types[0])


def _fmin(types: list[Type], args: list[Expression]) -> Expression | None:
    """Selects the smaller operand: Spark orders NaN above all, so NaN loses; if both are NaN the result is NaN."""
    a, b = args
    return choice(node("LessThan", BOOL, a, b), a, b, types[0]) if types[0] != BOOL else node("And", BOOL, a, b)


def _logical(op: str) -> Rule:
    def rule(types: list[Type], args: list[Expression]) -> Expression | None:
        truths = [_truth(t, a) for t, a in zip(types, args, strict=True)]
        if op == "Xor":
            return negation(node("EqualTo", BOOL, *truths))
        return node(op, BOOL, *truths)

    return rule


def _logical_not(types: list[Type], args: list[Expression]) -> Expression | None:
    return negation(_truth(types[0], args[0]))


def _truth(type: Type, x: Expression) -> Expression:
    """Returns x != 0, with NaN true: Spark's cast to boolean."""
    return x if type == BOOL else node("Cast", BOOL, x)


def _bitwise(op: str, of_bools: str) -> Rule:
    def rule(types: list[Type], args: list[Expression]) -> Expression | None:
        return _logical(of_bools)(types, args) if types[0] == BOOL else node(op, types[0], *args)

    return rule


def _invert(types: list[Type], args: list[Expression]) -> Expression | None:
    return negation(args[0]) if types[0] == BOOL else node("BitwiseNot", types[0], *args)


def _sign_change(op: str) -> Rule:
    """Builds the rule of negation or abs; the smallest integer maps to itself, as Java's wrap too."""

    def rule(types: list[Type], args: list[Expression]) -> Expression | None:
        if types[0] == BOOL:
            return args[0] if op == "Abs" else None
        return node(op, types[0], *args)

    return rule


def _square(types: list[Type], args: list[Expression]) -> Expression | None:
    return node("Multiply", types[0], args[0], args[0]) if types[0] != BOOL else None


def _of_doubles(op: str) -> Rule:
    """Builds the rule of a correctly rounded function, computed in double.

    Rounding its result to float is correct as well: a double has more than twice a float's digits plus two.
    """

    def rule(types: list[Type], args: list[Expression]) -> Expression | None:
        if types[0] == F64:
            return node(op, F64, *args)
        return node("Cast", F32, node(op, F64, node("Cast", F64, *args))) if types[0] == F32 else None

    return rule


def _whole(direction: str) -> Rule:
    """Builds the rule of floor, ceil or trunc: Java's keep the sign of a zero, as C's do.

    Every float is a double, and an integral one converts back exactly.
    """

    def rule(types: list[Type], args: list[Expression]) -> Expression | None:
        return _of_doubles(direction)(types, args) if types[0].is_float else args[0] if types[0].is_int else None

    return rule


def _isnan(types: list[Type], args: list[Expression]) -> Expression | None:
    return is_nan(args[0]) if types[0].is_float else literal(False, BOOL)


def _isfinite(types: list[Type], args: list[Expression]) -> Expression | None:
    if not types[0].is_float:
        return literal(True, BOOL)
    return node("LessThan", BOOL, node("Abs", types[0], args[0]), literal(float("inf"), types[0]))  # Spark's NaN exceeds infinity


def _isinf(types: list[Type], args: list[Expression]) -> Expression | None:
    if not types[0].is_float:
        return literal(False, BOOL)
    return node("EqualTo", BOOL, node("Abs", types[0], args[0]), literal(float("inf"), types[0]))


def _same(types: list[Type], args: list[Expression]) -> Expression | None:
    return args[0]


FUNCTIONS: dict[str, Rule] = {
    "add": _arithmetic("Add", "Or"),
    "subtract": _arithmetic("Subtract"),
    "multiply": _arithmetic("Multiply", "And"),
    "divide": _divide,
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "fmod": _fmod,
    "negative": _sign_change("UnaryMinus"),
    "absolute": _sign_change("Abs"),
    "fabs": _sign_change("Abs"),
    "positive": _same,
    "conjugate": _same,
    "square": _square,
    "sqrt": _of_doubles("Sqrt"),
    "rint": _of_doubles("Rint"),
    "floor": _whole("floor"),
    "ceil": _whole("ceil"),
    "trunc": _whole("trunc"),
    "maximum": _maximum,
    "minimum": _minimum,
    "fmax": _fmax,
    "fmin": _fmin,
    "isnan": _isnan,
    "isfinite": _isfinite,
    "isinf": _isinf,
    "equal": _compare("EqualTo"),
    "not_equal": _compare("NotEqual"),
    "less": _compare("LessThan"),
    "less_equal": _compare("LessThanOrEqual"),
    "greater": _compare("GreaterThan"),
    "greater_equal": _compare("GreaterThanOrEqual"),
    "logical_and": _logical("And"),
    "logical_or": _logical("Or"),
    "logical_xor": _logical("Xor"),
    "logical_not": _logical_not,
    "bitwise_and": _bitwise("BitwiseAnd", "And"),
    "bitwise_or": _bitwise("BitwiseOr", "Or"),
    "bitwise_xor": _bitwise("BitwiseXor", "Xor"),
    "invert": _invert,
}
