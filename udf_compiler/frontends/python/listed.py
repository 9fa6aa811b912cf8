"""Defines the base of objects that hold lists of the row and behave as something else, such as the columns of a whole group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from udf_compiler.frontends.tracing.session import current
from udf_compiler.frontends.tracing.values import Traced

#: Tag -> the class of the objects.
_OF_TAG: dict[str, Any] = {}


class Held(Traced):
    """A part of the state of a region. `__dataclass_fields__` names the fields, which are the arguments of the class, too."""

    __slots__ = ()
    __dataclass_fields__: Any = ()

    #: The kind of such an object as a result of a group, and of its elements in a list; "" where it can be neither.
    tag = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.tag:
            _OF_TAG[cls.tag] = cls


class Listed(Held):
    """A list of the row that behaves as something else."""

    __slots__ = ()

    @property
    def count(self) -> Any:
        """Returns the number of elements."""
        raise NotImplementedError

    def at(self, position: Any) -> Any:
        """Returns the element at an index that is not outside."""
        raise NotImplementedError


def is_held(x: object) -> bool:
    """Whether `x` is a part of a state; `isinstance` would trust `__class__`."""
    return issubclass(type(x), Held)


def is_listed(x: object) -> bool:
    """Whether `x` is such a list."""
    return issubclass(type(x), Listed)


def tag_of(x: Any) -> str:
    """Returns the kind of a single value of a group that is no scalar of Python, "" for other objects."""
    return x.tag if is_held(x) else ""


def of_tag(tag: str, element: Any) -> Any:
    """Returns the object of an element of a list."""
    return _OF_TAG[tag](element)


def of_lists(name: str, usual: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a builtin that also takes lists of the values of a group."""

    def called(*args: Any, **kwargs: Any) -> Any:
        group = current().group
        return group.of_lists(name, args, kwargs) if group is not None and group.takes_lists(args) else usual(*args, **kwargs)

    called.__name__ = name
    return called
