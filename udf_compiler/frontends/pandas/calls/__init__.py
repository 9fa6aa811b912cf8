"""Maps the functions and methods that compiled code may call to their traced implementations, one module per library."""

from __future__ import annotations

from typing import Any

from udf_compiler.frontends.pandas.calls import builtins_, math_, numpy_module, pandas_, re_


def stand_in(obj: Any) -> Any:
    """Returns the stand-in that a compiled function sees in place of `obj`; None when `obj` is not allowed."""
    for table in (numpy_module, pandas_, math_, re_, builtins_):
        found = table.stand_in(obj)
        if found is not None:
            return found
    return None


__all__ = ["stand_in"]
