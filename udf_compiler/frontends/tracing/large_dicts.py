"""Represents large captured dicts and sets: code that is not interpreted looks values of the row up by one op, not by paths."""

from __future__ import annotations

from typing import Any

from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import current, is_tracing
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import Traced

#: The most keys that fork the path, one each (`frontends.python.lookups`).
FEW = 256


class LargeDict(dict[Any, Any]):
    """The copy of a captured dict of more than `FEW` keys. Its lookups by values of the row are those of the session's dispatch.

    What the dispatch does not support is left to `dict`, which asks the value for its hash, and so refuses it.
    """

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        def missing() -> Any:
            raise in_place(KeyError(key))

        found = current().dispatch.looked_up(self, key, missing) if _is_of_row(key) else None
        return as_python(dict.__getitem__, self, key) if found is None else found[0]

    def get(self, key: Any, default: Any = None, /) -> Any:
        found = current().dispatch.looked_up(self, key, lambda: default) if _is_of_row(key) else None
        return as_python(dict.get, self, key, default) if found is None else found[0]

    def __contains__(self, key: Any) -> bool:
        return _has(dict, self, key)


class LargeSet(set[Any]):
    """The copy of a captured set of more than `FEW` elements; see `LargeDict`."""

    __slots__ = ()

    def __contains__(self, key: Any) -> bool:
        return _has(set, self, key)


class LargeFrozenSet(frozenset[Any]):
    """The copy of a captured frozenset of more than `FEW` elements; see `LargeDict`."""

    __slots__ = ()

    def __contains__(self, key: Any) -> bool:
        return _has(frozenset, self, key)


#: Class of a large container -> the class that it represents.
LARGE: dict[type, type] = {LargeDict: dict, LargeSet: set, LargeFrozenSet: frozenset}


def _has(kind: type, table: Any, key: Any) -> bool:
    """Tests ``key in table``; `kind`: the class that the table represents."""
    found = current().dispatch.is_key(table, key) if _is_of_row(key) else None
    return as_python(kind.__contains__, table, key) if found is None else bool(found)  # type: ignore[operator]


def _is_of_row(key: Any) -> bool:
    return is_tracing() and (issubclass(type(key), Traced) or (type(key) is tuple and any(map(_is_of_row, key))))


def is_dict(x: object) -> bool:
    """Whether an object is a dict, also a large captured one, and of no other class."""
    return type(x) in (dict, LargeDict)
