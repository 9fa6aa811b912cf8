"""Models dicts of the row as a list of their keys and a sequence of their values: lookups, membership, size and iteration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.types import I64
from udf_compiler.frontends.python import key_lists, lists
from udf_compiler.frontends.python.nested_lists import Change, changed, element
from udf_compiler.frontends.python.operands import make_bool, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import Traced


class TracedMap(Traced):
    """A dict of the row. `key_list` (`key_lists`) has its keys in order, each once; `value_list`, a sequence, their values."""

    __slots__ = ("key_list", "value_list")
    __dataclass_fields__ = ("key_list", "value_list")  # as in the other elements of a region's state
    what = "dict"
    stands_for = dict
    exact = False

    key_list: Any
    value_list: Any

    def __init__(self, key_list: Any, value_list: Any) -> None:
        self.key_list, self.value_list = key_list, value_list

    __class__ = dict  # type: ignore[assignment]

    @property
    def count(self) -> Any:
        """Returns the number of keys."""
        return key_lists.length(self.key_list)

    def value_of(self, key: Any, missing: Callable[[], Any]) -> Any:
        """Returns the value of a key, or the result of `missing` on the path of rows without it."""
        at = key_lists.place("find", self.key_list, key, "[...] of a dict")
        if not explorer().decide(_found(at)):
            return missing()
        return element(self.value_list, make_int(at, (0, lists.LONGEST)))

    def mapped(self, change: Change) -> TracedMap:
        """Returns the dict of some items, by a change that permutes or drops elements of a list."""
        return TracedMap(changed(self.key_list, change), changed(self.value_list, change))

    def __getitem__(self, key: Any) -> Any:
        return self.value_of(key, no_key)

    def __contains__(self, key: Any) -> bool:
        return explorer().decide(_found(key_lists.place("find", self.key_list, key, "in a dict")))

    def __bool__(self) -> bool:
        return explorer().decide(key_lists.truth(self.key_list))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.key_list)

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            refuse("SW251", call=f"dict.{name}")
        return lists.bound(_METHODS[name], self, f"dict.{name}")


class TracedItems(Traced):
    """The items of a dict of the row: pairs of a key and its value."""

    __slots__ = ("of",)
    __dataclass_fields__ = ("of",)
    what = "view of a dict's items"
    stands_for: Any = type({}.items())

    of: TracedMap

    def __init__(self, of: TracedMap) -> None:
        self.of = of

    def __iter__(self) -> Iterator[Any]:
        return zip(self.of.key_list, self.of.value_list, strict=True)


def no_key() -> Any:
    """Raises Python's KeyError."""
    raise in_place(KeyError("a key of the row"))


def is_map(x: object) -> bool:
    """Whether `x` is a dict of the row; `isinstance` would trust `__class__`."""
    return type(x) is TracedMap


def contains(x: TracedMap, key: Any) -> TracedScalar:
    """Returns ``key in x`` as a bool that does not fork yet."""
    return make_bool(_found(key_lists.place("find", x.key_list, key, "in a dict")))


def last_of_each(key_list: Any, value_list: TracedScalar) -> TracedMap:
    """Returns the dict that results from assigning each value to its key in order."""
    last = lists.call("take", value_list, key_lists.last_at(key_list))
    return TracedMap(key_lists.each_once(key_list), lists.of_list(last))


def _found(at: Value) -> Value:
    return explorer().loop.call("greater_equal", at, explorer().loop.const(0, I64))


#: Methods by name. Keys and values are lists here: functions of a row are pure, so views of a dict do not change.
_METHODS: dict[str, Callable[..., Any]] = {
    "get": lambda x, key, default=None: x.value_of(key, lambda: default),
    "keys": lambda x: x.key_list,
    "values": lambda x: x.value_list,
    "items": TracedItems,
    "copy": lambda x: x,
}
