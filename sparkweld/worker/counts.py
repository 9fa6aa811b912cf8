"""Encodes a Python worker's pipeline counters as bytes of a result column, the only channel back to the JVM.

`PipelineExec.scala` decodes them.
"""

from __future__ import annotations

import struct

import numpy as np

#: Microseconds in kernels, microseconds in calls, rows that the original function computed.
_FORMAT = struct.Struct("<III")
_MOST = 0xFFFFFFFF


class Counts:
    """Counters since the last report."""

    kernel_seconds = 0.0
    call_seconds = 0.0
    original_rows = 0

    def told(self, rows: int) -> np.ndarray:
        """Returns int8[rows], the packed counters and then zeros, and resets the counters.

        With fewer rows than bytes, the result is all zeros and the counters are reported later.
        """
        column = np.zeros(rows, np.int8)
        if rows >= _FORMAT.size:
            numbers = (round(1e6 * self.kernel_seconds), round(1e6 * self.call_seconds), self.original_rows)
            data = _FORMAT.pack(*(min(number, _MOST) for number in numbers))
            column[: _FORMAT.size] = np.frombuffer(data, np.int8)
            self.kernel_seconds = self.call_seconds = self.original_rows = 0
        return column


#: The counters of this process, whose tasks run one after another.
counts = Counts()
