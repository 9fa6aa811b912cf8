"""Reads a user's options for one function, which the function itself records so that they travel inside the payload.

`sparkweld.pandas_udf`, `sparkweld.udf` and `sparkweld.cascade.apply` record them; other functions have the defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: The function attribute: ``{"exact": bool, "backend": str, "cascade": str}``.
ATTRIBUTE = "_sparkweld_options"

BACKENDS = ("auto", "native", "python")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a function.

    `exact`: refuse approximate kernels. `backend`: "python" leaves the function to Spark; the others compile it. `cascade`: the
    directory of the cascade in front of a black box, or "".
    """

    exact: bool = False
    backend: str = "auto"
    cascade: str = ""


def options_of(function: Callable[..., Any]) -> Options:
    """Returns the options of a function in a payload; missing or invalid ones have their defaults."""
    try:
        given = vars(function).get(ATTRIBUTE)
    except TypeError:  # a callable without attributes
        given = None
    if not isinstance(given, dict):
        return Options()
    backend, cascade = given.get("backend"), given.get("cascade")
    return Options(
        given.get("exact") is True, backend if backend in BACKENDS else "auto", cascade if isinstance(cascade, str) else ""
    )
