"""Fuses a filter and a loop over the filtered rows (Weld's predication): a `where` replaces a second pass.

Rewrites: the only loop over a domain, which creates another, and a loop over that other domain. The second's values are computed
for dropped rows too, which every op allows; its guard g becomes ``not where or g``; its columns move under the `where`. When it
filters as well, the `where` is the conjunction and the intermediate domain disappears.

Must not rewrite: several loops run over the outer domain, since the second loop may read a column of a later one. Nor when the
second filters while other loops run over the intermediate domain: these must see the rows that it drops.
"""

from __future__ import annotations

from sparkweld.ir import Loop, Program
from sparkweld.optimizer.loops import live_domains, loops_over, merge_pairs


def predicate_filters(program: Program) -> Program:
    """Merges each loop over a filtered domain into the loop that creates the domain."""
    return merge_pairs(program, _pair)


def _pair(program: Program) -> tuple[Loop, Loop] | None:
    domains = live_domains(program)
    for outer, inner in zip(domains, domains[1:], strict=False):
        makers, inside = loops_over(program, outer), loops_over(program, inner)
        if len(makers) != 1 or not inside:
            continue
        if inside[0].where is None or len(inside) == 1:
            return makers[0], inside[0]
    return None
