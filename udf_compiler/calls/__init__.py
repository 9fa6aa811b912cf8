"""The tables of calls, one library a module: which functions and methods take traced values, and what they become."""

from __future__ import annotations

from typing import Any

from udf_compiler.calls import builtins_, math_, numpy_module, pandas_, re_


def stand_in(obj: Any) -> Any:
    """What a compiled function sees in place of `obj`; None when it may not be used."""
    for table in (numpy_module, pandas_, math_, re_, builtins_):
        found = table.stand_in(obj)
        if found is not None:
            return found
    return None


__all__ = ["stand_in"]
