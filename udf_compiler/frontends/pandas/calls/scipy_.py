"""Lowers functions of `scipy.special` on traced columns to IR: the formulas of SciPy, with the exponentials of kernels."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls import reductions
from udf_compiler.frontends.pandas.calls.numpy_ import has_traced
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

_MODULE = "scipy.special"


def expit(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Implements scipy.special.expit of floats: ``1 / (1 + exp(-x))`` in the dtype of `x`. Refuses (SW262) other arguments."""
    if not has_traced((x, args, kwargs)):
        return sys.modules[_MODULE].expit(x, *args, **kwargs)
    call = f"{_MODULE}.expit"
    _check_floats(x, call)
    if args or kwargs:
        refuse("SW262", call=call, what="another argument")
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x: Any, axis: Any = None) -> Any:
    """Implements scipy.special.softmax of the rows of a matrix of floats. Refuses (SW250) sums over the rows."""
    if not has_traced(x):
        return sys.modules[_MODULE].softmax(x, axis)
    call = f"{_MODULE}.softmax"
    _check_floats(x, call)
    if not isinstance(x, TracedArray) or x.ndim != 2 or type(axis) is not int or axis not in (1, -1):
        refuse("SW250", call=call)
    loop, most = x.loop, reductions.reduce("max", x, 1).value
    powers = TracedArray(loop, [loop.call("exp", loop.call("subtract", column, most)) for column in x.columns], 2, x.order)
    total = reductions.reduce("sum", powers, 1).value
    return TracedArray(loop, [loop.call("divide", power, total) for power in powers.columns], 2, x.order)


def _check_floats(x: Any, call: str) -> None:
    if not isinstance(x, TracedArray | TracedSeries):
        refuse("SW262", call=call, what=f"an argument {raw(x)}")
    if x.dtype.kind != "f":
        refuse("SW262", call=call, what="integers")


_FUNCTIONS = {"expit": expit, "softmax": softmax}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of a function of SciPy, or None."""
    library = sys.modules.get(_MODULE)
    name = getattr(obj, "__name__", None)
    return _FUNCTIONS.get(name) if library is not None and name in _FUNCTIONS and getattr(library, name) is obj else None
