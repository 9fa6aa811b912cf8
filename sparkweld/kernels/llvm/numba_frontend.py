"""Lowers Python functions to LLVM with Numba's bytecode analysis, type inference and lowering.

A kernel uses no Python objects, exceptions, reference counts or arrays. Its functions work on addresses and scalars, and each of
their steps is an `Operation` with a fixed signature. So Numba's contexts are restricted to the built-in operators: its full set
of registries takes half a second to load, including SciPy. Numba's own optimisation is skipped, as `object_code` runs LLVM once
over the whole kernel.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, funcdesc, lowering, types, typing
from numba.core.compiler import Flags, run_frontend
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUContext
from numba.core.datamodel import register_default
from numba.core.datamodel.models import OpaqueModel, StructModel
from numba.core.targetconfig import ConfigStack
from numba.core.typed_passes import type_inference_stage
from numba.core.typing import templates
from numba.cpython import builtins, numbers
from numba.extending import typeof_impl

from sparkweld.errors import InternalError
from sparkweld.ir.types import Type
from sparkweld.kernels.llvm.target import target_machine

#: Importing these modules registers the operators of scalars.
_REGISTERED = (builtins, numbers)


class _View(types.Type):
    """Numba's type of a string or list in memory, or NULL: two int64."""

    def __init__(self) -> None:
        super().__init__("view")


#: The address and the length in bytes of a string; a negative length is NULL. For lists see `kernels.functions.lists`.
VIEW = _View()


@register_default(_View)
class _ViewModel(StructModel):
    def __init__(self, manager: Any, type: _View) -> None:
        super().__init__(manager, type, [("address", types.int64), ("length", types.int64)])


_NUMBA_TYPES: dict[str, types.Type] = {
    "bool": types.boolean, "i8": types.int8, "i16": types.int16, "i32": types.int32, "i64": types.int64,
    "f32": types.float32, "f64": types.float64, "date": types.int32, "ts": types.int64, "str": VIEW,
}  # fmt: skip


def numba_type(type: Type) -> types.Type:
    """Returns Numba's type for plain values of an IR type."""
    return VIEW if type.is_list else _NUMBA_TYPES[type.kind]


class Results(types.Type):
    """Numba's type of all results of a region: whether there are results, then their values."""

    def __init__(self, results: tuple[types.Type, ...]) -> None:
        self.results = results
        super().__init__(f"results of {', '.join(map(str, results))}")


@register_default(Results)
class _ResultsModel(StructModel):
    def __init__(self, manager: Any, type: Results) -> None:
        members = [(f"result{at}", result) for at, result in enumerate(type.results)]
        super().__init__(manager, type, [("present", types.boolean), *members])


def results_type(results: Sequence[Type]) -> Results:
    """Returns Numba's type for the results of a region with these IR types."""
    return Results(tuple(map(numba_type, results)))


@dataclass(frozen=True, eq=False)
class Operation:
    """A callable of kernel functions: fixed Numba types, and the instructions that `build(builder, *arguments)` emits."""

    name: str
    arguments: tuple[types.Type, ...]
    result: types.Type
    build: Callable[..., ir.Value | None]

    def __call__(self, *arguments: object) -> Any:
        raise InternalError(f"{self.name} runs in kernels only")

    @cached_property
    def type(self) -> _OperationType:
        return _OperationType(self)


class _OperationType(types.Callable, types.Opaque):
    """Numba's type of one operation: a call has that operation's signature."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.signature = typing.signature(operation.result, *operation.arguments)
        super().__init__(f"operation {operation.name} at {id(operation):x}")

    def get_call_type(self, context: Any, args: Any, kws: Any) -> Any:
        if len(args) != len(self.operation.arguments) or kws:
            raise InternalError(f"{self.operation.name} requires {len(self.operation.arguments)} argument(s)")
        return self.signature

    def get_call_signatures(self) -> tuple[list[Any], bool]:
        return [self.signature], False

    def get_impl_key(self, sig: Any) -> Any:
        return self.operation


register_default(_OperationType)(OpaqueModel)


@typeof_impl.register(Operation)
def _typeof_operation(value: Operation, _context: object) -> _OperationType:
    return value.type


class _TypingContext(typing.Context):
    """A typing context with the operators of scalars and the truth of bools only."""

    def _load_builtins(self) -> None:
        # Making any other template loads every registry of Numba, including those of NumPy and SciPy.
        chosen = templates.Registry()
        for value, function in templates.builtin_registry.globals:
            is_operator = value is bool or getattr(value, "__module__", None) == "_operator"
            if is_operator and not any(issubclass(t, templates._OverloadFunctionTemplate) for t in function.templates):
                chosen.globals.append((value, function))
        self.install_registry(chosen)

    def load_additional_registries(self) -> None:
        """Loads nothing: the built-in operators suffice."""


class _TargetContext(CPUContext):
    """A target context that creates plain modules and knows operations and the built-in operators only."""

    def init(self) -> None:
        self.is32bit = False
        self._internal_codegen = _Modules()

    def load_additional_registries(self) -> None:
        """Loads nothing: the built-in operators suffice."""

    def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
        if not isinstance(fn, _OperationType):
            return super().get_function(fn, sig, _firstcall)

        def implementation(builder: ir.IRBuilder, args: Any, loc: object = None) -> ir.Value:
            result = fn.operation.build(builder, *args)
            return self.get_dummy_value() if result is None else result

        return implementation

    def get_constant_generic(self, builder: Any, ty: Any, val: Any) -> Any:
        return self.get_dummy_value() if isinstance(ty, _OperationType) else super().get_constant_generic(builder, ty, val)

    def post_lowering(self, mod: ir.Module, library: object) -> None:
        """Links nothing: kernels have no run-time library."""


class _Modules:
    """A stub for Numba's code generator; it creates empty modules."""

    def _create_empty_module(self, name: str) -> ir.Module:
        module = ir.Module(cgutils.normalize_ir_text(name))
        module.triple, module.data_layout = target_machine().triple, str(target_machine().target_data)
        return module

    @property
    def target_data(self) -> binding.TargetData:
        return target_machine().target_data


@dataclass
class _Library:
    """Stores the module that a lowering fills."""

    modules: list[ir.Module] = field(default_factory=list)

    def create_ir_module(self, name: str) -> ir.Module:
        return _Modules()._create_empty_module(name)

    def add_ir_module(self, module: ir.Module) -> None:
        self.modules.append(module)

    def add_linking_library(self, library: object) -> None:
        """Links nothing: built-in operators are inlined."""


@cache
def _contexts() -> tuple[_TypingContext, _TargetContext]:
    typing_context = _TypingContext()
    target_context = _TargetContext(typing_context)
    target_context.refresh()
    return typing_context, target_context


@dataclass(frozen=True)
class Lowered:
    """A function in LLVM: its module, and its symbol with Numba's calling convention.

    That convention is ``i32 symbol(result*, i8** exception, arguments...)``; the status is always 0 here.
    """

    module: ir.Module
    symbol: str


def lower_function(function: Callable[..., object], arguments: tuple[types.Type, ...], result: types.Type) -> Lowered:
    """Lowers a Python function that uses scalars, `while`, `if`, operators of 64-bit integers and `Operation`s to LLVM."""
    flags = Flags()
    flags.nrt = False
    flags.error_model = "numpy"
    with global_compiler_lock, ConfigStack().enter(flags):
        typing_context, target_context = _contexts()
        func_ir = run_frontend(function)
        typed = type_inference_stage(typing_context, target_context, func_ir, arguments, result)
        descriptor = funcdesc.PythonFunctionDescriptor.from_specialized_function(
            func_ir, typed.typemap, typed.return_type, typed.calltypes,
            mangler=target_context.mangler, inline=False, noalias=False, abi_tags=(),
        )  # fmt: skip
        library = _Library()
        with target_context.push_code_library(library):
            lowering.Lower(target_context, library, descriptor, func_ir, metadata={}).lower()
    return Lowered(library.modules[0], descriptor.mangled_name)


def value_type(type: types.Type) -> ir.Type:
    """Returns the LLVM type of a value of Numba's type in registers."""
    return _contexts()[1].get_value_type(type)


def lower_plainly(
    function: Callable[..., object], arguments: tuple[types.Type, ...], result: types.Type, symbol: str
) -> ir.Module:
    """Lowers a Python function as `lower_function` does, to a module whose function `symbol` takes and returns plain values."""
    lowered = lower_function(function, arguments, result)
    inner = lowered.module.get_global(lowered.symbol)
    inner.linkage = "internal"
    inner.attributes.add("alwaysinline")
    signature = ir.FunctionType(value_type(result), [value_type(a) for a in arguments])
    # a recursive function has declared itself already
    outer = lowered.module.globals.get(symbol) or ir.Function(lowered.module, signature, symbol)
    builder = ir.IRBuilder(outer.append_basic_block())
    _, value = _contexts()[1].call_conv.call_function(builder, inner, result, arguments, outer.args)
    builder.ret(value)
    return lowered.module


def define(source: str, name: str, namespace: dict[str, object]) -> Callable[..., object]:
    """Defines the function `name` from generated source and returns it; its lines show in tracebacks."""
    filename = f"<sparkweld kernel {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    scope = dict(namespace)
    exec(compile(source, filename, "exec"), scope)
    return scope[name]  # type: ignore[return-value]
