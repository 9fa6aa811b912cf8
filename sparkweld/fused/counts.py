"""In a Python worker: what its pipelines have counted to bytes of a column, which is all that goes back to the JVM.

The JVM reads them in `PipelineExec.scala`.
"""

from __future__ import annotations

import struct

import numpy as np

#: Microseconds in kernels, microseconds in calls, rows of the original function.
_FORMAT = struct.Struct("<III")
_MOST = 0xFFFFFFFF


class Counts:
    """What was counted since it was told the last time."""

    kernel_seconds = 0.0
    call_seconds = 0.0
    original_rows = 0

    def told(self, rows: int) -> np.ndarray:
        """int8[rows]: the numbers in the first bytes, zeros behind them. In fewer rows than these there is no room: they wait."""
        column = np.zeros(rows, np.int8)
        if rows >= _FORMAT.size:
            numbers = (round(1e6 * self.kernel_seconds), round(1e6 * self.call_seconds), self.original_rows)
            data = _FORMAT.pack(*(min(number, _MOST) for number in numbers))
            column[: _FORMAT.size] = np.frombuffer(data, np.int8)
            self.kernel_seconds = self.call_seconds = self.original_rows = 0
        return column


#: Of this process, whose tasks run one after the other.
counts = Counts()
