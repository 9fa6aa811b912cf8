"""Defines the base of symbolic objects that one string of the row determines, such as bytes or a match."""

from __future__ import annotations

from typing import Any

from sparkweld.ir import Value
from udf_compiler.frontends.tracing.values import Traced


class OfText(Traced):
    """An object of the row that the string `value` determines; its other slots are the same for all rows."""

    __slots__ = ("value",)

    value: Value

    @property
    def same(self) -> tuple[Any, ...]:
        """Returns what is the same for all rows, as the arguments of the class after the string."""
        raise NotImplementedError

    def as_element(self) -> Any:
        """Returns the object as an element of a list of strings, if it may be one."""
        return self


def of(x: OfText, value: Value) -> OfText:
    """Returns an object of the same class as `x` that another string determines."""
    return type(x)(value, *object.__getattribute__(x, "same"))  # type: ignore[call-arg]


def element(x: Any) -> Any:
    """Returns an object as an element of a list."""
    return object.__getattribute__(x, "as_element")() if is_of_text(x) else x


def is_of_text(x: object) -> bool:
    """Whether `x` is an object that a string determines; `isinstance` would trust `__class__`."""
    return issubclass(type(x), OfText)
