"""The exception tree: what went wrong, and whose fault it is.

    SparkWeldError
    ├── UserError            the user can mend it: bad option, unwritable folder, missing package
    ├── Refusal              a function or plan that SparkWeld does not compile; Spark runs its own plan
    └── InternalError        our bug: an invalid program, a broken invariant
        └── VerifyError      a program that breaks a rule of the IR
    RefusalWarning           a function that was declared with our decorators will not be compiled
"""

from __future__ import annotations

from dataclasses import dataclass


class SparkWeldError(Exception):
    """Base of every error that SparkWeld raises on purpose."""


class UserError(SparkWeldError):
    """A fault that the user can mend; the message says how."""


class InternalError(SparkWeldError):
    """A bug in SparkWeld. The query falls back to Spark's own plan."""


class VerifyError(InternalError):
    """A program that breaks a rule of the IR; the message points at the statement."""


@dataclass
class Refusal(SparkWeldError):
    """Will not compile: `code` of reasons.json, its message filled in, and the place in the user's code.

    `place` reads like ``haversine, line 12 of jobs/score.py``; empty when the cause has no line.
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
    """A decorated function runs in Python; the text gives the code, the place and what to do."""
