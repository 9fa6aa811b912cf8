"""Provides the stand-in of the module math: its functions accept constants and scalars of a row, and refuse columns."""

from __future__ import annotations

import math
from typing import Any

from udf_compiler.frontends.python.math_calls import MATH, MathFunction


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module math or of one of its functions, or None."""
    if obj is math:
        return MATH
    if getattr(obj, "__module__", None) == "math" and callable(obj):
        return MathFunction(obj.__name__, obj)
    return None
