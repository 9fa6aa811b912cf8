"""Runs a user's function of one row: explores its paths or, if these are too many, compiles it to a region."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import BuiltinMethodType, FunctionType, GeneratorType
from typing import Any

from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder, Work, counted
from sparkweld.reasons import has, refusal
from udf_compiler.frontends.python.path_explorer import PATH_LIMIT, Explorer, Node, explorer
from udf_compiler.frontends.python.regions.call import call_region, rows_of
from udf_compiler.frontends.python.regions.interpret_call import walk
from udf_compiler.frontends.python.regions.machine import is_generator
from udf_compiler.frontends.python.undecided import decided
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import attempt, current, refuse, refuse_again

#: The most paths of a first attempt with a tree: a tree is vectorized, a region is not. Where nullable arguments are decided one
#: after the other, each of at most _CHECKED may end a path of its own.
_FEW = 16
_CHECKED = 32
#: The most values of a tree for a function whose region has too many blocks: the refusal of a larger one takes seconds.
_MOST_OF_TREE = 25_000
#: The code of a function that formats one value.
_FORMAT = (lambda x: template.format(x)).__code__  # type: ignore[name-defined]  # noqa: F821


def run_function(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls ``function(*args, **kwargs)`` for the row that is explored.

    Undecided arguments are decided first, unless the function is interpreted.
    """
    function, run = _with_code(function), explorer()
    if run.walks:
        return walk(function, args, kwargs)
    if run.eager or run.regions is None:
        args, kwargs = tuple(map(decided, args)), {name: decided(x) for name, x in kwargs.items()}
    if run.regions is not None:
        return call_region(function, args, kwargs, whole=True)
    made = as_python(function, *args, **kwargs)
    return rows_of(made) if type(made) is GeneratorType and is_generator(function) else made


def _with_code(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns ``template.format`` as a Python function of one value, which returns the string that it makes; others unchanged."""
    if type(function) is not BuiltinMethodType or type(function.__self__) is not str or function.__name__ != "format":
        return function
    # not a function of this module: what it raises, the user's code raises
    return FunctionType(_FORMAT, {"template": function.__self__, "__name__": "str.format"})


def _explored_within(limited: bool, explore: Callable[[], Node]) -> Node:
    """Returns the paths of `explore`; refuses (SW290) a tree of more than _MOST_OF_TREE values where it is `limited`."""
    with counted(Work(_MOST_OF_TREE, lambda: refuse("SW290", limit=PATH_LIMIT))) if limited else nullcontext():
        return explore()


def tree_of(loop: LoopBuilder, call: Callable[[], Any], handled: bool, many: bool = False, nullable: int = 0) -> Node:
    """Returns the paths of `call`, which calls user functions by `run_function`; passes on the last attempt's refusal.

    `many`: the paths are known to be more than a few, so the first attempt is skipped. `nullable`: the number of arguments that
    may be None. Where these alone make too many paths, no attempt decides all of them before the function runs.
    """
    mark, begins = loop.mark(), 2**nullable

    def explored(explorer: Explorer) -> Node:
        loop.undo(mark)
        return explorer.explore(call)

    skipped = many or begins > _FEW
    few = refusal("SW290", limit=_FEW) if skipped else attempt(lambda: explored(Explorer(loop, handled, limit=_FEW)))
    current().many = isinstance(few, Refusal) and has(few.code, "many_paths")
    if not isinstance(few, Refusal):
        return few
    if has(few.code, "interpret") or (nullable and not many and current().many):
        limit = _FEW + (nullable if nullable <= _CHECKED else 0)
        walked = attempt(lambda: explored(Explorer(loop, handled, limit=limit, walks=True)))
        if not isinstance(walked, Refusal):
            current().many = False
            return walked
    if not has(few.code, "path_limit") and not has(few.code, "region_may_decide"):
        refuse_again(few)
    regions = attempt(lambda: explored(Explorer(loop, handled, regions={})))
    if isinstance(regions, Refusal) and has(regions.code, "recursion"):
        refuse_again(regions)
    if isinstance(regions, Refusal) and 1 < begins <= PATH_LIMIT and not has(regions.code, "too_much_work"):
        regions = attempt(lambda: explored(Explorer(loop, handled, regions={}, eager=True)))
    if not isinstance(regions, Refusal):
        return regions
    if has(regions.code, "too_much_work"):
        refuse_again(regions)
    tries_all = has(few.code, "many_paths") and begins <= PATH_LIMIT
    limited = has(regions.code, "many_blocks")
    full = attempt(lambda: _explored_within(limited, lambda: explored(Explorer(loop, handled)))) if tries_all else few
    return full if not isinstance(full, Refusal) else refuse_again(regions if has(few.code, "path_limit") else few)
