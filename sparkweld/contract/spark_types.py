"""Defines the types of columns in messages: names, and the fields of a struct that a function returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

#: The name of a Spark type, such as ``array<double>``. On the wire, it is Spark's JSON of the type: a name or an object. The
#: nullability of elements is dropped: the data decides.
SparkType = Annotated[str, "SparkType"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StructField:
    """A field of a struct type. `metadata` is Spark's own and has no meaning here."""

    name: str
    type: SparkType
    nullable: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StructType:
    """The type of the rows that a function returns."""

    type: Literal["struct"] = "struct"
    fields: tuple[StructField, ...]

    def __str__(self) -> str:
        """Returns its name, as that of a nested struct."""
        return f"struct<{','.join(field.type for field in self.fields)}>"


#: The declared type of a function's result.
ReturnType = SparkType | StructType


def fields_of(type: ReturnType) -> tuple[StructField, ...] | None:
    """Returns the fields of a struct type; None for another type."""
    return type.fields if isinstance(type, StructType) else None


def name_of(type: Any) -> str:
    """Returns the name of a type in Spark's JSON format."""
    if not isinstance(type, dict):
        return str(type)
    kind = type.get("type")
    if kind == "array":
        return f"array<{name_of(type.get('elementType'))}>"
    if kind == "map":
        return f"map<{name_of(type.get('keyType'))},{name_of(type.get('valueType'))}>"
    if kind == "struct":
        return f"struct<{','.join(name_of(field.get('type')) for field in type.get('fields', ()))}>"
    return str(type.get("class") or type.get("pyClass") or kind)
