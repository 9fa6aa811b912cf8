"""Makes plain functions of Python table functions: one that returns the rows of a call of `eval` as a list.

PySpark makes one object of the class for each partition and calls `eval` once for each row (`worker.read_udtf`). Where the class
has nothing but `eval` and helpers that keep no state, a new object for each row yields the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from sparkweld.reasons import refusal

#: Marks the functions that `plain_of` makes.
_MARK = "sparkweld_table_function"
#: Members that run once for a partition, or see other rows.
_OTHERS = ("__init__", "__new__", "__getattribute__", "__getattr__", "__del__", "terminate", "cleanup", "analyze")


def check_handler(handler: type, name: str) -> None:
    """Refuses (SW313) a class whose rows may depend on other rows."""
    members = {member for cls in handler.__mro__ if cls is not object for member in vars(cls)}
    for member in _OTHERS:
        if member in members:
            raise refusal("SW313", name, udf=name, what=f"defines {member}")
    if not isinstance(vars(handler).get("eval"), FunctionType):
        raise refusal("SW313", name, udf=name, what="defines no method eval of its own")


def plain_of(handler: type, size: int) -> Callable[..., Any]:
    """Returns the function from the arguments of `eval` to its rows of `size` values. It is pickled by value."""

    def rows(*args, **kwargs):  # type: ignore[no-untyped-def]
        made, found = handler().eval(*args, **kwargs), []  # type: ignore[attr-defined]
        for row in () if made is None else made:
            if hasattr(row, "__len__") and len(row) != size:
                raise ValueError(f"a row of {len(row)} values for {size} columns")
            if not isinstance(row, tuple) and hasattr(row, "__dict__"):
                row = row.__dict__
            found.append(tuple(row) if isinstance(row, list) else dict(row) if isinstance(row, dict) else row)
        return found

    rows.__module__ = "__main__"  # workers have no module of this package
    vars(rows)[_MARK] = True
    return rows


def is_table(function: Any) -> bool:
    """Whether `plain_of` made a function."""
    return isinstance(function, FunctionType) and bool(vars(function).get(_MARK))


def eval_of(function: Any) -> Callable[..., Any] | None:
    """Returns the method `eval` of the table function of which `plain_of` made a function; None for another function."""
    if not is_table(function):
        return None
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    handler = cells["handler"].cell_contents
    return MethodType(vars(handler)["eval"], handler())
