"""Represents classes of libraries in compiled functions: calls convert, and instance checks see the real class."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.frames import METHOD_LOADS, instruction
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import StandIn, called_by_user, in_place, real_class_of, real_has


class ClassStandIn(type):
    """The metaclass of library classes as user code sees them. Members are as in `StandIn`.

    `make`: the implementation of a call; without it, the Python class is called. `label`: the user's term for the class.
    """

    stands_for: Any
    visible: frozenset[str]
    label: str
    make: Any
    _ours: frozenset[str]
    #: Members that libraries read from C, where the caller appears to be the user's code.
    read_in_c: frozenset[str] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__getattr__" in vars(cls):
            cls.__getattr__ = _class_by_rule(vars(cls)["__getattr__"])  # type: ignore[method-assign]

    def __init__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(name, bases, members)
        bases = (*cls.__mro__, *type.__getattribute__(type(cls), "__mro__"))
        ours = {n for base in bases if base is not object for n in vars(base)}
        ours = {n for n in ours if not (n.startswith("__") and n.endswith("__"))}
        type.__setattr__(cls, "_ours", frozenset(ours) - members.get("visible", frozenset()))

    def __getattribute__(cls, name: str) -> Any:
        if name[:2] != "__" and name in type.__getattribute__(cls, "_ours") and called_by_user():
            if name not in type.__getattribute__(cls, "read_in_c") or _loads_attribute(sys._getframe(1)):
                return type(cls).__getattr__(cls, name)
        return type.__getattribute__(cls, name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        make = getattr(cls, "make", None)
        check_form(partial(type.__getattribute__(cls, "__init__"), None) if make is None else make, args, kwargs, cls.label)
        return type.__call__(cls, *args, **kwargs) if make is None else make(*args, **kwargs)

    def __instancecheck__(cls, x: object) -> bool:
        return issubclass(real_class_of(x), cls.stands_for)

    def __subclasscheck__(cls, other: type) -> bool:
        real: Any = type.__getattribute__(other, "stands_for") if issubclass(type(other), ClassStandIn) else other
        return as_python(issubclass, real, cls.stands_for)  # type: ignore[no-any-return]

    def __getattr__(cls, name: str) -> Any:
        _check_class(cls, name)
        refuse("SW251", call=f"{cls.label}.{name}")

    def __setattr__(cls, name: str, value: Any) -> None:
        if called_by_user():
            refuse("SW256", call=f"{cls.__name__}.{name} = ...")
        type.__setattr__(cls, name, value)

    def __repr__(cls) -> str:
        if called_by_user():
            refuse("SW259", call=f"the string of the class {cls.__name__}")
        return type.__repr__(cls)


def _loads_attribute(frame: FrameType) -> bool:
    """Whether the frame executes an attribute load, not a call of C code that reads the attribute."""
    name = instruction(frame.f_code, frame.f_lasti)
    return name in METHOD_LOADS or "ATTR" in name


def class_stand_in(real: type, label: str, make: Any = None, kind: type[ClassStandIn] = ClassStandIn, **members: Any) -> Any:
    """Returns a stand-in of a class without instances of its own."""
    return kind(real.__name__, (), {"stands_for": real, "label": label, "make": staticmethod(make), **members})


def _check_class(cls: Any, name: str) -> None:
    """Raises AttributeError where the real class has no such attribute."""
    real = type.__getattribute__(cls, "stands_for")
    if not (name.startswith("_") and not name.endswith("__")) and not real_has(real, name):
        raise in_place(AttributeError(f"type object {real.__name__!r} has no attribute {name!r}", name=name))


def _class_by_rule(given: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def get(cls: Any, name: str) -> Any:
        _check_class(cls, name)
        return given(cls, name)

    return get


def attribute_for_user(x: Any, name: str) -> Any:
    """Returns ``x.name`` as user code sees it, on behalf of user code."""
    kind = type(x)
    if issubclass(kind, StandIn) and name in kind._ours:
        return kind.__getattr__(x, name)
    if issubclass(kind, ClassStandIn) and name in type.__getattribute__(x, "_ours"):
        return kind.__getattr__(x, name)
    return as_python(getattr, x, name)
