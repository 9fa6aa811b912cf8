"""Marks helpers of a loop over rows that Python calls itself: their calls are interpreted, or become regions."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from udf_compiler.frontends.tracing.stand_ins import StandIn


class Helper(StandIn):
    """A function of user code with a call of its own in a loop over rows, see `call`."""

    __slots__ = ("call", "stands_for")
    what = "helper"

    def __init__(self, function: FunctionType, call: Any) -> None:
        self.stands_for, self.call = function, call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(self.stands_for, args, kwargs)


def function_of(x: Any) -> Any:
    """Returns the function of a helper, for code that is interpreted already; anything else unchanged."""
    return x.stands_for if type(x) is Helper else x
