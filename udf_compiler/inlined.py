"""Inlines a function that SparkWeld has built from kernels: copies its programs into a loop without tracing.

A pipeline whose first and last kernels run in the JVM consists of three functions. The outer two are pickled commands like a
user's, because batches that no kernel decides run in Python there, too. An attribute of the function holds the programs that
it computes.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sparkweld.ir import LoopBuilder, Program, Type, Value
from sparkweld.ir.ops import Read
from sparkweld.ir.types import BOOL, I8, STR
from sparkweld.reasons import refusal
from udf_compiler.trace import TracedFrame, TracedSeries
from udf_compiler.trace.text import Missing, text_series

#: The function attribute that holds the bytes of its `Inlined`.
ATTRIBUTE = "sparkweld_inlined"


@dataclass(frozen=True)
class InlinedForm:
    """The programs, in sequence, for arguments of these types (of dates, whether some are NULL).

    `arguments`: the columns of the arguments. `results`: columns of the arguments or of the programs. `number` distinguishes
    the forms of one pipeline.
    """

    number: int
    types: tuple[Type, ...]
    arguments: tuple[str, ...]
    programs: tuple[Program, ...]
    results: tuple[str, ...]


@dataclass(frozen=True)
class Inlined:
    """The function. `fields`: the fields of the struct that it returns; the last one is the form's number.

    Without `fields` it returns one column, and its second to last argument is the number of the form that produced the
    others.
    """

    place: str
    forms: tuple[InlinedForm, ...]
    fields: tuple[str, ...] = ()

    def traced(self, loop: LoopBuilder, args: Sequence[TracedSeries]) -> TracedSeries | TracedFrame:
        """Returns the result for these arguments. Refuses (SW646) types for which there is no form."""
        types = tuple(x.value.type if x.kind == "date" else x.value.type.plain() for x in args)
        form = next((f for f in self.forms if f.types == types[: len(f.types)]), None)
        if form is None:
            raise refusal("SW646", self.place, function=self.place, what=f"columns of {', '.join(map(str, types))}")
        number = loop.const(form.number, I8)
        if not self.fields:
            loop.guard(loop.call("equal", args[-2].value, number))
        columns = {name: x.value for name, x in zip(form.arguments, args, strict=False)}
        for program in form.programs:
            columns.update(_copied(program, loop, columns))
        if not self.fields:
            return _series(loop, columns[form.results[0]])
        values = [*(columns[name] for name in form.results), number]
        return TracedFrame(loop, {field: _series(loop, value) for field, value in zip(self.fields, values, strict=True)})


def inlined_of(function: Callable[..., Any]) -> Inlined | None:
    """Returns the programs of a function; None for a user's function."""
    data = getattr(function, ATTRIBUTE, None)
    return pickle.loads(data) if isinstance(data, bytes) else None


def _copied(program: Program, loop: LoopBuilder, columns: dict[str, Value]) -> dict[str, Value]:
    """Returns the columns of the only loop of a program; its guards join `loop`."""
    (body,) = program.loops
    made: list[Value] = []
    for let in body.body:
        if isinstance(let.op, Read):
            made.append(_as(loop, columns[let.op.column], let.op.type))
        else:
            made.append(loop.emit(let.op, *(made[a] for a in let.args)))
    for guard in body.guards:
        loop.guard(made[guard])
    return {append.column: made[append.value] for append in body.appends}


def _as(loop: LoopBuilder, value: Value, type: Type) -> Value:
    """Converts a value to a nullable or plain type; for a plain type, a row where it is NULL is flagged."""
    if value.type.nullable == type.nullable:
        return value
    if type.nullable:
        return loop.optional(value, loop.const(True, BOOL))
    loop.guard(loop.is_valid(value))
    return loop.value_of(value)


def _series(loop: LoopBuilder, value: Value) -> TracedSeries:
    if value.type.plain() == STR:
        return text_series(loop, value, Missing(none=value.type.nullable))  # type: ignore[no-any-return]
    return TracedSeries(loop, value, value.type.dtype)
