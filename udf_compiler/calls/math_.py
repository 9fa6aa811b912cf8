"""The module math in compiled functions: its functions take constants and the scalars of a row; columns are refused."""

from __future__ import annotations

import math
from typing import Any

from udf_compiler.scalar.math_calls import MATH, MathFunction


def stand_in(obj: Any) -> Any:
    """The stand-in of the module math or one of its functions, or None."""
    if obj is math:
        return MATH
    if getattr(obj, "__module__", None) == "math" and callable(obj):
        return MathFunction(obj.__name__, obj)
    return None
