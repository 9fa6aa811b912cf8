"""Evaluates an aggregate UDF's state for all groups at once with segmented reductions.

The function runs once on stand-ins: `Rows` holds whole columns sorted by group, `Number` holds one scalar per group. Reductions
are segmented by the groups' bounds. `Unlike` is raised for a branch on a value, a loop or a method that is not defined here.
The original function then runs for each group. For a few groups both are computed and compared. Workers unpickle this code by
value.
"""

from __future__ import annotations

import operator
import types
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import pandas as pd

_PLAIN = (bool, int, float, str, bytes, type(None))
_NUMBERS = (int, float, np.int64, np.float64)
_SMALL = 1 << 31  # sums and products of Python ints below this bound equal those of int64
_OPERATORS = (np.add, np.subtract, np.multiply, np.true_divide)
_EXACT = (*_OPERATORS, np.negative, np.absolute, np.sqrt, np.isnan, np.isfinite, np.isinf)
_PROBES = 4


class Unlike(BaseException):
    """Raised when the function cannot run over all groups at once. A BaseException, so that the function does not catch it."""


class _Run:
    """One segmented run. `exact`: the annotation allows neither another order of sums nor another last digit."""

    def __init__(self, exact: bool) -> None:
        self.exact, self.broken = exact, False

    def unlike(self) -> NoReturn:
        self.broken = True
        raise Unlike

    def inexact(self) -> None:
        if self.exact:
            self.unlike()


class _Traced:
    """A base class that supports no operation, truth value or length except those its subclass defines."""

    run: _Run
    __hash__ = None  # type: ignore[assignment]

    def _unlike(self, *_: Any, **__: Any) -> Any:
        self.run.unlike()

    __bool__ = __len__ = __iter__ = __float__ = __int__ = __index__ = __complex__ = __round__ = __contains__ = _unlike
    __array__ = __array_function__ = __getattr__ = __getitem__ = __setitem__ = __delitem__ = __call__ = _unlike
    __repr__ = __str__ = __format__ = __reduce_ex__ = __copy__ = __deepcopy__ = __matmul__ = __pow__ = __rpow__ = _unlike
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = __rdivmod__ = _unlike
    __and__ = __or__ = __xor__ = __invert__ = _unlike
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _unlike  # type: ignore[assignment]

    def _op(self, ufunc: np.ufunc, other: Any, reflected: bool = False) -> Any:
        raise NotImplementedError

    __add__, __sub__, __mul__, __truediv__ = (
        lambda self, other, ufunc=ufunc: self._op(ufunc, other) for ufunc in _OPERATORS
    )
    __radd__, __rsub__, __rmul__, __rtruediv__ = (
        lambda self, other, ufunc=ufunc: self._op(ufunc, other, True) for ufunc in _OPERATORS
    )


class Number(_Traced):
    """One scalar per group. `python`: the scalars are Python ints or floats, else NumPy scalars."""

    def __init__(self, run: _Run, values: np.ndarray, python: bool = False) -> None:
        self.run, self.values, self.python = run, values, python

    def __neg__(self) -> Any:
        return Number(self.run, -self.values, self.python)

    def _op(self, ufunc: np.ufunc, other: Any, reflected: bool = False) -> Any:
        if isinstance(other, Rows):
            return NotImplemented
        if type(other) is Number:
            values, python = other.values, other.python
        elif type(other) in _NUMBERS:
            values, python = np.asarray(other), type(other) in (int, float)
        else:
            self.run.unlike()
        left, right = (values, self.values) if reflected else (self.values, values)
        both = self.python and python
        if both and ufunc is np.true_divide and not right.all():
            self.run.unlike()  # Python raises ZeroDivisionError
        if both and any(v.dtype.kind == "i" and v.size and np.abs(v).max() >= _SMALL for v in (left, right)):
            self.run.unlike()  # Python ints do not wrap around
        with np.errstate(all="ignore"):
            return Number(self.run, ufunc(left, right), both)

    def each(self) -> list[Any]:
        """Returns the scalars of all groups, of the type that the function produces."""
        return self.values.tolist() if self.python else list(self.values)


class Rows(_Traced):
    """The rows of all groups, `starts[i]` to `starts[i + 1]` for group i: a Series, whose reductions skip NaN, or an array."""

    def __init__(self, run: _Run, values: np.ndarray, starts: np.ndarray, series: bool = True) -> None:
        self.run, self._values, self.starts, self.is_series = run, values, starts, series

    def __getattribute__(self, name: str) -> Any:
        """Reports pd.Series or np.ndarray as `__class__` for `isinstance`. A property of that name could not be pickled."""
        if name == "__class__":
            return pd.Series if self.is_series else np.ndarray
        return super().__getattribute__(name)

    def _made(self, values: np.ndarray) -> Rows:
        if values.dtype not in (np.float64, np.int64, np.bool_):
            self.run.unlike()
        return Rows(self.run, values, self.starts, self.is_series)

    def _operand(self, other: Any) -> Any:
        if type(other) is Rows:
            if other.starts is not self.starts or other.is_series is not self.is_series:
                self.run.unlike()
            return other._values
        if type(other) is Number:
            return np.repeat(other.values, np.diff(self.starts))
        if type(other) not in _NUMBERS:
            self.run.unlike()
        return other

    def _op(self, ufunc: np.ufunc, other: Any, reflected: bool = False) -> Any:
        if self._values.dtype.kind not in "fi":
            self.run.unlike()
        given = (self._operand(other), self._values) if reflected else (self._values, self._operand(other))
        with np.errstate(all="ignore"):
            return self._made(ufunc(*given))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs or ufunc.nout != 1 or ufunc.signature is not None:
            self.run.unlike()
        if any(isinstance(value, Rows) and value._values.dtype == object for value in inputs):
            self.run.unlike()
        if ufunc not in _EXACT:
            self.run.inexact()
        return self._made(ufunc(*(self._operand(value) for value in inputs)))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:  # type: ignore[override]
        names = {np.sum: "sum", np.mean: "mean", np.min: "min", np.max: "max"}
        if function not in names or len(args) != 1 or kwargs:
            self.run.unlike()
        return getattr(self, names[function])()

    def __neg__(self) -> Any:
        return self.__array_ufunc__(np.negative, "__call__", self)

    def __abs__(self) -> Any:
        return self.__array_ufunc__(np.absolute, "__call__", self)

    abs = __abs__

    def _compared(self, ufunc: np.ufunc, other: Any) -> Rows:
        if self._values.dtype.kind not in "fi":
            self.run.unlike()
        return self._made(ufunc(self._values, self._operand(other)))

    __lt__, __le__, __gt__, __ge__, __eq__, __ne__ = (  # type: ignore[assignment]
        lambda self, other, ufunc=ufunc: self._compared(ufunc, other)
        for ufunc in (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
    )

    def _logic(self, ufunc: np.ufunc, *others: Any) -> Rows:
        if any(type(v) is not Rows or v._values.dtype != np.bool_ for v in (self, *others)):
            self.run.unlike()
        return self._made(ufunc(self._values, *(self._operand(other) for other in others)))

    def __and__(self, other: Any) -> Any:  # type: ignore[override]
        return self._logic(np.logical_and, other)

    def __or__(self, other: Any) -> Any:  # type: ignore[override]
        return self._logic(np.logical_or, other)

    def __invert__(self) -> Any:  # type: ignore[override]
        return self._logic(np.logical_not)

    def __getitem__(self, mask: Any) -> Any:  # type: ignore[override]
        if type(mask) is not Rows or mask._values.dtype != np.bool_ or mask.starts is not self.starts:
            self.run.unlike()
        before = np.concatenate([[0], np.cumsum(mask._values)])
        return Rows(self.run, self._values[mask._values], before[self.starts], self.is_series)

    def __pow__(self, other: Any) -> Any:  # type: ignore[override]
        if type(other) not in (int, float) or self._values.dtype.kind not in "fi":
            self.run.unlike()
        if other != 2:
            self.run.inexact()
        with np.errstate(all="ignore"):
            return self._made(self._values**other)

    def isna(self) -> Any:
        return self._made(pd.isna(self._values))

    def notna(self) -> Any:
        return ~self.isna()

    def dropna(self) -> Any:
        return self[self.notna()]

    def fillna(self, value: Any) -> Any:
        if self._values.dtype != np.float64 or type(value) not in (int, float) or not self.is_series:
            self.run.unlike()
        return self._made(np.where(np.isnan(self._values), float(value), self._values))

    def to_numpy(self) -> Any:
        return Rows(self.run, self._values, self.starts, False)

    values = property(to_numpy)
    size = property(lambda self: self.length())

    def length(self) -> Number:
        """Returns the number of rows of each group, for ``len``."""
        return Number(self.run, np.diff(self.starts), True)

    def count(self) -> Number:
        return self.notna().sum()  # type: ignore[no-any-return]

    def sum(self) -> Number:
        values = self._values
        if values.dtype == np.bool_:
            values = values.astype(np.int64)
        elif values.dtype == np.float64:
            self.run.inexact()
            values = np.where(np.isnan(values), 0.0, values) if self.is_series else values
        return self._reduced(np.add, values, 0)

    def mean(self) -> Number:
        self.run.inexact()
        total, count = self._made(self._values.astype(np.float64)).sum(), self.count() if self.is_series else self.length()
        with np.errstate(all="ignore"):
            return Number(self.run, total.values / count.values)

    def min(self) -> Number:
        return self._extreme(np.fmin, np.minimum)

    def max(self) -> Number:
        return self._extreme(np.fmax, np.maximum)

    def var(self) -> Number:
        if not self.is_series:
            self.run.unlike()
        apart = self - self.mean()
        squares, count = (apart * apart).sum().values, self.count().values
        with np.errstate(all="ignore"):
            return Number(self.run, np.where(count > 1, squares / (count - 1), np.nan))

    def std(self) -> Number:
        return Number(self.run, np.sqrt(self.var().values))

    def _extreme(self, skipping: np.ufunc, whole: np.ufunc) -> Number:
        kind = self._values.dtype.kind
        if (kind != "f" or not self.is_series) and not np.diff(self.starts).all():
            self.run.unlike()  # an empty group: the function returns NaN for integers, or raises
        return self._reduced(skipping if self.is_series else whole, self._values, np.nan)

    def _reduced(self, ufunc: np.ufunc, values: np.ndarray, empty: Any) -> Number:
        if values.dtype.kind not in "fi":
            self.run.unlike()
        there = np.flatnonzero(np.diff(self.starts))
        made = np.full(len(self.starts) - 1, empty, values.dtype) if len(there) < len(self.starts) - 1 else None
        found = ufunc.reduceat(values, self.starts[there]) if len(there) else values[:0]
        if made is None:
            return Number(self.run, found)
        made[there] = found
        return Number(self.run, made)


def states(
    function: Callable[..., Any],
    args: Sequence[np.ndarray],
    named: dict[str, np.ndarray],
    starts: np.ndarray,
    rtol: float,
    one: Callable[[int], Any],
) -> list[Any] | None:
    """Returns the state of each group; None when the function has to run for each group.

    The columns are sorted by group. `one` computes the state of one group with the function itself; some groups are compared
    with it.
    """
    run = _Run(exact=rtol == 0)
    if any(values.dtype not in (np.float64, np.int64, np.bool_, object) for values in (*args, *named.values())):
        return None
    try:
        made = _with_stand_ins(function, run)(
            *(Rows(run, values, starts) for values in args), **{name: Rows(run, values, starts) for name, values in named.items()}
        )
        found = None if run.broken else _each(made, len(starts) - 1, run)
        return found if found is not None and _probed(found, np.diff(starts), rtol, one) else None
    except (Unlike, Exception):  # noqa: BLE001 - the function's own errors are raised again when it runs for each group
        return None


def _probed(found: list[Any], sizes: np.ndarray, rtol: float, one: Callable[[int], Any]) -> bool:
    """Whether the segmented states equal the function's own for some groups, including the largest and the smallest."""
    some = range(0, len(sizes), max(len(sizes) // _PROBES, 1))
    return all(_same(found[g], one(g), rtol) for g in {*some, len(sizes) - 1, int(sizes.argmax()), int(sizes.argmin())})


def _with_stand_ins(function: Callable[..., Any], run: _Run) -> Callable[..., Any]:
    """Returns the function with `len`, `float` and `int` that accept `Rows` and `Number`; the builtins require real values."""
    if not isinstance(function, types.FunctionType):
        return function

    def length(value: Any) -> Any:
        return value.length() if type(value) is Rows else len(value)

    def real(value: Any = 0.0) -> Any:
        if type(value) is not Number:
            return float(value)
        return Number(run, value.values.astype(np.float64), True)

    def whole(value: Any = 0, *base: Any) -> Any:
        if type(value) is not Number:
            return int(value, *base)
        if base or value.values.dtype.kind != "i":
            run.unlike()
        return Number(run, value.values, True)

    names = {"len": length, "float": real, "int": whole, **function.__globals__}
    made = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _each(made: Any, groups: int, run: _Run) -> list[Any]:
    """Converts the result of a segmented run to one result per group."""
    if type(made) is Number:
        return made.each()
    if type(made) in _PLAIN:
        return [made] * groups
    if type(made) is dict and all(type(key) in _PLAIN for key in made):
        parts = [_each(part, groups, run) for part in made.values()]
        return [dict(zip(made, row, strict=True)) for row in zip(*parts, strict=True)] if parts else [{} for _ in range(groups)]
    if type(made) not in (tuple, list):
        run.unlike()
    parts = [_each(part, groups, run) for part in made]
    rows = list(zip(*parts, strict=True)) if parts else [()] * groups
    return rows if type(made) is tuple else [list(row) for row in rows]


def _same(found: Any, wanted: Any, rtol: float) -> bool:
    """Whether two states have the same types and values, floats within `rtol`."""
    if isinstance(found, float) and found != found:  # pandas returns NaN as float or np.float64
        return isinstance(wanted, float) and wanted != wanted
    if type(found) is not type(wanted):
        return False
    if isinstance(found, tuple | list):
        return len(found) == len(wanted) and all(_same(a, b, rtol) for a, b in zip(found, wanted, strict=True))
    if isinstance(found, dict):
        return list(found) == list(wanted) and all(_same(found[key], wanted[key], rtol) for key in found)
    if isinstance(found, float | np.floating):
        return bool(np.isclose(found, wanted, rtol=max(rtol, 0.0), atol=0.0, equal_nan=True))
    return bool(operator.eq(found, wanted))


__all__ = ["Unlike", "states"]
