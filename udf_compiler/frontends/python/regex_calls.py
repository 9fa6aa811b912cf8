"""Emits the IR ops of regular-expression calls and parses replacement templates."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops.automata import Automaton
from sparkweld.ir.ops.matches import RegexCall
from sparkweld.ir.python_rules import RULES
from udf_compiler.frontends.regex import Unsupported, compile_regex, overruns
from udf_compiler.frontends.regex.parse import Assertion, Chars, Sequence_, certain_groups, group_bodies, parse, sre_parse
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.utf8 import check_text
from udf_compiler.frontends.tracing.values import raw


@lru_cache(maxsize=256)
def _tables(automaton: Automaton) -> str:
    """Returns the encoded automaton, which each path of a function requests again."""
    return automaton.encode()


@lru_cache(maxsize=256)
def _groups_together(pattern: str, flags: int, mode: str) -> tuple[int, ...]:
    """Returns the match, and its groups that no repeat contains, if one automaton finds them all; else the empty tuple."""
    try:
        bodies = group_bodies(parse(pattern, flags).root)
        groups = (0, *(number for number, (repeated, _) in sorted(bodies.items()) if not repeated))
        compile_regex(pattern, flags, mode, groups)
    except Unsupported:
        return ()
    return groups


def certain(pattern: str, flags: int) -> frozenset[int]:
    """Returns the groups that take part in every match; none for a pattern that is unsupported."""
    try:
        return certain_groups(parse(pattern, flags).root)
    except Unsupported:
        return frozenset()


@dataclass(frozen=True)
class FirstMatch:
    """The first match of a pattern in a string. Its test and its groups share an automaton, which a kernel runs once."""

    text: str
    flags: int
    call: str
    mode: str = "search"

    def found(self, loop: LoopBuilder, text: Value) -> Value:
        """Emits the test whether there is a match. Refuses SW272."""
        together = _groups_together(self.text, self.flags, self.mode)
        return Regex(self.text, self.flags, self.call, together, mode=self.mode).emit(loop, text, "test")

    def group(self, loop: LoopBuilder, text: Value, number: int) -> Value:
        """Emits a group's string, NULL without a match and where the group takes no part. Refuses SW272."""
        groups = _groups_together(self.text, self.flags, self.mode)
        if number not in groups:
            groups = (0, number) if number else (0,)
        regex = Regex(self.text, self.flags, self.call, groups, mode=self.mode)
        return regex.emit(loop, text, "group", index=groups.index(number))

    def always_has(self, number: int) -> bool:
        """Whether a group takes part in every match."""
        return number == 0 or number in certain(self.text, self.flags)


@dataclass(frozen=True)
class Regex:
    """A pattern with its flags; `groups` are the groups whose matched substrings are requested."""

    text: str
    flags: int
    call: str
    groups: tuple[int, ...] = ()
    repeated: bool = False
    mode: str = "search"

    def emit(
        self,
        loop: LoopBuilder,
        text: Value,
        fn: str,
        template: tuple[str, ...] = (),
        limit: int = -1,
        index: int = 0,
        guard: Callable[[Value], None] | None = None,
    ) -> Value:
        """Emits the op on a string.

        `guard` receives the condition that rows must fulfil; by default it becomes a guard of the loop. Refuses SW272.
        """
        try:
            automaton = compile_regex(self.text, self.flags, self.mode, self.groups, self.repeated)
        except Unsupported as reason:
            refuse("SW272", call=self.call, pattern=self.text, why=str(reason))
        tables = _tables(automaton)
        if self.repeated and overruns(automaton):  # each search may read to the end of the string, which is quadratic
            (guard or loop.guard)(loop.emit(RegexCall("reads_little", self.text, tables, limit=limit), text))
        return loop.emit(RegexCall(fn, self.text, tables, template, limit, index), text)


def replacement_of(text: str, flags: int, repl: str, call: str) -> tuple[str, tuple[int, ...], tuple[str, ...]]:
    """Returns the pattern, the groups and the template of a replacement.

    A pattern that matches before a character becomes one that matches it, too, and a template that ends with it.
    """
    groups, template = _template_of(re.compile(text, flags), repl, call)
    follower = _with_follower(text, flags) if len(template) == 1 else None
    return (text, groups, template) if follower is None else (follower, (0,), (*template, "0", ""))


@lru_cache(maxsize=256)
def _with_follower(pattern: str, flags: int) -> str | None:
    """Returns the pattern that also matches the next character for one that matches before a character; None for another.

    A replacement inserted by the one comes before the match of the other: ``(?<!^)(?=[A-Z])`` and ``(?<!^)[A-Z]``.
    """
    start = pattern.rfind("(?=")
    made = pattern[:start] + pattern[start + 3 : -1]
    try:
        roots = [parse(text, flags).root for text in (pattern, made)] if start >= 0 else []
    except (Unsupported, re.error):
        return None
    parts = [root.parts if isinstance(root, Sequence_) else (root,) for root in roots]
    if not parts or not all(isinstance(x, Assertion) for x in parts[0]):
        return None
    *before, last = parts[0]
    same = isinstance(last, Assertion) and last.kind == "ahead" and parts[1] == (*before, Chars(last.chars))
    return made if same else None


def pattern_of(pat: Any, flags: Any, call: str) -> tuple[str, int]:
    """Returns the pattern string and the flags of a pattern given as a str or compiled.

    Refuses patterns that `re` rejects (SW252) and bytes patterns (SW262).
    """
    pat = unwrapped(pat)
    if not isinstance(pat, str | re.Pattern) or (isinstance(pat, re.Pattern) and not isinstance(pat.pattern, str)):
        refuse("SW262", call=call, what=f"{raw(pat)} as the pattern")
    if not isinstance(flags, int):
        refuse("SW262", call=call, what=f"flags={raw(flags)}")
    compiled = run_prototype(call, re.compile, pat, int(flags))
    return check_text(compiled.pattern, call), int(flags) if isinstance(pat, str) else compiled.flags & ~re.UNICODE.value


def _template_of(pattern: re.Pattern[str], repl: str, call: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Returns the requested groups, the match first, and the template as literal, group, literal, ...

    Group numbers in the template are positions in the returned groups.
    """
    parsed = run_prototype(call, sre_parse.parse_template, repl, pattern)
    if not RULES.splits_templates:
        parts = list(parsed)
    else:  # (position and number of each group, literals with None at the positions of groups)
        at, literals = dict(parsed[0]), parsed[1]
        parts = []
        for position, literal in enumerate(literals):
            parts += [at[position]] if literal is None else [literal]
        parts = _alternating(parts)
    numbers = {0: 0}
    pieces = []
    for part in parts:
        if isinstance(part, int):
            pieces.append(str(numbers.setdefault(part, len(numbers))))
        else:
            pieces.append(check_text(str(part or ""), call))
    return tuple(numbers), tuple(pieces) if pieces else ("",)


def _alternating(parts: list[Any]) -> list[Any]:
    """Returns literals and group numbers alternately, with a literal at both ends."""
    result: list[Any] = [""]
    for part in parts:
        if isinstance(part, int):
            result += [part, ""]
        else:
            result[-1] += part
    return result
