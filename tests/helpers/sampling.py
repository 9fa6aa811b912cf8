"""Chooses the parts of tests that `make test` runs; `make nightly` runs all of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

#: `make nightly` sets this variable.
EVERY = "SPARKWELD_EVERY_CASE"
T = TypeVar("T")


def every_case() -> bool:
    """Whether a test runs all that it states, rather than what shows each mechanism. Such a test is marked `sampled`."""
    return EVERY in os.environ


def some(cases: Sequence[T], count: int) -> Sequence[T]:
    """Returns the first cases, or all of them in `make nightly`."""
    return cases if every_case() else cases[:count]
