"""Assembles the outputs of blocks, which finish in any order, into the outputs of all rows.

Columns over the root's rows are written in place at once. For filtered rows, a block's place is known when all earlier blocks
have reported their counts. The thread that reports the last missing count copies the waiting blocks, while they are in the cache.
Other outputs (strings, objects, merged results) are concatenated or merged at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.annotations.split_types import Merge
from sparkweld.ir.ops import Optional
from sparkweld.pipelines.memory import reused
from sparkweld.pipelines.plan import Pipeline
from sparkweld.pipelines.stages import Block


class Results:
    """The outputs collected so far for `rows` rows."""

    def __init__(self, pipeline: Pipeline, rows: int) -> None:
        self.pipeline = pipeline
        self.blocks = 0
        self._pieces: dict[int, Block] = {}
        self._placed = {name: reused.empty(rows, type.dtype) for name, type in pipeline.placed.items()}
        self._kept = {name: reused.empty(rows, type.dtype) for name, type in pipeline.kept.items()}
        self._ends = dict.fromkeys(self._kept, 0)
        self._waiting: dict[int, tuple[int, dict[str, np.ndarray]]] = {}
        self._next = 0
        self._lock = Lock()

    def places(self, start: int, stop: int) -> Block:
        """Returns, by column, the slices of the outputs for a block's rows. Strings have none: kernels write views of them."""
        columns = {self.pipeline.outputs[name]: whole[start:stop] for name, whole in self._placed.items()}
        return {column: place for column, place in columns.items() if place.dtype != object}

    def add(self, start: int, stop: int, block: Block) -> None:
        """Adds the outputs of the block of these rows."""
        outputs = {name: block[column] for name, column in self.pipeline.outputs.items()}
        for name, whole in self._placed.items():
            place = whole[start:stop]
            if outputs[name].ctypes.data != place.ctypes.data:  # else a kernel has written it in place
                place[:] = outputs[name]
        rest = {name: outputs[name] for name in outputs if name not in self._placed and name not in self._kept}
        with self._lock:
            self.blocks += 1
            self._pieces[start] = rest
            self._waiting[start] = stop, {name: outputs[name] for name in self._kept}
            copies = self._in_order()
        for place, values in copies:
            place[:] = values

    def _in_order(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns (slice of the output, filtered rows) of the blocks whose place is now known."""
        copies = []
        while self._next in self._waiting:
            self._next, columns = self._waiting.pop(self._next)
            for name, values in columns.items():
                end = self._ends[name] + len(values)
                copies.append((self._kept[name][self._ends[name] : end], values))
                self._ends[name] = end
        return copies

    def whole(self, merges: Mapping[str, Any]) -> Block:
        """Returns the outputs of all rows."""
        made: Block = {}
        for name, column in self.pipeline.outputs.items():
            if name in self._placed:
                made[name] = self._placed[name]
            elif name in self._kept:
                made[name] = _of_size(self._kept[name], self._ends[name])
            else:
                pieces = [self._pieces[start][name] for start in sorted(self._pieces)]
                made[name] = merged(merges[column], pieces) if column in merges else concat(pieces)
        return made


def merged(merge: Merge, pieces: Sequence[Any]) -> Any:
    """Returns the merged result; blocks without rows contribute None. Raises LookupError when there are no rows at all."""
    found = [piece for piece in pieces if piece is not None]
    if not found:
        raise LookupError("no rows, so the original computation determines the result")
    return merge.merge(found)


def _of_size(whole: np.ndarray, rows: int) -> np.ndarray:
    """Returns the first rows, copied when a view would hold the memory of more than twice as many."""
    return whole[:rows] if 2 * rows >= len(whole) else whole[:rows].copy()


def concat(pieces: Sequence[Any]) -> Any:
    """Concatenates the chunks of a column."""
    if isinstance(pieces[0], Optional):
        return Optional(np.concatenate([p.values for p in pieces]), np.concatenate([p.valid for p in pieces]))
    if len(pieces) == 1:
        return pieces[0]
    if isinstance(pieces[0], pd.api.extensions.ExtensionArray):
        return pd.concat([pd.Series(piece, copy=False) for piece in pieces], ignore_index=True).array
    return pa.concat_arrays(pieces) if isinstance(pieces[0], pa.Array) else np.concatenate(pieces)
