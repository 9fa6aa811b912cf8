"""Reduces a function over an iterator of batches to its result for one batch, after a proof that it treats all batches equally.

The function runs over two symbolic batches. It must alternately take one batch and yield one result, twice, and then end.
The second trace must equal the first, and the state that it carries between batches must be the same after both (see
`udf_compiler.eval_types.state`). By induction, it treats all later batches in the same way. Without any batch it must yield
nothing, since an empty partition has none.

Where NULLs decide the dtypes of a batch, the two batches represent only batches of the same dtypes. The carried state must
then be the same before the first batch as well: a state that no batch changes holds nothing about dtypes. Variables without
a value yet are exempt: the first batch has shown that they are assigned before they are read.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sparkweld.errors import VerifyError
from sparkweld.ir import LoopBuilder, Value
from sparkweld.reasons import refusal
from udf_compiler.eval_types.kind import Call
from udf_compiler.eval_types.state import Frames, Picture
from udf_compiler.frontends.pandas.frame import is_frame
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.frames import instruction
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Compound, Traced, moved, raw

_BATCHES = 2


class Batches(StandIn):
    """The iterator that the function receives: `arguments` are the batches, each with the loop that its values join.

    A `for` may consume it, or one `map` that a snapshot of the function's state contains. Inside `zip` or `enumerate` it
    would be combined with counters that no snapshot contains. `states`: with `watched`, the state that the function carries
    to each batch.
    """

    __slots__ = ("_arguments", "_loops", "_place", "_watched", "ended", "given", "mapped", "states")
    what = "iterator of batches"
    stands_for = types.GeneratorType
    exact = False

    def __init__(self, arguments: Sequence[Any], loops: Sequence[LoopBuilder], place: str, watched: bool = False) -> None:
        self._arguments, self._loops, self._place, self._watched = arguments, loops, place, watched
        self.states: list[Frames] = []
        self.given = 0
        self.ended = False
        self.mapped = False

    def __iter__(self) -> Iterator[Any]:
        if self.given or self.ended:
            refuse("SW360", at=self._place, what="consumes the iterator a second time")
        self.mapped = self.mapped or not _caller_runs("GET_ITER")
        return self

    def __next__(self) -> Any:
        if not _caller_runs("FOR_ITER") and not self.mapped:
            refuse("SW360", at=self._place, what="reads batches other than by a for loop or map")
        if self._watched:
            names = [variables for _, _, variables in self.states[0]] if self.states else ()
            self.states.append(Picture(self, self._place).of_frames(sys._getframe(1), sys.modules[__name__], names))
        if self.given == len(self._arguments):
            self.ended = True
            raise StopIteration
        current().loop = self._loops[self.given]
        self.given += 1
        return self._arguments[self.given - 1]


def _caller_runs(name: str) -> bool:
    """Whether the frame above the caller is at this instruction."""
    frame = sys._getframe(2)
    return instruction(frame.f_code, frame.f_lasti) == name


def per_batch(function: Callable[[Any], Any], arguments: Any, loop: LoopBuilder, place: str, steady: bool) -> Any:
    """Returns the result that `function`, which takes an iterator, yields for the batch `arguments` of `loop`.

    Runs inside a trace.

    Refuses SW360 (other than one result per batch) and SW361 (state that changes between batches). With `steady`, also
    refuses SW651 (state that the first batch changes).
    """
    _nothing(function, loop, place)
    second = loop.copy()
    # copies, as the function may assign columns, and runs again for each path of a loop over rows
    batches = Batches([moved(arguments, loop), moved(arguments, second)], [loop, second], place, steady)
    outputs = _started(function, batches, place)
    before = Picture(batches, place).of_iterator(outputs, "the iterator") if type(outputs) is map else None
    results, pictures, takers, yielded = [], [], [], []
    for number in range(1, _BATCHES + 1):
        results.append(_next(outputs, place))
        yielded.append(_contents_of(results[-1]))
        if batches.given != number:
            refuse("SW360", at=place, what=f"has read {batches.given} batches when it yields result {number}")
        takers.append(Picture(batches, place))
        pictures.append(takers[-1].of_iterator(outputs, "the iterator"))
    if not _ends(outputs) or not batches.ended:
        refuse("SW360", at=place, what="does not end after it has returned one result for each batch")
    if any(_contents_of(result) != known for result, known in zip(results, yielded, strict=True)):
        refuse("SW360", at=place, what="changes a result after it has yielded it")
    if batches.mapped and not all(taker.sees_map for taker in takers):
        refuse("SW360", at=place, what="passes the iterator to a function other than map")
    if pictures[0] != pictures[1]:
        refuse("SW361", at=place, name=_changed(*pictures), type="value that changes")
    if steady:
        _refuse_changes(batches.states, place)
        if before not in (None, pictures[0]) or before is None and takers[0].sees_map:
            refuse("SW651", at=place, name="the function of a map")
    if contents(loop) != contents(second) or not alike(results[0], results[1], loop, second):
        refuse("SW361", at=place, name="something", type="value that changes")
    return results[0]


def _contents_of(result: Any) -> list[Any]:
    """Returns the columns of a result and their values, in the order of the columns."""
    if is_frame(result):
        return [(name, *_contents_of(series)) for name, series in result.series.items()]
    value = getattr(result, "value", result)
    return [value.id if isinstance(value, Value) else id(value), id(getattr(result, "loop", None))]


def mapped(call: Call, batch: Any, kind: type[Any]) -> Any:
    """Returns the result of an iterator function for one batch: a `kind` instance with all or some of the batch's rows.

    Refuses SW106 (anything else) and SW365 (a guard of a row that is not kept).
    """
    steady = call.dtypes_by_nulls
    result = call.traced(lambda: per_batch(call.prepared.function, batch, call.loop, call.place, steady))
    if not isinstance(result, kind):
        raise refusal("SW106", call.place, what=raw(result))
    if call.loop.lacks_guards(result.loop):
        raise refusal("SW365", call.place)
    return result


def one_result(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Converts an iterator function to a function of one batch."""
    return lambda batch: list(function(iter([batch])))[0]


def _nothing(function: Callable[[Any], Any], loop: LoopBuilder, place: str) -> None:
    if not _ends(_started(function, Batches([], [loop], place), place)):
        refuse("SW360", at=place, what="yields a result without a batch")


def _started(function: Callable[[Any], Any], batches: Batches, place: str) -> Any:
    outputs = as_python(function, batches)
    if not isinstance(outputs, Iterator):
        refuse("SW360", at=place, what=f"returns a {type(outputs).__name__}, not an iterator")
    return outputs


def _next(outputs: Iterator[Any], place: str) -> Any:
    try:
        return next(outputs)
    except StopIteration:
        refuse("SW360", at=place, what="yields fewer results than it reads batches")
    except VerifyError:  # an expression combines values of two batches
        refuse("SW361", at=place, name="a column", type="value of an earlier batch")


def _ends(outputs: Iterator[Any]) -> bool:
    try:
        next(outputs)
    except StopIteration:
        return True
    return False


def _refuse_changes(states: Sequence[Frames], place: str) -> None:
    """Refuses (SW651) variables that differ, before some batch, from their value before the first one."""
    for state in states[1:]:
        if [frame[:2] for frame in state] != [frame[:2] for frame in states[0]]:
            refuse("SW651", at=place, name="the way to the next batch")
        for (_, _, first), (_, _, later) in zip(states[0], state, strict=True):
            for name, picture in first.items():
                if later.get(name) != picture:
                    refuse("SW651", at=place, name=name)


def _changed(before: Any, after: Any) -> str:
    """Returns the name of the first local variable of the function itself that differs."""
    variables = zip(before[-1], after[-1], strict=False) if before[0] == after[0] == "generator" else ()
    return next((name for (name, a), (_, b) in variables if a != b), "a variable")


def alike(a: Any, b: Any, first: LoopBuilder, second: LoopBuilder) -> bool:
    """Whether two results are equal up to their loops: `first` and `second`, or loops derived from them."""
    if isinstance(a, LoopBuilder):
        return isinstance(b, LoopBuilder) and _alike_loops(a, b, first, second)
    if type(a) is not type(b):
        return False
    if isinstance(a, Value):
        return a.id == b.id and _alike_loops(a.loop, b.loop, first, second)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(alike(x, y, first, second) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[name], b[name], first, second) for name in a)
    if isinstance(a, Compound):
        return alike(a.by_name(), b.by_name(), first, second)
    if isinstance(a, Traced):
        slots: tuple[str, ...] = type(a).__slots__
        parts = ((object.__getattribute__(a, s), object.__getattribute__(b, s)) for s in slots if s not in ("shared", "viewed"))
        return all(alike(x, y, first, second) for x, y in parts)
    return bool(a == b)


def _alike_loops(a: LoopBuilder, b: LoopBuilder, first: LoopBuilder, second: LoopBuilder) -> bool:
    if a is first or b is second:
        return a is first and b is second
    if a.parent is None or b.parent is None or not _alike_loops(a.parent, b.parent, first, second):
        return False
    return contents(a) == contents(b)


def contents(loop: LoopBuilder) -> tuple[Any, ...]:
    return loop.body, loop.guards, loop.some, loop.numbered, None if loop.where is None else loop.where.id
