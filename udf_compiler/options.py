"""What a user asks for one function, recorded in the function itself, so that it travels inside of the payload.

`sparkweld.pandas_udf` and `sparkweld.udf` record it; a function that PySpark's own decorators made has the defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Attribute of the function: ``{"exact": bool, "backend": str}``.
ATTRIBUTE = "_sparkweld_options"

BACKENDS = ("auto", "native", "python")


@dataclass(frozen=True, slots=True)
class Options:
    """`exact`: refuse what is only *kept*. `backend`: "python" leaves the function to Spark; the others compile it."""

    exact: bool = False
    backend: str = "auto"


def options_of(function: Callable[..., Any]) -> Options:
    """The options in a function of a payload; those that are missing or make no sense have their defaults."""
    try:
        given = vars(function).get(ATTRIBUTE)
    except TypeError:  # a callable without attributes
        given = None
    if not isinstance(given, dict):
        return Options()
    backend = given.get("backend")
    return Options(given.get("exact") is True, backend if backend in BACKENDS else "auto")
