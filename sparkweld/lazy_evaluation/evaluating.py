"""Computes lazy values: one pipeline for all values requested together, and the original calls where it is undecided."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.annotations.domains import RowDomain
from sparkweld.ir import LoopBuilder
from sparkweld.ir.ops import Optional
from sparkweld.lazy_evaluation.capture_context import POSITION, Space
from sparkweld.lazy_evaluation.definition import Definition, LazyData
from sparkweld.pipelines import BrokenPromise, Keep, Runner, Undecided, plan
from sparkweld.pipelines.describe import described
from sparkweld.pipelines.stages import Block
from udf_compiler.backends.worker_pipelines.black_boxes import Foreign, is_plain, missing_of, source_of


def compute(*values: Any) -> tuple[Any, ...]:
    """Returns the real data of lazy values, one pipeline per number of rows; other objects unchanged."""
    compute_definitions([d for value in values if isinstance(value, LazyData) for d in value._definitions()])
    return tuple(value._real_data() if isinstance(value, LazyData) else value for value in values)


def described_pipelines(found: Sequence[Definition]) -> str:
    """Describes the pipelines of definitions: stages, where each runs, rows per block, bytes."""
    texts = []
    for space in {id(d.space): d.space for d in found}.values():
        group = [d for d in found if d.space is space and not d.is_computed]
        if group and all(is_plain(d.traced) for d in group):
            texts.append(described(_runner(space, group)))
    return "\n\n".join(texts) or "computed already, or without a pipeline (see least_rows of sparkweld.lazy)"


def compute_definitions(wanted: Sequence[Definition]) -> None:
    """Computes the values that are not computed yet."""
    missing = [d for d in dict.fromkeys(wanted) if not d.is_computed]
    for space in {id(d.space): d.space for d in missing}.values():
        group = [d for d in missing if d.space is space]
        planned = [d for d in group if is_plain(d.traced)]
        if planned:
            _run(space, planned)
    for definition in missing:
        definition.eager()


def compute_source(definition: Definition, column: str) -> Any:
    """Returns the merged result of all rows."""
    space = definition.space
    runner = _new_runner(space, {"result": column}, list(definition.parents()))
    try:
        return runner.run(space.columns, space.rows)["result"]
    except (Undecided, BrokenPromise, LookupError) as error:
        _warn(runner, error)
        return definition.eager()


def _run(space: Space, group: list[Definition]) -> None:
    runner = _runner(space, group)
    space.last = runner
    try:
        made = runner.run(space.columns, space.rows)
    except (Undecided, BrokenPromise) as error:
        _warn(runner, error)
        return
    labels: dict[Any, pd.Index] = {}  # one index for all columns of the same rows: pandas need not compare indexes
    for number, definition in enumerate(group):
        index, domain = definition.index, definition.domain
        if index is not None and domain is not space.capture.root:
            key = id(index), domain
            if key not in labels:
                labels[key] = _labels(index, made[_positions_name(space, domain)])
            index = labels[key]
        definition.real = _real(definition, made[f"out{number}"], index)


def _labels(index: pd.Index, rows: np.ndarray) -> pd.Index:
    """Returns the labels of some rows, sharing the row numbers' memory. Labels of a plain RangeIndex equal the row numbers."""
    if type(index) is pd.RangeIndex and index.start == 0 and index.step == 1:
        return pd.Index(rows, name=index.name, copy=False)
    return index.take(rows)


def _runner(space: Space, group: list[Definition]) -> Runner:
    outputs: Block = {}
    for number, definition in enumerate(group):
        outputs[f"out{number}"] = source_of(definition.traced)
        if definition.is_series and definition.domain is not space.capture.root:
            outputs[_positions_name(space, definition.domain)] = _positions(space, definition)
    key = tuple((name, s if isinstance(s, str) else (space.capture.domain_of(s), s.id)) for name, s in outputs.items())
    if key not in space.runners:
        space.runners[key] = _new_runner(space, outputs, group)
    return space.runners[key]


def _new_runner(space: Space, outputs: Block, group: list[Definition]) -> Runner:
    made = plan(space.capture, outputs, _guards(space, group))
    return Runner(made, space.options.threads, space.options.block_rows, space.rows)


def _positions(space: Space, definition: Definition) -> Any:
    """Returns the row numbers of a filtered domain, by applying its chain of filters to those of the root."""
    steps = [s for s in space.capture.steps if isinstance(s, Keep)]
    chain = []
    domain = definition.domain
    while domain is not space.capture.root:
        step = next(s for s in steps if s.makes is domain)
        chain.append(step)
        domain = step.domain
    source: Any = space.positions()
    for step in reversed(chain):
        _, (source,) = space.capture.keep(step.mask, (source,))  # type: ignore[arg-type]
    return source


def _guards(space: Space, group: list[Definition]) -> dict[LoopBuilder, set[int]]:
    """Returns the guards of all calls that the values depend on."""
    found: dict[LoopBuilder, set[int]] = {}
    todo, seen = list(group), set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        found.setdefault(one.loop, set()).update(one.guards)
        todo += one.parents()
    return found


def _positions_name(space: Space, domain: RowDomain) -> str:
    return f"{POSITION}{space.capture.domains.index(domain)}"


def _real(definition: Definition, column: Any, index: pd.Index | None) -> Any:
    values = column
    if isinstance(column, Optional):
        values = column.values.astype(object)
        values[~column.valid] = np.nan if missing_of(definition.traced).nan else None
    if not definition.is_series:
        return values
    if type(definition.traced) is Foreign and definition.traced.form == "list":
        values = values.tolist()  # pandas infers the dtype from the elements
    return pd.Series(values, index=index, name=definition.name, copy=False)


def _warn(runner: Runner, error: Exception) -> None:
    runner.metrics.fallbacks += 1
    if isinstance(error, BrokenPromise):
        warnings.warn(f"sparkweld: the original computation runs instead of a pipeline: {error}", RuntimeWarning, stacklevel=3)
