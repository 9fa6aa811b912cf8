"""Evaluates calls that make, read or change a dict of the row."""

from __future__ import annotations

from collections import Counter as CountingDict
from collections import OrderedDict, defaultdict
from types import BuiltinMethodType
from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.builtin_calls import is_builtin
from udf_compiler.frontends.python.byte_strings import TracedBytes
from udf_compiler.frontends.python.key_lists import is_key_kind
from udf_compiler.frontends.python.maps import is_map, last_of_each
from udf_compiler.frontends.python.nested_lists import TracedLists
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.records import TracedRecords
from udf_compiler.frontends.python.regions import sets
from udf_compiler.frontends.python.regions.bucket_changes import change, set_default
from udf_compiler.frontends.python.regions.counts import count_more, most_common
from udf_compiler.frontends.python.regions.equivalents import (
    COUNT,
    FROM_KEYS,
    PAIRS,
)
from udf_compiler.frontends.python.regions.expressions import reduced
from udf_compiler.frontends.python.regions.groups import Bucket
from udf_compiler.frontends.python.regions.growing import Growing, current
from udf_compiler.frontends.python.regions.iteration import Elements, Letters, Together, Walk, remaining
from udf_compiler.frontends.python.regions.list_calls import of_iterator, of_list_call
from udf_compiler.frontends.python.regions.machine import (
    Machine,
    check_growing,
)
from udf_compiler.frontends.python.regions.mappings import (
    Mapping,
    length,
    read,
)
from udf_compiler.frontends.python.regions.new_dicts import constructed, of_constant_keys, of_keys
from udf_compiler.frontends.python.regions.readers import only_reads, takes_elements
from udf_compiler.frontends.python.regions.sorting import with_options
from udf_compiler.frontends.python.regions.state import Expression, Method, State, within
from udf_compiler.frontends.python.regions.tables import lookup
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.exceptions import as_python

#: Classes of dicts that a function may make.
_DICTS = (dict, CountingDict, OrderedDict, defaultdict)


def of_dict_call(machine: Machine, s: State, function: Any, args: list[Any], kwargs: dict[str, Any]) -> tuple[Any] | None:
    """Returns the result of a call that makes or takes a dict, or changes a list in one, in a tuple; None for other calls."""
    if type(function) is Method and type(function.owner) is Bucket:
        return change(machine, s, function.owner, function.name, args) if not kwargs else sets.unknown()
    kind = next((k for k in _DICTS if is_builtin(function, k)), None)
    if args and type(args[0]) is Expression and (kind is not None or _is_from_keys(function)):
        args = [reduced(machine, "list", args[0], s), *args[1:]]
    if type(function) is Method and type(function.owner) is Mapping:
        if function.name == "most_common" and function.owner.counts and len(args) <= 1 and not kwargs:
            return (most_common(machine, function.owner, *args),)
        if function.name == "update" and function.owner.counts and len(args) == 1 and not kwargs and not _is_dict(args[0]):
            return count_more(machine, function.owner, of_iterator(lists.as_list(current(args[0]))))
        bucket = set_default(machine, s, function.owner, args) if function.name == "setdefault" and not kwargs else None
        if bucket is not None:
            return bucket
        check_growing(x for x in args if type(x) is Growing or function.name != "update")
        return (as_python(function.owner.method(function.name), *args, **kwargs),)
    if kind is not None:
        made = constructed(kind, args, kwargs)
        if made is not None:
            return (made,)
        items = lists.as_list(current(args[0])) if len(args) == 1 and not kwargs else None
        if kind is dict and type(items) is TracedRecords and items.is_pairs:
            return (last_of_each(*items.columns),)
        known = type(items) in (Together, Elements, Letters, Walk, TracedBytes) or is_scalar(items)
        known = known or (kind is dict and type(items) is TracedLists)
        known = known or (kind is CountingDict and type(items) is TracedRecords and is_key_kind(items.kind))
        if kind is not defaultdict and known:
            if type(items) is not TracedBytes and not any(map(is_scalar, within(items))):
                return (constructed(kind, [remaining(items)], {}),)
            made = machine.call(COUNT if kind is CountingDict else PAIRS, [items], {})
            own = constructed(kind, [made], {})
            return (made if own is None else own,)  # an empty dict is false
        return None
    if _is_from_keys(function) and len(args) in (1, 2) and not kwargs:
        args[0] = of_iterator(args[0])
        items = lists.as_list(current(args[0]))
        if lists.is_list(items) and not items.numpy:
            return (of_keys(items) if len(args) == 1 else constructed(dict, [machine.call(FROM_KEYS, [items, args[1]], {})], {}),)
        made = of_constant_keys(items, *args[1:])
        return None if made is None else (made,)
    given = [*args, *kwargs.values()]
    key = kwargs.get("key")
    if any(type(x) is Mapping or is_map(x) for x in args) and {"key"} <= kwargs.keys() <= {"key", "reverse"}:
        key = Method(read(key.owner), key.name) if type(key) is Method and type(key.owner) is Mapping else key
        made = with_options(machine, function, list(map(_keys_of, args)), {**kwargs, "key": key})
        return None if made is None else (made,)
    if not any(type(x) is Mapping for x in given):
        return None
    if is_builtin(function, len) and len(given) == 1:
        return (length(args[0]),)
    if not kwargs and (only_reads(function) or takes_elements(function) or is_builtin(function, list)):
        return (_plain(machine, function, list(map(_keys_of, args))),)
    return None


def _is_dict(x: Any) -> bool:
    """Whether `x` is a dict of the row, of constants, or one that the function makes."""
    return type(x) is Mapping or is_map(x) or isinstance(unwrapped(x), dict)


def _is_from_keys(function: Any) -> bool:
    return type(function) is BuiltinMethodType and function.__self__ is dict and function.__name__ == "fromkeys"


def _plain(machine: Machine, function: Any, args: list[Any]) -> Any:
    made = of_list_call(machine, function, args)
    return machine.call(function, args, {}) if made is None else made


def _keys_of(x: Any) -> Any:
    """Returns the keys of a dict that the function makes, or of one of the row; anything else unchanged."""
    return x.iterate() if type(x) is Mapping else x.key_list if is_map(x) else x


def got(owner: Any, function: Any, args: list[Any], kwargs: dict[str, Any]) -> tuple[Any] | None:
    """Returns ``owner.get(key, default)`` of a large dict in a tuple; None for other calls."""
    if not isinstance(owner, dict) or getattr(function, "__name__", "") != "get":
        return None
    explorer().keys = tuple(owner)
    if len(args) not in (1, 2) or kwargs:
        return None
    key, default = (*args, None)[:2]
    return lookup(owner, key, lambda: default)
