"""Models the groups of an aggregate UDF: reduction results and the scalars computed from them.

A row of the groups' loop is one group. It reads *aggregates*, which Spark's aggregate operator computes: associative primitives
over a value of each row. The loops spell out everything that pandas does before and after them, such as NaN masks, divisions
and square roots. So the rules of pandas stay in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

from sparkweld.ir import Input, LoopBuilder, ProgramBuilder, Type, Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar

#: Kinds of aggregates. `sum` of i64 wraps; `sum` of f64 adds in any order. `min` and `max` skip NULL and order NaN last.
#: `moment2` is the sum of squares of f64 about the mean and skips NULL. `rows` counts.
KINDS = ("rows", "sum", "min", "max", "moment2")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate of a group: its kind, its row value (None: it takes no value), and its result type."""

    name: str
    kind: str
    value: Value | None
    type: Type


class Groups:
    """The collected aggregates of one trace; `loop` is the loop over groups.

    `frames`: a group is the window frame of one row. Its Series is a slice of the partition's Series and has that dtype.
    """

    def __init__(self, frames: bool = False) -> None:
        self.frames = frames
        self.builder = ProgramBuilder("groups", [])
        self.loop: LoopBuilder = self.builder.loop("groups")
        self.aggregates: list[Aggregate] = []
        #: (condition, error): groups for which the original raises, as "<class>: <message>".
        self.raises: list[tuple[Value, str]] = []

    def aggregate(self, kind: str, value: Value | None = None) -> Value:
        """Returns the result of an aggregate in the groups' loop; reuses the aggregate for an equal kind and value."""
        at = None if value is None else value.id
        for known in self.aggregates:
            if known.kind == kind and (None if known.value is None else known.value.id) == at:
                return self.loop.read(known.name)
        made = Aggregate(f"aggregate{len(self.aggregates)}", kind, value, _result_type(kind, value))
        self.aggregates.append(made)
        self.builder.inputs += (Input(made.name, made.type),)
        self.builder.columns[made.name] = made.type
        return self.loop.read(made.name)

    def is_length(self, x: GroupScalar) -> bool:
        """Whether x is the number of rows of its group, which is never 0."""
        return any(a.kind == "rows" and x.value.id == self.loop.read(a.name).id for a in self.aggregates)

    def scalar(self, value: Value, weak: bool = False, bound: int | None = None) -> GroupScalar:
        return GroupScalar(self.loop, value, weak, bound)


def _result_type(kind: str, value: Value | None) -> Type:
    if kind == "rows":
        return I64
    assert value is not None
    if kind == "sum":
        assert value.type in (I64, F64)
        return value.type
    if kind == "moment2":
        assert value.type.plain() == F64
        return F64  # 0 for a group without values
    return value.type
