"""Defines the automata that regular expressions compile to; one loop runs them in time linear in the string.

An automaton reads the code points of a string from a position on and then, once, the symbol END. Each code point belongs to a
class. (state, class) determines the next state and an action: moves between registers, which hold positions, and whether a match
is found. State 0 ends the run. The match is the one that the last accepting action wrote to the first registers.

This is a tagged DFA (Laurikari, 2000) whose states keep their threads in order of priority. So among all matches it finds the
one that a backtracking engine finds first: leftmost, then by the order of alternatives.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from sparkweld.errors import VerifyError

#: Sources of a move other than a register: the position before the symbol that is read; and "not set".
POSITION, UNSET = -1, -2

_LAST_CODE_POINT = 0x10FFFF


@dataclass(frozen=True)
class Automaton:
    """The tables of an automaton. `symbols` classes are numbered from 0; the symbol END has the number `symbols`.

    `bounds`: ascending code points, the first 0; those from ``bounds[i]`` up to the next bound are of class ``classes[i]``.
    `targets`, `acts`: row-major, one row a state, ``symbols + 1`` entries; `acts` are indices into `actions`, where number 0
    does nothing. An action is (1 if it accepts else 0, to, from, to, from, ...): moves in order, `from` a register, POSITION or
    UNSET. `start`: the first state at the beginning of the string; ``after[c]``: the first state at a position after a code
    point of class c. Registers 2g and 2g + 1 hold begin and end of the match's group g of `groups` (0: the match itself). There
    are no groups when only the existence of a match is requested.
    """

    bounds: tuple[int, ...]
    classes: tuple[int, ...]
    targets: tuple[int, ...]
    acts: tuple[int, ...]
    actions: tuple[tuple[int, ...], ...]
    start: int
    after: tuple[int, ...]
    groups: int
    registers: int

    @property
    def symbols(self) -> int:
        """The number of classes, which is also the number of the symbol END."""
        return len(self.after)

    @property
    def states(self) -> int:
        return len(self.targets) // (self.symbols + 1)

    def class_of(self, code_point: int) -> int:
        return self.classes[bisect_right(self.bounds, code_point) - 1]

    def find(self, text: str, position: int = 0) -> list[int] | None:
        """Finds the first match at or after `position`; returns begin and end of each group, in code points, or None.

        Begin and end are -1 for a group that took no part.
        """
        return self.search(text, position)[0]

    def search(self, text: str, position: int = 0) -> tuple[list[int] | None, int]:
        """Returns (the result of `find`, the position up to which it had to read)."""
        state = self.start if position == 0 else self.after[self.class_of(ord(text[position - 1]))]
        registers = [UNSET] * self.registers
        found = False
        while state:
            symbol = self.class_of(ord(text[position])) if position < len(text) else self.symbols
            at = state * (self.symbols + 1) + symbol
            accepts, *moves = self.actions[self.acts[at]]
            for to, source in zip(moves[::2], moves[1::2], strict=True):
                registers[to] = position if source == POSITION else UNSET if source == UNSET else registers[source]
            found = found or bool(accepts)
            state = self.targets[at]
            position += 1
        groups = [max(r, -1) for r in registers[: 2 * self.groups]] if found else None
        return groups, min(position, len(text))

    def check(self) -> Automaton:
        """Returns the automaton itself.

        Raises VerifyError when an index is outside of its table, or a string could be read past END.
        """
        width = self.symbols + 1
        ok = len(self.targets) == len(self.acts) and len(self.targets) % width == 0 and self.states > 0
        ok = ok and all(0 <= t < self.states for t in (*self.targets, self.start, *self.after))
        ok = ok and all(t == 0 for t in self.targets[self.symbols :: width]) and all(t == 0 for t in self.targets[:width])
        ok = ok and all(0 <= a < len(self.actions) for a in self.acts) and self.actions[:1] == ((0,),)
        ok = ok and all(0 <= c < self.symbols for c in self.classes) and len(self.classes) == len(self.bounds)
        pairs = zip(self.bounds, self.bounds[1:], strict=False)
        ok = ok and self.bounds[:1] == (0,) and all(a < b <= _LAST_CODE_POINT for a, b in pairs)
        ok = ok and all(len(a) % 2 == 1 and a[0] in (0, 1) for a in self.actions)
        ok = ok and all(0 <= to < self.registers for a in self.actions for to in a[1::2])
        ok = ok and all(UNSET <= source < self.registers for a in self.actions for source in a[2::2])
        if not ok or 2 * self.groups > self.registers:
            raise VerifyError("the tables of the automaton are inconsistent")
        return self

    def without_groups(self) -> Automaton:
        """Returns the smallest automaton that only tests whether there is a match; it ends at the first accepting action."""
        accepts = [self.actions[a][0] for a in self.acts]
        targets = tuple(0 if accepts[at] else target for at, target in enumerate(self.targets))
        made = replace(self, targets=targets, acts=tuple(accepts), actions=((0,), (1,)), groups=0, registers=0)
        return minimised(made)

    def encode(self) -> str:
        """Returns a compact text form, from which `decode` restores an equal automaton."""
        return json.dumps(asdict(self), separators=(",", ":"))


@lru_cache(maxsize=256)
def decode(text: str) -> Automaton:
    """Returns the checked automaton of a text form. Raises VerifyError."""
    try:
        fields = {name: _tuples(value) for name, value in json.loads(text).items()}
        return Automaton(**fields).check()
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise VerifyError(f"invalid automaton: {error}") from None


def _tuples(value: object) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def minimised(automaton: Automaton) -> Automaton:
    """Merges states that no string distinguishes (Moore's partition refinement), and drops those that no string reaches.

    State 0 remains state 0.
    """
    width = automaton.symbols + 1
    targets = [automaton.targets[at : at + width] for at in range(0, len(automaton.targets), width)]
    acts = [automaton.acts[at : at + width] for at in range(0, len(automaton.acts), width)]
    states = _reached(targets, (0, automaton.start, *automaton.after))
    block = _numbered({s: (s == 0, acts[s]) for s in states})
    while True:
        finer = _numbered({s: (block[s], tuple(block[t] for t in targets[s])) for s in states})
        if max(finer.values()) == max(block.values()):
            break
        block = finer
    first = {block[s]: s for s in reversed(states)}
    order = [first[b] for b in range(len(first))]
    return replace(
        automaton,
        targets=tuple(block[t] for s in order for t in targets[s]),
        acts=tuple(a for s in order for a in acts[s]),
        start=block[automaton.start],
        after=tuple(block[s] for s in automaton.after),
    )


def _reached(targets: Sequence[Sequence[int]], first: Iterable[int]) -> list[int]:
    """Returns the states that are reached from the first ones, in ascending order."""
    found = set(first)
    stack = list(found)
    while stack:
        new = set(targets[stack.pop()]) - found
        found |= new
        stack += new
    return sorted(found)


def _numbered(keys: Mapping[int, object]) -> dict[int, int]:
    """Numbers the keys of states in order of first appearance, so state 0 gets the number 0."""
    numbers: dict[object, int] = {}
    return {state: numbers.setdefault(key, len(numbers)) for state, key in keys.items()}
