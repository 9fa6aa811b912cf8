"""Caches the traces of calls for later requests about them.

To plan a query, the JVM sends several requests about one call of a function. They ask whether batches matter to it, which
bounds its filter implies, which columns it reads, and for its program. Each has other steps around the call and other numbers
in the names of its columns. Unpickling and tracing the function, perhaps with a large model inside, is most of the work of
each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from udf_compiler.process.context_variables import assigned
from udf_compiler.process.lru_cache import Bounded

if TYPE_CHECKING:
    from sparkweld.ir import LoopBuilder, Value
    from sparkweld.ir.ops.base import Let

#: The calls of a few wide queries.
MAX_TRACES = 256
MAX_TRACED_BYTES = 384 << 20


@dataclass(frozen=True, slots=True)
class TracedCall:
    """The loop of a call, which reads `columns` by their names in its own request, and the indices of its results.

    `notes`, `kept`, `places`, `exact`: the trace's additions to those of its `UdfTracer`. `modules`: the user modules that
    it needs.
    """

    columns: tuple[str, ...]
    body: tuple[Let, ...]
    guards: tuple[int, ...]
    local: frozenset[int]
    some: tuple[tuple[int, int], ...]
    results: tuple[int, ...]
    notes: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]
    places: Mapping[str, str]
    exact: bool
    modules: frozenset[str] = frozenset()

    def values(self, loop: LoopBuilder, columns: Sequence[str]) -> list[Value]:
        """Returns the results in another loop, where the columns have other names; the guards join it."""
        from sparkweld.ir.ops import Read  # after the hello: see WarmUp of the service

        names = dict(zip(self.columns, columns, strict=True))
        made: list[Value] = []
        for let in self.body:
            if isinstance(let.op, Read):
                made.append(loop.read(names[let.op.column]))
            else:
                made.append(loop.emit(let.op, *(made[a] for a in let.args)))
        loop.guards += [made[guard].id for guard in self.guards]
        loop.local |= {made[guard].id for guard in self.local}
        loop.some += [(made[among].id, made[wanted].id) for among, wanted in self.some]
        return [made[result] for result in self.results]

    @property
    def bytes(self) -> int:
        """Returns the size of its models in bytes."""
        from sparkweld.ir.ops import ModelOp  # after the hello

        blocks = {let.op.block for let in self.body if isinstance(let.op, ModelOp)}
        return sum(block.size for block in blocks)


Traces = Bounded[TracedCall]

_TRACES: ContextVar[Traces | None] = ContextVar("sparkweld_traces", default=None)


def traces() -> Traces | None:
    """Returns the cache of traced calls; None outside `remembering`."""
    return _TRACES.get()


def no_traces() -> Traces:
    return Bounded(MAX_TRACES, MAX_TRACED_BYTES)


def remembering(kept: Traces) -> AbstractContextManager[object]:
    """Makes requests inside the block use the traces in `kept`, and add their own."""
    return assigned(_TRACES, kept)
