"""Wraps captured dates and pandas objects in constants that expose only the deterministic part of their attributes.

A compiled function runs once, at planning time. So nothing that it reaches may read a clock, a time zone or a locale, or
write a file. Numbers and arrays cannot be wrapped, as NumPy creates new ones; `udf_compiler.function.bytecode` lists their few
harmful names.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir.time_formats import written_items
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, absent_of
from udf_compiler.frontends.tracing.values import BINARY, COMPARISONS, UNARY, Traced, raw

_DATE_NAMES = frozenset("year month day weekday isoweekday isocalendar isoformat toordinal replace".split())
_DATETIME_NAMES = _DATE_NAMES | frozenset("hour minute second microsecond fold tzinfo time utcoffset".split())

#: Attributes of a constant Series or Index that are functions of its values alone.
_PANDAS_NAMES = frozenset(
    """values to_numpy tolist to_list to_dict size shape dtype ndim name index empty get keys items abs round copy isna notna
    isin fillna astype where sum mean min max std var median quantile count any all unique nunique idxmin idxmax cumsum
    sort_values sort_index head tail get_loc""".split()
)
_INDEXERS = frozenset("loc iloc at iat".split())


class ConstantDate(datetime.date):
    """A date without `today`, time zones and locales."""

    def __getattribute__(self, name: str) -> Any:
        if name == "strftime":
            return partial(_formatted, self)
        return _checked(self, name, _DATE_NAMES, "datetime.date")

    def __repr__(self) -> str:
        refuse("SW259", call="repr() of a date")


class ConstantDatetime(datetime.datetime):
    """A datetime without `now`, time zones and locales."""

    def __getattribute__(self, name: str) -> Any:
        if name == "strftime":
            return partial(_formatted, self)
        if name == "date":
            return lambda: ConstantDate(self.year, self.month, self.day)
        return _checked(self, name, _DATETIME_NAMES, "datetime.datetime")

    def __repr__(self) -> str:
        refuse("SW259", call="repr() of a datetime")


def _formatted(x: Any, format: Any) -> str:
    """Returns ``x.strftime(format)``; refuses (SW263) formats that depend on locale or platform."""
    if type(format) is not str or written_items(format) is None or x.year < 1000:
        refuse("SW263", name="strftime with this format")
    day = (x.year, x.month, x.day)
    if not isinstance(x, datetime.datetime):
        return datetime.date(*day).strftime(format)
    return datetime.datetime(*day, x.hour, x.minute, x.second, x.microsecond, x.tzinfo).strftime(format)


def _checked(owner: Any, name: str, allowed: frozenset[str], kind: str) -> Any:
    if name not in allowed and not name.startswith("__"):  # user code cannot name dunder attributes (SW219)
        if not hasattr(type(owner).__base__, name):
            raise absent_of(type(owner).__base__, name)
        refuse("SW263", name=f"{kind}.{name}")
    return object.__getattribute__(owner, name)


def constant_date(x: Any) -> Any:
    """Returns a date or datetime (of exactly those types) as its guarded equivalent; any other object unchanged."""
    if type(x) is datetime.date:
        return ConstantDate(x.year, x.month, x.day)
    if type(x) is datetime.datetime:
        clock = (x.hour, x.minute, x.second, x.microsecond)
        return ConstantDatetime(x.year, x.month, x.day, *clock, x.tzinfo, fold=x.fold)
    return x


class Guarded(StandIn):
    """A wrapper of an object that exposes only some of its attributes."""

    __slots__ = ("_constant",)
    what = "constant"

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return type(self._constant)

    def __init__(self, constant: Any) -> None:
        self._constant = constant


class ConstantSet(Guarded):
    """A set whose iteration order may differ in a worker: it supports membership and size; order-dependent uses are refused."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._constant)

    def __contains__(self, x: Any) -> bool:
        found = current().dispatch.is_key(self, x) if isinstance(x, Traced) else None
        return x in self._constant if found is None else bool(found)

    def __len__(self) -> int:
        return len(self._constant)

    def __bool__(self) -> bool:
        return bool(self._constant)

    def __getattr__(self, name: str) -> Any:
        self._refuse()

    def _refuse(self, *args: Any) -> Any:
        kind = type(self._constant).__name__
        refuse("SW216", function="the function", name="by its order", type=f"{kind}, whose order PYTHONHASHSEED decides,")

    __iter__ = __or__ = __and__ = __sub__ = __xor__ = __ror__ = __rand__ = __rsub__ = __rxor__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _refuse  # type: ignore[assignment]


class PandasConstant(Guarded):
    """A Series or Index of constants: reads run in pandas, everything else is refused."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name in _INDEXERS:
            return _Indexer(getattr(self._constant, name))
        call = f"{type(self._constant).__name__}.{name} of a constant"
        if name not in _PANDAS_NAMES:
            refuse("SW263", name=call)
        found = getattr(self._constant, name)
        return _Method(found, call) if callable(found) else wrapped(found, call)

    def __getitem__(self, key: Any) -> Any:
        return wrapped(self._constant[unwrapped(key)], "[...] of a constant")

    def __setitem__(self, key: Any, value: Any) -> None:
        refuse("SW256", call="... [...] = of a captured Series")

    def __len__(self) -> int:
        return len(self._constant)

    def __iter__(self) -> Any:
        return iter(self._constant)

    def __contains__(self, key: Any) -> bool:
        return key in self._constant

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        return np.array(self._constant, *args, **kwargs)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Traced) for x in inputs):
            return NotImplemented
        if kwargs:
            refuse("SW262", call=f"np.{ufunc.__name__}", what=f"the argument {sorted(kwargs)[0]}=")
        return _Method(getattr(ufunc, method), f"np.{ufunc.__name__}")(*inputs)


class FrameConstant(Guarded):
    """A DataFrame of constants: its columns are constants, and other frames are merged with it."""

    __slots__ = ()

    def _more_names(self) -> Any:
        return self._constant.columns

    def __getattr__(self, name: str) -> Any:
        if name in self._constant.columns and not hasattr(pd.DataFrame, name):
            return self[name]
        refuse("SW263", name=f"DataFrame.{name} of a constant")

    def __getitem__(self, key: Any) -> Any:
        names = key if type(key) is list else [key]
        if not all(type(n) is str and n in self._constant.columns for n in names) or len(set(names)) < len(names):
            refuse("SW262", call="[...] of a constant DataFrame", what="anything but names of its columns")
        return PandasConstant(self._constant[key]) if type(key) is str else FrameConstant(self._constant[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        refuse("SW256", call="... [...] = of a captured DataFrame")

    def __len__(self) -> int:
        return len(self._constant)


class _Method(StandIn):
    """A method of a constant, whose arguments and results are constants."""

    __slots__ = ("_call", "stands_for")
    what = "method of a constant"

    def __init__(self, method: Any, call: str) -> None:
        self.stands_for, self._call = method, call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = [unwrapped(a) for a in (*args, *kwargs.values())]
        if any(isinstance(a, Traced) for a in given):
            refuse("SW262", call=self._call, what="a column as an argument")
        named = dict(zip(kwargs, given[len(args) :], strict=True))
        return wrapped(self.stands_for(*given[: len(args)], **named), self._call)


def method_of(bound: Any, call: str) -> Any:
    """Returns a method of a constant, whose arguments and results are constants."""
    return _Method(bound, call)


class _Indexer(StandIn):
    """An indexer such as ``s.loc``, for reading only."""

    __slots__ = ("stands_for",)
    what = "indexer of a constant"

    def __init__(self, indexer: Any) -> None:
        self.stands_for = indexer

    def __call__(self, axis: Any = None) -> Any:
        refuse("SW262", call="... .loc() of a constant", what="an axis")

    def __getitem__(self, key: Any) -> Any:
        return wrapped(self.stands_for[unwrapped(key)], "[...] of a constant")

    def __setitem__(self, key: Any, value: Any) -> None:
        refuse("SW256", call="... [...] = of a captured Series")


def wrapped(x: Any, call: str) -> Any:
    """Returns a result of pandas as a constant. Refuses (SW262) a DataFrame or an extension array."""
    if isinstance(x, pd.Series | pd.Index):
        return PandasConstant(x)
    if isinstance(x, pd.DataFrame | pd.api.extensions.ExtensionArray):
        refuse("SW262", call=call, what=raw(x))
    return x


def unwrapped(x: Any) -> Any:
    """Returns the object that a constant wraps; any other object unchanged."""
    return x._constant if issubclass(type(x), Guarded) else x


def define_operators(kind: type[Guarded], names: Iterable[str], compute: Callable[[str, Any, Any], Any]) -> None:
    """Defines the named binary operators of a class of constants, also reflected; `compute` receives the wrapped objects."""

    def binary(name: str, swapped: bool) -> Any:
        def method(self: Guarded, other: Any) -> Any:
            if isinstance(other, Traced):
                return NotImplemented
            pair = (unwrapped(other), self._constant) if swapped else (self._constant, unwrapped(other))
            return compute(name, *pair)

        return method

    for name in names:
        setattr(kind, f"__{name}__", binary(name, False))
        if name not in COMPARISONS:
            setattr(kind, f"__r{name}__", binary(name, True))


define_operators(PandasConstant, BINARY, lambda name, *pair: wrapped(BINARY[name](*pair), f"{name} of a constant"))
for _name in ("neg", "invert", "abs"):
    setattr(PandasConstant, f"__{_name}__", lambda self, f=UNARY[_name]: wrapped(f(self._constant), "a constant"))
