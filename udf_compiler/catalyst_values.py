"""What the rules of Catalyst expressions take and give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sparkweld.errors import InternalError
from sparkweld.ir import LoopBuilder, Type, Value

Expr = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Maybe:
    """A value and where it is not NULL; `valid` None: everywhere. The value is some value of its type where NULL."""

    value: Value
    valid: Value | None = None


class Translator(Protocol):
    """What a rule may ask of the translator of one expression. `demand`: see `udf_compiler.catalyst`."""

    loop: LoopBuilder

    def of(self, expr: Expr, demand: Value | None) -> Maybe: ...

    def operands(self, expr: Expr, demand: Value | None) -> list[Maybe]: ...

    def type_of(self, expr: Expr) -> Type: ...

    def negate(self, condition: Value) -> Value: ...

    def all_of(self, *conditions: Value | None) -> Value | None: ...

    def guard(self, condition: Value, *demands: Value | None) -> None: ...


Rule = Callable[[Any, Expr, Value | None], Maybe]


def ansi(expr: Expr) -> bool:
    """The flag of an expression that raises under ANSI."""
    if not isinstance(expr.get("ansi"), bool):
        raise InternalError(f"{expr['op']} came without its `ansi` flag")
    return bool(expr["ansi"])
