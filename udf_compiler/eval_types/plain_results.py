"""Compiles plain UDFs, Python functions of one row's values, to a Spark column by the rules of their two wire formats.

Pickle (SQL_BATCHED_UDF): the JVM accepts an object only if its class is that of the declared type (EvaluatePython.makeFromJava).
An int for a double is NULL, and an int that is too large for its type wraps. Arrow (SQL_ARROW_BATCHED_UDF): pyarrow.array
converts the results of a batch to the declared type, or raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from sparkweld.contract.constants import BATCHED
from sparkweld.contract.spark_types import VECTOR_TYPE, StructField, decimal_of, time_of_array
from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.ops import Fits, Read, StrCall
from sparkweld.ir.types import BOOL, DATE, F32, F64, I8, I16, I32, I64, LISTS, STR, TS
from sparkweld.reasons import refusal
from udf_compiler.boundary.type_names import ARRAYS
from udf_compiler.frontends.pandas.apply.results import explored
from udf_compiler.frontends.python.arguments import Parts
from udf_compiler.frontends.python.byte_strings import bytes_of_row
from udf_compiler.frontends.python.calendar import guard_python_date
from udf_compiler.frontends.python.datetime_values import (
    FIRST,
    FIRST_CONVERTED,
    KINDS,
    LAST,
    LAST_CONVERTED,
    date_of,
    is_formatted,
)
from udf_compiler.frontends.python.decimal_columns import DecimalArgument, DecimalColumn, decimal_of_row
from udf_compiler.frontends.python.formats import assembled
from udf_compiler.frontends.python.json_results import as_result
from udf_compiler.frontends.python.list_results import list_of_row
from udf_compiler.frontends.python.lists import guard_list
from udf_compiler.frontends.python.local_time import local_offset
from udf_compiler.frontends.python.path_explorer import Node, explorer, leaves
from udf_compiler.frontends.python.result_kinds import holds_numpy, kind_of_result, kinds_of, merged, value_as
from udf_compiler.frontends.python.row_lists import as_tuple
from udf_compiler.frontends.python.rows import Struct, TracedStruct
from udf_compiler.frontends.python.running import run_function
from udf_compiler.frontends.python.strings import float_is_decided, text_of
from udf_compiler.frontends.python.time_results import TimesResult
from udf_compiler.frontends.python.undecided import Undecided
from udf_compiler.frontends.python.values import DECIMALS, TIME_KINDS, TracedScalar, is_scalar, of_value, shown
from udf_compiler.frontends.python.vectors import vector_of_row
from udf_compiler.frontends.python.zoned_datetimes import as_timestamp
from udf_compiler.frontends.tracing.session import current, refuse, running

_TYPES: dict[str, Type] = {
    "boolean": BOOL, "byte": I8, "short": I16, "integer": I32, "long": I64, "float": F32, "double": F64, "string": STR,
    "date": DATE, "timestamp": TS, "timestamp_ntz": TS,
}  # fmt: skip

#: Type -> kinds of values that pyarrow converts to that type individually.
_DIRECT: dict[Type, frozenset[str]] = {
    BOOL: frozenset({"bool"}), STR: frozenset({"str"}), DATE: frozenset({"date", "datetime", "utc"}),
    TS: frozenset({"datetime", "utc"}),
    **dict.fromkeys((I8, I16, I32, I64), frozenset({"int"})), **dict.fromkeys((F32, F64), frozenset({"int", "float"})),
}  # fmt: skip

#: Type -> kinds of NumPy scalars that pyarrow converts like Python's values. Unlike a bool, it also converts an np.bool_ to a
#: number.
_AS_PYTHON: dict[Type, frozenset[str]] = _DIRECT | {STR: frozenset(), F32: frozenset({"float"}), F64: frozenset({"float"})}

#: The largest magnitude of an int that pyarrow converts to the float type.
_EXACT = {F32: 2**24, F64: 2**53}


@dataclass(frozen=True, slots=True)
class RowResult:
    """The result of a function for a row, as the tree of its paths.

    - `run`: calls the function again; an outer function of a chain calls it on each of its own paths.
    - `pruned`: a tree with the paths of flagged rows, too. Only the kinds of its results are valid. None: equal to `tree`.
    - `many`: the tree has more than a few paths, so an outer function has, too.
    - `nullable`: the columns among the function's arguments that may be NULL.
    """

    tree: Node
    run: Callable[[], Any]
    pruned: Node | None = None
    many: bool = False
    nullable: frozenset[int] = frozenset()


def result_of_row(
    loop: LoopBuilder,
    function: Callable[..., Any],
    args: Sequence[Value | Struct | Parts | RowResult],
    kwargs: Mapping[str, Value | Struct | Parts | RowResult],
    handlers: bool,
    gathers: bool = False,
    returns: str = "",
    fields: Sequence[StructField] = (),
) -> RowResult:
    """Returns the paths of ``function(*args, **kwargs)``; guards join `loop`.

    A nullable argument is None or a value. That is decided before the function runs, or where the function uses it if the former
    makes more than a few paths. A nullable field of a struct forks where it is read. An argument that is a RowResult is computed
    inline, as the worker calls one function with the result of the other.

    `gathers`: PySpark converts the results of many rows at once, so the kinds of results of flagged rows matter. `returns`: the
    declared type of the result. `fields`: those of a struct.
    """
    given = [*args, *kwargs.values()]

    def run() -> Any:
        return run_function(function, *map(_python_value, args), **{name: _python_value(v) for name, v in kwargs.items()})

    def of_column() -> Any:
        made = run()
        return as_tuple(as_result(as_timestamp(made) if returns == "timestamp" else made, returns, fields))

    # Each function of a chain also runs its inner functions, on each path that is tried.
    nullable = _nullable(given)
    many = any(isinstance(x, RowResult) and x.many for x in given)
    tree = explored(loop, of_column, handlers, function, many=many, nullable=len(nullable))
    many = current().many
    pruned = _with_pruned(loop, of_column, handlers, function, len(nullable)) if gathers and current().narrowed else None
    return RowResult(tree, run, pruned, many, nullable)


def _nullable(arguments: Sequence[Value | Struct | Parts | RowResult]) -> frozenset[int]:
    """Returns the columns among the arguments, and among those of inner functions, that may be NULL."""
    values = (x.columns[0] if isinstance(x, DecimalArgument) else x for x in arguments)
    columns = (x for x in values if isinstance(x, Value) and x.type.nullable and isinstance(x.loop.body[x.id].op, Read))
    return frozenset(x.id for x in columns).union(*(x.nullable for x in arguments if isinstance(x, RowResult)))


def _with_pruned(loop: LoopBuilder, run: Callable[[], Any], handlers: bool, function: Callable[..., Any], nullable: int) -> Node:
    """Returns the tree of `run` where guards decide no branch; only its kinds are valid, as its values leave the loop."""
    mark, session = loop.mark(), current()
    unguarded = replace(session, open=True, notes=[], kept=[])
    try:
        with running(unguarded):
            return explored(loop, run, handlers, function, nullable=nullable)
    finally:
        session.refused = session.refused or unguarded.refused
        loop.undo(mark)


def _python_value(argument: Value | Struct | Parts | RowResult) -> Any:
    if isinstance(argument, RowResult):
        return assembled(argument.run())
    if isinstance(argument, Struct):
        for value in argument.values:
            if isinstance(value, Value):
                _guard_conversion(value)
        return TracedStruct(argument.names, [partial(_python_value, value) for value in argument.values])
    if isinstance(argument, Parts):
        argument.guard(argument.columns[0].loop)
        return argument.python()
    _guard_conversion(argument)
    value = argument.loop.value_of(argument)
    valid = argument.loop.is_valid(argument)
    known = explorer().known(valid)
    if known is not None:
        return of_value(value) if known else None
    return Undecided(TracedScalar("bool", valid), of_value(value))


def _guard_conversion(argument: Value) -> None:
    """Guards values whose conversion to Python raises, whether the function reads them or not."""
    loop = argument.loop
    value = loop.value_of(argument)
    if value.type.is_list:
        guard_list(loop, value)
    if value.type == STR:
        loop.guard(loop.emit(StrCall("valid_utf8"), value))  # decoding other bytes to a Python str raises
    if value.type == DATE:
        guard_python_date(value)


def naive_datetime(loop: LoopBuilder, argument: Value, in_utc: bool) -> Value:
    """Returns the naive datetime that a function receives for a timestamp: of UTC in the local time of the worker's process.

    Rows for which PySpark raises, or may raise, are guarded.
    """
    value = loop.cast(loop.value_of(argument), I64)
    low, high = (FIRST_CONVERTED, LAST_CONVERTED) if in_utc else (FIRST, LAST)
    loop.guard(_between(loop, value, low, high))
    if in_utc:
        value = loop.call("add", value, loop.const(local_offset(), I64))
    made = loop.cast(value, TS)
    return loop.optional(made, loop.is_valid(argument)) if argument.type.nullable else made


def _between(loop: LoopBuilder, value: Value, low: int, high: int) -> Value:
    above = loop.call("greater_equal", value, loop.const(low, I64))
    return loop.call("logical_and", above, loop.call("less_equal", value, loop.const(high, I64)))


def column_of_row(
    loop: LoopBuilder, tree: Node, return_type: str, eval_type: int, place: str, field: bool = False,
    pruned: Node | None = None, none: bool = False,
) -> Value:  # fmt: skip
    """Returns the value of the Spark column; guards join `loop`.

    Refuses unsupported types (SW104) and results that do not always convert (SW298). `field`: the column is one
    field of a struct. Its results must then convert directly, since pyarrow converts the whole struct differently once it
    rejects a field. `pruned`: as in RowResult. Results convert together: a str for a double raises in a batch with floats,
    and becomes a number in a batch of strs. `none`: elements of a list may be None, for which any value is stored.
    """
    if return_type == VECTOR_TYPE and not field:
        return vector_of_row(loop, tree, place, pruned)
    if return_type in ARRAYS:
        pickled, element = eval_type == BATCHED, ARRAYS[return_type].element
        convert = None if pickled or field else _Column(loop, element, pickled)
        return list_of_row(loop, tree, ARRAYS[return_type], return_type, place, pickled, pruned, convert, none)
    times = time_of_array(return_type)
    if times is not None:
        to, pickled = _TYPES[times], eval_type == BATCHED
        one = partial(_Column, to=to, pickled=pickled, naive=times == "timestamp_ntz")
        return TimesResult(loop, return_type, place, pickled, none, one).value(tree, pruned)
    if return_type == "binary":
        return bytes_of_row(loop, tree if pruned is None else pruned, tree, return_type, place)
    digits = decimal_of(return_type)
    if digits is not None:
        return decimal_of_row(loop, tree, pruned, DecimalColumn(loop, *digits, eval_type == BATCHED), place, return_type)
    if return_type not in _TYPES:
        raise refusal("SW104", place, type=return_type)
    to = _TYPES[return_type]
    kinds = kinds_of(tree) - {"None"}
    if holds_numpy(tree) and (eval_type == BATCHED or field or not kinds <= _AS_PYTHON[to]):
        refuse("SW293", type="a NumPy scalar")  # pickled, the JVM cannot read it
    column = _Column(loop, to, pickled=eval_type == BATCHED, naive=return_type == "timestamp_ntz")
    for paths in (tree,) if pruned is None else (tree, pruned):
        found = kinds_of(paths) - {"None"}
        direct = eval_type == BATCHED or (column.converts_alone(paths, found) and (not field or found <= _DIRECT[to]))
        if not column.takes(found) or not direct:
            raise refusal("SW298", place, kinds=shown(found), type=return_type)
    value = merged(loop, tree, to, column.value)
    loop.guard(merged(loop, tree, BOOL, column.converts))
    if "None" not in kinds_of(tree) and all(map(column.holds, kinds)):
        return value
    return loop.optional(value, merged(loop, tree, BOOL, lambda x: loop.const(column.holds(kind_of_result(x)), BOOL)))


@dataclass(frozen=True, slots=True)
class _Column:
    """The conversion of results to one type. `naive`: timestamps without a zone, otherwise in UTC."""

    loop: LoopBuilder
    to: Type
    pickled: bool
    naive: bool = False

    def takes(self, kinds: frozenset[str]) -> bool:
        """Whether every mix of these kinds converts value by value."""
        if kinds & LISTS.keys() or kinds & DECIMALS.keys():
            return False
        if self.to == TS:
            return kinds <= ({"datetime"} if self.naive else {"datetime", "utc"})
        if self.to == DATE:
            return kinds <= {"date", "datetime", "utc"}
        if kinds & {"date", *TIME_KINDS}:
            return self.to == STR and not self.pickled
        if self.pickled:
            return not (self.to == STR and "float" in kinds)  # Java formats a double differently
        if self.to == BOOL:  # pyarrow casts a batch of ints, but not one with a bool among them
            return kinds <= {"bool"} or kinds <= {"int"}
        if self.to == STR:
            return True
        return "str" not in kinds

    def converts_alone(self, tree: Node, kinds: frozenset[str]) -> bool:
        """Whether pyarrow accepts or rejects each result independently of its batch.

        An int beyond 2**24 is not a float32. In a batch with a float, PySpark's second attempt converts all results to double and
        then to float32. In a batch without a float, it raises: ``n if i == 3 else 0.5``.
        """
        if self.to != F32 or not kinds >= {"int", "float"}:
            return True
        ints = [leaf.value for leaf in leaves(tree) if leaf.error is None and kind_of_result(leaf.value) == "int"]
        spans = [span for x in ints for span in (x.span if is_scalar(x) else (x, x))]
        return max(map(abs, spans)) <= _EXACT[F32]

    def holds(self, kind: str) -> bool:
        """Whether a result of this kind is not NULL."""
        if kind == "None":
            return False
        if not self.pickled or self.to in (STR, DATE, TS):
            return True
        return {"bool": self.to == BOOL, "int": self.to.is_int, "float": self.to.is_float}.get(kind, False)

    def converts(self, x: Any) -> Value:
        """Returns the condition that pyarrow accepts the result."""
        loop, kind = self.loop, kind_of_result(x)
        if self.to in (TS, STR) and kind in KINDS:
            return self._moment_converts(x, kind)
        if self.pickled or kind in ("None", "str", "date", *TIME_KINDS):
            return loop.const(True, BOOL)
        if self.to.is_int and kind == "bool":
            return loop.const(False, BOOL)
        if self.to.is_int and kind == "float":
            return loop.emit(Fits(self.to), value_as(loop, x, F64))
        if self.to.is_int and kind == "int":
            bits = 8 * self.to.dtype.itemsize
            return self._between(x, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if self.to.is_float and kind == "int":
            return self._between(x, -_EXACT[self.to], _EXACT[self.to])
        if self.to == STR and kind == "float":
            return self._float_is_decided(x)
        return loop.const(True, BOOL)

    def value(self, x: Any) -> Value:
        """Returns the result as a value of the type; an arbitrary one where `holds` or `converts` is False."""
        loop, kind = self.loop, kind_of_result(x)
        if kind == "None" or not self.holds(kind):
            return loop.const(self.to.zero, self.to)
        if self.to == STR:
            return self._text(x, kind)
        if kind in KINDS:
            value = loop.cast(value_as(loop, x, TS), I64)
            return date_of(value) if self.to == DATE else loop.cast(self._utc(value, kind), TS)
        if self.to.is_int and not is_scalar(x) and not np.iinfo(self.to.dtype).min <= x <= np.iinfo(self.to.dtype).max:
            return loop.const(self.to.zero, self.to)  # not a constant of the type: `converts` is False
        return value_as(loop, x, self.to)

    def _utc(self, value: Value, kind: str) -> Value:
        """Returns the instant of a datetime; a naive one is in the local time of the worker's process, as PySpark takes it."""
        if self.naive or kind == "utc":
            return value
        return self.loop.call("subtract", value, self.loop.const(local_offset(), I64))

    def _moment_converts(self, x: Any, kind: str) -> Value:
        loop = self.loop
        value = loop.cast(value_as(loop, x, TS), I64)
        if self.to == STR:
            return is_formatted(value)
        if self.naive:
            return loop.const(True, BOOL)
        return _between(loop, value, FIRST_CONVERTED, LAST_CONVERTED)

    def _text(self, x: Any, kind: str) -> Value:
        if kind == "bool":
            true, false = self.loop.const("true", STR), self.loop.const("false", STR)
            return self.loop.select(value_as(self.loop, x, BOOL), true, false)
        return text_of(self.loop, x)

    def _float_is_decided(self, x: Any) -> Value:
        return float_is_decided(self.loop, x)

    def _between(self, x: Any, low: int, high: int) -> Value:
        loop = self.loop
        if not is_scalar(x):
            return loop.const(low <= x <= high, BOOL)
        if low <= x.span[0] and x.span[1] <= high:
            return loop.const(True, BOOL)
        return _between(loop, x.value, low, high)


__all__ = ["RowResult", "column_of_row", "naive_datetime", "result_of_row"]
