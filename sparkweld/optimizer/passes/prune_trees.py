"""Removes the branches of tree ensembles that no row reaches, by the known bounds of their features.

Rewrites: an ensemble with an argument between known bounds. It is a constant, a select between constants, or a value that the
loop's `where` compares with a constant. Splits where all rows take one side are removed, and then arguments that no split
reads. An ensemble without any split becomes a constant. Each tree keeps its place in the sums, so their bits do not change.

Must not rewrite: the `where` holds only in the rows that it keeps, and guards cover other rows too. So it is ignored where a
guard depends on the ensemble. A program without the bytes of its blocks, and large ensembles, are left unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sparkweld.ir import Let, Loop, Program
from sparkweld.ir.ops import ForestSums
from sparkweld.ir.program import body_types
from sparkweld.optimizer.bodies import Body, rewrite_loop
from sparkweld.optimizer.loops import guarded_values
from sparkweld.optimizer.spans import spans_of
from sparkweld.optimizer.tree_pruning import Span, pruned

#: Maximum bytes of an ensemble that is pruned.
_MOST_BYTES = 48 << 20

#: The replacement of an ensemble: the op and the arguments that it takes, or constants.
_Made = tuple[ForestSums, tuple[int, ...]] | list[np.ndarray]


def prune_trees(program: Program) -> Program:
    """Removes the branches that no row reaches."""
    loops = tuple(_prune(loop) for loop in program.loops)
    return program if loops == program.loops else replace(program, loops=loops)


def _prune(loop: Loop) -> Loop:
    models = [value for value, let in enumerate(loop.body) if isinstance(let.op, ForestSums) and _is_read(let.op)]
    if not models:
        return loop
    types = body_types(loop)
    # a guard also covers rows that the `where` drops
    seen = guarded_values(loop)
    known = {selected: spans_of(loop, types, selected=selected) for selected in (True, False)}
    made: dict[Let, _Made | None] = {}
    at = iter(range(len(loop.body)))

    def rule(body: Body, op: object, args: tuple[int, ...]) -> int:
        value = next(at)
        let = loop.body[value]
        if not isinstance(op, ForestSums) or value not in models:
            return body.emit(let.op, *args)
        key = Let(op.at(0), let.args)
        if key not in made:
            of_all = any(loop.body[v].op == op.at(n) and loop.body[v].args == let.args for v in seen for n in range(op.outputs))
            made[key] = _made(op, let.args, known[not of_all])
        found = made[key]
        if found is None:
            return body.emit(op, *args)
        if isinstance(found, list):
            return body.constant(found[op.output][0], op.sums)
        return body.emit(found[0].at(op.output), *(args[a] for a in found[1]))

    return rewrite_loop(loop, rule)


def _is_read(op: ForestSums) -> bool:
    return op.block.data is not None and op.block.size <= _MOST_BYTES and not op.is_part


def _made(op: ForestSums, args: tuple[int, ...], known: Mapping[int, Span]) -> _Made | None:
    """Returns the replacement; None where nothing changes."""
    spans = {feature: known[value] for feature, value in enumerate(args) if value in known}
    if not spans:
        return None
    before = op.forest()
    forest = pruned(before, spans)
    if forest is before:
        return None
    if not forest.used:
        sums = forest.evaluate([np.zeros(1, op.width.dtype)] * forest.features)
        return None if any(np.isnan(s[0]) for s in sums) else sums
    return ForestSums.of(forest.of_used(), op.share), forest.used
