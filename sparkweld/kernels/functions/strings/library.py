"""Lowers string functions to LLVM and optimises them, each once per process.

Programs link them after their own loop is optimised, so a program's compile time depends on its own code only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from llvmlite import binding, ir
from numba.core import types

from sparkweld.kernels.llvm.llvm_passes import optimise
from sparkweld.kernels.llvm.numba_frontend import Operation, lower_plainly, value_type

_PREFIX = "sparkweld.string."

_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Function(Operation):
    """An operation that calls a function of its own, `python`, which is written with other operations."""

    python: Callable[..., object] = field(kw_only=True)

    @property
    def symbol(self) -> str:
        """Returns its name in LLVM modules."""
        return _PREFIX + self.name

    @cached_property
    def lowered(self) -> bytes:
        """Returns its module, as Numba lowers it."""
        with _lock:
            module = lower_plainly(self.python, self.arguments, self.result, self.symbol)
            self.prepare(module)
            return str(module).encode()

    def prepare(self, module: ir.Module) -> None:
        """Changes the module that Numba produces, before it is stored; here it does nothing."""

    @cached_property
    def calls(self) -> tuple[Function, ...]:
        """Returns the functions that it calls."""
        code, cells = self.python.__code__, self.python.__closure__ or ()  # type: ignore[attr-defined]
        named = {name: v for name, v in self.python.__globals__.items() if name in code.co_names}  # type: ignore[attr-defined]
        named.update((name, cell.cell_contents) for name, cell in zip(code.co_freevars, cells, strict=True))
        return tuple(v for v in named.values() if isinstance(v, Function) and v is not self)

    @cached_property
    def bitcode(self) -> bytes:
        """Returns the bitcode of an optimised module that exports it, and contains all of its callees."""
        module = linked(self)
        # Strings are short: the set-up and remainder of wide or unrolled loops would cost more than these gain.
        optimise(module, level=2)
        return module.as_bitcode()


def linked(function: Function) -> binding.ModuleRef:
    """Returns an unoptimised module that exports a function, and contains all of its callees."""
    module = binding.parse_assembly(function.lowered.decode())
    for callee in _callees(function):
        module.link_in(binding.parse_assembly(callee.lowered.decode()))
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != function.symbol:
            value.linkage = "internal"
    return module


def _callees(function: Function) -> list[Function]:
    """Returns all direct and indirect callees of a function, each once."""
    found: dict[str, Function] = {}
    left = list(function.calls)
    while left:
        one = left.pop()
        if one.name not in found:
            found[one.name] = one
            left += one.calls
    return list(found.values())


def call_of(
    symbol: str, arguments: Sequence[types.Type], result: types.Type, *, reads_only: bool = False
) -> Callable[..., ir.Value]:
    """Returns the builder of calls of the function `symbol`. LLVM merges equal calls of one that only reads memory."""

    def build(b: ir.IRBuilder, *values: ir.Value) -> ir.Value:
        callee = b.module.globals.get(symbol)
        if callee is None:
            callee = ir.Function(b.module, ir.FunctionType(value_type(result), [value_type(a) for a in arguments]), symbol)
            for attribute in ("nounwind", "readonly") if reads_only else ("nounwind",):
                callee.attributes.add(attribute)
        return b.call(callee, values)

    return build


def function(*arguments: types.Type, result: types.Type, name: str = "") -> Callable[[Callable[..., object]], Function]:
    """Decorates a Python function of operations, to make it an operation. `name` replaces its own name.

    A function whose first parameter is `arena`, `to`, `end` or `registers` writes memory.
    """

    def wrap(python: Callable[..., object]) -> Function:
        code = python.__code__  # type: ignore[attr-defined]
        writes = code.co_varnames[0] in ("arena", "to", "end", "registers")
        own = name or python.__name__  # type: ignore[attr-defined]
        build = call_of(_PREFIX + own, arguments, result, reads_only=not writes)
        return Function(own, arguments, result, build, python=python)

    return wrap
