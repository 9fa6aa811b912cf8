"""Defines the exception tree, by the kind of fault and who can mend it.

    SparkWeldError
    ├── UserError            the user can mend it: bad option, unwritable folder, missing package
    ├── Refusal              a function or plan that SparkWeld does not compile; Spark runs its own plan
    └── InternalError        a bug in SparkWeld: an invalid program, a broken invariant
        └── VerifyError      a program that breaks a rule of the IR
    RefusalWarning           a function declared with SparkWeld's decorators will not be compiled
"""

from __future__ import annotations

from dataclasses import dataclass


class SparkWeldError(Exception):
    """Base of every error that SparkWeld raises on purpose."""


class UserError(SparkWeldError):
    """A fault that the user can mend; the message names the remedy."""


class InternalError(SparkWeldError):
    """A bug in SparkWeld. The query falls back to Spark's own plan."""


class VerifyError(InternalError):
    """A program that breaks a rule of the IR; the message names the statement."""


@dataclass
class Refusal(SparkWeldError):
    """A function or plan that will not be compiled, with its reason.

    `code` is a code of reasons.json; the message has its parameters filled in. `place` is a position in the user's code, like
    ``haversine, line 12 of jobs/score.py``; it is empty when the cause has no line.
    """

    code: str
    title: str
    message: str
    hint: str
    place: str = ""

    def __post_init__(self) -> None:
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place else ""
        return f"{self.code} {self.title}{where}: {self.message} {self.hint}".rstrip()


class RefusalWarning(UserWarning):
    """A decorated function runs in Python; the message holds the code, the place and the remedy."""
