"""Builds a program's LLVM module: links the row loop and the driver and optimises them for this CPU. Requires Numba."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import binding

from sparkweld.errors import InternalError
from sparkweld.ir.layouts.model_memory import MODEL_TILE
from sparkweld.ir.program import Program
from sparkweld.kernels.codegen import driver, emit, merging, staged, streaming, whole_columns
from sparkweld.kernels.codegen.shape import Shape, check_size, kernel_symbol, shape_of
from sparkweld.kernels.functions import lists, models, strings
from sparkweld.kernels.functions.strings.library import Function
from sparkweld.kernels.llvm import lanes, math_library
from sparkweld.kernels.llvm.llvm_passes import drop_unused, optimise
from sparkweld.kernels.llvm.memory import mark_row_loops
from sparkweld.kernels.llvm.numba_frontend import Lowered, lower_function
from sparkweld.kernels.llvm.target import target_machine


def row_loop_source(program: Program) -> str:
    """Returns the Python source of a program's row loop, for human readers."""
    return emit.emit_row_loop(program, _shape(program)).source


def optimised_module(
    program: Program, streams: bool = False, bitcode: Callable[[Function], bytes] | None = None
) -> tuple[binding.ModuleRef, int]:
    """Returns the kernel's optimised LLVM module, and the bytes of memory that it requires.

    `streams`: see `streaming`. `bitcode` returns the code of a function that the kernel calls, made before.
    """
    symbol = kernel_symbol(program, streams)
    module, memory = linked_module(program, streams)
    optimise(module, vectorise=True, unroll=True)
    drop_unused(module)
    if math_library.computed_in_two_ways(module):  # LLVM vectorised one of the loops that call a function, and not the other
        module = lanes.without_vector_versions(linked_module(program, streams)[0])
        optimise(module, vectorise=True, unroll=True)
        drop_unused(module)
    math_library.check_one_version(module, program.name)
    # Those of whole columns call those of strings.
    for library in (whole_columns, strings, lists, models):
        for function in library.used_functions([f.name for f in module.functions if f.is_declaration]):
            module.link_in(binding.parse_bitcode(bitcode(function) if bitcode else function.bitcode))
    _hide_all_but(symbol, module)
    drop_unused(module)
    math_library.name_imports(module)
    if streams:
        module = streaming.with_streaming_stores(module, symbol)
    return module, memory


def linked_module(program: Program, streams: bool = False) -> tuple[binding.ModuleRef, int]:
    """Returns the kernel's LLVM module before optimisation, and the bytes of memory that it requires.

    All functions but the kernel are internal.
    """
    symbol = kernel_symbol(program, streams)
    check_size(program)
    if program.stages:
        return _staged_module(program, symbol)
    if len(program.loops) != 1:
        raise InternalError(f"program {program.name!r} has {len(program.loops)} loops; a kernel requires one")
    if program.loops[0].groups is not None:
        return _merging_module(program, symbol)
    shape = _shape(program)
    row_loop = emit.emit_row_loop(program, shape)
    rows = lower_function(row_loop.function(), emit.ARGUMENTS, emit.RESULT)
    # A scalar remainder loop would compute these functions by their scalar version, with other result bits.
    one_vector = math_library.is_called(rows.module)
    unrolled = not one_vector or shape.tile == MODEL_TILE
    mark_row_loops(rows.module.get_global(rows.symbol), row_loop.vector_loops, one_vector=one_vector, unrolled=unrolled)
    drive = driver.lowered_driver()
    module = binding.parse_assembly(_prelude(symbol, shape, rows, drive))
    for part in (rows, drive):
        module.link_in(binding.parse_assembly(str(part.module)))
    module.verify()
    _hide_all_but(symbol, module)
    return module, row_loop.memory


def _merging_module(program: Program, symbol: str) -> tuple[binding.ModuleRef, int]:
    merge = lower_function(merging.merge_function(program), merging.ARGUMENTS, merging.RESULT)
    module = binding.parse_assembly(_target() + _entry(symbol, merge))
    module.link_in(binding.parse_assembly(str(merge.module)))
    module.verify()
    _hide_all_but(symbol, module)
    return module, 0


def _staged_module(program: Program, symbol: str) -> tuple[binding.ModuleRef, int]:
    whole = staged.lower_stages(program)
    module = binding.parse_assembly(_target() + _entry(symbol, whole))
    module.link_in(binding.parse_assembly(str(whole.module)))
    for part in staged.parts_of(program):
        module.link_in(linked_module(part)[0])
    module.verify()
    _hide_all_but(symbol, module)
    return module, 0


def _hide_all_but(symbol: str, module: binding.ModuleRef) -> None:
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != symbol and not value.name.startswith("llvm."):
            value.linkage = "internal"


def _shape(program: Program) -> Shape:
    shape = shape_of(program)
    assert shape is not None, "check_size must run first"
    return shape


def _prelude(symbol: str, shape: Shape, rows: Lowered, drive: Lowered) -> str:
    """Returns the LLVM that Numba cannot emit: attributes, the shape's constants, and C entry points around Numba's functions."""
    called = sorted(f.name for f in rows.module.functions if f.is_declaration)
    constants = ", ".join(f"i64 {v}" for v in shape.values)
    return f"""{_target()}
{lanes.with_vector_versions(math_library.used_functions(called) + lanes.used_functions(called))}
@{driver.SHAPE} = constant [{len(shape.values)} x i64] [{constants}]
declare i32 @{rows.symbol}(ptr, ptr, i64, i64, i64)
define i64 @{driver.ROWS}(i64 %table, i64 %padded, i64 %count) nounwind {{
  %result = alloca i64
  %exception = alloca ptr
  %status = call i32 @{rows.symbol}(ptr %result, ptr %exception, i64 %table, i64 %padded, i64 %count)
  %flagged = load i64, ptr %result
  ret i64 %flagged
}}
{_entry(symbol, drive)}"""


def _target() -> str:
    machine = target_machine()
    return f"""
target triple = "{machine.triple}"
target datalayout = "{machine.target_data}"
"""


def _entry(symbol: str, whole: Lowered) -> str:
    """Returns the kernel's C function, which wraps the Numba function `whole`."""
    return f"""
declare i32 @{whole.symbol}(ptr, ptr, i64, i64, i64)
define void @{symbol}(ptr %columns, i64 %n, ptr %result) nounwind "prefer-vector-width"="512" {{
  %ignored = alloca i64
  %exception = alloca ptr
  %c = ptrtoint ptr %columns to i64
  %r = ptrtoint ptr %result to i64
  %status = call i32 @{whole.symbol}(ptr %ignored, ptr %exception, i64 %c, i64 %n, i64 %r)
  ret void
}}
"""
