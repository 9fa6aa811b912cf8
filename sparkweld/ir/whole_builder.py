"""Divides the functions of whole columns that a trace asks for into stages: each stage reads the results of earlier ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparkweld.ir.ops import Read
from sparkweld.ir.ops.base import Let
from sparkweld.ir.program import ROWS, Append, Input, Loop, Program, Stage
from sparkweld.ir.types import Type
from sparkweld.ir.wholes import Whole


@dataclass(frozen=True, slots=True)
class MadeWhole:
    """A function of values of a loop: `body` has the values `args` and those that they depend on, as they were then."""

    fn: str
    body: tuple[Let, ...]
    args: tuple[int, ...]


def values_below(body: Sequence[Let], values: Sequence[int]) -> list[int]:
    """Returns the values of a loop's body that some values depend on, and these themselves, ascending."""
    found = set(values)
    for value in range(max(values, default=-1), -1, -1):
        if value in found:
            found.update(body[value].args)
    return sorted(found)


def columns_read(body: Sequence[Let], values: Sequence[int]) -> set[str]:
    """Returns the columns that values of a loop's body depend on."""
    ops = (body[value].op for value in values_below(body, values))
    return {op.column for op in ops if isinstance(op, Read)}


def made_whole(fn: str, body: Sequence[Let], args: Sequence[int]) -> MadeWhole:
    """Returns the function of values of a loop's body."""
    kept = values_below(body, args)
    at = {value: index for index, value in enumerate(kept)}
    alone = tuple(Let(body[value].op, tuple(at[a] for a in body[value].args)) for value in kept)
    return MadeWhole(fn, alone, tuple(at[arg] for arg in args))


def stages_of(inputs: Sequence[Input], wholes: Sequence[MadeWhole], types: Mapping[str, Type]) -> tuple[Stage, ...]:
    """Returns the stages that compute the columns "whole 0", "whole 1" and so on of `wholes`, in the order of the requests."""
    levels: list[int] = []
    for whole in wholes:
        read = columns_read(whole.body, range(len(whole.body)))
        levels.append(1 + max((levels[at] for at in range(len(levels)) if f"whole {at}" in read), default=0))
    stages, known = [], [*inputs]
    for level in range(1, max(levels, default=0) + 1):
        here = {f"whole {at}": whole for at, whole in enumerate(wholes) if levels[at] == level}
        stages.append(_stage(level, known, here))
        known += [Input(column, types[column]) for column in here]
    return tuple(stages)


def _stage(level: int, inputs: Sequence[Input], wholes: Mapping[str, MadeWhole]) -> Stage:
    loops: list[Loop] = []
    made: list[Whole] = []
    for column, whole in wholes.items():
        names = {arg: f"{column}, argument {arg}" for arg in whole.args}
        made.append(Whole(column, whole.fn, tuple(names[arg] for arg in whole.args)))
        if names:
            appends = tuple(Append(name, arg) for arg, name in names.items())
            loops.append(Loop(column, ROWS, whole.body, appends))
    outputs = tuple(append.column for loop in loops for append in loop.appends)
    return Stage(Program(f"stage {level}", tuple(inputs), tuple(loops), outputs), tuple(made))
