"""Proves that the globals that a function assigns are the same from the first call on.

``if MODEL is None: MODEL = load()`` fills a global once per worker. The function is traced twice: the assigned values must
be the same after both traces, and both traces must be equal. So the first call returns the result of all later ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from udf_compiler.eval_types.batches import alike, contents
from udf_compiler.eval_types.kind import Call
from udf_compiler.frontends.models.traced import TracedModel
from udf_compiler.frontends.torch.modules import Module
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import current, refuse_again
from udf_compiler.frontends.tracing.values import moved
from udf_compiler.function.plain_data import is_scalar

_MISSING = object()


def settled(call: Call) -> Callable[..., Any]:
    """Returns the checked function of a call.

    Refuses (SW211) a global that differs between calls, or that holds anything but a model or a constant.
    """
    function, assigned, loop = call.prepared.function, call.prepared.assigned, call.loop
    if not assigned:
        return function

    def twice(*args: Any, **kwargs: Any) -> Any:
        second = loop.copy()
        moved_args, moved_kwargs = moved(args, second), moved(kwargs, second)
        result, before = as_python(function, *args, **kwargs), [names.get(name, _MISSING) for names, name, _ in assigned]
        current().loop = second
        again = as_python(function, *moved_args, **moved_kwargs)
        current().loop = loop
        for (names, name, use), value in zip(assigned, before, strict=True):
            if not _stays(value, names.get(name, _MISSING)):
                refuse_again(use.refusal("SW211"))
        if contents(loop) != contents(second) or not alike(result, again, loop, second):
            refuse_again(assigned[0][2].refusal("SW211"))
        return result

    return twice


def _stays(before: Any, after: Any) -> bool:
    if is_scalar(before):
        return type(before) is type(after) and repr(before) == repr(after)
    return before is after and (before is _MISSING or isinstance(before, TracedModel | Module))
