"""Records a computation: one loop of native values per row domain, and calls of annotated functions in order.

The lazy API or the UDF compiler emits native values into the loops and adds the calls. Each call produces a column. Loops may
read a column that has an IR type; other calls may take any column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from sparkweld.annotations.annotation import Annotation
from sparkweld.annotations.domains import RowDomain
from sparkweld.annotations.errors import DomainError
from sparkweld.annotations.split_types import Broadcast, Filtered, Merge, Mutated, Unknown
from sparkweld.ir import LoopBuilder, ProgramBuilder, Type, Value

#: A native value, or a column's name.
Source = Value | str


@dataclass(frozen=True, eq=False)
class Argument:
    """An argument of a call that has rows. `form` is the container that the function receives.

    "array", "series" and "list" hold one source; "filled" is a list with NULL replaced by another of its values. "matrix" and
    "frame" hold several sources, which a frame calls `names`. "arrow" is an Arrow array, whose `type` is None where the IR has
    none.
    """

    sources: tuple[Source, ...]
    form: str
    names: tuple[Any, ...] = ()
    type: Type | None = None


@dataclass(frozen=True, eq=False)
class BlackBox:
    """A call of an annotated function. It produces `column`, over the rows `makes` (None: one merged result for all rows).

    `form` and `type`: the expected container and type of the result; the type is None for objects that only calls take.
    `changed`: positions of arguments that the call changes in place, and the columns of their new values.
    """

    annotation: Annotation
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    domain: RowDomain
    makes: RowDomain | None
    column: str
    form: str
    type: Type | None
    place: str = ""
    changed: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Returns the function's name for messages."""
        return self.annotation.name

    @property
    def made(self) -> tuple[str, ...]:
        """Returns all columns that the call produces."""
        return (self.column, *self.changed.values())

    def taken(self) -> Iterator[Argument]:
        """Returns the arguments that have rows."""
        return (x for x in (*self.args, *self.kwargs.values()) if isinstance(x, Argument))


@dataclass(frozen=True, eq=False)
class Keep:
    """Filters `source` by `mask` into `column` of the domain `makes`. All filters by one mask value share that domain."""

    mask: Source
    source: Source
    domain: RowDomain
    makes: RowDomain
    column: str
    type: Type | None
    place: str = ""

    name = "keep rows"

    @property
    def made(self) -> tuple[str, ...]:
        """Returns the columns that the filter produces."""
        return (self.column,)

    def taken(self) -> Iterator[Argument]:
        """Yields the columns that the filter reads."""
        yield Argument((self.mask,), "array")
        yield Argument((self.source,), "array")


Step = BlackBox | Keep


class Capture:
    """Builds a computation over the rows of `root`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root = RowDomain(name)
        self.steps: list[Step] = []
        self.inputs: dict[str, Type | None] = {}
        self.domains: list[RowDomain] = [self.root]
        self._builder = ProgramBuilder(name, ())
        self._of_column: dict[str, RowDomain | None] = {}
        self._loops: dict[RowDomain, LoopBuilder] = {self.root: self._builder.loop(name)}
        self._kept: dict[tuple[RowDomain, int], RowDomain] = {}

    def loop(self, domain: RowDomain | None = None) -> LoopBuilder:
        """Returns the loop of native values over a domain."""
        return self._loops[domain or self.root]

    def domain_of(self, source: Source) -> RowDomain | None:
        """Returns the row domain of a value or column; None for a merged result."""
        if isinstance(source, str):
            return self._of_column[source]
        return next(domain for domain, loop in self._loops.items() if loop is source.loop)

    def type_of(self, column: str) -> Type | None:
        """Returns a column's type, None when the IR has none for it."""
        return self._builder.columns.get(column)

    def input(self, name: str, type: Type | None) -> Source:
        """Adds an input column of the root's rows; returns a value when it has a type, else its name."""
        self.inputs[name] = type
        return self._made(name, type, self.root)

    def again(self, loop: LoopBuilder, steps: int) -> Capture:
        """Returns a copy of the capture after its first `steps` steps, over a copy of the root's loop, to capture a batch again.

        There must be no later filter.
        """
        made = copy(self)
        later = {column for step in self.steps[steps:] for column in step.made}
        made.steps, made._loops = self.steps[:steps], {self.root: loop}
        made._of_column = {column: domain for column, domain in self._of_column.items() if column not in later}
        return made

    def is_alike(self, other: Capture) -> bool:
        """Whether both captured the same calls, each on values of its own loop."""
        pairs = zip(self.steps, other.steps, strict=False)
        return len(self.steps) == len(other.steps) and all(_is_same_step(a, b) for a, b in pairs)

    def keep(self, mask: Value, sources: tuple[Source, ...], place: str = "") -> tuple[RowDomain, list[Source]]:
        """Filters the sources by the mask; returns the new domain, the same for the same mask, and the filtered sources."""
        domain = self._same_rows((mask, *sources), place or "a filter")
        makes = self._kept.get((domain, mask.id))
        if makes is None:
            makes = self._kept[domain, mask.id] = self._new_domain(domain, place or "filter")
        kept = [self._carry(mask, source, domain, makes, place) for source in sources]
        return makes, kept

    def call(
        self, annotation: Annotation, args: tuple[Any, ...], kwargs: Mapping[str, Any], form: str, type: Type | None,
        place: str = "",
    ) -> Source:  # fmt: skip
        """Adds a call and returns its result. Raises DomainError when its arguments have no rows or rows of several domains."""
        where = f"{annotation.name} ({place})" if place else annotation.name
        sources = [s for x in (*args, *kwargs.values()) if isinstance(x, Argument) for s in x.sources]
        if not sources:
            raise DomainError(f"{where} receives no rows; call it outside the pipeline.")
        domain = self._same_rows(tuple(sources), where)
        self._check_types(annotation, args, kwargs, where)
        for step in self.steps:
            if isinstance(step, BlackBox) and not step.changed and _is_same_call(step, annotation, args, kwargs):
                return step.column if step.makes is None else self._read(step.column, step.makes)
        column = f"call{len(self.steps)}"
        changed = {
            position: f"{column}.{position}"
            for position, (split_type, x) in enumerate(zip(annotation.args, args, strict=False))
            if isinstance(split_type, Mutated) and isinstance(x, Argument)
        }
        makes: RowDomain | None = domain
        if isinstance(annotation.returns, Filtered):
            makes = self._new_domain(domain, annotation.name)
        elif isinstance(annotation.returns, Merge):
            makes = None
        self.steps.append(BlackBox(annotation, args, dict(kwargs), domain, makes, column, form, type, place, changed))
        for position, name in changed.items():
            source = args[position].sources[0]
            self._made(name, source.type if isinstance(source, Value) else self.type_of(source), domain)
        return self._made(column, type, makes)

    def _check_types(self, annotation: Annotation, args: tuple[Any, ...], kwargs: Mapping[str, Any], where: str) -> None:
        if isinstance(annotation.returns, Unknown):
            raise DomainError(f"{where} returns a result of unknown kind, which a pipeline cannot pass on.")
        domains = set()
        for name, split_type, x in annotation.typed(args, kwargs):
            if not isinstance(x, Argument):
                continue
            if isinstance(split_type, Broadcast) or split_type.domain is None:
                raise DomainError(f"{where} requires all rows of {name} at once, and receives rows that a pipeline splits.")
            domains.add(split_type.domain)
        if len(domains) > 1:
            raise DomainError(f"{where} runs over rows of {len(domains)} domains: {', '.join(sorted(domains))}.")

    def _carry(self, mask: Value, source: Source, domain: RowDomain, makes: RowDomain, place: str) -> Source:
        for step in self.steps:
            if isinstance(step, Keep) and step.makes is makes and _same(step.source, source):
                return self._read(step.column, makes)
        column = f"kept{len(self.steps)}"
        type = source.type if isinstance(source, Value) else self.type_of(source)
        self.steps.append(Keep(mask, source, domain, makes, column, type, place))
        return self._made(column, type, makes)

    def _same_rows(self, sources: tuple[Source, ...], where: str) -> RowDomain:
        domains = [self.domain_of(source) for source in sources]
        for number, domain in enumerate(domains):
            if domain is None or domain is not domains[0]:
                raise DomainError(
                    f"{where} requires arguments with the same rows, but the first has those of {domains[0]} and "
                    f"argument {number + 1} those of {domain}. Filter both in the same way, or neither."
                )
        assert domains[0] is not None
        return domains[0]

    def _new_domain(self, parent: RowDomain, by: str) -> RowDomain:
        made = parent.filtered(by)
        self.domains.append(made)
        self._loops[made] = self._builder.loop(f"rows{len(self.domains)}")
        return made

    def _made(self, name: str, type: Type | None, domain: RowDomain | None) -> Source:
        self._of_column[name] = domain
        if type is None or domain is None:
            return name
        self._builder.columns[name] = type
        return self._read(name, domain)

    def _read(self, name: str, domain: RowDomain) -> Source:
        return self._loops[domain].read(name) if name in self._builder.columns else name


def _same(a: Source, b: Source) -> bool:
    if isinstance(a, Value) and isinstance(b, Value):
        return a.loop is b.loop and a.id == b.id
    return isinstance(a, str) and a == b


def _same_number(a: Source, b: Source) -> bool:
    """Whether two sources of loops that are copies of each other are the same."""
    return a.id == b.id if isinstance(a, Value) and isinstance(b, Value) else isinstance(a, str) and a == b


def _is_same_step(a: Step, b: Step) -> bool:
    if not isinstance(a, BlackBox) or not isinstance(b, BlackBox) or (a.column, a.form, a.type) != (b.column, b.form, b.type):
        return a is b
    return _is_same_call(a, b.annotation, b.args, b.kwargs, _same_number)


def _is_same_call(
    step: BlackBox, annotation: Annotation, args: tuple[Any, ...], kwargs: Mapping[str, Any],
    same_source: Callable[[Source, Source], bool] = _same,
) -> bool:  # fmt: skip
    """Whether the same call is captured already: annotated functions keep no state, so its result is the same."""
    same = step.annotation.function == annotation.function and step.annotation.elementwise == annotation.elementwise
    if not same or len(step.args) != len(args) or list(step.kwargs) != list(kwargs):
        return False
    pairs = zip((*step.args, *step.kwargs.values()), (*args, *kwargs.values()), strict=True)
    return all(_is_same_argument(a, b, same_source) for a, b in pairs)


def _is_same_argument(a: Any, b: Any, same_source: Callable[[Source, Source], bool]) -> bool:
    if isinstance(a, Argument) and isinstance(b, Argument):
        same = (a.form, a.names, len(a.sources)) == (b.form, b.names, len(b.sources))
        return same and all(map(same_source, a.sources, b.sources))
    return a is b or (type(a) is type(b) and isinstance(a, int | float | str | bool) and repr(a) == repr(b))  # -0.0 is not 0.0
