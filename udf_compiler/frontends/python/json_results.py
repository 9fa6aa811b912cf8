"""Converts values of JSON that a function returns to lists and dicts of strings, numbers and strings."""

from __future__ import annotations

from typing import Any

from sparkweld.ir import json_texts as kinds
from sparkweld.ir.ops import StrCall
from udf_compiler.frontends.python import lists, maps
from udf_compiler.frontends.python.json_kinds import call, is_class, text_of
from udf_compiler.frontends.python.json_values import TracedJson, is_dict, members, plain
from udf_compiler.frontends.python.path_explorer import explorer


def as_result(x: Any, type_: str) -> Any:
    """Returns a result of a function of a declared type: an array or map of strings, else a number or string."""
    if type(x) is not TracedJson or type_ not in ("array<string>", "map<string,string>"):
        return plain(x)
    _check(x, kinds.LIST if type_ == "array<string>" else kinds.DICT)
    strings = lists.of_list(call("json_strings", text_of(x)))
    if type_ == "array<string>":
        return strings
    return maps.last_of_each(lists.of_list(call("json_keys", text_of(x))), strings)


def strings_of(x: Any) -> Any:
    """Returns a list of the row for an array of strings of JSON, or for the keys of a dict; other objects unchanged.

    Rows with other arrays, and with strings and numbers in place of one, run in Python.
    """
    if type(x) is not TracedJson:
        return x
    if is_dict(x):
        return members(x).key_list
    _check(x, kinds.LIST)
    return lists.of_list(call("json_strings", text_of(x)))


def _check(x: TracedJson, number: int) -> None:
    """Leaves rows to Python whose value is of another class, or has other elements or values than strings."""
    run = explorer()
    run.guard(is_class(x, number))
    run.guard(run.loop.emit(StrCall("json_uniform", (kinds.STR, 0)), text_of(x)))
