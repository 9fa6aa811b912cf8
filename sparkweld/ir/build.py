"""Builds programs: a loop body grows value by value, typed as it grows, equal values made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn

from sparkweld.errors import VerifyError
from sparkweld.ir.merges import Groups, Key, Merge
from sparkweld.ir.ops import Call, Cast, Const, IsValid, MakeOptional, Op, Read, Select, ValueOf
from sparkweld.ir.program import ROWS, Append, Input, Let, Loop, Program, group_columns
from sparkweld.ir.types import BOOL, Type
from sparkweld.ir.verify import verify


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A value of the loop being built; carries its type."""

    id: int
    type: Type
    loop: LoopBuilder


@dataclass(slots=True)
class Work:
    """Counts the values that a frontend asks loops for, equal ones too: a function may work for hours to make few values.

    `refuse` raises for every value past the limit, so that code which catches the first exception gets no further.
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
    """Counts what the block asks loops for."""
    token = _WORK.set(work)
    try:
        yield
    finally:
        _WORK.reset(token)


class LoopBuilder:
    """Grows one loop over a domain. Made by `ProgramBuilder.loop`; `close` adds the loop to the program.

    `local` are guards that say nothing of other rows: see `guard`.
    `where` is the condition of the rows that the loop is about (None: all), `share` how many these are as far as is known.
    `numbered` is for frontends: whether these rows
    have the numbers 0 to n-1, not some of those.
    """

    def __init__(self, program: ProgramBuilder, name: str, domain: str) -> None:
        self.program, self.name, self.domain = program, name, domain
        self.body: list[Let] = []
        self.guards: list[int] = []
        self.local: set[int] = set()
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
        """Another loop with the body, guards and condition so far, under the same numbers, and nothing appended."""
        made = LoopBuilder(self.program, self.name, self.domain)
        made.body, made._types, made._known = [*self.body], [*self._types], {**self._known}
        made.guards, made.local, made.some = [*self.guards], {*self.local}, [*self.some]
        made.numbered, made.share = self.numbered, self.share
        made.where = None if self.where is None else Value(self.where.id, BOOL, made)
        return made

    def derive(self, numbered: bool) -> LoopBuilder:
        """A copy that this loop remembers: `parent`, `derived`, and how many guards the copy has `inherited`."""
        made = self.copy()
        made.parent, made.inherited, made.numbered = self, self._guarding(), numbered
        self.derived.append(made)
        return made

    def kept(self, condition: Value) -> LoopBuilder:
        """A copy for those rows that satisfy the condition: `where` says which they are, and guards speak of them alone."""
        made = self.derive(numbered=False)
        inside = Value(condition.id, BOOL, made)
        made.where = inside if made.where is None else made.call("logical_and", made.where, inside)
        return made

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
        """How much there is now, for `undo`."""
        return len(self.body), len(self.guards), len(self.some)

    def undo(self, mark: tuple[int, int, int]) -> None:
        """Drops all values and guards that came after a mark; nothing may hold on to them."""
        values, guards, some = mark
        del self.body[values:], self._types[values:], self.guards[guards:], self.some[some:]
        self.local = {guard for guard in self.local if guard < values}
        self.appends = [append for append in self.appends if append.value < values]
        self._known = {let: at for let, at in self._known.items() if at < values}

    def emit(self, op: Op, *args: Value) -> Value:
        """`op` applied to values of this loop; the same value again when it was emitted before."""
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
        """The value of that number."""
        return Value(id, self._types[id], self)

    def read(self, column: str) -> Value:
        """The row's value of a column seen so far."""
        return self.emit(Read(column, self.program.columns[column]))

    def const(self, value: object, type: Type) -> Value:
        """The same value on every row."""
        return self.emit(Const.of(value, type))

    def call(self, fn: str, *args: Value) -> Value:
        """An elementwise function (NumPy's ufunc of that name); the arguments fit one of its inner loops."""
        return self.emit(Call(fn), *args)

    def cast(self, value: Value, to: Type) -> Value:
        """`value` as type `to`; itself when it has that type already."""
        return value if value.type == to else self.emit(Cast(to), value)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """a where the condition holds, else b; nullable when one of them is."""
        if not (a.type.nullable or b.type.nullable):
            return self.emit(Select(), condition, a, b)
        value = self.emit(Select(), condition, self.value_of(a), self.value_of(b))
        return self.optional(value, self.emit(Select(), condition, self.is_valid(a), self.is_valid(b)))

    def is_valid(self, value: Value) -> Value:
        """Whether a value is not NULL (constant True for a plain one)."""
        return self.emit(IsValid(), value) if value.type.nullable else self.const(True, BOOL)

    def value_of(self, value: Value) -> Value:
        """The plain value, zero where NULL."""
        return self.emit(ValueOf(), value) if value.type.nullable else value

    def optional(self, value: Value, valid: Value) -> Value:
        """The plain `value` where `valid`, else NULL."""
        return self.emit(MakeOptional(), value, valid)

    def guard(self, condition: Value, local: bool = False) -> None:
        """Rows where the condition is False are flagged: a kernel may not decide them.

        `local`: there Python raises, or gives that row alone another result. A guard that is not local may stand for another
        dtype of the whole batch, as a divisor of 0 does.
        """
        if condition.type != BOOL:
            raise VerifyError(f"a guard wants a bool, got {condition.type}")
        if self.where is not None:
            condition = self.call("logical_or", self.call("logical_not", self.where), condition)
        if condition.id not in self.guards:
            self.guards.append(condition.id)
            self.local.add(condition.id)
        if not local:
            self.local.discard(condition.id)

    def take_as_local(self, guards: int) -> None:
        """The guards behind the first `guards` are local."""
        self.local.update(self.guards[guards:])

    @property
    def spreads(self) -> bool:
        """Whether a row may change others of its batch, or need one of them."""
        return bool(self.some) or not self.local.issuperset(self.guards)

    def guard_some(self, condition: Value) -> None:
        """All rows are flagged when the condition is True in none of them."""
        if condition.type != BOOL:
            raise VerifyError(f"a guard wants a bool, got {condition.type}")
        if self.where is not None:
            condition = self.call("logical_and", self.where, condition)
        pair = (self.const(True, BOOL).id, condition.id)
        if pair not in self.some:
            self.some.append(pair)

    def append(self, column: str, value: Value) -> None:
        """Appends the value to a new column."""
        self.appends.append(Append(column, value.id))

    def key(self, column: str, value: Value) -> None:
        """Rows of one group have equal values; the new column has them."""
        self.keys.append(Key(column, value.id))

    def merge(self, column: str, fn: str, value: Value | None = None) -> None:
        """Merges the rows' values into a new column over groups."""
        self.merges.append(Merge(column, fn, None if value is None else value.id))

    def close_groups(self, domain: str) -> None:
        """Adds the loop to the program, as the maker of the groups `domain`."""
        groups = Groups(domain, tuple(self.keys), tuple(self.merges))
        loop = Loop(self.name, self.domain, tuple(self.body), groups=groups)
        self.program.loops.append(loop)
        self.program.columns.update(group_columns(loop, tuple(self._types)))

    def close(self, where: Value | None = None, makes: str | None = None) -> None:
        """Adds the loop to the program; with `where`, as the maker of the domain `makes`."""
        where_id = None if where is None else where.id
        parts = (tuple(self.body), tuple(self.appends), tuple(self.guards))
        loop = Loop(self.name, self.domain, *parts, where_id, makes, tuple(self.some))
        self.program.loops.append(loop)
        for append in self.appends:
            self.program.columns[append.column] = self._types[append.value]


class ProgramBuilder:
    """Grows a program loop by loop; `columns` maps every column seen so far to its type.

    `watched` is for frontends: what is known of columns that are appended to be counted, beside the results.
    """

    def __init__(self, name: str, inputs: Sequence[Input]) -> None:
        self.name, self.inputs = name, tuple(inputs)
        self.loops: list[Loop] = []
        self.columns: dict[str, Type] = {i.name: i.type for i in inputs}
        self.watched: dict[str, dict[str, Any]] = {}

    def loop(self, name: str, domain: str = ROWS) -> LoopBuilder:
        """A new loop over `domain`."""
        return LoopBuilder(self, name, domain)

    def finish(self, outputs: Sequence[str]) -> Program:
        """The verified program."""
        return verify(Program(self.name, self.inputs, tuple(self.loops), tuple(outputs)))


__all__ = ["Call", "LoopBuilder", "ProgramBuilder", "Value", "Work", "counted"]
