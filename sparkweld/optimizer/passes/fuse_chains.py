"""Fuses a producer loop and its consumer (Weld's vertical fusion): the column between them becomes a value.

Rewrites: two loops over one domain, the second reading a column that the first appends.

Must not rewrite: the second loop filters, and a third loop over that domain reads the first's columns. These would move under
the `where`, out of its scope. Nor while a filter is dead (see `drop_dead_filters`).
"""

from __future__ import annotations

from sparkweld.ir import Loop, Program
from sparkweld.optimizer.loops import appended_columns, live_domains, loops_over, merge_pairs, read_columns


def fuse_chains(program: Program) -> Program:
    """Merges each producer with the loop that reads it."""
    return merge_pairs(program, _pair)


def _pair(program: Program) -> tuple[Loop, Loop] | None:
    for domain in live_domains(program):
        loops = loops_over(program, domain)
        plain = [loop for loop in loops if loop.where is None]
        pairs = list(zip(plain, plain[1:], strict=False))
        if len(loops) == 2 and loops[1].where is not None:
            pairs.append((loops[0], loops[1]))
        for first, second in pairs:
            if appended_columns(first) & read_columns(second):
                return first, second
    return None
