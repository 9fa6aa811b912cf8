"""Runs a function of whole groups and its original on small synthetic groups, and refuses the function when they disagree."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Program, evaluate
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.program import Stage
from sparkweld.ir.whole_builder import columns_read, stages_of
from sparkweld.reasons import refusal
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.probing.differences import Tolerance, difference_of
from udf_compiler.probing.probe import NODE_LIMIT, Computed, comparable, in_this_process, program_of, short, values_in
from udf_compiler.probing.rows import EXTREME_ROWS, ROW_COUNT, column_of

#: The rows of each group, of those that `column_of` returns: ordinary ones, some with extremes, and a single one.
_GROUPS = (
    range(EXTREME_ROWS, ROW_COUNT),
    range(EXTREME_ROWS, EXTREME_ROWS + 7),
    range(0, EXTREME_ROWS, 3),
    range(ROW_COUNT - 1, ROW_COUNT),
)


def probe_group(
    function: Callable[..., Any],
    frame: TracedFrame,
    keys: TracedFrame | None,
    result: TracedFrame,
    place: str,
    tolerance: Tolerance,
) -> None:
    """Refuses (SW233) when ``function(key, frame)`` differs from `result` for a group without flagged rows.

    With `Tolerance.SUMS`, groups have no extreme values: their sums may cancel.
    """
    if len(result.loop.body) > NODE_LIMIT:
        return
    with np.errstate(all="ignore"), warnings.catch_warnings(), in_this_process():
        warnings.simplefilter("ignore")
        for rows in _GROUPS:
            if tolerance == Tolerance.SUMS and rows.start < EXTREME_ROWS:
                continue
            group = _Group(result.loop, frame, keys, result, np.array(rows))
            if group.rows == 0:
                continue
            key = [] if keys is None else [tuple(group.real(s).iloc[0] for s in keys.series.values())]
            try:
                given = function(*key, group.real(frame))
            except Exception as error:  # noqa: BLE001 - whatever user code raises: no guard announced it
                raise refusal("SW233", place, what=f"the function raises {type(error).__name__}: {error}") from None
            difference = difference_of(comparable(given, result), group.result(result), tolerance)
            if difference is not None:
                raise refusal("SW233", place, what=difference)


class _Group(Computed):
    """The values of traced objects for one group, without flagged rows; `rows` is 0 where some are flagged in each attempt."""

    def __init__(
        self, loop: LoopBuilder, frame: TracedFrame, keys: TracedFrame | None, result: TracedFrame, rows: np.ndarray
    ) -> None:
        traced = [frame, *([] if keys is None else [keys]), result]
        values = {value.id for x in traced for value in values_in(x)}
        if loop.where is not None:
            values.add(loop.where.id)
        program = _with_stages(loop, program_of(loop, {f"v{id}": id for id in sorted(values)}))
        columns = {i.name: _taken(column_of(i.type, at), rows) for at, i in enumerate(program.inputs)}
        if keys is not None:
            first = columns_read(loop.body, [value.id for value in values_in(keys)])
            columns |= {name: _repeated(columns[name], len(rows)) for name in first if name in columns}
        self.rows, count = 0, len(rows)
        for _ in range(3):  # a group without the flagged rows may have others
            found = evaluate(program, columns, count)
            keep = np.flatnonzero(~found.flagged)
            if len(keep) == count:
                self.rows = count
                break
            columns, count = {name: _taken(column, keep) for name, column in columns.items()}, len(keep)
        self._arrays = {id: found.columns[f"v{id}"] for id in values}


def _with_stages(loop: LoopBuilder, program: Program) -> Program:
    """Returns the program of a loop with the stages that it reads; the inputs are those of all of these."""
    builder = loop.program
    stages = stages_of(builder.inputs, builder.wholes, builder.columns)
    return replace(program, inputs=builder.inputs, stages=tuple(map(_short, stages))) if stages else program


def _short(stage: Stage) -> Stage:
    return replace(stage, program=replace(stage.program, loops=tuple(map(short, stage.program.loops))))


def _taken(column: Array, rows: np.ndarray) -> Array:
    return Optional(column.values[rows], column.valid[rows]) if isinstance(column, Optional) else column[rows]


def _repeated(column: Array, rows: int) -> Array:
    """Returns the first value in all rows: keys are equal within a group."""
    return _taken(column, np.zeros(rows, np.int64))
