"""Compiles programs to relocatable object code for this CPU, or loads it from the cache.

The object exports one function with the C signature ``void (const int64_t *columns, int64_t n, int64_t *result)``. It imports
functions of libm and libmvec, `memcpy` and `memset` only. `columns` are addresses, in this order: each input's values and NULL
bytes, each output's, the selection, and the arena (0 where there is none). For a program with blocks, the address of each block
follows, and that of `memory` bytes for this call alone.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sparkweld.errors import InternalError
from sparkweld.ir.program import Program
from sparkweld.kernels.codegen.shape import kernel_symbol
from sparkweld.kernels.llvm import math_library
from sparkweld.kernels.llvm.target import target_cpu, target_machine

if TYPE_CHECKING:
    from sparkweld.kernels.runtime.cache import ObjectCache

_OTHER_IMPORTS = frozenset({"memcpy", "memset"})


@dataclass(frozen=True)
class ObjectCode:
    """A compiled program. `data` is an ELF object for the CPU `cpu` that exports `symbol` and requires `imports`.

    `memory`: bytes, aligned to 64, that the caller must pass to each call of a program with blocks; else 0.
    """

    symbol: str
    imports: tuple[str, ...]
    cpu: str
    data: bytes
    memory: int = 0
    cached: bool = False
    seconds: float = 0.0


def compile_program(program: Program, cache: ObjectCache | None = None, streams: bool = False) -> ObjectCode:
    """Compiles an optimised program (exactly one loop), or loads it from the cache. `streams`: see `streaming`.

    Raises Refusal for a program past the limits of `shape.check_size`, InternalError for one without a kernel.
    """
    started = time.perf_counter()
    found = cache.get(program, streams) if cache is not None else None
    if found is not None:
        return replace(found, cached=True, seconds=time.perf_counter() - started)
    # Numba takes half a second to import, and a cached program does not need it.
    from sparkweld.kernels.codegen.llvm_module import optimised_module

    module, memory = optimised_module(program, streams, None if cache is None else cache.bitcode)
    data = target_machine().emit_object(module)
    imports = tuple(sorted(undefined_symbols(data)))
    _check_imports(imports, program)
    code = ObjectCode(kernel_symbol(program, streams), imports, target_cpu(), data, memory, False, time.perf_counter() - started)
    if cache is not None:
        cache.put(program, code, streams)
    return code


def compile_shared(program: Program, cache: ObjectCache) -> tuple[bytes, int]:
    """Returns (the position-independent object code of a program, the bytes of memory that a call requires).

    A linker makes a shared library of the code. `cache` has the functions that it calls.
    """
    from sparkweld.kernels.codegen.llvm_module import optimised_module

    module, memory = optimised_module(program, bitcode=cache.bitcode)
    return target_machine(shared=True).emit_object(module), memory


def warm_up() -> None:
    """Imports Numba and compiles the code that all kernels share, so that the first program need not wait for it."""
    # Numba takes half a second to import
    from sparkweld.kernels.codegen.driver import lowered_driver

    lowered_driver()


def _check_imports(imports: tuple[str, ...], program: Program) -> None:
    for symbol in imports:
        known = symbol in _OTHER_IMPORTS or symbol.startswith("_ZGV") or math_library.math_function(symbol) is not None
        if not known:
            raise InternalError(f"the kernel of program {program.name!r} calls {symbol}, which is not a libm function")


def undefined_symbols(data: bytes) -> Iterator[str]:
    """Yields the names of the symbols that a 64-bit little-endian ELF object imports."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise InternalError("LLVM did not emit a 64-bit little-endian ELF object")
    (sections_at,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, sections_at + i * size) for i in range(count)]
    for _, kind, _, _, offset, length, link, *_ in headers:
        if kind != 2:  # SHT_SYMTAB
            continue
        names = headers[link][4]
        for at in range(offset + 24, offset + length, 24):
            name, info, _, section = struct.unpack_from("<IBBH", data, at)
            if section == 0 and info >> 4 in (1, 2):  # SHN_UNDEF, global or weak
                yield data[names + name : data.index(b"\0", names + name)].decode()
