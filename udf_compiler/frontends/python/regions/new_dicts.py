"""Makes the dicts of calls of dict, Counter, OrderedDict, defaultdict and dict.fromkeys."""

from __future__ import annotations

import ast
import collections
import math
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from udf_compiler.frontends.python.key_lists import KEYS
from udf_compiler.frontends.python.maps import TracedMap
from udf_compiler.frontends.python.regions.machine import is_of_user
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.tables import Display
from udf_compiler.frontends.python.row_lists import TracedPairs
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.enum_members import EnumCopy
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.large_dicts import LargeDict
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced

#: Calls without arguments that make the value of a missing key.
DEFAULTS = (int, float, str, bool, list)


@dataclass(frozen=True, slots=True)
class Constant:
    """A call without arguments that makes a number or string. Its `text` distinguishes it from others."""

    kind: type
    text: str

    def __call__(self) -> Any:
        return ast.literal_eval(self.text)


def _default(x: Any) -> Any:
    """Returns the call that makes a missing value for a class or a lambda of a constant; None for others."""
    known = next((f for f in DEFAULTS if x is f or getattr(x, "stands_for", None) is f), None)
    if known is not None or not is_of_user(x) or type(x) is not FunctionType:
        return known
    code = x.__code__
    if code.co_argcount or code.co_kwonlyargcount or code.co_names or code.co_freevars or code.co_cellvars:
        return None
    value = as_python(x)
    if type(value) is list and not value:
        return list
    plain = type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))
    return Constant(type(value), repr(value)) if plain else None


def constructed(kind: type, args: list[Any], kwargs: dict[str, Any]) -> Mapping | None:
    """Returns a new dict, Counter, OrderedDict or defaultdict; None for other arguments than none or a dict."""
    made_ = Mapping(counts=kind is collections.Counter)
    if kind is collections.defaultdict:
        if len(args) != 1 or kwargs:
            return None
        made_.missing = _default(args[0])
        return made_ if made_.missing is not None else None
    of = unwrapped(args[0]) if len(args) == 1 else None
    if type(of) is Mapping:
        copy = of.copied()
        made_.known, made_.log, made_.frozen = copy.known, copy.log, copy.frozen
    elif type(of) is TracedMap:
        made_.log = (of.key_list, of.value_list)
    elif type(of) is TracedPairs and kind is not collections.Counter:
        made_.log = (of.parts[0], of.parts[1])
    elif type(of) in (dict, LargeDict, Display, list, tuple, str):
        made_.known = dict(as_python(kind, of))
    elif args:
        return None
    for key, value in kwargs.items():
        made_.set(key, value)
    return made_


def of_dict(x: dict[Any, Any], known: dict[Any, Any]) -> Mapping | None:
    """Returns a dict of Python, or of a class of `collections`, with these contents; None for other defaults than `DEFAULTS`."""
    made_ = constructed(type(x), [x.default_factory] if isinstance(x, collections.defaultdict) else [], {})
    if made_ is None or made_.missing is list:
        return None
    made_.known = known
    return made_


def of_keys(items: Any) -> Mapping:
    """Returns ``dict.fromkeys(items)`` of a list of the row."""
    if items.kind not in KEYS:
        refuse("SW244", what="a key", kind="dict")
    return Mapping(log=(items, items), void=True)


def of_constant_keys(items: Any, value: Any = None) -> Mapping | None:
    """Returns ``dict.fromkeys(items, value)`` of constants; None for other keys, and for a value that may change."""
    known = unwrapped(items)
    if type(known) not in (list, tuple, str, dict, LargeDict) and not isinstance(known, EnumCopy):
        return None
    plain = value is None or is_scalar(value) or type(value) in (bool, int, float, str)
    if not plain or any(issubclass(type(key), Traced | tuple) for key in known):
        return None
    return Mapping(as_python(dict.fromkeys, known, value))
