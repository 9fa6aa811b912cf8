"""Converts values of JSON that a function returns to lists and dicts of strings, numbers and strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkweld.contract.spark_types import StructField
from sparkweld.ir import json_texts as kinds
from sparkweld.ir.ops import StrCall
from udf_compiler.frontends.python import lists, maps
from udf_compiler.frontends.python.json_kinds import call, is_class, leave, text_of
from udf_compiler.frontends.python.json_values import TracedJson, is_dict, members, plain, scalar_of
from udf_compiler.frontends.python.of_text import element
from udf_compiler.frontends.python.operands import as_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.undecided import Undecided, decided
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.session import current

#: Types of fields -> the class of the values of JSON that kernels store in them.
_ZEROS = {kinds.STR: '""', kinds.INT: "0", kinds.FLOAT: "0.0", kinds.BOOL: "false"}
_FIELDS = {"string": kinds.STR, "long": kinds.INT, "integer": kinds.INT, "double": kinds.FLOAT, "boolean": kinds.BOOL}
#: Types of fields -> the kinds of values that a list for one may have.
_KINDS = {
    "string": ("str",), "long": ("int",), "integer": ("int",), "double": ("float", "int"), "boolean": ("bool",),
}  # fmt: skip
#: Types of fields -> a value in place of one that only Python computes.
_NOTHING = {"string": "", "long": 0, "integer": 0, "double": 0.0, "boolean": False}
_CLASSES = ("str", "int", "float", "bool")


def as_result(x: Any, type_: str, fields: Sequence[StructField] = ()) -> Any:
    """Returns a result of a function of a declared type: an array or map of strings, else a number or string.

    The values of JSON in a struct have the classes of its `fields`: rows with others run in Python.
    """
    if type(x) in (tuple, list) and len(x) == len(fields):
        return type(x)(of_field(part, field.type) for part, field in zip(x, fields, strict=True))
    if type(x) is dict and fields:
        types = {field.name: field.type for field in fields}
        return {name: of_field(part, types.get(name, "")) for name, part in x.items()}
    if type(x) is dict and type_.startswith("map<"):
        values = type_.removesuffix(">").rpartition(",")[2]
        return {key: of_field(part, values) for key, part in x.items()}
    if type(x) is list and type(current().elements) is not str:
        return [_row(part) for part in x]
    if type(x) is not TracedJson or type_ not in ("array<string>", "map<string,string>"):
        return plain(x)
    _check(x, kinds.LIST if type_ == "array<string>" else kinds.DICT)
    strings = lists.of_list(call("json_strings", text_of(x)))
    if type_ == "array<string>":
        return strings
    return maps.last_of_each(lists.of_list(call("json_keys", text_of(x))), strings)


def _row(x: Any) -> Any:
    """Returns an element of an array of structs with numbers and strings in place of values of JSON; others unchanged."""
    parts = x if type(x) is tuple else [*x.values()] if type(x) is dict else ()
    if not any(type(part) is TracedJson for part in parts):
        return x
    made = collected_parts([*x] if type(x) is dict else None, parts)
    return tuple(made) if type(x) is tuple else dict(zip(x, made, strict=True))


def collected(x: Any, declared: str | None = None) -> Any:
    """Returns a value as a part of a list or dict that grows in a loop over JSON; rows with null run in Python.

    A value of JSON has the `declared` class: that of the elements that the function is declared to return, else it is a string.
    """
    if type(x) is Undecided and type(x.value) is TracedJson:
        explorer().guard(x.valid.value)
        x = x.value
    x, elements = decided(x), current().elements
    declared = declared or (elements if type(elements) is str and elements in _FIELDS else "string")
    if x is None:
        leave()
        return _NOTHING[declared]
    return element(of_field(x, declared))


def collected_parts(names: Sequence[str] | None, parts: Sequence[Any]) -> list[Any]:
    """Returns the parts of a tuple or dict that joins a list which grows in a loop over JSON. `names`: the keys of a dict.

    Values of JSON have the classes of the fields that the function is declared to return, else they are strings.
    """
    fields = () if isinstance(current().elements, str) else current().elements
    if names is None:
        types = [field.type for field in fields] if len(fields) == len(parts) else [""] * len(parts)
    else:
        of = {field.name: field.type for field in fields}
        types = [of.get(name, "") for name in names]
    return [_collected_part(part, type_) for part, type_ in zip(parts, types, strict=True)]


def _collected_part(x: Any, type_: str) -> Any:
    if not is_scalar(x) or type_ not in _FIELDS or x.numpy or x.kind in _KINDS[type_] or x.kind not in _CLASSES:
        return of_field(x, type_ if type_ in _FIELDS else "string")
    leave()  # arithmetic with a value of JSON has a path for each class of number
    return _NOTHING[type_]


def of_field(x: Any, type_: str) -> Any:
    """Returns a value of JSON, or one that may be None, as a value of a field; anything else unchanged."""
    if type(x) is TracedJson and type_ in _FIELDS:
        explorer().guard(is_class(x, _FIELDS[type_]))
        return scalar_of(x, _FIELDS[type_])
    if type(x) is not Undecided:
        return x
    valid, value = (object.__getattribute__(x, name) for name in ("valid", "value"))
    if type(value) is not TracedJson or type_ not in _FIELDS:
        return decided(x)
    loop = explorer().loop
    absent = loop.call("logical_not", valid.value)
    explorer().guard(loop.call("logical_or", absent, is_class(value, _FIELDS[type_])))
    filled = TracedJson(loop.select(valid.value, text_of(value), as_text(_ZEROS[_FIELDS[type_]])))
    return Undecided(valid, scalar_of(filled, _FIELDS[type_]))


def strings_of(x: Any) -> Any:
    """Returns a list of the row for an array of strings of JSON, or for the keys of a dict; other objects unchanged.

    Rows with other arrays, and with strings and numbers in place of one, run in Python.
    """
    if type(x) is not TracedJson:
        return x
    if is_dict(x):
        return members(x).key_list
    _check(x, kinds.LIST)
    return lists.of_list(call("json_strings", text_of(x)))


def _check(x: TracedJson, number: int) -> None:
    """Leaves rows to Python whose value is of another class, or has other elements or values than strings."""
    run = explorer()
    run.guard(is_class(x, number))
    run.guard(run.loop.emit(StrCall("json_uniform", (kinds.STR, 0)), text_of(x)))
