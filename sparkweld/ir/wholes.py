"""Defines the functions of whole columns: a result of a row may depend on all rows of the batch.

Loops are row-local. So a program that reads other rows has stages, each of which ends with functions of this module
(`sparkweld.ir.program.Stage`). Such a function takes columns of n rows and returns a column of n rows. A reduction returns the
same value in every row, for the row-local code that reads it. Rows where a nullable argument is NULL are absent: a reduction
skips them as if the column were shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.ops.base import Array, Optional
from sparkweld.ir.ops.lists import BUFFER
from sparkweld.ir.rolling import STATISTICS, rolling, weighted_mean
from sparkweld.ir.types import BOOL, F64, I64, LISTS, STR, Items, Type, list_of, of_dtype


@dataclass(frozen=True, slots=True)
class Whole:
    """The column `column` = `fn` of the columns `args`."""

    column: str
    fn: str
    args: tuple[str, ...] = ()


def whole_type(fn: str, args: tuple[Type, ...]) -> Type:
    """Returns the type of the result. Raises VerifyError for an unknown function or other arguments."""
    if fn not in WHOLES:
        raise VerifyError(f"unknown function of whole columns {fn!r}")
    made = WHOLES[fn].infer(args)
    if made is None:
        raise VerifyError(f"{fn} does not accept ({', '.join(map(str, args))})")
    return made


def evaluate_whole(fn: str, args: tuple[Array, ...], rows: int) -> Array:
    """Computes the column of `rows` rows; defines the function's meaning."""
    with np.errstate(all="ignore"):
        return WHOLES[fn].evaluate(args, rows)


@dataclass(frozen=True, slots=True)
class _Function:
    infer: Callable[[tuple[Type, ...]], Type | None]
    evaluate: Callable[[tuple[Array, ...], int], Array]


def _present(array: Array) -> tuple[np.ndarray, np.ndarray]:
    """Returns the values, and where they are present."""
    if isinstance(array, Optional):
        return array.values, array.valid
    return array, np.ones(len(array), np.bool_)


def _filled(value: object, rows: int, dtype: np.dtype) -> np.ndarray:
    return np.full(rows, value, dtype)


def _sum(args: tuple[Array, ...], rows: int) -> Array:
    values, present = _present(args[0])
    return _filled(np.add.reduce(np.ascontiguousarray(values[present])), rows, values.dtype)


def _buffered_sum(args: tuple[Array, ...], rows: int) -> Array:
    values, present = _present(args[0])
    total, kept = np.float64(0.0), np.ascontiguousarray(values[present])
    for start in range(0, len(kept), BUFFER):
        total = total + np.add.reduce(kept[start : start + BUFFER])
    return _filled(total, rows, np.dtype(np.float64))


def _product(args: tuple[Array, ...], rows: int) -> Array:
    values, present = _present(args[0])
    return _filled(np.multiply.reduce(np.ascontiguousarray(values[present])), rows, values.dtype)


def _extreme(smallest: bool) -> Callable[[tuple[Array, ...], int], Array]:
    """Returns min or max: NaN is the largest value, and of equal values the first is kept."""

    def evaluate(args: tuple[Array, ...], rows: int) -> Array:
        values, present = _present(args[0])
        best, found = values.dtype.type(0), False
        for x in values[present]:
            a, b = (x, best) if smallest else (best, x)
            if not found or a < b or (b != b and a == a):
                best, found = x, True
        made = _filled(best, rows, values.dtype)
        return Optional(made, _filled(found, rows, np.dtype(np.bool_))) if isinstance(args[0], Optional) else made

    return evaluate


def _at(args: tuple[Array, ...], rows: int) -> Array:
    """Returns in every row the value of the row whose number the second column has in its first row."""
    array, (index, _) = args[0], _present(args[1])
    at = min(max(int(index[0]), 0), rows - 1) if rows else 0
    if isinstance(array, Optional):
        return Optional(np.repeat(array.values[at : at + 1], rows), np.repeat(array.valid[at : at + 1], rows))
    return np.repeat(array[at : at + 1], rows)


def _sorted(args: tuple[Array, ...], rows: int) -> Array:
    """Returns the present values in ascending order, then NULL."""
    values, present = _present(args[0])
    kept = np.sort(values[present], kind="stable")
    rest = np.zeros(rows - len(kept), values.dtype)
    return Optional(np.concatenate([kept, rest]), np.arange(rows) < len(kept))


def _rank(method: str) -> Callable[[tuple[Array, ...], int], Array]:
    """Returns the ranks from 1 on of the present values, by pandas' methods for equal ones; NULL stays NULL."""

    def evaluate(args: tuple[Array, ...], rows: int) -> Array:
        values, present = _present(args[0])
        places = np.flatnonzero(present)
        order = places[np.argsort(values[places], kind="stable")]
        ranks = np.zeros(rows, np.float64)
        start = groups = 0
        while start < len(order):
            end = start
            while end < len(order) and values[order[end]] == values[order[start]]:
                end += 1
            groups += 1
            for k in range(start, end):
                by = {"average": (start + 1 + end) / 2, "min": start + 1, "max": end, "first": k + 1, "dense": groups}
                ranks[order[k]] = by[method]
            start = end
        return Optional(ranks, present) if isinstance(args[0], Optional) else ranks

    return evaluate


def _order(descending: bool) -> Callable[[tuple[Array, ...], int], Array]:
    """Returns the numbers of the rows in the order of a key, equal ones and then absent ones in the order given.

    That order is the second column's, if there is one: it also has the numbers of the rows.
    """

    def evaluate(args: tuple[Array, ...], rows: int) -> Array:
        values, present = _present(args[0])
        given = np.asarray(args[1], np.int64) if len(args) == 2 else np.arange(rows, dtype=np.int64)
        kept = given[present[given]][:: -1 if descending else 1]
        kept = kept[np.argsort(values[kept], kind="stable")][:: -1 if descending else 1]
        return np.concatenate([kept, given[~present[given]]])

    return evaluate


def _take(args: tuple[Array, ...], rows: int) -> Array:
    """Returns the values of the rows whose numbers the second column has."""
    array, index = args[0], np.clip(np.asarray(args[1], np.int64), 0, max(rows - 1, 0))
    return Optional(array.values[index], array.valid[index]) if isinstance(array, Optional) else array[index]


def _same(what: str) -> Callable[[tuple[Array, ...], int], Array]:
    """Returns, of the present rows with the value of the row, the first one, the last one or their count; NULL stays NULL."""

    def evaluate(args: tuple[Array, ...], rows: int) -> Array:
        values, present = _present(args[0])
        _, codes = np.unique(values[present], return_inverse=True)
        places, found = np.flatnonzero(present), np.zeros(rows, np.int64)
        for code in range(codes.max(initial=-1) + 1):
            same = places[codes == code]
            found[same] = {"first": same[0], "last": same[-1], "count": len(same)}[what]
        return Optional(found, present) if isinstance(args[0], Optional) else found

    return evaluate


def _fill(step: int) -> Callable[[tuple[Array, ...], int], Array]:
    """Returns the last present value up to the row, or the next one from it on; NULL where there is none."""

    def evaluate(args: tuple[Array, ...], rows: int) -> Array:
        values, present = _present(args[0])
        source = np.where(present, np.arange(rows), -1)[::step]
        for at in range(1, rows):
            source[at] = source[at] if source[at] >= 0 else source[at - 1]
        source = source[::step]
        return Optional(values[source] if rows else values, source >= 0)

    return evaluate


def _shift(args: tuple[Array, ...], rows: int) -> Array:
    """Returns the value of the row that many rows before; NULL where there is none."""
    (values, present), (count, _) = _present(args[0]), _present(args[1])
    source = np.arange(rows) - (int(count[0]) if rows else 0)
    inside = (source >= 0) & (source < rows)
    source = np.where(inside, source, 0)
    return Optional(values[source], present[source] & inside)


def _running(fn: np.ufunc) -> Callable[[tuple[Array, ...], int], Array]:
    """Returns the accumulation over the present values; NULL stays NULL."""

    def evaluate(args: tuple[Array, ...], rows: int) -> Array:
        values, present = _present(args[0])
        made = np.zeros(rows, values.dtype)
        made[present] = fn.accumulate(values[present])
        return Optional(made, present) if isinstance(args[0], Optional) else made

    return evaluate


def _compensated(totals: np.ndarray, lost: np.ndarray, at: int, x: np.generic) -> None:
    """Adds x to a total by Kahan's summation, as pandas' groupby does."""
    y = x - lost[at]
    t = totals[at] + y
    lost[at] = t - totals[at] - y
    if lost[at] != lost[at]:
        lost[at] = 0
    totals[at] = t


def _grouped_sum(running: bool) -> Callable[[tuple[Array, ...], int], Array]:
    """Returns the compensated sum of the present values with the row's code, or of those up to the row."""

    def evaluate(args: tuple[Array, ...], rows: int) -> Array:
        (values, present), codes = _present(args[0]), np.asarray(args[1], np.int64)
        totals, lost, made = (np.zeros(rows, values.dtype) for _ in range(3))
        for row in range(rows):
            if present[row]:
                _compensated(totals, lost, codes[row], values[row])
            made[row] = totals[codes[row]]
        return made if running else totals[codes]

    return evaluate


def _grouped_extreme(smallest: bool) -> Callable[[tuple[Array, ...], int], Array]:
    """Returns the first smallest or largest present value with the row's code, which is not NaN; 0 for none."""

    def evaluate(args: tuple[Array, ...], rows: int) -> Array:
        (values, present), codes = _present(args[0]), np.asarray(args[1], np.int64)
        best, found = np.zeros(rows, values.dtype), np.zeros(rows, np.bool_)
        for row in np.flatnonzero(present):
            at, x = codes[row], values[row]
            if not found[at] or (x < best[at] if smallest else x > best[at]):
                best[at], found[at] = x, True
        return best[codes]

    return evaluate


def _grouped_squares(args: tuple[Array, ...], rows: int) -> Array:
    """Returns the sum of squares about the mean of the present values with the row's code, by Welford's updates."""
    (values, present), codes = _present(args[0]), np.asarray(args[1], np.int64)
    means, squares, counts = np.zeros(rows), np.zeros(rows), np.zeros(rows)
    for row in np.flatnonzero(present):
        at, x = codes[row], values[row]
        counts[at] += 1
        before = means[at]
        means[at] = before + (x - before) / counts[at]
        squares[at] += (x - means[at]) * (x - before)
    return squares[codes]


def _collected(args: tuple[Array, ...], rows: int) -> Array:
    """Returns in every row the list of all values."""
    values, _ = _present(args[0])
    made = np.empty(rows, object)
    made.fill(Items((of_dtype(values.dtype) or STR).kind, tuple(values.tolist())))
    return made


def _elements(args: tuple[Array, ...], rows: int) -> Array:
    """Returns, of the first row's list, in each row the element of the row's number; NULL after the last one."""
    items = _present(args[0])[0][0] if rows else Items("i64")
    kept, type = items.values[:rows], Type(items.kind)
    values = np.full(rows, type.zero, type.dtype)
    values[: len(kept)] = kept
    return Optional(values, np.arange(rows) < len(kept))


def _one(accepted: Callable[[Type], bool], result: Callable[[Type], Type]) -> Callable[[tuple[Type, ...]], Type | None]:
    return lambda args: result(args[0]) if len(args) == 1 and accepted(args[0].plain()) else None


def _and_index(result: Callable[[Type], Type]) -> Callable[[tuple[Type, ...]], Type | None]:
    return lambda args: result(args[0]) if len(args) == 2 and args[1] == I64 else None


def _wide(type: Type) -> bool:
    return type in (I64, F64)


def _ordered(type: Type) -> bool:
    return type == BOOL or type.is_int or type == F64


def _comparable(type: Type) -> bool:
    return _ordered(type) or type == STR


def _rows(args: tuple[Type, ...]) -> Type | None:
    return I64 if args and _comparable(args[0].plain()) and args[1:] in ((), (I64,)) else None


def _grouped(accepted: Callable[[Type], bool]) -> Callable[[tuple[Type, ...]], Type | None]:
    return lambda args: args[0].plain() if len(args) == 2 and args[1] == I64 and accepted(args[0].plain()) else None


def _collected_type(args: tuple[Type, ...]) -> Type | None:
    return list_of(args[0]) if len(args) == 1 and args[0].kind in LISTS.values() and not args[0].nullable else None


def _list_elements(args: tuple[Type, ...]) -> Type | None:
    return args[0].element.optional() if len(args) == 1 and args[0].is_list and not args[0].nullable else None


def _rolling(args: tuple[Type, ...]) -> Type | None:
    return F64 if args == (F64, I64) else None


def _weighted(args: tuple[Type, ...]) -> Type | None:
    return F64 if args == (F64, F64) else None


def _like_argument(to: Type) -> Callable[[Type], Type]:
    return lambda given: to.optional() if given.nullable else to


#: name -> its type rule and meaning. A `sum` of f64 adds pairwise, as NumPy adds contiguous doubles; that of i64 wraps.
#: The second argument of `grouped_...` has codes below the number of rows; rows of one code are combined in their order.
#: `buffered_sum` adds as NumPy adds integers converted to doubles. `product` multiplies in the
#: order of the rows. Keys of orders, and values that are compared, are not NaN.
WHOLES: dict[str, _Function] = {
    "position": _Function(lambda args: None if args else I64, lambda args, rows: np.arange(rows, dtype=np.int64)),
    "sum": _Function(_one(_wide, Type.plain), _sum),
    "buffered_sum": _Function(_one(lambda type: type == F64, Type.plain), _buffered_sum),
    "product": _Function(_one(_wide, Type.plain), _product),
    "min": _Function(_one(_ordered, lambda type: type), _extreme(smallest=True)),
    "max": _Function(_one(_ordered, lambda type: type), _extreme(smallest=False)),
    "at": _Function(_and_index(lambda type: type), _at),
    "collected": _Function(_collected_type, _collected),
    "elements": _Function(_list_elements, _elements),
    "sorted": _Function(_one(_wide, Type.optional), _sorted),
    "shift": _Function(_and_index(Type.optional), _shift),
    "running_sum": _Function(_one(_wide, lambda type: type), _running(np.add)),
    "running_max": _Function(_one(_wide, lambda type: type), _running(np.maximum)),
    "running_min": _Function(_one(_wide, lambda type: type), _running(np.minimum)),
    "order": _Function(_rows, _order(descending=False)),
    "descending_order": _Function(_rows, _order(descending=True)),
    "take": _Function(_and_index(lambda type: type), _take),
    **{f"same_{what}": _Function(_one(_comparable, _like_argument(I64)), _same(what)) for what in ("first", "last", "count")},
    "fill_forward": _Function(_one(lambda type: True, Type.optional), _fill(1)),
    "fill_backward": _Function(_one(lambda type: True, Type.optional), _fill(-1)),
    "grouped_sum": _Function(_grouped(_wide), _grouped_sum(running=False)),
    "grouped_running_sum": _Function(_grouped(_wide), _grouped_sum(running=True)),
    "grouped_min": _Function(_grouped(_wide), _grouped_extreme(smallest=True)),
    "grouped_max": _Function(_grouped(_wide), _grouped_extreme(smallest=False)),
    "grouped_squares": _Function(_grouped(lambda type: type == F64), _grouped_squares),
    **{f"rolling_{what}": _Function(_rolling, rolling(what)) for what in STATISTICS},
    "weighted_mean": _Function(_weighted, weighted_mean(adjusted=False)),
    "adjusted_weighted_mean": _Function(_weighted, weighted_mean(adjusted=True)),
    **{
        f"rank_{method}": _Function(_one(_wide, _like_argument(F64)), _rank(method))
        for method in ("average", "min", "max", "first", "dense")
    },
}
