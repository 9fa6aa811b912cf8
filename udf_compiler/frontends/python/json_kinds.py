"""Tests and reads the JSON of a value of the row, whatever its class is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import BOOL, I64
from udf_compiler.frontends.python.of_text import OfText
from udf_compiler.frontends.python.path_explorer import explorer

#: The value of a missing member.
NOTHING: Any = object()


def call(fn: str, *args: Value) -> Value:
    """Emits a function of strings."""
    return explorer().loop.emit(StrCall(fn), *args)


def text_of(x: OfText) -> Value:
    """Returns the JSON of a value."""
    return object.__getattribute__(x, "value")  # type: ignore[no-any-return]


def string(x: OfText) -> Value:
    """Returns the string of a str."""
    return call("json_string", text_of(x))


def is_class(x: OfText, number: int) -> Value:
    """Returns the condition that a value is of a class."""
    loop = explorer().loop
    return loop.call("equal", call("json_kind", text_of(x)), loop.const(number, I64))


def decide(x: OfText, number: int) -> bool:
    """Whether a value is of a class, by a fork."""
    return explorer().decide(is_class(x, number))


def raise_unless(x: OfText, number: int, error: Callable[[], Exception]) -> None:
    """Raises an exception on the path of rows whose value is of another class."""
    run = explorer()
    run.raise_if(run.loop.call("logical_not", is_class(x, number)), error)


def leave() -> None:
    """Leaves all rows of this path to Python."""
    explorer().guard(explorer().loop.const(False, BOOL))


def freeze(x: OfText) -> None:
    """Forbids changes of a document from here on: another object may refer to it, or to a view of it."""
    object.__setattr__(x, "fresh", False)
