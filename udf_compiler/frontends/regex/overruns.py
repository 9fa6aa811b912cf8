"""Detects automata whose repeated searches may take quadratic time."""

from __future__ import annotations

from sparkweld.ir.ops.automata import Automaton


def overruns(automaton: Automaton) -> bool:
    """Whether a run may, after a match, read without bound for a longer match that it never finds.

    Successive searches would then read the same symbols repeatedly.
    """
    width = automaton.symbols + 1
    accepting = [automaton.actions[a][0] == 1 for a in automaton.acts]
    reached = {t for t, accepts in zip(automaton.targets, accepting, strict=True) if accepts and t}
    stack = list(reached)
    while stack:
        state = stack.pop()
        new = set(automaton.targets[state * width : (state + 1) * width]) - reached - {0}
        reached |= new
        stack += new
    silent = {
        s: {automaton.targets[i] for i in range(s * width, (s + 1) * width) if not accepting[i]} & reached for s in reached
    }
    return _has_cycle(silent)


def _has_cycle(edges: dict[int, set[int]]) -> bool:
    incoming = dict.fromkeys(edges, 0)
    for targets in edges.values():
        for t in targets:
            incoming[t] += 1
    free = [s for s, count in incoming.items() if count == 0]
    removed = 0
    while free:
        removed += 1
        for t in edges[free.pop()]:
            incoming[t] -= 1
            if incoming[t] == 0:
                free.append(t)
    return removed < len(edges)
