"""A filter by what a model gives to one that first drops the rows whose bounds say that it cannot hold.

What it rewrites: a `where` that depends on sums over a text's terms or on a forest. ``where w`` becomes
``where (not trial or p) and w``, where p is True wherever bounds of the models (`model_ranges`), taken through the ops after them
(`ranges`), leave w possible. What another operand decides is needed by nobody, so a kernel computes the models for the rows of p
alone, and no bounds where its `trial` is False, which it is when they do not pay: how many rows they drop, nobody knows before.
Of the rows that are kept, all comes from the same ops as before.

When it must not: a guard depends on the model, which then is needed in every row; trees whose first half would not decide about a
row in the middle, or where that cannot be told, since other columns take part. A loop is rewritten once: its name says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from sparkweld.ir import Append, Loop, Program
from sparkweld.ir.ops import Call, ModelOp, Read, Select, StrCall, TextSums, TreeEnsemble, Trial
from sparkweld.ir.program import body_types
from sparkweld.ir.tree_readings import forest_of
from sparkweld.ir.trees import Forest
from sparkweld.ir.types import F64, I64
from sparkweld.optimizer.bodies import Body
from sparkweld.optimizer.loops import guarded_values
from sparkweld.optimizer.model_ranges import SLACK, first_trees, forest_range, is_bounded, text_range
from sparkweld.optimizer.ranges import Interval, Known, Perhaps, Ranges

#: What the name of a loop ends with that has bounds.
MARK = ", bounds"
#: Bytes of a block up to which its trees are kept for the next query.
_REMEMBERED = 16 << 20
#: Parts of the trees that are tried as the first ones, and fewest trees of a forest.
_PARTS, _LEAST_TREES = (1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2), 16


def skip_models(program: Program) -> Program:
    """Puts bounds before the models of the only loop."""
    if len(program.loops) != 1:
        return program
    (loop,) = program.loops
    if loop.where is None or loop.name.endswith(MARK) or not any(is_bounded(let.op) for let in loop.body):
        return program
    made = _bounded(loop)
    return program if made is None else replace(program, loops=(made,))


def _bounded(loop: Loop) -> Loop | None:
    """The loop with bounds; None without any that decide."""
    models = {at for at, let in enumerate(loop.body) if is_bounded(let.op)} - guarded_values(loop)
    later = _dependents(loop, models)
    if loop.where not in later:
        return None
    forests = {at: _forest(replace(op, output=0)) for at in models if isinstance(op := loop.body[at].op, TreeEnsemble)}
    if any(len(forest.trees) < _LEAST_TREES for forest in forests.values()):
        return None
    for part in _PARTS if forests else (0.0,):
        if _Bounds(loop, later, forests, part, draft=True).decides():
            bounds = _Bounds(loop, later, forests, part)
            return bounds.loop_after() if bounds.decides() else None
    return None


class _Bounds:
    """The body of the loop up to the condition `possible`, which is that its `where` may hold; None: nothing is known of it.

    `later`: the values that depend on models. `part` of each forest's trees are taken; in a draft the whole forest stands for
    them, since an op of them takes its time to make.
    """

    def __init__(
        self, loop: Loop, later: set[int], forests: Mapping[int, Forest], part: float, draft: bool = False
    ) -> None:
        self.loop, self.later, self.forests, self.part, self.draft = loop, later, forests, part, draft
        self.types = body_types(loop)
        body = Body()
        self.untried = body.emit(Call("logical_not"), body.emit(Trial()))
        self.at: dict[int, int] = {}
        for value, let in enumerate(loop.body):
            if value not in later:
                self.at[value] = body.emit(let.op, *(self.at[a] for a in let.args))
        self.body, self.ranges = body, Ranges(body)
        #: Results of first trees -> what they are in a row in the middle.
        self.means: dict[int, float] = {}
        self.possible = self._possible()

    def _possible(self) -> int | None:
        known: dict[int, Known] = {}
        for value in sorted(self.later):
            let = self.loop.body[value]
            args = [self._known(a, known) for a in let.args]
            if isinstance(let.op, TextSums) and is_bounded(let.op):
                known[value] = self._of_text(let.op, args, let.args[0])
            elif value in self.forests:
                known[value] = self._of_forest(value)
            else:
                known[value] = self.ranges.of(let.op, tuple(args), self.types[value])
        assert self.loop.where is not None
        found = known[self.loop.where]
        possible = found.true if isinstance(found, Perhaps) else None
        return None if possible is None or self.body.known(possible) is not None else possible

    def _known(self, value: int, known: dict[int, Known]) -> Known:
        return known[value] if value in self.later else self.ranges.exactly(self.at[value])

    def _of_forest(self, value: int) -> Known:
        op, args = self.loop.body[value].op, self.loop.body[value].args
        if any(a in self.later for a in args):
            return None
        assert isinstance(op, TreeEnsemble)
        found = forest_range(self.forests[value], op.output, self.part)
        if found is None:
            return None
        first = (op, range(len(args))) if self.draft else _first(replace(op, output=0), op.output, found.trees)
        if first is None:
            return None
        result = self.ranges.emit(first[0], *(self.at[args[i]] for i in first[1]))
        self.means[result] = found.mean
        low, high = (self.ranges.const(end, op.sums) for end in (found.low, found.high))
        return Interval(self.ranges.call("add", result, low), self.ranges.call("add", result, high))

    def _of_text(self, op: TextSums, args: list[Known], text: int) -> Known:
        """Its start, and what the text may add; the start may be an interval, as where texts stand side by side."""
        start = args[1 + op.output] if op.started else self.ranges.exactly(self.ranges.const(0.0, F64))
        found = text_range(op)
        if found is None or not isinstance(start, Interval):
            return None
        call, const = self.ranges.call, self.ranges.const
        low, high = const(found.low[-1], F64), const(found.high[-1], F64)
        if found.lengths and text not in self.later:
            length = self.ranges.emit(StrCall("length"), self.at[text])
            for most, least, largest in reversed(list(zip(found.lengths, found.low, found.high, strict=False))):
                fits = call("less_equal", length, const(most, I64))
                low = self.ranges.emit(Select(), fits, const(least, F64), low)
                high = self.ranges.emit(Select(), fits, const(largest, F64), high)
        size = call("maximum", call("absolute", start.low), call("absolute", start.high))
        lost = call("multiply", call("add", size, call("maximum", low, high)), const(SLACK, F64))
        return Interval(
            call("subtract", start.low, call("add", low, lost)), call("add", start.high, call("add", high, lost))
        )

    def decides(self) -> bool:
        """Whether it would drop a row in the middle; of texts, which cost nothing to bound, whether it may drop any."""
        if self.possible is None or not self.means:
            return self.possible is not None
        found = self._in_the_middle(self.possible, {})
        return found is not None and not bool(found)

    def _in_the_middle(self, value: int, found: dict[int, Any]) -> Any:
        """What the value is there; None when other columns take part."""
        if value in self.means:
            return np.array([self.means[value]], self.body.types[value].dtype)
        if value not in found:
            args = [self._in_the_middle(a, found) for a in self.body.args(value)]
            op = self.body.op(value)
            # what one operand decides, whatever the other is
            decisive = False if op == Call("logical_and") else True if op == Call("logical_or") else None
            if decisive is not None and any(a is not None and bool(a) == decisive for a in args):
                found[value] = np.array([decisive])
            elif isinstance(op, Read | ModelOp) or any(a is None for a in args):
                found[value] = None
            else:
                found[value] = np.atleast_1d(op.evaluate(*args))
        return found[value]

    def loop_after(self) -> Loop:
        """The loop that computes its models for the rows of `possible`."""
        assert self.possible is not None and self.loop.where is not None
        # before the models, which it decides about
        possible = self.body.emit(Call("logical_or"), self.untried, self.possible)
        for value in sorted(self.later):
            let = self.loop.body[value]
            self.at[value] = self.body.emit(let.op, *(self.at[a] for a in let.args))
        where = self.body.emit(Call("logical_and"), possible, self.at[self.loop.where])
        return replace(
            self.loop, name=self.loop.name + MARK, body=tuple(self.body.lets), where=where,
            appends=tuple(Append(a.column, self.at[a.value]) for a in self.loop.appends),
            guards=tuple(self.at[guard] for guard in self.loop.guards),
            some=tuple((self.at[among], self.at[wanted]) for among, wanted in self.loop.some),
        )  # fmt: skip


@lru_cache(4)
def _known(op: TreeEnsemble) -> Forest:
    return forest_of(op)


def _forest(op: TreeEnsemble) -> Forest:
    """The ensemble of an op, which query after query may ask for."""
    return _known(op) if op.block.size <= _REMEMBERED else forest_of(op)


@lru_cache(8)
def _known_first(op: TreeEnsemble, output: int, trees: int) -> tuple[TreeEnsemble, tuple[int, ...]] | None:
    return first_trees(_known(op), output, trees)


def _first(op: TreeEnsemble, output: int, trees: int) -> tuple[TreeEnsemble, tuple[int, ...]] | None:
    """`first_trees` of an op, remembered like its ensemble."""
    return _known_first(op, output, trees) if op.block.size <= _REMEMBERED else first_trees(forest_of(op), output, trees)


def _dependents(loop: Loop, models: set[int]) -> set[int]:
    """The models and all that depends on them."""
    found = set(models)
    for value, let in enumerate(loop.body):
        if found.intersection(let.args):
            found.add(value)
    return found
