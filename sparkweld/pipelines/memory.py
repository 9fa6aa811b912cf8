"""Recycles the memory of large result arrays, whose pages are then already mapped.

A fresh array costs a page fault at the first write to each page, plus zeroing by the kernel. For formulas that takes as long as
the computation. Freed memory waits here for the next array of its size; meanwhile the operating system may reclaim its pages.
"""

from __future__ import annotations

import mmap
import weakref
from collections import deque
from typing import Any

import numpy as np

#: Smaller arrays are NumPy's own: malloc keeps their pages mapped.
_LEAST_BYTES = 1 << 20
#: Sizes are multiples of a huge page.
_PAGE = 1 << 21
#: The limit on free bytes held here, over all sizes.
_MOST_BYTES = 1 << 29
_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)


class Reused:
    """A pool of freed memory, the least recently used first. Threads may share it: each step is one atomic deque operation."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._free: deque[mmap.mmap] = deque()

    @property
    def waiting_bytes(self) -> int:
        """Returns the bytes that are not in use."""
        return sum(map(len, tuple(self._free)))

    def empty(self, rows: int, dtype: Any) -> np.ndarray:
        """Returns an uninitialised array. Its memory returns to the pool when no array, view or Series of it is alive."""
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
            except IndexError:  # another thread took it
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
            memory.madvise(mmap.MADV_FREE)  # the system may reclaim these pages; the others stay mapped
        self._free.append(memory)
        while self.waiting_bytes > self.most_bytes:
            try:
                self._free.popleft()
            except IndexError:
                return


#: The pool of this process.
reused = Reused()
