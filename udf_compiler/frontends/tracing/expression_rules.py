"""Defines the interface between the translator and the rules of Catalyst expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sparkweld.contract.expressions import Expression
from sparkweld.errors import InternalError
from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.types import BOOL, STR


@dataclass(frozen=True, slots=True)
class Maybe:
    """A value and where it is not NULL; `valid` None: everywhere. Where NULL, the value is an arbitrary one of its type."""

    value: Value
    valid: Value | None = None


class Translator(Protocol):
    """The part of the translator that a rule may use. `demand`: see `udf_compiler.frontends.catalyst.expressions`."""

    loop: LoopBuilder

    def of(self, expr: Expression, demand: Value | None) -> Maybe: ...

    def operands(self, expr: Expression, demand: Value | None) -> list[Maybe]: ...

    def type_of(self, expr: Expression) -> Type: ...

    def negate(self, condition: Value) -> Value: ...

    def all_of(self, *conditions: Value | None) -> Value | None: ...

    def guard(self, condition: Value, *demands: Value | None) -> None: ...


def literal_value(value: object, type: Type) -> object:
    """Returns the value of a literal as messages hold it: numbers as strings, those of floating point in hexadecimal."""
    if type == STR:
        return value
    if type == BOOL:
        return bool(value)
    return float.fromhex(str(value)) if type.is_float else int(str(value))


Rule = Callable[[Any, Expression, Value | None], Maybe]


def ansi(expr: Expression) -> bool:
    """Returns the `ansi` flag of an expression that raises under ANSI."""
    if expr.ansi is None:
        raise InternalError(f"{expr.op} came without its `ansi` flag")
    return expr.ansi
