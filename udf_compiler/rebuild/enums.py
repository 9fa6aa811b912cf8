"""Copies enum classes with their members; methods are rebuilt when they are looked up, as those of plain classes."""

from __future__ import annotations

import enum
import types
from typing import TYPE_CHECKING, Any

from udf_compiler.frontends.python.enum_classes import EnumClass
from udf_compiler.frontends.tracing.enum_members import DATA
from udf_compiler.function.bytecode import Use
from udf_compiler.function.libraries import is_library
from udf_compiler.rebuild import classes

if TYPE_CHECKING:
    from udf_compiler.rebuild.objects import Rebuilder

#: Bases that the copy has, too: those of the module `enum`, and the classes of data.
_ROOTS = (object, *DATA, *(vars(enum)[name] for name in ("Enum", "ReprEnum", "IntEnum", "StrEnum") if name in vars(enum)))
#: What makes the members of a class, and data about it: the copy has its members already.
_MAKERS = frozenset(
    """__new__ __init__ __new_member__ __init_subclass__ __reduce_ex__ __reduce__ __dict__ __weakref__ __doc__ __annotations__
    __annotate__ __annotate_func__ __annotations_cache__ __firstlineno__ __static_attributes__ __order__ __signature__
    _generate_next_value_ _ignore_ _order_ _member_names_ _member_map_ _value2member_map_ _new_member_ _use_args_
    _unhashable_values_ _hashable_values_ _unhashable_values_map_""".split()
)
#: Members that change the meaning of attributes, or of equality, by which members are found.
_SPECIAL = (classes.SPECIAL | {"__eq__", "__ne__", "__hash__"}) - _MAKERS


def rebuild_class(rebuilder: Rebuilder, original: Any, use: Use) -> Any:
    """Returns the copy of an enum class or a plain class.

    Refuses SW215 for a library's class, SW221 for a kind of Flag, a metaclass, and others that are not plain.
    """
    if not issubclass(type(original), enum.EnumMeta) or is_library(original):
        return classes.rebuild_class(rebuilder, original, use)
    if original in _ROOTS:
        return original
    _check(rebuilder, original, use)
    bases = tuple(base if base in _ROOTS else rebuilder.value(base, use) for base in original.__bases__)
    members: dict[str, Any] = {}
    by_value: dict[Any, Any] = {}
    attributes = [(name, x) for name, x in vars(original).items() if name not in _MAKERS and type(x) is not original]
    namespace = {name: _attribute(rebuilder, name, x) for name, x in attributes}
    namespace |= {"__setattr__": classes.guarded(rebuilder, object.__setattr__)}
    namespace |= {"__delattr__": classes.guarded(rebuilder, object.__delattr__)}
    namespace |= {"_member_map_": members, "_member_names_": [*original._member_names_], "_value2member_map_": by_value}
    copy: Any = type.__new__(EnumClass, original.__name__, bases, namespace)
    rebuilder.remember(original, copy)
    for name, member in original._member_map_.items():
        members[name] = rebuilder.value(member, use.named(f"{original.__name__}.{name}"))
        if vars(original).get(name) is member:
            type.__setattr__(copy, name, members[name])
    by_value.update((rebuilder.value(x, use), members[member._name_]) for x, member in original._value2member_map_.items())
    before = [*members.items(), *by_value.items()]
    rebuilder.snapshot.add(use, lambda: [*members.items(), *by_value.items()] == before)
    return copy


def rebuild_instance(rebuilder: Rebuilder, original: Any, use: Use) -> Any:
    """Returns the copy of a member of an enum class, or of an instance of a plain class."""
    if not issubclass(type(type(original)), enum.EnumMeta) or is_library(type(original)):
        return classes.rebuild_instance(rebuilder, original, use)
    cls = rebuilder.value(type(original), use)
    if original._name_ in cls._member_map_:  # the copy of the class has made it
        return cls._member_map_[original._name_]
    data = next((kind for kind in DATA if issubclass(cls, kind)), None)
    copy = object.__new__(cls) if data is None else data.__new__(cls, DATA[data](original))
    classes.copy_attributes(rebuilder, original, copy, use)
    return copy


def _check(rebuilder: Rebuilder, original: Any, use: Use) -> None:
    """Refuses (SW221) a class that differs from what `enum` makes of names, constants and methods."""
    if type(original) is not enum.EnumMeta:
        raise classes.not_plain(original, use, f"it has the metaclass {type(original).__name__}")
    other = next((base for base in original.__mro__ if base in (enum.Flag, tuple, bytes)), None)
    if other is not None:
        raise classes.not_plain(original, use, f"it is a kind of {other.__name__}")
    data = next((kind for kind in DATA if issubclass(original, kind)), None)
    if data is not None and not rebuilder.of_rows:  # operations of columns would take a member for its number or string
        raise classes.not_plain(original, use, f"it is a kind of {data.__name__}, outside a plain UDF")
    special = sorted(_SPECIAL & vars(original).keys())
    if special:
        raise classes.not_plain(original, use, f"it defines {special[0]}")
    for name, member in original._member_map_.items():
        if getattr(vars(original).get(name), "member", None) is member:
            raise classes.not_plain(original, use, f"its member {name} hides an attribute of all members")
        if not any(member is other for other in original._value2member_map_.values()):
            raise classes.not_plain(original, use, f"the value of its member {name} is not hashable")


def _attribute(rebuilder: Rebuilder, name: str, member: Any) -> Any:
    """Returns an attribute of the class: what `enum` or a class of data defines itself, and the copy of anything else."""
    finds_member = isinstance(member, types.DynamicClassAttribute) and member.fget is None  # by name, in CPython 3.11
    of_enum = isinstance(member, types.FunctionType) and member.__globals__ is vars(enum)
    data_type = name == "_member_type_" and member in _ROOTS
    if finds_member or of_enum or data_type or isinstance(member, (types.WrapperDescriptorType, types.MethodDescriptorType)):
        return member
    return classes.member_of(rebuilder, name, member)
