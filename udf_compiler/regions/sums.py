"""What ``sum(x for ...)`` adds up, element by element, as CPython does: floats with a correction, which is added at the end."""

from __future__ import annotations

from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.types import F64
from udf_compiler.scalar.numbers import as_float, is_number, kind_of, make_float
from udf_compiler.scalar.paths import explorer
from udf_compiler.scalar.values import is_scalar
from udf_compiler.trace.session import refuse


def added(total: Any, x: Any) -> Any:
    """The total with one more element: a number, or of Python's floats the pair of their sum and its correction."""
    if not is_number(x):
        refuse("SW280", what="a sum of anything but numbers")
    is_python_float = kind_of(x) == "float" and not (is_scalar(x) and x.numpy)
    if type(total) is not tuple:
        return (make_float(_plus(as_float(total), as_float(x))), 0.0) if is_python_float and _is_python(total) else total + x
    if not is_python_float:
        refuse("SW280", what="a sum of floats and other numbers")
    loop, so_far, element = explorer().loop, as_float(total[0]), as_float(x)
    new = _plus(so_far, element)
    larger = loop.call("greater_equal", loop.call("fabs", so_far), loop.call("fabs", element))
    large, small = loop.select(larger, so_far, element), loop.select(larger, element, so_far)
    lost = _plus(loop.call("subtract", large, new), small)
    return make_float(new), make_float(_plus(as_float(total[1]), lost))


def finished(total: Any) -> Any:
    """What the sum, or the list of the elements, gives in the end."""
    if type(total) is not tuple:
        return total
    loop = explorer().loop
    so_far, correction = map(as_float, total)
    counts = loop.call("logical_and", loop.call("isfinite", correction), loop.call("not_equal", correction, loop.const(0.0, F64)))
    return make_float(loop.select(counts, _plus(so_far, correction), so_far))


def _plus(a: Value, b: Value) -> Value:
    return explorer().loop.call("add", a, b)


def _is_python(x: Any) -> bool:
    return not (is_scalar(x) and x.numpy)
