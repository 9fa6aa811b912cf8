"""Defines the types of columns in messages: names, and the fields of a struct that a function returns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

#: The name of a Spark type, such as ``array<double>``. On the wire, it is Spark's JSON of the type: a name or an object. The
#: nullability of elements is dropped: the data decides.
SparkType = Annotated[str, "SparkType"]

#: The name of the type of vectors of Spark's ML library.
VECTOR_TYPE = "vector"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StructArray:
    """The type of the arrays of structs that a function returns. `contains_null`: whether an element may be NULL."""

    type: Literal["array"] = "array"
    element_type: StructType
    contains_null: bool = True

    def __str__(self) -> str:
        """Returns its name, as `name_of` does."""
        return f"array<{self.element_type}>"


_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")

#: The most digits of a decimal column that kernels support: that many fit an int64.
MOST_DIGITS = 18


def decimal_of(type: SparkType) -> tuple[int, int] | None:
    """Returns the precision and the scale of a decimal type of at most 18 digits; None for another type."""
    found = _DECIMAL.fullmatch(type)
    precision, scale = (int(found[1]), int(found[2])) if found else (0, 0)
    return (precision, scale) if 1 <= precision <= MOST_DIGITS and scale <= precision else None


def unscaled_type(type: SparkType) -> SparkType:
    """Returns the type of the numbers without decimal point as which Spark stores such decimals; another type unchanged."""
    found = decimal_of(type)
    return type if found is None else "integer" if found[0] <= 9 else "long"


def stored_as(type: SparkType) -> SparkType:
    """Returns the type of a program's column that holds results of a type: dense vectors and arrays of times are numbers."""
    times = time_of_array(type)
    return "array<double>" if type == VECTOR_TYPE else type if times is None else f"array<{TIMES[times]}>"


#: The declared type of a function's result.
ReturnType = SparkType | StructType | StructArray


def fields_of(type: ReturnType) -> tuple[StructField, ...] | None:
    """Returns the fields of a struct type; None for another type."""
    return type.fields if isinstance(type, StructType) else None


#: Spark types of the elements of arrays, and of the keys and values of maps, that kernels support.
ELEMENTS = ("boolean", "byte", "short", "integer", "long", "float", "double", "string")

#: Spark types of dates and timestamps -> those of the numbers that arrays of them are stored as.
TIMES = {"date": "integer", "timestamp": "long", "timestamp_ntz": "long"}


def time_of_array(type: SparkType) -> SparkType | None:
    """Returns the type of the elements of an array of dates or timestamps; None for another type."""
    element = type.removeprefix("array<").removesuffix(">")
    return element if element in TIMES and element != type else None


_MAP = re.compile(f"map<({'|'.join(ELEMENTS)}),({'|'.join(ELEMENTS)})>")


#: The arrays that a map is stored as. `absent`: whether a value is NULL; NULL where all are present.
MAP_PARTS = ("keys", "values", "absent")


def map_parts(type: str) -> tuple[str, str, str] | None:
    """Returns the types of the arrays that a map is stored as (`MAP_PARTS`); None for another type."""
    found = _MAP.fullmatch(type)
    return None if found is None else (f"array<{found[1]}>", f"array<{found[2]}>", "array<boolean>")


_MAP_OF_LISTS = re.compile(f"map<({'|'.join(ELEMENTS)}),(array<.+>)>")


def list_parts(type: str) -> tuple[tuple[str, str], ...] | None:
    """Returns the names and types of the arrays that an array of arrays is stored as; None for another type.

    These are the indices at which each array starts and ends among the elements of all, and these elements, or their parts.
    """
    inner = type.removeprefix("array<").removesuffix(">")
    if not inner.startswith("array<") or inner == type:
        return None
    element = inner.removeprefix("array<").removesuffix(">")
    inside = (("elements", inner),) if element in ELEMENTS else list_parts(inner)
    if inside is None:
        return None
    found = inside if element in ELEMENTS else tuple((f"elements.{name}", part) for name, part in inside)
    return (("starts", "array<long>"), ("ends", "array<long>"), *found)


def map_of_lists(type: str) -> tuple[str, str] | None:
    """Returns the types of the arrays of the keys and of the values of a map to arrays; None for another type."""
    found = _MAP_OF_LISTS.fullmatch(type)
    return None if found is None else (f"array<{found[1]}>", f"array<{found[2]}>")


def _parts_of(type: str) -> list[tuple[str, str]] | None:
    """Returns the names and types of the arrays that a map, or an array of arrays, is stored as; None for another type."""
    parts = map_parts(type)
    if parts is not None:
        return list(zip(MAP_PARTS, parts, strict=True))
    keyed = map_of_lists(type)
    inside = list_parts(type if keyed is None else keyed[1])
    if inside is None:
        return None
    return list(inside) if keyed is None else [("keys", keyed[0]), *((f"values.{name}", part) for name, part in inside)]


def columns_of(type: ReturnType) -> tuple[StructField, ...] | None:
    """Returns the columns that values of a struct, a map or an array of structs are stored as; None for another type.

    A map is stored as arrays (`MAP_PARTS`), and so is an array of arrays (`list_parts`). A map to arrays is stored as its keys
    and the parts of its values. A struct is stored as one column for each field, or the columns of these. An array of structs
    is stored as two arrays for each field: its values, and whether a value is NULL. One more array is whether an element is NULL.
    Each of these arrays of bools is NULL where nothing is.
    """
    if isinstance(type, StructArray):
        return _columns_of_elements(type.element_type.fields)
    fields = fields_of(type)
    if fields is not None:
        return tuple(column for field in fields for column in _columns_of_field(field))
    parts = _columns_of_field(StructField(name="", type=str(type)))
    return parts if len(parts) > 1 else None


def _columns_of_elements(fields: tuple[StructField, ...]) -> tuple[StructField, ...] | None:
    if not fields or any(field.type not in ELEMENTS and field.type not in TIMES for field in fields):
        return None
    named = [(f"{at}.{field.name}", f"array<{field.type}>") for at, field in enumerate(fields)]
    parts = [part for name, type in named for part in ((name, type), (f"{name}.absent", "array<boolean>"))]
    return tuple(StructField(name=name, type=type) for name, type in (*parts, ("absent", "array<boolean>")))


def _columns_of_field(field: StructField) -> tuple[StructField, ...]:
    parts = _parts_of(field.type)
    if parts is None:
        return (field,)
    named = [replace(field, name=f"{field.name}.{part}", type=type) for part, type in parts]
    return tuple(replace(part, nullable=True) if name == "absent" else part for part, (name, _) in zip(named, parts, strict=True))


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
