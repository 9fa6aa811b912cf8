"""Lowers split, rsplit, partition, rpartition and get of `Series.str`, and the Series of lists and frames that they return.

A kernel computes only the requested elements of a list. The number of columns of ``expand=True`` depends on the batch, so a
requested column guards that some string has that many elements.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall
from sparkweld.ir.types import I64, STR
from udf_compiler.frontends.pandas.apply.elementwise import apply_function
from udf_compiler.frontends.pandas.apply.results import ListSeries
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.calls.strings import patterns
from udf_compiler.frontends.pandas.calls.strings.mapping import integers, known_int, known_text, plain, with_value
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.strings import optional, str_call, text_series, validity
from udf_compiler.frontends.python.regex_calls import FirstMatch, Regex, pattern_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw


@dataclass(frozen=True)
class Pieces:
    """The elements of a split string. `piece(i)`: element i as nullable str, NULL when absent; `count()`: their number.

    `always`: indices of elements that every string has. `joined(sep)`: the elements joined by `sep`; `whole()`: the list of all
    elements; None where unsupported.
    """

    series: Any
    piece: Callable[[int], Value]
    count: Callable[[], Value]
    always: frozenset[int]
    joined: Callable[[str], Value] | None = None
    whole: Callable[[], Value] | None = None


class TracedLists(Traced):
    """A Series of lists of strings, missing where the string was."""

    __slots__ = ("pieces",)
    what = "Series of lists"
    stands_for = pd.Series
    visible = frozenset({"str", "isna", "notna", "isnull", "notnull"})

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces

    @property
    def str(self) -> Any:
        return ListAccessor(object.__getattribute__(self, "pieces"))

    def isna(self) -> Any:
        return object.__getattribute__(self, "pieces").series.isna()

    def notna(self) -> Any:
        return object.__getattribute__(self, "pieces").series.notna()

    isnull, notnull = isna, notna

    def map(self, arg: Any, na_action: Any = None) -> Any:
        """Implements Series.map with a function of each list."""
        series = list_series(self)
        if series is None or not callable(arg) or na_action is not None:
            refuse("SW270", call=f"Series.map of lists with {raw(arg)}")
        return apply_function(series, arg, "Series.map")

    def apply(self, func: Any) -> Any:
        return self.map(func)

    def __getattr__(self, name: Any) -> Any:
        refuse("SW270", call=f"Series.{name} of lists")

    def _refuse(self, *args: Any) -> Any:
        refuse("SW270", call="an operator on a Series of lists")

    _binary = _unary = _in_place = __array_ufunc__ = __array_function__ = _refuse  # type: ignore[assignment]


def list_series(lists: TracedLists) -> ListSeries | None:
    """Returns the Series of Python lists as a list value; None if `whole` is unsupported or elements may be NaN."""
    pieces = object.__getattribute__(lists, "pieces")
    series = pieces.series
    if pieces.whole is None or series.missing.nan or series.missing.void:
        return None
    value = optional(series.loop, pieces.whole(), validity(series.loop, series.value))
    return ListSeries(value, frozenset({value.type.kind}))


class ListAccessor(Traced):
    """The accessor ``.str`` of a Series of lists."""

    __slots__ = ("pieces",)
    what = "Series.str"
    stands_for = pd.Series.str

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            refuse("SW270", call="Series.str[...] of lists with a slice")
        return _element(object.__getattribute__(self, "pieces"), known_int(key, "Series.str[...]"))

    def __getattr__(self, name: Any) -> Any:
        pieces = object.__getattribute__(self, "pieces")
        call = f"Series.str.{name}"
        if name == "get":
            return bound(lambda p, i: _element(p, known_int(i, call)), pieces, call)
        if name == "len":
            return bound(lambda p: integers(p.series, p.count()), pieces, call)
        if name == "join":
            return bound(_join, pieces, call)
        refuse("SW270", call=f"{call} of lists")


def _join(pieces: Pieces, sep: Any) -> Any:
    call = "Series.str.join"
    if pieces.joined is None:
        refuse("SW270", call=call)
    return with_value(pieces.series, pieces.joined(known_text(sep, call)))


def _element(pieces: Pieces, index: int) -> Any:
    """Returns element `index`, NaN where a list is too short. pandas infers float64 for a batch without any such element."""
    series, loop = pieces.series, pieces.series.loop
    value = pieces.piece(index)
    if index in pieces.always:
        return with_value(series, loop.value_of(value))
    valid = validity(loop, series.value, value)
    missing = Missing(none=series.missing.none, nan=True, void=True)
    return text_series(loop, optional(loop, loop.value_of(value), valid), missing)


class TracedColumns(TracedFrame):
    """The DataFrame that ``expand=True`` returns. Its columns have numbers, unless they are named groups or are given names.

    `names`: those of the columns, None where their number depends on the batch. `column` makes one by its name. `most`: the most
    columns that there may be, if known. `narrower` returns the condition that a row needs at most that number of columns.
    """

    __slots__ = ("_column", "_made", "_most", "_names", "_narrower")

    def __init__(
        self, loop: LoopBuilder, names: tuple[Any, ...] | None, column: Callable[[Any], Any], most: int | None = None,
        narrower: Callable[[int], Value] | None = None,
    ) -> None:  # fmt: skip
        self.loop, self.shared = loop, False
        self._names, self._column, self._most, self._narrower = names, column, most, narrower
        self._made: dict[Any, Any] | None = None

    @property  # type: ignore[override]
    def series(self) -> dict[Any, Any]:
        """Returns all columns by name; refuses (SW270) a frame of which the batch decides the number of columns."""
        if self._made is None:
            self.expect(self._most)
        assert self._made is not None
        return self._made

    @series.setter
    def series(self, made: dict[Any, Any]) -> None:
        self._made = made

    def expect(self, count: int | None) -> None:
        """Guards that the frame has `count` columns, if their number depends on the batch."""
        if self._made is not None:
            return
        if self._names is None and not count:
            refuse("SW270", call="a DataFrame of an unknown number of substrings")
        if self._names is None and self._narrower is not None and count != self._most:
            self.loop.guard(self._narrower(count))  # type: ignore[arg-type]
        self._made = {name: self._column(name) for name in (range(count) if self._names is None else self._names)}  # type: ignore[arg-type]

    def __getitem__(self, key: Any) -> Any:
        if type(key) is list or isinstance(key, Traced) or (self._made is not None and key not in self._made):
            return super().__getitem__(key)
        if self._made is not None:
            return self.column(key)
        if not isinstance(key, int | str) or isinstance(key, bool):
            refuse("SW262", call="DataFrame[...]", what=raw(key))
        names = self._names
        if (names is None and (isinstance(key, str) or key < 0)) or (names is not None and key not in names):
            refuse("SW252", call=f"DataFrame[{key!r}]", error=f"KeyError: {key!r}")
        return self._column(key)

    def _more_names(self) -> Any:
        return self._made or self._names or ()

    def __getattr__(self, name: Any) -> Any:
        return self[name] if self._made is None and name in (self._names or ()) else super().__getattr__(name)


def _expanded(pieces: Pieces, count: int | None, most: int | None = None) -> TracedColumns:
    """Returns the frame whose column i holds element i, None where a string has fewer.

    A batch in which no string has element i lacks column i, so a guard requires one. `most`: the most elements of any string.
    """
    series, loop = pieces.series, pieces.series.loop

    def column(index: int) -> Any:
        value = pieces.piece(index)
        valid = validity(loop, series.value) if index in pieces.always else validity(loop, series.value, value)
        if index and valid is not None:
            loop.guard_some(valid)
        missing = Missing(none=series.missing.none or index not in pieces.always, nan=series.missing.nan)
        return text_series(loop, optional(loop, loop.value_of(value), valid), missing)

    def narrower(count: int) -> Value:
        few, valid = loop.call("less_equal", pieces.count(), loop.const(count, I64)), validity(loop, series.value)
        return few if valid is None else loop.call("logical_or", few, loop.call("logical_not", valid))

    return TracedColumns(loop, None if count is None else tuple(range(count)), column, most, narrower)


def split(s: Any, pat: Any = None, *, n: Any = -1, expand: Any = False, regex: Any = None) -> Any:
    """Implements Series.str.split: by whitespace, a literal string or a pattern."""
    call = "Series.str.split"
    if regex not in (None, True, False) or type(expand) is not bool:
        refuse("SW262", call=call, what="the argument regex= or expand=")
    limit = -1 if n is None else known_int(n, call)
    if limit < -1:
        refuse("SW262", call=call, what=f"n={limit}")
    limit = limit or -1
    if pat is None:
        made = _by_whitespace(s, limit, "split_part")
    elif type(pat) is str and (regex is False or (regex is None and len(pat) == 1)):
        made = _by_text(s, known_text(pat, call), limit, "split_part", call)
    else:
        made = _by_pattern(s, pat, limit, regex, call)
    return _expanded(made, None, limit + 1 if limit > 0 else None) if expand else TracedLists(made)


def rsplit(s: Any, pat: Any = None, *, n: Any = -1, expand: Any = False) -> Any:
    call = "Series.str.rsplit"
    limit = -1 if n is None else known_int(n, call) or -1
    if type(expand) is not bool:
        refuse("SW262", call=call, what="the argument expand=")
    if pat is None:
        made = _by_whitespace(s, limit, "rsplit_part")
    else:
        made = _by_text(s, known_text(pat, call), limit, "rsplit_part", call)
    return _expanded(made, None, limit + 1 if limit > 0 else None) if expand else TracedLists(made)


def _by_text(s: Any, sep: str, limit: int, fn: str, call: str) -> Pieces:
    if not sep:
        refuse("SW252", call=call, error="ValueError: empty separator")
    loop = s.loop
    always = frozenset((0, -1))
    joined = None
    if limit < 0:
        joined = lambda between: str_call(loop, "replace", plain(s), params=(sep, between, -1))  # noqa: E731
    return Pieces(s, _piece(s, fn, sep, limit), _count(s, sep, limit), always, joined, _whole(s, fn, sep, limit))


def _by_whitespace(s: Any, limit: int, fn: str) -> Pieces:
    """Splits by whitespace; a blank string has no elements."""
    joined = None
    if limit < 0:
        joined = lambda between: patterns.replace_whitespace(s, between)  # noqa: E731
    return Pieces(s, _piece(s, fn, None, limit), _count(s, None, limit), frozenset(), joined, _whole(s, fn, None, limit))


def _piece(s: Any, fn: str, sep: str | None, limit: int) -> Callable[[int], Value]:
    return lambda index: str_call(s.loop, fn, plain(s), params=(sep, limit, index))


def _whole(s: Any, fn: str, sep: str | None, limit: int) -> Callable[[], Value]:
    return lambda: str_call(s.loop, fn.removesuffix("_part"), plain(s), params=(sep, limit))


def _count(s: Any, sep: str | None, limit: int) -> Callable[[], Value]:
    return lambda: str_call(s.loop, "split_count", plain(s), params=(sep, limit))


def _by_pattern(s: Any, pat: Any, limit: int, regex: Any, call: str) -> Pieces:
    literal = patterns.literal_of(pat, 0)
    if literal:
        return _by_text(s, known_text(literal, call), limit, "split_part", call)
    pattern = patterns.splitting(pat, call)
    return Pieces(
        s,
        lambda index: pattern.emit(s.loop, plain(s), "split_part", limit=limit, index=index),
        lambda: pattern.emit(s.loop, plain(s), "split_count", limit=limit),
        frozenset((0, -1)),
    )


def _partition(fn: str) -> Callable[..., Any]:
    def partition(s: Any, sep: Any = " ", expand: Any = True) -> Any:
        call = f"Series.str.{fn.removesuffix('_part')}"
        text = known_text(sep, call)
        if not text:
            refuse("SW252", call=call, error="ValueError: empty separator")
        if type(expand) is not bool:
            refuse("SW262", call=call, what="the argument expand=")
        made = Pieces(s, lambda index: _third(s, fn, text, index), lambda: _three(s.loop), frozenset(range(-3, 3)))
        return _expanded(made, 3) if expand else TracedLists(made)

    return partition


def _third(s: Any, fn: str, sep: str, index: int) -> Value:
    if not -3 <= index <= 2:
        refuse("SW262", call=f"Series.str.{fn.removesuffix('_part')}", what=f"piece {index} of three")
    return str_call(s.loop, fn, plain(s), params=(sep, index % 3))


def _three(loop: LoopBuilder) -> Value:
    return loop.const(3, I64)


def get(s: Any, i: Any) -> Any:
    """Implements Series.str.get and Series.str[i]: a character; NaN where the string is too short."""
    index = known_int(i, "Series.str.get")
    return _element(Pieces(s, lambda at: str_call(s.loop, "get", plain(s), params=(at,)), lambda: plain(s), frozenset()), index)


def extract(s: Any, pat: Any, flags: Any = 0, expand: Any = True) -> Any:
    """Implements Series.str.extract: the groups of the first match; NaN without a match."""
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
    return TracedColumns(s.loop, columns, lambda key: _group(s, text, flags, columns.index(key) + 1, call, as_column=True))


def _group(s: Any, text: str, flags: int, number: int, call: str, as_column: bool) -> Any:
    """Returns a group's string. A missing one is NaN in a frame's column; in a Series, None where the group did not match."""
    loop = s.loop
    value = FirstMatch(text, flags, call).group(s.loop, plain(s), number)
    valid = validity(loop, s.value, value)
    missing = Missing(nan=True) if as_column else Missing(none=True, nan=True)
    return text_series(loop, optional(loop, loop.value_of(value), valid), missing)


def findall(s: Any, pat: Any, flags: Any = 0) -> Any:
    """Implements Series.str.findall: the list of all matches, or of the only group of each. Refuses (SW262) several groups."""
    call, loop = "Series.str.findall", s.loop
    text, flags = pattern_of(pat, flags, call)
    groups = re.compile(text, flags).groups
    if groups > 1:
        refuse("SW262", call=call, what="a pattern of several groups")
    matches = Regex(text, flags, call, (0,), repeated=True)
    wanted = Regex(text, flags, call, (0, 1), repeated=True) if groups else matches

    def found() -> Value:
        return wanted.emit(loop, plain(s), "all", index=groups)

    def count() -> Value:
        return matches.emit(loop, plain(s), "count")

    def piece(index: int) -> Value:
        items, at = found(), loop.const(index, I64)
        at = at if index >= 0 else loop.call("add", count(), at)
        inside = loop.call("logical_and", loop.call("greater_equal", at, loop.const(0, I64)), loop.call("less", at, count()))
        return loop.optional(loop.emit(ListCall("at", items.type), items, at), inside)

    def joined(between: str) -> Value:
        items = found()
        return loop.emit(ListCall("join", items.type), items, loop.const(between, STR))

    return TracedLists(Pieces(s, piece, count, frozenset(), joined, found))


#: Methods by name.
METHODS: dict[str, Callable[..., Any]] = {
    "split": split,
    "rsplit": rsplit,
    "partition": _partition("partition_part"),
    "rpartition": _partition("rpartition_part"),
    "get": get,
    "extract": extract,
    "findall": findall,
}

__all__ = ["METHODS", "TracedColumns", "TracedLists", "get"]
