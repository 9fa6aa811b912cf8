"""Calls a kernel on columns or on a single row, from any number of threads.

The kernel is one C function, ``void (const int64_t *columns, int64_t n, int64_t *result)`` (docs/internals/architecture.md).
`ctypes` releases the GIL during the call. Each thread has memory of its own, in which models keep their caches between calls.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparkweld.contract.constants import HEAD_WORDS, KEEPS
from sparkweld.serving.signature import VIEW_BYTES, Signature

_ALIGNMENT = 64
_FIRST_ARENA = 1 << 16


@dataclass(frozen=True)
class Buffer:
    """The memory of a column: `values`, an array of its dtype or int64[rows, 2] of views, and NULL bytes, 1 where NULL.

    `held`: what the addresses of the views point to.
    """

    values: np.ndarray
    nulls: np.ndarray | None = None
    held: Any = None


@dataclass
class _Thread:
    """What one thread reuses from call to call."""

    memory: np.ndarray | None
    arena: np.ndarray
    row: _Row | None = None


@dataclass(frozen=True)
class _Row:
    """The memory of a call on one row, laid out once.

    `layout` has the values of all inputs, then their NULL bytes. `result` has the words of the result.
    """

    space: bytearray
    layout: struct.Struct
    outputs: tuple[tuple[struct.Struct, int, int], ...]
    table: int
    result: Any
    held: tuple[Any, ...] = field(repr=False)


class Runner:
    """A kernel at an address. `blocks`: the bytes of its models, aligned to 64. `owner` keeps the code loaded."""

    def __init__(self, signature: Signature, address: int, blocks: Sequence[np.ndarray], owner: Any) -> None:
        self.signature, self._blocks, self._owner = signature, tuple(blocks), owner
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(address)
        self._threads = threading.local()

    def run(self, inputs: Sequence[Buffer], rows: int) -> list[Buffer] | None:
        """Returns the output columns; None where a guard flags a row, so that the kernel may not decide the batch."""
        thread, signature = self._thread(), self.signature
        zeros = np.zeros(rows, np.uint8)
        given = [(_contiguous(x.values), zeros if x.nulls is None else _contiguous(x.nulls)) for x in inputs]
        outputs = [
            (
                np.empty((rows, 2), np.int64) if column.is_view else np.empty(rows, column.dtype),
                np.empty(rows, np.uint8) if column.nullable else None,
            )
            for column in signature.outputs
        ]
        addresses = [array.ctypes.data for pair in given for array in pair]
        addresses += [0 if array is None else array.ctypes.data for pair in outputs for array in pair]
        result = np.zeros(2 + len(outputs), np.int64)
        held = self._call(thread, addresses, rows, result)
        if result[1]:
            return None
        return [Buffer(values, nulls, (held, given)) for values, nulls in outputs]

    def _call(self, thread: _Thread, addresses: list[int], rows: int, result: np.ndarray) -> np.ndarray:
        """Calls the kernel, again with a larger arena while it is too small. Returns the arena, which is the call's alone."""
        extra = [block.ctypes.data for block in self._blocks]
        extra += [] if thread.memory is None else [thread.memory.ctypes.data]
        arena = thread.arena if self.signature.allocates else np.empty(0, np.uint8)
        while True:
            ends = np.array([arena.ctypes.data, arena.ctypes.data + arena.size], np.int64)
            place = ends.ctypes.data if self.signature.allocates else 0
            table = np.array([*addresses, 0, place, *extra], np.int64)
            self._function(table.ctypes.data, rows, result.ctypes.data)
            if ends[0] <= ends[1]:
                break
            arena = np.empty(max(2 * arena.size, int(ends[0]) - arena.ctypes.data), np.uint8)
        if self.signature.allocates:  # the results refer to the arena, so the next call gets another one
            thread.arena = np.empty(arena.size, np.uint8)
        return arena

    def row(self, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """Returns the outputs for one row of fixed-width values without NULL; None where a guard flags it.

        Raises struct.error for a value of another class. Only for signatures with `is_fixed`.
        """
        thread = self._thread()
        row = thread.row or self._row(thread)
        row.layout.pack_into(row.space, 0, *values)
        self._function(row.table, 1, row.result)
        if row.result[1]:
            return None
        return tuple(
            None if null >= 0 and row.space[null] else value.unpack_from(row.space, at)[0] for value, at, null in row.outputs
        )

    @property
    def is_fixed(self) -> bool:
        """Whether all columns have values of a fixed width, so that `row` may be called."""
        return not any(column.is_view for column in (*self.signature.inputs, *self.signature.outputs))

    def _thread(self) -> _Thread:
        found = getattr(self._threads, "found", None)
        if found is None:
            arena = np.empty(_FIRST_ARENA if self.signature.allocates else 0, np.uint8)
            found = self._threads.found = _Thread(self._memory(), arena)
        return found

    def _memory(self) -> np.ndarray | None:
        """Returns memory for the calls of one thread, which says that models may keep results in it."""
        if not self._blocks:
            return None
        memory = aligned(self.signature.memory)
        memory[: 8 * HEAD_WORDS].view(np.int64)[1:] = KEEPS
        return memory

    def _row(self, thread: _Thread) -> _Row:
        inputs, outputs = self.signature.inputs, self.signature.outputs
        values = "".join(f"{column.dtype.char}{8 - column.width}x" for column in inputs)
        layout = struct.Struct(f"={values}{len(inputs)}x")
        begin = layout.size + -layout.size % 8
        space = bytearray(begin + 16 * len(outputs))
        base = ctypes.addressof((ctypes.c_char * len(space)).from_buffer(space))
        addresses = [x for at in range(len(inputs)) for x in (base + 8 * at, base + 8 * len(inputs) + at)]
        places = []
        for at, column in enumerate(outputs):
            value, null = begin + 16 * at, begin + 16 * at + 8
            places.append((struct.Struct(f"={column.dtype.char}"), value, null if column.nullable else -1))
            addresses += [base + value, base + null if column.nullable else 0]
        extra = [block.ctypes.data for block in self._blocks]
        extra += [] if thread.memory is None else [thread.memory.ctypes.data]
        arena = np.array([thread.arena.ctypes.data, thread.arena.ctypes.data + thread.arena.size], np.int64)
        table = np.array([*addresses, 0, arena.ctypes.data if self.signature.allocates else 0, *extra], np.int64)
        result = (ctypes.c_int64 * (2 + len(outputs)))()
        thread.row = _Row(space, layout, tuple(places), table.ctypes.data, result, (table, arena))
        return thread.row


def aligned(size: int) -> np.ndarray:
    """Returns a zeroed uint8[size] whose address is a multiple of 64."""
    space = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -space.ctypes.data % _ALIGNMENT
    return space[start : start + size]


def _contiguous(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array)


__all__ = ["VIEW_BYTES", "Buffer", "Runner", "aligned"]
