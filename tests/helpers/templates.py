"""Draws random expressions from templates: maps kinds of values to forms, in which {kind} represents another expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Grammar:
    """A grammar. `forms`: kind -> forms; `leaves`: kind -> forms without an inner expression, which end each branch."""

    forms: Mapping[str, Sequence[str]]
    leaves: Mapping[str, Sequence[str]]

    def filled(self, draw: st.DrawFn, template: str, depth: int) -> str:
        """Replaces each {kind} of a template by an expression of at most this depth. Other braces stay."""
        text, *parts = template.split("{")
        for part in parts:
            kind, closed, rest = part.partition("}")
            if not closed or kind not in self.leaves:
                text += "{" + part
                continue
            of = self.forms.get(kind, ()) if depth else ()
            chosen = draw(st.sampled_from((*self.leaves[kind], *of)))
            text += self.filled(draw, chosen, max(depth - 1, 0)) + rest
        return text
