"""Chooses a pipeline's rows per block: live columns fit the L2 cache, and the fixed cost of calls is amortised.

Mozart's paper uses C x L2 / bytes per row; its released code uses a constant. Here the cache yields the first guess. A call's
fixed cost does not depend on caches (argument checks in Python, some 100 microseconds in scipy.stats). So the first blocks of a
run are timed, and the size grows while a row gets cheaper.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path

from sparkweld.pipelines.plan import Pipeline

#: The share of the L2 cache for columns; code, tables and the stack use the rest.
_SHARE = 0.5
_LEAST, _MOST = 1 << 10, 1 << 20
#: Blocks begin at multiples of this number of rows, so that their results begin at cache lines.
_ALIGNED = 64
#: The least rows of a block where Python is called for each row: beside that cost, cache misses do not matter.
_CALLED_ROWS = 1 << 13
#: Rows of a block of a single kernel whose results have to be concatenated.
_PIECES = 1 << 17
_DEFAULT_L2 = 1 << 20
#: Bytes of a Python object and its pointer.
_OBJECT = 64
#: The share of the time per row that a block twice as large has to save.
_GAIN = 0.02
#: Sizes measured in this process, keyed by pipeline identity, and the limit on their number.
_measured: dict[Hashable, int] = {}
_KEPT_SIZES = 4096


@cache
def l2_bytes() -> int:
    """Returns the bytes of one core's L2 cache, 1 MB when the system does not report it."""
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
    """Returns the bytes per row of the columns that are live at the same time, at their maximum."""
    most = 0
    made = set(pipeline.inputs)
    for at, stage in enumerate(pipeline.stages):
        made |= set(stage.made)
        alive = [c for c in made if pipeline.last_use.get(c, -1) >= at]
        most = max(most, sum(_width(pipeline, c) for c in alive))
    return max(most, 1)


def first_guess(pipeline: Pipeline) -> int:
    """Returns the rows of a block by the cache alone, a power of two."""
    if len(pipeline.stages) == 1 and not pipeline.calls:  # no intermediate columns, so no cache to spare
        return _MOST if pipeline.is_placed else _PIECES
    rows = int(_SHARE * l2_bytes() / live_bytes(pipeline))
    least = _CALLED_ROWS if any(call.annotation.elementwise for call in pipeline.calls) else _LEAST
    return max(least, min(_MOST, 1 << max(rows, 1).bit_length() - 1))


def _width(pipeline: Pipeline, column: str) -> int:
    type = pipeline.types.get(column)
    return _OBJECT if type is None or type.kind == "str" else type.width + type.nullable


class BlockSize:
    """The rows of a pipeline's blocks: `fixed`, or the size measured on the first blocks of its first large run in this process.

    Only calls have a fixed cost worth measuring: pipelines of kernels alone use the first guess. Threads may share an instance.
    """

    def __init__(self, pipeline: Pipeline, fixed: int | None = None, measured: dict[Hashable, int] = _measured) -> None:
        self.fixed = fixed
        self._key, self._known = pipeline.identity, measured
        self.rows = fixed or measured.get(self._key) or first_guess(pipeline)
        self._settled = fixed is not None or self._key in measured or not pipeline.calls
        self._lock = threading.Lock()

    def cuts(self, done: int, rows: int, threads: int) -> list[tuple[int, int]]:
        """Returns the blocks after the first `done` rows; one empty block when there are no rows.

        With several threads, blocks shrink towards the end, so that all threads finish at about the same time.
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
        """Settles the size on the first of `rows` rows; returns the number of rows done. `run(start, stop)` returns its seconds.

        Each size runs twice and the better time counts; the first block of all only warms up caches. The search continues past
        one size without gain, because other load on the machine distorts the timings.
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
