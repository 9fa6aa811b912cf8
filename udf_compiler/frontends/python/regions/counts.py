"""Evaluates ``Counter.most_common`` of a Counter that the function makes."""

from __future__ import annotations

from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.maps import no_key
from udf_compiler.frontends.python.regions.equivalents import by_key
from udf_compiler.frontends.python.regions.machine import Machine
from udf_compiler.frontends.python.regions.mappings import Mapping, read
from udf_compiler.frontends.python.regions.sorting import in_order
from udf_compiler.frontends.python.regions.state import Method
from udf_compiler.frontends.python.row_lists import pairs_of
from udf_compiler.frontends.tracing.session import refuse


def most_common(machine: Machine, counts: Mapping, n: Any = None) -> Any:
    """Returns ``counts.most_common(n)``."""
    if not counts:
        return []
    keys = counts.iterate()
    if not lists.is_list(keys) or type(n) not in (int, type(None)):
        refuse("SW251", call="Counter.most_common of constants, or of a number that is not constant,")
    if n == 1:
        best = machine.call(by_key(max), [keys, Method(read(counts), "get")], {})
        return [(best, counts.get(best, no_key))]
    pairs = pairs_of(counts.method("items")())
    made = in_order(pairs, pairs.parts[1:], reverse=True)
    return made if n is None else made[: max(n, 0)]
