"""Lowers methods of `Series.str` that test or search each string: length, find, index, prefix, suffix, character class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkweld.ir.types import BOOL
from udf_compiler.frontends.pandas.calls.strings.mapping import (
    LONGEST,
    NOT_GIVEN,
    bools,
    integers,
    known_bound,
    known_text,
    plain,
)
from udf_compiler.frontends.pandas.strings import str_call, validity
from udf_compiler.frontends.tracing.session import refuse


def len_(s: Any) -> Any:
    return integers(s, str_call(s.loop, "length", plain(s)), LONGEST)


def _kind(name: str) -> Callable[..., Any]:
    return lambda s: bools(s, str_call(s.loop, name, plain(s)), NOT_GIVEN, f"Series.str.{name}")


def _affix(name: str, fn: str) -> Callable[..., Any]:
    def test(s: Any, pat: Any, na: Any = NOT_GIVEN) -> Any:
        call = f"Series.str.{name}"
        if not isinstance(pat, str | tuple):
            refuse("SW252", call=call, error=f"TypeError: expected a string or tuple, not {type(pat).__name__}")
        texts = [known_text(text, call) for text in ((pat,) if isinstance(pat, str) else pat)]
        found = str_call(s.loop, fn, plain(s), params=tuple(texts)) if texts else s.loop.const(False, BOOL)
        return bools(s, found, na, call)

    return test


def _position(name: str) -> Callable[..., Any]:
    def find(s: Any, sub: Any, start: Any = 0, end: Any = None) -> Any:
        return integers(s, _found(s, name, sub, start, end))

    return find


def _found(s: Any, name: str, sub: Any, start: Any, end: Any) -> Any:
    call = f"Series.str.{name}"
    if not isinstance(sub, str):
        refuse("SW252", call=call, error=f"TypeError: expected a string object, not {type(sub).__name__}")
    return str_call(s.loop, name, plain(s), params=(known_text(sub, call), known_bound(start, call), known_bound(end, call)))


def _index(name: str, fn: str) -> Callable[..., Any]:
    """Implements index and rindex. Guards rows that lack the substring, for which Python raises."""

    def index(s: Any, sub: Any, start: Any = 0, end: Any = None) -> Any:
        loop = s.loop
        found = _found(s, fn, sub, start, end)
        there = loop.call("greater_equal", found, loop.const(0, found.type))
        valid = validity(loop, s.value)
        loop.guard(there if valid is None else loop.call("logical_or", there, loop.call("logical_not", valid)), local=True)
        return integers(s, found)

    return index


#: Methods by name.
METHODS: dict[str, Callable[..., Any]] = {
    **{f"is{k}": _kind(f"is{k}") for k in "alpha digit alnum decimal numeric space lower upper title".split()},
    "len": len_,
    "startswith": _affix("startswith", "starts_with"),
    "endswith": _affix("endswith", "ends_with"),
    "find": _position("find"),
    "rfind": _position("rfind"),
    "index": _index("index", "find"),
    "rindex": _index("rindex", "rfind"),
}

__all__ = ["METHODS"]
