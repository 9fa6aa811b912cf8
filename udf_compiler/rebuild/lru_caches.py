"""Models `functools.lru_cache` and `cache` around a user's function by calling it once per distinct arguments.

The function is proved pure, so the caching is observable only to code that mutates its result. That is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced
from udf_compiler.function.bytecode import Use
from udf_compiler.function.plain_data import Snapshot, is_scalar

CACHES: tuple[type, ...] = (functools._lru_cache_wrapper,)

_CONTAINERS: dict[type, Callable[[Any], list[Any]]] = {list: list, tuple: list, dict: lambda x: [*x, *x.values()]}


class Cached(StandIn):
    """A cached function: calls `function`, the checked copy, once for equal arguments. Refuses SW610."""

    __slots__ = ("_function", "_results", "_snapshot", "_use")
    what = "cached function"
    stands_for = functools._lru_cache_wrapper
    of_instances = frozenset({"cache_parameters"})

    def __init__(self, function: Callable[..., Any], use: Use, snapshot: Snapshot) -> None:
        self._function, self._use, self._snapshot = function, use, snapshot
        self._results: dict[Any, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        if any(isinstance(value, Traced) for value in given) or not all(map(is_scalar, given)):
            refuse("SW610", name=self._use.name, what="is called with arguments that are not plain constants")
        key = (args, tuple(map(type, given)), tuple(sorted(kwargs.items())))
        if key not in self._results:
            self._results[key] = self._checked(self._function(*args, **kwargs))
        return self._results[key]

    def _checked(self, result: Any) -> Any:
        """Returns the result, and checks that a container is unchanged when the trace ends; its elements must be immutable."""
        parts = _CONTAINERS[type(result)](result) if type(result) in _CONTAINERS else [result]
        if not all(map(_is_fixed, parts)):
            refuse("SW610", name=self._use.name, what="returns an object that could be changed between two calls")
        if type(result) in (list, dict):
            held = _CONTAINERS[type(result)]
            self._snapshot.add(self._use, lambda: len(held(result)) == len(parts) and all(map(_is, held(result), parts)))
        return result


def _is_fixed(value: Any) -> bool:
    """Whether a value is immutable: a model, a constant, or a read-only array."""
    if isinstance(value, np.ndarray):
        return not value.flags.writeable
    return is_scalar(value) or type(value).__name__ == "TracedModel"


def _is(a: object, b: object) -> bool:
    return a is b
