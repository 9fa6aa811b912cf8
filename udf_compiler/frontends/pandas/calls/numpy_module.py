"""Provides the stand-in of the module numpy: its functions of traced arguments or of constants, its types and constants."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from udf_compiler.frontends.pandas import time_constants
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.numpy_ import PURE, ROW_MIXING, TABLE, call_function, has_traced, name_of
from udf_compiler.frontends.pandas.calls.strings.constant_arrays import of_array
from udf_compiler.frontends.pandas.calls.vectorize import Vectorize
from udf_compiler.frontends.pandas.row_counts import RowCount
from udf_compiler.frontends.python.builtin_calls import real_arguments
from udf_compiler.frontends.python.ndarrays import holds_none, leave_none
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.lower import run_prototype, type_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, module_stand_in


def _in_row(call: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a function of constants on a path of a scalar UDF, where an error concerns only the rows of that path."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return as_python(function, *args, **kwargs)


class Function(StandIn):
    """The stand-in of a NumPy function."""

    __slots__ = ("__name__", "stands_for")
    what = "function of NumPy"

    def __init__(self, function: Any) -> None:
        self.stands_for = function
        self.__name__ = getattr(function, "__name__", str(function))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = real_arguments(args, kwargs)
        if self.__name__ in _FILLED and args and type(_only(args[0])) is RowCount:
            return _filled(self.stands_for, _only(args[0]), args[1:], kwargs)
        group = current().group
        if group is not None and self.__name__ in _FILLED_OF_GROUP and args and group.has_scalar(_only(args[0])):
            return group.filled(self.stands_for, _only(args[0]), args[1:], kwargs)
        if group is not None and self.__name__ == "repeat" and len(args) == 2 and not kwargs and group.has_scalar(args[1]):
            return group.filled(np.full, args[1], (_only(args[0]),), {})
        if has_traced(args) or has_traced(kwargs):
            return call_function(self.stands_for, args, kwargs)
        if self.__name__ not in PURE:
            refuse("SW263", name=name_of(self.stands_for))
        if is_exploring() and self.__name__ in ("array", "asarray") and args and args[0] is None:
            leave_none()
        run = _in_row if is_exploring() else run_prototype
        result = run(name_of(self.stands_for), self.stands_for, *map(unwrapped, args), **kwargs)
        if getattr(result, "dtype", np.dtype(bool)).kind not in "biufc":
            texts = of_array(result) if self.__name__ in ("array", "asarray") else None
            if texts is not None:
                return texts
            if is_exploring() and any(map(holds_none, args)):
                leave_none()
            refuse("SW263", name=f"{name_of(self.stands_for)} of objects, strings or times")  # "now" is a time, for one
        return result

    def __getattr__(self, name: str) -> Any:
        refuse("SW251", call=f"np.{self.__name__}.{name}")


#: Functions that fill an array of a given length.
_FILLED = ("zeros", "ones", "full")
_FILLED_OF_GROUP = (*_FILLED, "empty")


def _only(shape: Any) -> Any:
    return shape[0] if type(shape) is tuple and len(shape) == 1 else shape


def _filled(function: Any, count: RowCount, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TracedArray:
    """Returns an array with the same number for each row. Refuses (SW262) strings, which NumPy stores in a fixed width."""
    call = name_of(function)
    if has_traced(args) or has_traced(kwargs):
        refuse("SW262", call=call, what="a value of the row")
    proto = run_prototype(call, function, 1, *map(unwrapped, args), **kwargs)
    if proto.dtype.kind not in "bif":
        refuse("SW262", call=call, what=f"dtype={proto.dtype}")
    return TracedArray(count.loop, (count.loop.const(proto[0], type_of(proto.dtype, call)),))


class ColumnStacker(StandIn):
    """The object np.c_."""

    __slots__ = ()
    what = "np.c_"
    stands_for = type(np.c_)
    of_instances = frozenset(("axis", "matrix", "ndmin", "trans1d"))  # class attributes from NumPy 2 on

    def __getitem__(self, key: Any) -> Any:
        if type(key) is not tuple or not has_traced(key):
            refuse("SW262", call="np.c_[...]", what="anything but several columns")
        return call_function(np.column_stack, (list(key),), {})

    def __getattr__(self, name: str) -> NoReturn:
        refuse("SW251", call=f"np.c_.{name}")


def _no_array(*args: Any, **kwargs: Any) -> NoReturn:
    refuse("SW263", name="np.ndarray()")


def _dtype(*args: Any, **kwargs: Any) -> np.dtype:
    args, kwargs = real_arguments(args, kwargs)
    return as_python(np.dtype, *args, **kwargs)  # type: ignore[no-any-return]


#: The stand-ins of numpy.ndarray and numpy.dtype.
NdarrayStandIn = class_stand_in(np.ndarray, "np.ndarray", _no_array)
DtypeStandIn = class_stand_in(np.dtype, "np.dtype", _dtype)


def errstate(**kwargs: Any) -> Any:
    """Implements np.errstate with settings that ignore or warn, as traced operations never warn. Refuses (SW262) others."""
    if any(value not in ("ignore", "warn", None) for value in kwargs.values()):
        refuse("SW262", call="np.errstate", what="a setting that raises or calls")
    return np.errstate(**kwargs)


_CONSTANTS = (
    "nan",
    "inf",
    "pi",
    "e",
    "euler_gamma",
    "newaxis",
    "True_",
    "False_",
    "finfo",
    "iinfo",
    "generic",
)


def _attribute(name: str) -> Any:
    found = stand_in(getattr(np, name, None)) if not name.startswith("_") else None
    if found is None and name not in ("newaxis",):
        refuse("SW263", name=f"np.{name}")
    return found


NUMPY = module_stand_in(np, "np", _attribute)
_NORM = Function(np.linalg.norm)


def _of_linalg(name: str) -> Any:
    return _NORM if name == "norm" else refuse("SW263", name=f"np.linalg.{name}")


LINALG = module_stand_in(np.linalg, "np.linalg", _of_linalg)
_STAND_INS: dict[int, Any] = {
    id(np): NUMPY, id(np.ndarray): NdarrayStandIn, id(np.dtype): DtypeStandIn, id(np.vectorize): Vectorize,
    id(np.c_): ColumnStacker(), id(np.errstate): errstate, id(np.linalg): LINALG, id(np.linalg.norm): _NORM,
}  # fmt: skip
_PLAIN = tuple(id(getattr(np, name)) for name in _CONSTANTS)


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of an object of NumPy, or None."""
    if id(obj) in _STAND_INS:
        return _STAND_INS[id(obj)]
    if obj is np.datetime64 or obj is np.timedelta64 or isinstance(obj, np.datetime64 | np.timedelta64):
        return time_constants.stand_in(obj)
    if isinstance(obj, np.ufunc | np.dtype | float | bool | np.generic) or id(obj) in _PLAIN:
        return obj
    if isinstance(obj, type) and issubclass(obj, np.generic):
        return obj if obj is np.generic or issubclass(obj, np.number | np.bool_) and obj is not np.timedelta64 else None
    if callable(obj) and not isinstance(obj, type) and (_hashable_in_table(obj) or _is_public(obj)):
        return Function(obj)
    return None


def _hashable_in_table(obj: Any) -> bool:
    try:
        return obj in TABLE
    except TypeError:
        return False


def _is_public(obj: Any) -> bool:
    name = getattr(obj, "__name__", "")
    return (name in PURE | ROW_MIXING or name in _FILLED_OF_GROUP) and getattr(np, name, None) is obj
