"""Converts between the JSON of messages and their dataclasses, by the dataclasses' annotations.

A field ``eval_type`` is the key ``evalType``. A field with a default may be missing, except the only value of its type, such as
the kind of a step. Unknown keys are errors: the JVM and this package are of one release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from sparkweld.contract.spark_types import ReturnType, SparkType, StructArray, StructType, name_of
from sparkweld.errors import SparkWeldError

T = TypeVar("T")
_Decode = Callable[[Any], Any]
_NAMES = {str: "a string", bool: "a boolean", int: "an integer", float: "a number", NoneType: "null"}


class MessageError(SparkWeldError):
    """A frame whose lengths are valid and whose JSON is not a message of the schema; the next frame is readable."""


class _Wrong(Exception):
    """The fault of one value. Each level that it passes adds its part of the path."""

    def __init__(self, what: str, *path: str) -> None:
        self.what, self.path = what, list(path)


def decode(cls: type[T], given: Any) -> T:
    """Returns the dataclass of a JSON value. Raises MessageError."""
    try:
        return decoder_of(cls)(given)  # type: ignore[arg-type, no-any-return]
    except _Wrong as wrong:
        path = "".join(reversed(wrong.path)).lstrip(".")
        raise MessageError(f"{path or _name(cls)}: {wrong.what}") from None
    except RecursionError:
        raise MessageError(f"{_name(cls)}: nested too deeply") from None


def return_type_of(given: Any) -> ReturnType:
    """Returns the type of Spark's JSON of a type. Raises MessageError."""
    return decode(ReturnType, given)  # type: ignore[arg-type, no-any-return]


def encode(value: Any) -> Any:
    """Returns the JSON value of a dataclass, or of a container of dataclasses. Omits the fields that hold their defaults."""
    plan = _encoding(type(value))  # type: ignore[arg-type]
    if plan is not None:
        return {name: encode(x) for name, get, default in plan if (x := get(value)) is not default and x != default}
    if isinstance(value, list | tuple):
        return [encode(x) for x in value]
    return {key: encode(x) for key, x in value.items()} if isinstance(value, Mapping) else value


def wire_name(attribute: str) -> str:
    """Returns the key of a field: ``eval_type`` -> ``evalType``."""
    first, *others = attribute.split("_")
    return first + "".join(map(str.title, others))


def default_of(field: Field[Any]) -> Any:
    """Returns the value of a missing field; MISSING for a required one."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def is_constant(annotation: Any) -> bool:
    """Whether a type has only one value, such as the kind of a step."""
    return get_origin(annotation) is Literal and len(get_args(annotation)) == 1


@cache
def hints_of(cls: type) -> dict[str, Any]:
    """Returns the annotations of a dataclass, by field."""
    return get_type_hints(cls, include_extras=True)


@cache
def _encoding(cls: type) -> list[tuple[str, Callable[[Any], Any], Any]] | None:
    if not is_dataclass(cls):
        return None
    required = {name for name, hint in hints_of(cls).items() if is_constant(hint)}
    return [(wire_name(f.name), attrgetter(f.name), MISSING if f.name in required else default_of(f)) for f in fields(cls)]


@cache
def decoder_of(of: Any) -> _Decode:
    """Returns the function that decodes values of a type."""
    if of == SparkType:
        return _spark_type
    origin, args = get_origin(of), get_args(of)
    if origin is Annotated or of is Any:
        return lambda given: given
    if origin in (Union, UnionType):
        return _union(args)
    if origin is Literal:
        return _literal(args)
    if origin is tuple:
        return _items(decoder_of(args[0]))
    if origin in (dict, Mapping):
        return _entries(decoder_of(args[1]))
    return _object(of) if is_dataclass(of) else _leaf((of,))


def _name(cls: Any) -> str:
    return getattr(cls, "__name__", str(cls))


def _leaf(types: tuple[type, ...]) -> _Decode:
    accepted = frozenset(types) | ({int} if float in types else set())
    what = "expected " + " or ".join(_NAMES[type] for type in types)

    def leaf(given: Any) -> Any:
        if type(given) in accepted:
            return given
        raise _Wrong(what)

    return leaf


def _literal(values: tuple[Any, ...]) -> _Decode:
    what = "expected " + " or ".join(map(repr, values))

    def literal(given: Any) -> Any:
        if isinstance(given, str) and given in values:
            return given
        raise _Wrong(what)

    return literal


def _spark_type(given: Any) -> str:
    if type(given) is str:
        return given
    if type(given) is dict and "type" in given:
        return name_of(given)
    raise _Wrong("expected a type")


def _union(args: tuple[Any, ...]) -> _Decode:
    if SparkType in args and StructType in args:  # the declared type of a result
        return _return_type(_object(StructType), _object(StructArray))
    if all(map(is_dataclass, args)):
        return _tagged({get_args(hints_of(one)["kind"])[0]: decoder_of(one) for one in args})
    # On Python 3.10, `tuple[str, ...]` is an instance of `type` as well.
    if all(isinstance(one, type) and get_origin(one) is None and not is_dataclass(one) for one in args):
        return _leaf(args)
    (some,) = (decoder_of(one) for one in args if one is not NoneType)
    return lambda given: None if given is None else some(given)


def _return_type(struct: _Decode, structs: _Decode) -> _Decode:
    def return_type(given: Any) -> Any:
        kind = given.get("type") if type(given) is dict else None
        element = given.get("elementType") if kind == "array" else None
        if kind == "struct":
            return struct(given)
        return structs(given) if type(element) is dict and element.get("type") == "struct" else _spark_type(given)

    return return_type


def _tagged(decoders: dict[str, _Decode]) -> _Decode:
    def tagged(given: Any) -> Any:
        kind = given.get("kind") if type(given) is dict else None
        if not isinstance(kind, str) or kind not in decoders:
            raise _Wrong(f"expected one of {', '.join(decoders)}", ".kind")
        return decoders[kind](given)

    return tagged


def _items(item: _Decode) -> _Decode:
    def items(given: Any) -> Any:
        if type(given) is not list:
            raise _Wrong("expected an array")
        made: list[Any] = []
        try:
            for x in given:
                made.append(item(x))
        except _Wrong as wrong:
            wrong.path.append(f"[{len(made)}]")
            raise
        return tuple(made)

    return items


def _entries(value: _Decode) -> _Decode:
    def entries(given: Any) -> Any:
        if type(given) is not dict:
            raise _Wrong("expected an object")
        made: dict[str, Any] = {}
        for key, x in given.items():
            try:
                made[key] = value(x)
            except _Wrong as wrong:
                wrong.path.append(f".{key}")
                raise
        return made

    return entries


def _object(cls: Any) -> _Decode:
    hints = hints_of(cls)
    plan: dict[str, tuple[str, _Decode]] = {}
    required = frozenset(f.name for f in fields(cls) if is_constant(hints[f.name]) or default_of(f) is MISSING)

    def read(given: Any) -> Any:
        if type(given) is not dict:
            raise _Wrong("expected an object")
        if not plan:  # made here, as an expression contains expressions
            plan.update((wire_name(f.name), (f.name, decoder_of(hints[f.name]))) for f in fields(cls))
        made: dict[str, Any] = {}
        for key, value in given.items():
            known = plan.get(key)
            if known is None:
                raise _Wrong("unknown key", f".{key}")
            try:
                made[known[0]] = known[1](value)
            except _Wrong as wrong:
                wrong.path.append(f".{key}")
                raise
        if not required <= made.keys():
            raise _Wrong("missing", f".{wire_name(min(required - made.keys()))}")
        return cls(**made)

    return read
