"""Evaluates urllib.parse.parse_qsl of a string of the row: a list of pairs, by a definition in Python that is interpreted."""

from __future__ import annotations

import builtins
import urllib.parse
from types import FunctionType
from typing import Any

from udf_compiler.frontends.python import url_calls
from udf_compiler.frontends.python.builtin_calls import is_builtin
from udf_compiler.frontends.python.regions.machine import Machine
from udf_compiler.frontends.python.values import is_string


def _pairs(text):  # type: ignore[no-untyped-def]
    made = []
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if value:
            made.append((unquote_plus(name), unquote_plus(value)))  # type: ignore[name-defined]  # noqa: F821
    return made


_SCOPE = {
    "__name__": "urllib.parse", "__builtins__": builtins, "unquote_plus": url_calls.stand_in(urllib.parse.unquote_plus),
}  # fmt: skip
_PAIRS = FunctionType(_pairs.__code__, _SCOPE, "parse_qsl")


def pairs(machine: Machine, function: Any, args: list[Any], kwargs: dict[str, Any]) -> tuple[Any] | None:
    """Returns ``parse_qsl(text)`` of a string of the row in a tuple; None for other calls."""
    if kwargs or len(args) != 1 or not is_string(args[0]) or not is_builtin(function, urllib.parse.parse_qsl):
        return None
    return (machine.call(_PAIRS, args, {}),)
