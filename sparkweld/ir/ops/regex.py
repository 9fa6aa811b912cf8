"""Regular expressions as tables of a deterministic automaton over the bytes of UTF-8. Frontends make the tables and prove them.

An automaton has states 0, 1, ...; state 0 is dead: it accepts nothing and no byte leaves it. It runs like this:

    state = start
    for each byte: state = transitions[state * number of classes + classes[byte]]

`accept[state]` has bit ACCEPT when what was read so far is a match, and bit ACCEPT_AT_END when it is one if the text ends here
(`$`, `\\Z`, a lookahead at the end). A frontend that cannot build such tables for a pattern refuses the pattern.

What each op asks of its tables:

- `RegexTest`: any automaton. The result is True as soon as a state has ACCEPT, or when the text ends in a state with either
  bit. So `re.match` wants the automaton of the pattern, `re.search` that of the pattern behind any text, and `re.fullmatch`
  that of the pattern with ACCEPT_AT_END only.
- `RegexSpan`, `RegexCount`, `RegexReplace`: the automaton of the pattern, anchored where it starts. A match is the longest text
  that the automaton accepts from the leftmost position at which it accepts any. The frontend proves that Python's backtracking
  gives that text: all repetitions are greedy and no alternative hides a longer one. The start state accepts nothing, so no
  match is empty; and a cycle of states that do not accept (dead states apart) is refused, because then every attempt ends a
  bounded number of bytes behind its last match, and time is linear in the text.
  `$` is no matter for these ops: a match that stops before a last newline is not the longest text. `\\Z` is.
- `RegexSpan` with `tags`: `tags[i]`, beside `transitions[i]`, says what the transition does to the group before it reads its
  byte: TAG_BEGIN sets the group's begin to the position of the byte, TAG_END its end. `final_tags[state]` does the same where
  a match ends in that state. The frontend proves that each text has one path only. A match whose path never began or never
  ended the group leaves the group unset: the result is then NULL, as that of no match.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.ops.base import Array, Op
from sparkweld.ir.ops.strings import column
from sparkweld.ir.types import BOOL, I64, STR, Type, encode

ACCEPT, ACCEPT_AT_END = 1, 2
TAG_BEGIN, TAG_END = 1, 2

#: Entries of a transition table. Larger automata are refused: they leave the second-level cache.
MAX_TRANSITIONS = 1 << 16


@dataclass(frozen=True, slots=True)
class Automaton:
    """Tables as the module describes them. `pattern` is for readers only."""

    pattern: str
    classes: tuple[int, ...]
    transitions: tuple[int, ...]
    accept: tuple[int, ...]
    start: int = 1

    @property
    def width(self) -> int:
        """Number of byte classes."""
        return max(self.classes) + 1

    def check(self) -> None:
        """Raises VerifyError for tables that are none."""
        states = len(self.accept)
        ok = len(self.classes) == 256 and min(self.classes) >= 0 and 1 <= states and 0 <= self.start < states
        ok = ok and len(self.transitions) == states * self.width <= MAX_TRANSITIONS
        ok = ok and all(0 <= t < states for t in self.transitions) and all(0 <= a <= 3 for a in self.accept)
        ok = ok and not any(self.transitions[: self.width]) and self.accept[0] == 0
        if not ok:
            raise VerifyError(f"the tables of {self.pattern!r} are no automaton")

    def check_spans(self) -> None:
        """Raises VerifyError when spans of matches would be empty or take more than linear time."""
        if self.accept[self.start]:
            raise VerifyError(f"{self.pattern!r} matches the empty string")
        if self._has_silent_cycle():
            raise VerifyError(f"{self.pattern!r} can read without end and without a match")

    def _has_silent_cycle(self) -> bool:
        silent = [state != 0 and not self.accept[state] & ACCEPT for state in range(len(self.accept))]
        waiting = [0] * len(self.accept)
        for state in range(len(self.accept)):
            for to in self._next(state):
                waiting[to] += silent[state] and silent[to]
        ready = [s for s in range(len(self.accept)) if silent[s] and not waiting[s]]
        left = sum(silent)
        while ready:
            state = ready.pop()
            left -= 1
            for to in self._next(state):
                if silent[to]:
                    waiting[to] -= 1
                    if not waiting[to]:
                        ready.append(to)
        return left > 0

    def _next(self, state: int) -> list[int]:
        return sorted(set(self.transitions[state * self.width : (state + 1) * self.width]))

    def run(self, data: bytes, start: int) -> Iterator[tuple[int, int, int]]:
        """(position behind the byte, state, index of the transition taken) for each byte from `start`, until dead."""
        state = self.start
        for at in range(start, len(data)):
            index = state * self.width + self.classes[data[at]]
            state = self.transitions[index]
            if state == 0:
                return
            yield at + 1, state, index

    def accepts_at(self, state: int, at_end: bool) -> bool:
        """Whether a text that ends in the state is a match."""
        return bool(self.accept[state] & (ACCEPT | ACCEPT_AT_END * at_end))

    def first_match(self, data: bytes, start: int) -> tuple[int, int] | None:
        """Begin and end of the leftmost longest match from position `start` on."""
        for begin in range(start, len(data)):
            ends = [at for at, state, _ in self.run(data, begin) if self.accepts_at(state, at == len(data))]
            if ends:
                return begin, ends[-1]
        return None

    def all_matches(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Matches from left to right that do not overlap."""
        found = self.first_match(data, 0)
        while found:
            yield found
            found = self.first_match(data, found[1])


@dataclass(frozen=True, slots=True)
class _RegexOp(Op):
    """What the ops share: the tables of an `Automaton`, and one string in."""

    pattern: str
    classes: tuple[int, ...]
    transitions: tuple[int, ...]
    accept: tuple[int, ...]
    start: int
    result: ClassVar[Type]

    @property
    def automaton(self) -> Automaton:
        """The tables."""
        return Automaton(self.pattern, self.classes, self.transitions, self.accept, self.start)

    def infer(self, *args: Type) -> Type:
        self._wants(args == (STR,), "one str", args)
        encode(self.pattern, STR)
        self.automaton.check()
        self._check()
        return self.result

    def _check(self) -> None:
        self.automaton.check_spans()

    def evaluate(self, *args: Array) -> Array:
        (x,) = args
        assert isinstance(x, np.ndarray)
        return column([self._row(s.encode()) for s in x.tolist()], self.result)

    def _row(self, data: bytes) -> object:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class RegexTest(_RegexOp):
    """Whether the text has a match, in the sense of the tables."""

    name: ClassVar[str] = "regex_test"
    result: ClassVar[Type] = BOOL

    def _check(self) -> None:
        """Any automaton will do."""

    def _row(self, data: bytes) -> bool:
        width, state = self.automaton.width, self.start
        for byte in data:
            if self.accept[state] & ACCEPT:
                return True
            state = self.transitions[state * width + self.classes[byte]]
        return self.accept[state] != 0


@dataclass(frozen=True, slots=True)
class RegexSpan(_RegexOp):
    """The text of the leftmost longest match, or of its group when there are tags; NULL when there is none.

    `anchored` tries the beginning of the text only (`re.match`).
    """

    tags: tuple[int, ...] = ()
    final_tags: tuple[int, ...] = ()
    anchored: bool = False
    name: ClassVar[str] = "regex_span"
    result: ClassVar[Type] = STR.optional()

    def _check(self) -> None:
        self.automaton.check_spans()
        sizes = {(len(self.tags), len(self.final_tags))}
        if not sizes <= {(0, 0), (len(self.transitions), len(self.accept))}:
            raise VerifyError(f"{self.pattern!r}: tags for all transitions and states, or none")
        if not all(0 <= t <= TAG_BEGIN | TAG_END for t in (*self.tags, *self.final_tags)):
            raise VerifyError(f"{self.pattern!r}: a tag is a sum of TAG_BEGIN and TAG_END")

    def _row(self, data: bytes) -> str | None:
        automaton = self.automaton
        found = automaton.first_match(data, 0)
        if found is None or (self.anchored and found[0] != 0):
            return None
        begin, end = self._group(data, *found) if self.tags else found
        return data[begin:end].decode() if 0 <= begin <= end else None

    def _group(self, data: bytes, start: int, stop: int) -> tuple[int, int]:
        begin = end = -1
        state = self.start
        for at, reached, index in self.automaton.run(data[:stop], start):
            tag, state = self.tags[index], reached
            begin = at - 1 if tag & TAG_BEGIN else begin
            end = at - 1 if tag & TAG_END else end
        tag = self.final_tags[state]
        return stop if tag & TAG_BEGIN else begin, stop if tag & TAG_END else end


@dataclass(frozen=True, slots=True)
class RegexCount(_RegexOp):
    """Number of matches from left to right that do not overlap."""

    name: ClassVar[str] = "regex_count"
    result: ClassVar[Type] = I64

    def _row(self, data: bytes) -> int:
        return sum(1 for _ in self.automaton.all_matches(data))


@dataclass(frozen=True, slots=True)
class RegexReplace(_RegexOp):
    """The text with the first `count` matches (all when it is -1) replaced by a literal."""

    replacement: str = ""
    count: int = -1
    name: ClassVar[str] = "regex_replace"
    result: ClassVar[Type] = STR

    def _check(self) -> None:
        self.automaton.check_spans()
        encode(self.replacement, STR)

    def _row(self, data: bytes) -> str:
        parts, at = [], 0
        for number, (begin, end) in enumerate(self.automaton.all_matches(data)):
            if number == self.count:
                break
            parts += [data[at:begin], self.replacement.encode()]
            at = end
        return b"".join([*parts, data[at:]]).decode()


def _digits(marked: str) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Tables of [0-9]+ (`marked` is "+") or of any text with a digit in it ("?")."""
    classes = tuple(int(48 <= byte <= 57) for byte in range(256))
    return (classes, (0, 0, 0, 2, 0, 2), (0, 0, ACCEPT)) if marked == "+" else (classes, (0, 0, 1, 2, 2, 2), (0, 0, ACCEPT))


def _tagged() -> tuple[tuple[int, ...], ...]:
    """Tables of a([0-9]*)b?: classes (other, digit, a, b), states (dead, start, behind a, behind b)."""
    classes = tuple(1 if 48 <= byte <= 57 else 2 if byte == 97 else 3 if byte == 98 else 0 for byte in range(256))
    transitions = (0, 0, 0, 0, 0, 0, 2, 0, 0, 3, 0, 4, 0, 3, 0, 4, 0, 0, 0, 0)
    tags = (0,) * 9 + (TAG_BEGIN, 0, TAG_BEGIN | TAG_END) + (0, 0, 0, TAG_END) + (0,) * 4
    return classes, transitions, (0, 0, ACCEPT, ACCEPT, ACCEPT), tags, (0, 0, TAG_BEGIN | TAG_END, TAG_END, 0)


def _at_end() -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Tables of a+$ without the multi-line rule: accepts where the text ends."""
    return tuple(int(byte == 97) for byte in range(256)), (0, 0, 0, 2, 0, 2), (0, 0, ACCEPT_AT_END)


_classes, _transitions, _accept, _tags, _final = _tagged()
RegexTest.examples = (
    (RegexTest("[0-9]", *_digits("?"), 1), (STR,)),
    (RegexTest("[0-9]+", *_digits("+"), 1), (STR,)),
    (RegexTest("a+$", *_at_end(), 1), (STR,)),
)
RegexSpan.examples = (
    (RegexSpan("[0-9]+", *_digits("+"), 1), (STR,)),
    (RegexSpan("[0-9]+", *_digits("+"), 1, anchored=True), (STR,)),
    (RegexSpan("a([0-9]*)b?", _classes, _transitions, _accept, 1, _tags, _final), (STR,)),
)
RegexCount.examples = ((RegexCount("[0-9]+", *_digits("+"), 1), (STR,)),)
RegexReplace.examples = (
    (RegexReplace("[0-9]+", *_digits("+"), 1, "#"), (STR,)),
    (RegexReplace("[0-9]+", *_digits("+"), 1, "", 1), (STR,)),
    (RegexReplace("a[0-9]*b?", _classes, _transitions, _accept, 1, "<é>"), (STR,)),
)

__all__ = [
    "ACCEPT", "ACCEPT_AT_END", "MAX_TRANSITIONS", "TAG_BEGIN", "TAG_END", "Automaton", "RegexCount", "RegexReplace", "RegexSpan",
    "RegexTest",
]  # fmt: skip
