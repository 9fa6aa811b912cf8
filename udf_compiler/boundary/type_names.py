"""Converts Spark's JSON types of arrays to type names, such as ``array<double>``."""

from __future__ import annotations

from typing import Any

from sparkweld.ir.types import BOOL, F32, F64, I8, I16, I32, I64, STR, Type, list_of

#: Array types that kernels support -> their list types.
ARRAYS: dict[str, Type] = {
    f"array<{name}>": list_of(element)
    for name, element in {
        "boolean": BOOL, "byte": I8, "short": I16, "integer": I32, "long": I64, "float": F32, "double": F64,
        "string": STR,
    }.items()
}  # fmt: skip


def with_names(request: Any) -> Any:
    """Returns a request in which each JSON type object is replaced by its name, except a struct that a function returns.

    The nullability of elements is dropped: the data decides.
    """
    if isinstance(request, list):
        return [with_names(part) for part in request]
    if not isinstance(request, dict):
        return request
    if request.get("type") == "array" and "elementType" in request:
        return name_of(request)
    made = {key: name_of(value) if key == "type" else with_names(value) for key, value in request.items()}
    returned = made.get("returnType")
    if isinstance(returned, dict) and returned.get("type") != "struct":
        made["returnType"] = name_of(returned)
    return made


def name_of(type: Any) -> Any:
    """Returns the name of a type in Spark's JSON format."""
    if not isinstance(type, dict):
        return type
    kind = type.get("type")
    if kind == "array":
        return f"array<{name_of(type.get('elementType'))}>"
    if kind == "map":
        return f"map<{name_of(type.get('keyType'))},{name_of(type.get('valueType'))}>"
    if kind == "struct":
        return f"struct<{','.join(str(name_of(field.get('type'))) for field in type.get('fields', ()))}>"
    return str(type.get("class") or type.get("pyClass") or kind)
