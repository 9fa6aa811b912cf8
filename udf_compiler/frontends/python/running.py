"""Runs a user's function of one row: explores its paths or, if these are too many, compiles it to a region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder
from sparkweld.reasons import refusal
from udf_compiler.frontends.python.path_explorer import Explorer, Node, explorer
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import TOO_MUCH, attempt, current, refuse_again

#: The most paths of a first attempt with a tree: a tree is vectorized, a region is not.
_FEW = 16
#: Refusals of too many paths, too long a loop, too many values, and a loop over a list of the row.
_LIMITS = ("SW290", "SW296", "SW258", "SW223")
#: Refusals of a path that no row may take, or of an operation that regions support: a constant beyond 64 bits, an element of a
#: list, an iterator.
_OTHERS = ("SW294", "SW259", "SW299")
#: Refusals of operations that Python's C code does on a value, and that an interpreted path does symbolically: string formatting
#: and identity.
_INTERPRETED = ("SW602", "SW603", "SW259")


def run_function(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls ``function(*args, **kwargs)`` for the row that is explored."""
    if explorer().walks:
        from udf_compiler.frontends.python.regions.interpret_call import walk

        return walk(function, args, kwargs)
    if explorer().regions is None:
        return as_python(function, *args, **kwargs)
    from udf_compiler.frontends.python.regions.call import call_region

    return call_region(function, args, kwargs)


def tree_of(loop: LoopBuilder, call: Callable[[], Any], handled: bool, many: bool = False) -> Node:
    """Returns the paths of `call`, which calls user functions by `run_function`; passes on the last attempt's refusal.

    `many`: the paths are known to be more than a few, so the first attempt is skipped.
    """
    mark = loop.mark()

    def explored(explorer: Explorer) -> Node:
        loop.undo(mark)
        return explorer.explore(call)

    few = refusal("SW290", limit=_FEW) if many else attempt(lambda: explored(Explorer(loop, handled, limit=_FEW)))
    current().many = isinstance(few, Refusal) and few.code == "SW290"
    if not isinstance(few, Refusal):
        return few
    if few.code in _INTERPRETED:
        walked = attempt(lambda: explored(Explorer(loop, handled, limit=_FEW, walks=True)))
        if not isinstance(walked, Refusal):
            return walked
    if few.code not in (*_LIMITS, *_OTHERS):
        refuse_again(few)
    regions = attempt(lambda: explored(Explorer(loop, handled, regions={})))
    if not isinstance(regions, Refusal):
        return regions
    if regions.code in TOO_MUCH:
        refuse_again(regions)
    full = attempt(lambda: explored(Explorer(loop, handled))) if few.code == "SW290" else few
    return full if not isinstance(full, Refusal) else refuse_again(regions if few.code in _LIMITS else few)
