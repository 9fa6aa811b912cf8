"""Defines the errors of annotations and of calls of annotated functions, which the user can mend."""

from __future__ import annotations

from sparkweld.errors import UserError


class AnnotationError(UserError):
    """An annotation that is false for its function, or that cannot be checked. The message holds the input that shows it."""


class DomainError(UserError):
    """A call combines rows of different domains; the message names the call, its arguments and their domains."""
