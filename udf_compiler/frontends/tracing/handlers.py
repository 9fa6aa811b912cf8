"""Finds handlers of exceptions that protect code of whole columns, and those that only protect the body of a loop over rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import CodeType, FrameType

from sparkweld.errors import Refusal
from udf_compiler.frontends.tracing.exception_ranges import exception_ranges


@dataclass(slots=True)
class Handlers:
    """The code called for whole columns in which a handler may end an exception, with its refusal.

    A handler is exposed if code that it protects runs outside of an exploration of single rows. It may then catch the exception
    of any row. In the body of a loop over rows, it catches those of its own row.
    """

    _refusals: dict[CodeType, Refusal] = field(default_factory=dict)
    _calls: Counter[CodeType] = field(default_factory=Counter)
    _watched: set[CodeType] = field(default_factory=set)
    _exposed: set[CodeType] = field(default_factory=set)

    def add(self, code: CodeType, error: Refusal) -> None:
        """Notes a call of such code."""
        self._refusals.setdefault(code, error)
        self._calls[code] += 1

    def watch(self, frame: FrameType, event: str, exploring: bool) -> None:
        """Receives the events of a frame from a trace function: its call, then lines, and from then on also instructions."""
        code = frame.f_code
        if event == "call":
            self._calls[code] -= not exploring
        if event == "call" or code not in self._refusals:
            return
        if event != "opcode":
            frame.f_trace_opcodes = True
            return
        self._watched.add(code)
        if not exploring and is_protected(frame):
            self._exposed.add(code)

    def refusal(self) -> Refusal | None:
        """Returns the refusal of an exposed handler, or of one whose instructions were not all seen; None if there is none."""
        for code, error in self._refusals.items():
            if code in self._exposed or code not in self._watched or self._calls[code] != 0:
                return error
        return None


def is_protected(frame: FrameType) -> bool:
    """Whether an exception of the instruction that a frame executes reaches a handler in its code."""
    return any(r.handles and r.start <= frame.f_lasti < r.end for r in exception_ranges(frame.f_code))
