"""Defines the interface between the translator and the rules of Catalyst expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sparkweld.errors import InternalError
from sparkweld.ir import LoopBuilder, Type, Value

Expr = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Maybe:
    """A value and where it is not NULL; `valid` None: everywhere. Where NULL, the value is an arbitrary one of its type."""

    value: Value
    valid: Value | None = None


class Translator(Protocol):
    """The part of the translator that a rule may use. `demand`: see `udf_compiler.frontends.catalyst.expressions`."""

    loop: LoopBuilder

    def of(self, expr: Expr, demand: Value | None) -> Maybe: ...

    def operands(self, expr: Expr, demand: Value | None) -> list[Maybe]: ...

    def type_of(self, expr: Expr) -> Type: ...

    def negate(self, condition: Value) -> Value: ...

    def all_of(self, *conditions: Value | None) -> Value | None: ...

    def guard(self, condition: Value, *demands: Value | None) -> None: ...


Rule = Callable[[Any, Expr, Value | None], Maybe]


def ansi(expr: Expr) -> bool:
    """Returns the `ansi` flag of an expression that raises under ANSI."""
    if not isinstance(expr.get("ansi"), bool):
        raise InternalError(f"{expr['op']} came without its `ansi` flag")
    return bool(expr["ansi"])
