"""Large arrays for results, in memory whose pages are there already when results of the same size were dropped before.

A fresh array costs a page fault for every page that is written first, and the kernel's zeros in it: for formulas that is as
long as the computation. What is dropped waits here for the next of its size; the operating system may take its pages meanwhile.
"""

from __future__ import annotations

import mmap
import weakref
from collections import deque
from typing import Any

import numpy as np

#: Smaller arrays are NumPy's own: malloc keeps their pages.
_LEAST_BYTES = 1 << 20
#: Sizes are multiples of this: huge pages.
_PAGE = 1 << 21
#: Bytes that wait here at most, for all sizes together.
_MOST_BYTES = 1 << 29
_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)


class Reused:
    """Memory that was given back, the least recently used first. Threads may share it: each step is one of a deque's own."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._free: deque[mmap.mmap] = deque()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that nobody uses now."""
        return sum(map(len, tuple(self._free)))

    def empty(self, rows: int, dtype: Any) -> np.ndarray:
        """An array with anything in it. Its memory comes back when no array, view or Series of it lives any more."""
        size = rows * np.dtype(dtype).itemsize
        if size < _LEAST_BYTES or not _PRIVATE or np.dtype(dtype).hasobject:
            return np.empty(rows, dtype)
        memory = self._taken(-(-size // _PAGE) * _PAGE)
        owner = np.frombuffer(memory, np.uint8)  # every view's chain of bases ends here
        weakref.finalize(owner, self._give_back, memory).atexit = False
        return owner[:size].view(dtype)

    def _taken(self, size: int) -> mmap.mmap:
        for _ in range(len(self._free)):
            try:
                memory = self._free.pop()
            except IndexError:  # another thread has it
                break
            if len(memory) == size:
                return memory
            self._free.appendleft(memory)
        made = mmap.mmap(-1, size, flags=_PRIVATE)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            made.madvise(mmap.MADV_HUGEPAGE)
        return made

    def _give_back(self, memory: mmap.mmap) -> None:
        if hasattr(mmap, "MADV_FREE"):
            memory.madvise(mmap.MADV_FREE)  # pages that are needed elsewhere go, and others are still here next time
        self._free.append(memory)
        while self.waiting_bytes > self.most_bytes:
            try:
                self._free.popleft()
            except IndexError:
                return


#: This process' memory.
reused = Reused()
