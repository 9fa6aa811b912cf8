"""Implements an LRU cache bounded in number of values and in bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

_V = TypeVar("_V")


class Bounded(Generic[_V]):
    """At most `most` values with `most_bytes` bytes in total. A single larger value is not stored: it would evict all others."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._values: OrderedDict[str, tuple[_V, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> _V | None:
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: str, value: _V, size: int) -> None:
        if key in self._values:
            self._bytes -= self._values.pop(key)[1]
        if size > self._most_bytes:
            return
        self._values[key] = (value, size)
        self._bytes += size
        while len(self._values) > self._most or self._bytes > self._most_bytes:
            self._bytes -= self._values.popitem(last=False)[1][1]
