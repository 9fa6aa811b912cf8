"""The statements of a row loop to stages: loops over a block of rows that hand values on through columns between them.

A loop that calls functions of strings is not vectorised. When a program also does enough with numbers, its row loop becomes
a loop over blocks with several loops inside, by turns of numbers and of strings, and only those of strings stay scalar. The
calls of models, each of a whole block, are stages of a third kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from llvmlite import ir
from numba.core import types

from sparkweld.kernels import memory
from sparkweld.kernels.frontend import VIEW, Operation, value_type

#: Most bytes a row of the columns between stages while they share the stack with the scratch tile.
_MOST_BYTES = 256
#: Work with numbers, in additions, from which on a second loop pays.
_ENOUGH = 20


@dataclass(frozen=True)
class Statement:
    """``target = name(arguments)``.

    `weight` is the operation's cost in additions, 0 for what is better left where its values are. A `leaf` depends on the row
    only and is made again in each stage that wants it. A target of `ACCUMULATORS` is the sum over the rows so far. `rows`: the
    bool that says which rows need it, empty for all; in the others it is `nothing()`.
    """

    target: str
    name: str
    operation: Operation
    arguments: tuple[str, ...]
    weight: int = 0
    leaf: bool = False
    rows: str = ""
    nothing: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the values that it needs."""
        return (*self.arguments, self.rows) if self.rows else self.arguments

    @property
    def is_scalar(self) -> bool:
        """Whether its loop cannot be vectorised: it has to do with a string."""
        return VIEW in (*self.operation.arguments, self.operation.result)

    def text(self, renamed: dict[str, str]) -> str:
        """Its line of source with other names for some arguments."""
        call = f"{self.name}({', '.join(renamed.get(a, a) for a in self.arguments)})"
        return f"{self.target} = {call}" if self.target else call


def lines_of(statements: Sequence[Statement], renamed: dict[str, str]) -> list[str]:
    """The source of statements, of which those for the same rows are in one branch."""
    lines = []
    for rows, some in groupby(statements, lambda s: s.rows):
        made = list(some)
        if rows:
            lines += [f"if {rows}:", *(f"    {s.text(renamed)}" for s in made)]
            lines += ["else:", *(f"    {s.target} = {s.nothing}()" for s in made)]
        else:
            lines += [s.text(renamed) for s in made]
    return lines


ACCUMULATORS = ("flagged", "seen")

#: Kinds of stages, in the order in which they take turns.
NUMBERS, STRINGS, MODELS = range(3)


@dataclass(frozen=True)
class ModelCall:
    """``name(columns of the arguments, columns of the targets)``: results of a model for a block of rows.

    `targets`: (which of the model's results, name, type) for those that are used. `number`: which call of the program it is.
    `rows`: the bool that says which rows the call is for; empty: for all.
    """

    number: int
    arguments: tuple[str, ...]
    targets: tuple[tuple[int, str, types.Type], ...]
    rows: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The values that it reads of a block's rows."""
        return (*self.arguments, self.rows) if self.rows else self.arguments


@dataclass(frozen=True)
class Stage:
    """One loop: its statements, the values of earlier stages that it wants, and those of its own that later ones want.

    Or calls of models, and then `wanted` and `kept` name columns.
    """

    statements: tuple[Statement, ...]
    wanted: tuple[str, ...]
    kept: tuple[str, ...]
    kind: int
    calls: tuple[ModelCall, ...] = ()

    @property
    def is_scalar(self) -> bool:
        """Whether LLVM need not try to vectorise it."""
        return self.kind == STRINGS


def stages_of(statements: Sequence[Statement], calls: Sequence[ModelCall] = ()) -> tuple[Stage, ...]:
    """The stages in order: one when there is nothing to gain by more."""
    scalar = any(s.is_scalar for s in statements)
    enough = scalar and sum(s.weight for s in statements if not s.is_scalar) >= _ENOUGH
    whole = Stage(tuple(statements), (), (), STRINGS if scalar else NUMBERS)
    if not calls and not enough:
        return (whole,)
    numbers = _numbers(statements, calls)
    made: dict[str, Statement | ModelCall] = {s.target: s for s in statements if s.target and s.target not in ACCUMULATORS}
    made.update((name, call) for call in calls for _, name, _ in call.targets)
    used = sorted(set(numbers.values()))
    chosen = {stage: [s for s in statements if not s.leaf and numbers[id(s)] == stage] for stage in used}
    called = {stage: tuple(c for c in calls if numbers[id(c)] == stage) for stage in used}
    wanted = {stage: _wanted([*chosen[stage], *called[stage]], made) for stage in used}
    crossing = {n for stage in used for n in wanted[stage] if not _is_leaf(made[n]) and numbers[id(made[n])] < stage}
    if not calls and sum(width_of(s.operation.result) for s in statements if s.target in crossing) > _MOST_BYTES:
        return (whole,)
    stages = []
    for stage in used:
        leaves = [s for s in statements if s.leaf and s.target in wanted[stage] and not called[stage]]
        own = {s.target for s in chosen[stage]} | {name for c in called[stage] for _, name, _ in c.targets}
        passed = [n for n in sorted(wanted[stage]) if n in crossing and n not in own]
        kept = [n for n in sorted(crossing) if n in own]
        stages.append(Stage((*leaves, *chosen[stage]), tuple(passed), tuple(kept), stage % 3, called[stage]))
    return tuple(stages)


def _wanted(users: Iterable[Statement | ModelCall], made: dict[str, Statement | ModelCall]) -> set[str]:
    """Names among the arguments that some statement or call makes."""
    read = (user.columns if isinstance(user, ModelCall) else user.reads for user in users)
    return {a for names in read for a in names if a in made}


def _is_leaf(statement: Statement | ModelCall) -> bool:
    return isinstance(statement, Statement) and statement.leaf


def for_kept_rows(statements: Sequence[Statement], keep: str) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """(statements for every row, those for rows that the filter keeps) of a scalar loop; `keep` is the column that says which.

    What a dropped row's outputs would be nobody reads. Without work on strings among them a branch would not pay.
    """
    wanted: set[str] = set()
    always: set[int] = set()
    for s in reversed(statements):
        if s.target in wanted or s.target in ACCUMULATORS or keep in s.arguments:
            always.add(id(s))
            wanted.update(s.reads)
    kept = tuple(s for s in statements if id(s) not in always)
    if not any(s.is_scalar and not s.leaf for s in kept):
        return tuple(statements), ()
    return tuple(s for s in statements if id(s) in always), kept


def _numbers(statements: Sequence[Statement], calls: Sequence[ModelCall]) -> dict[int, int]:
    """Stage of each call and of each statement that is no leaf, by its identity; a stage's kind is its number modulo 3.

    A statement of no kind stays where its arguments are. What a call gives, later stages have.
    """
    stage_of_name: dict[str, int] = {}
    numbers: dict[int, int] = {}
    left = list(calls)
    for s in statements:
        for call in [c for c in left if {name for _, name, _ in c.targets} & set(s.reads)]:
            _number_call(call, left, stage_of_name, numbers)
        if s.leaf:
            continue
        stage = max((stage_of_name.get(a, 0) for a in s.reads), default=0)
        if s.is_scalar:
            stage = _next(stage, STRINGS)
        elif s.weight or stage % 3 == MODELS:
            stage = _next(stage, NUMBERS)
        numbers[id(s)] = stage
        if s.target not in ACCUMULATORS:
            stage_of_name[s.target] = stage
    return numbers


def _number_call(call: ModelCall, left: list[ModelCall], stage_of_name: dict[str, int], numbers: dict[int, int]) -> None:
    left.remove(call)
    for below in [c for c in left if {name for _, name, _ in c.targets} & set(call.columns)]:
        _number_call(below, left, stage_of_name, numbers)
    stage = _next(max(_after(stage_of_name.get(a, 0)) for a in call.columns), MODELS)
    numbers[id(call)] = stage
    stage_of_name.update((name, stage) for _, name, _ in call.targets)


def _after(stage: int) -> int:
    return stage + 1 if stage % 3 == MODELS else stage


def _next(stage: int, kind: int) -> int:
    """The first stage of a kind from `stage` on."""
    return stage + (kind - stage) % 3


def width_of(type: types.Type) -> int:
    """Bytes of a value in a column between stages."""
    if type == VIEW:
        return 16
    return 1 if type == types.boolean else type.bitwidth // 8  # type: ignore[attr-defined]


def column_operation(size: int) -> Operation:
    """Address of so many bytes of the calling function's stack."""

    def build(b: ir.IRBuilder) -> ir.Value:
        with b.goto_entry_block():
            space = b.alloca(ir.IntType(8), size=size)
            space.align = 64
            return b.ptrtoint(space, ir.IntType(64))

    return Operation("column", (), types.int64, build)


def keep_operation(type: types.Type) -> Operation:
    """Stores a value as it is in registers, but for bools."""

    def build(b: ir.IRBuilder, address: ir.Value, row: ir.Value, value: ir.Value) -> None:
        memory.store(b, address, row, b.zext(value, ir.IntType(8)) if type == types.boolean else value)

    return Operation("keep", (types.int64, types.int64, type), types.none, build)


def take_operation(type: types.Type) -> Operation:
    """Inverse of `keep_operation`."""

    def build(b: ir.IRBuilder, address: ir.Value, row: ir.Value) -> ir.Value:
        if type != types.boolean:
            return memory.load(b, address, row, value_type(type))
        return b.trunc(memory.load(b, address, row, ir.IntType(8)), ir.IntType(1))

    return Operation("take", (types.int64, types.int64), type, build)
