"""The math module in compiled functions: constants and functions of constants; a traced argument is refused by `__float__`."""

from __future__ import annotations

import math
from typing import Any


def stand_in(obj: Any) -> Any:
    """The stand-in of the module math or one of its functions, or None."""
    if obj is math:
        return obj
    return obj if getattr(obj, "__module__", None) == "math" and callable(obj) else None
