"""Makes plain functions of Python table functions: one that returns the rows of a call of `eval` as a list.

PySpark makes one object of the class for each partition and calls `eval` once for each row (`worker.read_udtf`). A new object for
each row yields the same rows if helpers keep no state and `__init__` only sets constants.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable
from types import FunctionType, MethodType, ModuleType
from typing import Any

from pyspark.sql import udtf
from pyspark.sql.types import StructType

from sparkweld.reasons import refusal
from udf_compiler.function.bytecode import codes_of
from udf_compiler.function.initialisers import does_nothing, sets_constants
from udf_compiler.function.kept_arguments import is_set, keeps_arguments

#: Marks the functions that `plain_of` makes.
_MARK = "sparkweld_table_function"
#: The exception by which `eval` ends the calls of its partition. Spark 3.5 has none.
_SKIP: type = getattr(udtf, "SkipRestOfInputTableException", type(NotImplemented))
#: Instructions that make a new tuple, list or dict.
_DISPLAYS = ("BUILD_TUPLE", "BUILD_LIST", "BUILD_MAP", "BUILD_CONST_KEY_MAP")
#: Members that run once for a partition, or see other rows.
_OTHERS = ("__init__", "__new__", "__getattribute__", "__getattr__", "__del__", "terminate", "cleanup", "analyze")


def check_handler(handler: type, name: str) -> None:
    """Refuses (SW313) a class whose rows may depend on other rows."""
    members = {member for cls in handler.__mro__ if cls is not object for member in vars(cls)}
    for member in _OTHERS:
        if member in members and not _is_idle(handler, member):
            raise refusal("SW313", name, udf=name, what=f"defines {member}")
    if not isinstance(vars(handler).get("eval"), FunctionType):
        raise refusal("SW313", name, udf=name, what="defines no method eval of its own")
    for cls in handler.__mro__:
        if any(_may_skip(member, set()) for member in vars(cls).values()):
            raise refusal("SW313", name, udf=name, what="may skip the rest of its rows")


def _is_idle(handler: type, member: str) -> bool:
    """Whether it makes no difference how often a member runs, and for which rows."""
    if member == "__init__":
        return sets_constants(handler) and _is_made(handler)
    return member in ("terminate", "cleanup") and does_nothing(vars(handler).get(member))


def _is_made(handler: type) -> bool:
    """Whether an object of a class can be made. Otherwise a partition without rows raises, too."""
    try:
        handler()
    except Exception:  # noqa: BLE001 - user code may raise anything
        return False
    return True


def _may_skip(x: Any, seen: set[int]) -> bool:
    """Whether code can name the exception that ends a partition's calls of `eval`."""
    x = getattr(x, "__func__", x)  # of a static method or a class method
    if id(x) in seen or not isinstance(x, FunctionType):
        return isinstance(x, type) and issubclass(x, _SKIP)
    seen.add(id(x))
    names = {name for code in codes_of(x.__code__) for name in (*code.co_names, *code.co_freevars)}
    known = [x.__globals__.get(name) for name in names]
    known += [cell.cell_contents for cell in x.__closure__ or () if is_set(cell)]
    members = [vars(module).get(name) for module in known if isinstance(module, ModuleType) for name in names]
    return _SKIP.__name__ in names or any(_may_skip(member, seen) for member in (*known, *members))


def plain_of(handler: type, schema: StructType, over_arrow: bool) -> Callable[..., Any]:
    """Returns the function from the arguments of `eval` to its rows of this schema. It is pickled by value."""
    return _over_arrow(handler, schema) if over_arrow else _pickled(handler, len(schema))


def _pickled(handler: type, size: int) -> Callable[..., Any]:
    def rows(*args, **kwargs):  # type: ignore[no-untyped-def]
        made, found = handler().eval(*args, **kwargs), []  # type: ignore[attr-defined]
        for row in () if made is None else made:
            if hasattr(row, "__len__") and len(row) != size:
                raise ValueError(f"a row of {len(row)} values for {size} columns")
            if not isinstance(row, tuple) and hasattr(row, "__dict__"):
                row = row.__dict__
            found.append(tuple(row) if isinstance(row, list) else dict(row) if isinstance(row, dict) else row)
        return found

    return _marked(rows)


def _over_arrow(handler: type, schema: StructType) -> Callable[..., Any]:
    """Makes rows as Spark's conversion does, which raises for the rows of a call where it would raise for the table function."""

    def rows(*args, **kwargs):  # type: ignore[no-untyped-def]
        from pyspark.sql.conversion import LocalDataToArrowConversion

        names = schema.names
        made, found = handler().eval(*args, **kwargs), []  # type: ignore[attr-defined]
        # The worker, too, converts the rows of a call after the last one: a list that is yielded twice has its last contents.
        for row in list(() if made is None else made):
            if not isinstance(row, tuple):
                if len(names) == 1:
                    row = (row,)
                elif row is None:
                    row = (None,) * len(names)
                elif isinstance(row, dict) or hasattr(row, "__dict__"):
                    fields = row if isinstance(row, dict) else row.__dict__
                    row = tuple(fields.get(name) for name in names)
            if len(row) != len(names):
                raise ValueError(f"a row of {len(row)} values for {len(names)} columns")
            found.append(tuple(row))
        if found:
            LocalDataToArrowConversion.convert(found, schema, False)
        return found

    return _marked(rows)


def _marked(rows: Callable[..., Any]) -> Callable[..., Any]:
    rows.__module__ = "__main__"  # workers have no module of this package
    vars(rows)[_MARK] = True
    return rows


def yields_tuples(function: Any) -> bool:
    """Whether `eval` of a table function is a generator, each row of which is a tuple that it makes as it yields it."""
    return _yields(function, ("BUILD_TUPLE",))


def changes_no_rows(function: Any) -> bool:
    """Whether `eval` of a table function provably changes no row that it has yielded: it keeps none, or changes no object."""
    method = eval_of(function)
    return method is not None and (_yields(function, _DISPLAYS) or keeps_arguments(method.__func__))


def _yields(function: Any, made_by: tuple[str, ...]) -> bool:
    method = eval_of(function)
    if method is None or not method.__code__.co_flags & inspect.CO_GENERATOR:
        return False
    before = None
    for at in dis.get_instructions(method.__code__):
        is_constant = before is not None and before.opname == "LOAD_CONST" and isinstance(before.argval, tuple)
        made = before is not None and (before.opname in made_by or is_constant)
        if at.opname == "YIELD_VALUE" and (at.is_jump_target or not made):
            return False
        before = at
    return True


def is_table(function: Any) -> bool:
    """Whether `plain_of` made a function."""
    return isinstance(function, FunctionType) and bool(vars(function).get(_MARK))


def eval_of(function: Any) -> MethodType | None:
    """Returns the method `eval` of the table function of which `plain_of` made a function; None for another function."""
    if not is_table(function):
        return None
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    handler = cells["handler"].cell_contents
    return MethodType(vars(handler)["eval"], handler())
