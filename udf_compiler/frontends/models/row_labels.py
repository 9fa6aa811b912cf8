"""Represents the array of strings that a classifier returns for the one row of a plain function."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, ndarray_class

#: Indices of the only element, by dimensions; an index of one dimension of two returns the array of shape (1,).
_ELEMENT: dict[int, tuple[Any, ...]] = {1: (0, -1), 2: ((0, 0), (0, -1), (-1, 0), (-1, -1))}


class RowLabels(Traced):
    """An array of shape (1,), or (1, 1), with one string.

    `objects`: its elements are str. Those of other arrays are np.str_, whose operators return other classes than those of str. So
    only what converts them is supported.
    """

    __slots__ = ("dimensions", "label", "objects")
    what = "array"
    stands_for = np.ndarray

    def __init__(self, label: TracedScalar, dimensions: int, objects: bool) -> None:
        self.label, self.dimensions, self.objects = label, dimensions, objects

    def _element(self) -> TracedScalar:
        if not self.objects:
            _refuse("array[...]")
        return self.label

    __class__ = property(ndarray_class)  # type: ignore[assignment]

    def __getitem__(self, key: Any) -> Any:
        plain = type(key) is int or (type(key) is tuple and all(type(part) is int for part in key))
        if plain and key in _ELEMENT[self.dimensions]:
            return self._element()
        if plain and self.dimensions == 2 and key in _ELEMENT[1]:
            return RowLabels(self.label, 1, self.objects)
        _refuse("array[...]")

    def __iter__(self) -> Iterator[Any]:
        yield self._element() if self.dimensions == 1 else RowLabels(self.label, 1, self.objects)

    def __getattr__(self, name: str) -> Any:
        if name not in ("item", "tolist", "ravel", "flatten"):
            _refuse(f"array.{name}")

        def converted(*args: Any, **options: Any) -> Any:
            if args or options:
                _refuse(f"array.{name}")
            if name == "item":
                return self.label
            if name == "tolist":
                return [self.label] if self.dimensions == 1 else [[self.label]]
            return RowLabels(self.label, 1, self.objects)

        return converted


def _refuse(call: str) -> NoReturn:
    refuse("SW818", call=call)
