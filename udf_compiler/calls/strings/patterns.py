"""Methods of `Series.str` with a regular expression: contains, match, fullmatch, count, replace, extract, and split's pattern.

The pattern becomes an automaton (`udf_compiler.regex`) that finds what `re` finds, in linear time; one that is not compiled
is refused (SW272). A pattern of plain characters is a search for a text.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops.matches import RegexCall
from sparkweld.ir.types import I64
from udf_compiler.calls.strings.mapping import (
    LONGEST,
    NOT_GIVEN,
    bools,
    integers,
    known_int,
    known_text,
    plain,
    strings,
    with_value,
)
from udf_compiler.regex import Unsupported, compile_regex, overruns
from udf_compiler.regex.parse import Chars, Sequence_, parse, sre_parse
from udf_compiler.trace.lower import run_prototype
from udf_compiler.trace.session import refuse
from udf_compiler.trace.text import Missing, optional, str_call, text_series, validity
from udf_compiler.trace.values import raw

#: Rows with more matches of a pattern that may read far behind each are guarded.
MOST_MATCHES = 32


@dataclass(frozen=True)
class Regex:
    """A pattern with its flags; `groups`: those whose text is asked for."""

    text: str
    flags: int
    call: str
    groups: tuple[int, ...] = ()
    repeated: bool = False
    mode: str = "search"

    def emit(self, s: Any, fn: str, template: tuple[str, ...] = (), limit: int = -1, index: int = 0) -> Value:
        """The op on the strings of a Series. Refuses SW272."""
        try:
            automaton = compile_regex(self.text, self.flags, self.mode, self.groups, self.repeated)
        except Unsupported as reason:
            refuse("SW272", call=self.call, pattern=self.text, why=str(reason))
        tables = automaton.encode()
        if self.repeated and overruns(automaton):  # each search may read to the end: so few that time stays linear
            found = s.loop.emit(RegexCall("count", self.text, tables, limit=MOST_MATCHES + 1), plain(s))
            s.loop.guard(s.loop.call("less_equal", found, s.loop.const(MOST_MATCHES, I64)))
        value: Value = s.loop.emit(RegexCall(fn, self.text, tables, template, limit, index), plain(s))
        return value


def pattern_of(pat: Any, flags: Any, call: str) -> tuple[str, int]:
    """Text and flags of a pattern, given as a str or compiled. Refuses what `re` refuses (SW252), and bytes (SW262)."""
    if not isinstance(pat, str | re.Pattern) or (isinstance(pat, re.Pattern) and not isinstance(pat.pattern, str)):
        refuse("SW262", call=call, what=f"{raw(pat)} as the pattern")
    if not isinstance(flags, int):
        refuse("SW262", call=call, what=f"flags={raw(flags)}")
    compiled = run_prototype(call, re.compile, pat, int(flags))
    return known_text(compiled.pattern, call), int(flags) if isinstance(pat, str) else compiled.flags & ~re.UNICODE.value


def literal_of(pat: Any, flags: int) -> str | None:
    """The text that a pattern of plain characters stands for; None for any other."""
    if type(pat) is not str or flags & ~re.UNICODE.value:
        return None
    try:
        root = parse(pat, flags).root
    except (Unsupported, re.error):
        return None
    parts = root.parts if isinstance(root, Sequence_) else (root,)
    single = all(isinstance(p, Chars) and len(p.ranges) == 1 and p.ranges[0][0] == p.ranges[0][1] for p in parts)
    return "".join(chr(p.ranges[0][0]) for p in parts) if single else None  # type: ignore[union-attr]


def _with_case(flags: Any, case: Any, call: str) -> Any:
    if type(case) is not bool:
        refuse("SW262", call=call, what=f"case={raw(case)}")
    return flags if case else flags | re.IGNORECASE.value


def contains(s: Any, pat: Any, case: Any = True, flags: Any = 0, na: Any = NOT_GIVEN, regex: Any = True) -> Any:
    call = "Series.str.contains"
    if type(regex) is not bool:
        refuse("SW262", call=call, what=f"regex={raw(regex)}")
    if not regex:
        return _contains_text(s, pat, case, na, call)
    flags = _with_case(flags, case, call)
    literal = literal_of(pat, flags)
    if literal is not None:
        return _contains_text(s, literal, True, na, call)
    return bools(s, Regex(*pattern_of(pat, flags, call), call).emit(s, "test"), na, call)


def _contains_text(s: Any, pat: Any, case: Any, na: Any, call: str) -> Any:
    text = known_text(pat, call)
    if case is True:
        return bools(s, str_call(s.loop, "contains", plain(s), params=(text,)), na, call)
    if case is not False:
        refuse("SW262", call=call, what=f"case={raw(case)}")
    upper = str_call(s.loop, "upper", plain(s))
    return bools(s, str_call(s.loop, "contains", upper, params=(text.upper(),)), na, call)


def _anchored(name: str) -> Callable[..., Any]:
    def match(s: Any, pat: Any, case: Any = True, flags: Any = 0, na: Any = NOT_GIVEN) -> Any:
        call = f"Series.str.{name}"
        flags = _with_case(flags, case, call)
        return bools(s, Regex(*pattern_of(pat, flags, call), call, mode=name).emit(s, "test"), na, call)

    return match


def count(s: Any, pat: Any, flags: Any = 0) -> Any:
    """Series.str.count: matches that do not overlap."""
    call = "Series.str.count"
    literal = literal_of(pat, flags) if isinstance(flags, int) else None
    if literal is not None:
        return integers(s, str_call(s.loop, "count", plain(s), params=(known_text(literal, call), None, None)))
    value = Regex(*pattern_of(pat, flags, call), call, groups=(0,), repeated=True).emit(s, "count")
    return integers(s, value, LONGEST)


def replace(s: Any, pat: Any, repl: Any, n: Any = -1, case: Any = None, flags: Any = 0, regex: Any = False) -> Any:
    """Series.str.replace; a callable is refused."""
    call = "Series.str.replace"
    limit = known_int(n, call)
    compiled = isinstance(pat, re.Pattern)
    if not isinstance(repl, str):
        refuse("SW270", call=f"{call} with a function")
    if type(regex) is not bool or case not in (None, True, False) or not isinstance(flags, int):
        refuse("SW262", call=call, what="the argument regex=, case= or flags=")
    if compiled and (not regex or case is not None or flags):
        refuse("SW252", call=call, error="ValueError: a compiled pattern with regex=False, case= or flags=")
    flags = _with_case(flags, case is not False, call)
    if not regex and not flags:
        old = known_text(pat, call)
        if not old:
            refuse("SW262", call=call, what="an empty text")
        return strings(s, "replace", old, known_text(repl, call), max(limit, -1))
    if not regex:
        pat = re.escape(known_text(pat, call))
    text, flags = pattern_of(pat, flags, call)
    groups, template = _template(re.compile(text, flags), repl, call)
    limit = limit if limit > 0 else -1  # re counts 0 as all
    literal = literal_of(text, flags)
    if literal and len(template) == 1:
        return strings(s, "replace", known_text(literal, call), template[0], limit)
    return with_value(s, Regex(text, flags, call, groups, repeated=True).emit(s, "replace", template, limit))


def replace_whitespace(s: Any, between: str) -> Value:
    """``between.join(text.split())`` for each string: inner runs of whitespace replaced, outer ones dropped."""
    stripped = with_value(s, str_call(s.loop, "strip", plain(s), params=(None,)))
    return Regex(r"\s+", 0, "Series.str.join", (0,), repeated=True).emit(stripped, "replace", (between,))


def _template(pattern: re.Pattern[str], repl: str, call: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """(groups asked for, the match first; literal, group, literal, ... with groups as numbers among those)."""
    parsed = run_prototype(call, sre_parse.parse_template, repl, pattern)
    if sys.version_info >= (3, 12):
        parts = list(parsed)
    else:  # (position and number of each group, literals with None in the groups' places)
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
            pieces.append(known_text(str(part or ""), call))
    return tuple(numbers), tuple(pieces) if pieces else ("",)


def _alternating(parts: list[Any]) -> list[Any]:
    """Literals and group numbers in turn, a literal at both ends."""
    result: list[Any] = [""]
    for part in parts:
        if isinstance(part, int):
            result += [part, ""]
        else:
            result[-1] += part
    return result


def splitting(pat: Any, call: str) -> Regex:
    """The pattern of a split. Refuses groups, which would be pieces too."""
    text, flags = pattern_of(pat, 0, call)
    if re.compile(text, flags).groups:
        refuse("SW272", call=call, pattern=text, why="has groups, which split gives as pieces")
    return Regex(text, flags, call, groups=(0,), repeated=True)


def extract(s: Any, pat: Any, flags: Any = 0, expand: Any = True) -> Any:
    """Series.str.extract: the groups of the first match; NaN without a match."""
    from udf_compiler.calls.strings.pieces import TracedColumns

    call = "Series.str.extract"
    text, flags = pattern_of(pat, flags, call)
    compiled = re.compile(text, flags)
    if type(expand) is not bool:
        refuse("SW252", call=call, error="ValueError: expand must be True or False")
    if compiled.groups == 0:
        refuse("SW252", call=call, error="ValueError: pattern contains no capture groups")
    names = {number: name for name, number in compiled.groupindex.items()}
    if not expand and compiled.groups == 1:
        return _group(s, text, flags, 1, call, as_column=False)
    columns = tuple(names.get(number, number - 1) for number in range(1, compiled.groups + 1))
    return TracedColumns(columns, lambda key: _group(s, text, flags, columns.index(key) + 1, call, as_column=True))


def _group(s: Any, text: str, flags: int, number: int, call: str, as_column: bool) -> Any:
    """A group's text. A column of a frame holds NaN where it is missing, a Series None where the group took no part."""
    loop = s.loop
    value = Regex(text, flags, call, groups=(0, number)).emit(s, "group", index=1)
    valid = validity(loop, s.value, value)
    missing = Missing(nan=True) if as_column else Missing(none=True, nan=True)
    return text_series(loop, optional(loop, loop.value_of(value), valid), missing)


#: Methods by name.
METHODS: dict[str, Callable[..., Any]] = {
    "contains": contains,
    "match": _anchored("match"),
    "fullmatch": _anchored("fullmatch"),
    "count": count,
    "replace": replace,
    "extract": extract,
}
