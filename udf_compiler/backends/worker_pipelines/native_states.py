"""Compiles an annotated aggregate to Spark's own aggregates: of its state, then `finish` of the merged state.

By its annotation, the function of a group equals `finish` of the merged states of the group's chunks. The group may be one chunk,
so the aggregate is `finish` of the state of the whole group. Spark merges the state's elements itself where they are reductions
that the compiler knows. The annotation must allow for the effect of row order (`rtol`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparkweld.annotations import Annotation, annotation_of
from sparkweld.annotations.split_types import Merge, Merged
from sparkweld.contract.replies import AggregateReply, Approximation
from sparkweld.contract.requests import PipelineRequest, PythonStep, UdfEntry
from sparkweld.errors import Refusal
from sparkweld.reasons import refusal
from sparkweld.worker.grouping import Leaf
from udf_compiler.backends.aggregates import PandasAggregate, compile_as
from udf_compiler.backends.aggregates import compile_aggregate as compile_function
from udf_compiler.backends.worker_pipelines import composed
from udf_compiler.boundary.columns import columns_in
from udf_compiler.function.environment import broadcasts, module_path
from udf_compiler.function.payload import load_command

_MOST_PARTS = 16
_EXAMPLE_ROWS = 3

#: The location of a state's element: the key in each container, and the number of elements that the container has.
Path = tuple[tuple[Any, int], ...]


def compile_aggregate(request: PipelineRequest, blobs: Sequence[bytes]) -> AggregateReply:
    """Returns the reply of `udf_compiler.backends.aggregates`. If it refuses an annotated function with a state, compiles the
    state."""
    try:
        return compile_function(request, blobs)
    except Refusal as error:
        refused = error
    udf = request.first_udf.udf
    with module_path(request.python), broadcasts(udf.broadcasts):
        try:
            annotation = annotation_of(load_command(blobs[udf.payload]).function)
            if annotation is None or not isinstance(annotation.returns, Merged) or annotation.returns.state is None:
                raise refused
            state, finish = annotation.returns.state, annotation.returns.finish
            whole = state if finish is None else composed.finished(state, finish)
            made = compile_as(request, whole, exact=annotation.returns.rtol == 0)
        except Refusal:
            raise refused from None
    note = f"by the state and the finish of the annotation of {annotation.name}"
    kept = (*made.kept, *by_order(annotation)) if made.kept else ()
    return replace(made, kept=kept, notes=(*made.notes, note))


def by_order(annotation: Annotation) -> list[Approximation]:
    """Returns explain's entry for an annotation whose results depend on the order of rows."""
    rtol = annotation.returns.rtol if isinstance(annotation.returns, Merge) else 0
    return [Approximation(op=annotation.name, bound=f"{rtol:g} relative, by the order of rows")] if rtol else []


def state_parts(
    request: PipelineRequest, entry: UdfEntry, annotation: Annotation
) -> tuple[Any, tuple[AggregateReply, ...]]:
    """Returns an aggregate's state with a Leaf for each element, and the elements' replies. Refuses a state with elements that
    are not reductions.
    """
    returns = annotation.returns
    state = returns.state if isinstance(returns, Merged) and returns.state is not None else annotation.function
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        try:
            example = state(*(t.example(rng, _EXAMPLE_ROWS) for t in annotation.args))
        except Exception as error:  # noqa: BLE001 - user code
            raise refusal("SW647", entry.name, function=entry.name, what=f"its state raises {error!r}") from None
    leaves: list[tuple[Path, Any]] = []
    shape = _shape(example, (), leaves, entry.name)
    used = set().union(*map(columns_in, entry.udf.expressions))
    one = replace(request, inputs=tuple(i for i in request.inputs if i.name in used), steps=(PythonStep(udfs=(entry,)),))
    rtol = returns.rtol if isinstance(returns, Merge) else 0
    exact = rtol == 0
    return shape, tuple(compile_as(one, composed.part(state, path), _StatePart(leaf), exact=exact) for path, leaf in leaves)


class _StatePart(PandasAggregate):
    """An element of a state as the result: the number itself, in the type that the function produces."""

    def __init__(self, like: Any) -> None:
        self.python, self.dtype = type(like) in (bool, int, float), np.asarray(like).dtype

    def result(self, groups: Any, result: Any, to: str, place: str, checked: bool) -> tuple[Any, str]:
        known = type(getattr(result, "dtype", None)) is type(self.dtype) and getattr(result, "loop", None) is groups.loop
        if not known or result.dtype != self.dtype or result.weak is not self.python or result.value.type.nullable:
            raise refusal("SW385", place, type=getattr(result, "what", type(result).__name__))
        return result.value, str(self.dtype)

    def scalar(self, given: Any) -> Any:
        python = type(given) in (bool, int, float)
        return given if python is self.python and np.asarray(given).dtype == self.dtype else object()


def _shape(state: Any, path: Path, leaves: list[tuple[Path, Any]], name: str) -> Any:
    """Replaces the state's numbers with Leafs and appends the numbers to `leaves`. Refuses (SW647) other states."""
    if type(state) in (bool, int, float) or isinstance(state, np.float64 | np.int64 | np.bool_):
        leaves.append((path, state))
        if len(leaves) <= _MOST_PARTS:
            return Leaf(len(leaves) - 1, type(state) in (bool, int, float))
    if type(state) in (tuple, list):
        return type(state)(_shape(part, (*path, (at, len(state))), leaves, name) for at, part in enumerate(state))
    if type(state) is dict and all(type(key) in (str, int) for key in state):
        return {key: _shape(part, (*path, (key, len(state))), leaves, name) for key, part in state.items()}
    raise refusal("SW647", name, function=name, what=f"its state does not consist of numbers but is a {type(state).__name__}")


__all__ = ["by_order", "compile_aggregate", "state_parts"]
