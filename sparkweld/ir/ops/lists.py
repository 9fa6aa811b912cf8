"""Defines the ops of lists: Python's builtins and ndarray's methods, applied to the elements of a row's list."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.ops.base import Array, Op
from sparkweld.ir.ops.strings import column
from sparkweld.ir.python_rules import RULES
from sparkweld.ir.types import BOOL, F32, F64, I64, LISTS, STR, Items, Type, list_of, of_dtype

_LOW, _HIGH = -(2**63), 2**63 - 1

#: Represents None as a bound of `stepped`.
NO_BOUND = 2**62 + 1

#: The function that equals Python's `sum` of floats.
PYTHON_SUM = "sum_compensated" if RULES.compensates_floats else "sum_in_order"


@dataclass(frozen=True)
class ListFunction:
    """A function of lists: its semantics for a row (`row`), result type, accepted element types, and further argument types."""

    row: Callable[..., Any]
    result: Callable[[Type], Type]
    takes: Callable[[Type], bool] = lambda element: True
    more: Callable[[Type], tuple[Type, ...]] = lambda element: ()


def _at(xs: np.ndarray, index: int) -> Any:
    return xs[index] if 0 <= index < len(xs) else _type_of(xs).zero


def _type_of(xs: np.ndarray) -> Type:
    return of_dtype(xs.dtype) or STR


def _items(xs: np.ndarray, values: list[Any]) -> Items:
    return Items(_type_of(xs).kind, tuple(values))


def _sum(xs: np.ndarray) -> int | None:
    total = 0
    for x in xs.tolist():
        total += x
        if not _LOW <= total <= _HIGH:
            return None
    return total


def _sum_in_order(xs: np.ndarray) -> float:
    total = 0.0
    for x in xs.tolist():
        total += x
    return total


def _sum_compensated(xs: np.ndarray) -> float:
    """Sums floats as CPython does (bltinmodule.c): Neumaier's variant of Kahan's summation."""
    total, correction = 0.0, 0.0
    for number, x in enumerate(xs.tolist()):
        if number == 0:
            total = 0.0 + x
            continue
        new = total + x
        correction += (total - new) + x if abs(total) >= abs(x) else (x - new) + total
        total = new
    return total + correction if correction and math.isfinite(correction) else total


def _most_summands() -> int:
    """Returns the size of NumPy's buffer if 1e16 has lost two ones, each of which it meets in another buffer, else no limit."""
    xs = np.zeros(BUFFER + 1)
    xs[0], xs[-2:] = 1e16, 1.0
    return BUFFER if np.add.reduce(xs) == 1e16 else 1 << 62


#: Elements that NumPy converts at a time where it adds integers as doubles: the size of its buffers.
BUFFER = 8192
#: Elements that NumPy adds pairwise at a time: those of a buffer before NumPy 2, else all.
MOST_SUMMANDS = _most_summands()


def _sum_pairwise(xs: np.ndarray) -> Any:
    return np.add.reduce(xs)


def _sum_products(xs: np.ndarray) -> Any:
    """Adds products of float32 as OpenBLAS adds fewer than 32 on x86-64: in float64, in their order."""
    return np.float32(_sum_in_order(xs))


def _extreme(comparison: Callable[[Any, Any], Any]) -> Callable[[np.ndarray], Any]:
    def found(xs: np.ndarray) -> Any:
        best = None
        for x in xs:
            if best is None or comparison(x, best):
                best = x
        return best

    return found


def _propagating(comparison: Callable[[Any, Any], Any]) -> Callable[[np.ndarray], Any]:
    """Finds NumPy's minimum or maximum: NaN if there is one. Of 0.0 and -0.0 it returns the first."""

    def found(xs: np.ndarray) -> Any:
        missing = [x for x in xs if x != x]
        return missing[0] if missing else _extreme(comparison)(xs)

    return found


def _less(a: Any, b: Any) -> bool:
    return bool(a < b)


def _greater(a: Any, b: Any) -> bool:
    return bool(a > b)


def _slice(xs: np.ndarray, start: int, stop: int) -> Items:
    return _items(xs, xs[start:stop].tolist())


def _stepped(xs: np.ndarray, *parts: int) -> Items:
    start, stop, step = (None if part == NO_BOUND else int(part) for part in parts)
    return _items(xs, xs.tolist()[start:stop:step] if step != 0 else [])


def _find(xs: np.ndarray, wanted: Any) -> int:
    return next((at for at, x in enumerate(xs.tolist()) if x == wanted), -1)


def _find_last(xs: np.ndarray, wanted: Any) -> int:
    return next((at for at in reversed(range(len(xs))) if xs[at] == wanted), -1)


def _first_at(xs: np.ndarray) -> Items:
    found: dict[Any, int] = {}
    for at, x in enumerate(xs.tolist()):
        found.setdefault(x, at)
    return Items("i64", tuple(found.values()))


def _last_at(xs: np.ndarray) -> Items:
    return Items("i64", tuple({x: at for at, x in enumerate(xs.tolist())}.values()))


def _take(xs: np.ndarray, at: Items) -> Items:
    inside = all(0 <= i < len(xs) for i in at.values)
    return _items(xs, xs[list(at.values)].tolist() if inside and at.values else [])


def _sorted(xs: np.ndarray, values: Iterable[Any], reverse: bool = False) -> Items:
    return _items(xs, sorted(values, reverse=reverse) if bool(np.all(xs == xs)) else [])


def _argsort(xs: np.ndarray) -> Items:
    known = xs.tolist()
    return Items("i64", tuple(sorted(range(len(known)), key=known.__getitem__)) if bool(np.all(xs == xs)) else ())


def _is_utf8(xs: np.ndarray) -> bool:
    return not any("\ud800" <= c <= "\udfff" for x in xs for c in x)


def _element(element: Type) -> Type:
    return element


def _is_whole(element: Type) -> bool:
    return element.is_int or element == BOOL


_FLOATS, _WHOLE, _ORDERED = lambda e: e.is_float, _is_whole, lambda e: e != BOOL
_TEXTS = lambda e: e == STR  # noqa: E731
_KEYS = lambda e: not e.is_float  # noqa: E731

_CONCAT = ListFunction(lambda xs, ys: _items(xs, [*xs.tolist(), *ys.values]), list_of, more=lambda e: (list_of(e),))

#: Name -> function. complete: no element is NULL; all other functions except `filled` require it. filled: replaces NULL by NaN.
#: at: the element at an index, zero outside of the list. slice: Python's xs[a:b]; stepped: xs[a:b:c], empty for a step of 0.
#: count: the number of equal elements; find, find_last: the index of the first and of the last, -1 for none. first_at, last_at:
#: for each distinct element, in the order of their first occurrences, the index of its first or last one; take: the elements at
#: these indices, none if one is outside. equal: same length and equal elements. sorted, sorted_down: stable. argsort: the
#: positions of the elements in ascending order. distinct: sorted, and keeps the first of equal elements. cumulative: the sum up
#: to each element. join: joins xs with a separator. sum: of integers, NULL past 64 bits; `sum_wrapping` is NumPy's sum of
#: integers, the other sums are of floats, and `sum_products` rounds to float32 once. smallest, largest: Python's min and max;
#: minimum, maximum: NumPy's, where a NaN wins; all four are NULL for an empty list. ordered: no element is NaN; otherwise
#: sorted, argsort and distinct return an empty list.
FUNCTIONS: dict[str, ListFunction] = {
    "complete": ListFunction(lambda xs: True, lambda e: BOOL),
    "filled": ListFunction(lambda xs: _items(xs, xs.tolist()), list_of, _FLOATS),
    "length": ListFunction(len, lambda e: I64),
    "at": ListFunction(_at, _element, more=lambda e: (I64,)),
    "slice": ListFunction(_slice, list_of, more=lambda e: (I64, I64)),
    "stepped": ListFunction(_stepped, list_of, more=lambda e: (I64, I64, I64)),
    "concat": _CONCAT,
    "extended": _CONCAT,  # a kernel never returns a view of the second list
    "sorted": ListFunction(lambda xs: _sorted(xs, xs.tolist()), list_of),
    "sorted_down": ListFunction(lambda xs: _sorted(xs, xs.tolist(), reverse=True), list_of),
    "argsort": ListFunction(_argsort, lambda e: list_of(I64), _ORDERED),
    "cumulative": ListFunction(lambda xs: _items(xs, np.add.accumulate(xs).tolist()), list_of, lambda e: e in (F32, F64, I64)),
    "distinct": ListFunction(lambda xs: _sorted(xs, dict.fromkeys(xs.tolist())), list_of),
    "equal": ListFunction(lambda xs, ys: xs.tolist() == list(ys.values), lambda e: BOOL, more=lambda e: (list_of(e),)),
    "find": ListFunction(_find, lambda e: I64, more=lambda e: (e,)),
    "find_last": ListFunction(_find_last, lambda e: I64, _KEYS, lambda e: (e,)),
    "first_at": ListFunction(_first_at, lambda e: list_of(I64), _KEYS),
    "last_at": ListFunction(_last_at, lambda e: list_of(I64), _KEYS),
    "take": ListFunction(_take, list_of, more=lambda e: (list_of(I64),)),
    "join": ListFunction(lambda xs, sep: sep.join(xs.tolist()), lambda e: STR, _TEXTS, lambda e: (STR,)),
    "valid_utf8": ListFunction(_is_utf8, lambda e: BOOL, _TEXTS),
    "count": ListFunction(lambda xs, x: sum(y == x for y in xs.tolist()), lambda e: I64, more=lambda e: (e,)),
    "sum": ListFunction(_sum, lambda e: I64.optional(), _WHOLE),
    "sum_wrapping": ListFunction(lambda xs: int(np.add.reduce(xs.astype(np.int64))), lambda e: I64, _WHOLE),
    "sum_in_order": ListFunction(_sum_in_order, lambda e: F64, _FLOATS),
    "sum_compensated": ListFunction(_sum_compensated, lambda e: F64, _FLOATS),
    "sum_pairwise": ListFunction(_sum_pairwise, _element, _FLOATS),
    "sum_products": ListFunction(_sum_products, _element, lambda e: e == F32),
    "smallest": ListFunction(_extreme(_less), Type.optional, _ORDERED),
    "largest": ListFunction(_extreme(_greater), Type.optional, _ORDERED),
    "minimum": ListFunction(_propagating(_less), Type.optional, _FLOATS),
    "maximum": ListFunction(_propagating(_greater), Type.optional, _FLOATS),
    "ordered": ListFunction(lambda xs: bool(np.all(xs == xs)), lambda e: BOOL, _FLOATS),
    "any": ListFunction(lambda xs: any(xs.tolist()), lambda e: BOOL),
    "all": ListFunction(lambda xs: all(xs.tolist()), lambda e: BOOL),
}


#: The name of sums of products, and their largest difference from BLAS, which adds in an order of its own.
DOT = "np.dot"
DOT_BOUND = "2 * n * eps * sum(|x * y|) of the n elements of a row"

#: Functions that allocate new lists or strings.
NEW = frozenset(
    "stepped concat extended sorted sorted_down argsort cumulative distinct join first_at last_at take".split()
)


@dataclass(frozen=True, slots=True)
class ListCall(Op):
    """Applies `fn` of `FUNCTIONS` to lists of a `type`, row-locally; written ``list.at[list<f64>] %0 %1``.

    All functions but `complete` and `filled` require complete lists.
    """

    fn: str
    type: Type
    name: ClassVar[str] = "list"

    def __post_init__(self) -> None:
        if self.fn not in FUNCTIONS:
            raise VerifyError(f"unknown function of lists {self.fn!r}")
        if not self.type.is_list or self.type.nullable or not FUNCTIONS[self.fn].takes(self.type.element):
            raise VerifyError(f"list.{self.fn} does not apply to {self.type}")

    def infer(self, *args: Type) -> Type:
        function, element = FUNCTIONS[self.fn], self.type.element
        wanted = (self.type, *function.more(element))
        if args != wanted:
            raise VerifyError(f"list.{self.fn} expects ({', '.join(map(str, wanted))}), got ({', '.join(map(str, args))})")
        return function.result(element)

    @property
    def bound(self) -> str | None:
        return DOT_BOUND if self.fn == "sum_products" else None

    def evaluate(self, *args: Array) -> Array:
        lists, *more = np.broadcast_arrays(*args)  # type: ignore[arg-type]
        element = self.type.element
        if self.fn == "complete":
            return np.array([None not in items.values for items in lists], np.bool_)
        rows = zip(lists, *more, strict=True)
        with np.errstate(all="ignore"):
            given = [FUNCTIONS[self.fn].row(array_of(items, element), *values) for items, *values in rows]
        return column(given, FUNCTIONS[self.fn].result(element))


@dataclass(frozen=True, slots=True)
class MakeList(Op):
    """The list of a `type` whose elements are the arguments; written ``list_of[list<f64>] %0 %1``."""

    type: Type
    name: ClassVar[str] = "list_of"

    def infer(self, *args: Type) -> Type:
        ok = self.type.is_list and not self.type.nullable and bool(args) and set(args) == {self.type.element}
        self._wants(ok, f"elements of {self.type}", args)
        return self.type

    def evaluate(self, *args: Array) -> Array:
        rows = np.broadcast_arrays(*args)  # type: ignore[arg-type]
        kind = self.type.element.kind
        return column([Items(kind, values) for values in zip(*(np.atleast_1d(r).tolist() for r in rows), strict=True)], self.type)


@dataclass(frozen=True, slots=True)
class ListAppend(Op):
    """A list of a `type` with one more element at the end; written ``list_append[list<f64>] %0 %1``."""

    type: Type
    name: ClassVar[str] = "list_append"

    def infer(self, *args: Type) -> Type:
        ok = self.type.is_list and not self.type.nullable and args == (self.type, self.type.element)
        self._wants(ok, f"{self.type} and an element", args)
        return self.type

    def evaluate(self, *args: Array) -> Array:
        lists, elements = np.broadcast_arrays(*map(np.atleast_1d, args))  # type: ignore[arg-type]
        kind = self.type.element.kind
        pairs = zip(lists.tolist(), elements.tolist(), strict=True)
        return column([Items(kind, (*items.values, x)) for items, x in pairs], self.type)


@dataclass(frozen=True, slots=True)
class ListCopy(Op):
    """A copy of a list of a `type`, which shares no memory with another list; written ``list_copy[list<f64>, 4, 0] %0``.

    `instruction` and `number` distinguish the copies of a block: equal values become one value, and each copy may be changed.
    """

    type: Type
    instruction: int
    number: int
    name: ClassVar[str] = "list_copy"

    def infer(self, *args: Type) -> Type:
        self._wants(self.type.is_list and not self.type.nullable and args == (self.type,), f"{self.type}", args)
        return self.type

    def evaluate(self, *args: Array) -> Array:
        return args[0]


@dataclass(frozen=True, slots=True)
class ListStore(Op):
    """A list of a `type` with another element at an index; written ``list_store[list<f64>] %0 %1 %2``.

    An index outside the list changes nothing. A kernel overwrites the element in place if the list is in the arena. So no op
    after this one may read the first argument, or a list that shares memory with it.
    """

    type: Type
    name: ClassVar[str] = "list_store"

    def infer(self, *args: Type) -> Type:
        ok = self.type.is_list and not self.type.nullable and args == (self.type, I64, self.type.element)
        self._wants(ok, f"{self.type}, an index and an element", args)
        return self.type

    def evaluate(self, *args: Array) -> Array:
        lists, indices, elements = np.broadcast_arrays(*map(np.atleast_1d, args))  # type: ignore[arg-type]
        rows = zip(lists.tolist(), indices.tolist(), elements.tolist(), strict=True)
        return column([_stored(items, index, x) for items, index, x in rows], self.type)


def _stored(items: Items, index: int, x: Any) -> Items:
    if not 0 <= index < len(items.values):
        return items
    return Items(items.kind, (*items.values[:index], x, *items.values[index + 1 :]))


ListAppend.examples = tuple((ListAppend(Type(kind)), (Type(kind), Type(kind).element)) for kind in LISTS)
ListCopy.examples = tuple((ListCopy(Type(kind), 4, 0), (Type(kind),)) for kind in LISTS)
ListStore.examples = tuple((ListStore(Type(kind)), (Type(kind), I64, Type(kind).element)) for kind in LISTS)
MakeList.examples = tuple((MakeList(Type(kind)), (Type(kind).element,) * 2) for kind in LISTS)


def array_of(items: Items, element: Type) -> np.ndarray:
    """Converts the elements to an array, with NaN (of floats) or zero in place of NULL."""
    missing = math.nan if element.is_float else element.zero
    return np.array([missing if x is None else x for x in items.values], element.dtype)


def _examples() -> tuple[tuple[Op, tuple[Type, ...]], ...]:
    found: list[tuple[Op, tuple[Type, ...]]] = []
    for fn, function in FUNCTIONS.items():
        for kind in LISTS:
            element = Type(kind).element
            if function.takes(element):
                found.append((ListCall(fn, Type(kind)), (Type(kind), *function.more(element))))
    return tuple(found)


ListCall.examples = _examples()
