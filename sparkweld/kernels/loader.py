"""Object code to a callable kernel in this process: links it as the JVM does, through LLVM's JIT linker."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from llvmlite import binding

from sparkweld.errors import InternalError
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.program import Program, output_types
from sparkweld.kernels import math_library
from sparkweld.kernels.object_code import ObjectCode
from sparkweld.kernels.target import host_cpu

_numbers = itertools.count()


@dataclass(frozen=True)
class KernelResult:
    """What a kernel gave. `columns`: output name -> array of m rows (Optional when nullable, zeros where NULL).

    `selection`: int32[m], source rows, for a filtered program, else None. `flagged`: rows that guards flagged; when it is
    not 0 the columns mean nothing. `nulls`: NULL count per output.
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


class Kernel:
    """A linked kernel. Keeps its code alive; safe to run from several threads."""

    def __init__(self, program: Program, address: int, tracker: binding.orcjit.ResourceTracker) -> None:
        self.program, self.address, self._tracker = program, address, tracker
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(address)
        self._filtered = program.loops[0].where is not None

    @staticmethod
    def load(code: ObjectCode, program: Program) -> Kernel:
        """Links the object code of `program`. Raises InternalError for another CPU's code or a missing import."""
        if code.cpu != host_cpu():
            raise InternalError(f"object code for {code.cpu} cannot run on {host_cpu()}")
        library = binding.JITLibraryBuilder().add_object_img(code.data).export_symbol(code.symbol).add_current_process()
        for symbol in code.imports:
            address = math_library.address_of(symbol)
            if address is None:
                raise InternalError(f"no library of this process has {symbol}")
            library.import_symbol(symbol, address)
        try:
            tracker = library.link(_linker(), f"{code.symbol}.{next(_numbers)}")
        except RuntimeError as error:
            raise InternalError(f"linking {code.symbol} failed: {error}") from error
        return Kernel(program, tracker[code.symbol], tracker)

    def run(self, columns: Mapping[str, Array], rows: int) -> KernelResult:
        """Runs on `rows` rows. `columns`: input name -> array of the input's dtype, Optional for nullable types."""
        keep: list[np.ndarray] = []  # temporaries whose addresses the kernel gets
        addresses: list[int] = []
        no_nulls = np.zeros(rows, np.uint8)
        for i in self.program.inputs:
            column = columns[i.name]
            values = column.values if isinstance(column, Optional) else column
            nulls = (~column.valid).view(np.uint8) if isinstance(column, Optional) else no_nulls
            assert values.dtype == i.type.dtype and isinstance(column, Optional) == i.type.nullable, f"{i.name} is no {i.type}"
            keep += [np.ascontiguousarray(values), np.ascontiguousarray(nulls)]
            addresses += [a.ctypes.data for a in keep[-2:]]
        types = output_types(self.program)
        outputs = [(np.empty(rows, t.dtype), np.empty(rows, np.uint8)) for t in types]
        addresses += [a.ctypes.data for pair in outputs for a in pair]
        selection = np.empty(rows, np.int32) if self._filtered else None
        if selection is not None:
            addresses.append(selection.ctypes.data)
        result = self.call(addresses, rows)
        m = int(result[0])
        arrays: dict[str, Array] = {}
        for name, type, (values, nulls) in zip(self.program.outputs, types, outputs, strict=True):
            arrays[name] = Optional(values[:m], nulls[:m] == 0) if type.nullable else values[:m]
        counts = dict(zip(self.program.outputs, result[2:].tolist(), strict=True))
        return KernelResult(arrays, None if selection is None else selection[:m], int(result[1]), counts)

    def call(self, addresses: list[int], rows: int) -> np.ndarray:
        """Calls the kernel on raw addresses, in the order of its ABI; gives its int64 result."""
        table = np.array(addresses, np.int64)
        result = np.empty(2 + len(self.program.outputs), np.int64)
        self._function(table.ctypes.data, rows, result.ctypes.data)
        return result
