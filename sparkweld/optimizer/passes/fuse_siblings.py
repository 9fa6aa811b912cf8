"""Independent loops over one domain to one loop (Weld's horizontal fusion): each input column is loaded once.

What it rewrites: two loops over one domain. Columns of a loop that does not filter move under the `where` of one that
does, once these two are all the loops over the domain: whoever reads them then runs over the filtered rows.

When it must not: the outputs belong to the domain and one of the loops filters it (that filter is dead, so
`drop_dead_filters` has taken it away before).
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
