"""Defines functions that the interpreted one defines and that read its variables of the row, as in ``lambda x: x * factor``."""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType
from typing import Any, NoReturn

from udf_compiler.frontends.tracing.session import refuse


@dataclass(frozen=True, slots=True)
class Closure:
    """A function with the values of variables of the row, as of its definition.

    `function` has empty cells for these variables, `names` their names. A call passes their values as further variables.
    """

    function: FunctionType
    names: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def variables(self) -> dict[str, Any]:
        """Returns the values of the variables by name."""
        return dict(zip(self.names, self.values, strict=True))

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuses (SW280) a call by Python's own code."""
        refuse("SW280", what="a function that it defines, with a variable of its own")


def opened(function: Any) -> tuple[Any, dict[str, Any]]:
    """Returns the function of a closure, and its variables of the row; any other function with none."""
    return (function.function, function.variables) if type(function) is Closure else (function, {})
