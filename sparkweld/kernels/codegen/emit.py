"""Emits a program's row loop as Python source for Numba, one statement per value.

    def row_loop(table, padded, count):
        a0 = address(table, 0)  # distance
        flagged = 0
        row = 0
        while row < padded:
            v0 = load_f64(a0, row)
            v1 = multiply(v0, 3.6)
            store_f64(a2, row, v1)
            row += 1
        return flagged

A program with models, or with strings and numbers, may have several such loops in sequence, inside a loop over blocks of rows
(see `stages`).

A nullable value is a pair of names, `v3` and `ok3`; ops that convert between nullable and plain values only rename. A string is
one name, of a view; ops that create strings take the address of the `arena`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from numba.core import types

from sparkweld.errors import InternalError
from sparkweld.ir.ops import Call, Const, IsValid, Lookup, MakeOptional, ModelOp, Read, Region, Trial, ValueOf
from sparkweld.ir.ops.base import Let
from sparkweld.ir.ops.elementwise import LIBM_ULP
from sparkweld.ir.ops.memory import allocates
from sparkweld.ir.program import Loop, Program, body_types, column_types
from sparkweld.ir.types import BOOL, F64, Type
from sparkweld.kernels.codegen import row_operations as make
from sparkweld.kernels.codegen.kept_rows import Condition, rows_of_calls
from sparkweld.kernels.codegen.model_calls import Block, ModelCalls
from sparkweld.kernels.codegen.shape import SEEN_SHIFT, Shape
from sparkweld.kernels.codegen.stages import (
    MODELS,
    NUMBERS,
    ModelCall,
    Stage,
    Statement,
    for_kept_rows,
    lines_of,
    stages_of,
    width_of,
)
from sparkweld.kernels.codegen.trials import with_trials
from sparkweld.kernels.functions.strings.arena import closed, opened
from sparkweld.kernels.llvm.numba_frontend import Operation, define

ARGUMENTS = (types.int64, types.int64, types.int64)
RESULT = types.int64

#: Cost of a function in additions; 1 for all others.
_WEIGHTS = {**dict.fromkeys(LIBM_ULP, 20), **dict.fromkeys(("divide", "remainder", "floor_divide", "fmod", "sqrt"), 5)}


@dataclass(frozen=True)
class RowLoop:
    """The row loop's source, and the operations and constants that its names refer to."""

    source: str
    namespace: dict[str, object]
    vector_loops: tuple[int, ...]  # indices, in source order, of the loops that LLVM vectorises
    memory: int  # bytes of memory that it requires

    def function(self) -> Callable[..., object]:
        """Returns the Python function, for Numba."""
        return define(self.source, "row_loop", self.namespace)


def emit_row_loop(program: Program, shape: Shape) -> RowLoop:
    """Emits the row loop of a program with one loop."""
    return _Emitter(program, shape).row_loop()


class _Emitter:
    def __init__(self, program: Program, shape: Shape) -> None:
        self.program, self.shape = program, shape
        self.loop: Loop = program.loops[0]
        self.types = body_types(self.loop)
        self.entries = {i.name: 2 * at for at, i in enumerate(program.inputs)}
        self.namespace: dict[str, object] = {}
        self.head: list[str] = []
        self.body: list[Statement] = []
        self.value: list[str] = []  # name or literal of each value, without its validity
        self.valid: list[str] = []  # name of each validity, "" for plain values
        self.addresses: dict[int, str] = {}
        self.spread: set[str] = set()  # names of constants, flags and trials that calls read from a column
        self.masks: set[str] = set()  # bools that mark the rows for which models or calls are computed
        self.regions: dict[Let, str] = {}  # call of a region -> name of its results
        self.models = ModelCalls(program, self.types, shape)
        self.rows = rows_of_calls(self.loop)

    def row_loop(self) -> RowLoop:
        for index, (let, type) in enumerate(zip(self.loop.body, self.types, strict=True)):
            self._let(index, let, type)
        self._guards()
        self._outputs()
        stages = stages_of(self.body, self.models.calls)
        inner = self._one_loop(stages[0], "padded") if len(stages) == 1 else self._blocks(stages)
        if self.shape.allocates:
            self.namespace.update(opened=opened, closed=closed)
            self.head.append(f"arena = opened(table, {self.shape.selection_entry + 1})")
        if len(stages) == 1 and self.program.has_trials:
            self.head.append("tried = False")  # a single stage has no op that is expensive enough for a trial
        self.head += ["flagged = 0", "seen = 0"] if self.loop.some else ["flagged = 0"]
        self.head.append(f"padded = padded & {-self.shape.tile}")
        result = f"flagged | seen << {SEEN_SHIFT}" if self.loop.some else "flagged"
        if self.shape.allocates:
            inner.append(f"closed(arena, table, {self.shape.selection_entry + 1})")
        lines = [*self.head, *inner, f"return {result}"]
        self.namespace["address"] = make.address
        source = "\n".join(["def row_loop(table, padded, count):", *(f"    {line}" for line in lines), ""])
        return RowLoop(source, self.namespace, self._vector_loops(stages), self.models.total)

    def _vector_loops(self, stages: tuple[Stage, ...]) -> tuple[int, ...]:
        at = 0 if len(stages) == 1 else 1
        found = []
        for stage in stages:
            if stage.kind == MODELS:
                at += sum(self.models.loops_of(call) for call in stage.calls)
                continue
            tiled = self._is_tiled(stage)
            if not stage.is_scalar:
                found.append(at + tiled)
            at += 1 + tiled
        return tuple(found)

    def _is_tiled(self, stage: Stage) -> bool:
        """Whether a stage runs tile by tile over its block: LLVM then knows the trip count and emits no scalar remainder."""
        return bool(self.models.calls) and stage.kind == NUMBERS

    def _one_loop(self, stage: Stage, end: str, renamed: dict[str, str] | None = None) -> list[str]:
        always = stage.statements
        where = self.loop.where
        kept: tuple[Statement, ...] = ()
        if stage.is_scalar and renamed is None and where is not None:
            always, kept = for_kept_rows(stage.statements, self._keep_column())
        lines = lines_of(always, renamed or {})
        if kept and where is not None:
            lines += [f"if {self.value[where]}:", *(f"    {line}" for line in lines_of(kept, {}))]
        return ["row = 0", f"while row < {end}:", *(f"    {line}" for line in lines), "    row += 1"]

    def _blocks(self, stages: tuple[Stage, ...]) -> list[str]:
        """Emits the loop over blocks of whole tiles: LLVM then knows that the inner loops have no remainder.

        `b4` is the address of the block's first row in the column at `a4`; `c_v7` is the column of v7 between stages.
        """
        kinds = {s.target: s.operation.result for s in self.body if s.target}
        kinds.update((name, type) for call in self.models.calls for _, name, type in call.targets)
        crossing = sorted({name for stage in stages for name in stage.kept})
        block = self.models.place([width_of(kinds[name]) for name in crossing])
        if self.models.calls:
            self.head.append(f"memory = address(table, {self.models.memory_entry})")
        for name in crossing:
            where = self.models.column(block * width_of(kinds[name]))
            own = f"{self._name(make.column_between(block * width_of(kinds[name])))}()"
            self.head.append(f"c_{name} = {own if where is None else f'memory + {where}'}")
        renamed = {"count": "left"}
        tile = self.shape.tile
        lines = ["left = count - base"]
        if block != tile:
            lines += ["rows = padded - base", f"rows = {block} if rows > {block} else rows & {-tile}"]
        widths = (*self.shape.widths, 1)  # the last one: bytes that flag kept rows
        for entry, address in self.addresses.items():
            renamed[address] = f"b{entry}"
            lines.append(f"b{entry} = {address} + base * {widths[entry]}")
        end = str(tile) if block == tile else "rows"
        if self.models.calls:  # the rows of a last tile; nothing reads the results of its other rows
            lines.append(f"some = left if left < {end} else {end}")
        about = Block(end, "some", self._name, self.head)
        for stage in stages:
            if stage.kind == MODELS:
                for call in stage.calls:
                    lines += self.models.lines(call, self._model_columns(call, renamed), about)
                continue
            takes = [self._statement(name, make.take_kept(kinds[name]), f"c_{name}", "row") for name in stage.wanted]
            keeps = [self._statement("", make.keep(kinds[name]), f"c_{name}", "row", name) for name in stage.kept]
            loop = self._one_loop(Stage((*takes, *stage.statements, *keeps), (), (), stage.kind), end, renamed)
            if self._is_tiled(stage):
                inner = ["row = tile", f"while row < tile + {tile}:", *loop[2:]]
                loop = ["tile = 0", f"while tile < {end}:", *(f"    {line}" for line in inner), f"    tile += {tile}"]
            lines += loop
        made = ["base = 0", "while base < padded:", *(f"    {line}" for line in lines), f"    base += {block}"]
        return with_trials(made, "padded", self.namespace) if self.program.has_trials else made

    def _model_columns(self, call: ModelCall, renamed: dict[str, str]) -> list[str]:
        """Returns the addresses of the columns that a call reads: the program's own inputs, or columns between stages."""
        reads = {s.target: renamed[s.arguments[0]] for s in self.body if s.target and s.leaf and len(s.arguments) == 2}
        return [reads.get(name, f"c_{name}") for name in call.columns]

    def _let(self, index: int, let: Let, type: Type) -> None:
        value, valid = f"v{index}", ""
        match let.op:
            case Const():
                value = self._constant(index, let.op)
                if let.op.type.is_view:
                    self.body.append(self._statement(value, make.view_of(let.op.literal, let.op.type), leaf=True))
            case Read():
                valid = self._read(index, let.op)
            case Trial():
                value = "tried"
            case IsValid():
                value = self.valid[let.args[0]]
            case ValueOf():
                (argument,) = let.args
                self._call(value, make.or_zero(type), self.value[argument], self.valid[argument])
            case MakeOptional():
                value, valid = self.value[let.args[0]], self.value[let.args[1]]
            case Lookup() if "str" in (let.op.type.kind, let.op.value_type.kind):
                valid = f"ok{index}"
                self._call(f"at{index}", make.position_of(let.op), self.value[let.args[0]])
                self._call(valid, make.is_number(), f"at{index}")
                self._call(value, make.value_at(let.op), f"at{index}")
            case Lookup():
                valid = f"ok{index}"
                (argument,) = let.args
                for name, part, result in ((value, 0, let.op.value_type), (valid, 1, BOOL)):
                    self._call(name, make.lookup_part(let.op, self.types[argument], part, result), self.value[argument])
            case ModelOp():
                rows = self._all_of(self.models.rows_of(let))
                self.models.add(index, let, [self._in_column(a) for a in let.args], rows)
            case _ if type.nullable:
                valid = f"ok{index}"
                self._pair(index, let, type)
                self._call(valid, make.is_present(), f"pair{index}")
                self._call(value, make.value_of_pair(type.plain()), f"pair{index}")
            case _:
                self._compute(value, index, let, self._operation(let, type))
        self.value.append(value)
        self.valid.append(valid)

    def _in_column(self, value: int) -> str:
        """Returns the name of a value that a call reads from a column.

        Constants have no column, and the column of a validity holds its inverse (NULL bytes): both get a value of their own.
        """
        if not isinstance(self.loop.body[value].op, Const | IsValid | Trial):
            return self.value[value]
        name = f"spread{value}"
        if name not in self.spread:
            self.spread.add(name)
            self._call(name, make.spread(self.types[value]), self.value[value])
        return name

    def _all_of(self, conditions: frozenset[Condition]) -> str:
        """Returns the name of the bool that is true where all conditions hold; empty for no conditions. It is computed once."""
        name = ""
        for value, holds in sorted(conditions):
            one = self._in_column(value) if holds else self._once(f"not_v{value}", Call("logical_not"), self.value[value])
            name = self._once(f"{name}_{one}", Call("logical_and"), name, one) if name else one
        return name

    def _once(self, target: str, op: Call, *arguments: str) -> str:
        if target not in self.masks:
            self.masks.add(target)
            self._call(target, make.operation_of(op, (BOOL,) * len(arguments), BOOL), *arguments)
        return target

    def _pair(self, index: int, let: Let, type: Type) -> None:
        """Emits the pair of a nullable result; a region is called once for all of its results."""
        if not isinstance(let.op, Region):
            self._compute(f"pair{index}", index, let, self._operation(let, type))
            return
        call = Let(let.op.at(0), let.args)
        if call not in self.regions:
            self.regions[call] = f"results{index}"
            self._compute(f"results{index}", index, call, make.results_of(call.op))
        self._call(f"pair{index}", make.result_of(let.op), self.regions[call])

    def _operation(self, let: Let, type: Type) -> Operation:
        return make.operation_of(let.op, tuple(self.types[a] for a in let.args), type)

    def _compute(self, target: str, index: int, let: Let, operation: Operation) -> None:
        arena = ["arena"] if allocates(let.op) else []
        weight = 0 if operation.result == types.boolean else _WEIGHTS.get(let.op.fn, 1) if isinstance(let.op, Call) else 1
        made = self._statement(target, operation, *(self.value[a] for a in let.args), *arena, weight=weight)
        if rows := self._all_of(self.rows.get(index, frozenset())):
            made = replace(made, rows=rows, nothing=self._name(make.nothing(operation.result)))
        self.body.append(made)

    def _call(self, target: str, operation: Operation, *arguments: str) -> None:
        self.body.append(self._statement(target, operation, *arguments))

    def _statement(self, target: str, operation: Operation, *arguments: str, weight: int = 0, leaf: bool = False) -> Statement:
        return Statement(target, self._name(operation), operation, arguments, weight, leaf)

    def _name(self, operation: Operation) -> str:
        name = operation.name
        while self.namespace.setdefault(name, operation) is not operation:
            name += "_"
        return name

    def _constant(self, index: int, op: Const) -> str:
        value = op.value
        if op.type.is_view:
            return f"v{index}"
        if op.type == F64 and math.isfinite(value):
            return repr(float(value))
        self.namespace[f"k{index}"] = bool(value) if op.type == BOOL else value
        return f"k{index}"

    def _read(self, index: int, op: Read) -> str:
        if op.column not in self.entries:
            raise InternalError(f"program {self.program.name!r} reads {op.column!r} within its only loop's own appends")
        entry = self.entries[op.column]
        column = self._column(entry, op.column)
        self.body.append(self._statement(f"v{index}", make.load(op.type.plain()), column, "row", leaf=True))
        if not op.type.nullable:
            return ""
        column = self._column(entry + 1, f"nulls of {op.column}")
        self.body.append(self._statement(f"ok{index}", make.load_valid(), column, "row", leaf=True))
        return f"ok{index}"

    def _column(self, entry: int, comment: str) -> str:
        if entry not in self.addresses:
            self.addresses[entry] = f"a{entry}"
            self.head.append(f"a{entry} = address(table, {entry})  # {json.dumps(comment)[1:-1]}")
        return self.addresses[entry]

    def _guards(self) -> None:
        for number, (among, wanted) in enumerate(self.loop.some):
            self._call("seen", make.mark_seen(number), "seen", self.value[among], self.value[wanted], "row", "count")
        if not self.loop.guards:
            return
        decided = self.value[self.loop.guards[0]]
        for number, guard in enumerate(self.loop.guards[1:]):
            self._call(f"decided{number}", make.operation_of(Call("logical_and"), (BOOL, BOOL), BOOL), decided, self.value[guard])
            decided = f"decided{number}"
        self._call("flagged", make.count_flagged(), "flagged", decided, "row", "count")

    def _outputs(self) -> None:
        columns = column_types(self.program)
        appended = {a.column: a.value for a in self.loop.appends}
        for number, name in enumerate(self.program.outputs):
            if name not in appended:
                raise InternalError(f"program {self.program.name!r}: output {name!r} is a plain input")
            value, type = appended[name], columns[name]
            entry = 2 * (self.shape.inputs + number)
            stored = self.value[value]
            if type.nullable:
                self._call(f"out{number}", make.or_zero(type.plain()), stored, self.valid[value])
                stored = f"out{number}"
                self._call("", make.store_null(), self._column(entry + 1, f"nulls of {name}"), "row", self.valid[value])
            self._call("", make.store(type.plain()), self._column(entry, name), "row", stored)
        if self.loop.where is not None:
            self._call("", make.store(BOOL), self._keep_column(), "row", self.value[self.loop.where])

    def _keep_column(self) -> str:
        return self._column(self.shape.selection_entry, "rows kept")
