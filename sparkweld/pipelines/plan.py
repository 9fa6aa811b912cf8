"""Plans a captured computation as a pipeline: levels between black-box calls, and one program per level and row domain.

A value's level is the number of calls on the longest path from the inputs to it. All native values of one level and domain form
one program, which the optimizer fuses. Values that a later level needs become columns. A filter of columns that kernels take
becomes the first loop of the program over the filtered rows. So neither the mask nor the filtered columns are materialised. Only
the values that the outputs and the requested guards need are planned.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from sparkweld.annotations.domains import RowDomain
from sparkweld.ir import ROWS, Append, Input, Let, Loop, LoopBuilder, Program, Type, Value, verify
from sparkweld.ir.ops import Const, IsValid, Read
from sparkweld.ir.program import output_types
from sparkweld.optimizer import optimize
from sparkweld.pipelines.capture import Argument, BlackBox, Capture, Keep, Source, Step


@dataclass(frozen=True, eq=False)
class Native:
    """A program over the rows of `domain` that reads and produces the columns named by its inputs and outputs."""

    program: Program
    domain: RowDomain

    @property
    def taken(self) -> tuple[str, ...]:
        """Returns the columns that it reads."""
        return tuple(i.name for i in self.program.inputs)

    @property
    def made(self) -> tuple[str, ...]:
        """Returns the columns that it produces."""
        return self.program.outputs

    @property
    def only_looks_for_nulls(self) -> bool:
        """Whether the program only asserts that no column has NULLs: a kernel would convert the strings in vain."""
        ops = [let.op for loop in self.program.loops for let in loop.body]
        reads = all(op.type.nullable for op in ops if isinstance(op, Read))
        both = all(isinstance(op, Read | IsValid) or getattr(op, "fn", "") == "logical_and" for op in ops)
        return not self.made and reads and both


@dataclass(frozen=True, eq=False)
class Called:
    """A captured call whose sources are all columns."""

    step: Step

    @property
    def domain(self) -> RowDomain:
        return self.step.domain

    @property
    def taken(self) -> tuple[str, ...]:
        """Returns the columns that it reads."""
        return tuple(str(source) for rows in self.step.taken() for source in rows.sources)

    @property
    def made(self) -> tuple[str, ...]:
        """Returns the columns that it produces."""
        return self.step.made


Stage = Native | Called

#: Plans of this process, keyed by all that they depend on, and the limit on their number.
_known: dict[Hashable, Pipeline] = {}
_KEPT_PLANS = 256


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Stages in order over the rows of `root`. `outputs`: name -> column; `types`: column -> its type, None for objects.

    `domains`: the row domain of each column, None for a merged result. `arrow`: strings are built in Arrow memory, except those
    that calls pass to other stages.
    """

    name: str
    root: RowDomain
    inputs: tuple[str, ...]
    stages: tuple[Stage, ...]
    outputs: Mapping[str, str]
    types: Mapping[str, Type | None]
    domains: Mapping[str, RowDomain | None]
    last_use: Mapping[str, int] = field(default_factory=dict)
    arrow: bool = False

    @property
    def calls(self) -> tuple[BlackBox, ...]:
        """Returns the black-box calls."""
        return tuple(s.step for s in self.stages if isinstance(s, Called) and isinstance(s.step, BlackBox))

    @property
    def placed(self) -> dict[str, Type]:
        """Returns the outputs, with types, whose whole array can be allocated before the first block runs."""
        columns = {name: (self.types.get(c), self.domains[c]) for name, c in self.outputs.items()}
        typed = {name: type for name, (type, domain) in columns.items() if domain is self.root and type and not type.nullable}
        return {name: type for name, type in typed.items() if not (self.arrow and type.dtype == object)}

    @property
    def kept(self) -> dict[str, Type]:
        """Returns the outputs over filtered rows that are numbers without NULLs, with types."""
        columns = {name: (self.types.get(c), self.domains[c]) for name, c in self.outputs.items()}
        known = {name: type for name, (type, domain) in columns.items() if domain not in (self.root, None) and type}
        return {name: type for name, type in known.items() if not type.nullable and type.dtype != object}

    @property
    def is_placed(self) -> bool:
        """Whether kernels can write all outputs in place.

        Strings exclude that: kernels write views, from which objects are made.
        """
        return len(self.placed) == len(self.outputs) and not any(type.is_view for type in self.placed.values())

    def only_places(self, stage: Stage) -> bool:
        """Whether a stage produces only outputs that it writes in place and that no other stage reads."""
        placed = {self.outputs[name] for name, type in self.placed.items() if type.dtype != object}
        return placed.issuperset(stage.made) and placed.isdisjoint(column for other in self.stages for column in other.taken)

    @property
    def identity(self) -> Hashable:
        """Returns a key that is equal for pipelines that do the same work, so that measurements of one hold for the other."""
        return tuple(s.program.digest if isinstance(s, Native) else (s.step.name, *s.taken) for s in self.stages)


def plan(capture: Capture, outputs: Mapping[str, Source], guards: Mapping[LoopBuilder, Iterable[int]] | None = None) -> Pipeline:
    """Returns the pipeline that computes the outputs. `guards`: values of each loop that must hold; None: all its guards.

    Plans without calls and filters are cached: a session of the lazy API captures the same computation repeatedly.
    """
    if capture.steps:
        return _Planner(capture, outputs, guards).pipeline()
    loop = capture.loop()
    held = tuple(sorted(set(loop.guards if guards is None else guards.get(loop, ()))))
    made = tuple((name, source if isinstance(source, str) else source.id) for name, source in outputs.items())
    key = capture.name, tuple(capture.inputs.items()), tuple(loop.body), tuple(loop.some), held, made
    if key not in _known:
        if len(_known) >= _KEPT_PLANS:
            _known.clear()
        _known[key] = _Planner(capture, outputs, guards).pipeline()
    return _known[key]


class _Planner:
    def __init__(
        self, capture: Capture, outputs: Mapping[str, Source], guards: Mapping[LoopBuilder, Iterable[int]] | None
    ) -> None:
        self.capture, self.outputs = capture, outputs
        self.loops = [capture.loop(domain) for domain in capture.domains]
        self.number = {id(loop): at for at, loop in enumerate(self.loops)}
        self.maker = {column: step for step in capture.steps for column in step.made}
        self.levels: dict[int, list[int]] = {id(loop): [] for loop in self.loops}
        self.column_level: dict[str, int] = dict.fromkeys(capture.inputs, 0)
        self.step_level: dict[int, int] = {}
        self._set_levels()
        self.guards = {loop: sorted(set(loop.guards if guards is None else guards.get(loop, ()))) for loop in self.loops}
        self.values: dict[int, set[int]] = {id(loop): set() for loop in self.loops}
        self.columns: set[str] = set()
        self.exported: set[tuple[int, int]] = set()
        #: Filters that are fused into a program, keyed by the domain that they produce and the level of that program.
        self.filters: dict[tuple[RowDomain, int], list[Keep]] = {}

    def pipeline(self) -> Pipeline:
        self._mark_needed()
        outputs = {name: self._column(source) for name, source in self.outputs.items()}
        stages = _pruned(self._stages(), outputs.values())
        types: dict[str, Type | None] = {name: self.capture.type_of(name) for name in self.columns}
        domains: dict[str, RowDomain | None] = {name: self.capture.domain_of(name) for name in self.columns}
        for stage in stages:
            if isinstance(stage, Native):
                types.update(zip(stage.made, output_types(stage.program), strict=True))
                domains.update(dict.fromkeys(stage.made, stage.domain))
        last = {column: at for at, stage in enumerate(stages) for column in (*stage.made, *stage.taken)}
        last.update(dict.fromkeys(outputs.values(), len(stages)))
        inputs = tuple(name for name in self.capture.inputs if name in self.columns)
        return Pipeline(self.capture.name, self.capture.root, inputs, tuple(stages), outputs, types, domains, last)

    def _set_levels(self) -> None:
        for loop in self.loops:
            self._advance(loop, len(loop.body))

    def _level(self, source: Source) -> int:
        if isinstance(source, str):
            return self._level_of(source)
        self._advance(source.loop, source.id + 1)
        return self.levels[id(source.loop)][source.id]

    def _level_of(self, column: str) -> int:
        """Returns a column's level and records that of the step that produces it.

        Steps that nothing reads get none: the values that they take may have been undone, and their ids reused.
        """
        if column not in self.column_level:
            step = self.maker[column]
            level = max((self._level(source) for rows in step.taken() for source in rows.sources), default=0)
            self.step_level[id(step)] = level
            self.column_level.update(dict.fromkeys(step.made, level + 1))
        return self.column_level[column]

    def _advance(self, loop: LoopBuilder, stop: int) -> None:
        known = self.levels[id(loop)]
        for let in loop.body[len(known) : stop]:
            if isinstance(let.op, Read):
                known.append(self._level_of(let.op.column))
            else:
                known.append(max((known[a] for a in let.args), default=0))

    def _mark_needed(self) -> None:
        work: list[Source] = []
        for source in self.outputs.values():
            self._export(source, work)
        for loop, guards in self.guards.items():
            pairs = [value for pair in loop.some for value in pair]
            work += [loop.value(v) for v in (*guards, *pairs)]
        while work:
            source = work.pop()
            if isinstance(source, str):
                self._need_column(source, work)
                continue
            seen = self.values[id(source.loop)]
            if source.id in seen:
                continue
            seen.add(source.id)
            let = source.loop.body[source.id]
            if isinstance(let.op, Read):
                work.append(let.op.column)
            level = self.levels[id(source.loop)]
            for a in let.args:
                work.append(source.loop.value(a))
                if level[a] < level[source.id] and not isinstance(source.loop.body[a].op, Const | Read):
                    self.exported.add((id(source.loop), a))

    def _need_column(self, column: str, work: list[Source]) -> None:
        if column in self.columns:
            return
        self.columns.add(column)
        step = self.maker.get(column)
        if step is None:
            return
        self.columns.update(step.made)
        level = self._level_of(column) - 1
        fused = _is_fused(step)
        if fused and isinstance(step, Keep):
            self.filters.setdefault((step.makes, level + 1), []).append(step)
        for source in (source for rows in step.taken() for source in rows.sources):
            if fused and isinstance(source, Value) and self._level(source) == level:
                work.append(source)  # computed in the filter's own program
            else:
                self._export(source, work)

    def _export(self, source: Source, work: list[Source]) -> None:
        work.append(source)
        if isinstance(source, Value) and not isinstance(source.loop.body[source.id].op, Read):
            self.exported.add((id(source.loop), source.id))

    def _column(self, source: Source) -> str:
        """Returns the column of a value: the one that it reads, or the one that its program produces."""
        if isinstance(source, str):
            return source
        op = source.loop.body[source.id].op
        return op.column if isinstance(op, Read) else self._made(source.loop, source.id)

    def _made(self, loop: LoopBuilder, value: int) -> str:
        return f"v{self.number[id(loop)]}_{value}"

    def _stages(self) -> list[Stage]:
        stages: list[Stage] = []
        steps = [step for step in self.capture.steps if self.columns.intersection(step.made) and not _is_fused(step)]
        top = max((max(levels, default=0) for levels in self.levels.values()), default=0)
        for level in range(max(top, *self.step_level.values(), 0) + 1 if self.step_level else top + 1):
            for domain, loop in zip(self.capture.domains, self.loops, strict=True):
                stages += self._native(domain, loop, level)
            stages += [self._called(step) for step in steps if self.step_level[id(step)] == level]
        return stages

    def _called(self, step: Step) -> Called:
        if isinstance(step, Keep):
            return Called(replace(step, mask=self._column(step.mask), source=self._column(step.source)))
        args = tuple(map(self._resolved, step.args))
        return Called(replace(step, args=args, kwargs={name: self._resolved(x) for name, x in step.kwargs.items()}))

    def _resolved(self, x: Any) -> Any:
        return replace(x, sources=tuple(map(self._column, x.sources))) if isinstance(x, Argument) else x

    def _native(self, domain: RowDomain, loop: LoopBuilder, level: int) -> list[Stage]:
        levels = self.levels[id(loop)]
        roots = [value for of, value in self.exported if of == id(loop) and levels[value] == level]
        guards = [g for g in self.guards[loop] if levels[g] == level]
        some = [pair for pair in loop.some if max(levels[v] for v in pair) == level]
        filters = [self._filter(domain, kept, level - 1)] if (kept := self.filters.get((domain, level))) else []
        if not roots and not guards and not some:
            return [*filters]
        part = _Part(loop, level, levels, lambda value: self._made(loop, value))
        appends = tuple(Append(self._made(loop, value), part.at(value)) for value in sorted(roots))
        held = tuple(part.at(g) for g in guards)
        pairs = tuple((part.at(a), part.at(b)) for a, b in some)
        name = f"{self.capture.name} {level}"
        outputs = tuple(a.column for a in appends)
        if not filters or not part.inputs.keys() <= set(filters[0].made):  # it reads columns that the filter does not produce
            made = Loop(name, ROWS, tuple(part.body), appends, held, some=pairs)
            return [*filters, Native(Program(name, tuple(part.inputs.values()), (made,), outputs), domain)]
        first = filters[0].program
        made = Loop(name, KEPT, tuple(part.body), appends, held, some=pairs)
        return [Native(Program(name, first.inputs, (*first.loops, made), (*first.outputs, *outputs)), domain)]

    def _filter(self, domain: RowDomain, kept: list[Keep], level: int) -> Native:
        """Returns the program that filters columns by one mask. It may read columns of a program of its own level."""
        mask = kept[0].mask
        assert isinstance(mask, Value)
        loop = mask.loop
        made = {value for of, value in self.exported if of == id(loop)}
        part = _Part(loop, level, self.levels[id(loop)], lambda value: self._made(loop, value), made)
        appends = tuple(Append(step.column, part.at(step.source.id)) for step in kept if isinstance(step.source, Value))
        name = f"{self.capture.name} filter"
        where = part.at(mask.id)
        filter = Loop(name, ROWS, tuple(part.body), appends, where=where, makes=KEPT)
        return Native(Program(name, tuple(part.inputs.values()), (filter,), tuple(a.column for a in appends)), domain)


#: The row domain that a filter produces within its program.
KEPT = "kept"


def _is_fused(step: Step) -> bool:
    """Whether a filter is fused into the program over its rows. Strings are objects, which kernels would have to rebuild."""
    return isinstance(step, Keep) and step.type is not None and not step.type.is_view and isinstance(step.source, Value)


def _pruned(drafts: Sequence[Stage], outputs: Iterable[str]) -> list[Stage]:
    """Removes dead stages and columns, and optimises the programs of the others."""
    wanted = set(outputs)
    stages: list[Stage] = []
    for draft in reversed(drafts):
        if isinstance(draft, Native):
            made = tuple(c for c in draft.made if c in wanted)
            if not made and not any(loop.guards or loop.some for loop in draft.program.loops):
                continue
            draft = replace(draft, program=_optimized(replace(draft.program, outputs=made)))
        wanted.update(draft.taken)
        stages.insert(0, draft)
    return stages


@lru_cache(maxsize=256)
def _optimized(program: Program) -> Program:
    """Optimises a program. Cached: a session of the lazy API plans the same computation repeatedly."""
    return optimize(verify(program))


class _Part:
    """Copies the values of one level of a loop into a new body; values of lower levels or in `columns` are read as columns."""

    def __init__(
        self, loop: LoopBuilder, level: int, levels: Sequence[int], made: Callable[[int], str], columns: Collection[int] = ()
    ) -> None:
        self.body: list[Let] = []
        self.inputs: dict[str, Input] = {}
        self._loop, self._level, self._levels, self._made, self._columns = loop, level, levels, made, columns
        self._at: dict[int, int] = {}

    def at(self, root: int) -> int:
        """Returns the position of a value in the new body, after copying it and its operands."""
        todo = [root]
        while todo:
            value = todo[-1]
            let = self._loop.body[value]
            missing = [] if self._below(value) else [a for a in let.args if a not in self._at]
            if value in self._at or not missing:
                todo.pop()
                self._copy(value, let)
            else:
                todo += missing
        return self._at[root]

    def _below(self, value: int) -> bool:
        lies_below = self._levels[value] < self._level or value in self._columns
        return lies_below and not isinstance(self._loop.body[value].op, Const | Read)

    def _copy(self, value: int, let: Let) -> None:
        if value in self._at:
            return
        if self._below(value):
            let = Let(Read(self._made(value), self._loop.value(value).type))
        if isinstance(let.op, Read):
            self.inputs.setdefault(let.op.column, Input(let.op.column, let.op.type))
        self.body.append(Let(let.op, tuple(self._at[a] for a in let.args)))
        self._at[value] = len(self.body) - 1
