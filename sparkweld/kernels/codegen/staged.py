"""Emits the driver of a program with stages: it runs the row loops of all stages and the functions of their whole columns.

Each row-local program is a kernel of its own, inside the same module. The columns between them, and scratch memory, are at the
start of the arena of new strings. So the caller provides their memory as it does for strings. When the arena is too small, the
driver ends, and the cursor has advanced by the bytes that it requires so far.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from sparkweld.ir.program import Program, Stage, column_types
from sparkweld.ir.types import Type
from sparkweld.kernels.codegen.driver import load_i64, stack, store_i64
from sparkweld.kernels.codegen.shape import kernel_symbol, program_allocates
from sparkweld.kernels.codegen.whole_columns import SCRATCH, whole_function
from sparkweld.kernels.llvm.memory import pointer
from sparkweld.kernels.llvm.numba_frontend import Lowered, Operation, define, lower_function

#: Columns start at multiples of this number of bytes, as vectors of the JVM do.
_ALIGNMENT = 64


def parts_of(program: Program) -> tuple[Program, ...]:
    """Returns the row-local programs in the order in which they run."""
    return (*(stage.program for stage in program.stages), program.last)


def lower_stages(program: Program) -> Lowered:
    """Lowers the driver, of (columns, n, result) as in `driver.drive`."""
    emitter = _Emitter(program)
    return lower_function(define(emitter.source(), "run_stages", emitter.namespace), (types.int64,) * 3, types.int64)


class _Emitter:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.namespace: dict[str, object] = {"load_i64": load_i64, "store_i64": store_i64, "stack": stack}
        self._operations: dict[object, str] = {}
        self._entries = {i.name: 2 * at for at, i in enumerate(program.inputs)}
        self._addresses_between: dict[str, list[str]] = {}
        #: Bytes of a row of each array in the arena, in order.
        self._widths = [SCRATCH]

    def source(self) -> str:
        program = self.program
        outputs = 2 * len(program.inputs)
        selection = outputs + 2 * len(program.outputs)
        body = [line for stage in program.stages for line in self._stage(stage)]
        last = self._entered([i.name for i in program.last.inputs])
        first = len(last)
        count = 2 * len(program.outputs) + 2
        last += [f"store_i64(table, {first + k}, load_i64(columns, {outputs + k}))" for k in range(count)]
        body += [*last, f"{self._call(program.last)}(table, n, result)"]
        words = 2 + max(len(p.outputs) for p in parts_of(program))
        entries = 2 + 2 * max(len(p.inputs) + len(p.outputs) for p in parts_of(program))
        head = [
            f"arena = load_i64(columns, {selection + 1})",
            f"at = (load_i64(arena, 0) + {_ALIGNMENT - 1}) & {-_ALIGNMENT}",
        ]
        for k, width in enumerate(self._widths):
            head += [f"m{k} = at", f"at += (n * {width} + {_ALIGNMENT - 1}) & {-_ALIGNMENT}"]
        head += ["store_i64(arena, 0, at)", *self._returns_where_full()]
        head += [f"table = stack({8 * entries})", f"found = stack({8 * words})"]
        return "\n".join(["def run_stages(columns, n, result):", *(f"    {line}" for line in [*head, *body, "return 0"]), ""])

    def _returns_where_full(self) -> list[str]:
        """Emits the end of a run whose arena is too small."""
        words = range(2 + len(self.program.outputs))
        return ["if load_i64(arena, 0) > load_i64(arena, 1):", *(f"    store_i64(result, {k}, 0)" for k in words), "    return 0"]

    def _stage(self, stage: Stage) -> list[str]:
        program, types_ = stage.program, column_types(stage.program)
        for name in program.outputs:
            self._make(name, types_[name].width, types_[name].nullable)
        names = [*(i.name for i in program.inputs), *program.outputs]
        lines = self._entered(names)
        none = len(lines)
        creates = program_allocates(program)
        arena = "arena" if creates else "0"
        lines += [f"store_i64(table, {none}, 0)", f"store_i64(table, {none + 1}, {arena})"]
        lines.append(f"{self._call(program)}(table, n, found)")
        lines += self._returns_where_full() if creates else []  # what a full arena has no memory for is not there to be read
        for whole, result in zip(stage.wholes, stage.results, strict=True):
            self._make(result.name, result.type.width, result.type.nullable)
            arguments = [address for arg in whole.args for address in self._addresses(arg)]
            arguments += ["0"] * (4 - len(arguments)) + self._addresses(result.name)
            function = self._whole(whole.fn, tuple(types_[arg] for arg in whole.args))
            lines.append(f"{function}(n, {', '.join(arguments)}, m0)")
        return lines

    def _make(self, name: str, width: int, nullable: bool) -> None:
        """Reserves the arrays of a column."""
        at = len(self._widths)
        self._addresses_between[name] = [f"m{at}", f"m{at + 1}" if nullable else "0"]
        self._widths += [width, 1] if nullable else [width]

    def _addresses(self, name: str) -> list[str]:
        """Returns the expressions of the addresses of a column's values and NULL bytes."""
        if name in self._addresses_between:
            return self._addresses_between[name]
        entry = self._entries[name]
        return [f"load_i64(columns, {entry})", f"load_i64(columns, {entry + 1})"]

    def _entered(self, names: list[str]) -> list[str]:
        """Emits the entries of the columns at the start of a part's table."""
        addresses = [address for name in names for address in self._addresses(name)]
        return [f"store_i64(table, {entry}, {address})" for entry, address in enumerate(addresses)]

    def _call(self, part: Program) -> str:
        symbol = kernel_symbol(part)

        def build(b: ir.IRBuilder, table: ir.Value, n: ir.Value, result: ir.Value) -> None:
            word, address = ir.IntType(64), ir.IntType(64).as_pointer()
            signature = ir.FunctionType(ir.VoidType(), [address, word, address])
            function = b.module.globals.get(symbol) or ir.Function(b.module, signature, symbol)
            b.call(function, [pointer(b, table, word), n, pointer(b, result, word)])

        name = f"part{len(self._operations)}"
        self._operations[part] = name
        self.namespace[name] = Operation(name, (types.int64,) * 3, types.none, build)
        return name

    def _whole(self, fn: str, args: tuple[Type, ...]) -> str:
        function = whole_function(fn, args)
        if function not in self._operations:
            name = f"whole{len(self._operations)}"
            self._operations[function], self.namespace[name] = name, function
        return self._operations[function]
