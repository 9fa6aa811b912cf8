"""Calls whose arguments do not fit what implements them, to refusals: Python has more forms of a call than we take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from udf_compiler.trace.session import refuse


def check_form(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], call: str) -> None:
    """Refuses (SW262) arguments that `function` cannot be called with."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        refuse("SW262", call=call, what=f"this form ({error})")
