"""Derives conditions from the tree of a function's paths, and trees with other results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL
from udf_compiler.frontends.python.conditions import both, choose
from udf_compiler.frontends.python.path_explorer import Fork, Leaf, Node


def decided(loop: LoopBuilder, tree: Node) -> Value:
    """Returns the condition that the row's path ends in a value and all its guards hold."""
    return reached(loop, tree, lambda leaf: leaf.error is None)


def reached(loop: LoopBuilder, tree: Node, holds: Callable[[Leaf], bool]) -> Value:
    """Returns the condition that ``holds(end)`` of the end of the row's path, and that all guards of the path hold."""
    if isinstance(tree, Leaf):
        result = loop.const(holds(tree), BOOL)
    else:
        result = choose(loop, tree.condition, reached(loop, tree.yes, holds), reached(loop, tree.no, holds))
    for guard in tree.guards:
        result = both(loop, result, guard.condition)
    return result


def with_ends(tree: Node, change: Callable[[Leaf], Node]) -> Node:
    """Returns the tree with ``change(end)`` in place of each end with a result; those that raise remain."""
    if isinstance(tree, Fork):
        return replace(tree, yes=with_ends(tree.yes, change), no=with_ends(tree.no, change))
    return tree if tree.error is not None else change(tree)


def with_results(tree: Node, of: Callable[[Any], Any]) -> Node:
    """Returns the tree with ``of(x)`` in place of each result `x` other than None."""
    return with_ends(tree, lambda leaf: leaf if leaf.value is None else replace(leaf, value=of(leaf.value)))
