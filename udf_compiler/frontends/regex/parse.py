"""Parses a pattern with Python's own parser into a tree of code-point sets, choices and repeats.

An atom is a literal, a class or a category, each possibly ignoring case. Its set is found by running `re` itself over every
code point, so the rules of Unicode and case are Python's own.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from sparkweld.ir.python_rules import RULES

#: The modules of `re`.
sre_compile, sre, sre_parse = (importlib.import_module(name) for name in RULES.re_modules)

#: Ranges of code points, ascending, with both ends included.
Ranges = tuple[tuple[int, int], ...]

#: Larger counts in {m,n} unroll to too many states.
REPEAT_LIMIT = 200


class Unsupported(Exception):
    """The pattern is unsupported; the message says why and follows ``the pattern ...``."""


@dataclass(frozen=True)
class Chars:
    """A single code point from a set."""

    ranges: Ranges


@dataclass(frozen=True)
class Sequence_:
    """A concatenation."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Choice:
    """Alternatives; the first that leads to a match wins."""

    branches: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """A body repeated `least` to `most` times (None: unbounded); greedy repeats prefer more, others fewer."""

    body: Node
    least: int
    most: int | None
    greedy: bool


@dataclass(frozen=True)
class Group:
    """A capturing group."""

    number: int
    body: Node


@dataclass(frozen=True)
class Assertion:
    """A zero-width assertion.

    `kind`: begin, line_begin, end, end_or_newline, line_end, boundary, no_boundary, behind, not_behind, ahead, not_ahead.
    `chars`: the word characters for a boundary, or those that the code point before or after the position is compared with.
    """

    kind: str
    chars: Ranges = ()


Node = Chars | Sequence_ | Choice | Repeat | Group | Assertion

_ATOMS = (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN)
_REFUSED = {
    "ASSERT": "looks ahead or behind by other than one character",
    "ASSERT_NOT": "looks ahead or behind by other than one character",
    "GROUPREF": "refers back to a group",
    "GROUPREF_EXISTS": "tests whether a group matched",
    "ATOMIC_GROUP": "has an atomic group",
    "POSSESSIVE_REPEAT": "has a possessive quantifier",
}


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern: its tree `root`, the number of capturing `groups`, and the `names` of named groups."""

    root: Node
    groups: int
    names: dict[str, int]


def parse(pattern: str, flags: int) -> Pattern:
    """Parses a pattern. Raises Unsupported, and re.error for an invalid pattern."""
    re.compile(pattern, flags)
    parsed = sre_parse.parse(pattern, flags)
    state = parsed.state
    if state.flags & (sre.SRE_FLAG_LOCALE | sre.SRE_FLAG_DEBUG):
        raise Unsupported("has a flag that is not supported")
    reader = _Reader(state)
    root = reader.sequence(parsed, state.flags)
    return Pattern(root, state.groups - 1, dict(state.groupdict))


class _Reader:
    def __init__(self, state: Any) -> None:
        self.state = state

    def sequence(self, items: Any, flags: int) -> Node:
        parts = tuple(self.item(op, argument, flags) for op, argument in items)
        return parts[0] if len(parts) == 1 else Sequence_(parts)

    def item(self, op: Any, argument: Any, flags: int) -> Node:
        if op in _ATOMS:
            return Chars(_chars(op, _frozen(argument), flags))
        if op is sre.BRANCH:
            return Choice(tuple(self.sequence(branch, flags) for branch in argument[1]))
        if op is sre.SUBPATTERN:
            number, add, remove, body = argument
            inner = self.sequence(body, _combined(flags, add, remove))
            return inner if number is None else Group(number, inner)
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            return self.repeat(argument, op is sre.MAX_REPEAT, flags)
        if op is sre.AT:
            return _assertion(argument, flags)
        if op in (sre.ASSERT, sre.ASSERT_NOT) and len(argument[1]) == 1 and argument[1][0][0] in _ATOMS:
            direction, [(atom, inner)] = argument[0], list(argument[1])
            kind = ("not_" if op is sre.ASSERT_NOT else "") + ("behind" if direction < 0 else "ahead")
            return Assertion(kind, _chars(atom, _frozen(inner), flags))
        if op is sre.ASSERT_NOT and len(argument[1]) == 1 and argument[1][0][0] is sre.AT:
            ends = {"begin": "behind", "end": "ahead"}  # some character is before, or after, each other position
            kind = _assertion(argument[1][0][1], flags).kind
            if kind in ends:
                return Assertion(ends[kind], ((0, 0x10FFFF),))
        raise Unsupported(_REFUSED.get(str(op), f"has the construct {op}"))

    def repeat(self, argument: Any, greedy: bool, flags: int) -> Node:
        least, most, body = argument
        node = self.sequence(body, flags)
        limit = None if most is sre.MAXREPEAT else int(most)
        if limit != 1 and nullable(node):
            raise Unsupported("repeats a part that may match the empty string")
        if max(int(least), limit or 0) > REPEAT_LIMIT:
            raise Unsupported(f"repeats something more than {REPEAT_LIMIT} times")
        return Repeat(node, int(least), limit, greedy)


def nullable(node: Node) -> bool:
    """Whether the node may match the empty string."""
    match node:
        case Chars():
            return False
        case Assertion():
            return True
        case Group():
            return nullable(node.body)
        case Repeat():
            return node.least == 0 or nullable(node.body)
        case Choice():
            return any(map(nullable, node.branches))
    return all(map(nullable, node.parts))


def _combined(flags: int, add: int, remove: int) -> int:
    """Returns the flags inside ``(?i-m:...)``."""
    types = sre.SRE_FLAG_ASCII | sre.SRE_FLAG_LOCALE | sre.SRE_FLAG_UNICODE
    if add & types:
        flags &= ~types
    return (flags | add) & ~remove


def _assertion(at: Any, flags: int) -> Assertion:
    lines = bool(flags & sre.SRE_FLAG_MULTILINE)
    if at is sre.AT_BEGINNING:
        return Assertion("line_begin" if lines else "begin")
    if at is sre.AT_BEGINNING_STRING:
        return Assertion("begin")
    if at is sre.AT_END:
        return Assertion("line_end" if lines else "end_or_newline")
    if at is sre.AT_END_STRING:
        return Assertion("end")
    word = _chars(sre.IN, ((sre.CATEGORY, sre.CATEGORY_WORD),), flags & sre.SRE_FLAG_ASCII or sre.SRE_FLAG_UNICODE)
    if at is sre.AT_BOUNDARY:
        return Assertion("boundary", word)
    if at is sre.AT_NON_BOUNDARY:
        return Assertion("no_boundary", word)
    raise Unsupported(f"has the construct {at}")


def _frozen(argument: Any) -> Any:
    return tuple(map(_frozen, argument)) if isinstance(argument, list | tuple) else argument


@cache
def _every_code_point() -> str:
    return "".join(map(chr, range(0x110000)))


@lru_cache(maxsize=512)
def _chars(op: Any, argument: Any, flags: int) -> Ranges:
    """Returns the code points that an atom matches, by running `re` over all code points."""
    if op is sre.LITERAL and not flags & sre.SRE_FLAG_IGNORECASE:
        return ((argument, argument),)
    state = sre_parse.State()
    state.flags, state.str = flags, ""
    body = sre_parse.SubPattern(state, [(op, list(argument) if op is sre.IN else argument)])
    repeated = sre_parse.SubPattern(state, [(sre.MAX_REPEAT, (1, sre.MAXREPEAT, body))])
    compiled = sre_compile.compile(repeated, flags)
    return tuple((m.start(), m.end() - 1) for m in compiled.finditer(_every_code_point()))


def contains(ranges: Ranges, code_point: int) -> bool:
    """Whether a code point is in the set."""
    return any(low <= code_point <= high for low, high in ranges)


def group_bodies(node: Node) -> dict[int, tuple[bool, Node]]:
    """Maps each group number to (whether the group may match more than once, its body)."""
    found: dict[int, tuple[bool, Node]] = {}

    def walk(node: Node, repeated: bool) -> None:
        match node:
            case Group():
                found[node.number] = (repeated, node.body)
                walk(node.body, repeated)
            case Repeat():
                walk(node.body, repeated or node.most != 1)
            case Choice():
                for branch in node.branches:
                    walk(branch, repeated)
            case Sequence_():
                for part in node.parts:
                    walk(part, repeated)

    walk(node, False)
    return found


def certain_groups(node: Node) -> frozenset[int]:
    """Returns the groups that take part in every match."""
    match node:
        case Group():
            return certain_groups(node.body) | {node.number}
        case Repeat() if node.least > 0:
            return certain_groups(node.body)
        case Sequence_():
            return frozenset().union(*map(certain_groups, node.parts))
    return frozenset()


def union(sets: Sequence[Ranges]) -> list[int]:
    """Returns every code point at which some set begins or has just ended; between two of them all sets are constant."""
    lows = (low for ranges in sets for low, _ in ranges)
    ends = (high + 1 for ranges in sets for _, high in ranges)
    return sorted({0, *lows, *ends} - {0x110000})
