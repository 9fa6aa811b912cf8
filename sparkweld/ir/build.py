"""Builds programs: types each value of a loop body as it is added, and emits equal values once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial, reduce
from typing import NoReturn

from sparkweld.contract.replies import Watch
from sparkweld.errors import VerifyError
from sparkweld.ir.merges import Groups, Key, Merge
from sparkweld.ir.ops import Call, Cast, Const, IsValid, MakeOptional, Op, Read, Select, ValueOf
from sparkweld.ir.ops.base import Let
from sparkweld.ir.program import ROWS, Append, Input, Loop, Program, group_columns
from sparkweld.ir.types import BOOL, Type
from sparkweld.ir.verify import verify
from sparkweld.ir.whole_builder import MadeWhole, made_whole, stages_of, values_below
from sparkweld.ir.wholes import whole_type


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A value of the loop being built, with its type."""

    id: int
    type: Type
    loop: LoopBuilder


@dataclass(slots=True)
class Work:
    """Counts the values that a frontend requests from loops, repeated ones included: deduplication can hide hours of work.

    `refuse` raises for every value past the limit, so code that catches the first exception does not get further.
    """

    limit: int
    refuse: Callable[[], NoReturn]
    done: int = 0

    def one_more(self) -> None:
        self.done += 1
        if self.done > self.limit:
            self.refuse()


_WORK: ContextVar[Work | None] = ContextVar("sparkweld_work", default=None)


@contextmanager
def counted(work: Work) -> Iterator[None]:
    """Counts the values that the enclosed code requests from loops."""
    token = _WORK.set(work)
    try:
        yield
    finally:
        _WORK.reset(token)


class LoopBuilder:
    """Builds one loop over a domain. `ProgramBuilder.loop` creates it; `close` adds the loop to the program.

    `local`: guards that concern their own row only, see `guard`. `where`: condition that selects the rows to compute (None:
    all). `share`: estimated fraction of rows that satisfy it. `numbered` is for frontends: whether the rows are numbered 0 to
    n-1 without gaps.
    """

    def __init__(self, program: ProgramBuilder, name: str, domain: str) -> None:
        self.program, self.name, self.domain = program, name, domain
        self.body: list[Let] = []
        self.guards: list[int] = []
        self.local: set[int] = set()
        self._spreading = False
        self.some: list[tuple[int, int]] = []
        self.appends: list[Append] = []
        self.keys: list[Key] = []
        self.merges: list[Merge] = []
        self._types: list[Type] = []
        self._known: dict[Let, int] = {}
        self.where: Value | None = None
        self.share = 1.0
        self.numbered = True
        self.parent: LoopBuilder | None = None
        self.derived: list[LoopBuilder] = []
        self.inherited = 0

    def copy(self) -> LoopBuilder:
        """Returns a loop with the same body, value numbers, guards and condition, and without appends."""
        made = LoopBuilder(self.program, self.name, self.domain)
        made.body, made._types, made._known = [*self.body], [*self._types], {**self._known}
        made.guards, made.local, made.some = [*self.guards], {*self.local}, [*self.some]
        made.numbered, made.share = self.numbered, self.share
        made.where = None if self.where is None else Value(self.where.id, BOOL, made)
        return made

    def derive(self, numbered: bool) -> LoopBuilder:
        """Returns a copy that is linked to this loop by `parent` and `derived`, and counts the guards it has `inherited`."""
        made = self.copy()
        made.parent, made.inherited, made.numbered = self, self._guarding(), numbered
        self.derived.append(made)
        return made

    def kept(self, condition: Value) -> LoopBuilder:
        """Returns a copy for the rows that satisfy the condition: `where` includes it, and new guards apply to those rows alone.
        """
        made = self.derive(numbered=False)
        inside = Value(condition.id, BOOL, made)
        made.where = inside if made.where is None else made.call("logical_and", made.where, inside)
        return made

    def repeat(self, value: Value) -> Value:
        """Returns a row-local value of another loop, computed again in this one."""
        made: dict[int, Value] = {}
        for at in values_below(value.loop.body, [value.id]):
            let = value.loop.body[at]
            made[at] = self.emit(let.op, *(made[arg] for arg in let.args))
        return made[value.id]

    def gather_guards(self, root: LoopBuilder) -> None:
        """Adds the guards of `root` and of all loops derived from it, which concern the same rows."""
        for loop in root._family():
            for guard in loop.guards if loop is not self else ():
                found = self.repeat(loop.value(guard)).id
                if found not in self.guards:
                    self.guards.append(found)
            for among, wanted in loop.some if loop is not self else ():
                pair = (self.repeat(loop.value(among)).id, self.repeat(loop.value(wanted)).id)
                if pair not in self.some:
                    self.some.append(pair)

    def lacks_guards(self, last: LoopBuilder) -> bool:
        """Whether `last`, which is this loop or derived from it, lacks a guard of this loop or of another derived from it."""
        seen, loop = {id(last): last._guarding()}, last
        while loop.parent is not None:
            seen[id(loop.parent)] = loop.inherited
            loop = loop.parent
        return any(loop._guarding() > seen.get(id(loop), loop.inherited) for loop in self._family())

    def _guarding(self) -> int:
        return len(self.guards) + len(self.some)

    def _family(self) -> Iterator[LoopBuilder]:
        yield self
        for loop in self.derived:
            yield from loop._family()

    def mark(self) -> tuple[int, int, int]:
        """Returns the current numbers of values and guards, for `undo`."""
        return len(self.body), len(self.guards), len(self.some)

    def undo(self, mark: tuple[int, int, int]) -> None:
        """Removes all values and guards added since a mark; the caller must not use them any more."""
        values, guards, some = mark
        del self.body[values:], self._types[values:], self.guards[guards:], self.some[some:]
        self.local = {guard for guard in self.local if guard < values}
        self.appends = [append for append in self.appends if append.value < values]
        self._known = {let: at for let, at in self._known.items() if at < values}

    def emit(self, op: Op, *args: Value) -> Value:
        """Applies `op` to values of this loop; returns the existing value when the same one was emitted before."""
        if any(a.loop is not self for a in args):
            raise VerifyError(f"{op.name} in loop {self.name!r} got a value of another loop")
        work = _WORK.get()
        if work is not None:
            work.one_more()
        let = Let(op, tuple(a.id for a in args))
        if let not in self._known:
            self._types.append(op.infer(*(a.type for a in args)))
            self.body.append(let)
            self._known[let] = len(self.body) - 1
        at = self._known[let]
        return Value(at, self._types[at], self)

    def value(self, id: int) -> Value:
        """Returns the value of this number."""
        return Value(id, self._types[id], self)

    def read(self, column: str) -> Value:
        """Reads the row's value of a column that is known so far."""
        return self.emit(Read(column, self.program.columns[column]))

    def const(self, value: object, type: Type) -> Value:
        """Emits a constant, the same on every row."""
        return self.emit(Const.of(value, type))

    def call(self, fn: str, *args: Value) -> Value:
        """Applies an elementwise function (NumPy's ufunc of that name); the argument types must match one of its inner loops."""
        return self.emit(Call(fn), *args)

    def fold(self, fn: str, values: Iterable[Value], *start: Value) -> Value:
        """Combines the values, one or more, from left to right by a function of two, from `start` on if given."""
        return reduce(partial(self.call, fn), values, *start)

    def cast(self, value: Value, to: Type) -> Value:
        """Casts `value` to type `to`; returns it unchanged when it has that type already."""
        return value if value.type == to else self.emit(Cast(to), value)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """Selects a where the condition holds, else b; nullable when either is."""
        if not (a.type.nullable or b.type.nullable):
            return self.emit(Select(), condition, a, b)
        value = self.emit(Select(), condition, self.value_of(a), self.value_of(b))
        return self.optional(value, self.emit(Select(), condition, self.is_valid(a), self.is_valid(b)))

    def is_valid(self, value: Value) -> Value:
        """Whether a value is not NULL: constant True for a plain value."""
        return self.emit(IsValid(), value) if value.type.nullable else self.const(True, BOOL)

    def value_of(self, value: Value) -> Value:
        """Returns the plain value, with zero in place of NULL."""
        return self.emit(ValueOf(), value) if value.type.nullable else value

    def optional(self, value: Value, valid: Value) -> Value:
        """Returns the plain `value` where `valid`, else NULL."""
        return self.emit(MakeOptional(), value, valid)

    def guard(self, condition: Value, local: bool = False) -> None:
        """Flags the rows where the condition is False: a kernel may not decide them.

        `local`: in such a row Python raises, or its result for that row alone differs. A guard that is not local may mean
        another dtype of the whole batch, as a zero divisor does.
        """
        if condition.type != BOOL:
            raise VerifyError(f"a guard requires a bool, got {condition.type}")
        if self.where is not None:
            condition = self.call("logical_or", self.call("logical_not", self.where), condition)
        if condition.id not in self.guards:
            self.guards.append(condition.id)
            self.local.add(condition.id)
        if not local or self._spreading:
            self.local.discard(condition.id)

    @contextmanager
    def spreading(self) -> Iterator[None]:
        """Makes guards in this context concern the whole batch."""
        before, self._spreading = self._spreading, True
        try:
            yield
        finally:
            self._spreading = before

    def spread(self) -> None:
        """Makes all guards so far, also those of derived loops, concern the whole batch."""
        for loop in self._family():
            loop.local.clear()

    def take_as_local(self, guards: int) -> None:
        """Marks all guards after the first `guards` as local."""
        self.local.update(self.guards[guards:])

    @property
    def spreads(self) -> bool:
        """Whether the result of a row may depend on other rows of its batch."""
        return bool(self.some) or not self.local.issuperset(self.guards)

    def guard_some(self, condition: Value) -> None:
        """Flags all rows when the condition is True in none of them."""
        if condition.type != BOOL:
            raise VerifyError(f"a guard requires a bool, got {condition.type}")
        if self.where is not None:
            condition = self.call("logical_and", self.where, condition)
        pair = (self.const(True, BOOL).id, condition.id)
        if pair not in self.some:
            self.some.append(pair)

    def append(self, column: str, value: Value) -> None:
        """Appends the value to a new column."""
        self.appends.append(Append(column, value.id))

    def key(self, column: str, value: Value) -> None:
        """Groups rows by this value; the new column holds it for each group."""
        self.keys.append(Key(column, value.id))

    def merge(self, column: str, fn: str, value: Value | None = None) -> None:
        """Merges the rows' values into a new column over groups."""
        self.merges.append(Merge(column, fn, None if value is None else value.id))

    def close_groups(self, domain: str) -> None:
        """Adds the loop to the program as the one that creates the group domain `domain`."""
        groups = Groups(domain, tuple(self.keys), tuple(self.merges))
        loop = Loop(self.name, self.domain, tuple(self.body), groups=groups)
        self.program.loops.append(loop)
        self.program.columns.update(group_columns(loop, tuple(self._types)))

    def close(self, where: Value | None = None, makes: str | None = None) -> None:
        """Adds the loop to the program; with `where`, as the one that creates the domain `makes`."""
        where_id = None if where is None else where.id
        parts = (tuple(self.body), tuple(self.appends), tuple(self.guards))
        loop = Loop(self.name, self.domain, *parts, where_id, makes, tuple(self.some))
        self.program.loops.append(loop)
        for append in self.appends:
            self.program.columns[append.column] = self._types[append.value]


class ProgramBuilder:
    """Builds a program loop by loop; `columns` maps every column known so far to its type.

    `watched` is for frontends: facts about columns that are appended for counters, beside the results.
    """

    def __init__(self, name: str, inputs: Sequence[Input]) -> None:
        self.name, self.inputs = name, tuple(inputs)
        self.loops: list[Loop] = []
        self.columns: dict[str, Type] = {i.name: i.type for i in inputs}
        self.watched: dict[str, Watch | None] = {}
        self.wholes: list[MadeWhole] = []

    def whole(self, fn: str, *args: Value) -> str:
        """Computes a function of whole columns (`sparkweld.ir.wholes`) over values of one loop; returns the column's name."""
        if any(a.loop is not args[0].loop for a in args):
            raise VerifyError(f"{fn} got values of several loops")
        made = made_whole(fn, args[0].loop.body if args else (), [a.id for a in args])
        if made in self.wholes:
            return f"whole {self.wholes.index(made)}"
        column = f"whole {len(self.wholes)}"
        self.wholes.append(made)
        self.columns[column] = whole_type(fn, tuple(a.type for a in args))
        return column

    def forget_wholes(self, count: int) -> None:
        """Removes all functions of whole columns but the first ones; the caller must not read the others any more."""
        for at in range(count, len(self.wholes)):
            del self.columns[f"whole {at}"]
        del self.wholes[count:]

    def loop(self, name: str, domain: str = ROWS) -> LoopBuilder:
        """Creates a loop over `domain`."""
        return LoopBuilder(self, name, domain)

    def finish(self, outputs: Sequence[str]) -> Program:
        """Verifies and returns the program."""
        stages = stages_of(self.inputs, self.wholes, self.columns)
        return verify(Program(self.name, self.inputs, tuple(self.loops), tuple(outputs), stages))


__all__ = ["Call", "LoopBuilder", "ProgramBuilder", "Value", "Work", "counted"]
