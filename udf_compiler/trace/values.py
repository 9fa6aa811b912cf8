"""The base of symbolic values: operators become `_binary`, `_unary` and `_in_place`; any use as a Python value is refused.

A symbolic value stands for a whole column, so it has no length, truth value, hash or elements. Every protocol of Python
that would ask for one is defined here and refuses, or Python would quietly do something else.
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from pandas.core import roperator

from sparkweld.ir import LoopBuilder, Value
from udf_compiler.trace.session import is_tracing, refuse

#: Operator method name -> the function that pandas hands to its array ops for it.
BINARY: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name) for name in "add sub mul truediv floordiv mod pow eq ne lt le gt ge xor lshift rshift".split()
} | {"divmod": divmod, "and": operator.and_, "or": operator.or_}

#: The same with the operands swapped: ``__radd__`` and so on.
REFLECTED: dict[str, Callable[..., Any]] = {
    name: getattr(roperator, f"r{name}") for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "divmod")
} | {
    "and": roperator.rand_, "or": roperator.ror_, "xor": roperator.rxor,
    "lshift": lambda a, b: b << a, "rshift": lambda a, b: b >> a,
}  # fmt: skip

#: Comparison operator -> NumPy's function.
COMPARISONS = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}

_SYMBOLS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "eq": "==", "ne": "!=",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>",
}  # fmt: skip
_IN_PLACE = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")
UNARY: dict[str, Callable[..., Any]] = {"neg": operator.neg, "pos": operator.pos, "invert": operator.invert, "abs": abs}
_PYTHON_VALUES = (
    "len", "iter", "next", "hash", "float", "int", "index", "complex", "trunc", "floor", "ceil", "contains", "reversed", "array",
    "str", "repr", "format", "bytes", "reduce_ex", "copy", "deepcopy", "enter", "exit", "delitem",
    "length_hint", "buffer", "dataframe", "arrow_c_stream", "dir", "sizeof",
)  # fmt: skip


def symbol(name: str) -> str:
    """How an operator is written."""
    return _SYMBOLS.get(name, name)


#: Our own attributes. User code that names one means a column of that name, or an attribute of pandas.
_HIDDEN = frozenset(
    """loop value kind kinds has_nat nat_objects twin freq periods span shared new what series column columns array order
    to_array missing maybe pieces names sources offset zone
    _dtype mode pattern call _binary _unary _in_place valid whole guard null fields
    features matrix python_kind""".split()
)
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def is_hidden(owner: object, name: str) -> bool:
    """Whether user code may not see this attribute of a traced value."""
    return issubclass(type(owner), Traced) and name in _HIDDEN


def _called_by_user() -> bool:
    return is_tracing() and not sys._getframe(2).f_code.co_filename.startswith(_PACKAGE)


class Traced:
    """A symbolic value. `shared`: something else may see its memory, so nothing may change it in place."""

    #: What the user calls it.
    what = "column"
    __array_priority__ = 2000
    __pandas_priority__ = 10_000
    shared: bool = False
    #: "bool", "int" or "float" where it stands for a Python number of a group; scalars of a row have a `kind`.
    python_kind: str = ""

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        refuse("SW251", call=f"{name} of a {self.what}")

    def _unary(self, name: str) -> Any:
        refuse("SW251", call=f"{name} of a {self.what}")

    def _in_place(self, name: str, other: Any) -> Any:
        refuse("SW251", call=f"{name} of a {self.what}")

    def __getattribute__(self, name: str) -> Any:
        if name in _HIDDEN and _called_by_user():
            return self.__getattr__(name)
        return object.__getattribute__(self, name)

    def __bool__(self) -> bool:
        refuse("SW253", what=self.what)

    def __getattr__(self, name: str) -> Any:
        refuse("SW251", call=f"{self.what}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in type(self).__slots__ or (name in _HIDDEN and _called_by_user()):  # type: ignore[attr-defined]
            refuse("SW256", call=f"{self.what}.{name} = ...")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> NoReturn:
        refuse("SW256", call=f"del {self.what}.{name}")

    def __getitem__(self, key: Any) -> Any:
        refuse("SW251", call=f"{self.what}[...]")

    def __setitem__(self, key: Any, value: Any) -> None:
        refuse("SW256", call=f"{self.what}[...] = ...")


def _define() -> None:
    def binary(name: str, reflected: bool) -> Callable[..., Any]:
        return lambda self, other: self._binary(name, other, reflected)

    def unary(name: str) -> Callable[..., Any]:
        return lambda self: self._unary(name)

    def in_place(name: str) -> Callable[..., Any]:
        return lambda self, other: self._in_place(name, other)

    def python_value(name: str) -> Callable[..., Any]:
        def method(self: Traced, *args: Any) -> NoReturn:
            refuse("SW259", call=f"{name}() of a {self.what}")

        return method

    for name in BINARY:
        setattr(Traced, f"__{name}__", binary(name, False))
    for name in REFLECTED:
        setattr(Traced, f"__r{name}__", binary(name, True))
    for name in UNARY:
        setattr(Traced, f"__{name}__", unary(name))
    for name in _IN_PLACE:
        setattr(Traced, f"__i{name}__", in_place(name))
    for name in _PYTHON_VALUES:
        setattr(Traced, f"__{name}__", python_value(name))


_define()


def refuse_in_place(asked: object, call: str) -> None:
    """Refuses (SW256) a method that is asked to change its Series itself."""
    if asked:
        refuse("SW256", call=f"{call}(inplace=True)")


def raw(value: object) -> str:
    """A short name of an argument in messages, never its (symbolic) text."""
    return f"a {value.what}" if isinstance(value, Traced) else f"a {type(value).__name__}"


def moved(x: Any, loop: LoopBuilder) -> Any:
    """Traced objects, alone or in tuples and dicts, as the same ones of a copy of their loop."""
    if isinstance(x, tuple):
        return tuple(moved(element, loop) for element in x)
    if isinstance(x, dict):
        return {name: moved(element, loop) for name, element in x.items()}
    if isinstance(x, LoopBuilder):
        return loop
    if isinstance(x, Value):
        return Value(x.id, x.type, loop)
    if not isinstance(x, Traced):
        return x
    made = object.__new__(type(x))
    for slot in type(x).__slots__:  # type: ignore[attr-defined]
        object.__setattr__(made, slot, moved(object.__getattribute__(x, slot), loop))
    return made
