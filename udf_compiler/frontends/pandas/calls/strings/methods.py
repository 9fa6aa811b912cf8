"""Lowers the methods and attributes of a Series of strings, apart from its accessor `str`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from udf_compiler.frontends.pandas.calls import series_methods
from udf_compiler.frontends.pandas.calls.series_choices import Loc
from udf_compiler.frontends.pandas.calls.strings import choose, convert, tables
from udf_compiler.frontends.pandas.calls.strings.accessor import accessor
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import is_text
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


def copy(s: Any, deep: bool = True) -> Any:
    s.shared = s.shared or not deep
    return TracedSeries(s.loop, s.value, s.dtype, s.kind, shared=not deep, missing=s.missing)


def rename(s: Any, index: Any = None) -> Any:
    if index is not None and not isinstance(index, str):
        refuse("SW250", call="Series.rename of labels")
    return copy(s, deep=False)


def to_frame(s: Any, name: Any = None) -> Any:
    if not isinstance(name, str):
        refuse("SW262", call="Series.to_frame", what="a name that is not a string")
    return TracedFrame(s.loop, {name: copy(s, deep=False)})


def _operator(name: str, real: str, reflected: bool = False) -> Callable[..., Any]:
    """Implements s.eq(other), s.add(other) and similar methods by the operator."""

    def method(s: Any, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Any:
        call = f"Series.{real}"
        if level is not None or fill_value is not None or axis not in (0, "index"):
            refuse("SW262", call=call, what="the argument level=, fill_value= or axis=")
        if not isinstance(other, str) and not is_text(other):
            refuse("SW270", call=f"{call} with {raw(other)}")
        if is_text(other) and (s.value.type.nullable or other.value.type.nullable):
            refuse("SW270", call=f"{call} with None or NaN")  # NumPy operates on the objects: None == None, and None + "x" raises
        return s._binary(name, other, reflected)

    return method


#: Methods that a compiled function may call, apart from those of any kind (`series_methods.OF_ANY_KIND`).
METHODS: dict[str, Callable[..., Any]] = {
    "isna": choose.isna,
    "isnull": choose.isna,
    "notna": choose.notna,
    "notnull": choose.notna,
    "fillna": choose.fillna,
    "where": choose.where,
    "mask": choose.mask,
    "combine_first": choose.combine_first,
    "astype": convert.text_astype,
    "isin": tables.isin,
    "map": tables.map_,
    "replace": tables.replace,
    "between": series_methods.between,
    "copy": copy,
    "rename": rename,
    "to_frame": to_frame,
    "to_numpy": choose.to_numpy,
    "apply": lambda s, func, args=(), **kwargs: series_methods.apply_(s, func, args, **kwargs),
    **{name: _operator(name, name) for name in ("eq", "ne", "lt", "le", "gt", "ge", "add")},
    "radd": _operator("add", "radd", reflected=True),
}

#: Attributes other than methods.
PROPERTIES: dict[str, Callable[[Any], Any]] = {
    "loc": Loc,
    "str": accessor,
    "T": lambda s: s,
    "dtypes": lambda s: s.dtype,
    "values": choose.to_numpy,
    "ndim": lambda s: 1,
}
