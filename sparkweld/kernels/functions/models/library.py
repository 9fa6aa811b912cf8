"""Lowers model functions to LLVM: Python for Numba's front end whose innermost loops over rows are vectorised.

They are written like string functions, with the same operations and those below for columns. Each is lowered and optimised once
per process and linked to the programs that call it. So the differences between models are passed as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llvmlite import binding, ir
from numba.core import types

from sparkweld.kernels.functions.strings.library import Function, call_of, linked
from sparkweld.kernels.llvm import lanes, math_library, memory
from sparkweld.kernels.llvm.llvm_passes import drop_unused, optimise
from sparkweld.kernels.llvm.numba_frontend import Operation, value_type

INT = types.int64
_PREFIX = "sparkweld.model."


@dataclass(frozen=True, eq=False)
class ModelFunction(Function):
    """A function whose innermost loops with row accesses have no dependence between rows, and are vectorised."""

    @property
    def symbol(self) -> str:
        return _PREFIX + self.name

    def prepare(self, module: ir.Module) -> None:
        prefer_wide_vectors(module)
        one_vector = math_library.is_called(module)
        for function in module.functions:
            if not function.is_declaration:
                memory.mark_innermost_loops(function, one_vector=one_vector)

    @cached_property
    def bitcode(self) -> bytes:
        functions = linked(self)
        declared = [f.name for f in functions.functions if f.is_declaration]
        # Linked first, so that the declarations with vector versions are the ones that are kept.
        module = binding.parse_assembly(lanes.with_vector_versions(math_library.used_functions(declared)))
        module.link_in(functions)
        optimise(module, vectorise=True, unroll=True)
        drop_unused(module)
        math_library.check_one_version(module, self.name)
        return module.as_bitcode()


def prefer_wide_vectors(module: ir.Module) -> None:
    """Requests vectors of 512 bits, where the CPU has them, in all functions of a module."""
    for function in module.functions:
        if not function.is_declaration:
            set.add(function.attributes, '"prefer-vector-width"="512"')  # llvmlite's own `add` rejects this attribute


def model_function(
    *arguments: types.Type, name: str = "", kind: type[ModelFunction] = ModelFunction
) -> Callable[[Callable[..., Any]], ModelFunction]:
    """Decorates a Python function of operations that returns an int64. LLVM must assume that it writes memory."""

    def wrap(python: Callable[..., object]) -> ModelFunction:
        own = name or python.__name__  # type: ignore[attr-defined]
        return kind(own, arguments, INT, call_of(_PREFIX + own, arguments, INT), python=python)

    return wrap


def score_function(python: Callable[..., object]) -> ModelFunction:
    """Decorates the function of an op: ``score(arguments, rows, block, outputs, scratch, parameters)``, see
    `kernels.functions.models`."""
    return model_function(*(INT,) * 6)(python)


def row_access(type: types.Type) -> tuple[Operation, Operation]:
    """Returns load and store of a column's float at a row: ``load(address, row)``, ``store(address, row, value)``.

    Use them only in loops in which no iteration reads what another one writes.
    """
    element = value_type(type)
    return (
        Operation(f"row_load_{type}", (INT, INT), type, lambda b, address, row: memory.load(b, address, row, element)),
        Operation(f"row_store_{type}", (INT, INT, type), types.none, memory.store),
    )


def fused(type: types.Type) -> Operation:
    """Builds ``x * y + z``, rounded once where the CPU has a fused multiply-add."""

    def build(b: ir.IRBuilder, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
        name = "llvm.fmuladd"
        return b.call(b.module.declare_intrinsic(name, [x.type], ir.FunctionType(x.type, [x.type] * 3)), [x, y, z])

    return Operation("fused", (type,) * 3, type, build)


def constant_table(values: Sequence[int]) -> Operation:
    """Builds the address of constant int64 numbers."""
    array = ir.ArrayType(ir.IntType(64), max(len(values), 1))

    def build(b: ir.IRBuilder) -> ir.Value:
        data = ir.GlobalVariable(b.module, array, b.module.get_unique_name("sparkweld.parameters"))
        data.linkage, data.global_constant = "internal", True
        data.initializer = ir.Constant(array, [*values] or [0])
        return b.ptrtoint(data, ir.IntType(64))

    return Operation("parameters", (), INT, build)


def pointer_table(count: int) -> Operation:
    """Builds the address of `count` int64 zeros on the calling function's stack."""

    def build(b: ir.IRBuilder) -> ir.Value:
        with b.goto_entry_block():
            space = b.alloca(ir.ArrayType(ir.IntType(64), count))
            b.store(ir.Constant(space.type.pointee, None), space)
            return b.ptrtoint(space, ir.IntType(64))

    return Operation("pointers", (), INT, build)
