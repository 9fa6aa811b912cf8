"""Runs a pipeline over whole inputs: blocks on one or more threads, with the results in row order."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from sparkweld.ir.ops import Optional
from sparkweld.kernels import can_stream
from sparkweld.pipelines.block_size import BlockSize, l2_bytes
from sparkweld.pipelines.capture import BlackBox
from sparkweld.pipelines.plan import Called, Native, Pipeline, Stage
from sparkweld.pipelines.results import Results
from sparkweld.pipelines.stages import Block, inputs_of, ready

#: Results larger than this number of L2 caches are written past the caches: they would be evicted before they are read.
_STREAMED = 8


@dataclass
class Metrics:
    """Totals over the runs of a pipeline. `fallbacks`: runs that the original computation replaced.

    Seconds are summed over threads.
    """
    runs: int = 0
    rows: int = 0
    blocks: int = 0
    fallbacks: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    kernel_seconds: float = 0.0
    call_seconds: float = 0.0


class Runner:
    """Runs one pipeline repeatedly. `threads`: 0 is one per core that this process may use. `rows`: the rows of a typical run.

    A pipeline that calls Python for each row uses one thread: Python runs one call at a time, so threads would wait for each
    other. `evaluated`: programs are interpreted, and nothing is compiled.
    """

    def __init__(
        self, pipeline: Pipeline, threads: int = 1, block_rows: int | None = None, rows: int = 0, evaluated: bool = False
    ) -> None:
        self.pipeline = pipeline
        calls_rows = any(call.annotation.elementwise for call in pipeline.calls)
        self.threads = 1 if calls_rows else threads or len(os.sched_getaffinity(0))
        self.block_size = BlockSize(pipeline, block_rows)
        self.metrics = Metrics()
        is_large = rows * sum(type.width for type in pipeline.placed.values()) > _STREAMED * l2_bytes()
        taken = {column for stage in pipeline.stages for column in stage.taken}
        self._stages = [
            ready(
                stage, is_large and _streams(pipeline, stage), evaluated,
                pipeline.arrow and (isinstance(stage, Native) or taken.isdisjoint(stage.made)),
            )
            for stage in pipeline.stages
        ]  # fmt: skip
        self._is_call = [isinstance(stage, Called) and isinstance(stage.step, BlackBox) for stage in pipeline.stages]
        self._lock = Lock()
        self._dead = [
            [c for c, last in pipeline.last_use.items() if last == at] for at in range(len(pipeline.stages))
        ]  # fmt: skip
        self._merges = {
            stage.step.column: stage.step.annotation.returns
            for stage in pipeline.stages
            if isinstance(stage, Called) and isinstance(stage.step, BlackBox) and stage.step.makes is None
        }

    def run(self, columns: Mapping[str, Any], rows: int) -> Block:
        """Returns each output's column or merged result by name. Raises Undecided and BrokenPromise."""
        inputs = {name: columns[name] for name in self.pipeline.inputs}
        results = Results(self.pipeline, rows)

        def one(start: int, stop: int) -> None:
            block = inputs_of(inputs, start, stop)
            places = results.places(start, stop)
            self._one_block(block, stop - start, places)
            results.add(start, stop, block)

        def timed(start: int, stop: int) -> float:
            began = time.thread_time()  # of this thread: other load on the machine must not count
            one(start, stop)
            return time.thread_time() - began

        done = self.block_size.measure(timed, rows)
        _on_threads(one, self.block_size.cuts(done, rows, self.threads), self.threads)
        made = results.whole(self._merges)
        self.metrics.runs += 1
        self.metrics.rows += rows
        self.metrics.blocks += results.blocks
        self.metrics.bytes_in += sum(map(_bytes, inputs.values()))
        self.metrics.bytes_out += sum(map(_bytes, made.values()))
        return made

    def _one_block(self, block: Block, rows: int, places: Block) -> None:
        seconds, began = [0.0, 0.0], time.perf_counter()
        for stage, is_call, dead in zip(self._stages, self._is_call, self._dead, strict=True):
            stage(block, rows, places)
            for column in dead:
                block.pop(column, None)
            began, before = time.perf_counter(), began
            seconds[is_call] += began - before
        with self._lock:
            self.metrics.kernel_seconds += seconds[False]
            self.metrics.call_seconds += seconds[True]


def _streams(pipeline: Pipeline, stage: Stage) -> bool:
    return isinstance(stage, Native) and can_stream(stage.program) and pipeline.only_places(stage)


def _on_threads(one: Callable[[int, int], Any], cuts: list[tuple[int, int]], threads: int) -> None:
    """Runs `one` on all blocks.

    Each thread, including this one, takes the next block when it is idle; the first error stops all.
    """
    left = deque(cuts)

    def work() -> None:
        try:
            while True:
                try:
                    cut = left.popleft()
                except IndexError:
                    return
                one(*cut)
        except BaseException:
            left.clear()
            raise

    others = min(threads, len(cuts)) - 1
    if others < 1:
        return work()
    with ThreadPoolExecutor(others) as pool:
        started = [pool.submit(work) for _ in range(others)]
        work()
    for finished in started:
        finished.result()


def _bytes(column: Any) -> int:
    if isinstance(column, Optional):
        return column.values.nbytes + column.valid.nbytes
    return column.nbytes if isinstance(column, np.ndarray | pa.Array) else 0
