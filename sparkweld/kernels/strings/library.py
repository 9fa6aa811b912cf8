"""Functions of strings to LLVM, each lowered and optimised once per process, with all that it calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from llvmlite import binding, ir
from numba.core import types

from sparkweld.kernels.frontend import Operation, lower_plainly, value_type
from sparkweld.kernels.target import target_machine

_PREFIX = "sparkweld.string."

_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Function(Operation):
    """An operation that is a call of a function of its own, `python`, written with other operations."""

    python: Callable[..., object] = field(kw_only=True)
    made: list[tuple[bytes, tuple[Function, ...]]] = field(default_factory=list, kw_only=True)

    @property
    def symbol(self) -> str:
        """Its name in LLVM modules."""
        return _PREFIX + self.name

    def bitcode(self) -> bytes:
        """Its module, optimised on its own."""
        return self._make()[0]

    def calls(self) -> tuple[Function, ...]:
        """The functions that it calls."""
        return self._make()[1]

    def _make(self) -> tuple[bytes, tuple[Function, ...]]:
        with _lock:
            if not self.made:
                module = lower_plainly(self.python, self.arguments, self.result, self.symbol)
                named = self.python.__globals__.values()  # type: ignore[attr-defined]
                called = {f.name for f in module.functions if f.is_declaration}
                functions = {v.symbol: v for v in named if isinstance(v, Function)}
                self.made.append((_optimised(module), tuple(functions[s] for s in sorted(called & functions.keys()))))
        return self.made[0]


def function(*arguments: types.Type, result: types.Type) -> Callable[[Callable[..., object]], Function]:
    """Decorator: a Python function of operations to an operation."""

    def wrap(python: Callable[..., object]) -> Function:
        name = python.__name__

        def build(b: ir.IRBuilder, *values: ir.Value) -> ir.Value:
            callee = b.module.globals.get(_PREFIX + name)
            if callee is None:
                signature = ir.FunctionType(value_type(result), [value_type(a) for a in arguments])
                callee = ir.Function(b.module, signature, _PREFIX + name)
            return b.call(callee, values)

        return Function(name, arguments, result, build, python=python)

    return wrap


def needed(functions: Iterable[Function]) -> Iterator[Function]:
    """These functions and all that they call, each once."""
    seen: set[str] = set()
    left = list(functions)
    while left:
        one = left.pop()
        if one.name not in seen:
            seen.add(one.name)
            left += one.calls()
            yield one


def _optimised(module: ir.Module) -> bytes:
    parsed = binding.parse_assembly(str(module))
    for value in list(parsed.global_variables):
        if value.name.startswith("_ZN08NumbaEnv"):
            value.linkage = "internal"
    options = binding.create_pipeline_tuning_options(speed_level=1)
    builder = binding.create_pass_builder(target_machine(), options)
    builder.getModulePassManager().run(parsed, builder)
    return parsed.as_bitcode()
