"""Builds tables of the session time zone's offsets, from the two libraries with which a worker converts timestamps.

On input, Arrow computes the local times of a timestamp column (`pyarrow.compute.local_timestamp`), or pandas does (`tz_convert`).
On output, pandas computes UTC of a naive Series (`tz_localize(zone, ambiguous=False)`). The libraries disagree: pytz ends its
rules in 2037 and rounds the first offsets to minutes. So the tables come from sampling those very functions over the whole range
of int64 nanoseconds every six hours. Between two samples with different offsets, the change is located exactly. No zone has two
changes within six hours that cancel.

In a gap, when clocks are put forward, pandas raises: there is no offset. In a fold, it takes the later time, after the
change.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sparkweld.errors import InternalError
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Steps
from sparkweld.ir.types import I64
from sparkweld.reasons import refusal
from udf_compiler.process.context_variables import assigned

#: Represents the offset of a local time that does not exist.
GAP = int(np.iinfo(np.int64).min)

_MICROSECOND = 1000  # nanoseconds
_HOUR = 3600 * 10**6  # microseconds
_LIMIT = (2**63 - 1) // _MICROSECOND

_Offsets = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Zone:
    """Offsets from UTC in microseconds: `to_local` of Arrow, indexed by UTC, and `to_utc` of pandas, indexed by local time, with
    GAP where there is none.
    """

    name: str
    to_local: Steps
    to_utc: Steps

    def local(self, loop: LoopBuilder, microseconds: Value) -> Value:
        """Returns the local time of a time in UTC, by Arrow."""
        return loop.call("add", microseconds, _offset_at(loop, self.to_local, microseconds))

    def local_of_pandas(self, loop: LoopBuilder, microseconds: Value) -> Value:
        """Returns the local time of a time in UTC, by pandas."""
        return loop.call("add", microseconds, pandas_zone(self.name).local_offset(loop, microseconds))

    def utc(self, loop: LoopBuilder, microseconds: Value) -> Value:
        """Returns the UTC of a local time; one that does not exist is flagged."""
        offset = _offset_at(loop, self.to_utc, microseconds)
        if str(GAP) in self.to_utc.values:
            loop.guard(loop.call("not_equal", offset, loop.const(GAP, I64)), local=True)
        return loop.call("subtract", microseconds, offset)


_ZONE: ContextVar[str | None] = ContextVar("sparkweld_session_zone", default=None)


def session_zone(name: str | None) -> AbstractContextManager[object]:
    """Sets `name` as the zone of timestamps converted inside the block."""
    return assigned(_ZONE, name)


def current_zone() -> Zone:
    """Returns the session's zone. Refuses (SW240) a zone unless both libraries of this interpreter know it."""
    name = _ZONE.get()
    if name is None:
        raise InternalError("a timestamp is converted outside of a session")
    return zone(name)


@lru_cache(maxsize=16)
def zone(name: str) -> Zone:
    """Returns the tables of a zone. Refuses (SW240) a name that Arrow or pandas does not know."""
    try:
        return Zone(name, _steps(_arrow_offsets(name)), _steps(_pandas_offsets(name)))
    except Exception as error:  # noqa: BLE001 - each library has errors of its own for unknown names
        raise refusal("SW240", zone=name, error=f"{type(error).__name__}: {error}") from None


@dataclass(frozen=True, slots=True)
class PandasZone:
    """Offsets as in pandas for Series with a time zone: GAP for local times that do not exist or are ambiguous."""

    to_local: Steps
    to_utc: Steps
    gap: ClassVar[int] = GAP

    @property
    def has_gaps(self) -> bool:
        """Whether some local time does not exist or is ambiguous."""
        return str(GAP) in self.to_utc.values

    def local_offset(self, loop: LoopBuilder, microseconds: Value) -> Value:
        """Returns the offset of a time in UTC, in microseconds."""
        return _offset_at(loop, self.to_local, microseconds)

    def utc_offset(self, loop: LoopBuilder, microseconds: Value) -> Value:
        """Returns the offset of a local time, in microseconds."""
        return _offset_at(loop, self.to_utc, microseconds)


@lru_cache(maxsize=16)
def pandas_zone(name: str) -> PandasZone:
    """Returns the tables of a Series' zone. Refuses (SW240) a name that pandas does not know."""
    try:
        return PandasZone(_steps(_converted_offsets(name)), _steps(_pandas_offsets(name, "NaT")))
    except Exception as error:  # noqa: BLE001 - pandas asks several libraries, each with errors of its own
        raise refusal("SW240", zone=name, error=f"{type(error).__name__}: {error}") from None


def _offset_at(loop: LoopBuilder, steps: Steps, microseconds: Value) -> Value:
    if not steps.bounds:
        return loop.const(int(steps.values[0]), I64)
    return loop.emit(steps, microseconds)


def _converted_offsets(name: str) -> _Offsets:
    def offsets(microseconds: np.ndarray) -> np.ndarray:
        utc = pd.Series(microseconds.view("M8[us]")).dt.tz_localize("UTC")
        local = utc.dt.tz_convert(name).dt.tz_localize(None)
        return local.to_numpy().astype("M8[us]").view(np.int64) - microseconds  # type: ignore[no-any-return]

    return offsets


def _arrow_offsets(name: str) -> _Offsets:
    def offsets(microseconds: np.ndarray) -> np.ndarray:
        local = pc.local_timestamp(pa.array(microseconds).cast(pa.timestamp("us", tz=name)))
        return local.cast(pa.int64()).to_numpy() - microseconds

    return offsets


def _pandas_offsets(name: str, ambiguous: Any = False) -> _Offsets:
    def offsets(microseconds: np.ndarray) -> np.ndarray:
        naive = pd.Series(microseconds.view("M8[us]"))
        utc = naive.dt.tz_localize(name, ambiguous=ambiguous, nonexistent="NaT").dt.tz_convert("UTC").dt.tz_localize(None)
        return np.where(utc.isna(), GAP, microseconds - utc.to_numpy().astype("M8[us]").view(np.int64))

    return offsets


def _steps(offsets: _Offsets) -> Steps:
    """Returns where the offset changes, to the microsecond, and its values before, between and after."""
    ends = 48 * _HOUR  # local times of the last nanoseconds are at most this far outside
    grid = np.arange(-_LIMIT - ends, _LIMIT + ends, 6 * _HOUR)
    found = offsets(grid)
    at = np.flatnonzero(found[1:] != found[:-1])
    low, high, before, after = grid[at], grid[at + 1], found[at], found[at + 1]
    left = _first(low, high, lambda x: offsets(x) != before)  # the first time with another offset, possibly that of a gap
    right = _first(left - 1, high, lambda x: offsets(x) == after)
    between = offsets(left)
    bounds: list[int] = []
    values = [int(found[0])]
    for first, second, gap, end in zip(left, right, between, after, strict=True):
        if gap != end:
            bounds.append(int(first))
            values.append(int(gap))
        bounds.append(int(second))
        values.append(int(end))
    return Steps.of(bounds, values, I64, I64)


def _first(low: np.ndarray, high: np.ndarray, holds: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Returns the first integers above `low` for which the condition holds; it holds at `high`, not at `low`."""
    low, high = low.copy(), high.copy()
    while np.any(high - low > 1):
        middle = low + (high - low) // 2
        yes = holds(middle)
        high, low = np.where(yes, middle, high), np.where(yes, low, middle)
    return high
