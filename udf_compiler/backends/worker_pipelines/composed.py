"""Builds functions of a whole group from an annotation's state and finish; the compiler reads them like a user's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def finished(state: Callable[..., Any], finish: Callable[[Any], Any]) -> Callable[..., Any]:
    """Returns the function that computes a group's result: `finish` of its state."""

    def of_group(*args: Any, **kwargs: Any) -> Any:
        return finish(state(*args, **kwargs))

    return of_group


def part(state: Callable[..., Any], path: tuple[tuple[Any, int], ...]) -> Callable[..., Any]:
    """Returns the function that computes one element of a group's state.

    `path`: the key in each nested container, and the number of elements that the container must have.
    """
    def of_group(*args: Any, **kwargs: Any) -> Any:
        made = state(*args, **kwargs)
        for key, parts in path:
            if len(made) != parts:
                raise LookupError("a state with another shape")
            made = made[key]
        return made

    return of_group
