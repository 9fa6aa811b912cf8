"""Interprets programs on NumPy arrays, op by op. Slow and plain: the reference that every kernel is tested against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.ir.merges import evaluate_groups
from sparkweld.ir.ops import Array, ModelOp, Optional, Read, Region, of_rows
from sparkweld.ir.ops.base import Let
from sparkweld.ir.program import ROWS, Loop, Program, body_types, output_domain
from sparkweld.ir.types import Type
from sparkweld.ir.wholes import evaluate_whole


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a program for one batch of n rows.

    `columns`: one array per output (Optional for a nullable type), m elements each, where m <= n is the size of the output
    domain. `selection`: int32[m], the source row of each output row, ascending; for a group, its first row. `flagged`: bool[n],
    rows that a guard flagged.
    """

    columns: dict[str, Array]
    selection: np.ndarray
    flagged: np.ndarray


def evaluate(program: Program, inputs: dict[str, Array], rows: int) -> Result:
    """Runs a verified program on `rows` rows. `inputs`: column name -> array, Optional for nullable types."""
    columns: dict[str, tuple[Array, str]] = {i.name: (_of_type(inputs[i.name], i.type), ROWS) for i in program.inputs}
    for stage in program.stages:
        known = {i.name: columns[i.name][0] for i in stage.program.inputs}
        found = evaluate(stage.program, known, rows).columns
        for whole, result in zip(stage.wholes, stage.results, strict=True):
            made = evaluate_whole(whole.fn, tuple(found[arg] for arg in whole.args), rows)
            columns[whole.column] = (made if rows else _no_rows(result.type), ROWS)
    selections = {ROWS: np.arange(rows, dtype=np.int32)}
    flagged = np.zeros(rows, np.bool_)
    for loop in program.loops:
        _run(loop, columns, selections, flagged)
    outputs = {name: columns[name][0] for name in program.outputs}
    return Result(outputs, selections[output_domain(program)], flagged)


def _run(
    loop: Loop,
    columns: dict[str, tuple[Array, str]],
    selections: dict[str, np.ndarray],
    flagged: np.ndarray,
) -> None:
    selection = selections[loop.domain]
    values: list[Array] = []
    calls: dict[Let, list[Array]] = {}
    for let in loop.body:
        if isinstance(let.op, Read):
            column, domain = columns[let.op.column]
            values.append(_take(column, np.searchsorted(selections[domain], selection)))
        elif isinstance(let.op, ModelOp | Region):  # its other results are values of the body, too
            call = Let(let.op.at(0), let.args)
            if call not in calls:
                calls[call] = list(let.op.evaluate_all(*(np.asarray(values[a]) for a in let.args)))
            values.append(calls[call][let.op.output])
        else:
            values.append(of_rows(let.op.evaluate(*(values[a] for a in let.args)), len(selection)))
    for guard in loop.guards:
        flagged[selection[~np.asarray(values[guard])]] = True
    for among, wanted in loop.some:
        rows = np.asarray(values[among])
        if not np.any(rows & np.asarray(values[wanted])):
            flagged[selection[rows]] = True
    kept = slice(None)
    if loop.where is not None and loop.makes is not None:
        kept = np.asarray(values[loop.where])  # type: ignore[assignment]
        selections[loop.makes] = selection[kept]
    for append in loop.appends:
        columns[append.column] = (_take(values[append.value], kept), loop.result_domain)
    if loop.groups is not None:
        merged, first, beyond = evaluate_groups(loop.groups, values, body_types(loop), len(selection))
        selections[loop.groups.domain] = selection[first] if len(selection) else first
        flagged[selection[beyond]] = True
        columns.update((name, (column, loop.groups.domain)) for name, column in merged.items())


def _take(array: Array, rows: Any) -> Array:
    if isinstance(array, Optional):
        return Optional(array.values[rows], array.valid[rows])
    return array[rows]


def _no_rows(type: Type) -> Array:
    values = np.empty(0, type.dtype)
    return Optional(values, np.empty(0, np.bool_)) if type.nullable else values


def _of_type(array: Array, type: Type) -> Array:
    assert isinstance(array, Optional) == type.nullable, f"expected an array of {type}"
    values = array.values if isinstance(array, Optional) else array
    assert values.dtype == type.dtype, f"expected {type.dtype}, got {values.dtype}"
    return array
