"""Defines annotations: a function with the split types of its arguments and result, and its calls on chunks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import Any

from sparkweld.annotations.domains import RowDomain
from sparkweld.annotations.errors import AnnotationError, DomainError
from sparkweld.annotations.split_types import Broadcast, Filtered, Merge, Merged, SplitType

#: The positional and the keyword arguments of a call.
Arguments = tuple[tuple[Any, ...], dict[str, Any]]
#: Creates a call's arguments with this number of rows: ``examples(rng, rows) -> (args, kwargs)``.
Examples = Callable[[Any, int], Arguments]
_WHOLE = Broadcast()


@dataclass(frozen=True)
class Annotation:
    """`function` with split types: `args` by position, `kwargs` by name (others are the same for every chunk), `returns`.

    `elementwise`: the function takes one value of each argument that has rows and returns one value, as ``json.loads`` does.
    `wants_rows`: the function raises for no rows, so no chunk is empty unless the whole is. `examples` creates arguments for the
    check, where the types' own examples do not fit the function.
    """

    function: Callable[..., Any]
    args: tuple[SplitType, ...]
    kwargs: Mapping[str, SplitType]
    returns: SplitType
    elementwise: bool = False
    wants_rows: bool = False
    examples: Examples | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The function's name for people: ``scipy.special.erf``."""
        module = getattr(self.function, "__module__", None)
        name = getattr(self.function, "__qualname__", getattr(self.function, "__name__", repr(self.function)))
        return f"{module}.{name}" if module else name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself, as its users do."""
        return self.function(*args, **kwargs)

    def call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Calls the function on arguments that have rows: once, or for each row if it is elementwise."""
        if not self.elementwise:
            return self.function(*args, **kwargs)
        rows = self.rows(args, kwargs) or 0
        typed = zip(self.args, args, strict=False)
        columns = [repeat(value, rows) if type.rows(value) is None else value for type, value in typed]
        return list(map(partial(self.function, **kwargs) if kwargs else self.function, *columns))

    def piece(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Returns the contribution of a chunk of rows: the call on it or, where results do not merge, its state."""
        if isinstance(self.returns, Merged) and self.returns.state is not None:
            return self.returns.state(*args, **kwargs)
        return self.call(args, kwargs)

    def typed(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[tuple[str, SplitType, Any]]:
        """Returns (name, split type, value) of each argument of a call.

        Raises DomainError for more arguments than are annotated.
        """
        if len(args) > len(self.args):
            raise DomainError(f"{self.name} is annotated for {len(self.args)} positional arguments, and receives {len(args)}.")
        given = [(f"argument {i + 1}", t, v) for i, (t, v) in enumerate(zip(self.args, args, strict=False))]
        return [*given, *((name, self.kwargs.get(name, _WHOLE), value) for name, value in kwargs.items())]

    def rows(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int | None:
        """Returns the number of rows that a call runs over, None when no argument has rows.

        Raises DomainError when arguments of one domain differ in length, or when there is more than one domain with rows.
        """
        sizes: dict[str, dict[str, int]] = {}
        for name, type, value in self.typed(args, kwargs):
            rows = _rows_of(self, name, type, value)
            if rows is not None:
                sizes.setdefault(str(type.domain), {})[name] = rows
        for domain, found in sizes.items():
            if len(set(found.values())) > 1:
                listed = ", ".join(f"{name} has {rows}" for name, rows in found.items())
                raise DomainError(f"{self.name} requires arguments with the same rows ({domain!r}): {listed}.")
        if len(sizes) > 1:
            raise DomainError(f"{self.name} runs over rows of {len(sizes)} domains: {', '.join(sorted(sizes))}.")
        return next((rows for found in sizes.values() for rows in found.values()), None)

    def domain_of(self, args: Sequence[RowDomain | None], kwargs: Mapping[str, RowDomain | None]) -> RowDomain | None:
        """Returns the domain of the result from those of the arguments (None: no rows), at planning time.

        Raises DomainError when two arguments that must be aligned have rows of different domains.
        """
        known: dict[str, tuple[str, RowDomain]] = {}
        for name, type, domain in self.typed(args, kwargs):
            if domain is None or type.domain is None:
                continue
            first, other = known.setdefault(type.domain, (name, domain))
            if other is not domain:
                raise DomainError(
                    f"{self.name} requires {first} and {name} with the same rows, but {first} has those of {other} and {name} "
                    f"those of {domain}. Filter both in the same way, or neither."
                )
        if isinstance(self.returns, Filtered):
            return known[self.returns.of][1].filtered(self.name) if self.returns.of in known else None
        return known[self.returns.domain][1] if self.returns.domain in known else None

    def on_pieces(self, args: Sequence[Any], kwargs: Mapping[str, Any], cuts: Sequence[int]) -> Any:
        """Runs the call on the chunks between `cuts` (ascending, from 0 to the number of rows) and merges the results."""
        typed = self.typed(args, kwargs)
        pieces = []
        if cuts[-1] > 0 and (self.wants_rows or isinstance(self.returns, Merge)):  # an empty chunk has no minimum
            cuts = sorted(set(cuts))
        for start, stop in zip(cuts, cuts[1:], strict=False):
            values = [t.split(v, start, stop) for _, t, v in typed]
            pieces.append(self.piece(values[: len(args)], dict(zip(kwargs, values[len(args) :], strict=True))))
        return self.returns.merge(pieces)


def check_signature(annotation: Annotation) -> None:
    """Raises AnnotationError when the annotation names parameters that the function lacks, or values that are no split types."""
    for type in (*annotation.args, *annotation.kwargs.values(), annotation.returns):
        if not isinstance(type, SplitType):
            raise AnnotationError(f"{annotation.name} is annotated with {type!r}, which is not a split type such as Rows()")
    try:
        signature = inspect.signature(annotation.function)
    except (TypeError, ValueError):
        return  # functions in C may have no readable signature; the trials will check
    try:
        signature.bind_partial(*annotation.args, **annotation.kwargs)
    except TypeError as error:
        raise AnnotationError(f"{annotation.name}{signature} does not accept the annotated arguments: {error}") from None
    domains = {t.domain for t in (*annotation.args, *annotation.kwargs.values())}
    returned = annotation.returns.of if isinstance(annotation.returns, Filtered) else annotation.returns.domain
    if returned is not None and returned not in domains:
        raise AnnotationError(f"{annotation.name} returns rows of {returned!r}, which no argument has")


def _rows_of(annotation: Annotation, name: str, type: SplitType, value: Any) -> int | None:
    try:
        return type.rows(value)
    except TypeError as error:
        raise DomainError(f"{annotation.name}, {name}: {error}.") from None
