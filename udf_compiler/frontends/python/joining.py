"""Joins the paths of one operation that return values of the same kind, so that the paths of its function do not multiply.

``float(x)`` of a value of JSON has a path for each class of `x`. A function with four such calls would have hundreds of paths,
each of which is a whole run of the function.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from udf_compiler.frontends.python.path_explorer import Leaf, explorer, guards_of, leaves
from udf_compiler.frontends.python.path_trees import reached
from udf_compiler.frontends.python.result_kinds import merged, value_as
from udf_compiler.frontends.python.values import TYPES, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.stand_ins import ErrorText

_KINDS = ("bool", "int", "float", "str")
#: Classes of exceptions that a message, and nothing else, makes.
_ERRORS = (TypeError, ValueError, AttributeError, IndexError, OverflowError, ZeroDivisionError)


def joined(call: Callable[[], Any], *key: Hashable) -> Any:
    """Returns ``call()``, an operation without side effects, as one value if its paths return values of one kind.

    Otherwise the path of the function forks as it would without this. Exceptions of a class are one fork or guard. The paths are
    the same wherever the `key` is.
    """
    run = explorer()
    tree = run.within(call, key)
    if isinstance(tree, Leaf):
        return call()
    ends = list(leaves(tree))
    values = [leaf.value for leaf in ends if leaf.error is None]
    kind = _kind(values)
    errors = [leaf.error for leaf in ends if leaf.error is not None]
    if kind is None or not all(map(_has_message, errors)):
        return call()
    loop = run.loop
    run.guard(reached(loop, tree, lambda leaf: True), local=all(guard.local for guard in guards_of(tree)))
    for class_ in dict.fromkeys(map(type, errors)):
        text = next(error.args[0].text for error in errors if type(error) is class_)
        run.raise_if(reached(loop, tree, partial(_raises, class_)), partial(class_, text))
    value = merged(loop, tree, TYPES[kind], lambda x: value_as(loop, x, TYPES[kind]))
    return TracedScalar(kind, value, _span(values)) if kind == "int" else TracedScalar(kind, value)


def _kind(values: list[Any]) -> str | None:
    """Returns the kind of Python's values that all are, numbers or strings; None for others, and for different kinds."""
    kinds = {(x.kind if not x.numpy else None) if is_scalar(x) else type(x).__name__ for x in values}
    kind = kinds.pop() if len(kinds) == 1 else None
    return kind if kind in _KINDS else None


def _has_message(error: Exception) -> bool:
    return type(error) in _ERRORS and len(error.args) == 1 and type(error.args[0]) is ErrorText


def _raises(class_: type, leaf: Leaf) -> bool:
    return type(leaf.error) is class_


def _span(values: list[Any]) -> tuple[int, int]:
    spans = [x.span if is_scalar(x) else (x, x) for x in values]
    return min(low for low, _ in spans), max(high for _, high in spans)
