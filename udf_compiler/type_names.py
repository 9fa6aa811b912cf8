"""Spark's types of arrays, objects in JSON, to the names that they have here: ``array<double>``, as other types have names."""

from __future__ import annotations

from typing import Any

from sparkweld.ir.types import BOOL, F32, F64, I8, I16, I32, I64, STR, Type, list_of

#: Arrays that kernels hold -> their lists.
ARRAYS: dict[str, Type] = {
    f"array<{name}>": list_of(element)
    for name, element in {
        "boolean": BOOL, "byte": I8, "short": I16, "integer": I32, "long": I64, "float": F32, "double": F64,
        "string": STR,
    }.items()
}  # fmt: skip


def with_names(request: Any) -> Any:
    """A request in which each array of a simple type has its name. Whether elements may be NULL is left out: data decides."""
    if isinstance(request, list):
        return [with_names(part) for part in request]
    if not isinstance(request, dict):
        return request
    if request.get("type") == "array" and isinstance(request.get("elementType"), str):
        return f"array<{request['elementType']}>"
    return {key: with_names(value) for key, value in request.items()}
