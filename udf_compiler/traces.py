"""What the trace of a call gave, kept for the next request about it.

To plan a query the JVM asks several things about one call of a function: whether batches matter to it, what its filter implies,
which columns it reads, its program. Each is a request of its own, with other steps around the call and other numbers in the names
of its columns; to unpickle and trace the function, perhaps with a large model inside, is most of the work of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from udf_compiler.bounded import Bounded

if TYPE_CHECKING:
    from sparkweld.ir import LoopBuilder, Value
    from sparkweld.ir.program import Let

MAX_TRACES = 64
MAX_TRACED_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class TracedCall:
    """The loop of a call, which reads `columns` by their names in its own request, and the numbers of its results in it.

    `notes`, `kept`, `places`, `exact`: what the trace added to those of its `UdfTracer`. `modules`: of the user, which it needs.
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
        """The results in another loop, where the columns have other names; the guards join it."""
        from sparkweld.ir.ops import Read

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
        """Of the models in it."""
        from sparkweld.ir.ops import ModelOp

        blocks = {let.op.block for let in self.body if isinstance(let.op, ModelOp)}
        return sum(block.size for block in blocks)


Traces = Bounded[TracedCall]

_TRACES: ContextVar[Traces | None] = ContextVar("sparkweld_traces", default=None)


def traces() -> Traces | None:
    """The calls that were traced so far; None where nobody keeps them."""
    return _TRACES.get()


def no_traces() -> Traces:
    return Bounded(MAX_TRACES, MAX_TRACED_BYTES)


@contextmanager
def remembering(kept: Traces) -> Iterator[None]:
    """Requests inside of the block take traces from `kept`, and add theirs."""
    token = _TRACES.set(kept)
    try:
        yield
    finally:
        _TRACES.reset(token)
