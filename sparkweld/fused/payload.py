"""A fused function to the bytes of a PySpark command, and back to the original where SparkWeld cannot be imported.

What is pickled is code by value: a worker without the package runs the original, with one warning. The originals stay the bytes
that they were, so that broadcasts in them are read as ever; they are read when they are needed.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

from pyspark import cloudpickle


def command(plan: bytes, originals: Sequence[bytes], return_type: Any) -> bytes:
    """The command of a function that runs `plan` (see `function.load`) in the place of the chain of `originals`."""
    return cloudpickle.dumps((_by_value(_fused)(plan, tuple(originals), _by_value(_chain)), return_type))  # type: ignore[no-any-return]


def pickled(plan: Any) -> bytes:
    """The bytes of a plan, with functions of the user's by value as PySpark pickles them."""
    return cloudpickle.dumps(plan)  # type: ignore[no-any-return]


def by_value(function: Callable[..., Any], module: types.ModuleType) -> bytes:
    """The command of a function of mapInArrow with the code of `module`, which workers need not have."""
    cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps((function, None))  # type: ignore[no-any-return]  # workers do not look at its type
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function as one of no module, which pickles with its code."""
    copy = types.FunctionType(
        function.__code__, {"__name__": "__main__", "__builtins__": __builtins__}, function.__name__, function.__defaults__
    )
    copy.__module__ = "__main__"
    return copy


def _fused(plan: bytes, originals: tuple[bytes, ...], chain: Callable[..., Any]) -> Callable[..., Any]:
    """Pickled by value: it imports what it uses inside."""
    loaded: list[Callable[..., Any]] = []

    def fused(*args, **kwargs):  # type: ignore[no-untyped-def]
        if not loaded:
            try:
                from sparkweld.fused.function import load

                loaded.append(load(plan, originals, chain))
            except Exception as error:  # noqa: BLE001 - whatever is wrong with the package here, the original runs
                import sys

                print(f"SparkWeld: the original UDF runs: {type(error).__name__}: {error}", file=sys.stderr)
                loaded.append(chain(originals))
        return loaded[0](*args, **kwargs)

    return fused


def _chain(originals: tuple[bytes, ...]) -> Callable[..., Any]:
    """The functions of the commands, each of the result of the one before. Pickled by value."""
    from pyspark.core.broadcast import Broadcast
    from pyspark.serializers import CPickleSerializer

    functions = []
    for data in originals:
        made = CPickleSerializer().loads(data)
        if isinstance(made, Broadcast):
            made = CPickleSerializer().loads(made.value)
        functions.append(made[0])

    def run(*args, **kwargs):  # type: ignore[no-untyped-def]
        result = functions[0](*args, **kwargs)
        for function in functions[1:]:
            result = function(result)
        return result

    return run
