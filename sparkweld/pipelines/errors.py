"""Why a pipeline gives no result for its rows; whoever runs it then runs the original computation."""

from __future__ import annotations

from sparkweld.errors import SparkWeldError


class Undecided(SparkWeldError):
    """A kernel flagged a row that it may not decide: nothing is wrong, and nobody is warned."""


class BrokenPromise(SparkWeldError):
    """A call did otherwise than its annotation says: another length, another type, a changed input, an error on a block."""
