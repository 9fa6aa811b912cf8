"""Merges the results of a function's paths to one value, by the kinds of Python values that they return."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.time_formats import microseconds as since_1970
from sparkweld.ir.types import BOOL, DATE, I64, TS
from udf_compiler.frontends.python.calendar import EPOCH
from udf_compiler.frontends.python.conditions import choose
from udf_compiler.frontends.python.datetime_values import kind_of_datetime
from udf_compiler.frontends.python.decimals import parts_of
from udf_compiler.frontends.python.durations import microseconds
from udf_compiler.frontends.python.numbers import MAX, MIN
from udf_compiler.frontends.python.path_explorer import Leaf, Node, leaves
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.constants import ConstantDate, ConstantDatetime
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


def kinds_of(tree: Node) -> frozenset[str]:
    """Returns the kinds of values that the paths return, such as "bool", "int", "float", "str" and "None"; refuses others
    (SW293).
    """
    return frozenset(kind_of_result(leaf.value) for leaf in leaves(tree) if leaf.error is None)


def kind_of_result(x: Any) -> str:
    """Returns the kind of one result."""
    if is_scalar(x):
        if x.is_list:
            return x.kind  # type: ignore[no-any-return]
        if x.numpy not in ("", "int64", "float64", "bool"):
            refuse("SW293", type=f"np.{x.numpy}")
        return x.kind  # type: ignore[no-any-return]
    if x is None:
        return "None"
    if type(x) in (np.bool_, np.int64, np.float64):
        return {"b": "bool", "i": "int", "f": "float"}[x.dtype.kind]
    if type(x) in (bool, int, float, str):
        if type(x) is int and not MIN <= x <= MAX:
            refuse("SW294", number=x if abs(x) < 10**40 else "an integer")
        return type(x).__name__
    if type(x) in (datetime.date, ConstantDate):
        return "date"
    if type(x) is datetime.timedelta:
        return "timedelta"
    if type(x) in (datetime.datetime, ConstantDatetime):
        return kind_of_datetime(x)
    if type(x) is Decimal:
        number, scale = parts_of(x)
        return f"decimal{scale}" if MIN <= number <= MAX else refuse("SW293", type=f"Decimal({str(x)!r})")
    refuse("SW293", type=raw(x))


def kind_of_time(x: Any) -> str:
    """Returns the kind of a date or datetime; "" of another value."""
    if is_scalar(x):
        return x.kind if x.kind in ("date", "datetime", "utc") else ""
    return kind_of_result(x) if isinstance(x, datetime.date) else ""


def holds_numpy(tree: Node) -> bool:
    """Whether some path returns a NumPy scalar instead of a Python value."""
    return any(x.numpy if is_scalar(x) else isinstance(x, np.generic) for x in (leaf.value for leaf in leaves(tree)))


def merged(loop: LoopBuilder, tree: Node, type: Type, of: Callable[[Any], Value]) -> Value:
    """Returns the value of the row's path; `of` converts each path's result to `type`. Paths that raise yield zero."""
    if isinstance(tree, Leaf):
        return loop.const(type.zero, type) if tree.error is not None else of(tree.value)
    if isinstance(tree.yes, Leaf) and tree.yes.error is not None:
        return merged(loop, tree.no, type, of)  # the row is flagged: any value is correct
    if isinstance(tree.no, Leaf) and tree.no.error is not None:
        return merged(loop, tree.yes, type, of)
    return choose(loop, tree.condition, merged(loop, tree.yes, type, of), merged(loop, tree.no, type, of))


def value_as(loop: LoopBuilder, x: Any, type: Type) -> Value:
    """Returns one result as a value of a numeric type, cast; None as zero."""
    if x is None:
        return loop.const(type.zero, type)
    if isinstance(x, datetime.datetime) and not is_scalar(x):
        return loop.const(since_1970(datetime.datetime.replace(x, tzinfo=None)), TS)
    if isinstance(x, datetime.date) and not is_scalar(x):
        return loop.const(x.toordinal() - EPOCH, DATE)
    if isinstance(x, datetime.timedelta) and not is_scalar(x):
        return loop.const(microseconds(x), I64)
    if isinstance(x, Decimal) and not is_scalar(x):
        return loop.const(parts_of(x)[0], I64)
    return loop.cast(x.value, type) if is_scalar(x) else loop.const(x, type)


def not_none(loop: LoopBuilder, tree: Node) -> Value:
    """Returns the condition that the row's path returns a value other than None."""
    return merged(loop, tree, BOOL, lambda x: loop.const(x is not None, BOOL))
