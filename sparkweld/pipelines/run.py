"""A pipeline and its whole inputs to its outputs: blocks on one thread or several, results put together in order."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from sparkweld.annotations.split_types import Merge
from sparkweld.ir.ops import Optional
from sparkweld.pipelines.block_size import BlockSize
from sparkweld.pipelines.capture import BlackBox
from sparkweld.pipelines.plan import Called, Pipeline
from sparkweld.pipelines.stages import Block, inputs_of, ready


@dataclass
class Metrics:
    """What the runs of a pipeline did so far. `fallbacks`: runs that the original computation did in its place."""

    runs: int = 0
    rows: int = 0
    blocks: int = 0
    fallbacks: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


class Runner:
    """Runs one pipeline again and again. `threads`: 0 is one for each core that this process may use."""

    def __init__(self, pipeline: Pipeline, threads: int = 1, block_rows: int | None = None) -> None:
        self.pipeline = pipeline
        self.threads = threads or len(os.sched_getaffinity(0))
        self.block_size = BlockSize(pipeline, block_rows)
        self.metrics = Metrics()
        self._stages = [ready(stage) for stage in pipeline.stages]
        self._dead = [
            [c for c, last in pipeline.last_use.items() if last == at] for at in range(len(pipeline.stages))
        ]  # fmt: skip
        self._merges = {
            stage.step.column: stage.step.annotation.returns
            for stage in pipeline.stages
            if isinstance(stage, Called) and isinstance(stage.step, BlackBox) and stage.step.makes is None
        }

    def run(self, columns: Mapping[str, Any], rows: int) -> dict[str, Any]:
        """Output name -> its column, or its merged result. Raises Undecided and BrokenPromise."""
        inputs = {name: columns[name] for name in self.pipeline.inputs}
        results = _Results(self.pipeline, rows)

        def one(start: int, stop: int) -> float:
            began = time.perf_counter()
            block = inputs_of(inputs, start, stop)
            places = results.places(start, stop)
            self._one_block(block, stop - start, places)
            results.add(start, stop, block)
            return time.perf_counter() - began

        done = self.block_size.measure(one, rows)
        size = self.block_size.for_rows(rows, self.threads)
        cuts = [(a, min(a + size, rows)) for a in range(done, rows, size)]
        if not rows:
            cuts = [(0, 0)]
        if self.threads > 1 and len(cuts) > 1:
            with ThreadPoolExecutor(self.threads) as pool:
                for finished in [pool.submit(one, *cut) for cut in cuts]:
                    finished.result()
        else:
            for cut in cuts:
                one(*cut)
        made = results.whole(self._merges)
        self.metrics.runs += 1
        self.metrics.rows += rows
        self.metrics.blocks += len(results.pieces)
        self.metrics.bytes_in += sum(map(_bytes, inputs.values()))
        self.metrics.bytes_out += sum(map(_bytes, made.values()))
        return made

    def _one_block(self, block: Block, rows: int, places: Block) -> None:
        for stage, dead in zip(self._stages, self._dead, strict=True):
            stage(block, rows, places)
            for column in dead:
                block.pop(column, None)


@dataclass
class _Results:
    """Outputs so far. Columns of the root's rows whose length and type are known are written where they belong at once."""

    pipeline: Pipeline
    rows: int
    pieces: dict[int, dict[str, Any]] = field(default_factory=dict)
    placed: dict[str, np.ndarray] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.placed = {name: np.empty(self.rows, type.dtype) for name, type in self.pipeline.placed.items()}

    def places(self, start: int, stop: int) -> Block:
        """By column, where in the whole outputs the rows of a block belong. Kernels make views of texts, and objects of those."""
        columns = {self.pipeline.outputs[name]: whole[start:stop] for name, whole in self.placed.items()}
        return {column: place for column, place in columns.items() if place.dtype != object}

    def add(self, start: int, stop: int, block: Block) -> None:
        """The outputs of the block of these rows."""
        rest: dict[str, Any] = {}
        for name, column in self.pipeline.outputs.items():
            if name not in self.placed:
                rest[name] = block[column]
                continue
            place = self.placed[name][start:stop]
            if block[column].ctypes.data != place.ctypes.data:  # else a kernel has written it there
                place[:] = block[column]
        with self.lock:
            self.pieces[start] = rest

    def whole(self, merges: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs of all rows."""
        made: dict[str, Any] = {}
        for name, column in self.pipeline.outputs.items():
            if name in self.placed:
                made[name] = self.placed[name]
                continue
            pieces = [self.pieces[start][name] for start in sorted(self.pieces)]
            made[name] = merged(merges[column], pieces) if column in merges else _concat(pieces)
        return made


def merged(merge: Merge, pieces: Sequence[Any]) -> Any:
    """The merged result; pieces without rows gave none. Raises LookupError when there were no rows at all."""
    found = [piece for piece in pieces if piece is not None]
    if not found:
        raise LookupError("no rows, so the original computation says what that gives")
    return merge.merge(found)


def _concat(pieces: Sequence[Any]) -> Any:
    if isinstance(pieces[0], Optional):
        return Optional(np.concatenate([p.values for p in pieces]), np.concatenate([p.valid for p in pieces]))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _bytes(column: Any) -> int:
    if isinstance(column, Optional):
        return column.values.nbytes + column.valid.nbytes
    return column.nbytes if isinstance(column, np.ndarray) else 0
