"""Runs a user's function of one row: explores its paths or, if these are too many, compiles it to a region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder
from sparkweld.reasons import has, refusal
from udf_compiler.frontends.python.path_explorer import Explorer, Node, explorer
from udf_compiler.frontends.python.regions.call import call_region
from udf_compiler.frontends.python.regions.interpret_call import walk
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import attempt, current, refuse_again

#: The most paths of a first attempt with a tree: a tree is vectorized, a region is not.
_FEW = 16


def run_function(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls ``function(*args, **kwargs)`` for the row that is explored."""
    if explorer().walks:
        return walk(function, args, kwargs)
    if explorer().regions is None:
        return as_python(function, *args, **kwargs)
    return call_region(function, args, kwargs, whole=True)


def tree_of(loop: LoopBuilder, call: Callable[[], Any], handled: bool, many: bool = False) -> Node:
    """Returns the paths of `call`, which calls user functions by `run_function`; passes on the last attempt's refusal.

    `many`: the paths are known to be more than a few, so the first attempt is skipped.
    """
    mark = loop.mark()

    def explored(explorer: Explorer) -> Node:
        loop.undo(mark)
        return explorer.explore(call)

    few = refusal("SW290", limit=_FEW) if many else attempt(lambda: explored(Explorer(loop, handled, limit=_FEW)))
    current().many = isinstance(few, Refusal) and has(few.code, "many_paths")
    if not isinstance(few, Refusal):
        return few
    if has(few.code, "interpret"):
        walked = attempt(lambda: explored(Explorer(loop, handled, limit=_FEW, walks=True)))
        if not isinstance(walked, Refusal):
            return walked
    if not has(few.code, "path_limit") and not has(few.code, "region_may_decide"):
        refuse_again(few)
    regions = attempt(lambda: explored(Explorer(loop, handled, regions={})))
    if not isinstance(regions, Refusal):
        return regions
    if has(regions.code, "too_much_work"):
        refuse_again(regions)
    full = attempt(lambda: explored(Explorer(loop, handled))) if has(few.code, "many_paths") else few
    return full if not isinstance(full, Refusal) else refuse_again(regions if has(few.code, "path_limit") else few)
