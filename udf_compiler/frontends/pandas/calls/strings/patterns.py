"""Lowers methods of `Series.str` with a regular expression: contains, match, fullmatch, count, replace, extract, split.

A pattern becomes an automaton (`udf_compiler.frontends.regex`) that finds the same matches as `re` in linear time. Unsupported
patterns are refused (SW272). A pattern of literal characters becomes a substring search.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sparkweld.ir import Value
from udf_compiler.frontends.pandas.calls.strings.mapping import (
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
from udf_compiler.frontends.pandas.strings import str_call
from udf_compiler.frontends.python.regex_calls import Regex, pattern_of, replacement_of
from udf_compiler.frontends.regex import Unsupported
from udf_compiler.frontends.regex.parse import Chars, Sequence_, parse
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


def literal_of(pat: Any, flags: int) -> str | None:
    """Returns the string that a pattern of literal characters matches; None for any other pattern."""
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
    return bools(s, Regex(*pattern_of(pat, flags, call), call).emit(s.loop, plain(s), "test"), na, call)


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
        return bools(s, Regex(*pattern_of(pat, flags, call), call, mode=name).emit(s.loop, plain(s), "test"), na, call)

    return match


def count(s: Any, pat: Any, flags: Any = 0) -> Any:
    """Implements Series.str.count: the number of non-overlapping matches."""
    call = "Series.str.count"
    literal = literal_of(pat, flags) if isinstance(flags, int) else None
    if literal is not None:
        return integers(s, str_call(s.loop, "count", plain(s), params=(known_text(literal, call), None, None)))
    value = Regex(*pattern_of(pat, flags, call), call, groups=(0,), repeated=True).emit(s.loop, plain(s), "count")
    return integers(s, value, LONGEST)


def replace(s: Any, pat: Any, repl: Any, n: Any = -1, case: Any = None, flags: Any = 0, regex: Any = False) -> Any:
    """Implements Series.str.replace. Refuses (SW270) a callable."""
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
            refuse("SW262", call=call, what="an empty string")
        return strings(s, "replace", old, known_text(repl, call), max(limit, -1))
    if not regex:
        pat = re.escape(known_text(pat, call))
    text, flags = pattern_of(pat, flags, call)
    text, groups, template = replacement_of(text, flags, repl, call)
    limit = limit if limit > 0 else -1  # re replaces all matches for 0
    literal = literal_of(text, flags)
    if literal and len(template) == 1:
        return strings(s, "replace", known_text(literal, call), template[0], limit)
    return with_value(s, Regex(text, flags, call, groups, repeated=True).emit(s.loop, plain(s), "replace", template, limit))


def replace_whitespace(s: Any, between: str) -> Value:
    """Computes ``between.join(text.split())`` for each string: strips outer whitespace and replaces inner runs."""
    stripped = with_value(s, str_call(s.loop, "strip", plain(s), params=(None,)))
    return Regex(r"\s+", 0, "Series.str.join", (0,), repeated=True).emit(s.loop, plain(stripped), "replace", (between,))


def splitting(pat: Any, call: str) -> Regex:
    """Compiles the pattern of a split. Refuses (SW272) capture groups, which a split returns as elements."""
    text, flags = pattern_of(pat, 0, call)
    if re.compile(text, flags).groups:
        refuse("SW272", call=call, pattern=text, why="has groups, which split returns among the substrings")
    return Regex(text, flags, call, groups=(0,), repeated=True)


#: Methods by name.
METHODS: dict[str, Callable[..., Any]] = {
    "contains": contains,
    "match": _anchored("match"),
    "fullmatch": _anchored("fullmatch"),
    "count": count,
    "replace": replace,
}
