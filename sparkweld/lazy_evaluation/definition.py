"""Defines a lazy value: the call that computes it eagerly, and its traced form for the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

from sparkweld.annotations.domains import RowDomain
from sparkweld.ir import LoopBuilder
from sparkweld.lazy_evaluation.capture_context import Space
from udf_compiler.backends.worker_pipelines.black_boxes import sample

_NOTHING = object()


class Recorder(Protocol):
    """The interface of a session to its lazy values. Only the session imports the modules that record calls."""

    def space(self, rows: int) -> Space:
        """Returns the capture context of data with `rows` rows."""

    def watch(self, value: Any) -> None:
        """Registers a lazy value, to be computed at the session's end if it is still alive."""

    def wrap(self, data: Any) -> Any:
        """Returns data as a lazy value."""

    def record(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Returns the result of ``function(*args, **kwargs)``, lazy where possible."""

    def attribute(self, value: Any, name: str) -> Any:
        """Returns an attribute of a lazy Series or array."""

    def element(self, value: Any, key: Any) -> Any:
        """Returns ``value[key]`` of a lazy Series or array."""


class LazyData:
    """Base of the objects that users hold in place of real data."""

    def _definitions(self) -> list[Definition]:
        """Returns the definitions that must be computed for the real data."""
        raise NotImplementedError

    def _real_data(self) -> Any:
        """Returns the real data, once its definitions are computed."""
        raise NotImplementedError


@dataclass(eq=False)
class Definition:
    """The call ``function(*args, **kwargs)``, whose arguments may contain other definitions; for a leaf, the `real` data.

    `guards`: the values that must hold for the pipeline to be right, for this call alone. `index` and `name`: a Series' labels
    (of the root's rows) and its name.
    """

    session: Recorder
    space: Space
    domain: RowDomain
    traced: Any
    function: Callable[..., Any] | None = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    guards: tuple[int, ...] = ()
    index: pd.Index | None = None
    name: Any = None
    real: Any = _NOTHING

    @property
    def is_series(self) -> bool:
        """Whether it is a Series, not an array."""
        return self.index is not None

    @property
    def is_computed(self) -> bool:
        """Whether the real data exists."""
        return self.real is not _NOTHING

    @property
    def known_rows(self) -> int | None:
        """Returns the number of rows, None when it is not known yet."""
        if self.is_computed:
            return len(self.real)
        return self.space.rows if self.domain is self.space.capture.root else None

    @property
    def loop(self) -> LoopBuilder:
        """Returns the loop over its rows."""
        return self.space.capture.loop(self.domain)

    def parents(self) -> list[Definition]:
        """Returns the definitions among its arguments."""
        return definitions((self.args, self.kwargs))

    def sample(self) -> Any:
        """Returns a few rows of the same class, dtype and name, to try calls on."""
        values = sample(self.traced)
        return pd.Series(values, name=self.name) if self.is_series else values

    def eager(self) -> Any:
        """Returns the real data by running the original calls."""
        todo = [self]
        while todo:
            one = todo[-1]
            missing = [] if one.is_computed else [p for p in one.parents() if not p.is_computed]
            if missing:
                todo += missing
                continue
            todo.pop()
            if not one.is_computed:
                assert one.function is not None
                args, kwargs = replaced((one.args, one.kwargs), lambda d: d.real)
                one.real = one.function(*args, **kwargs)
        return self.real


def definitions(x: Any) -> list[Definition]:
    """Returns the definitions in nested arguments."""
    found: list[Definition] = []
    _add_definitions(x, found)
    return found


def _add_definitions(x: Any, found: list[Definition]) -> None:
    if type(x) is Definition:
        found.append(x)
    elif isinstance(x, list | tuple):
        for element in x:
            _add_definitions(element, found)
    elif isinstance(x, dict):
        for element in x.values():
            _add_definitions(element, found)


def replaced(x: Any, by: Callable[[Definition], Any]) -> Any:
    """Replaces each definition in nested arguments."""
    if type(x) is Definition:
        return by(x)
    if type(x) in (list, tuple):
        return type(x)([replaced(element, by) for element in x])
    if type(x) is dict:
        return {key: replaced(value, by) for key, value in x.items()}
    return x
