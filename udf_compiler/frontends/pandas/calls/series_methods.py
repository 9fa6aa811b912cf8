"""Lowers methods of a pandas Series to IR; each follows pandas' own source, on traced values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir.types import BOOL
from udf_compiler.frontends.pandas import dates, datetimes
from udf_compiler.frontends.pandas.apply.comprehensions import Values
from udf_compiler.frontends.pandas.apply.elementwise import apply_function
from udf_compiler.frontends.pandas.array import TracedArray, apply, as_array
from udf_compiler.frontends.pandas.calls import arrays, categoricals, datetime_accessor
from udf_compiler.frontends.pandas.calls.membership import series_isin, series_map
from udf_compiler.frontends.pandas.calls.replacement import replace
from udf_compiler.frontends.pandas.calls.series_choices import Loc, combine_first, fillna, isna, mask, notna, replaced, where
from udf_compiler.frontends.pandas.calls.strings.convert import is_str_dtype, to_str
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.kind import UNSIGNED
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.lower import cast, constant_of, dtype_of, is_number, operator_call, run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import BINARY, REFLECTED, Traced, raw, refuse_in_place

_MISSING = object()


def _plain(array: TracedArray) -> TracedSeries:
    return TracedSeries(array.loop, array.value, array.dtype)


def _bound_values(lower: Any, upper: Any, call: str) -> list[Any]:
    """Normalizes bounds like pandas' generic.clip: ignores a NaN scalar, and sorts two scalar bounds."""
    bounds: list[Any] = []
    for given in (lower, upper):
        bound: Any = constant_of(given)
        if not isinstance(bound, TracedSeries | TracedArray) and bound is not None and not is_number(bound):
            refuse("SW257" if np.ndim(bound) else "SW262", call=call, what=raw(bound), shape=f"{np.shape(bound)}")
        bounds.append(None if is_number(bound) and bound != bound else bound)
    if is_number(bounds[0]) and is_number(bounds[1]):
        return [min(bounds), max(bounds)]
    return bounds


def clip(
    s: TracedSeries, lower: Any = None, upper: Any = None, *, axis: Any = None, inplace: bool = False, out: Any = None
) -> TracedSeries:
    call = "Series.clip"
    refuse_in_place(inplace or out is not None, call)
    s.kind.check_numeric(call)
    low, high = _bound_values(lower, upper, call)
    if low is None and high is None:
        return s  # pandas returns the Series itself
    scalars = all(b is None or is_number(b) for b in (low, high))
    s.shared = s.shared or not scalars  # pandas returns the Series itself if such bounds are all NaN
    result = TracedSeries(s.loop, s.value, s.dtype, shared=not scalars)
    for name, bound in (("ge", low), ("le", high)):
        if bound is None:
            continue
        if scalars or is_number(bound):
            keep = isna(result) | result._binary(name, bound, False)
        else:
            series = bound if isinstance(bound, TracedSeries) else _plain(bound)
            filled = fillna(series, np.inf if name == "le" else -np.inf)
            keep = flex(name, False)(s, filled) | isna(s)
            bound = series
        result = replaced(result, keep.value, bound, call)
    result.shared = not scalars
    return result


def between(s: TracedSeries, left: Any, right: Any, inclusive: str = "both") -> TracedSeries:
    names = {"both": ("ge", "le"), "left": ("ge", "lt"), "right": ("gt", "le"), "neither": ("gt", "lt")}
    if inclusive not in names:
        refuse(
            "SW252",
            call="Series.between",
            error="ValueError: Inclusive has to be either string of 'both', 'left', 'right', or 'neither'.",
        )
    low, high = names[inclusive]
    return s._binary(low, left, False) & s._binary(high, right, False)


def round_(s: TracedSeries, decimals: int = 0, out: Any = None) -> TracedSeries:
    call = "Series.round"
    s.kind.check_numeric(call)
    refuse_in_place(out is not None, call)
    if s.dtype == np.bool_:
        return s.new(s.value)  # pandas leaves bools as they are
    return _plain(arrays.round_(TracedArray(s.loop, (s.value,)), decimals))


def astype(s: TracedSeries, dtype: Any, copy: Any = None, errors: str = "raise") -> TracedSeries:
    call = "Series.astype"
    if is_str_dtype(dtype) and s.kind is NUMBERS:
        return to_str(s)
    s.kind.check_numeric(call)
    if errors != "raise" or isinstance(dtype, dict | Traced):
        refuse("SW262", call=call, what="the argument errors= or a dict")
    if categoricals.is_category(dtype):
        return categoricals.astype(s, dtype, call)
    made = run_prototype(call, pd.Series(np.ones(1, s.dtype)).astype, dtype)
    if not isinstance(made.dtype, np.dtype):
        refuse("SW254", call=call, type=str(made.dtype))
    type = type_of(made.dtype, call)
    result = s.new(cast(s.loop, s.value, type))
    if copy is False:
        s.shared = result.shared = s.viewed = True
    return result


def apply_(s: TracedSeries, func: Any, args: Any = (), *, by_row: Any = "compat", **kwargs: Any) -> Any:
    call = "Series.apply"
    if isinstance(func, np.ufunc) and not args and not kwargs and func.nin == 1:
        return func(s)
    if not callable(func) or isinstance(func, Traced | np.ufunc) or by_row != "compat":
        refuse("SW251", call=f"{call} of {raw(func)}")
    return apply_function(s, (lambda x: as_python(func, x, *args, **kwargs)) if args or kwargs else func, call)


def transform(s: TracedSeries, func: Any, axis: Any = 0, *args: Any, **kwargs: Any) -> Any:
    """Implements Series.transform as apply. Where that raises, pandas calls the function with the Series, so rows are guarded."""
    if isinstance(func, np.ufunc) or axis not in (0, "index"):
        refuse("SW251", call=f"Series.transform with {raw(func)}")
    made = apply_(s, func, args, **kwargs)
    s.loop.local.clear()  # a row that raises changes the evaluation of all rows, so no guard is local
    return made


def pipe(s: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
    if not callable(func):
        refuse("SW262", call="pipe", what=raw(func))
    return as_python(func, s, *args, **kwargs)


def copy(s: TracedSeries, deep: bool = True) -> TracedSeries:
    s.shared = s.shared or not deep
    return s.twin(shared=not deep)


def rename(s: TracedSeries, index: Any = None) -> TracedSeries:
    if index is not None and not isinstance(index, str):
        refuse("SW250", call="Series.rename of labels")
    made = copy(s, deep=False)
    made.known_name = index
    return made


def to_numpy(s: TracedSeries, dtype: Any = None, copy: bool = False) -> TracedArray:
    array = as_array(s, "Series.to_numpy")
    if dtype is not None and dtype_of(dtype, "Series.to_numpy") != s.dtype:
        return arrays.astype(array, dtype)
    return TracedArray(s.loop, (s.value,)) if copy else array


def abs_(s: TracedSeries) -> TracedSeries:
    return abs(s)


def flex(name: str, reflected: bool, real: str = "") -> Callable[..., Any]:
    """Implements s.add(other) and similar methods: the operator for a scalar, NumPy's on the arrays for a Series or array.

    ``a.floordiv(b)`` of integers therefore yields NumPy's 0 for a zero divisor, whereas ``a // b`` yields infinity.
    """
    real = real or ("r" if reflected else "") + name
    call = f"Series.{real}"

    def method(s: TracedSeries, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Any:
        if level is not None or axis not in (0, "index"):
            refuse("SW262", call=call, what="the argument level= or axis=")
        other = constant_of(other)
        if s.kind is UNSIGNED:
            s.kind.check_numeric(call)
        if s.kind is DATES or dates.is_date(other) or (isinstance(other, TracedSeries) and other.kind is DATES):
            if fill_value is not None or reflected:
                refuse("SW264", call=call)
            if isinstance(other, TracedSeries) and (s.value.type.nullable or other.value.type.nullable):
                refuse("SW264", call=f"{call} with None")  # NumPy compares the objects: None == None
            return s._binary(name, other, False)
        if datetimes.concerns(s, other):
            if fill_value is not None or isinstance(other, Traced):
                refuse("SW251", call=f"{call} of a {s.kind.name} Series")
            return s._binary(name, other, reflected)
        if not isinstance(other, TracedSeries | TracedArray):
            if fill_value is not None:
                missing = other is None or (is_number(other) and other != other)
                s, other = (s, fill_value) if missing else (fillna(s, fill_value), other)
            return s._binary(name, other, reflected)
        left, right = TracedArray(s.loop, (s.value,)), as_array(other, call)
        if right.ndim != 1:
            refuse("SW262", call=call, what="a two-dimensional array")
        proto = np.ones(1, right.dtype)
        proto = pd.Series(proto) if isinstance(other, TracedSeries) else proto
        run_prototype(call, getattr(pd.Series(np.ones(1, s.dtype)), real), proto, fill_value=fill_value)
        if fill_value is not None:
            left, right = _fill_either(left, right, fill_value, call)
        function = REFLECTED[name] if reflected else BINARY[name]
        results = apply(lambda loop, ops: operator_call(loop, function, ops, call), (left, right), call)
        return tuple(map(_plain, results)) if isinstance(results, tuple) else _plain(results)

    return method


def _fill_either(a: TracedArray, b: TracedArray, fill: Any, call: str) -> tuple[TracedArray, TracedArray]:
    """Replaces a missing element by `fill` where exactly one side is missing, like pandas' ops.fill_binop."""
    if not is_number(fill):
        refuse("SW262", call=call, what=raw(fill))
    loop = a.loop
    missing = [loop.call("isnan", x.value) if x.dtype.kind == "f" else loop.const(False, BOOL) for x in (a, b)]
    one = loop.call("logical_xor", *missing)
    filled = []
    for x, gone in zip((a, b), missing, strict=True):
        if x.dtype.kind != "f":
            filled.append(x)
            continue

        def assigned(dtype: np.dtype = x.dtype) -> Any:
            proto = np.ones(1, dtype)
            proto[np.array([True])] = fill
            return proto[0]

        constant = loop.const(run_prototype(call, assigned), x.value.type)
        filled.append(TracedArray(loop, (loop.select(loop.call("logical_and", gone, one), constant, x.value),)))
    return filled[0], filled[1]


def _to_frame(s: TracedSeries, name: Any = None) -> Any:
    if not isinstance(name, str):
        refuse("SW262", call="Series.to_frame", what="a name that is not a string")
    return TracedFrame(s.loop, {name: copy(s, deep=False)})


_FLEX_NAMES = {
    "add": "add", "sub": "sub", "subtract": "sub", "mul": "mul", "multiply": "mul", "div": "truediv", "divide": "truediv",
    "truediv": "truediv", "floordiv": "floordiv", "mod": "mod", "pow": "pow", "divmod": "divmod",
}  # fmt: skip
_REFLECTED_NAMES = ("add", "sub", "mul", "div", "truediv", "floordiv", "mod", "pow", "divmod")


def case_when(s: Any, caselist: Any) -> Any:
    """Implements Series.case_when: converts all values to their common dtype, then masks by the conditions, last first."""
    call = "Series.case_when"
    if type(caselist) is not list or not caselist or any(type(case) is not tuple or len(case) != 2 for case in caselist):
        refuse("SW262", call=call, what="anything but a list of pairs of condition and replacement")
    cases = [[as_python(x, s) if callable(x) else constant_of(x) for x in case] for case in caselist]
    result = s
    if s.kind is not STRINGS:  # strings and their replacements are objects already
        s.kind.check_numeric(call)
        protos = [pd.Series(np.ones(1, x.dtype)) if isinstance(x, TracedSeries | TracedArray) else x for _, x in cases]
        made = run_prototype(call, pd.Series(np.ones(1, s.dtype)).case_when, [(np.array([True]), proto) for proto in protos])
        type_of(made.dtype, call)
        result = s.astype(made.dtype)
        cases = [[condition, x.astype(made.dtype) if isinstance(x, TracedSeries | TracedArray) else x] for condition, x in cases]
    for condition, x in reversed(cases):
        result = result.mask(condition, x)
    return result


#: Methods that are made of other methods and operators, so one definition holds for numbers, strings and dates.
OF_ANY_KIND: dict[str, Callable[..., Any]] = {
    "case_when": case_when,
    "pipe": pipe,
    "transpose": lambda s: s,
    "tolist": Values,
    "to_list": Values,
}

#: Methods that a compiled function may call.
METHODS: dict[str, Callable[..., Any]] = {
    **OF_ANY_KIND,
    "abs": abs_,
    "round": round_,
    "clip": clip,
    "between": between,
    "isin": series_isin,
    "isna": isna,
    "isnull": isna,
    "notna": notna,
    "notnull": notna,
    "fillna": fillna,
    "where": where,
    "mask": mask,
    "astype": astype,
    "map": series_map,
    "combine_first": combine_first,
    "replace": replace,
    "copy": copy,
    "rename": rename,
    "to_numpy": to_numpy,
    "to_frame": _to_frame,
    "apply": apply_,
    "transform": transform,
}
METHODS.update({method: flex(name, False, method) for method, name in _FLEX_NAMES.items()})
METHODS.update({name: flex(name, False) for name in ("eq", "ne", "lt", "le", "gt", "ge")})
METHODS.update({f"r{name}": flex(_FLEX_NAMES[name], True, f"r{name}") for name in _REFLECTED_NAMES})

#: Attributes other than methods.
PROPERTIES: dict[str, Callable[[TracedSeries], Any]] = {
    "values": lambda s: as_array(s, "Series.values"),
    "T": lambda s: s,
    "dtypes": lambda s: s.dtype,
    "ndim": lambda s: 1,
    "loc": Loc,
    "dt": datetime_accessor.accessor,
}
