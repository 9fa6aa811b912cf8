"""Converts the result of a path of a region to values of its block."""

from __future__ import annotations

from functools import partial
from typing import Any

from udf_compiler.frontends.python.json_kinds import text_of
from udf_compiler.frontends.python.lists import is_list
from udf_compiler.frontends.python.maps import TracedMap, is_map
from udf_compiler.frontends.python.nested_lists import TracedLists, is_nested, kind_of_lists, lists_of
from udf_compiler.frontends.python.new_lists import kind_of, list_of
from udf_compiler.frontends.python.of_text import of
from udf_compiler.frontends.python.record_dicts import TracedRecord
from udf_compiler.frontends.python.records import TracedRecords, as_records, kind_of_records, records_of
from udf_compiler.frontends.python.regions.distinct import Distinct
from udf_compiler.frontends.python.regions.growing import current
from udf_compiler.frontends.python.regions.list_kinds import element_of
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.results import RESULTS, is_json, kind_of_whole
from udf_compiler.frontends.python.regions.seen import Seen
from udf_compiler.frontends.python.row_lists import as_tuple
from udf_compiler.frontends.python.undecided import Undecided
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


def returned(draft: Any, x: Any, whole: bool) -> Any:
    """Returns a result as values of the block `draft`. Refuses (SW293) what no region returns.

    `whole`: it is the result of the UDF, which may be a tuple, a dict of constant strings or a value of JSON.
    """
    x = current(as_tuple(x))
    if whole and is_json(x):
        return _json(draft, x)
    if whole and type(x) is tuple and x:
        return tuple(returned(draft, part, whole) for part in x)
    x = _as_map(draft, x, whole)
    if is_map(x) and not is_list(x.key_list):
        if whole or not is_list(x.value_list):
            refuse("SW293", type="a dict with tuples as keys")
        return TracedMap(x.key_list.moved(draft.leaf), draft.leaf(x.value_list))
    if is_map(x) and is_list(x.value_list):
        return TracedMap(draft.leaf(x.key_list), draft.leaf(x.value_list))
    x = as_records(x)
    if type(x) is TracedRecords or (type(x) is TracedLists and x.kind is not None):
        return x.moved(draft.leaf)
    if type(x) is TracedRecord:
        x = dict(zip(x.names, x.values_, strict=True))
    if type(x) is dict:
        return {key: returned(draft, part, whole) for key, part in x.items()}
    found = kind_of(x) if type(x) is list else None
    if found is not None:
        return list_of(draft.loop, found, [element_of(draft, item) for item in x])
    if type(x) is list and not x:
        return x
    records = kind_of_records(x) if type(x) is list else None
    if records is not None:
        return records_of(draft.loop, records, x, partial(element_of, draft))
    items = list(map(current, x)) if type(x) is list else []
    nested = kind_of_lists(items)
    if nested is not None:
        return lists_of(draft.loop, nested, items, partial(element_of, draft))
    if type(x) in (Distinct, Seen):
        refuse("SW293", type="the elements of a set in Python's order, which depends on hashes")
    if isinstance(x, tuple | list) and not is_list(x):
        refuse("SW293", type=type(x).__name__)
    if is_map(x) or is_nested(x) or kind_of_whole(x) not in RESULTS:
        refuse("SW293", type=raw(x) if is_map(x) or is_nested(x) else str(kind_of_whole(x)))
    return draft.leaf(x)


def _json(draft: Any, x: Any) -> Any:
    return Undecided(draft.leaf(x.valid), _json(draft, x.value)) if type(x) is Undecided else of(x, draft.value(text_of(x)))


def _as_map(draft: Any, x: Any, whole: bool) -> Any:
    """Returns a dict of known keys as a dict of the row, an empty one as itself; anything else unchanged.

    Returns a dict of constant strings as a Python dict where it is the result of the UDF, which may be a struct.
    """
    known = unwrapped(x)
    if not is_map(known) and isinstance(known, dict):  # captured, or a constant
        x = Mapping(dict(known))
    if type(x) is not Mapping:
        return x
    if not x.known:
        return {}
    if whole and x.log is None and all(type(key) is str for key in x.known):
        return dict(x.known)
    made = x.as_map(draft.loop, partial(element_of, draft))
    if made is None:
        refuse("SW293", type="a dict with keys or values of several classes")
    return made
