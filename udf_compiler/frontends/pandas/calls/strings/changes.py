"""Lowers methods of `Series.str` that return a string per row: case, whitespace, padding, slices, concatenation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as replaced
from typing import Any

from udf_compiler.frontends.pandas.calls.strings.mapping import known_bound, known_int, known_text, plain, strings, with_value
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.strings import constant, is_text, optional, str_call, text_series, validity
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.translations import translations
from udf_compiler.frontends.tracing.values import raw


def _simple(name: str) -> Callable[..., Any]:
    return lambda s: strings(s, name)


def _strip(name: str) -> Callable[..., Any]:
    def strip(s: Any, to_strip: Any = None) -> Any:
        chars = None if to_strip is None else known_text(to_strip, f"Series.str.{name}")
        return strings(s, name, chars)

    return strip


def _remove(name: str, fn: str) -> Callable[..., Any]:
    def remove(s: Any, text: Any) -> Any:
        return strings(s, fn, known_text(text, f"Series.str.{name}"))

    return remove


def pad(s: Any, width: Any, side: Any = "left", fillchar: Any = " ") -> Any:
    """Implements Series.str.pad: pads to `width` code points."""
    call = "Series.str.pad"
    names = {"left": "rjust", "right": "ljust", "both": "center"}
    if type(fillchar) is not str or len(fillchar) != 1:
        refuse("SW252", call=call, error="TypeError: fillchar must be a character")
    if side not in names:
        refuse("SW252", call=call, error="ValueError: Invalid side")
    return strings(s, names[side], known_int(width, call), known_text(fillchar, call))


def _padded(side: str) -> Callable[..., Any]:
    return lambda s, width, fillchar=" ": pad(s, width, side, fillchar)


def zfill(s: Any, width: Any) -> Any:
    return strings(s, "zfill", known_int(width, "Series.str.zfill"))


def normalize(s: Any, form: Any) -> Any:
    """Implements Series.str.normalize of ASCII strings, which every form leaves unchanged; guards other rows."""
    call = "Series.str.normalize"
    if known_text(form, call) not in ("NFC", "NFD", "NFKC", "NFKD"):
        refuse("SW252", call=call, error="ValueError: invalid normalization form")
    s.loop.guard(str_call(s.loop, "is_ascii", plain(s)))
    return with_value(s, plain(s))


def translate(s: Any, table: Any) -> Any:
    """Implements Series.str.translate."""
    params = translations(table, "Series.str.translate")
    return strings(s, "translate", *params) if params else strings(s, "strip", "")


def slice_(s: Any, start: Any = None, stop: Any = None, step: Any = None) -> Any:
    """Implements Series.str.slice and Series.str[a:b:c]."""
    call = "Series.str[...]"
    step = 1 if step is None else known_int(step, call)
    if step == 0:
        refuse("SW252", call=call, error="ValueError: slice step cannot be zero")
    return strings(s, "slice", known_bound(start, call), known_bound(stop, call), step)


def repeat(s: Any, repeats: Any) -> Any:
    return strings(s, "repeat", known_int(repeats, "Series.str.repeat"))


def cat(s: Any, others: Any = None, sep: Any = None, na_rep: Any = None, join: Any = "left") -> Any:
    """Implements Series.str.cat with other Series of the batch: NaN where one is missing, unless `na_rep` replaces it."""
    call = "Series.str.cat"
    if others is None:
        refuse("SW250", call=f"{call} without another Series")
    columns = [s, *(others if isinstance(others, list | tuple) else [others])]
    for column in columns:
        if not is_text(column) or column.loop is not s.loop:
            refuse("SW262", call=call, what=f"{raw(column)} as another column")
    if join not in ("left", "outer", "inner", "right"):
        refuse("SW262", call=call, what=f"join={raw(join)}")
    loop = s.loop
    between = constant(loop, known_text("" if sep is None else sep, call), call)
    filler = None if na_rep is None else constant(loop, known_text(na_rep, call), call)
    parts: list[Any] = []
    for column in columns:
        part = plain(column)
        if filler is not None and column.value.type.nullable:
            part = loop.select(loop.is_valid(column.value), part, filler)
        parts += [between, part] if sep and parts else [part]
    joined = str_call(loop, "concat", *parts)
    if filler is not None:
        return text_series(loop, joined)
    valid = validity(loop, *(c.value for c in columns))
    return text_series(loop, optional(loop, joined, valid), replaced(Missing(), nan=valid is not None))


#: Methods by name.
METHODS: dict[str, Callable[..., Any]] = {
    **{name: _simple(name) for name in ("lower", "upper", "title", "capitalize", "swapcase", "casefold")},
    **{name: _strip(name) for name in ("strip", "lstrip", "rstrip")},
    "removeprefix": lambda s, prefix: _remove("removeprefix", "remove_prefix")(s, prefix),
    "removesuffix": lambda s, suffix: _remove("removesuffix", "remove_suffix")(s, suffix),
    "pad": pad,
    "center": _padded("both"),
    "ljust": _padded("right"),
    "rjust": _padded("left"),
    "zfill": zfill,
    "translate": translate, "normalize": normalize,
    "slice": slice_,
    "repeat": repeat,
    "cat": cat,
}

__all__ = ["METHODS", "slice_"]
