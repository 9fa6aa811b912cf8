"""A user function to a checked copy that may be run on symbolic values, or to a refusal.

A kernel may replace a function only when the function is a pure one of its arguments: no state carried from batch to batch,
no I/O, no randomness, no time. That is proved before anything runs, for all code that the function can reach.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from udf_compiler.bytecode import Use, first_use
from udf_compiler.payload import name_of
from udf_compiler.rebuild import Rebuilder


@dataclass(frozen=True, slots=True)
class Prepared:
    """The copy to run, the place of the original for messages, and what must hold after the run."""

    function: Callable[..., Any]
    place: str
    _rebuilder: Rebuilder

    def check_unchanged(self) -> None:
        """Refuses (SW217) a function that changed data it captured: its next result might differ."""
        self._rebuilder.snapshot.check()


def prepare(function: Callable[..., Any], stand_in: Callable[[object], object | None]) -> Prepared:
    """The checked copy of `function`. `stand_in` maps library objects to what the copy sees of them, None when it may not.

    Refuses SW210 to SW221 with the place in the user's code.
    """
    rebuilder = Rebuilder(stand_in)
    use = use_of(function)
    copy = rebuilder.value(function, use)
    return Prepared(copy, use.place, rebuilder)


def use_of(function: Callable[..., Any]) -> Use:
    """The function itself as a place: its first line when it is written in Python."""
    code = _code_of(function)
    name = name_of(function)
    return first_use(code, name) if code is not None else Use(name, "", name)


def _code_of(function: Any) -> types.CodeType | None:
    while not isinstance(function, types.FunctionType):
        if isinstance(function, types.MethodType):
            function = function.__func__
        elif hasattr(function, "func"):
            function = function.func  # functools.partial
        else:
            function = getattr(type(function), "__call__", None)
            return function.__code__ if isinstance(function, types.FunctionType) else None
    return function.__code__
