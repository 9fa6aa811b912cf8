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
from sparkweld.serving.signature import CODES, Signature

_ALIGNMENT = 64
_FIRST_ARENA = 1 << 16
#: Rows for which a thread keeps columns of floats between calls: for so few, making them takes longer than the kernel.
_KEPT_ROWS = 16


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
    """What one thread reuses from call to call. `extra`: the addresses of the blocks and of the memory."""

    memory: np.ndarray | None
    extra: list[int]
    arena: np.ndarray
    row: _Row | None = None
    columns: _Columns | None = None


@dataclass(frozen=True)
class _Row:
    """The memory of a call on one row, laid out once.

    `layout` has the values of all inputs; `nulls` is where their NULL bytes follow, and `ends` has the bounds of the arena.
    """

    space: bytearray
    layout: struct.Struct
    nulls: slice
    outputs: tuple[tuple[str, struct.Struct, int, int], ...]
    table: int
    result: Any
    ends: np.ndarray
    held: Any = field(repr=False)


@dataclass(frozen=True)
class _Columns:
    """The memory of a call on a matrix of up to `_KEPT_ROWS` rows: float64[columns, rows], the outputs, the addresses."""

    inputs: np.ndarray
    nulls: np.ndarray
    outputs: tuple[Buffer, ...]
    table: np.ndarray
    result: np.ndarray


class Runner:
    """A kernel at an address. `blocks`: the bytes of its models, aligned to 64. `owner` keeps the code loaded."""

    def __init__(self, signature: Signature, address: int, blocks: Sequence[np.ndarray], owner: Any) -> None:
        self.signature, self._blocks, self._owner = signature, tuple(blocks), owner
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(address)
        strings = [column.kind == "str" for column in signature.inputs]
        self._strings = strings if any(strings) else []
        self._no_nulls = bytes(len(signature.inputs))
        self._threads = threading.local()

    def run(self, inputs: Sequence[Buffer], rows: int) -> list[Buffer] | None:
        """Returns the output columns; None where a guard flags a row, so that the kernel may not decide the batch."""
        zeros = np.zeros(rows, np.uint8)
        given = [(np.ascontiguousarray(x.values), zeros if x.nulls is None else np.ascontiguousarray(x.nulls)) for x in inputs]
        made = self._run([_address(array) for pair in given for array in pair], rows)
        # Strings and lists of the results may be parts of those of the inputs, and of what these hold.
        return made and [Buffer(x.values, x.nulls, (x.held, inputs)) for x in made]

    def run_matrix(self, matrix: np.ndarray) -> list[Buffer] | None:
        """Like `run`, for a contiguous float64[columns, rows]; only for signatures that `take_matrix`."""
        rows = matrix.shape[1]
        if rows <= _KEPT_ROWS and not self.signature.allocates:
            return self._run_kept(matrix, rows)
        zeros = np.zeros(rows, np.uint8)
        begin, nulls = _address(matrix), _address(zeros)
        return self._run([x for at in range(len(matrix)) for x in (begin + matrix.itemsize * rows * at, nulls)], rows)

    def _run_kept(self, matrix: np.ndarray, rows: int) -> list[Buffer] | None:
        """Calls the kernel on the thread's own columns."""
        thread = self._take()
        try:
            own = thread.columns or self._columns(thread)
            own.inputs[:, :rows] = matrix
            self._function(_address(own.table), rows, _address(own.result))
            if own.result[1]:
                return None
            return [Buffer(x.values[:rows].copy(), None if x.nulls is None else x.nulls[:rows].copy()) for x in own.outputs]
        finally:
            self._threads.found = thread

    def _columns(self, thread: _Thread) -> _Columns:
        inputs, nulls = np.zeros((len(self.signature.inputs), _KEPT_ROWS)), np.zeros(_KEPT_ROWS, np.uint8)
        outputs = tuple(
            Buffer(np.zeros(_KEPT_ROWS, column.dtype), np.zeros(_KEPT_ROWS, np.uint8) if column.nullable else None)
            for column in self.signature.outputs
        )
        addresses = [x for values in inputs for x in (_address(values), _address(nulls))]
        addresses += [x for one in outputs for x in (_address(one.values), 0 if one.nulls is None else _address(one.nulls))]
        table, result = np.array([*addresses, 0, 0, *thread.extra], np.int64), np.zeros(2 + len(outputs), np.int64)
        thread.columns = _Columns(inputs, nulls, outputs, table, result)
        return thread.columns

    def _run(self, addresses: list[int], rows: int) -> list[Buffer] | None:
        """Calls the kernel on input columns at these addresses, each with its NULL bytes."""
        signature = self.signature
        outputs = [
            (
                np.empty((rows, 2), np.int64) if column.is_view else np.empty(rows, column.dtype),
                np.empty(rows, np.uint8) if column.nullable else None,
            )
            for column in signature.outputs
        ]
        addresses += [0 if array is None else _address(array) for pair in outputs for array in pair]
        result = np.zeros(2 + len(outputs), np.int64)
        thread = self._take()
        try:
            held = self._call(thread, addresses, rows, result)
        finally:
            self._threads.found = thread
        if result[1]:
            return None
        return [Buffer(values, nulls, held) for values, nulls in outputs]

    def _call(self, thread: _Thread, addresses: list[int], rows: int, result: np.ndarray) -> np.ndarray:
        """Calls the kernel, again with a larger arena while it is too small. Returns the arena, which is the call's alone."""
        arena = thread.arena if self.signature.allocates else np.empty(0, np.uint8)
        while True:
            ends = np.array([arena.ctypes.data, arena.ctypes.data + arena.size], np.int64)
            place = ends.ctypes.data if self.signature.allocates else 0
            table = np.array([*addresses, 0, place, *thread.extra], np.int64)
            self._function(table.ctypes.data, rows, result.ctypes.data)
            if ends[0] <= ends[1]:
                break
            arena = np.empty(max(2 * arena.size, int(ends[0]) - arena.ctypes.data), np.uint8)
        if self.signature.allocates:  # the results refer to the arena, so the next call gets another one
            thread.arena, thread.row = np.empty(arena.size, np.uint8), None
        return arena

    def row(self, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """Returns the outputs for one row of numbers and strings, None for NULL; None where the kernel may not decide it.

        Raises struct.error and TypeError for a value of another class, or for a NULL in a column that may have none. Only for
        signatures with `takes_rows`.
        """
        thread = self._take()
        try:
            return self._row_of(thread, values)
        finally:
            self._threads.found = thread

    def _row_of(self, thread: _Thread, values: Sequence[Any]) -> tuple[Any, ...] | None:
        row = thread.row or self._row(thread)
        held = None
        if self._strings:
            values, held = self._with_addresses(values)
        try:
            row.layout.pack_into(row.space, 0, *values)
        except struct.error:
            self._pack_with_nulls(row, values)
        else:
            row.space[row.nulls] = self._no_nulls
        if self.signature.allocates:
            row.ends[0] = thread.arena.ctypes.data
        self._function(row.table, 1, row.result)
        if row.result[1] or row.ends[0] > row.ends[1]:
            return None
        found = tuple(
            None if null >= 0 and row.space[null] else value.unpack_from(row.space, at)[0]
            if kind else _text(*value.unpack_from(row.space, at))
            for kind, value, at, null in row.outputs
        )  # fmt: skip
        del held  # only now: a string of the results may be a part of one of the row
        return found

    @property
    def takes_rows(self) -> bool:
        """Whether `row` may be called: its inputs are numbers and strings, and so are its outputs."""
        columns = (*self.signature.inputs, *self.signature.outputs)
        return not any(column.element or column.kind in ("date", "ts") for column in columns)

    @property
    def takes_matrix(self) -> bool:
        """Whether `run_matrix` may be called: the inputs are floats of 64 bits, and the outputs numbers."""
        numbers = all(not column.is_view and column.kind not in ("date", "ts") for column in self.signature.outputs)
        return numbers and all(column.kind == "f64" for column in self.signature.inputs)

    def _with_addresses(self, values: Sequence[Any]) -> tuple[list[Any], list[bytes]]:
        """Returns the values with the address and length of each string in its place, and what these point to."""
        made, held = [], []
        for value, is_string in zip(values, self._strings, strict=True):
            if not is_string:
                made.append(value)
            elif value is None:
                made += (None, None)
            else:
                held.append(str.encode(value))
                made += (ctypes.cast(ctypes.c_char_p(held[-1]), ctypes.c_void_p).value, len(held[-1]))
        return made, held

    def _pack_with_nulls(self, row: _Row, values: Sequence[Any]) -> None:
        """Lays out a row with NULLs. Raises struct.error where there is none, or in a column that may have none."""
        row.layout.pack_into(row.space, 0, *(0 if value is None else value for value in values))
        nulls, at = bytearray(len(self.signature.inputs)), 0
        for number, column in enumerate(self.signature.inputs):
            nulls[number] = values[at] is None
            at += 2 if column.is_view else 1  # a string has an address and a length
            if nulls[number] and not column.nullable:
                raise struct.error("a NULL in a column without NULLs")
        row.space[row.nulls] = nulls

    def _take(self) -> _Thread:
        """Returns the thread's memory, which the caller puts back.

        A call within the call, as by the handler of a signal, takes other memory meanwhile.
        """
        found = getattr(self._threads, "found", None)
        if found is not None:
            self._threads.found = None
            return found  # type: ignore[no-any-return]
        arena = np.empty(_FIRST_ARENA if self.signature.allocates else 0, np.uint8)
        memory = self._memory()
        extra = [_address(array) for array in (*self._blocks, *(() if memory is None else (memory,)))]
        return _Thread(memory, extra, arena)

    def _memory(self) -> np.ndarray | None:
        """Returns memory for the calls of one thread, which says that models may keep results in it."""
        if not self._blocks:
            return None
        memory = aligned(self.signature.memory)
        memory[: 8 * HEAD_WORDS].view(np.int64)[1:] = KEEPS
        return memory

    def _row(self, thread: _Thread) -> _Row:
        inputs, outputs = self.signature.inputs, self.signature.outputs
        values = "".join("qq" if column.is_view else f"{CODES[column.kind]}{8 - column.width}x" for column in inputs)
        layout = struct.Struct(f"={values}")
        begin = layout.size + len(inputs) + -(layout.size + len(inputs)) % 8
        space = bytearray(begin + 24 * len(outputs))
        base = ctypes.addressof((ctypes.c_char * len(space)).from_buffer(space))
        addresses, place = [], 0
        for at, column in enumerate(inputs):
            addresses += [base + place, base + layout.size + at]
            place += 16 if column.is_view else 8
        places = []
        for at, column in enumerate(outputs):
            value, null = begin + 24 * at, begin + 24 * at + 16
            kind = CODES.get(column.kind, "")
            places.append((kind, struct.Struct(f"={kind or 'qq'}"), value, null if column.nullable else -1))
            addresses += [base + value, base + null if column.nullable else 0]
        ends = np.array([thread.arena.ctypes.data, thread.arena.ctypes.data + thread.arena.size], np.int64)
        table = np.array([*addresses, 0, ends.ctypes.data if self.signature.allocates else 0, *thread.extra], np.int64)
        result = (ctypes.c_int64 * (2 + len(outputs)))()
        nulls = slice(layout.size, layout.size + len(inputs))
        held = (table, thread.arena)
        thread.row = _Row(space, layout, nulls, tuple(places), table.ctypes.data, result, ends, held)
        return thread.row


def _text(address: int, length: int) -> str:
    return ctypes.string_at(address, length).decode()


def aligned(size: int) -> np.ndarray:
    """Returns a zeroed uint8[size] whose address is a multiple of 64."""
    space = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -space.ctypes.data % _ALIGNMENT
    return space[start : start + size]


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]  # half the time of `ctypes.data`
