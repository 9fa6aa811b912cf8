"""Refuses a traced function of a row that disagrees with its original on a few synthetic rows.

It is the safety net below the rules of this folder, as `udf_compiler.probing.probe` is below the tables of calls. The original
runs on extremes and ordinary values, on the rows that no guard flags. It must return the class and the bits that the loop
computes.
"""

from __future__ import annotations

import datetime
import gc
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value, evaluate
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.types import I8, Items, Type
from sparkweld.reasons import refusal
from udf_compiler.frontends.python.calendar import EPOCH
from udf_compiler.frontends.python.decimal_columns import DecimalArgument
from udf_compiler.frontends.python.path_explorer import Node
from udf_compiler.frontends.python.result_kinds import holds_numpy, kind_of_result, kinds_of, merged, value_as
from udf_compiler.frontends.python.rows import Struct, struct_of
from udf_compiler.frontends.python.values import DECIMALS, LOOSE, TIME_KINDS, TYPES, dense_vector
from udf_compiler.frontends.python.vectors import DenseArgument
from udf_compiler.probing.constants import constants_of
from udf_compiler.probing.differences import has_single_precision
from udf_compiler.probing.probe import NODE_LIMIT, program_of
from udf_compiler.probing.rows import ROW_COUNT, column_of, constant_rows, with_constants

KINDS = ("None", *TYPES)

Argument = Value | Struct | DenseArgument | DecimalArgument

#: Relative differences of results that are only approximate, and of those that are computed in float32.
_NEAR, _NEAR_SINGLE = 1e-9, 1e-3


def kinds_in(tree: Node) -> list[str]:
    """Returns the kinds of values that paths of a tree return."""
    found = kinds_of(tree)
    return [kind for kind in TYPES if kind in found]


def kinds_and_values(loop: LoopBuilder, tree: Node) -> dict[str, Value]:
    """Returns "kind", the index in KINDS of the row's result, and for each kind the value where the result is of that kind."""

    def of_kind(x: Any, kind: str) -> Value:
        type = TYPES[kind]
        return value_as(loop, x, type) if kind_of_result(x) == kind else loop.const(type.zero, type)

    kinds = kinds_in(tree)
    values = {"kind": merged(loop, tree, I8, lambda x: loop.const(KINDS.index(kind_of_result(x)), I8))}
    return values | {kind: merged(loop, tree, TYPES[kind], lambda x, kind=kind: of_kind(x, kind)) for kind in kinds}  # type: ignore[misc]


def result_of(columns: Mapping[str, Array], row: int) -> Any:
    """Returns the Python value of a row of `kinds_and_values`."""
    kind = KINDS[int(columns["kind"][row])]  # type: ignore[call-overload]
    if kind == "None":
        return None
    value = columns[kind][row]  # type: ignore[call-overload]
    if kind in DECIMALS:
        return (_Loose if kind in LOOSE else Decimal)(_decimal(int(value), DECIMALS[kind]))
    return _time(kind, int(value)) if kind in ("date", *TIME_KINDS) else as_python(value)


class _Loose(Decimal):
    """A Decimal whose trailing zeros are unknown."""


def _decimal(number: int, scale: int) -> Decimal:
    return Decimal(number).scaleb(-scale)


def _time(kind: str, value: int) -> Any:
    if kind == "date":
        return datetime.date.fromordinal(value + EPOCH)
    span = datetime.timedelta(microseconds=value)
    if kind == "timedelta":
        return span
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc if kind == "utc" else None) + span


def as_python(value: Any) -> Any:
    """Returns a value of `evaluate` as Python's."""
    if isinstance(value, Items):
        return list(value.values)
    return value if isinstance(value, str) else value.item()


def probe_row(
    original: Callable[..., Any],
    args: Sequence[Argument],
    kwargs: Mapping[str, Argument],
    trees: Sequence[Node],
    loop: LoopBuilder,
    place: str,
    rounded: bool,
    names: Sequence[str] | None = None,
) -> None:
    """Refuses (SW233) when ``original(*args, **kwargs)`` differs from its one tree, or from the trees of the fields `names`.

    `rounded`: floats need only be close.
    """
    if len(loop.body) > NODE_LIMIT:
        return
    outputs = {f"{i} {name}": v for i, tree in enumerate(trees) for name, v in kinds_and_values(loop, tree).items()}
    arguments = [*args, *kwargs.values()]
    parts = {f"a{v.id}": v for x in arguments for v in _values_of(x)}
    columns, flagged = _evaluated(loop, {**outputs, **parts}, () if rounded else constants_of(original))
    with_numpy = [holds_numpy(tree) for tree in trees]
    near = (_NEAR_SINGLE if has_single_precision(loop.body) else _NEAR) if rounded else 0.0
    results = [{name: columns[f"{i} {name}"] for name in ("kind", *kinds_in(tree))} for i, tree in enumerate(trees)]

    def python(x: Argument, row: int) -> Any:
        if isinstance(x, Struct):
            return x.row([python(value, row) for value in x.values])
        if isinstance(x, DenseArgument):
            numbers = python(x.value, row)
            return None if numbers is None else dense_vector()(numbers)
        if isinstance(x, DecimalArgument):
            number = python(x.value, row)
            return None if number is None else _decimal(number, x.scale)
        return _python(columns[f"a{x.id}"], row, x.type)

    with np.errstate(all="ignore"), warnings.catch_warnings(), _without_collections():
        warnings.simplefilter("ignore")
        for row in np.flatnonzero(~flagged).tolist():
            given = [python(x, row) for x in arguments]
            wanted = [result_of(result, row) for result in results]
            try:
                got = original(*given[: len(args)], **dict(zip(kwargs, given[len(args) :], strict=True)))
            except Exception as error:  # noqa: BLE001 - user code may raise anything: no guard announced it
                raise refusal("SW233", place, what=f"the function raises {type(error).__name__} for {given}") from None
            fields = [got] if names is None else struct_of(got, names)
            for a, b, numpy in zip(fields, wanted, with_numpy, strict=True):
                if not _same(a.item() if numpy and isinstance(a, np.generic) else a, b, near):
                    raise refusal("SW233", place, what=f"the function returns {a!r} for {given}, its translation {b!r}")


@contextmanager
def _without_collections() -> Iterator[None]:
    """Replaces gc.collect, which a function may call for each row: in this process, one call takes a second."""
    collect, gc.collect = gc.collect, lambda *args, **kwargs: 0
    try:
        yield
    finally:
        gc.collect = collect


def _values_of(argument: Argument) -> Sequence[Value]:
    if isinstance(argument, Struct):
        return [value for x in argument.values for value in _values_of(x)]  # type: ignore[arg-type]
    return (argument.value,) if isinstance(argument, DenseArgument | DecimalArgument) else (argument,)


def _evaluated(
    loop: LoopBuilder, values: Mapping[str, Value], constants: Sequence[Any]
) -> tuple[dict[str, Array], np.ndarray]:
    program = program_of(loop, {f"probe {name}": value.id for name, value in values.items()})
    columns = {i.name: with_constants(column_of(i.type, at), i.type, at, constants) for at, i in enumerate(program.inputs)}
    result = evaluate(program, columns, ROW_COUNT + constant_rows(constants))
    return {name: result.columns[f"probe {name}"] for name in values}, result.flagged


def _python(column: Array, row: int, type: Type) -> Any:
    if isinstance(column, Optional):
        return _python(column.values, row, type) if column.valid[row] else None
    value = column[row]
    if type.kind in ("date", "ts"):
        return _time("date" if type.kind == "date" else "datetime", int(value))
    return as_python(value)


def _same(a: Any, b: Any, near: float) -> bool:
    if type(b) is _Loose:
        return type(a) is Decimal and a == b
    if type(a) is not type(b):
        return False
    if type(a) is list:
        return len(a) == len(b) and all(_same(x, y, near) for x, y in zip(a, b, strict=True))
    if type(a) is Decimal:
        return bool(a.as_tuple() == b.as_tuple())
    if type(a) is not float or a != a or b != b:
        return bool(a == b or (a != a and b != b))
    if near and math.isclose(a, b, rel_tol=near):
        return True
    return a == b and math.copysign(1, a) == math.copysign(1, b)
