"""Defines the reasons why a pipeline yields no result; its caller then runs the original computation."""

from __future__ import annotations

from sparkweld.errors import SparkWeldError


class Undecided(SparkWeldError):
    """A kernel flagged a row that it may not decide. This is not an error, so there is no warning."""


class BrokenPromise(SparkWeldError):
    """A call violated its annotation: another length, another type, a changed input, or an error on a block."""
