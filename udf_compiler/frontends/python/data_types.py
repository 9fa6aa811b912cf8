"""Represents Spark's data types and schemas that a function captures: their names, fields and classes are constants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from pyspark.sql import types

from udf_compiler.frontends.python import row_class
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.constants import Guarded, method_of, unwrapped
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, module_stand_in

#: Attributes of instances that are data.
_ATTRIBUTES = frozenset(
    """name nullable dataType names fields elementType containsNull keyType valueType valueContainsNull precision scale
    length""".split()
)
_METHODS = frozenset("fieldNames simpleString typeName".split())


class TypeConstant(Guarded):
    """A data type or a field of a schema. `rebuild` returns the copy of what it holds."""

    __slots__ = ("_rebuild",)
    what = "data type of Spark"

    def __init__(self, constant: types.DataType, rebuild: Callable[[Any], Any]) -> None:
        super().__init__(constant)
        self._rebuild = rebuild

    def _more_names(self) -> Any:
        return vars(self._constant)

    def __getattr__(self, name: str) -> Any:
        call = f"{type(self._constant).__name__}.{name}"
        if name in _ATTRIBUTES:
            return self._rebuild(getattr(self._constant, name))
        if name not in _METHODS:
            refuse("SW263", name=call)
        return method_of(getattr(self._constant, name), call)

    def __eq__(self, other: object) -> bool:
        return self._same(other)

    def __ne__(self, other: object) -> bool:
        return not self._same(other)

    __hash__ = Guarded.__hash__  # refuses: PYTHONHASHSEED decides it

    def _same(self, other: object) -> bool:
        if issubclass(type(other), StandIn) and not issubclass(type(other), TypeConstant):
            refuse("SW259", call=f"== of a {self.what}")
        return bool(self._constant == unwrapped(other))


class SchemaConstant(TypeConstant):
    """A StructType."""

    __slots__ = ()
    what = "schema"

    def __len__(self) -> int:
        return len(self._constant)

    def __bool__(self) -> bool:
        return len(self._constant) > 0

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rebuild(self._constant.fields))

    def __getitem__(self, key: Any) -> Any:
        fields = self._constant.fields
        if type(key) is str:
            found = next((field for field in fields if field.name == key), None)
        else:
            found = fields[key] if type(key) is int and -len(fields) <= key < len(fields) else None
        if found is None:
            refuse("SW263", name="StructType[...] of anything but a name or a place in it")
        return self._rebuild(found)


def constant_of(original: Any, rebuild: Callable[[Any], Any]) -> TypeConstant | None:
    """Returns a data type as a constant; None for any other object, or a type defined elsewhere."""
    kind: Any = type(original)
    if kind.__module__ != types.__name__ or not issubclass(kind, types.DataType):
        return None
    if _is_singleton(kind) and kind() is original:
        return _single(kind)
    return (SchemaConstant if kind is types.StructType else TypeConstant)(original, rebuild)


def _is_singleton(kind: type) -> bool:
    """Whether all calls of a class return one object; a pickled one is another object."""
    return type(kind) is types.DataTypeSingleton


@cache
def _single(kind: Any) -> TypeConstant:
    return TypeConstant(kind(), lambda held: held)


@cache
def _class(kind: Any) -> Any:
    """Returns the one stand-in of a class of data types: functions compare classes by `is`."""

    def make() -> TypeConstant:
        if _is_singleton(kind):
            return _single(kind)
        if kind is not types.StringType:
            refuse("SW263", name=f"{kind.__name__}()")
        return TypeConstant(kind(), lambda held: held)

    return class_stand_in(kind, kind.__name__, make)


def _attribute(name: str) -> Any:
    member = getattr(types, name, None)
    found = stand_in(member) or row_class.stand_in(member)
    if found is None:
        refuse("SW263", name=f"pyspark.sql.types.{name}")
    return found


_MODULE = module_stand_in(types, "pyspark.sql.types", _attribute)


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of a class of data types, or of their module, or None."""
    if obj is types:
        return _MODULE
    of_types = isinstance(obj, type) and obj.__module__ == types.__name__ and issubclass(obj, types.DataType)
    return _class(obj) if of_types else None
