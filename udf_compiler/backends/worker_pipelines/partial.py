"""Compiles the aggregate UDFs of one node to two mapInArrow functions: states before the shuffle, results after it.

Each function must itself be annotated with a mergeable result (`Merge`, `Merged`). Then the result of a group follows from the
states of its chunks, however its rows are partitioned. States are computed where the rows are.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparkweld.annotations import Annotation, annotation_of
from sparkweld.annotations.errors import DomainError
from sparkweld.annotations.split_types import Matrix, Merge, Merged, Mutated, Rows
from sparkweld.contract.constants import GROUPED_AGG_PANDAS
from sparkweld.contract.expressions import Expression
from sparkweld.contract.replies import AggregateReply, PartialReply
from sparkweld.contract.requests import PartialRequest, Udf
from sparkweld.errors import Refusal
from sparkweld.reasons import refusal
from sparkweld.worker import grouping, segmented
from udf_compiler.backends.worker_pipelines.native_states import by_order, state_parts
from udf_compiler.backends.worker_pipelines.payload import by_value
from udf_compiler.boundary.series import check_confs, check_safely
from udf_compiler.function.environment import broadcasts, module_path
from udf_compiler.function.options import options_of
from udf_compiler.function.payload import load_command
from udf_compiler.process.spark_line import check_worker_conversions

#: Spark type -> the dtype of a Series without NULLs.
_DTYPES = {
    "byte": "int8", "short": "int16", "integer": "int32", "long": "int64", "float": "float32", "double": "float64",
    "boolean": "bool", "string": "str",
}  # fmt: skip
_TURN = ("byte", "short", "integer", "long", "boolean")
#: The limit on columns whose dtype depends on NULLs: each doubles the states of a chunk.
_MOST_TURNS = 2
#: Spark type names that results may have.
_RESULTS = ("tinyint", "smallint", "int", "bigint", "float", "double", "boolean", "string", "binary")


def compile_partial(request: PartialRequest, blobs: Sequence[bytes]) -> PartialReply:
    """Returns the reply to a request of one python step whose UDFs take, in order, the columns after `keys` keys.

    It holds the payloads `before` and `after` the shuffle (hexadecimal), `kept`, and explain's entries.
    """
    entries = request.udf_entries
    keys, zone = request.keys, request.conf.timezone
    with module_path(request.python), broadcasts(()):
        parts, annotations = [], []
        column = 0
        for entry in entries:
            check_confs(request.conf.pandas, entry.name)
            part, annotation = _part(entry.udf, entry.name, blobs, column)
            check_safely(request.conf.pandas, entry.name)
            parts.append(part)
            annotations.append(annotation)
            column += len(part.columns)
        kept = [(a.name, a.returns.rtol) for a in annotations if isinstance(a.returns, Merge) and a.returns.rtol]
        if kept and request.conf.exact:
            raise refusal("SW232", entries[0].name, op=kept[0][0], bound=f"{kept[0][1]:g} relative, by its annotation")
        elements, finish = _native(request, annotations, [part.return_type for part in parts])
        return PartialReply(
            before=by_value(grouping.partial_states(keys, tuple(parts)), grouping, segmented).hex(),
            after=by_value(grouping.final_results(keys, tuple(parts), zone), grouping, segmented).hex(),
            kept=tuple(entry for a in annotations for entry in by_order(a)),
            parts=elements,
            finish=finish,
        )


def _native(
    request: PartialRequest, annotations: list[Annotation], return_types: list[Any]
) -> tuple[tuple[tuple[AggregateReply, ...], ...], str | None]:
    """Returns the replies for the elements of each function's state, and the payload that computes the results.

    Returns no replies and None when Spark cannot aggregate all of them.
    """
    parts: list[tuple[AggregateReply, ...]] = []
    finished: list[grouping.Finished] = []
    for entry, annotation in zip(request.udf_entries, annotations, strict=True):
        try:
            shape, replies = state_parts(request, entry, annotation)
        except Refusal:
            return (), None
        last = annotation.returns.finish if isinstance(annotation.returns, Merged) else None
        finished.append(grouping.Finished(shape, len(replies), last, return_types[len(parts)]))
        parts.append(replies)
    finish = grouping.results_of_states(request.keys, tuple(finished), request.conf.timezone)
    return tuple(parts), by_value(finish, grouping, segmented).hex()


def _part(udf: Udf, name: str, blobs: Sequence[bytes], column: int) -> tuple[grouping.Part, Annotation]:
    """Returns the aggregate whose first argument is column `column`. Refuses SW386, SW207, SW700, SW647, SW648 and SW114."""
    if udf.eval_type != GROUPED_AGG_PANDAS:
        raise refusal("SW386", name, eval_type=udf.eval_type)
    if not udf.deterministic:
        raise refusal("SW207", name)
    if udf.broadcasts:
        raise _no(name, "it reads broadcast variables")
    command = load_command(blobs[udf.payload])
    if options_of(command.function).backend == "python":
        raise refusal("SW700", name)
    annotation = annotation_of(command.function)
    if annotation is None or not isinstance(annotation.returns, Merge):
        raise refusal("SW648", name, function=name)
    check_worker_conversions(name)  # after SW648: a recorded reason hides why no kernel aggregates
    if udf.inner:
        raise refusal("SW206", name, eval_type=udf.inner[0].eval_type)
    arguments = [(argument.name, expr) for argument, expr in zip(udf.args, udf.expressions, strict=True)]
    _check_arguments(annotation, arguments, name)
    if command.return_type.simpleString() not in _RESULTS:
        raise _no(name, f"it returns a {command.return_type.simpleString()}")
    turns = frozenset(column + i for i, (_, expr) in enumerate(arguments) if expr.type in _TURN and expr.nullable)
    if len(turns) > _MOST_TURNS:
        raise _no(name, f"{len(turns)} of its integer and boolean columns may hold NULL, and at most {_MOST_TURNS} may")
    returns = annotation.returns
    state, finish = annotation.function, None
    if isinstance(returns, Merged):
        state, finish = returns.state or annotation.function, returns.finish
    _check_state(annotation, state, name)
    columns = tuple((column + i, keyword) for i, (keyword, _) in enumerate(arguments))
    function, of = annotation.function, command.return_type
    return grouping.Part(state, returns.function, finish, columns, turns, of, function, returns.rtol), annotation


def _check_arguments(annotation: Annotation, arguments: list[tuple[str | None, Expression]], name: str) -> None:
    """Refuses (SW647) columns of types other than the annotation's."""
    by_position = [expr for keyword, expr in arguments if keyword is None]
    by_name = {keyword: expr for keyword, expr in arguments if keyword is not None}
    try:
        typed = annotation.typed(by_position, by_name)
    except DomainError as error:
        raise _no(name, str(error)) from None
    for argument, split_type, expr in typed:
        if type(split_type) is not Rows or isinstance(split_type, Mutated | Matrix) or split_type.container != "series":
            raise _no(name, f"{argument} is not annotated as Rows of a Series")
        if _DTYPES.get(expr.type) != split_type.dtype:
            raise _no(name, f"{argument} is a {expr.type}, and annotated as {split_type.dtype}")
    if annotation.elementwise or len({split_type.domain for _, split_type, _ in typed}) != 1:
        raise _no(name, "its arguments are not rows of one domain")


def _check_state(annotation: Annotation, state: Callable[..., Any], name: str) -> None:
    """Refuses (SW647) a state that does not survive the shuffle: two states of synthetic rows are pickled, read and merged."""
    rng = np.random.default_rng(0)
    args = tuple(t.example(rng, 3) for t in annotation.args)
    try:
        pieces = [pickle.loads(pickle.dumps(state(*args), pickle.HIGHEST_PROTOCOL)) for _ in range(2)]
        annotation.returns.merge(pieces)
    except Exception as error:  # noqa: BLE001 - user code, and pickles of arbitrary values
        raise _no(name, f"states of synthetic rows: {type(error).__name__}: {error}") from None


def _no(name: str, what: str) -> Exception:
    return refusal("SW647", name, function=name, what=what)
