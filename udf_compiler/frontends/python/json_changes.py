"""Lowers item assignment, pop, update and setdefault of documents of JSON that only the function refers to.

The change of a nested value is refused: its document would have to change, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir import json_texts as kinds
from udf_compiler.frontends.python.json_kinds import NOTHING, call, freeze, is_class, raise_unless, text_of
from udf_compiler.frontends.python.json_scalars import json_of
from udf_compiler.frontends.python.maps import no_key
from udf_compiler.frontends.python.of_text import OfText, element
from udf_compiler.frontends.python.operands import as_text, is_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


class Changeable(OfText):
    """A value of JSON. `fresh`: a whole document that nothing else refers to, so the function may change it."""

    __slots__ = ("fresh",)

    fresh: bool

    def __setitem__(self, key: Any, value: Any) -> None:
        _put(self, key, value)

    def __delitem__(self, key: Any) -> None:
        _dropped(self, key, no_key)


def member(x: OfText, key: Any, call_: str) -> Any:
    """Returns the value of a key of a dict, None for null; NOTHING where there is no such key."""
    run, loop = explorer(), explorer().loop
    found = call("json_member", text_of(x), as_text(_key(key, call_)))
    if not run.decide(loop.is_valid(found)):
        return NOTHING
    made = type(x)(loop.value_of(found))  # type: ignore[call-arg]
    return None if run.decide(is_class(made, kinds.NULL)) else made


def _key(key: Any, call_: str) -> Any:
    """Returns a key; rows whose key is a value of JSON other than a str run in Python."""
    key = element(key)
    return key if is_text(key) else refuse("SW262", call=call_, what=raw(key))


def _check_change(x: OfText, call_: str) -> None:
    """Refuses (SW256) a change that another object may see, and (SW282) one in a block, which may run twice."""
    if explorer().inside:
        refuse("SW282", what="a dict of JSON that it changes")
    if not object.__getattribute__(x, "fresh"):
        refuse("SW256", call=call_)


def _changed(x: OfText, fn: str, *args: Value) -> None:
    object.__setattr__(x, "value", call(fn, text_of(x), *args))


def _put(x: OfText, key: Any, value: Any) -> None:
    _check_change(x, "value of JSON[...] = ...")
    key = _key(key, "[...] = of JSON")
    raise_unless(x, kinds.DICT, lambda: TypeError("object does not support item assignment"))
    if type(value) is not type(x):
        text = json_of(value, "[...] = of JSON")
    elif value is x:
        refuse("SW256", call="value of JSON[...] = the value itself")
    else:
        freeze(value)
        text = text_of(value)
    _changed(x, "json_put", as_text(key), text)


def _dropped(x: OfText, key: Any, missing: Callable[[], Any]) -> Any:
    """Removes a key and returns its value, or returns the result of `missing`. Rows of another class run in Python."""
    _check_change(x, "del value of JSON[...]")
    explorer().guard(is_class(x, kinds.DICT))
    found = member(x, key, "dict.pop")
    if found is NOTHING:
        return missing()
    _changed(x, "json_drop", as_text(_key(key, "dict.pop")))
    return found


def update(x: OfText, other: Any = (), /, **more: Any) -> None:
    """Evaluates ``x.update(other, **more)`` of a dict that is not of the row; refuses others (SW262)."""
    known = dict(unwrapped(other)) if type(unwrapped(other)) is dict or other == () else refuse(
        "SW262", call="dict.update", what=raw(other)
    )
    for key, value in {**known, **more}.items():
        _put(x, key, value)


def setdefault(x: OfText, key: Any, default: Any = None, /) -> Any:
    """Evaluates ``x.setdefault(key, default)``."""
    found = member(x, key, "dict.setdefault")
    if found is not NOTHING:
        return found
    _put(x, key, default)
    return default


def pop(x: OfText, key: Any, *default: Any) -> Any:
    """Evaluates ``x.pop(key, *default)``."""
    return _dropped(x, key, lambda: default[0] if default else no_key())
