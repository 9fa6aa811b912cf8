"""Takes dicts that a plain UDF returns for a map apart: the lists of keys and of values, in the order of the dict.

Arrow's format only: PySpark sends the items of a dict in its own order. The pickled format passes through a java.util.HashMap,
which has another order.
"""

from __future__ import annotations

from typing import Any

from udf_compiler.frontends.python.lists import is_list
from udf_compiler.frontends.python.maps import is_map
from udf_compiler.frontends.python.path_explorer import Leaf, Node, leaves
from udf_compiler.frontends.python.path_trees import with_ends, with_results
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


class NoMap(Exception):
    """The end of a path on which a function returns no dict for a map: PySpark's conversion raises."""


def dict_tree(tree: Node, place: str, type: str) -> Node:
    """Returns the tree in which paths that return neither a dict nor None end as if they raised; the tree itself without any.

    Refuses (SW226) a function that returns no dict at all.
    """
    others = [leaf.value for leaf in leaves(tree) if leaf.error is None and leaf.value is not None and not _is_dict(leaf.value)]
    if not others:
        return tree
    if not any(leaf.error is None and _is_dict(leaf.value) for leaf in leaves(tree)):
        refuse("SW226", at=place, what=raw(others[0]), type=type)
    return with_ends(tree, lambda leaf: leaf if leaf.value is None or _is_dict(leaf.value) else Leaf(None, NoMap(), leaf.guards))


def _is_dict(x: Any) -> bool:
    return is_map(x) or isinstance(unwrapped(x), dict)


def map_trees(tree: Node) -> tuple[Node, Node, Node]:
    """Returns the trees of the arrays that a map is stored as (`MAP_PARTS`); None where the function returns None."""
    return with_results(tree, _keys), values_of_maps(tree), with_results(tree, _absent)


def values_of_maps(tree: Node) -> Node:
    """Returns the tree of the values of dicts, as a list; None where the function returns None."""
    return with_results(tree, _values)


def _keys(x: Any) -> Any:
    if is_map(x) and not is_list(x.key_list):
        refuse("SW293", type="a dict with tuples as keys")
    return x.key_list if is_map(x) else list(unwrapped(x).keys())


def _values(x: Any) -> Any:
    return x.value_list if is_map(x) else list(unwrapped(x).values())


def _absent(x: Any) -> list[bool] | None:
    found = [] if is_map(x) else [value is None for value in unwrapped(x).values()]
    return found if any(found) else None
