"""Sets a context variable for the duration of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def assigned(variable: ContextVar[T], value: T) -> Iterator[T]:
    """Sets the variable inside the block and restores it afterwards."""
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)
