"""Runs a kernel that merges rows across batches as a JVM task does: groups are flushed when the table is full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from sparkweld.ir import Program
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.program import output_types
from sparkweld.kernels import Kernel
from sparkweld.kernels.runtime.loader import input_addresses, texts_of


@dataclass
class Merger:
    """The state of one task, with space for `room` groups and `text` bytes of their keys.

    `overflowed`: whether a checked sum overflowed. `dictionary`: equal strings of a batch share one address, as in a
    dictionary-encoded column.
    """

    kernel: Kernel
    room: int
    text: int = 1 << 16
    dictionary: bool = False
    overflowed: bool = False
    _state: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.program: Program = self.kernel.program
        self.outputs = [
            (np.empty((self.room, 2) if t.kind == "str" else self.room, np.int64 if t.kind == "str" else t.dtype),
             np.empty(self.room, np.uint8)) for t in output_types(self.program)]  # fmt: skip
        self.slots = np.zeros(1 << (2 * self.room - 1).bit_length(), np.int64)
        self.texts = np.empty(self.text, np.uint8)
        self._state = np.zeros(8, np.int64)
        self._clear()

    def _clear(self) -> None:
        self.slots[:] = 0
        start = self.texts.ctypes.data
        self._state[:6] = 0, self.room, self.slots.ctypes.data, len(self.slots) - 1, start, start + self.text

    def merge(self, columns: dict[str, Array], rows: int) -> Iterator[dict[str, Array]]:
        """Merges a batch; yields the groups each time the table is full."""
        keep: list[np.ndarray] = []
        addresses = input_addresses(self.program, columns, rows, keep)
        for views in keep if self.dictionary else ():
            if views.ndim == 2:
                first = dict(zip(reversed(texts_of(views)), reversed(views.tolist()), strict=True))
                views[:] = np.reshape([first[text] for text in texts_of(views)], views.shape)
        addresses += [a.ctypes.data for pair in self.outputs for a in pair] + [self._state.ctypes.data]
        self._state[6] = 0
        while True:
            result = self.kernel.call(addresses, rows)
            self.overflowed = bool(result[1])
            assert result[0] == self._state[6]
            if self.overflowed or self._state[6] == rows:
                return
            assert self._state[0] > 0, "no room for one group"
            yield self.groups()

    def groups(self) -> dict[str, Array]:
        """Returns the groups so far and clears the table."""
        count, found = int(self._state[0]), {}
        for name, type, (values, nulls) in zip(self.program.outputs, output_types(self.program), self.outputs, strict=True):
            array = texts_of(values[:count]) if type.kind == "str" else values[:count].copy()
            found[name] = Optional(array, nulls[:count] == 0) if type.nullable else array
        self._clear()
        return found


def run_batches(merger: Merger, batches: Sequence[tuple[dict[str, Array], int]]) -> list[dict[str, Array]]:
    """Returns all partial results that a task produces for these batches."""
    pieces = [piece for columns, rows in batches for piece in merger.merge(columns, rows)]
    return [*pieces, merger.groups()]
