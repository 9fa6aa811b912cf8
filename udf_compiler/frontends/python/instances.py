"""Takes objects of the function's own classes apart, and makes them: named tuples, dataclasses and other plain classes.

A list of the row, and a function that is called, have copies of an object. So nothing may change an object of which there is a
copy. `==` of a class that does not define it compares identities, and is refused for these objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from udf_compiler.frontends.tracing.session import refuse

#: The attribute of a copied plain class (`rebuild.classes`), whose objects have attributes alone.
COPIED = "__sparkweld_copied__"
#: The attribute that marks an object. No code can use it, as it is no identifier.
_MARK = "mark of sparkweld"
#: The marks of an object that outlives the call, of one with a copy, and of the copy of one that belongs to a calling function.
_CAPTURED, _FROZEN, _LENT = "captured", "frozen", "lent"


def is_instance(x: object) -> bool:
    """Whether `x` is a named tuple, or an object of a copied plain class other than an exception."""
    cls = type(x)
    return is_named_tuple_class(cls) or (_is_copied(cls) and not issubclass(cls, BaseException))


def _is_copied(cls: type) -> bool:
    return any(COPIED in vars(of) for of in cls.__mro__)


def is_named_tuple_class(cls: type) -> bool:
    """Whether a class is a named tuple whose objects have no attributes but their fields."""
    named = issubclass(cls, tuple) and cls is not tuple and isinstance(getattr(cls, "_fields", None), tuple)
    return named and not cls.__dictoffset__


def attributes(x: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Returns the names and the values of an object's attributes, in order."""
    if is_named_tuple_class(type(x)):
        return type(x)._fields, tuple(tuple.__iter__(x))
    names = tuple(name for name in vars(x) if name != _MARK)
    return names, tuple(vars(x)[name] for name in names)


def instance(cls: Any, names: Sequence[str], values: Sequence[Any], mark: str = _FROZEN) -> Any:
    """Returns the object of a class with these attributes. `mark`: as of `mark_of`; that of a copy, if not given."""
    if is_named_tuple_class(cls):
        return tuple.__new__(cls, values)
    made = object.__new__(cls)
    vars(made).update(zip(names, values, strict=True))
    if mark:
        vars(made)[_MARK] = mark
    return made


def mark_of(x: Any) -> str:
    """Returns the mark of an object, or ""."""
    return vars(x).get(_MARK, "") if _is_copied(type(x)) else ""


def outlives(x: object) -> bool:
    """Whether an object outlives the call. Named tuples have no mark."""
    return mark_of(x) == _CAPTURED


def note_captured(x: Any) -> None:
    """Marks an object that outlives the call, which nothing changes."""
    if _is_copied(type(x)):
        vars(x)[_MARK] = _CAPTURED


def freeze(x: Any) -> None:
    """Marks an object of which a list gets a copy. Refuses (SW282) one of a calling function, which may change it later."""
    if mark_of(x) == _LENT:
        refuse("SW282", what="an object of the calling function, which it adds to a list,")
    if not is_named_tuple_class(type(x)) and not mark_of(x):
        vars(x)[_MARK] = _FROZEN


def lend(x: Any) -> None:
    """Marks the copy of an object that a called function gets."""
    if not is_named_tuple_class(type(x)) and mark_of(x) != _CAPTURED:
        vars(x)[_MARK] = _LENT


def check_own(x: object) -> None:
    """Refuses (SW282) a change, or a comparison of the identity, of an object of which there is a copy."""
    if mark_of(x) in (_FROZEN, _LENT):
        refuse("SW282", what="an object of which it has a copy, which it changes or compares,")
