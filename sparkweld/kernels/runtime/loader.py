"""Loads object code as a callable kernel in this process, through LLVM's JIT linker, as the JVM does."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from llvmlite import binding

from sparkweld.errors import InternalError
from sparkweld.ir.blocks import aligned
from sparkweld.ir.layouts.model_memory import HEAD_WORDS, KEEPS
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.ops.lists import array_of
from sparkweld.ir.program import Program, output_types
from sparkweld.ir.types import STR, Items, Type
from sparkweld.kernels.codegen.shape import program_allocates
from sparkweld.kernels.llvm import math_library
from sparkweld.kernels.llvm.target import target_cpu
from sparkweld.kernels.runtime.object_code import ObjectCode

_numbers = itertools.count()


@dataclass(frozen=True)
class KernelResult:
    """The result of a kernel run. `columns`: output name -> array of m rows (Optional when nullable, zeros where NULL).

    `selection`: int32[m], source rows, for a filtered program, else None. `flagged`: number of rows that guards flagged; when it
    is not 0, the columns are meaningless. `nulls`: NULL count per output.
    """

    columns: dict[str, Array]
    selection: np.ndarray | None
    flagged: int
    nulls: dict[str, int]


@cache
def _linker() -> binding.LLJIT:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding.create_lljit_compiler()


def link(data: bytes, symbol: str, imports: Iterable[str] = ()) -> binding.orcjit.ResourceTracker:
    """Links an ELF object and returns the tracker that owns its code and has the address of `symbol`. Raises InternalError."""
    library = binding.JITLibraryBuilder().add_object_img(data).export_symbol(symbol).add_current_process()
    for wanted in imports:
        address = math_library.address_of(wanted)
        if address is None:
            raise InternalError(f"no library of this process has {wanted}")
        library.import_symbol(wanted, address)
    try:
        return library.link(_linker(), f"{symbol}.{next(_numbers)}")
    except RuntimeError as error:
        raise InternalError(f"linking {symbol} failed: {error}") from error


class Kernel:
    """A linked kernel. It owns its code, and several threads may run it."""

    def __init__(self, program: Program, address: int, tracker: binding.orcjit.ResourceTracker, memory: int = 0) -> None:
        self.program, self.address, self._tracker, self._memory = program, address, tracker, memory
        self._kept: np.ndarray | None = None
        self._blocks = program.blocks
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(address)
        self._filtered = program.loops[0].where is not None
        # Computed once: they take as long as a kernel takes for thousands of rows.
        self._types, self._allocates = output_types(program), program_allocates(program)
        #: Size of the first arena of a call: the largest size that any call has required.
        self.arena_bytes = 4096

    @staticmethod
    def load(code: ObjectCode, program: Program) -> Kernel:
        """Links the object code of `program`. Raises InternalError for another CPU's code or a missing import."""
        if code.cpu != target_cpu():
            raise InternalError(f"object code for {code.cpu} cannot run on {target_cpu()}")
        tracker = link(code.data, code.symbol, code.imports)
        return Kernel(program, tracker[code.symbol], tracker, code.memory)

    def keeping(self) -> Kernel:
        """Returns the same kernel with memory in which calls cache results across runs. One thread only may use it."""
        made = Kernel(self.program, self.address, self._tracker, self._memory)
        made._kept = aligned(self._memory)
        made._kept[: 8 * HEAD_WORDS].view(np.int64)[1:] = KEEPS
        return made

    def run(
        self, columns: Mapping[str, Any], rows: int, places: Mapping[str, np.ndarray] | None = None, arrow: bool = False
    ) -> KernelResult:
        """Runs the kernel on `rows` rows.

        `columns`: input name -> array of the input's dtype, Optional for nullable types. Strings may be a StringArray of UTF-8.
        `places`: output name -> array of `rows` elements that becomes the output; neither for filtered programs nor for strings.
        `arrow`: the result holds strings as StringArrays.
        """
        keep: list[Any] = []
        addresses = input_addresses(self.program, columns, rows, keep)
        return self._result(addresses, rows, keep, places or {}, arrow)

    def bound(self, columns: Mapping[str, Array], rows: int) -> Callable[[], KernelResult]:
        """Returns `run` bound to inputs that are laid out in memory once, for any number of runs."""
        keep: list[Any] = []  # temporaries whose addresses the kernel receives
        addresses = input_addresses(self.program, columns, rows, keep)
        return lambda: self._result(addresses, rows, [*keep], {})

    def _result(
        self, inputs: list[int], rows: int, keep: list[Any], places: Mapping[str, np.ndarray], arrow: bool = False
    ) -> KernelResult:
        outputs = [
            (_empty(rows, type) if name not in places else places[name], np.empty(rows, np.uint8) if type.nullable else None)
            for name, type in zip(self.program.outputs, self._types, strict=True)
        ]
        addresses = [*inputs, *(0 if a is None else a.ctypes.data for pair in outputs for a in pair)]
        selection = np.empty(rows, np.int32) if self._filtered else None
        addresses.append(0 if selection is None else selection.ctypes.data)
        result = self._call_with_arena(addresses, rows, keep)
        m = int(result[0])
        arrays: dict[str, Any] = {}
        for name, type, (values, nulls) in zip(self.program.outputs, self._types, outputs, strict=True):
            if arrow and type.plain() == STR:
                arrays[name] = _string_array(values[:m], nulls)
                continue
            values = objects_of(values[:m], type) if type.is_view else values[:m]
            arrays[name] = values if nulls is None else Optional(values, nulls[:m] == 0)
        counts = dict(zip(self.program.outputs, result[2:].tolist(), strict=True))
        return KernelResult(arrays, None if selection is None else selection[:m], int(result[1]), counts)

    def _call_with_arena(self, addresses: list[int], rows: int, keep: list[Any]) -> np.ndarray:
        """Calls the kernel, and repeats the call with a larger arena while it is too small; later calls start with that size."""
        extra = self._extra(keep)
        if not self._allocates:
            return self.call([*addresses, 0, *extra], rows)
        size = self.arena_bytes
        while True:
            arena = np.empty(size, np.uint8)
            ends = np.array([arena.ctypes.data, arena.ctypes.data + size], np.int64)
            result = self.call([*addresses, ends.ctypes.data, *extra], rows)
            if ends[0] <= ends[1]:
                keep.append(arena)
                return result
            size = self.arena_bytes = max(2 * size, int(ends[0]) - arena.ctypes.data)

    def _extra(self, keep: list[Any]) -> list[int]:
        """Returns the addresses of the blocks, whose bytes must be loaded, and of the call's memory."""
        if not self._blocks:
            return []
        data = [block.data for block in self._blocks]
        if any(part is None for part in data):
            raise InternalError(f"program {self.program.name!r} runs without the bytes of its blocks")
        memory = aligned(self._memory) if self._kept is None else self._kept
        keep.append(memory)
        return [part.ctypes.data for part in (*data, memory) if part is not None]

    def call(self, addresses: list[int], rows: int) -> np.ndarray:
        """Calls the kernel on raw addresses, in the order of its ABI, and returns its int64 result."""
        table = np.array(addresses, np.int64)
        result = np.empty(2 + len(self.program.outputs), np.int64)
        self._function(table.ctypes.data, rows, result.ctypes.data)
        return result


def input_addresses(program: Program, columns: Mapping[str, Any], rows: int, keep: list[Any]) -> list[int]:
    """Returns the addresses of each input's values and NULL bytes, as a kernel takes them; appends their arrays to `keep`."""
    addresses: list[int] = []
    no_nulls = _no_nulls(rows)
    for i in program.inputs:
        column = columns[i.name]
        if isinstance(column, pa.StringArray):
            keep += [column, _views_of_array(column), _null_bytes(column)]
            addresses += [a.ctypes.data for a in keep[-2:]]
            continue
        values = column.values if isinstance(column, Optional) else column
        nulls = (~column.valid).view(np.uint8) if isinstance(column, Optional) else no_nulls
        assert values.dtype == i.type.dtype and isinstance(column, Optional) == i.type.nullable, f"{i.name} is not {i.type}"
        if i.type.is_view:
            values = _views_of(np.where(nulls == 0, values, i.type.zero), i.type, keep)
        keep += [np.ascontiguousarray(values), np.ascontiguousarray(nulls)]
        addresses += [a.ctypes.data for a in keep[-2:]]
    return addresses


def _no_nulls(rows: int) -> np.ndarray:
    """Returns the NULL bytes of a column without NULLs.

    The size is a power of two, so that further calls share the read-only array.
    """
    return _zeros(1 << max(rows - 1, 0).bit_length())[:rows]


@lru_cache(maxsize=4)
def _zeros(count: int) -> np.ndarray:
    return np.zeros(count, np.uint8)


def _null_bytes(array: pa.Array) -> np.ndarray:
    if not array.null_count:
        return _no_nulls(len(array))
    return array.is_null().to_numpy(zero_copy_only=False).view(np.uint8)  # type: ignore[no-any-return]


def _views_of_array(texts: pa.StringArray) -> np.ndarray:
    """Returns views, int64[rows, 2], of an Arrow array's own memory."""
    _, offsets, data = texts.buffers()
    if not len(texts):
        return np.empty((0, 2), np.int64)
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    lengths = np.diff(ends)
    if texts.null_count:
        lengths *= texts.is_valid().to_numpy(zero_copy_only=False)
    return np.column_stack([ends[:-1] + (0 if data is None else data.address), lengths])


def _string_array(views: np.ndarray, nulls: np.ndarray | None) -> pa.StringArray:
    """Returns the strings of views as an Arrow array, NULL where `nulls` is not 0."""
    made = _arrow_texts(views).cast(pa.string()) if views[:, 1].any() else pa.repeat("", len(views))
    valid = None if nulls is None else nulls[: len(views)] == 0
    return made if valid is None or valid.all() else pc.if_else(pa.array(valid), made, None)


def _views_of(objects: np.ndarray, type: Type, keep: list[np.ndarray]) -> np.ndarray:
    """Returns views, int64[rows, 2], of an object array of `str` or `Items`; appends their bytes to `keep`."""
    if type.is_list and type.element.is_view:
        return _views_of_texts(objects.tolist(), keep)
    if type.is_list:
        pieces = [array_of(items, type.element).tobytes() for items in objects.tolist()]
        data, ends = b"".join(pieces), np.cumsum(_sizes(pieces))
    else:
        data, ends = _encoded(objects)
    keep.append(np.frombuffer(data, np.uint8))
    sizes = np.diff(ends, prepend=0)
    lengths = sizes // type.element.width if type.is_list else sizes
    if type.is_list:
        incomplete = np.array([None in items.values for items in objects.tolist()], np.bool_)
        lengths = np.where(incomplete, ~lengths, lengths)
    return np.column_stack([keep[-1].ctypes.data + ends - sizes, lengths])


def _views_of_texts(lists: list[Items], keep: list[np.ndarray]) -> np.ndarray:
    """Like `_views_of`, for lists of `str`: views of views."""
    texts = np.array(["" if x is None else x for items in lists for x in items.values], object)
    keep.append(np.ascontiguousarray(_views_of(texts, STR, keep)))
    counts = np.array([len(items.values) for items in lists], np.int64)
    starts = keep[-1].ctypes.data + 16 * (np.cumsum(counts) - counts)
    complete = np.array([None not in items.values for items in lists], np.bool_)
    return np.column_stack([starts, np.where(complete, counts, ~counts)])


def _encoded(texts: np.ndarray) -> tuple[Any, np.ndarray]:
    """Returns the strings' concatenated bytes and the end offset of each string."""
    try:
        column = pa.array(texts, pa.large_string())
    except UnicodeEncodeError:  # lone surrogates, which Python uses for bytes that are not UTF-8
        pieces = [text.encode("utf-8", "surrogateescape") for text in texts.tolist()]
        return b"".join(pieces), np.cumsum(_sizes(pieces))
    _, offsets, data = column.buffers()
    return data or b"", np.frombuffer(offsets, np.int64)[1 : len(texts) + 1]


def _sizes(pieces: Sequence[bytes]) -> np.ndarray:
    return np.fromiter(map(len, pieces), np.int64, len(pieces))


def objects_of(views: np.ndarray, type: Type) -> np.ndarray:
    """Inverts `_views_of` for complete lists. A list of a flagged row may hold a NULL element; its length is then ~n."""
    if not type.is_list:
        return texts_of(views)
    lists = np.empty(len(views), object)
    for row, (address, length) in enumerate(views.tolist()):
        data = ctypes.string_at(address, (length if length >= 0 else ~length) * type.element.width)
        if type.element.is_view:
            lists[row] = Items("str", tuple(texts_of(np.frombuffer(data, np.int64).reshape(-1, 2)).tolist()))
            continue
        lists[row] = Items(type.element.kind, tuple(np.frombuffer(data, type.element.dtype).tolist()))
    return lists


def texts_of(views: np.ndarray) -> np.ndarray:
    """Returns the strings, an object array of `str`, of views, int64[rows, 2]."""
    if not views[:, 1].any():
        return np.full(len(views), "", object)
    try:
        return _arrow_texts(views).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    except pa.ArrowException:  # bytes that are not UTF-8, from a string with lone surrogates
        pass
    whole, ends = _gathered(views)
    data, texts = whole.tobytes(), np.empty(len(views), object)
    texts[:] = [
        data[start:end].decode("utf-8", "surrogateescape")
        for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)
    ]
    return texts


def _arrow_texts(views: np.ndarray) -> pa.LargeStringArray:
    """Returns the strings as an Arrow array; at least one of them must not be empty.

    Kernels write strings consecutively, or return views into such strings: Arrow copies such ranges.
    """
    lengths = views[:, 1]
    held = lengths > 0
    stops = np.maximum.accumulate(np.where(held, views[:, 0] + lengths, 0))
    starts = np.where(held, views[:, 0], stops)
    base = int(views[held, 0].min())
    starts, stops = np.maximum(starts, base), np.maximum(stops, base)
    span = int(stops[-1]) - base
    if (starts[1:] < stops[:-1]).any():
        data, ends = _gathered(views)
        return pa.LargeStringArray.from_buffers(len(views), pa.py_buffer(np.concatenate([[0], ends])), pa.py_buffer(data))
    # Strings and the gaps between them alternate as elements. Only the strings are taken, and no other memory is read.
    bounds = np.empty(2 * len(views) + 1, np.int64)
    bounds[0:-1:2], bounds[1:-1:2], bounds[-1] = starts - base, stops - base, span
    both = pa.LargeStringArray.from_buffers(2 * len(views), pa.py_buffer(bounds), pa.foreign_buffer(base, span))
    return both.take(pa.array(np.arange(0, 2 * len(views), 2)))


def _gathered(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the concatenated bytes of views and the end offset of each one."""
    lengths = views[:, 1]
    ends = np.cumsum(lengths)
    held = views[lengths > 0]
    if not len(held):
        return np.empty(0, np.uint8), ends
    base = int(held[:, 0].min())
    # The array spans all memory between the first and the last string; only the strings' bytes are read.
    span = int((held[:, 0] + held[:, 1]).max()) - base
    memory = np.ctypeslib.as_array((ctypes.c_uint8 * span).from_address(base))
    places = np.arange(ends[-1]) + np.repeat(views[:, 0] - base - (ends - lengths), lengths)
    return memory[places], ends


def _empty(rows: int, type: Type) -> np.ndarray:
    return np.empty((rows, 2), np.int64) if type.is_view else np.empty(rows, type.dtype)
