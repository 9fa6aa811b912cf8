"""Represents values of JSON whose class the row decides: the path forks by class where the function needs it.

A value is its text in the document. `null` is None from the start, as no symbolic value is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir import json_texts as kinds
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import BOOL, I64
from udf_compiler.frontends.python import lists, strings
from udf_compiler.frontends.python.of_text import OfText, element
from udf_compiler.frontends.python.operands import as_text, is_number, is_text, kind_of, make_bool, make_int, make_text
from udf_compiler.frontends.python.path_explorer import both, explorer
from udf_compiler.frontends.python.values import TracedScalar, binary, is_scalar, scalar_kind
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import called_by_user, in_place
from udf_compiler.frontends.tracing.values import raw

_CLASSES: dict[int, type] = {
    kinds.BOOL: bool, kinds.INT: int, kinds.FLOAT: float, kinds.STR: str, kinds.LIST: list, kinds.DICT: dict,
}  # fmt: skip

#: The most elements of an array that a path visits.
_LOOP_LIMIT = 40


class _AnyName:
    """The attributes of all classes of values."""

    def __contains__(self, name: str) -> bool:
        return any(hasattr(kind, name) for kind in _CLASSES.values())


class TracedJson(OfText):
    """A value of JSON other than null."""

    __slots__ = ()
    what = "value of JSON"
    exact = False

    def __init__(self, value: Value) -> None:
        self.value = value

    @property
    def same(self) -> tuple[Any, ...]:
        return ()

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return class_of(self)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return class_of(self) if called_by_user(3) else TracedJson  # checks of our own code do not fork

    def as_element(self) -> Any:
        """Returns the value as an element of a list of strings; rows with other elements run in Python."""
        explorer().guard(_is(self, kinds.STR))
        return make_text(_string(self))

    def _more_names(self) -> Any:
        return _AnyName()

    def __bool__(self) -> bool:
        return explorer().decide(_call("json_truth", _text(self)))

    def __getitem__(self, key: Any) -> Any:
        return _item(self, key)

    def __iter__(self) -> Iterator[Any]:
        return _iterate(self)

    def __contains__(self, part: Any) -> bool:
        return _contains(self, part)

    def __getattr__(self, name: str) -> Any:
        return _attribute(self, name)

    def __hash__(self) -> int:
        return hash(plain(self))

    def __format__(self, spec: str) -> str:
        x = plain(self)
        return scalar_kind(x).format(x, spec) if is_scalar(x) else format(x, spec)

    def __round__(self, digits: Any = None) -> Any:
        return round(plain(self), digits)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if name in ("eq", "ne") and type(other) is str:
            loop = explorer().loop
            same = both(loop, _is(self, kinds.STR), loop.call("equal", _string(self), as_text(other)))
            return make_bool(same if name == "eq" else loop.call("logical_not", same))
        if name in ("eq", "ne") and other is None:
            return name == "ne"
        x = settled(self)
        if name in ("eq", "ne") and type(x) is TracedJson and (is_scalar(other) or type(other) in (int, float, bool)):
            return name == "ne"
        x, y = plain(x), plain(other)
        if not is_scalar(x) and not is_scalar(y):
            refuse("SW262", call=name, what="a value of JSON")
        return binary(name, y, x) if reflected else binary(name, x, y)

    def _unary(self, name: str) -> Any:
        x = plain(self)
        return scalar_kind(x).unary(name, x)


def _call(fn: str, *args: Value) -> Value:
    return explorer().loop.emit(StrCall(fn), *args)


def _text(x: TracedJson) -> Value:
    return object.__getattribute__(x, "value")  # type: ignore[no-any-return]


def _string(x: TracedJson) -> Value:
    return _call("json_string", _text(x))


def _is(x: TracedJson, number: int) -> Value:
    """Returns the condition that a value is of a class."""
    loop = explorer().loop
    return loop.call("equal", _call("json_kind", _text(x)), loop.const(number, I64))


def _decide(x: TracedJson, number: int) -> bool:
    return explorer().decide(_is(x, number))


def class_of(x: TracedJson) -> type:
    """Returns the class of a value, by a fork for each."""
    for number in (kinds.STR, kinds.DICT, kinds.LIST, kinds.INT, kinds.FLOAT):
        if _decide(x, number):
            return _CLASSES[number]
    return bool


def is_instance(x: TracedJson, classes: tuple[Any, ...]) -> bool:
    """Returns ``isinstance(x, classes)`` by as few forks as there are classes."""
    wanted = [number for number, kind in _CLASSES.items() if issubclass(kind, classes)]
    return any(_decide(x, number) for number in wanted)


def of(text: Value) -> Any:
    """Returns the value of a text: None for null."""
    x = TracedJson(text)
    return None if _decide(x, kinds.NULL) else x


def settled(x: Any) -> Any:
    """Returns a value of JSON as a Python value of its class; one that is a list or dict unchanged, as any other object."""
    if type(x) is not TracedJson:
        return x
    run = explorer()
    if _decide(x, kinds.STR):
        return make_text(_string(x))
    if _decide(x, kinds.INT):
        return strings.to_int(make_text(_text(x)))
    if _decide(x, kinds.FLOAT):
        return strings.to_float(make_text(_text(x)))
    if _decide(x, kinds.BOOL):
        return make_bool(run.loop.call("equal", _text(x), as_text("true")))
    return x


def _leave() -> None:
    """Leaves all rows of this path to Python."""
    explorer().guard(explorer().loop.const(False, BOOL))


def plain(x: Any) -> Any:
    """Returns a value of JSON as a number or string. Lists and dicts run in Python."""
    made = settled(x)
    if type(made) is not TracedJson:
        return made
    _leave()
    return make_text(_string(made))


def collected(x: Any) -> Any:
    """Returns a value as an element of a list that grows in a loop over JSON: a string; rows with null run in Python."""
    if x is None:
        _leave()
        return ""
    return element(x)


def _raise_unless(x: TracedJson, number: int, error: Callable[[], Exception]) -> None:
    run = explorer()
    run.raise_if(run.loop.call("logical_not", _is(x, number)), error)


def _found(text: Value) -> Any:
    """Returns the value of an optional text, None for null; NOTHING where there is no text."""
    run = explorer()
    return of(run.loop.value_of(text)) if run.decide(run.loop.is_valid(text)) else NOTHING


NOTHING: Any = object()


def _item(x: TracedJson, key: Any) -> Any:
    key = settled(key)
    if is_text(key):
        _raise_unless(x, kinds.DICT, lambda: TypeError("indices must be integers"))
        found = _found(_call("json_member", _text(x), as_text(key)))
        if found is NOTHING:
            raise in_place(KeyError(key))
        return found
    if (is_number(key) and kind_of(key) == "int") or isinstance(key, slice):
        if _decide(x, kinds.LIST):
            if isinstance(key, slice):
                refuse("SW262", call="[...] of JSON", what="a slice")
            return of(lists.item(array_of(x), key).value)
        if _decide(x, kinds.STR):
            return make_text(_string(x))[key]
        _raise_unless(x, kinds.DICT, lambda: TypeError("object is not subscriptable"))
        raise in_place(KeyError(key))
    refuse("SW262", call="[...] of JSON", what=raw(key))


def length(x: TracedJson) -> Any:
    """Returns ``len(x)``; dicts run in Python, as a key may occur twice."""
    if _decide(x, kinds.LIST):
        return lists.length(array_of(x))
    if _decide(x, kinds.STR):
        return strings.length(make_text(_string(x)))
    if _decide(x, kinds.DICT):
        _leave()
        return make_int(explorer().loop.const(0, I64))
    raise in_place(TypeError("object of this type has no len()"))


def _iterate(x: TracedJson) -> Iterator[Any]:
    texts = array_of(x)
    size: Any = lists.length(texts)
    for at in range(_LOOP_LIMIT):
        if not at < size:
            return
        yield of(lists.element(texts, at).value)
    _leave()


def array_of(x: TracedJson) -> TracedScalar:
    """Returns the list of the JSON of an array's elements, for a loop; raises TypeError for numbers.

    Rows with a str or dict run in Python, which iterates over characters or keys.
    """
    if not _decide(x, kinds.LIST):
        run = explorer()
        run.guard(run.loop.call("less", _call("json_kind", _text(x)), run.loop.const(kinds.STR, I64)))
        raise in_place(TypeError("object is not iterable"))
    return lists.of_list(_call("json_elements", _text(x)))


def _contains(x: TracedJson, part: Any) -> bool:
    part = settled(part)
    if not is_text(part):
        refuse("SW262", call="in", what=raw(part))
    run, loop = explorer(), explorer().loop
    if _decide(x, kinds.DICT):
        return run.decide(loop.is_valid(_call("json_member", _text(x), as_text(part))))
    if _decide(x, kinds.STR):
        return part in make_text(_string(x))
    run.guard(loop.call("logical_not", _is(x, kinds.LIST)))
    raise in_place(TypeError("argument is not iterable"))


def _get(x: TracedJson) -> Callable[..., Any]:
    def get(key: Any, default: Any = None, /) -> Any:
        key = settled(key)
        if not is_text(key):
            refuse("SW262", call="dict.get", what=raw(key))
        found = _found(_call("json_member", _text(x), as_text(key)))
        return default if found is NOTHING else found

    return get


def _attribute(x: TracedJson, name: str) -> Any:
    run, loop = explorer(), explorer().loop
    owners = [number for number, kind in _CLASSES.items() if hasattr(kind, name)]
    if owners == [kinds.DICT] or name == "get":
        _raise_unless(x, kinds.DICT, lambda: AttributeError(f"object has no attribute {name!r}"))
        if name == "get":
            return _get(x)
        refuse("SW251", call=f"{name}() of a dict of JSON")
    if kinds.STR in owners and _decide(x, kinds.STR):
        return getattr(make_text(_string(x)), name)
    for number in owners:
        run.guard(loop.call("logical_not", _is(x, number)))
    raise in_place(AttributeError(f"object has no attribute {name!r}"))
