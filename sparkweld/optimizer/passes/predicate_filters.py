"""A filter and the loop over the rows it keeps to one loop (Weld's predication): a `where` instead of a second pass.

What it rewrites: the only loop over a domain, which makes another, and a loop over that other domain. The second's values are
computed for dropped rows too, which every op allows; its guard g becomes ``not where or g``; its columns move under the
`where`. When it filters as well, the `where` is the conjunction and the domain between the two disappears.

When it must not: several loops run over the outer domain (the second may read a column of one that comes later), or the
second filters while other loops run over the domain between (they must see the rows that it drops).
"""

from __future__ import annotations

from sparkweld.ir import Loop, Program
from sparkweld.optimizer.loops import live_domains, loops_over, merge_pairs


def predicate_filters(program: Program) -> Program:
    """Merges each loop over a filtered domain into the loop that makes the domain."""
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
