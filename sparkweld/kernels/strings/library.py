"""Functions of strings to LLVM, each lowered and optimised once per process.

Programs link them when their own loop is optimised already, so that a program costs what its own code costs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from llvmlite import binding, ir
from numba.core import types

from sparkweld.kernels.frontend import Operation, lower_plainly, value_type
from sparkweld.kernels.optimising import optimise

_PREFIX = "sparkweld.string."

_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Function(Operation):
    """An operation that is a call of a function of its own, `python`, written with other operations."""

    python: Callable[..., object] = field(kw_only=True)

    @property
    def symbol(self) -> str:
        """Its name in LLVM modules."""
        return _PREFIX + self.name

    @cached_property
    def lowered(self) -> bytes:
        """Its module, as Numba makes it."""
        with _lock:
            module = lower_plainly(self.python, self.arguments, self.result, self.symbol)
            self.prepare(module)
            return str(module).encode()

    def prepare(self, module: ir.Module) -> None:
        """What is done to the module that Numba makes; here nothing."""

    @cached_property
    def calls(self) -> tuple[Function, ...]:
        """The functions that it calls."""
        code, cells = self.python.__code__, self.python.__closure__ or ()  # type: ignore[attr-defined]
        named = {name: v for name, v in self.python.__globals__.items() if name in code.co_names}  # type: ignore[attr-defined]
        named.update((name, cell.cell_contents) for name, cell in zip(code.co_freevars, cells, strict=True))
        return tuple(v for v in named.values() if isinstance(v, Function) and v is not self)

    @cached_property
    def bitcode(self) -> bytes:
        """A module that exports it, with all that it calls inside, optimised."""
        module = linked(self)
        # Texts are short: wide or unrolled loops would cost more before and behind them than they gain.
        optimise(module, level=2)
        return module.as_bitcode()


def linked(function: Function) -> binding.ModuleRef:
    """A module that exports a function, with all that it calls inside, not optimised."""
    module = binding.parse_assembly(function.lowered.decode())
    for callee in _callees(function):
        module.link_in(binding.parse_assembly(callee.lowered.decode()))
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != function.symbol:
            value.linkage = "internal"
    return module


def _callees(function: Function) -> list[Function]:
    """All that a function calls, directly or not, each once."""
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
    """The builder of a call of the function of that symbol. Equal calls of one that only reads memory are made once."""

    def build(b: ir.IRBuilder, *values: ir.Value) -> ir.Value:
        callee = b.module.globals.get(symbol)
        if callee is None:
            callee = ir.Function(b.module, ir.FunctionType(value_type(result), [value_type(a) for a in arguments]), symbol)
            for attribute in ("nounwind", "readonly") if reads_only else ("nounwind",):
                callee.attributes.add(attribute)
        return b.call(callee, values)

    return build


def function(*arguments: types.Type, result: types.Type, name: str = "") -> Callable[[Callable[..., object]], Function]:
    """Decorator: a Python function of operations to an operation. `name`: another one than its own.

    One whose first parameter is `arena`, `to`, `end` or `registers` writes memory.
    """

    def wrap(python: Callable[..., object]) -> Function:
        code = python.__code__  # type: ignore[attr-defined]
        writes = code.co_varnames[0] in ("arena", "to", "end", "registers")
        own = name or python.__name__  # type: ignore[attr-defined]
        build = call_of(_PREFIX + own, arguments, result, reads_only=not writes)
        return Function(own, arguments, result, build, python=python)

    return wrap
