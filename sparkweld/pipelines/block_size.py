"""The live columns of a pipeline to the rows of a block: they fit the L2 cache, and what a call costs is little beside its rows.

Mozart's paper has C x L2 / bytes a row; its released code a constant. The cache gives the first guess here. What a call costs
whatever its rows (checks of arguments in Python, some hundred microseconds in scipy.stats) is no matter of caches, so the first
blocks of a run measure: a larger block is taken while its rows get cheaper.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path

from sparkweld.pipelines.plan import Pipeline

#: Part of the second-level cache for the columns; code, tables and the stack have the rest.
_SHARE = 0.5
_LEAST, _MOST = 1 << 10, 1 << 20
#: Blocks begin at multiples of so many rows, and their results so at lines of the cache.
_ALIGNED = 64
#: Least rows of a block where Python is called for each row: beside that, what lies in which cache is no matter.
_CALLED_ROWS = 1 << 13
#: Rows of a block of one kernel whose results are pieces that have to be put together.
_PIECES = 1 << 17
_DEFAULT_L2 = 1 << 20
#: Bytes that a Python object takes, with its pointer.
_OBJECT = 64
#: A block twice as large has to save this part of the time a row.
_GAIN = 0.02
#: Sizes that were measured in this process, by what was measured, and how many are kept.
_measured: dict[Hashable, int] = {}
_KEPT_SIZES = 4096


@cache
def l2_bytes() -> int:
    """The second-level cache of a core of this machine, 1 MB when it does not say."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text().strip()
        return int(text[:-1]) << {"K": 10, "M": 20}[text[-1]]
    except (OSError, ValueError, KeyError):
        pass
    try:
        return os.sysconf("SC_LEVEL2_CACHE_SIZE") or _DEFAULT_L2
    except (OSError, ValueError):
        return _DEFAULT_L2


def live_bytes(pipeline: Pipeline) -> int:
    """Bytes a row of the columns that are alive together, where they are most."""
    most = 0
    made = set(pipeline.inputs)
    for at, stage in enumerate(pipeline.stages):
        made |= set(stage.made)
        alive = [c for c in made if pipeline.last_use.get(c, -1) >= at]
        most = max(most, sum(_width(pipeline, c) for c in alive))
    return max(most, 1)


def first_guess(pipeline: Pipeline) -> int:
    """Rows of a block by the cache alone, a power of two."""
    if len(pipeline.stages) == 1 and not pipeline.calls:  # nothing lies between stages, so no cache is to be spared
        return _MOST if pipeline.is_placed else _PIECES
    rows = int(_SHARE * l2_bytes() / live_bytes(pipeline))
    least = _CALLED_ROWS if any(call.annotation.elementwise for call in pipeline.calls) else _LEAST
    return max(least, min(_MOST, 1 << max(rows, 1).bit_length() - 1))


def _width(pipeline: Pipeline, column: str) -> int:
    type = pipeline.types.get(column)
    return _OBJECT if type is None or type.kind == "str" else type.width + type.nullable


class BlockSize:
    """Rows of a pipeline's blocks: `fixed`, or what the first blocks of its first large run in this process measured.

    Only calls have a cost of their own worth measuring: kernels alone run in blocks by the cache. Threads may share it.
    """

    def __init__(self, pipeline: Pipeline, fixed: int | None = None, measured: dict[Hashable, int] = _measured) -> None:
        self.fixed = fixed
        self._key, self._known = pipeline.identity, measured
        self.rows = fixed or measured.get(self._key) or first_guess(pipeline)
        self._settled = fixed is not None or self._key in measured or not pipeline.calls
        self._lock = threading.Lock()

    def cuts(self, done: int, rows: int, threads: int) -> list[tuple[int, int]]:
        """The blocks behind the first `done` rows; one without rows when there are none.

        For several threads they become smaller towards the end, so that all threads are done at about the same time.
        """
        if not rows:
            return [(0, 0)]
        found, start, least = [], done, min(self.rows, max(_LEAST, self.rows >> 4))
        while start < rows:
            size = self.rows
            if threads > 1 and not self.fixed:
                size = min(size, max(least, -(-(rows - start) // (2 * threads))))
                size = -(-size // _ALIGNED) * _ALIGNED
            found.append((start, min(start + size, rows)))
            start += size
        return found

    def measure(self, run: Callable[[int, int], float], rows: int) -> int:
        """Settles the size on the first of `rows` rows; gives how many are done. `run(start, stop)` gives the seconds it took.

        Each size runs twice and the better time counts, the first block of all not at all: it warms caches up. It goes on behind
        one size that saves nothing, for what else the machine does is measured, too.
        """
        with self._lock:
            if self._settled or rows < 16 * self.rows:
                return 0
            done = self.rows
            run(0, done)
            best, size, in_vain = float("inf"), self.rows, 0
            while done + 2 * size <= rows // 8 and size <= _MOST and in_vain < 2:
                took = min(run(done, done + size), run(done + size, done + 2 * size)) / size
                done += 2 * size
                in_vain += 1
                if took <= (1 - _GAIN) * best:
                    best, self.rows, in_vain = took, size, 0
                size *= 2
            self._settled = True
            if len(self._known) < _KEPT_SIZES:
                self._known[self._key] = self.rows
            return done
