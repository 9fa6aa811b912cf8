"""Raises Python's errors for the operators and protocols that the values of a kind lack, or refuses to guess them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from udf_compiler.frontends.python.operands import raise_type_error
from udf_compiler.frontends.python.values import TracedScalar, is_scalar, shown
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw, symbol

#: Classes whose operators never take a number, str or date of the row, except for those that the kind itself supports.
_STRANGERS = (type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset)


def operator(name: str, a: Any, b: Any) -> Any:
    """Evaluates ``a op b`` of operands without such an operator; NotImplemented where a user's class may define it."""
    for x in (a, b):
        if isinstance(x, np.generic | np.ndarray):
            refuse("SW262", call=f"{symbol(name)} of a row's value", what=raw(x))
    if all(is_scalar(x) or type(x) in _STRANGERS for x in (a, b)):
        if name in ("eq", "ne"):
            return name == "ne"
        if name == "mul" and any(type(x) in (bytes, list, tuple) for x in (a, b)):
            refuse("SW262", call="a sequence * ...", what="a count that is not constant")
        return no_operator(name, a, b)
    return NotImplemented


def no_operator(name: str, a: Any, b: Any) -> Any:
    raise_type_error(f"unsupported operand type(s) for {symbol(name)}")


def unary(name: str, x: TracedScalar) -> Any:
    raise_type_error(f"bad operand type for unary {name}: '{shown([x.kind])}'")


def round_(x: TracedScalar, ndigits: Any = None) -> Any:
    raise_type_error(f"type {shown([x.kind])} doesn't define __round__ method")


def whole(x: TracedScalar, fn: str) -> Any:
    raise_type_error(f"must be real number, not {shown([x.kind])}")


def not_a(what: str) -> Callable[..., Any]:
    """Returns a protocol's function for values that are not `what`, such as "iterable"."""

    def fail(x: TracedScalar, *args: Any) -> Any:
        if x.numpy:
            refuse("SW251", call=f"a np.{x.numpy} as what is {what}")
        raise_type_error(f"'{shown([x.kind])}' object is not {what}")

    return fail


def conversion(call: str) -> Callable[[TracedScalar], NoReturn]:
    """Returns a conversion, such as "int()", that is unsupported for a kind."""
    return lambda x: refuse("SW262", call=call, what=raw(x))


def immutable(x: TracedScalar, name: str) -> Any:
    """Evaluates ``x op= ...`` of an immutable value: Python falls back to the operator itself."""
    return NotImplemented
