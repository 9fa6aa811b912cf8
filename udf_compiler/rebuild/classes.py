"""Copies plain user classes and their instances; methods are rebuilt when they are looked up.

A class is plain if `type` creates it, it keeps the usual meaning of attribute reads and writes, and its instances have a
`__dict__`. Dataclasses and named tuples are plain.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sparkweld.errors import Refusal
from udf_compiler.frontends.python.instances import COPIED, check_own, note_captured
from udf_compiler.frontends.torch.modules import Module
from udf_compiler.function.bytecode import Use
from udf_compiler.function.libraries import described, is_library
from udf_compiler.function.plain_data import is_scalar
from udf_compiler.rebuild.torch_modules import base_of

if TYPE_CHECKING:
    from udf_compiler.rebuild.objects import Rebuilder

#: Members that change the meaning of attributes, of instances or of the class itself.
SPECIAL = frozenset(
    """__getattr__ __getattribute__ __setattr__ __delattr__ __new__ __init_subclass__ __class_getitem__ __set_name__ __get__
    __set__ __delete__ __del__ __exit__ __slots__ __instancecheck__ __subclasscheck__ __subclasshook__ __class__
    __abstractmethods__""".split()
)

#: Members that `type` creates for each class.
_DROPPED = frozenset(("__dict__", "__weakref__"))

#: Members that `collections.namedtuple` and `typing.NamedTuple` add to a class: data and methods of tuples, which are
#: unchanged.
_NAMED_TUPLE_MEMBERS = frozenset(
    """__doc__ __slots__ _fields _field_defaults __new__ _make __replace__ _replace __repr__ _asdict __getnewargs__ __match_args__
    __module__ __annotations__ __orig_bases__ __annotate__ __annotate_func__ __annotations_cache__ __reduce__ __qualname__
    __class_getitem__ __slotnames__
    __firstlineno__ __static_attributes__""".split()
)
#: Members of any class that hold no code.
_DATA_OF_CLASSES = frozenset(
    "__doc__ __slots__ __module__ __qualname__ __annotations__ __match_args__ __firstlineno__ __static_attributes__".split()
)


class LazyMember:
    """A member of a rebuilt class: rebuilt on first lookup, then bound as the original would be."""

    def __init__(self, rebuilder: Rebuilder, member: Any, name: str) -> None:
        self._rebuilder, self._member, self._name = rebuilder, member, name

    def __get__(self, instance: object, owner: type) -> Any:
        member = self._member
        use = self._rebuilder.here(f"{owner.__name__}.{self._name}")
        if isinstance(member, staticmethod | classmethod):
            copy = self._rebuilder.lazily(lambda: self._rebuilder.value(member.__func__, use))
            return type(member)(copy).__get__(instance, owner)
        copy = self._rebuilder.lazily(lambda: self._rebuilder.value(member, use))
        return copy.__get__(instance, owner) if isinstance(copy, types.FunctionType) else copy


def rebuild_class(rebuilder: Rebuilder, original: type, use: Use) -> type:
    """Returns the copy of a plain class. Refuses SW215 for a library's class, SW221 for one that is not plain."""
    if is_named_tuple(original):
        return original
    if is_of_named_tuple(original) and not is_library(original):
        return _named_tuple_with_methods(rebuilder, original, use)
    if is_library(original) or not is_written_in_python(original):
        raise use.refusal("SW215", name=described(original, use))
    _check_plain(original, use)
    bases = tuple(base if _is_root(base) else base_of(base) or rebuilder.value(base, use) for base in original.__bases__)
    members = {name: member_of(rebuilder, name, member) for name, member in vars(original).items() if name not in _DROPPED}
    if not _is_frozen(original) and not any(issubclass(base, Module) for base in bases):
        members["__setattr__"] = guarded(rebuilder, object.__setattr__)
        members["__delattr__"] = guarded(rebuilder, object.__delattr__)
    if not any(issubclass(base, Module | BaseException) for base in bases):
        members |= {COPIED: True, **_identities(original)}
    copy = type(original.__name__, bases, members)
    rebuilder.snapshot.add_attributes(use.named(f"the class {original.__name__}"), copy)
    return copy


def _identities(original: type) -> dict[str, Any]:
    """Returns the methods that compare the identities of objects, unless their class defines these."""
    own = {name for base in original.__mro__[:-1] for name in vars(base)}
    return {} if own & {"__eq__", "__hash__"} else {"__eq__": _is_same, "__hash__": _identity_hash}


def _is_same(x: object, other: object) -> Any:
    """Compares objects of a class that does not define `==`, whose copies in lists have another identity."""
    check_own(x)
    check_own(other)
    return True if x is other else NotImplemented


def _identity_hash(x: object) -> int:
    check_own(x)
    return object.__hash__(x)


def rebuild_instance(rebuilder: Rebuilder, original: Any, use: Use) -> Any:
    """Returns the copy of an instance of a plain class. Refuses SW216 for any other object, SW221 for its class."""
    kind = type(original)
    if is_of_named_tuple(kind) and not getattr(original, "__dict__", None):
        return rebuilder.value(kind, use)._make(rebuilder.value(value, use) for value in tuple(original))
    simple = kind is types.SimpleNamespace
    if not simple and (is_library(kind) or not is_written_in_python(kind) or kind.__new__ is not object.__new__):
        raise use.refusal("SW216", type=f"{kind.__module__}.{kind.__qualname__}")
    if simple:
        copy: Any = types.SimpleNamespace()
    else:
        new_class = rebuilder.value(kind, use)
        if new_class is kind or not isinstance(new_class, type):
            raise use.refusal("SW216", type=f"{kind.__module__}.{kind.__qualname__}")
        copy = object.__new__(new_class)
    copy_attributes(rebuilder, original, copy, use)
    return copy


def copy_attributes(rebuilder: Rebuilder, original: Any, copy: Any, use: Use) -> None:
    """Adds copies of the attributes of an instance to its copy; they may not change any more."""
    rebuilder.remember(original, copy)
    for name, value in vars(original).items():
        vars(copy)[name] = rebuilder.value(value, use.named(f"{use.name}.{name}"))
    note_captured(copy)
    rebuilder.captured.add(id(copy))
    rebuilder.snapshot.add_attributes(use, copy)
    rebuilder.nested = True


def is_named_tuple(cls: type) -> bool:
    """Whether a class has only the members of a named tuple."""
    return cls.__bases__ == (tuple,) and "_fields" in vars(cls) and all(
        name in _NAMED_TUPLE_MEMBERS or name in cls._fields for name in vars(cls)  # type: ignore[attr-defined]
    )


def is_of_named_tuple(cls: type) -> bool:
    """Whether a class is a named tuple, with or without methods of its own, or derives from one."""
    base = cls.__bases__[0] if len(cls.__bases__) == 1 else object
    return base is not object and ("_fields" in vars(cls) if base is tuple else is_of_named_tuple(base))


def _named_tuple_with_methods(rebuilder: Rebuilder, original: Any, use: Use) -> type:
    """Returns the copy of a named tuple with methods. Refuses SW221 members that change how tuples are made, read or compared."""
    of_tuple = original.__bases__ == (tuple,)
    own = _NAMED_TUPLE_MEMBERS | set(original._fields) if of_tuple else _DATA_OF_CLASSES
    special = sorted(vars(original).keys() & (SPECIAL | vars(tuple).keys()) - own)
    if special:
        raise not_plain(original, use, f"it defines {special[0]}")
    kept = {name: x for name, x in vars(original).items() if name not in _DROPPED}
    members = {name: x if name in own else member_of(rebuilder, name, x) for name, x in kept.items()}
    base = tuple if of_tuple else rebuilder.value(original.__bases__[0], use)
    copy = type(original.__name__, (base,), members)
    rebuilder.snapshot.add_attributes(use.named(f"the class {original.__name__}"), copy)
    return copy


def is_written_in_python(cls: type) -> bool:
    """Whether a class is from a class statement: one written in C, even if created at run time, has C descriptors as members."""
    members = (member for name, member in vars(cls).items() if name not in _DROPPED)
    return bool(cls.__flags__ & _HEAP_TYPE) and ("__slots__" in vars(cls) or not any(isinstance(m, _OF_C) for m in members))


_HEAP_TYPE = 1 << 9
_OF_C = (
    *(types.MethodDescriptorType, types.WrapperDescriptorType, types.MemberDescriptorType),
    *(types.GetSetDescriptorType, types.ClassMethodDescriptorType, types.BuiltinFunctionType),
)


def _check_plain(cls: type, use: Use) -> None:
    if type(cls) is not type:
        raise not_plain(cls, use, f"it has the metaclass {type(cls).__name__}")
    for base in cls.__mro__[1:]:
        if not _is_root(base) and type(base) is type and not base.__flags__ & _HEAP_TYPE:
            raise not_plain(cls, use, f"it is a kind of {base.__name__}")
    special = sorted(name for name in vars(cls) if name in SPECIAL)
    if _is_frozen(cls):
        special = [name for name in special if name not in ("__setattr__", "__delattr__")]
    if special:
        raise not_plain(cls, use, f"it defines {special[0]}")


def not_plain(cls: type, use: Use, why: str) -> Refusal:
    """Returns the refusal (SW221) of a class."""
    return use.refusal("SW221", name=cls.__qualname__, why=why)


def _is_root(base: type) -> bool:
    return base is object or (issubclass(base, BaseException) and base.__module__ == "builtins")


def _is_frozen(cls: type) -> bool:
    """Whether a class is a frozen dataclass, whose `__setattr__` only raises."""
    return "__setattr__" in vars(cls) and getattr(vars(cls).get("__dataclass_params__"), "frozen", False)


def member_of(rebuilder: Rebuilder, name: str, member: Any) -> Any:
    """Returns an attribute of a class: constants as they are, and functions so that they are rebuilt when they are looked up."""
    if is_scalar(member) or (type(member) is tuple and all(map(is_scalar, member))):
        return member
    if isinstance(member, property) and member.fget is not None:
        getter = LazyMember(rebuilder, member.fget, name)
        return property(lambda instance: getter.__get__(instance, type(instance))())
    return LazyMember(rebuilder, member, name)


def guarded(rebuilder: Rebuilder, write: Callable[..., None]) -> Callable[..., None]:
    """Returns a method that writes an attribute of an instance, and refuses (SW217) captured ones."""

    def guard(instance: object, name: str, *value: object) -> None:
        if id(instance) in rebuilder.captured:
            use = rebuilder.here(f"{type(instance).__name__}.{name}")
            rebuilder.lazily(lambda: _refuse_write(use))
        check_own(instance)
        write(instance, name, *value)

    return guard


def _refuse_write(use: Use) -> None:
    raise use.refusal("SW217")
