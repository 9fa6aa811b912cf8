"""Caches traces of operators and ufuncs on numbers, by types and constants, and replays them on other columns.

Tracing a call takes far longer than emitting its operations. A trace that depends only on the columns' types is valid for all
columns of those types.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from sparkweld.errors import Refusal
from sparkweld.ir import Let, LoopBuilder, Value
from sparkweld.lazy_evaluation.definition import Definition, replaced
from sparkweld.pipelines import Capture
from udf_compiler.backends.worker_pipelines.black_boxes import dtype_of, kind_of, source_of, traced_like
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.dispatch import DISPATCH
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.tracing import session as tracing

#: A traced result, or a tuple of several, and the guards of this call alone.
Traced = tuple[Any, tuple[int, ...]]
#: Recipes of this process by key, None where the compiler refuses the call, and the limit on their number.
_known: dict[Hashable, Recipe | None] = {}
_KEPT = 4096


@dataclass(frozen=True)
class Recipe:
    """A recorded trace. Arguments of `steps` are numbers: below `operands`, of an operand; from there on, of an earlier step.

    `results`: number, and the dtype of a Series; None for an array. `several`: the result is a tuple.
    """

    operands: int
    steps: tuple[Let, ...]
    guards: tuple[int, ...]
    results: tuple[tuple[int, Any], ...]
    several: bool

    def repeated(self, loop: LoopBuilder, values: list[Value]) -> Traced:
        """Emits the steps on these values of the loop; the result equals that of tracing the call."""
        for step in self.steps:
            values.append(loop.emit(step.op, *[values[a] for a in step.args]))
        guards = tuple(values[g].id for g in self.guards)
        loop.guards += [g for g in dict.fromkeys(guards) if g not in loop.guards]
        made = tuple(
            TracedArray(loop, (values[at],)) if dtype is None else TracedSeries(loop, values[at], dtype)
            for at, dtype in self.results
        )
        return (made if self.several else made[0]), guards


def traced(
    key: Hashable | None, function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any], found: list[Definition]
) -> Traced | None:
    """Returns the traced result of a call and its guards; None, with the loop restored, when the compiler refuses the call.

    `key`: the cache key of an operator or ufunc on numbers; None for other calls. `found`: the arguments with rows.
    """
    loop, exact = found[0].loop, found[0].space.options.exact
    if key is not None and len(loop.body) < tracing.NODE_LIMIT:
        key = key, exact
        if key not in _known and len(_known) < _KEPT:
            _known[key] = _made(function, args, exact)
        recipe = _known.get(key)
        if recipe is not None:
            return recipe.repeated(loop, [source_of(d.traced) for d in found])
    given, named = replaced((args, kwargs), lambda d: d.traced)
    return _traced(loop, function, given, named, exact)


def _made(function: Callable[..., Any], args: Any, exact: bool) -> Recipe | None:
    """Returns the recipe of a call on numbers; None when the compiler refuses it or the result is not numeric."""
    capture = Capture("recipe")
    stand_ins: list[Any] = []
    for x in args:
        if type(x) is Definition:
            value = capture.input(f"in{len(stand_ins)}", source_of(x.traced).type)
            stand_ins.append(traced_like(x.traced, value, capture.root, capture.loop()))
    loop, remaining = capture.loop(), iter(stand_ins)
    given = tuple(next(remaining) if type(x) is Definition else x for x in args)
    made = _traced(loop, function, given, {}, exact)
    if made is None or loop.some or loop.derived:
        return None
    several = isinstance(made[0], tuple)
    results = []
    for result in made[0] if several else made[:1]:
        if type(result) is TracedArray and result.ndim == 1:
            results.append((source_of(result).id, None))
        elif type(result) is TracedSeries and kind_of(result) is NUMBERS and not result.has_nat:
            results.append((source_of(result).id, dtype_of(result)))
        else:
            return None
    return Recipe(len(stand_ins), tuple(loop.body[len(stand_ins) :]), made[1], tuple(results), several)


def _traced(loop: LoopBuilder, function: Callable[..., Any], args: Any, kwargs: Any, exact: bool) -> Traced | None:
    mark, earlier = loop.mark(), loop.guards
    loop.guards = []  # to collect also guards that an earlier call has emitted
    with tracing.running(tracing.Session(loop, exact, dispatch=DISPATCH)) as session:
        try:
            result = tracing.attempt(lambda: function(*args, **kwargs))
        except Exception:  # noqa: BLE001 - libraries may raise anything for symbolic arguments
            result = None
    own, loop.guards = tuple(loop.guards), earlier
    if session.refused is not None:
        tracing.without_frames(session.refused)
    is_exact = not exact or all(let.op.bound is None for let in loop.body[mark[0] :])
    if result is None or isinstance(result, Refusal) or session.refused is not None or not is_exact:
        loop.undo(mark)
        return None
    loop.guards += [guard for guard in own if guard not in earlier]
    return result, own
