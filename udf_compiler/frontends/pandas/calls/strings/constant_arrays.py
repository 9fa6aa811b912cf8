"""Represents an array of constant strings: its elements at positions of the row, as in ``labels[model.predict(x)]``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Lookup
from sparkweld.ir.types import I64, STR
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import text_series
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.utf8 import is_utf8
from udf_compiler.frontends.tracing.values import Traced, ndarray_class, raw

#: The most strings of a table that is a constant of a kernel.
_MOST = 10_000


class ConstantTexts(Traced):
    """A one-dimensional array of strings."""

    __slots__ = ("dtype", "texts")
    what = "array of strings"
    stands_for = np.ndarray
    visible = frozenset(("dtype",))

    def __init__(self, texts: Sequence[str], dtype: np.dtype) -> None:
        self.texts, self.dtype = tuple(texts), dtype

    __class__ = property(ndarray_class)  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._strings("a loop over an array of strings"))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, TracedArray | TracedSeries):
            return self._chosen(key)
        if type(key) in (int, slice):
            found = self._strings("array[...] of strings")[key]
            return ConstantTexts(found, self.dtype) if type(key) is slice else found
        refuse("SW270", call=f"array[...] of strings with {raw(key)}")

    def __getattr__(self, name: str) -> Any:
        if name in ("size", "shape", "ndim"):
            return {"size": len(self), "shape": (len(self),), "ndim": 1}[name]
        if name == "tolist":
            return lambda: list(self.texts)
        refuse("SW270", call=f"array.{name} of strings")

    def _strings(self, call: str) -> tuple[str, ...]:
        """Returns the elements as Python's strings; refuses (SW270) those of NumPy's own class."""
        return self.texts if self.dtype == object else refuse("SW270", call=call)

    def _chosen(self, key: TracedArray | TracedSeries) -> TracedTexts:
        """Returns the strings at positions, counted from the end where negative. Guards positions outside: NumPy raises."""
        numbers = key.ndim == 1 if isinstance(key, TracedArray) else key.kind is NUMBERS
        if not numbers or key.dtype.kind != "i" or not self.texts:
            refuse("SW270", call="array[...] of strings with anything but an array of integers")
        loop, size = key.loop, len(self.texts)
        at = loop.cast(key.value, I64)
        loop.guard(both(loop, _at_least(loop, at, -size), loop.call("logical_not", _at_least(loop, at, size))))
        place = loop.select(_at_least(loop, at, 0), at, loop.call("add", at, loop.const(size, I64)))
        found = loop.emit(Lookup.of(dict(enumerate(self.texts)), I64, STR), place)
        return TracedTexts(text_series(loop, loop.value_of(found)))


def _at_least(loop: LoopBuilder, x: Value, low: int) -> Value:
    return loop.call("greater_equal", x, loop.const(low, I64))


def of_array(array: Any) -> ConstantTexts | None:
    """Returns the constant of an array of strings; None for any other object."""
    if type(array) is not np.ndarray or array.ndim != 1 or array.dtype.kind not in "OU" or len(array) > _MOST:
        return None
    texts = array.tolist()
    return ConstantTexts(texts, array.dtype) if all(type(x) is str and is_utf8(x) for x in texts) else None
