"""Encodes a Python worker's pipeline counters as bytes of a result column, the only channel back to the JVM.

`PipelineExec.scala` decodes them.
"""

from __future__ import annotations

import numpy as np

from sparkweld.contract.constants import COUNTER_BYTES, COUNTERS

_MOST = 2 ** (8 * COUNTER_BYTES) - 1
_SIZE = COUNTER_BYTES * len(COUNTERS)


class Counts:
    """Counters since the last report."""

    kernel_seconds = 0.0
    call_seconds = 0.0
    original_rows = 0
    repeated_rows = 0

    def told(self, rows: int) -> np.ndarray:
        """Returns int8[rows], the packed counters and then zeros, and resets the counters.

        With fewer rows than bytes, the result is all zeros and the counters are reported later.
        """
        column = np.zeros(rows, np.int8)
        if rows >= _SIZE:
            numbers = {
                "kernelMicros": round(1e6 * self.kernel_seconds),
                "callMicros": round(1e6 * self.call_seconds),
                "originalRows": self.original_rows,
                "repeatedRows": self.repeated_rows,
            }
            data = b"".join(min(numbers[name], _MOST).to_bytes(COUNTER_BYTES, "little") for name in COUNTERS)
            column[:_SIZE] = np.frombuffer(data, np.int8)
            self.kernel_seconds = self.call_seconds = self.original_rows = self.repeated_rows = 0
        return column


#: The counters of this process, whose tasks run one after another.
counts = Counts()
