"""Programs to relocatable object code: row loop and driver in LLVM, linked, optimised for this CPU and emitted.

The object exports one function with the C signature ``void (const int64_t *columns, int64_t n, int64_t *result)`` and
imports functions of libm and libmvec, `memcpy` and `memset` only.
"""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from llvmlite import binding

from sparkweld.errors import InternalError
from sparkweld.ir.program import Program
from sparkweld.kernels import driver, emit, lanes, math_library
from sparkweld.kernels.frontend import Lowered, lower_function, target_machine
from sparkweld.kernels.memory import mark_row_loop
from sparkweld.reasons import refusal

if TYPE_CHECKING:
    from sparkweld.kernels.cache import ObjectCache

#: Programs of more values are refused: compile time grows with them, by about a millisecond each.
MAX_VALUES = 4000

_OTHER_IMPORTS = frozenset({"memcpy", "memset"})


@dataclass(frozen=True)
class ObjectCode:
    """A compiled program. `data` is an ELF object that exports `symbol` and wants `imports`; made for the CPU `cpu`."""

    symbol: str
    imports: tuple[str, ...]
    cpu: str
    data: bytes
    cached: bool = False
    seconds: float = 0.0


@cache
def host_cpu() -> str:
    """The CPU that object code is made for: ``<LLVM's name>|<16 hex digits of the SHA-256 of its features>``."""
    features = binding.get_host_cpu_features().flatten()
    return f"{binding.get_host_cpu_name()}|{hashlib.sha256(features.encode()).hexdigest()[:16]}"


def kernel_symbol(program: Program) -> str:
    """Name of the kernel function of a program."""
    return f"sw_{program.digest[:16]}"


def check_size(program: Program) -> None:
    """Raises the refusal of a program that is too large for a kernel (see `MAX_VALUES`; rows of some 12,000 bytes)."""
    if program.size > MAX_VALUES:
        raise refusal("SW501", what=f"{program.size} values", limit=f"{MAX_VALUES} values")
    if driver.shape_of(program) is None:
        raise refusal("SW501", what="rows that are too wide", limit="what fits a scratch tile on the stack")


def compile_program(program: Program, cache: ObjectCache | None = None) -> ObjectCode:
    """Object code of an optimised program (exactly one loop), from the cache when it is there.

    Raises Refusal for a program past the limits of `check_size`, InternalError for one without a kernel.
    """
    started = time.perf_counter()
    found = cache.get(program) if cache is not None else None
    if found is not None:
        return replace(found, cached=True, seconds=time.perf_counter() - started)
    module = optimised_module(program)
    data = target_machine().emit_object(module)
    imports = tuple(sorted(undefined_symbols(data)))
    _check_imports(imports, program)
    code = ObjectCode(kernel_symbol(program), imports, host_cpu(), data, False, time.perf_counter() - started)
    if cache is not None:
        cache.put(program, code)
    return code


def row_loop_source(program: Program) -> str:
    """The Python source of a program's row loop, for people."""
    return emit.emit_row_loop(program, _shape(program)).source


def optimised_module(program: Program) -> binding.ModuleRef:
    """LLVM's module of the kernel after optimisation."""
    module = linked_module(program)
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    # All parallelism is between rows; looking for it within one costs half of the time of the pipeline and finds none.
    options.slp_vectorization = False
    builder = binding.create_pass_builder(target_machine(), options)
    builder.getModulePassManager().run(module, builder)
    _drop_unused(module)
    _name_imports(module, program)
    return module


def _drop_unused(module: binding.ModuleRef) -> None:
    """Removes the vector versions that the vectoriser did not call."""
    kept = [v for v in module.global_variables if v.name == lanes.KEPT]
    for variable in kept:
        variable.linkage, variable.name = "internal", "sparkweld.unused"
    passes = binding.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, binding.create_pass_builder(target_machine(), binding.create_pipeline_tuning_options()))


def _name_imports(module: binding.ModuleRef, program: Program) -> None:
    """Gives libm's scalar functions their own names.

    Raises InternalError when a row's position decides which version of a function computes it.
    """
    names = {f.name for f in module.functions if f.is_declaration}
    for function in list(module.functions):
        if not function.is_declaration or not function.name.startswith(math_library.PREFIX):
            continue
        exact = function.name.startswith(math_library.EXACT_PREFIX)
        symbol = function.name.removeprefix(math_library.EXACT_PREFIX if exact else math_library.PREFIX)
        scalar = math_library.math_function(symbol)
        if not exact and scalar is not None and any(v in names for _, v in scalar.variants):
            raise InternalError(f"the kernel of program {program.name!r} computes {symbol} in two ways, by a row's position")
        # After \1 LLVM takes a name as it stands; it is no clash with a function of that name.
        function.name = f"\1{symbol}" if exact else symbol


def linked_module(program: Program) -> binding.ModuleRef:
    """LLVM's module of the kernel before optimisation: all functions but the kernel are internal."""
    check_size(program)
    if len(program.loops) != 1:
        raise InternalError(f"program {program.name!r} has {len(program.loops)} loops; kernels take optimised ones, of one loop")
    shape = _shape(program)
    rows = lower_function(emit.emit_row_loop(program, shape).function(), emit.ARGUMENTS, emit.RESULT)
    mark_row_loop(rows.module.get_global(rows.symbol))
    drive = driver.lowered_driver()
    symbol = kernel_symbol(program)
    module = binding.parse_assembly(_prelude(symbol, shape, rows, drive))
    for part in (rows, drive):
        module.link_in(binding.parse_assembly(str(part.module)))
    module.verify()
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != symbol and not value.name.startswith("llvm."):
            value.linkage = "internal"
    return module


def _shape(program: Program) -> driver.Shape:
    shape = driver.shape_of(program)
    assert shape is not None, "check_size was not asked"
    return shape


def _prelude(symbol: str, shape: driver.Shape, rows: Lowered, drive: Lowered) -> str:
    """What Numba cannot say: attributes, the constants of the shape, and C entry points around Numba's functions."""
    called = sorted(f.name for f in rows.module.functions if f.is_declaration)
    machine = target_machine()
    constants = ", ".join(f"i64 {v}" for v in shape.values)
    return f"""
target triple = "{machine.triple}"
target datalayout = "{machine.target_data}"
{lanes.with_vector_versions(math_library.used_functions(called) + lanes.used_functions(called))}
@{driver.SHAPE} = constant [{len(shape.values)} x i64] [{constants}]
declare i32 @{rows.symbol}(ptr, ptr, i64, i64, i64)
declare i32 @{drive.symbol}(ptr, ptr, i64, i64, i64)
define i64 @{driver.ROWS}(i64 %table, i64 %padded, i64 %count) nounwind {{
  %result = alloca i64
  %exception = alloca ptr
  %status = call i32 @{rows.symbol}(ptr %result, ptr %exception, i64 %table, i64 %padded, i64 %count)
  %flagged = load i64, ptr %result
  ret i64 %flagged
}}
define void @{symbol}(ptr %columns, i64 %n, ptr %result) nounwind "prefer-vector-width"="512" {{
  %ignored = alloca i64
  %exception = alloca ptr
  %c = ptrtoint ptr %columns to i64
  %r = ptrtoint ptr %result to i64
  %status = call i32 @{drive.symbol}(ptr %ignored, ptr %exception, i64 %c, i64 %n, i64 %r)
  ret void
}}
"""


def _check_imports(imports: tuple[str, ...], program: Program) -> None:
    for symbol in imports:
        known = symbol in _OTHER_IMPORTS or symbol.startswith("_ZGV") or math_library.math_function(symbol) is not None
        if not known:
            raise InternalError(f"the kernel of program {program.name!r} needs {symbol}, which is no function of libm")


def undefined_symbols(data: bytes) -> Iterator[str]:
    """Names of the symbols that a 64-bit little-endian ELF object wants from elsewhere."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise InternalError("LLVM emitted something else than a 64-bit little-endian ELF object")
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
