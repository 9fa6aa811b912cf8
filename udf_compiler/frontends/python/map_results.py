"""Takes dicts that a plain UDF returns for a map apart: the lists of keys and of values, in the order of the dict.

Arrow's format only: PySpark sends the items of a dict in its own order. The pickled format passes through a java.util.HashMap,
which has another order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from udf_compiler.frontends.python.maps import is_map
from udf_compiler.frontends.python.path_explorer import Fork, Leaf, Node, leaves
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


def map_trees(tree: Node, place: str, type: str) -> tuple[Node, Node, Node]:
    """Returns the trees of the arrays that a map is stored as (`MAP_PARTS`); None where the function returns None.

    Refuses other results (SW226).
    """
    for leaf in leaves(tree):
        if leaf.error is None and leaf.value is not None and not (is_map(leaf.value) or isinstance(unwrapped(leaf.value), dict)):
            refuse("SW226", at=place, what=raw(leaf.value), type=type)
    return _mapped(tree, _keys), _mapped(tree, _values), _mapped(tree, _absent)


def _keys(x: Any) -> Any:
    return x.key_list if is_map(x) else list(x.keys())


def _values(x: Any) -> Any:
    return x.value_list if is_map(x) else list(x.values())


def _absent(x: Any) -> list[bool] | None:
    found = [] if is_map(x) else [value is None for value in x.values()]
    return found if any(found) else None


def _mapped(tree: Node, of: Callable[[Any], Any]) -> Node:
    if isinstance(tree, Fork):
        return replace(tree, yes=_mapped(tree.yes, of), no=_mapped(tree.no, of))
    if tree.error is not None or tree.value is None:
        return tree
    return Leaf(of(unwrapped(tree.value)), None, tree.guards)
