"""Models `functools.lru_cache` and `cache` around a user's function by calling it once per distinct arguments.

The function is proved pure, so the caching is observable only to code that mutates its result. That is refused. With values of
the row, the function is called for each row. Equal keys of two classes share a result (1 and True), so such calls are refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from udf_compiler.frontends.python.values import is_scalar as is_value
from udf_compiler.frontends.torch.modules import Module
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced
from udf_compiler.function.bytecode import Use
from udf_compiler.function.plain_data import Snapshot, is_scalar

CACHES: tuple[type, ...] = (functools._lru_cache_wrapper,)

#: Classes of the arguments of calls with values of the row.
_OF_ROW = frozenset(("str", "int", "NoneType"))

_CONTAINERS: dict[type, Callable[[Any], list[Any]]] = {list: list, tuple: list, dict: lambda x: [*x, *x.values()]}


class Cached(StandIn):
    """A cached function: calls `function`, the checked copy, once for equal arguments. Refuses SW610.

    `_mixes`: whether there was a call with values of the row (True), or with constants that an int may equal (False).
    """

    __slots__ = ("_function", "_mixes", "_results", "_snapshot", "_use")
    what = "cached function"
    stands_for = functools._lru_cache_wrapper
    of_instances = frozenset({"cache_parameters"})

    def __init__(self, function: Callable[..., Any], use: Use, snapshot: Snapshot) -> None:
        self._function, self._use, self._snapshot = function, use, snapshot
        self._results: dict[Any, Any] = {}
        self._mixes: set[bool] = set()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        if any(map(is_value, given)):
            return self._of_row(args, kwargs)
        if any(isinstance(value, Traced) for value in given) or not all(map(is_scalar, given)):
            refuse("SW610", name=self._use.name, what="is called with arguments that are not plain constants")
        if not {type(x).__name__ for x in given} <= _OF_ROW:
            self._check(False)
        key = (args, tuple(map(type, given)), tuple(sorted(kwargs.items())))
        if key not in self._results:
            self._results[key] = self._checked(self._function(*args, **kwargs))
        return self._results[key]

    def _of_row(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls the function for values of the row: not floats, as 0.0 and -0.0 share a result."""
        given = (*args, *kwargs.values())
        classes = tuple(x.kind if is_value(x) and not x.numpy else type(x).__name__ for x in given)
        if not set(classes) <= _OF_ROW:
            refuse("SW610", name=self._use.name, what="is called with values of the row other than strings and integers")
        self._check(True)
        result = as_python(self._function, *args, **kwargs)
        if not is_scalar(result) and not (is_value(result) and not result.is_list):
            refuse("SW610", name=self._use.name, what="returns an object that could be changed between two calls")
        return result

    def _check(self, of_row: bool) -> None:
        """Refuses (SW610) calls of both kinds of `_mixes`."""
        self._mixes.add(of_row)
        if len(self._mixes) > 1:
            refuse("SW610", name=self._use.name, what="is called with integers of the row and with other numbers")

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
    return is_scalar(value) or isinstance(value, Module) or type(value).__name__ == "TracedModel"


def _is(a: object, b: object) -> bool:
    return a is b
