"""A loop to the rows that each of its expensive ops is needed for, as conditions on values that come before the op.

What a filter drops, the branch that a `select` does not take and what another operand decides alone are needed by nobody. So a
model above a filter, the expensive side of ``np.where(sure, cheap, expensive)`` and the full model of a cascade are computed
for the rows that want them.
"""

from __future__ import annotations

from sparkweld.ir.ops import Call, Const, ModelOp, RegexCall, Region, Select, StrCall
from sparkweld.ir.ops.memory import allocates
from sparkweld.ir.program import Let, Loop

#: A bool value of the loop, and what it is in the rows that are meant.
Condition = tuple[int, bool]
_EVERY_ROW: frozenset[Condition] = frozenset()

#: Functions of strings that take less than a branch that is guessed wrong.
_AT_ONCE = frozenset("starts_with ends_with starts_with_str ends_with_str remove_prefix remove_suffix get char_at".split())
_MOST_CONDITIONS = 4


def rows_of_models(loop: Loop) -> dict[Let, frozenset[Condition]]:
    """Model, by its first output -> conditions that hold in each row whose result something needs; none: every row.

    The conditions come before the model, and not from it. A model that nothing needs is left out.
    """
    needs = _Needs(loop)
    found: dict[Let, frozenset[Condition]] = {}
    first: dict[Let, int] = {}
    for index, let in enumerate(loop.body):
        if isinstance(let.op, ModelOp) and index in needs.rows:
            model = Let(let.op.at(0), let.args)
            first.setdefault(model, index)
            found[model] = found.get(model, needs.rows[index]) & needs.rows[index]
    return {model: frozenset(c for c in rows if _comes_before(loop, c, first[model])) for model, rows in found.items()}


def rows_of_calls(loop: Loop) -> dict[int, frozenset[Condition]]:
    """Number of a value that a call of strings or lists makes -> conditions that hold wherever something needs it.

    The last ones of many, as masks of fewer conditions hold in more rows, and cost less.
    """
    needs = _Needs(loop).rows
    found = {}
    for index, let in enumerate(loop.body):
        if index in needs and _takes_long(let):
            known = sorted(c for c in needs[index] if _comes_before(loop, c, index))
            found[index] = frozenset(known[-_MOST_CONDITIONS:])
    return found


def _takes_long(let: Let) -> bool:
    if isinstance(let.op, StrCall):
        return let.op.fn not in _AT_ONCE
    return isinstance(let.op, RegexCall | Region) or allocates(let.op)


def _comes_before(loop: Loop, condition: Condition, index: int) -> bool:
    return condition[0] < index and not isinstance(loop.body[condition[0]].op, Const)


class _Needs:
    """`rows`: value -> the conditions of all rows in which something needs it. Found from the last value to the first."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.rows: dict[int, frozenset[Condition]] = {}
        kept = _EVERY_ROW if loop.where is None else self._conditions(loop.where, True)
        for root in (loop.where, *loop.guards, *(value for pair in loop.some for value in pair)):
            if root is not None:
                self._need(root, _EVERY_ROW)
        for append in loop.appends:
            self._need(append.value, kept)
        for index in range(len(loop.body) - 1, -1, -1):
            if index in self.rows:
                self._arguments(loop.body[index], self.rows[index])

    def _need(self, value: int, rows: frozenset[Condition]) -> None:
        rows = self._with_implied(rows)
        self.rows[value] = self.rows.get(value, rows) & rows

    def _with_implied(self, rows: frozenset[Condition]) -> frozenset[Condition]:
        """The conditions, and those of one operand where they say that the other one does not decide."""
        for value, holds in sorted(rows):
            let = self.loop.body[value]
            if let.op == (_OR if holds else _AND):
                for one, other in (let.args, let.args[::-1]):
                    if self._conditions(one, not holds) <= rows:
                        rows |= self._conditions(other, holds)
        return rows

    def _arguments(self, let: Let, rows: frozenset[Condition]) -> None:
        if isinstance(let.op, Select):
            condition, yes, no = let.args
            self._need(condition, rows)
            self._need(yes, rows | self._conditions(condition, True))
            self._need(no, rows | self._conditions(condition, False))
            return
        if let.op in (_AND, _OR):
            # The one that is known first decides alone where it is False, or True.
            holds = let.op == _AND
            first, second = sorted(let.args, key=lambda value: max(self._conditions(value, holds)))
            self._need(first, rows)
            self._need(second, rows | self._conditions(first, holds) if second != first else rows)
            return
        for argument in let.args:
            self._need(argument, rows)

    def _conditions(self, value: int, holds: bool) -> frozenset[Condition]:
        """What a bool says where it is `holds`. Of opposites, written in two ways, the first made is named."""
        let = self.loop.body[value]
        if let.op == _NOT:
            return self._conditions(let.args[0], not holds)
        if let.op == (_AND if holds else _OR):
            return frozenset().union(*(self._conditions(argument, holds) for argument in let.args))
        if let.op in (Call("equal"), Call("not_equal")):
            opposite = Let(Call("not_equal" if let.op == Call("equal") else "equal"), let.args)
            earlier = self.loop.body[:value]
            if opposite in earlier:
                return frozenset({(earlier.index(opposite), not holds)})
        return frozenset({(value, holds)})


_AND, _OR, _NOT = Call("logical_and"), Call("logical_or"), Call("logical_not")
