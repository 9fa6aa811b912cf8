"""Computes Python's ``sum`` on symbolic values as CPython does (Python/bltinmodule.c): ints, then compensated floats.

A total is in one of three phases, and never returns to an earlier one:

* an exact int of at most 64 bits, while ints and bools follow: the number itself;
* an exact float, while floats, ints and bools follow: the pair of the running total and its correction;
* anything else: a `Generic`, to which the operator ``+`` adds. np.float64 is a subclass of float and so ends here.

The correction decides between 1.0 and 0.0 for ``sum([1e16, 1.0, -1e16])``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sparkweld.ir.python_rules import RULES, PythonRules
from sparkweld.ir.types import F64
from udf_compiler.frontends.python.operands import as_float, make_float
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import MAX, MIN, is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import Traced, raw

_END = object()


@dataclass(frozen=True, slots=True)
class Generic:
    """A total to which ``+`` adds."""

    value: Any


@dataclass(frozen=True, slots=True)
class _Lost:
    """The pending correction of a single addition: the rounding error of ``total + x`` in `new`."""

    total: Any
    x: Any
    new: Any


def sum_of(items: Iterable[Any], start: Any = 0, rules: PythonRules = RULES) -> Any:
    """Returns ``sum(items, start)``. Adds elements as the iterator yields them, so that errors occur in Python's order."""
    if is_scalar(start) and start.kind == "str":  # type: ignore[attr-defined]
        raise in_place(TypeError("sum() can't sum strings [use ''.join(seq) instead]"))
    if not isinstance(start, Traced):
        as_python(sum, (), start)  # raises for strings and bytes
    iterator = as_python(iter, items)
    total = begun(start)
    while (x := as_python(next, iterator, _END)) is not _END:
        total = added(total, x, rules)
    return finished(total)


def begun(start: Any) -> Any:
    """Returns the total of no elements."""
    kind = _class_of(start)
    if kind == "int" and (isinstance(start, Traced) or MIN <= start <= MAX):
        return start
    return (start, 0.0) if kind == "float" else Generic(start)


def added(total: Any, x: Any, rules: PythonRules = RULES) -> Any:
    """Returns the total with one more element."""
    if type(total) is Generic:
        return Generic(_plus(total.value, x))
    if type(total) is not tuple and _class_of(total) != "int":  # a settled total
        return Generic(_plus(total, x))
    kind = _class_of(x)
    if type(total) is tuple:
        if kind == "float" or (kind in ("int", "bool") and (isinstance(x, Traced) or rules.compensates_ints or MIN <= x <= MAX)):
            return _added_to_float(total, x, rules.compensates_floats if kind == "float" else rules.compensates_ints)
        return Generic(_plus(finished(total), x))
    made = _plus(total, x)
    if kind in ("int", "bool") and (isinstance(made, Traced) or MIN <= made <= MAX):
        return made
    return (made, 0.0) if _class_of(made) == "float" else Generic(made)


def finished(total: Any) -> Any:
    """Returns the result of ``sum``. Omits a correction that is not finite, which would turn an infinite total into NaN."""
    if type(total) is not tuple:
        return total.value if type(total) is Generic else total
    so_far, lost = total
    if type(lost) is _Lost:  # after one addition, the total is already the float nearest to the exact sum
        return so_far
    if not is_scalar(lost):
        return _plus(so_far, lost) if lost and math.isfinite(lost) else so_far
    loop, value, correction = explorer().loop, as_float(so_far), as_float(lost)
    differs = loop.call("not_equal", correction, loop.const(0.0, F64))
    counts = loop.call("logical_and", loop.call("isfinite", correction), differs)
    return make_float(loop.select(counts, loop.call("add", value, correction), value))


def settled(total: Any) -> Any:
    """Returns a total that a block of a region can hold: an int or a NumPy scalar itself, a pair of numbers for a float."""
    if type(total) is tuple:
        return total[0], _computed(total[1])
    if type(total) is not Generic:
        return total
    if _class_of(total.value):
        refuse("SW280", what="a sum with a start other than 0")
    return total.value


def _added_to_float(total: tuple[Any, Any], x: Any, compensated: bool) -> tuple[Any, Any]:
    so_far, lost = total
    new = _plus(so_far, x)
    if not compensated:
        return new, _computed(lost)
    if type(lost) is not float or lost != 0.0:
        return new, _plus(_computed(lost), _computed(_Lost(so_far, x, new)))
    starts = type(so_far) is float and so_far == 0.0
    return new, lost if starts else _Lost(so_far, x, new)


def _computed(lost: Any) -> Any:
    """Returns a correction as a number (Neumaier 1974)."""
    if type(lost) is not _Lost:
        return lost
    if any(isinstance(n, Traced) and not is_scalar(n) for n in (lost.total, lost.x)):
        refuse("SW262", call="sum()", what="more than two floats of a group")
    if type(lost.new) is float:
        a, b = lost.total, as_python(float, lost.x)
        return (a - lost.new) + b if abs(a) >= abs(b) else (b - lost.new) + a
    loop, total, x = explorer().loop, as_float(lost.total), as_float(lost.x)
    larger = loop.call("greater_equal", loop.call("fabs", total), loop.call("fabs", x))
    large, small = loop.select(larger, total, x), loop.select(larger, x, total)
    return make_float(loop.call("add", loop.call("subtract", large, as_float(lost.new)), small))


def _plus(a: Any, b: Any) -> Any:
    made = as_python(operator.add, a, b)
    if type(made) is complex:
        refuse("SW262", call="sum()", what=raw(made))
    return made


def _class_of(x: Any) -> str:
    """Returns the class name of an object of exactly bool, int or float; "" for any other."""
    if is_scalar(x):
        return "" if x.numpy or x.kind not in ("bool", "int", "float") else x.kind  # type: ignore[attr-defined]
    if isinstance(x, Traced):
        return x.python_kind
    return type(x).__name__ if type(x) in (bool, int, float) else ""
