"""Makes records of the tuples and dicts with values of JSON that join a list: parts may be None without a path for each."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Any

from udf_compiler.frontends.python.json_results import collected, collected_parts
from udf_compiler.frontends.python.json_values import TracedJson
from udf_compiler.frontends.python.lists import as_list
from udf_compiler.frontends.python.record_dicts import TracedRecord
from udf_compiler.frontends.python.regions.code import code_of
from udf_compiler.frontends.python.regions.growing import Growing
from udf_compiler.frontends.python.regions.iteration import reads_json
from udf_compiler.frontends.python.regions.machine import Machine, check_exceptions, decide, pop_undecided
from udf_compiler.frontends.python.regions.mappings import recorded
from udf_compiler.frontends.python.regions.results import is_json
from udf_compiler.frontends.python.regions.state import UNSET, Method, State, check_kept
from udf_compiler.frontends.python.undecided import Undecided
from udf_compiler.frontends.python.values import TracedScalar

#: What a part of a record may be.
_PARTS = (TracedJson, TracedScalar, Undecided, str, int, float, bool, NoneType)


def is_append(function: Any) -> bool:
    """Whether a function is the method `append` of a list that the function made."""
    return type(function) is Method and function.name == "append" and type(function.owner) in (list, Growing)


def pop_element(machine: Machine, s: State) -> Any:
    """Pops the value that joins a list, as its element. In a loop over JSON, values of JSON become numbers and strings."""
    (x,) = pop_undecided(s, 1)
    check_exceptions((x,))
    return element(machine, s, x)


def element(machine: Machine, s: State, x: Any) -> Any:
    """Returns a value that joins a list as its element."""
    check_kept(x)
    over_json = reads_json(s.stack)
    if not over_json and not (type(x) is tuple and any(map(is_json, x))):
        return as_list(recorded(decide(s, x), machine.outer))
    x = recorded(x, machine.outer, of_json=True)
    return collected(x) if type(x) in (Undecided, TracedJson, NoneType) else x


def record(machine: Machine, s: State, keys: Sequence[Any], values: Sequence[Any]) -> TracedRecord | None:
    """Returns a dict with values of JSON that joins a list at the next instruction as a record; None for another dict."""
    if not reads_json(s.stack) and not any(map(is_json, values)):
        return None
    (following,) = code_of(machine.function.__code__).following(s.next)
    called = [x for x in s.stack[-2:] if x is not UNSET]
    appends = following.name == "CALL" and following.arg == 1 and any(map(is_append, called))
    if not appends and following.name not in ("LIST_APPEND", "YIELD_VALUE"):
        return None
    constant = bool(keys) and all(type(key) is str for key in keys) and len({*keys}) == len(keys)
    if not constant or not all(type(x) in _PARTS for x in values):
        return None
    return TracedRecord(keys, collected_parts(keys, values))
