"""Implements mean, fmean and medians of the module statistics for lists of a row, where floats give the exact result.

statistics.mean adds fractions. For ints, the quotient of the exact total is that result. Means of floats, and deviations, would
need fractions in kernels.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.new_lists import listed
from udf_compiler.frontends.python.operands import EXACT, as_int, guard_between
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import Traced, raw


def _numbers(call: str, data: Any, *kinds: Any) -> tuple[TracedScalar, Any]:
    """Returns the list of numbers of these types and its length; StatisticsError for an empty list. Refuses others (SW262)."""
    found: Any = listed(data)
    if not lists.is_list(found) or found.numpy or found.value.type.element not in kinds:
        refuse("SW262", call=call, what=raw(data) if not lists.is_list(found) else f"a list of {found.value.type.element}")
    explorer().raise_if(lists.is_empty(found), lambda: statistics.StatisticsError("no data point"))
    return found, lists.length(found)


def _mean(data: Any) -> Any:
    numbers, size = _numbers("statistics.mean", data, I64)
    total = lists.sum_(numbers)
    return total // size if total % size == 0 else total / size


def _fmean(data: Any) -> Any:
    """Implements fmean without weights: it adds ints as floats, exactly, if these and their total are exact."""
    numbers, size = _numbers("statistics.fmean", data, I64)
    for bound in (lists.extreme("min", numbers, {}), lists.extreme("max", numbers, {}), total := lists.sum_(numbers)):
        guard_between(explorer().loop, as_int(bound), -EXACT, EXACT)
    return total / size


def _median(data: Any) -> Any:
    numbers, size = _numbers("statistics.median", data, I64, F64)
    ordered, half = lists.sorted_(numbers), size // 2
    if size % 2 == 1:
        return lists.element(ordered, half)
    low: Any = lists.element(ordered, half - 1)
    return (low + lists.element(ordered, half)) / 2


def _median_low(data: Any) -> Any:
    numbers, size = _numbers("statistics.median_low", data, I64, F64)
    return lists.element(lists.sorted_(numbers), (size - 1) // 2)


def _median_high(data: Any) -> Any:
    numbers, size = _numbers("statistics.median_high", data, I64, F64)
    return lists.element(lists.sorted_(numbers), size // 2)


def _of_row(name: str, of_row: Callable[[Any], Any]) -> Callable[..., Any]:
    real = getattr(statistics, name)

    def called(*args: Any, **kwargs: Any) -> Any:
        if not any(map(_has_row, (*args, *kwargs.values()))):
            return as_python(real, *args, **kwargs)
        if len(args) != 1 or kwargs:
            refuse("SW262", call=f"statistics.{name}", what="arguments other than one list")
        return of_row(args[0])

    called.__name__ = name
    return called


def _has_row(x: Any) -> bool:
    return isinstance(x, Traced) or (type(x) in (list, tuple) and any(map(is_scalar, x)))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: _of_row(name, function)
    for name, function in {
        "mean": _mean, "fmean": _fmean, "median": _median, "median_low": _median_low, "median_high": _median_high,
    }.items()
}  # fmt: skip


def _attribute(name: str) -> Any:
    if name == "StatisticsError":
        return statistics.StatisticsError
    return _FUNCTIONS[name] if name in _FUNCTIONS else refuse("SW263", name=f"statistics.{name}")


_BY_OBJECT: dict[int, Any] = {id(getattr(statistics, name)): made for name, made in _FUNCTIONS.items()}
_BY_OBJECT[id(statistics)] = module_stand_in(statistics, "statistics", _attribute)
_BY_OBJECT[id(statistics.StatisticsError)] = statistics.StatisticsError


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module statistics or of one of its functions, or None."""
    return _BY_OBJECT.get(id(obj))
