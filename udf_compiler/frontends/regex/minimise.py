"""Minimises automata (Moore's partition refinement) and detects those whose repeated searches may take quadratic time."""

from __future__ import annotations

from dataclasses import replace

from sparkweld.ir.ops.automata import Automaton


def minimised(automaton: Automaton) -> Automaton:
    """Merges states that no string distinguishes; state 0 remains state 0."""
    width = automaton.symbols + 1
    rows = [slice(s * width, (s + 1) * width) for s in range(automaton.states)]
    targets = [automaton.targets[row] for row in rows]
    acts = [automaton.acts[row] for row in rows]
    block = _numbered([(s == 0, acts[s]) for s in range(automaton.states)])
    while True:
        finer = _numbered([(block[s], tuple(block[t] for t in targets[s])) for s in range(automaton.states)])
        if max(finer) == max(block):
            break
        block = finer
    first = {b: s for s, b in reversed(list(enumerate(block)))}
    order = [first[b] for b in range(len(first))]
    return replace(
        automaton,
        targets=tuple(block[t] for s in order for t in targets[s]),
        acts=tuple(a for s in order for a in acts[s]),
        start=block[automaton.start],
        after=tuple(block[s] for s in automaton.after),
    )


def _numbered(keys: list[object]) -> list[int]:
    """Numbers keys in order of first appearance, so state 0 gets the number 0."""
    numbers: dict[object, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


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
