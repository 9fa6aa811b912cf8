"""Attributes and methods of symbolic scalars."""

from __future__ import annotations

from typing import Any

from udf_compiler.scalar.paths import explorer
from udf_compiler.scalar.texts import method
from udf_compiler.trace.session import refuse


def attribute(x: Any, name: str) -> Any:
    """``x.name`` of an int, float or bool. Refuses what is not known; AttributeError where Python has no such attribute."""
    if x.kind == "str":
        return method(x, name)
    real = {"bool": bool, "int": int, "float": float}[x.kind]
    if name == "is_integer":
        return lambda: _is_integer(x)
    if name in ("real", "conjugate"):
        return +x if name == "real" else lambda: +x
    if name == "imag":
        return 0.0 if x.kind == "float" else 0
    if not hasattr(real, name):
        from udf_compiler.scalar.exceptions import of_python

        raise of_python(AttributeError(f"'{x.kind}' object has no attribute {name!r}"))
    refuse("SW251", call=f"{x.kind}.{name}")


def _is_integer(x: Any) -> Any:
    from udf_compiler.scalar.numbers import make_bool

    if x.kind != "float":
        return True
    loop = explorer().loop
    finite = loop.call("isfinite", x.value)
    return make_bool(loop.call("logical_and", finite, loop.call("equal", loop.call("floor", x.value), x.value)))
