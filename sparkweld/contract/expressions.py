"""Defines Catalyst expressions in messages, in both directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sparkweld.contract.spark_types import SparkType


class _Absent:
    """The value of an expression that has none; None is the literal NULL."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final[Any] = _Absent()

#: The value of a literal: floats as hexadecimal strings, and other numbers as decimal strings.
Scalar = None | bool | int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A Catalyst expression: a column, a literal, or an operator over `args`."""

    op: str
    type: SparkType
    nullable: bool = True
    args: tuple[Expression, ...] = ()
    #: Of a column, or of a stored vector.
    name: str = ""
    #: Of a literal.
    value: Scalar = ABSENT
    #: Of the fields of CreateNamedStruct.
    names: tuple[str, ...] = ()
    #: Whether the operator raises where ANSI SQL does.
    ansi: bool | None = None
    #: The time zone of a function of a timestamp.
    zone: str | None = None
    #: Whether the size of NULL is -1.
    legacy: bool = False
    #: The number of the description of an ML function.
    stage: int = -1
    #: The index of an element of a vector.
    at: int = -1
    #: Of a stored vector, where it is known.
    size: int | None = None
    #: The error that RaisePython raises.
    error: str = ""

    @property
    def is_null(self) -> bool:
        """Whether it is the literal NULL."""
        return self.op == "Literal" and self.value is None
