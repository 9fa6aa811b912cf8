"""Represents an argument of a row's function, or a member of JSON, that may be None, until the function reads it.

A function that Python itself runs gets each argument as None or as a value, so n nullable arguments begin 2**n paths. An
interpreted function decides where it first uses one. ``if a is None or b is None: return None`` then has three paths.
"""

from __future__ import annotations

import operator
from typing import Any

from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced


class Undecided(Traced):
    """An argument, or a member of JSON, that is `value` where `valid` holds, else None. Only the interpreter holds it."""

    __slots__ = ("valid", "value")
    __dataclass_fields__ = ("valid", "value")
    what = "argument that may be None"

    valid: TracedScalar
    value: Any

    @property
    def stands_for(self) -> Any:
        refuse("SW253", what=self.what)

    def __init__(self, valid: TracedScalar, value: Any) -> None:
        self.valid, self.value = valid, value


def is_same(x: Undecided, y: object) -> bool:
    """Whether `y` is the same argument as `x`, perhaps in a copy of the interpreter's state."""
    return type(y) is Undecided and _parts(x) == _parts(y)


def _parts(x: Undecided) -> list[Any]:
    return [_id(_part(part, "value")) if isinstance(part, Traced) else part for part in (_part(x, "valid"), _part(x, "value"))]


#: Without the check of who reads an attribute: a state has hundreds of variables to compare.
_part, _id = object.__getattribute__, operator.attrgetter("id")


def holds_undecided(x: Any) -> bool:
    """Whether `x` is a tuple or list with an undecided argument in it."""
    if type(x) not in (tuple, list):
        return False
    kinds = set(map(type, x))  # of an unrolled loop's list: thousands of parts, at each instruction that reads it
    return Undecided in kinds or (not kinds.isdisjoint((tuple, list)) and any(map(holds_undecided, x)))


def decided(x: Any) -> Any:
    """Returns an undecided argument as its value or as None, which may fork the path.

    The parts of a tuple or list, too: a list itself changes, as other names may refer to it. Returns anything else unchanged.
    """
    if type(x) is Undecided:
        return x.value if x.valid else None
    if not holds_undecided(x):
        return x
    if type(x) is tuple:
        return tuple(map(decided, x))
    x[:] = map(decided, x)
    return x
