"""Random expressions from templates: kinds of values to their forms, in which {kind} stands for another expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Grammar:
    """`forms`: kind -> forms; `leaves`: kind -> those without an expression inside, which end each branch."""

    forms: Mapping[str, Sequence[str]]
    leaves: Mapping[str, Sequence[str]]

    def filled(self, draw: st.DrawFn, template: str, depth: int) -> str:
        """The template with an expression of at most this depth in each place. Other braces stay."""
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
