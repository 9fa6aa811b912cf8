"""Defines the base of objects that hold lists of the row and behave as something else, such as the columns of a whole group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from udf_compiler.frontends.tracing.session import current
from udf_compiler.frontends.tracing.values import Traced


class Listed(Traced):
    """A part of the state of a region. `__dataclass_fields__` names the fields, which are the arguments of the class, too."""

    __slots__ = ()
    __dataclass_fields__: Any = ()

    @property
    def count(self) -> Any:
        """Returns the number of elements."""
        raise NotImplementedError

    def at(self, position: Any) -> Any:
        """Returns the element at an index that is not outside."""
        raise NotImplementedError


def is_listed(x: object) -> bool:
    """Whether `x` is such an object; `isinstance` would trust `__class__`."""
    return issubclass(type(x), Listed)


def of_lists(name: str, usual: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a builtin that also takes lists of the values of a group."""

    def called(*args: Any, **kwargs: Any) -> Any:
        group = current().group
        return group.of_lists(name, args, kwargs) if group is not None and group.takes_lists(args) else usual(*args, **kwargs)

    called.__name__ = name
    return called
