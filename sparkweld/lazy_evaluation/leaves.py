"""Wraps real data, and rows of lazy values, as lazy values."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sparkweld.lazy_evaluation.definition import Definition, Recorder
from sparkweld.lazy_evaluation.values import Lazy, LazyArray, LazySeries
from udf_compiler.backends.worker_pipelines.black_boxes import dtype_of, source_of, traced_like
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.series import TracedSeries


def lazy_value(definition: Definition) -> Lazy:
    """Returns the lazy object of a definition for the user."""
    made = (LazySeries if definition.is_series else LazyArray)(definition)
    definition.session.watch(made)
    return made


def leaf(session: Recorder, data: pd.Series | np.ndarray) -> Lazy:
    """Wraps real data as a lazy value."""
    return lazy_value(definition_of(session, data))


def row_numbers(session: Recorder, rows: int) -> Lazy:
    """Returns the row numbers 0 to `rows` - 1 as a lazy array."""
    space = session.space(rows)
    numbers = TracedArray(space.capture.loop(), (space.positions(),), shared=True)
    return lazy_value(Definition(session, space, space.capture.root, numbers, np.arange, (rows,)))


def definition_of(session: Recorder, data: pd.Series | np.ndarray) -> Definition:
    """Returns the definition of real data."""
    space = session.space(len(data))
    if isinstance(data, pd.Series):
        of, index, name = space.series(data), data.index, data.name
    else:
        of, index, name = space.array(data), None, None
    made = Definition(session, space, space.capture.root, of, index=index, name=name)
    made.real = data
    return made


def is_mask(definition: Definition) -> bool:
    traced = definition.traced
    return type(traced) in (TracedSeries, TracedArray) and dtype_of(traced) == np.bool_


def kept_rows(owners: list[Definition], mask: Definition) -> list[Lazy]:
    """Returns each value filtered by the mask."""
    capture = owners[0].space.capture
    sources = tuple(source_of(owner.traced) for owner in owners)
    domain, kept = capture.keep(source_of(mask.traced), sources)  # type: ignore[arg-type]
    made = []
    for owner, source in zip(owners, kept, strict=True):
        of = traced_like(owner.traced, source, domain, capture.loop(domain))
        found = Definition(owner.session, owner.space, domain, of, lambda s, k: s[k], (owner, mask))
        found.index, found.name = owner.index, owner.name
        made.append(lazy_value(found))
    return made


def is_aligned(found: list[Definition]) -> bool:
    """Whether all have the same rows, and all Series the same labels, so that pandas need not align them."""
    first = found[0]
    if any(d.space is not first.space or d.domain is not first.domain for d in found):
        return False
    labels = [d.index for d in found if d.index is not None]
    return all(index is labels[0] or index.equals(labels[0]) for index in labels)
