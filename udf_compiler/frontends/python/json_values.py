"""Represents values of JSON whose class the row decides: the path forks by class where the function needs it.

A value is its text in the document. `null` is None from the start, as no symbolic value is None.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir import json_texts as kinds
from sparkweld.ir.types import I64
from udf_compiler.frontends.python import lists, maps, strings
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.joining import joined
from udf_compiler.frontends.python.json_changes import Changeable, member, pop, setdefault, update
from udf_compiler.frontends.python.json_elements import is_element
from udf_compiler.frontends.python.json_kinds import NOTHING, call, decide, freeze, is_class, leave, raise_unless, string, text_of
from udf_compiler.frontends.python.json_scalars import json_of
from udf_compiler.frontends.python.operands import as_text, is_number, is_text, kind_of, make_bool, make_text
from udf_compiler.frontends.python.path_explorer import explorer, rounds
from udf_compiler.frontends.python.undecided import Undecided, decided
from udf_compiler.frontends.python.values import TracedScalar, binary, is_scalar, scalar_kind
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import called_by_user, in_place
from udf_compiler.frontends.tracing.values import COMPARISONS, Traced, raw

_CLASSES: dict[int, type] = {
    kinds.BOOL: bool, kinds.INT: int, kinds.FLOAT: float, kinds.STR: str, kinds.LIST: list, kinds.DICT: dict,
}  # fmt: skip


class _AnyName:
    """The attributes of all classes of values."""

    def __contains__(self, name: str) -> bool:
        return any(hasattr(kind, name) for kind in _CLASSES.values())


class TracedMembers(Traced):
    """The items of a dict of JSON: pairs of a key and a value."""

    __slots__ = ("key_list", "texts")
    __dataclass_fields__ = ("key_list", "texts")  # as in the other elements of a region's state
    what = "view of the items of JSON"
    stands_for: Any = type({}.items())

    def __init__(self, key_list: TracedScalar, texts: TracedScalar) -> None:
        self.key_list, self.texts = key_list, texts

    @property
    def count(self) -> Any:
        """Returns the number of pairs."""
        return lists.length(self.key_list)

    def __iter__(self) -> Iterator[Any]:
        return zip(_elements(self.key_list), map(of_element, _elements(self.texts)), strict=False)


class TracedTexts(Traced):
    """The values of a dict of JSON."""

    __slots__ = ("texts",)
    __dataclass_fields__ = ("texts",)
    what = "view of the values of JSON"
    stands_for: Any = type({}.values())

    def __init__(self, texts: TracedScalar) -> None:
        self.texts = texts

    @property
    def count(self) -> Any:
        """Returns the number of values."""
        return lists.length(self.texts)

    def __iter__(self) -> Iterator[Any]:
        return map(of_element, _elements(self.texts))


class TracedJson(Changeable):
    """A value of JSON other than null."""

    __slots__ = ()
    what = "value of JSON"

    def __init__(self, value: Value) -> None:
        self.value, self.fresh = value, False

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
        explorer().guard(is_class(self, kinds.STR))
        return make_text(string(self))

    def _more_names(self) -> Any:
        return _AnyName()

    def __bool__(self) -> bool:
        return explorer().decide(call("json_truth", text_of(self)))

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
            same = both(loop, is_class(self, kinds.STR), loop.call("equal", string(self), as_text(other)))
            return make_bool(same if name == "eq" else loop.call("logical_not", same))
        if name in ("eq", "ne") and other is None:
            return name == "ne"
        if name in COMPARISONS and (is_scalar(other) or type(other) in (bool, int, float, str)):
            key = other.value.id if is_scalar(other) else (type(other), repr(other))
            return joined_value(lambda x: x._settled_binary(name, other, reflected), self, name, key, reflected)
        return self._settled_binary(name, other, reflected)

    def _settled_binary(self, name: str, other: Any, reflected: bool) -> Any:
        x = settled(self)
        if name in ("eq", "ne") and type(x) is TracedJson and (is_scalar(other) or type(other) in (int, float, bool)):
            return name == "ne"
        x, y = plain(x), plain(other)
        if not is_scalar(x) and not is_scalar(y):
            refuse("SW262", call=name, what="a value of JSON")
        if name == "mul" and is_scalar(x) and is_scalar(y) and is_text(x) != is_text(y):
            leave()  # a string that is repeated by a number of the row, for which there is no kernel
            return x if is_text(x) else y
        return binary(name, y, x) if reflected else binary(name, x, y)

    def _unary(self, name: str) -> Any:
        x = plain(self)
        return scalar_kind(x).unary(name, x)


def class_of(x: TracedJson) -> type:
    """Returns the class of a value, by a fork for each."""
    for number in (kinds.STR, kinds.DICT, kinds.LIST, kinds.INT, kinds.FLOAT):
        if decide(x, number):
            return _CLASSES[number]
    return bool


def joined_value(operation: Callable[[TracedJson], Any], x: TracedJson, *key: Hashable) -> Any:
    """Returns ``operation(x)``, one value if its result has one kind for all classes of `x`: see `joined`.

    The `key` states what the operation depends on, by default which one it is.
    """
    known = tuple(explorer().facts.known(is_class(x, number)) for number in (kinds.NULL, *_CLASSES))
    return joined(lambda: operation(x), *(key or (operation,)), text_of(x).id, known)


def is_instance(x: TracedJson, classes: tuple[Any, ...]) -> bool:
    """Returns ``isinstance(x, classes)`` by as few forks as there are classes."""
    wanted = [number for number, kind in _CLASSES.items() if issubclass(kind, classes)]
    return any(decide(x, number) for number in wanted)


def of(text: Value) -> Any:
    """Returns the value of a text: None for null."""
    x = TracedJson(text)
    return None if decide(x, kinds.NULL) else x


def document(text: Value) -> Any:
    """Returns the value of a whole document, which the function may change."""
    x = of(text)
    if x is not None:
        object.__setattr__(x, "fresh", True)
    return x


def settled(x: Any) -> Any:
    """Returns a value of JSON as a Python value of its class; one that is a list or dict unchanged, as any other object."""
    if type(x) is not TracedJson:
        return x
    number = next((n for n in (kinds.STR, kinds.INT, kinds.FLOAT, kinds.BOOL) if decide(x, n)), None)
    return x if number is None else scalar_of(x, number)


def scalar_of(x: TracedJson, number: int) -> Any:
    """Returns a value of a known class of JSON, other than a list or dict, as a Python value."""
    if number == kinds.STR:
        return make_text(string(x))
    if number == kinds.INT:
        return strings.to_int(make_text(text_of(x)))
    if number == kinds.FLOAT:
        return strings.to_float(make_text(text_of(x)))
    return make_bool(explorer().loop.call("equal", text_of(x), as_text("true")))


def plain(x: Any) -> Any:
    """Returns a value of JSON as a number or string. Lists and dicts run in Python."""
    made = settled(x)
    if type(made) is not TracedJson:
        return made
    leave()
    return make_text(string(made))


def text(x: TracedJson) -> Any:
    """Returns ``str(x)``. Lists and dicts run in Python."""
    return strings.to_str(plain(x))


def _item(x: TracedJson, key: Any) -> Any:
    key = settled(key)
    if is_text(key):
        raise_unless(x, kinds.DICT, lambda: TypeError("indices must be integers"))
        found = member(x, key, "[...] of JSON")
        if found is NOTHING:
            raise in_place(KeyError(key))
        return found
    if (is_number(key) and kind_of(key) == "int") or isinstance(key, slice):
        if decide(x, kinds.LIST):
            if isinstance(key, slice):
                refuse("SW262", call="[...] of JSON", what="a slice")
            return of(lists.item(array_of(x), key).value)
        if decide(x, kinds.STR):
            return make_text(string(x))[key]
        raise_unless(x, kinds.DICT, lambda: TypeError("object is not subscriptable"))
        raise in_place(KeyError(key))
    refuse("SW262", call="[...] of JSON", what=raw(key))


def length(x: TracedJson) -> Any:
    """Returns ``len(x)``."""
    if decide(x, kinds.LIST):
        return lists.length(array_of(x))
    if decide(x, kinds.STR):
        return strings.length(make_text(string(x)))
    if decide(x, kinds.DICT):
        return lists.length(members(x).key_list)
    raise in_place(TypeError("object of this type has no len()"))


def _iterate(x: TracedJson) -> Iterator[Any]:
    if is_dict(x):
        return _elements(members(x).key_list)
    return map(of_element, _elements(array_of(x)))


def _elements(items: TracedScalar) -> Iterator[Any]:
    """Yields the elements of a list, each round by a decision."""
    size: Any = lists.length(items)
    for at in rounds(lambda at: at < size):
        yield lists.element(items, at)


def of_element(text: TracedScalar) -> Any:
    """Returns the value of a JSON in a list."""
    return of(text.value)


def unpacked(x: TracedJson, count: int) -> list[Any]:
    """Returns the values of ``a, b = x``, undecided where they may be None, for an interpreted function."""
    if is_dict(x):
        return lists.unpacked(members(x).key_list, count)
    return [optional(text.value) for text in lists.unpacked(array_of(x), count)]


def is_dict(x: TracedJson) -> bool:
    """Whether a value is a dict, by a fork."""
    return decide(x, kinds.DICT)


def members(x: TracedJson) -> maps.TracedMap:
    """Returns the keys of a dict, each once, and the JSON of their values. Nothing may change the dict any more."""
    freeze(x)
    parts = (lists.of_list(call(fn, text_of(x))) for fn in ("json_keys", "json_values"))
    return maps.last_of_each(*parts)


def array_of(x: TracedJson) -> TracedScalar:
    """Returns the list of the JSON of an array's elements, for a loop; raises TypeError for numbers.

    Rows with a str run in Python, which iterates over characters. A dict is not among the values.
    """
    freeze(x)
    if not decide(x, kinds.LIST):
        run = explorer()
        run.guard(run.loop.call("less", call("json_kind", text_of(x)), run.loop.const(kinds.STR, I64)))
        raise in_place(TypeError("object is not iterable"))
    return lists.of_list(call("json_elements", text_of(x)))


def _contains(x: TracedJson, part: Any) -> bool:
    part = settled(part)
    run, loop = explorer(), explorer().loop
    if decide(x, kinds.LIST):
        return run.decide(is_element(array_of(x), part))
    if not (is_text(part) or is_number(part) or part is None):
        refuse("SW262", call="in", what=raw(part))
    if decide(x, kinds.DICT):
        return is_text(part) and run.decide(loop.is_valid(call("json_member", text_of(x), as_text(part))))
    if decide(x, kinds.STR):
        return strings.contains(make_text(string(x)), part)
    raise in_place(TypeError("argument is not iterable"))


def _get(x: TracedJson) -> Callable[..., Any]:
    def get(key: Any, default: Any = None, /) -> Any:
        key = settled(key)
        if not is_text(key):
            refuse("SW262", call="dict.get", what=raw(key))
        if default is None or (explorer().inside and type(default) in (bool, int, float, str)):
            found = _optional(x, key, default)
            return found if explorer().inside else decided(found)
        found = member(x, key, "dict.get")
        return default if found is NOTHING else found

    return get


def _optional(x: TracedJson, key: Any, default: Any) -> Any:
    """Returns ``x.get(key, default)`` of a constant, with which it is one value of JSON. A region decides it where it is used."""
    loop = explorer().loop
    found = call("json_member", text_of(x), as_text(key))
    return optional(loop.select(loop.is_valid(found), loop.value_of(found), json_of(default, "dict.get")))


def optional(text: Value) -> Any:
    """Returns the value of a text, which is None for null, or undecided where the path has not decided which."""
    value = TracedJson(text)
    valid = make_bool(explorer().loop.call("logical_not", is_class(value, kinds.NULL)))
    if type(valid) is bool:  # an earlier read of the same member has decided it
        return value if valid else None
    return Undecided(valid, value)


#: Methods of dicts.
_METHODS: dict[str, Callable[..., Any]] = {
    "get": lambda x, *args: _get(x)(*args),
    "keys": lambda x: members(x).key_list,
    "values": lambda x: TracedTexts(members(x).value_list),
    "items": lambda x: TracedMembers((made := members(x)).key_list, made.value_list),
    "update": update, "setdefault": setdefault,
}  # fmt: skip


def _attribute(x: TracedJson, name: str) -> Any:
    run, loop = explorer(), explorer().loop
    owners = [number for number, kind in _CLASSES.items() if hasattr(kind, name)]
    if name == "pop":
        return lists.bound(pop, x, "dict.pop")
    if owners == [kinds.DICT]:
        raise_unless(x, kinds.DICT, lambda: AttributeError(f"object has no attribute {name!r}"))
        if name not in _METHODS:
            refuse("SW251", call=f"{name}() of a dict of JSON")
        return lists.bound(_METHODS[name], x, f"dict.{name}")
    if kinds.STR in owners and decide(x, kinds.STR):
        return getattr(make_text(string(x)), name)
    for number in owners:
        run.guard(loop.call("logical_not", is_class(x, number)))
    raise in_place(AttributeError(f"object has no attribute {name!r}"))
