"""Skips rows whose score bounds cannot satisfy the filter, before the full model scores them.

Rewrites: a `where` that depends on a text model's sums or on a forest. ``where w`` becomes ``where (not trial or p) and w``,
where p is True wherever bounds of the models (`model_ranges`), propagated through the ops after them (`ranges`), leave w
possible. A kernel computes a value only for rows where no other operand decides, so it computes the models for the rows of p
alone. It computes no bounds where its `trial` is False, which means that they do not pay. The number of rows that they drop is
unknown in advance.

A forest is evaluated in stages. Each continues the sums of the one before, and has such a p after it. The next stage is
computed for the rows that all earlier ones leave possible. The last stage's sums are the forest's, added in the same order, and
all stages read one block. Where `trial` is False, the whole forest is computed.

Must not rewrite: a guard depends on the model, which is then required in every row. Nor trees where no stage would decide any
of the synthetic rows. A loop is rewritten once: afterwards it has a `trial`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from sparkweld.ir import Append, Loop, Program
from sparkweld.ir.ops import Call, Cast, ForestSums, ModelOp, Read, Select, StrCall, TextSums, TextTotals, Trial
from sparkweld.ir.program import body_types
from sparkweld.ir.text_models import NORM_L2
from sparkweld.ir.types import F64, I64, STR
from sparkweld.optimizer.bodies import Body
from sparkweld.optimizer.loops import guarded_values
from sparkweld.optimizer.model_ranges import (
    LEAST_NORM,
    REMEMBERED,
    SLACK,
    SLACK_OF_A_TERM,
    ForestRange,
    forest_range,
    is_bounded,
    text_range,
    totals_range,
)
from sparkweld.optimizer.ranges import Interval, Known, Perhaps, Ranges
from sparkweld.optimizer.tree_cuts import GROUPS, Cut, cuts_of

_FINITE = Call("isfinite")
#: Minimum trees of a forest.
_LEAST_TREES = 16
#: Stages end at positions of a grid of _GRID: `_ENDS` where all other trees are bounded by their leaves, `_AFTER_CUTS` by cuts.
_GRID = 16
_ENDS, _AFTER_CUTS = (2, 3, 4, 6, 8, 12), (2, 4, 6, 8, 10, 12, 14)
#: Maximum share of undecided synthetic rows after a useful stage. Real rows may differ.
_MOST_UNDECIDED = 0.99


def skip_models(program: Program) -> Program:
    """Inserts bounds before the models of the only loop."""
    if len(program.loops) != 1 or program.has_trials:
        return program
    (loop,) = program.loops
    if loop.where is None or not any(is_bounded(let.op) for let in loop.body):
        return program
    made = _bounded(loop)
    return program if made is None else replace(program, loops=(made,))


def _bounded(loop: Loop) -> Loop | None:
    """Returns the loop with bounds; None when no bound decides anything."""
    models = {at for at, let in enumerate(loop.body) if is_bounded(let.op)} - guarded_values(loop)
    later = _dependents(loop, models)
    if loop.where not in later:
        return None
    forests: dict[int, ForestRange] = {}
    for at in models:
        op, args = loop.body[at].op, loop.body[at].args
        if not isinstance(op, ForestSums) or later.intersection(args):
            continue
        if op.trees < _LEAST_TREES:
            return None
        if (range_ := _range(op)) is not None:
            forests[at] = range_
    stages = _stages(loop, later, forests) if forests else [_Stage(), _Stage(totals=True)]
    bounds = _Bounds(loop, later, forests)
    asked = [found for stage in stages if (found := bounds.possible(stage)) is not None]
    possible = list(dict.fromkeys(asked))  # totals may add nothing to the bound by length
    if not forests and len(possible) > 1 and not bounds.reads_numbers(possible[0]):
        del possible[0]  # only document lengths decide, and only few rows
    return bounds.loop_after(possible) if possible else None


@dataclass(frozen=True)
class _Stage:
    """The information available to a condition: the forests' trees up to a grid position, and cuts of the others.

    - cuts: value of a forest -> from below and from above; None for a cut that nothing would read
    - totals: documents are scanned for the totals of their terms
    """

    end: int = 0
    cuts: Mapping[int, tuple[Cut | None, Cut | None]] = field(default_factory=dict)
    totals: bool = False


def _stages(loop: Loop, later: set[int], forests: Mapping[int, ForestRange]) -> list[_Stage]:
    """Returns the stages that decide any synthetic row; all stages where other columns take part, since their effect is unknown.
    """
    pairs = {at: cuts_of(loop.body[at].op) for at in forests}  # type: ignore[arg-type]
    cuts = [{at: found[number] for at, found in pairs.items()} for number in range(min(map(len, pairs.values())))]
    stages = [_Stage(0, cut) for cut in cuts] + [_Stage(end, cuts[-1]) for end in _AFTER_CUTS if cuts]
    draft, found = _Bounds(loop, later, forests, draft=True), []
    for stage in stages or [_Stage(end) for end in _ENDS]:
        undecided = draft.undecided(stage)
        if undecided is None or float(np.mean(undecided)) < _MOST_UNDECIDED:
            read = {
                at: (low if low in draft.read else None, high if high in draft.read else None)
                for at, (low, high) in stage.cuts.items()
            }
            found.append(replace(stage, cuts=read))
    return found


class _Bounds:
    """The body of the loop up to the conditions `possible`: that its `where` may hold.

    `later`: the values that depend on models. Stages of forests are added one by one. In a draft, columns represent the sums of
    cuts, which are expensive to build.
    """

    def __init__(self, loop: Loop, later: set[int], forests: Mapping[int, ForestRange], draft: bool = False) -> None:
        self.loop, self.later, self.forests, self.draft = loop, later, forests, draft
        self.types = body_types(loop)
        self.trees = {at: loop.body[at].op.forest() for at in forests}  # type: ignore[attr-defined]
        body = Body()
        self.tried = body.emit(Trial())
        self.untried = body.emit(Call("logical_not"), self.tried)
        self.at: dict[int, int] = {}
        for value, let in enumerate(loop.body):
            if value not in later:
                self.at[value] = body.emit(let.op, *(self.at[a] for a in let.args))
        self.body, self.ranges = body, Ranges(body)
        #: Value of a forest -> the number of trees added so far, and their sum.
        self.sums: dict[int, tuple[int, int]] = {}
        #: Sums -> their values in the synthetic rows; in a draft also those of cuts.
        self.typical: dict[int, np.ndarray] = {}
        self._of_cut: dict[int, tuple[Cut, int]] = {}
        #: The cuts that a condition of the draft depends on.
        self.read: set[Cut] = set()

    def possible(self, stage: _Stage) -> int | None:
        """Returns the condition at a stage, or None when it is unknown. Stages must not go back from one call to the next."""
        self._add_trees(stage.end)
        known: dict[int, Known] = {}
        for value in sorted(self.later):
            let = self.loop.body[value]
            args = [self._known(a, known) for a in let.args]
            if isinstance(let.op, TextSums) and is_bounded(let.op):
                found_of = self._of_totals if stage.totals else self._of_text
                known[value] = found_of(let.op, args, let.args[0])
            elif value in self.sums:
                known[value] = self._of_forest(value, stage)
            else:
                known[value] = self.ranges.of(let.op, tuple(args), self.types[value])
        assert self.loop.where is not None
        found = known[self.loop.where]
        possible = found.true if isinstance(found, Perhaps) else None
        return None if possible is None or self.body.known(possible) is not None else possible

    def _known(self, value: int, known: dict[int, Known]) -> Known:
        return known[value] if value in self.later else self.ranges.exactly(self.at[value])

    def _add_trees(self, end: int) -> None:
        before, self.sums = self.sums, {}
        for value, found in self.forests.items():
            op, args = self.loop.body[value].op, self.loop.body[value].args
            assert isinstance(op, ForestSums)
            done, last = before[value][0] if value in before else 0, self.trees[value].cut(op.trees * end // _GRID)
            if last == 0:
                result = self.ranges.const(found.start, op.sums)
            elif last == done:
                result = before[value][1]
            else:
                # sums that are not used may have any start
                others = {self.loop.body[v].op.output: s for v, (_, s) in before.items() if self._is_one_call(v, value)}  # type: ignore[attr-defined]
                starts = [others.get(output, before[value][1]) for output in range(op.outputs)] if done else []
                result = self.ranges.emit(replace(op, begin=done, end=last), *(self.at[a] for a in args), *starts)
            self.sums[value] = last, result
            self.typical[result] = found.typical[last]

    def _is_one_call(self, value: int, other: int) -> bool:
        one, two = self.loop.body[value], self.loop.body[other]
        return one.args == two.args and one.op.at(0) == two.op.at(0)  # type: ignore[attr-defined]

    def _of_forest(self, value: int, stage: _Stage) -> Known:
        trees, result = self.sums[value]
        found, type = self.forests[value], self.types[value]
        ends = []
        for cut, constant, sign in zip(stage.cuts.get(value, (None, None)), (found.low, found.high), (-1, 1), strict=True):
            rest = None if cut is None else self._rest(value, cut, stage.end * GROUPS // _GRID)
            if cut is None or rest is None:
                ends.append(self.ranges.call("add", result, self.ranges.const(constant[trees] + sign * found.lost(type), type)))
                continue
            lost = self.ranges.const(sign * found.lost(cut.sums), type)
            ends.append(self.ranges.call("add", self.ranges.call("add", result, rest), lost))
        return Interval(*ends)

    def _rest(self, value: int, cut: Cut, group: int) -> int | None:
        """Returns the sum of a cut's groups from `group` on; None where there is none."""
        op = None if self.draft else cut.op
        args, type = self.loop.body[value].args, self.types[value]
        total = None
        for number in range(GROUPS - 1, group - 1, -1):
            if op is None:
                one = self.ranges.emit(Read(f"{value} {cut.high} {number}", cut.sums))
                self._of_cut[one] = cut, number
            else:
                one = self.ranges.emit(op[0].at(number), *(self.at[args[feature]] for feature in op[1]))
            wide = one if cut.sums == type else self.ranges.emit(Cast(type), one)
            total = wide if total is None else self.ranges.call("add", wide, total)
        return total

    def _of_text(self, op: TextSums, args: list[Known], text: int) -> Known:
        """Bounds a text model by its start and the largest contribution of a document.

        The start may be an interval, as in sums over several documents.
        """
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

    def reads_numbers(self, value: int) -> bool:
        """Whether the value depends on a column that is not a string."""
        op = self.body.op(value)
        return isinstance(op, Read) and op.type.kind != STR.kind or any(map(self.reads_numbers, self.body.args(value)))

    def _of_totals(self, op: TextSums, args: list[Known], text: int) -> Known:
        """Bounds a text model by its start and the totals of its terms."""
        start = args[1 + op.output] if op.started else self.ranges.exactly(self.ranges.const(0.0, F64))
        found = totals_range(op)
        if found is None or text in self.later or not isinstance(start, Interval):
            return self._of_text(op, args, text)
        call, const = self.ranges.call, self.ranges.const
        total, squares, size, terms = (
            self.ranges.emit(TextTotals(op.output, op.block, output), self.at[text]) for output in range(4)
        )
        least = most = const(1.0, F64)
        if found.norm is not None:
            most = call("maximum", size, const(LEAST_NORM, F64))
            least = call("maximum", call("sqrt", squares), const(LEAST_NORM, F64)) if found.norm == NORM_L2 else most
        ends = call("divide", total, least), call("divide", total, most)
        added = call("divide", call("multiply", size, const(found.largest, F64)), least)
        sizes = call("add", call("maximum", call("absolute", start.low), call("absolute", start.high)), added)
        share = call("add", const(SLACK, F64), call("multiply", terms, const(SLACK_OF_A_TERM, F64)))
        lost = call("multiply", sizes, share)
        low, high = call("minimum", *ends), call("maximum", *ends)
        return Interval(
            call("subtract", call("add", start.low, low), lost), call("add", call("add", start.high, high), lost)
        )

    def undecided(self, stage: _Stage) -> np.ndarray | None:
        """Returns the synthetic rows where the condition is True; None when other columns take part."""
        possible = self.possible(stage)
        return np.ones(1, bool) if possible is None else self._of_typical(possible, {})

    def _of_typical(self, value: int, found: dict[int, Any]) -> Any:
        """Evaluates the value in the synthetic rows; returns None when other columns take part."""
        type = self.body.types[value]
        if value in self.typical:
            return self.typical[value].astype(type.dtype)
        if value in self._of_cut:
            cut, group = self._of_cut[value]
            self.read.add(cut)
            return cut.typical[group].astype(type.dtype)
        if value not in found:
            op = self.body.op(value)
            args = [] if op == _FINITE else [self._of_typical(a, found) for a in self.body.args(value)]
            # one operand decides, whatever the other is
            decisive = False if op == Call("logical_and") else True if op == Call("logical_or") else None
            if decisive is not None and any(a is not None and np.all(a == decisive) for a in args):
                found[value] = np.array([decisive])
            elif op == _FINITE:
                found[value] = np.array([True])  # bounds are assumed finite
            elif isinstance(op, Read | ModelOp) or any(a is None for a in args):
                found[value] = None
            else:
                found[value] = np.atleast_1d(op.evaluate(*args))
        return found[value]

    def loop_after(self, possible: Sequence[int]) -> Loop:
        """Returns the loop that computes its models only for the rows where these conditions hold."""
        assert self.loop.where is not None
        all_ = possible[0]
        for other in possible[1:]:
            all_ = self.ranges.call("logical_and", all_, other)
        # before the models, since it decides whether they are computed
        may_pass = self.body.emit(Call("logical_or"), self.untried, all_)
        self._add_trees(_GRID)
        for value in sorted(self.later):
            let = self.loop.body[value]
            self.at[value] = self.body.emit(let.op, *(self.at[a] for a in let.args))
            if value in self.sums:
                self.at[value] = self.body.emit(Select(), self.tried, self.sums[value][1], self.at[value])
        where = self.body.emit(Call("logical_and"), may_pass, self.at[self.loop.where])
        return replace(
            self.loop, body=tuple(self.body.lets), where=where,
            appends=tuple(Append(a.column, self.at[a.value]) for a in self.loop.appends),
            guards=tuple(self.at[guard] for guard in self.loop.guards),
            some=tuple((self.at[among], self.at[wanted]) for among, wanted in self.loop.some),
        )  # fmt: skip


@lru_cache(16)
def _known_range(op: ForestSums) -> ForestRange | None:
    return forest_range(op)


def _range(op: ForestSums) -> ForestRange | None:
    """Returns `forest_range` of an op, cached because consecutive queries may request it."""
    return _known_range(op) if op.block.size <= REMEMBERED else forest_range(op)


def _dependents(loop: Loop, models: set[int]) -> set[int]:
    """Returns the models and all values that depend on them."""
    found = set(models)
    for value, let in enumerate(loop.body):
        if found.intersection(let.args):
            found.add(value)
    return found
