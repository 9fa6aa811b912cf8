"""Defines the metaclass of copied enum classes, whose members are found by names and values of the row."""

from __future__ import annotations

from typing import Any

from sparkweld.ir.python_rules import RULES
from udf_compiler.frontends.python.lookups import looked_up
from udf_compiler.frontends.tracing.enum_members import EnumCopy
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place, of_python


class EnumClass(EnumCopy):
    """The metaclass of the copy of an enum class, whose members have the names, values and order of the original.

    A lookup by a value of the row forks the path, so that the member is a constant on each path.
    """

    _member_map_: dict[str, Any]  # type: ignore[misc]
    _value2member_map_: dict[Any, Any]

    @property
    def __members__(cls) -> dict[str, Any]:  # type: ignore[override]
        return cls._member_map_

    def __getitem__(cls, name: str) -> Any:
        return looked_up(cls._member_map_, name)

    def __contains__(cls, x: object) -> bool:
        if isinstance(x, cls):
            return True
        if not RULES.finds_enum_values:
            raise in_place(TypeError("unsupported operand type(s) for 'in'"))
        return cls._of_value(x) is not None

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) != 1 or kwargs or not cls._member_map_:
            refuse("SW262", call=f"{cls.__name__}()", what="anything but one value")
        (value,) = args
        member = value if type(value) is cls else cls._of_value(value)
        if member is None:
            member = cls._missing_(value)  # type: ignore[attr-defined]
        if isinstance(member, cls):
            return member
        if member is not None:
            raise in_place(TypeError(f"error in {cls.__name__}._missing_"))
        error = ValueError(f"{value!r} is not a valid {cls.__qualname__}" if _is_plain(value) else "not a valid member")
        raise of_python(error) if _is_plain(value) else in_place(error)

    def _of_value(cls, value: Any) -> Any:
        """Returns the member of a value, or None; refuses (SW262) a value that is not hashable."""
        try:
            return looked_up(cls._value2member_map_, value)
        except KeyError:
            return None
        except TypeError:
            refuse("SW262", call=f"{cls.__name__}()", what="a value that is not hashable")


def _is_plain(x: object) -> bool:
    return type(x) in (int, float, str, bool, type(None))
