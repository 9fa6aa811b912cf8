"""Selects efficient sets of feature groups by importance and cost (Willump, section 4.2) and measures costs of runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

#: The capacities of efficient sets, as shares of the cost of all groups.
CAPACITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
#: Costs are rounded to this fraction of the total.
_UNITS = 1000


def nanoseconds(
    runs: Sequence[Callable[[], object]], rows: int, repeats: int = 7, clock: Callable[[], float] = time.thread_time
) -> list[float]:
    """Returns the nanoseconds per row of each of `runs`: the median of `repeats` runs after a warm-up.

    The runs alternate, so that a slow phase of the machine affects all of them. By default the clock is this thread's CPU time,
    which stops while another thread has the core.
    """
    for run in runs:
        run()
    samples: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for run, own in zip(runs, samples, strict=True):
            started = clock()
            run()
            own.append(clock() - started)
    return [statistics.median(own) / max(rows, 1) * 1e9 for own in samples]


def knapsack(values: Mapping[str, float], weights: Mapping[str, int], capacity: int) -> frozenset[str]:
    """Returns the set of the largest value whose weight is at most `capacity`: 0/1 knapsack by dynamic programming.

    Items without a positive value are never taken. Ties prefer the lightest set, then the first in order.
    """
    best: list[tuple[float, int, frozenset[str]]] = [(0.0, 0, frozenset())] * (capacity + 1)
    for name, value in values.items():
        weight = weights[name]
        if value <= 0 or weight > capacity:
            continue
        for room in range(capacity, weight - 1, -1):
            before, load, chosen = best[room - weight]
            if (before + value, -load - weight) > (best[room][0], -best[room][1]):
                best[room] = (before + value, load + weight, chosen | {name})
    return best[capacity][2]


def efficient_sets(values: Mapping[str, float], costs: Mapping[str, float]) -> list[frozenset[str]]:
    """Returns the distinct non-empty sets that are best at some capacity, the cheapest first.

    Groups without cost are in every set if they have value; when no group has a cost, they form the only set.
    """
    total = sum(costs.values())
    if total <= 0:
        chosen = knapsack(values, dict.fromkeys(values, 0), 0)
        return [chosen] if chosen else []
    weights = {name: round(_UNITS * cost / total) for name, cost in costs.items()}
    found = dict.fromkeys(knapsack(values, weights, round(_UNITS * capacity)) for capacity in CAPACITIES)
    return [chosen for chosen in found if chosen]
