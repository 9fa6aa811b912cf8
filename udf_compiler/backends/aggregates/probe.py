"""Refuses a traced aggregate that disagrees with its original on synthetic groups.

`evaluate_form` defines the meaning of a form in NumPy terms; the tests use it as their oracle too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkweld.ir import Type, evaluate
from sparkweld.ir.ops import Array, Optional, Read
from sparkweld.ir.types import parse_type
from sparkweld.reasons import refusal
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.probing.constants import constants_of
from udf_compiler.probing.rows import constants_of_type

if TYPE_CHECKING:
    from udf_compiler.backends.aggregates.compile import Form
    from udf_compiler.backends.aggregates.kinds import AggregateKind

_SIZES = (1, 2, 3, 40)
_SEED = 20

#: Further group sizes at which a function may branch: its own small constants and their neighbours.
_MOST_ROWS, _MOST_SIZES = 300, 8
#: The number of rows of a group that holds the function's own constants.
_CONSTANT_ROWS = 24


def evaluate_form(form: Form, columns: Mapping[str, Array], rows: int) -> tuple[Any, list[str]]:
    """Returns the result of one group of `rows` rows (None for NULL) and the errors that the original raises for it."""
    given = {i.name: columns[i.name] for i in form.rows.inputs}
    values = evaluate(form.rows, given, rows).columns
    aggregated = {a.name: _aggregate(a.kind, values.get(a.name), a.type, rows) for a in form.aggregates}
    result = evaluate(form.groups, {i.name: aggregated[i.name] for i in form.groups.inputs}, 1).columns
    errors = [error for i, error in enumerate(form.errors) if bool(_array(result[f"error{i}"])[0])]
    made = result["result"]
    valid = bool(made.valid[0]) if isinstance(made, Optional) else True
    return (_array(made)[0] if valid else None), errors


def _array(x: Array) -> np.ndarray:
    return x.values if isinstance(x, Optional) else x


def _aggregate(kind: str, value: Array | None, type: Type, rows: int) -> Array:
    if kind == "rows":
        return np.array([rows], np.int64)
    assert value is not None
    present = value.values[value.valid] if isinstance(value, Optional) else value
    with np.errstate(all="ignore"):
        if kind == "sum":
            made = np.sum(present, dtype=type.dtype)
        elif kind == "moment2":
            made = np.sum((present - np.mean(present)) ** 2) if len(present) else np.float64(0)
        else:
            made = _extreme(kind, present, type)
    found = np.array([made]).astype(type.dtype)
    return Optional(found, np.array([len(present) > 0])) if type.nullable else found


def _extreme(kind: str, present: np.ndarray, type: Type) -> Any:
    """Returns the minimum or maximum in Spark's order, where NaN is last."""
    if not len(present):
        return type.dtype.type(0)
    numbers = present[present == present]
    if kind == "max":
        return present.max()
    return numbers.min() if len(numbers) else present.min()


def probe(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    form: Form,
    kind: AggregateKind,
    place: str,
    rounded: bool,
) -> None:
    """Refuses (SW233) when the original and the form disagree on a synthetic group. `rounded`: compares floats coarsely."""
    rng = np.random.default_rng(_SEED)
    constants = constants_of(function)
    groups: list[tuple[int, Sequence[Any]]] = [(rows, ()) for rows in (*_SIZES, *_sizes_of(constants))]
    if constants and not rounded:  # if the order of additions decides a branch, both results may be correct
        groups.append((_CONSTANT_ROWS, constants))
    for rows, own in groups:
        columns = {i.name: _column(i.type, rows, rng, own) for i in form.rows.inputs}
        for traced in (*args, *kwargs.values()):
            _complete(traced, columns, rows, rng, own)
        positional = [kind.real(a, columns, rows) for a in args]
        named = {name: kind.real(a, columns, rows) for name, a in kwargs.items()}
        expected, errors = evaluate_form(form, columns, rows)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                given = function(*positional, **named)
            except Exception as error:  # noqa: BLE001 - user code may raise anything
                if any(e.startswith(type(error).__name__) for e in errors):
                    continue
                raise refusal("SW233", place, what=f"the function raises {type(error).__name__}: {error}") from None
        if not errors and not _agree(kind.scalar(given), expected, rounded):
            raise refusal("SW233", place, what=f"the function returns {given!r} for a group, its translation {expected!r}")


def _sizes_of(constants: Sequence[Any]) -> list[int]:
    found = (near for c in constants if type(c) is int for near in (c, c - 1, c + 1))
    return [n for n in dict.fromkeys(found) if 3 < n <= _MOST_ROWS and n != 40][:_MOST_SIZES]


def _complete(traced: Any, columns: dict[str, Array], rows: int, rng: np.random.Generator, own: Sequence[Any]) -> None:
    """Adds the columns that the function takes and the optimized program does not read."""
    for series in traced.series.values() if isinstance(traced, TracedFrame) else (traced,):
        for let in series.loop.body:
            if isinstance(let.op, Read) and let.op.column not in columns:
                columns[let.op.column] = _column(let.op.type, rows, rng, own)


def _column(type: Type, rows: int, rng: np.random.Generator, own: Sequence[Any] = ()) -> Array:
    """Returns random values, or values from the constants `own` that have this type."""
    plain = type.plain()
    values: np.ndarray = constants_of_type(plain, own) if own else np.empty(0)
    if len(values):
        values = rng.choice(values, rows)
    elif plain.is_float:
        values = rng.uniform(-100, 100, rows)
        values[rng.random(rows) < 0.2] = np.nan
    else:
        values = rng.integers(0, 2 if plain == parse_type("bool") else 50, rows)
    array = values.astype(plain.dtype)
    return Optional(array, rng.random(rows) > 0.25) if type.nullable else array


def _agree(given: Any, expected: Any, rounded: bool) -> bool:
    """Whether both results agree after a cast to the declared type of `expected`: a count declared boolean is true or false."""
    if expected is None or given is None:
        return expected is None and given is None
    given = np.asarray(given).astype(np.asarray(expected).dtype)[()]
    if given != given:
        return bool(expected != expected)
    if rounded:
        return bool(np.isclose(float(given), float(expected), rtol=1e-4, atol=1e-3))
    return bool(given == expected)
