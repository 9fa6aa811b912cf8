"""Implements compiled patterns of `re` and their matches: automata for strings of the row, `re` itself for constants."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sparkweld.ir import Value
from udf_compiler.frontends.python.found_matches import OPTIONAL, FoundMatches
from udf_compiler.frontends.python.json_values import plain
from udf_compiler.frontends.python.list_maps import interleaved
from udf_compiler.frontends.python.lists import LazyList, of_list, present
from udf_compiler.frontends.python.numbers import make_int
from udf_compiler.frontends.python.of_text import OfText
from udf_compiler.frontends.python.operands import as_text, is_text, make_text, raise_type_error
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.records import TUPLE, TracedRecords
from udf_compiler.frontends.python.regex_calls import FirstMatch, Regex, certain, pattern_of, replacement_of
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.constants import Guarded, unwrapped
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import raw

#: More than the matches of any string.
_END = 2**62


class PatternConstant(Guarded):
    """A compiled pattern."""

    __slots__ = ()

    __class__ = re.Pattern  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._constant, name)
        if not callable(real):
            return real
        call = f"Pattern.{name}"

        def method(*args: Any, **kwargs: Any) -> Any:
            args = tuple(map(plain, args))
            if not any(is_scalar(a) for a in (*args, *kwargs.values())):
                return as_python(real, *args, **kwargs)
            if name not in _METHODS:
                refuse("SW251", call=call)
            if any(is_scalar(a) and a.kind in ("bool", "int", "float") for a in args[name == "sub" :][:1]):
                raise_type_error("expected string or bytes-like object")
            return _METHODS[name](self._constant, call, *args, **kwargs)

        return method


def _matching(mode: str) -> Callable[..., Any]:
    def match(pattern: Any, call: str, string: Any, *bounds: Any, **kwargs: Any) -> Any:
        if bounds or kwargs or not is_text(string):
            refuse("SW262", call=call, what="pos, endpos, or a value that is not a str")
        made = TracedMatch(string.value, pattern, mode, call)
        return made if explorer().decide(made.found()) else None

    return match


def _sub(pattern: Any, call: str, repl: Any, string: Any, count: Any = 0) -> Any:
    if callable(repl) and is_text(string) and type(count) is int and count == 0:
        return _substitution(pattern, call, repl, make_text(as_text(string)))
    if type(repl) is not str or not is_scalar(string) or string.kind != "str" or type(count) is not int:
        refuse("SW262", call=call, what=f"{raw(repl)} for {raw(string)}")
    text, flags = pattern_of(pattern, 0, call)
    text, groups, template = replacement_of(text, flags, repl, call)
    regex = Regex(text, flags, call, groups, repeated=True)
    run = explorer()
    limit = count if count > 0 else -1
    return make_text(regex.emit(run.loop, string.value, "replace", template, limit, guard=run.guard))


@dataclass(frozen=True, slots=True)
class Substitution:
    """A call of sub with a function: the matches, and the pieces of the string around them."""

    function: Any
    matches: FoundMatches
    pieces: Any


def _substitution(pattern: Any, call: str, function: Any, string: Any) -> Substitution:
    """Returns the parts of the result, which an interpreted function puts together; refuses (SW223) others."""
    run = explorer()
    if not (run.walks or run.inside):
        refuse("SW223")
    regex = Regex(*pattern_of(pattern, 0, call), call, (0,), repeated=True)
    pieces = of_list(regex.emit(run.loop, string.value, "split", limit=-1, guard=run.guard))
    return Substitution(function, _finditer(pattern, call, string), pieces)


class TracedMatch(OfText):
    """A match in a string of the row: its groups."""

    __slots__ = ("call", "mode", "pattern")
    what = "match"
    stands_for = re.Match
    visible = frozenset({"group", "groups", "groupdict"})

    def __init__(self, value: Value, pattern: Any, mode: str, call: str) -> None:
        self.value, self.pattern, self.mode, self.call = value, pattern, mode, call

    @property
    def same(self) -> tuple[Any, ...]:
        return tuple(object.__getattribute__(self, name) for name in ("pattern", "mode", "call"))

    def found(self) -> Value:
        """Returns the condition that the pattern matches."""
        return self._first().found(explorer().loop, self.value)

    def _first(self) -> FirstMatch:
        return FirstMatch(*pattern_of(self.pattern, 0, self.call), self.call, self.mode)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: Any) -> Any:
        return self.group(key)

    def __getattr__(self, name: str) -> Any:
        if name == "string":
            return make_text(object.__getattribute__(self, "value"))
        if name in ("re",):
            return PatternConstant(object.__getattribute__(self, "pattern"))
        refuse("SW251", call=f"Match.{name}")

    def group(self, *keys: Any) -> Any:
        """Returns one group's string, or None where the group did not participate; a tuple for several groups."""
        if len(keys) > 1:
            return tuple(map(self._group, keys))
        return self._group(*keys)

    def groups(self, default: Any = None) -> tuple[Any, ...]:
        count = object.__getattribute__(self, "pattern").groups
        found = [self._group(number) for number in range(1, count + 1)]
        return tuple(default if g is None else g for g in found)

    def groupdict(self, default: Any = None) -> dict[str, Any]:
        names = object.__getattribute__(self, "pattern").groupindex
        return {name: default if (g := self._group(number)) is None else g for name, number in names.items()}

    def _group(self, key: Any = 0) -> Any:
        if type(key) not in (int, str):
            refuse("SW262", call="Match.group", what=raw(key))
        pattern = object.__getattribute__(self, "pattern")
        number = pattern.groupindex.get(key, -1) if type(key) is str else key
        if not 0 <= number <= pattern.groups:
            raise in_place(IndexError("no such group"))
        run, first = explorer(), self._first()
        value = first.group(run.loop, object.__getattribute__(self, "value"), number)
        takes_part = first.always_has(number) or run.decide(run.loop.is_valid(value))
        return make_text(run.loop.value_of(value)) if takes_part else None


def _findall(pattern: Any, call: str, string: Any) -> Any:
    if not is_scalar(string) or string.kind != "str":
        refuse("SW262", call=call, what=raw(string))
    run = explorer()
    text, flags = pattern_of(pattern, 0, call)
    groups = (0, 1) if pattern.groups == 1 else (0,)
    regex = Regex(text, flags, call, groups, repeated=True)
    counted = Regex(text, flags, call, (0,), repeated=True).emit(run.loop, string.value, "count", guard=run.guard)
    if pattern.groups > 1:
        return TracedFound(counted, partial(_tuples, Regex(text, flags, call, repeated=True), string.value, pattern.groups))
    return TracedFound(counted, partial(_all, regex, string.value, len(groups) - 1))


def _tuples(regex: Regex, text: Value, count: int) -> TracedRecords:
    """Returns the groups of all matches as a list of tuples; a group that takes no part in a match is empty."""
    numbers = range(1, count + 1)
    parts = [of_list(_all(replace(regex, groups=(0, number)), text, 1)) for number in numbers]
    return TracedRecords(TUPLE, [*map(str, numbers)], parts, [None] * count, None)


def _finditer(pattern: Any, call: str, string: Any) -> FoundMatches:
    if not is_scalar(string) or string.kind != "str":
        refuse("SW262", call=call, what=raw(string))
    text, flags = pattern_of(pattern, 0, call)
    known, names = certain(text, flags), {number: name for name, number in pattern.groupindex.items()}
    regex, numbers = Regex(text, flags, call, (0,), repeated=True), range(1, pattern.groups + 1)
    parts = [of_list(_all(regex, string.value, 0))]
    for number in numbers:
        certainly = number in known
        parts.append(of_list(_all(replace(regex, groups=(0, number)), string.value, 1)) if certainly else parts[0])
    marks = [("" if number in known else OPTIONAL) + names.get(number, str(number)) for number in numbers]
    return FoundMatches(["0", *marks], parts)


def _all(regex: Regex, text: Value, index: int) -> Value:
    run = explorer()
    return regex.emit(run.loop, text, "all", index=index, guard=run.guard)


def _split(pattern: Any, call: str, string: Any, maxsplit: Any = 0) -> Any:
    if not is_scalar(string) or string.kind != "str" or type(maxsplit) is not int or maxsplit < 0:
        refuse("SW262", call=call, what=raw(string))
    run, (text, flags) = explorer(), pattern_of(pattern, 0, call)
    limit, numbers = maxsplit or -1, range(1, pattern.groups + 1)
    if not certain(text, flags).issuperset(numbers):  # its string is None where it takes no part
        refuse("SW262", call=call, what="a pattern with a group that may take no part")
    regex = Regex(text, flags, call, (0,), repeated=True)
    pieces = regex.emit(run.loop, string.value, "split", limit=limit, guard=run.guard)
    if not numbers:
        return of_list(pieces)
    regex = Regex(text, flags, call, (0, *numbers), repeated=True)
    groups = [regex.emit(run.loop, string.value, "all", limit=limit, index=number, guard=run.guard) for number in numbers]
    return of_list(present(interleaved(run.loop, pieces, groups)))


class TracedFound(LazyList):
    """The list of all matches: `value` counts them, `made` builds the list, which may be one of tuples."""

    __slots__ = ("made", "value")
    what = "list of matches"

    def __init__(self, value: Value, made: Callable[[], Value | TracedRecords]) -> None:
        self.value, self.made = value, made

    @property
    def whole(self) -> Any:
        """Returns the list itself, as a value or as one of tuples."""
        return object.__getattribute__(self, "made")()

    @property
    def count(self) -> Any:
        return make_int(object.__getattribute__(self, "value"), (0, _END))

    def __bool__(self) -> bool:
        loop = explorer().loop
        value = object.__getattribute__(self, "value")
        return explorer().decide(loop.call("greater", value, loop.const(0, value.type)))


_METHODS: dict[str, Callable[..., Any]] = {
    "match": _matching("match"),
    "search": _matching("search"),
    "fullmatch": _matching("fullmatch"),
    "sub": _sub,
    "findall": _findall,
    "finditer": _finditer,
    "split": _split,
}


def compiled(pattern: Any, flags: Any = 0) -> PatternConstant:
    """Implements ``re.compile``."""
    return PatternConstant(re.compile(unwrapped(pattern), flags))
