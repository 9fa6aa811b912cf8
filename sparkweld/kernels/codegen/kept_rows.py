"""Finds, for each expensive op of a loop, conditions that hold in all rows that need its result.

The conditions are on earlier values. Some rows do not need an op. A filter drops them, they take the other branch of a
`select`, or another operand of and/or decides them alone. So some ops are computed only for the rows that need them. Examples
are a model above a filter, the expensive side of ``np.where(sure, cheap, expensive)``, and the full model of a cascade.
"""

from __future__ import annotations

from sparkweld.ir.ops import Call, Const, ModelOp, RegexCall, Region, Select, StrCall
from sparkweld.ir.ops.base import Let
from sparkweld.ir.ops.memory import allocates
from sparkweld.ir.program import Loop

#: A bool value of the loop, and its value in the rows concerned.
Condition = tuple[int, bool]
_EVERY_ROW: frozenset[Condition] = frozenset()

#: String functions that cost less than a mispredicted branch.
_AT_ONCE = frozenset("starts_with ends_with starts_with_str ends_with_str remove_prefix remove_suffix get char_at".split())
_MOST_CONDITIONS = 4


def rows_of_models(loop: Loop) -> dict[Let, frozenset[Condition]]:
    """Returns, for each model (as its first output), the conditions that hold in each row that needs a result of it.

    An empty set means every row. The conditions precede the model and do not depend on it. A model that no value needs is
    omitted.
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
    """Returns, for each value that an expensive string or list op computes, conditions that hold in each row that needs it.

    Only the last `_MOST_CONDITIONS` conditions are returned: a mask of fewer conditions holds in more rows, and costs less.
    """
    needs = dict(_Needs(loop).rows)
    first: dict[Let, int] = {}
    for index, let in enumerate(loop.body):  # one call of a region computes all of its results
        if isinstance(let.op, Region):
            call = first.setdefault(Let(let.op.at(0), let.args), index)
            if index in needs:
                needs[call] = needs.get(call, needs[index]) & needs[index]
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
    """Finds which rows need each value, by one backward pass over the values.

    `rows`: value -> conditions that hold in all rows that need it.
    """

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
        """Adds conditions that `rows` imply: where ``a or b`` holds and a does not, b holds; likewise for and."""
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
            # The earlier operand decides alone where it is False (and), or True (or).
            holds = let.op == _AND
            first, second = sorted(let.args, key=lambda value: max(self._conditions(value, holds)))
            self._need(first, rows)
            self._need(second, rows | self._conditions(first, holds) if second != first else rows)
            return
        for argument in let.args:
            self._need(argument, rows)

    def _conditions(self, value: int, holds: bool) -> frozenset[Condition]:
        """Returns the conditions that hold where a bool equals `holds`.

        `equal` and `not_equal` of the same operands become one condition, on the earlier of them.
        """
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
