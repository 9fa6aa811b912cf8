"""What is wrong with an annotation, or with a call of an annotated function: faults that the user can mend."""

from __future__ import annotations

from sparkweld.errors import UserError


class AnnotationError(UserError):
    """An annotation that is not true of its function, or that cannot be checked. The message holds the input that shows it."""


class DomainError(UserError):
    """A call brings rows of different domains together; the message names the call, its arguments and their domains."""
