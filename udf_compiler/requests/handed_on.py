"""Keeps the results of calls that other calls of a request take as arguments.

Where a query keeps each of the columns `f(x)`, `g(f(x))` and `h(g(f(x)))`, Spark plans three calls, and the last one is a chain
of three functions. Without these results, a chain of n kept columns would trace n * n / 2 functions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparkweld.contract.decoding import encode
from sparkweld.contract.requests import Udf
from sparkweld.ir import LoopBuilder
from sparkweld.ir.ops import Read
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.requests.trace_cache import TracedCall

#: Kinds of Series without other values of their loop than the elements.
_KINDS = (NUMBERS, STRINGS, DATES)


class Identities:
    """Returns keys that are equal for calls of one function on the same arguments, regardless of their names in the plan.

    A key is a digest: nested JSON doubles its backslashes at each level, which exhausts memory in a chain of forty calls.
    """

    def __init__(self, blobs: Sequence[bytes]) -> None:
        self._blobs = blobs
        self._known: dict[int, tuple[Udf, str]] = {}  # by the call's id, which the call keeps from being reused
        self._functions: dict[int, str] = {}

    def of(self, udf: Udf) -> str:
        known = self._known.get(id(udf))
        if known is None:
            values = [(a.name, a.value) for a in udf.args]
            arguments = [[name, self.of(x) if isinstance(x, Udf) else encode(x)] for name, x in values]
            call = [self._function(udf.payload), udf.eval_type, udf.deterministic, encode(udf.return_type), arguments]
            known = self._known[id(udf)] = udf, hashlib.sha256(json.dumps(call).encode()).hexdigest()
        return known[1]

    def _function(self, payload: int) -> str:
        if payload not in self._functions:
            self._functions[payload] = hashlib.sha256(self._blobs[payload]).hexdigest()
        return self._functions[payload]


@dataclass(frozen=True, slots=True)
class HandedOn:
    """A Series that a call returned: its loop up to then, and what a Series of the same elements needs."""

    call: TracedCall
    dtype: Any
    kind: Any
    missing: Missing
    has_nat: bool
    nat_objects: bool

    @classmethod
    def of(
        cls, result: Any, loop: LoopBuilder, notes: Sequence[str], kept: Sequence[tuple[str, str]], exact: bool
    ) -> HandedOn | None:
        """Returns the record of a result that has all of `loop` below it; None for one that has more of the trace than values.

        Those are views, Series whose dtype depends on the batch, and results over other rows or whole columns.
        """
        if type(result) is not TracedSeries or result.loop is not loop or result.kind not in _KINDS:
            return None
        alone = loop.where is None and loop.parent is None and not loop.derived
        if result.shared or result.viewed or result.batch_dependent is not None or not alone:
            return None
        if loop.program.watched or loop.program.wholes:
            return None
        columns = tuple(dict.fromkeys(let.op.column for let in loop.body if isinstance(let.op, Read)))
        parts = tuple(loop.body), tuple(loop.guards), frozenset(loop.local), tuple(loop.some), (result.value.id,)
        call = TracedCall(columns, *parts, tuple(notes), tuple(kept), {}, exact)
        return cls(call, result._dtype, result.kind, result.missing, result.has_nat, result.nat_objects)

    def series(self, loop: LoopBuilder) -> TracedSeries:
        """Returns the Series in another loop, as the call would have returned it there."""
        (value,) = self.call.values(loop, self.call.columns)
        made = TracedSeries(loop, value, self.dtype, self.kind, missing=self.missing, has_nat=self.has_nat)
        made.nat_objects = self.nat_objects
        return made
