"""Evaluates ``Counter.most_common`` of a Counter that the function makes."""

from __future__ import annotations

from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.maps import TracedMap, no_key
from udf_compiler.frontends.python.regions.equivalents import COUNT, COUNT_MORE, EQUAL_COUNTS, EQUAL_DICTS, by_key
from udf_compiler.frontends.python.regions.groups import Groups
from udf_compiler.frontends.python.regions.machine import Machine
from udf_compiler.frontends.python.regions.mappings import Mapping, read
from udf_compiler.frontends.python.regions.sorting import in_order
from udf_compiler.frontends.python.regions.state import Method
from udf_compiler.frontends.python.row_lists import pairs_of
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.session import refuse


def count_more(machine: Machine, counts: Mapping, items: Any) -> tuple[None]:
    """Evaluates ``counts.update(items)`` of a list or string, in a tuple; refuses (SW251) a Counter of constants."""
    counts.check_change()
    if counts.iterated or (counts.log is None and counts.known):
        refuse("SW251", call="Counter.update of constants, or in a loop over the Counter,")
    items = tuple(items) if type(items) is list else items
    if type(items) is tuple and not items:
        return (None,)
    if counts.log is None:
        made = machine.call(COUNT, [items], {})
    else:
        made = machine.call(COUNT_MORE, [counts.settled.key_list, counts.settled.value_list, items], {})
    known = unwrapped(made)
    if type(made) is TracedMap:
        counts.log = made.key_list, made.value_list
    elif counts.log is None and type(known) is dict:  # of constants
        counts.known = dict(known)
    else:
        refuse("SW251", call="Counter.update of a value of the row")
    return (None,)


def equal(machine: Machine, a: Mapping, b: Mapping) -> Any:
    """Returns ``a == b`` of two dicts that the function makes; of Counters, a missing key counts 0. Refuses others (SW282)."""
    if a.void or b.void or Groups in (type(a.log), type(b.log)):
        refuse("SW282", what="a dict that it compares")
    return machine.call(EQUAL_COUNTS if a.counts and b.counts else EQUAL_DICTS, [a, b], {})


def most_common(machine: Machine, counts: Mapping, n: Any = None) -> Any:
    """Returns ``counts.most_common(n)``."""
    if not counts:
        return []
    keys = counts.iterate()
    if type(keys) is tuple or type(n) not in (int, type(None)):
        refuse("SW251", call="Counter.most_common of constants, or of a number that is not constant,")
    if n == 1 and lists.is_list(keys):
        best = machine.call(by_key(max), [keys, Method(read(counts), "get")], {})
        return [(best, counts.get(best, no_key))]
    pairs = pairs_of(counts.method("items")())
    made = in_order(pairs, pairs.parts[1:], reverse=True)
    return made if n is None else made[: max(n, 0)]
