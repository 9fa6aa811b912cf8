"""Checks that UTF-8 can encode a constant string, as a column of strings requires."""

from __future__ import annotations

from udf_compiler.frontends.tracing.session import refuse


def check_text(text: str, call: str) -> str:
    """Returns the string if a column could hold it. Refuses (SW270) a lone surrogate."""
    if not is_utf8(text):
        refuse("SW270", call=f"{call} with a lone surrogate")
    return text


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can encode the string, that is, it has no lone surrogate."""
    return not any("\ud800" <= c <= "\udfff" for c in text)
