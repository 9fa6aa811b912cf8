"""Defines the op of regular expressions: the functions of `re` that run one automaton over a string."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.ops.automata import POSITION, Automaton, decode
from sparkweld.ir.ops.base import Array, Op
from sparkweld.ir.ops.strings import column
from sparkweld.ir.types import BOOL, I64, STR, Items, Type, encode, list_of

#: Bound on the bytes that searches read, as a multiple of the string's: a search past its match makes the next one reread bytes.
READS = 40

#: Function -> (type of the result, groups that the automaton must have at least).
_FUNCTIONS: dict[str, tuple[Type, int]] = {
    "test": (BOOL, 0),
    "count": (I64, 1),
    "reads_little": (BOOL, 1),
    "group": (STR.optional(), 1),
    "replace": (STR, 1),
    "split_part": (STR.optional(), 1),
    "split_count": (I64, 1),
    "all": (list_of(STR), 1),
    "split": (list_of(STR), 1),
}


@dataclass(frozen=True, slots=True)
class RegexCall(Op):
    """Applies `fn` to one str, by the automaton in `tables` (see `ops.automata`); `pattern` is for readers only.

    - test: whether there is a match.
    - count: the number of matches, from left to right without overlap.
    - reads_little: whether the searches for `limit` matches read at most READS times the string's bytes plus one. This includes
      the last search, which finds none.
    - group: the substring of the automaton's group `index` in the first match, NULL when there is no match or the group took no
      part.
    - replace: the string with the first `limit` matches replaced by `template`: literal, group, literal, ..., where a group is a
      number of the automaton's groups.
    - split: the list of the substrings that at most `limit` matches separate.
    - split_part: the substring number `index` of these, from the right when negative; NULL when there is none.
    - split_count: the number of these substrings.
    - all: the substrings of group `index` in all matches, empty where it took no part.

    A `limit` of -1 means all matches. The search ends after an empty match.
    """

    fn: str
    pattern: str
    tables: str
    template: tuple[str, ...] = ()
    limit: int = -1
    index: int = 0
    name: ClassVar[str] = "regex"

    @property
    def automaton(self) -> Automaton:
        """The decoded tables."""
        return decode(self.tables)

    def infer(self, *args: Type) -> Type:
        self._wants(args == (STR,), "one str", args)
        if self.fn not in _FUNCTIONS:
            raise VerifyError(f"unknown function of patterns {self.fn!r}")
        result, groups = _FUNCTIONS[self.fn]
        known = self.automaton.groups
        ok = known >= groups and (self.fn not in ("group", "all") or 0 <= self.index < known)
        ok = ok and all(g.isdigit() and int(g) < known for g in self.template[1::2])
        ok = ok and len(self.template) % 2 == (self.fn == "replace")
        if not ok:
            raise VerifyError(f"{self.fn} of {self.pattern!r} requests groups that its automaton lacks")
        for text in (self.pattern, *self.template):
            encode(text, STR)
        return result

    def evaluate(self, *args: Array) -> Array:
        (x,) = args
        assert isinstance(x, np.ndarray)
        function = _ROWS[self.fn]
        return column([function(self, text) for text in x.tolist()], _FUNCTIONS[self.fn][0])

    def _matches(self, text: str) -> Iterator[list[int]]:
        automaton, position, number = self.automaton, 0, 0
        while number != self.limit and (found := automaton.find(text, position)) is not None:
            yield found
            number += 1
            if found[1] <= found[0]:
                return
            position = found[1]

    def _reads_little(self, text: str) -> bool:
        left, position, number = READS * (_bytes(text) + 1), 0, 0
        while left >= 0 and number != self.limit:
            found, end = self.automaton.search(text, position)
            left -= _bytes(text[position:end])
            if found is None or found[1] <= found[0]:
                break
            number, position = number + 1, found[1]
        return left >= 0

    def _group(self, text: str) -> str | None:
        found = self.automaton.find(text)
        if found is None or found[2 * self.index] < 0:
            return None
        return text[found[2 * self.index] : found[2 * self.index + 1]]

    def _text(self, text: str, found: list[int]) -> str:
        begin, end = found[2 * self.index : 2 * self.index + 2]
        return text[begin:end] if begin >= 0 else ""

    def _replace(self, text: str) -> str:
        parts, at = [], 0
        for found in self._matches(text):
            parts.append(text[at : found[0]])
            for piece, part in enumerate(self.template):
                if piece % 2 == 0:
                    parts.append(part)
                elif found[2 * int(part)] >= 0:
                    parts.append(text[found[2 * int(part)] : found[2 * int(part) + 1]])
            at = found[1]
        return "".join([*parts, text[at:]])

    def _pieces(self, text: str) -> list[str]:
        pieces, at = [], 0
        for found in self._matches(text):
            pieces.append(text[at : found[0]])
            at = found[1]
        return [*pieces, text[at:]]

    def _piece(self, text: str) -> str | None:
        pieces = self._pieces(text)
        return pieces[self.index] if -len(pieces) <= self.index < len(pieces) else None


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


_ROWS: dict[str, Callable[[RegexCall, str], object]] = {
    "test": lambda op, text: op.automaton.find(text) is not None,
    "count": lambda op, text: sum(1 for _ in op._matches(text)),
    "reads_little": RegexCall._reads_little,
    "group": RegexCall._group,
    "replace": RegexCall._replace,
    "split_part": RegexCall._piece,
    "split_count": lambda op, text: len(op._pieces(text)),
    "split": lambda op, text: Items("str", tuple(op._pieces(text))),
    "all": lambda op, text: Items("str", tuple(op._text(text, found) for found in op._matches(text))),
}


def _examples() -> tuple[tuple[Op, tuple[Type, ...]], ...]:
    """Returns examples for [0-9]+, both to test and to find matches."""
    bounds, classes, targets = (0, 48, 58), (0, 1, 0), (0, 0, 0, 1, 2, 0, 0, 2, 0)
    does = Automaton(bounds, classes, (0, 0, 0, 1, 2, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, 1, 1, 1), ((0,), (1,)), 1, (1, 1), 0, 0)
    actions = ((0,), (0, 2, POSITION), (1, 0, 2, 1, POSITION))
    finds = Automaton(bounds, classes, targets, (0, 0, 0, 0, 1, 0, 2, 2, 2), actions, 1, (1, 1), 1, 3)
    one = ("[0-9]+", finds.encode())
    ops = [RegexCall("test", "[0-9]", does.encode()), RegexCall("count", *one), RegexCall("group", *one)]
    ops += [RegexCall("reads_little", *one, limit=limit) for limit in (-1, 0, 1)]
    ops += [RegexCall("count", *one, limit=1), RegexCall("split_count", *one), RegexCall("split_count", *one, limit=1)]
    ops += [RegexCall("all", *one), RegexCall("split", *one), RegexCall("split", *one, limit=1)]
    ops += [RegexCall("split_part", *one, index=i, limit=n) for i, n in ((0, -1), (1, -1), (-1, -1), (-2, 1), (2, 1), (0, 0))]
    templates = ((("#",), -1), (("",), 1), (("<", "0", "é>"), -1), (("", "0", "", "0", ""), 2))
    ops += [RegexCall("replace", *one, template, limit) for template, limit in templates]
    return tuple((op, (STR,)) for op in ops)


RegexCall.examples = _examples()
