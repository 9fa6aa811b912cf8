"""Functions of a whole group that are made of an annotation's. The compiler reads them as a user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def finished(state: Callable[..., Any], finish: Callable[[Any], Any]) -> Callable[..., Any]:
    """The function that gives a group's result by way of its state."""

    def of_group(*args: Any, **kwargs: Any) -> Any:
        return finish(state(*args, **kwargs))

    return of_group


def part(state: Callable[..., Any], path: tuple[tuple[Any, int], ...]) -> Callable[..., Any]:
    """The function that gives one part of a group's state; `path`: its key in each container, and how many parts that has."""

    def of_group(*args: Any, **kwargs: Any) -> Any:
        made = state(*args, **kwargs)
        for key, parts in path:
            if len(made) != parts:
                raise LookupError("a state of another shape")
            made = made[key]
        return made

    return of_group
