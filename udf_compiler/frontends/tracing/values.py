"""Defines the base of symbolic values: operators become `_binary`, `_unary` and `_in_place`; use as a Python value is refused.

A symbolic value represents a whole column, so it has no length, truth value, hash or elements.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from pandas.core import roperator

from sparkweld.ir import LoopBuilder, Value
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import OURS, StandIn

#: Operator method name -> the function that pandas passes to its array ops for it.
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
#: Comparison operator -> that with the operands swapped.
MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}

_SYMBOLS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "eq": "==", "ne": "!=",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>",
}  # fmt: skip
_IN_PLACE = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")
UNARY: dict[str, Callable[..., Any]] = {"neg": operator.neg, "pos": operator.pos, "invert": operator.invert, "abs": abs}


def symbol(name: str) -> str:
    """Returns the notation of an operator."""
    return _SYMBOLS.get(name, name)


class Traced(StandIn):
    """A symbolic value. `shared`: other objects may see its memory, so nothing may change it in place."""

    __slots__ = ()

    what = "column"
    __array_priority__ = 2000
    __pandas_priority__ = 10_000
    shared: bool = False
    #: "bool", "int" or "float" where it represents a Python number of a group; scalars of a row have a `kind`.
    python_kind: str = ""

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        refuse("SW251", call=f"{name} of a {self.what}")

    def _unary(self, name: str) -> Any:
        refuse("SW251", call=f"{name} of a {self.what}")

    def _in_place(self, name: str, other: Any) -> Any:
        refuse("SW256", call=f"{symbol(name)}= of a {self.what}")

    def __bool__(self) -> bool:
        refuse("SW253", what=self.what)

    def __getitem__(self, key: Any) -> Any:
        refuse("SW251", call=f"{self.what}[...]")

    def __setitem__(self, key: Any, value: Any) -> None:
        refuse("SW256", call=f"{self.what}[...] = ...")


def series_class(x: object) -> type:
    """Returns the `__class__` of a value that user code sees as a Series."""
    return current().dispatch.class_of_series(x)


def ndarray_class(x: object) -> type:
    """Returns the `__class__` of a value that user code sees as an array."""
    return current().dispatch.class_of_array(x)


def _define() -> None:
    def binary(name: str, reflected: bool) -> Callable[..., Any]:
        return lambda self, other: self._binary(name, other, reflected)

    def unary(name: str) -> Callable[..., Any]:
        return lambda self: self._unary(name)

    def in_place(name: str) -> Callable[..., Any]:
        return lambda self, other: self._in_place(name, other)

    for name in BINARY:
        setattr(Traced, f"__{name}__", binary(name, False))
    for name in REFLECTED:
        setattr(Traced, f"__r{name}__", binary(name, True))
    for name in UNARY:
        setattr(Traced, f"__{name}__", unary(name))
    for name in _IN_PLACE:
        setattr(Traced, f"__i{name}__", in_place(name))


_define()


def refuse_in_place(asked: object, call: str) -> None:
    """Refuses (SW256) a method that is requested to change its Series in place."""
    if asked:
        refuse("SW256", call=f"{call}(inplace=True)")


def raw(value: object) -> str:
    """Returns a short name of an argument for messages, never its symbolic representation."""
    kind = type(value)
    if issubclass(kind, StandIn):
        name = kind.what
    elif isinstance(value, type):
        name = "class"
    else:  # an object with which we represent an iterator, a set or the like has a class of ours
        name = "Python object" if kind.__module__.partition(".")[0] in OURS else kind.__name__
    return f"an {name}" if name[:1] in tuple("aeioAEIO") else f"a {name}"


class Compound:
    """Base of the frozen dataclasses of values that a symbolic value has beside its own."""

    __slots__ = ()

    def by_name(self) -> dict[str, Any]:
        """Returns the values by the names of their fields."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]


def moved(x: Any, loop: LoopBuilder) -> Any:
    """Returns traced objects, alone or in tuples and dicts, moved to a copy of their loop."""
    if isinstance(x, tuple):
        return tuple(moved(element, loop) for element in x)
    if isinstance(x, dict):
        return {name: moved(element, loop) for name, element in x.items()}
    if isinstance(x, LoopBuilder):
        return loop
    if isinstance(x, Value):
        return Value(x.id, x.type, loop)
    if isinstance(x, Compound):
        return replace(x, **moved(x.by_name(), loop))  # type: ignore[type-var]
    if not isinstance(x, Traced):
        return x
    made = object.__new__(type(x))
    slots: tuple[str, ...] = type(x).__slots__
    for slot in slots:
        object.__setattr__(made, slot, moved(object.__getattribute__(x, slot), loop))
    return made
