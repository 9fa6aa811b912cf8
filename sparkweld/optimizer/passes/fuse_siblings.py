"""Fuses independent loops over one domain (Weld's horizontal fusion): each input column is loaded once.

Rewrites: two loops over one domain. Columns of a loop without a filter move under the `where` of another, once these two are
the only loops over the domain. All readers then run over the filtered rows.

Must not rewrite: the outputs belong to the domain and one of the loops filters it. That filter is dead, so `drop_dead_filters`
has removed it before.
"""

from __future__ import annotations

from sparkweld.ir import Loop, Program
from sparkweld.optimizer.loops import live_domains, loops_over, merge_pairs


def fuse_siblings(program: Program) -> Program:
    """Merges the loops over each domain into one."""
    return merge_pairs(program, _pair)


def _pair(program: Program) -> tuple[Loop, Loop] | None:
    for domain in live_domains(program):
        loops = loops_over(program, domain)
        plain = [loop for loop in loops if loop.where is None]
        if len(plain) >= 2:
            return plain[0], plain[1]
        if len(loops) == 2:
            return loops[0], loops[1]
    return None
