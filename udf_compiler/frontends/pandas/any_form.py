"""Traces a function once for all forms of its batches, by comparing each operation across the forms of its operands.

A column whose NULLs decide its dtype is an `AnyForm`. An operation on such columns runs for each combination of their forms.
Its result is a plain value once all combinations agree, over rows where the columns that a combination treats as dense are not
NULL. Otherwise it is an `AnyForm` again. An operation depends only on the class, dtype and values of its operands. So, by
induction over the operations, the function returns that result in each form. Thirty columns that are each multiplied by a float
cost sixty operations, not 2**30 traces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NoReturn

import pandas as pd

from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Read
from sparkweld.reasons import refusal
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.columns import ColumnLike
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.tracing.session import refuse, refuse_again
from udf_compiler.frontends.tracing.value_numbering import Term, Terms
from udf_compiler.frontends.tracing.values import BINARY, REFLECTED, UNARY, series_class
from udf_compiler.process.context_variables import assigned

#: A value or call of more columns has too many forms to compare one by one.
MOST_COLUMNS = 4
_NULLS = "a column has NULLs"

_ASKED: ContextVar[bool] = ContextVar("sparkweld_any_form", default=False)


def for_all_forms() -> AbstractContextManager[object]:
    """Makes columns with NULLs represent every form inside the block."""
    return assigned(_ASKED, True)


def asks_for_all_forms() -> bool:
    """Whether the current trace represents all forms."""
    return _ASKED.get()


class AnyForm(ColumnLike):
    """A Series with the same numbers in every form, but whose dtype depends on which input `columns` have NULLs in the batch.

    `series(dense)` creates it for batches without NULLs in `dense` and with NULLs in the other columns.
    """

    __slots__ = ("columns", "loop", "series", "shared")
    what = "Series"
    stands_for = pd.Series
    operator_rank = 3

    loop: LoopBuilder
    columns: frozenset[str]
    series: Callable[[frozenset[str]], Any]

    def __init__(self, loop: LoopBuilder, columns: frozenset[str], series: Callable[[frozenset[str]], Any]) -> None:
        self.loop, self.columns, self.series, self.shared = loop, columns, series, True

    @staticmethod
    def of_column(value: Value, series: Callable[[str], Any]) -> AnyForm:
        """Returns the AnyForm of an input column; `series(state)` creates its Series. Refuses (SW255) an expression."""
        read = value.loop.body[value.id].op
        if not isinstance(read, Read):
            raise refusal("SW255", call="an expression", when=_NULLS, advice="")
        columns = frozenset({read.column})

        def formed(dense: frozenset[str]) -> Any:
            try:
                return series("dense" if columns <= dense else "nullable")
            except Refusal as error:
                refuse_again(error)

        return AnyForm(value.loop, columns, formed)

    __class__ = property(series_class)  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name in NUMBERS.methods:
            return lambda *args, **kwargs: in_all_forms(lambda s, *a, **k: getattr(s, name)(*a, **k), (self, *args), kwargs)
        if name not in NUMBERS.properties or name == "dtype":
            refuse("SW255", call=f"Series.{name}", when=_NULLS, advice="")
        return in_all_forms(lambda s: getattr(s, name), (self,), {})

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        return in_all_forms(REFLECTED[name] if reflected else BINARY[name], (self, other), {})

    def _unary(self, name: str) -> Any:
        return in_all_forms(UNARY[name], (self,), {})

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return in_all_forms(getattr(ufunc, method), inputs, kwargs)


def concerns(*given: Any) -> bool:
    """Whether an AnyForm is among the values, or inside a list, tuple or dict of them."""
    return _ASKED.get() and bool(_found(given))


def check_none(place: str, *given: Any) -> None:
    """Refuses (SW255) an AnyForm where its forms cannot be compared."""
    if concerns(*given):
        raise refusal("SW255", place, call="a function", when=_NULLS, advice="")


def in_all_forms(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Evaluates `function` in all forms of the arguments; returns a plain result where all forms agree, else an AnyForm.

    Refuses (SW255) a function that flags different rows in some form.
    """
    given = _found((args, kwargs))
    (loop, *others) = dict.fromkeys(x.loop for x in given)
    columns = frozenset().union(*(x.columns for x in given))
    if len(columns) > MOST_COLUMNS or others:
        _refuse(function)

    def formed(dense: frozenset[str]) -> Any:
        return function(*_formed(args, dense), **_formed(kwargs, dense))

    terms, pictures = Terms(), []
    for count in range(1, len(columns) + 1):
        for dense in map(frozenset, combinations(sorted(columns), count)):
            mark = loop.mark()
            pictures.append((dense, _picture(loop, formed(dense), terms, dense)))
            loop.undo(mark)
    result = formed(frozenset())
    pairs = [(picture, _picture(loop, result, terms, dense)) for dense, picture in pictures]
    if any(a is None or b is None or a.guards != b.guards for a, b in pairs):
        _refuse(function)
    return result if all(a == b for a, b in pairs) else AnyForm(loop, columns, formed)


def _refuse(function: Callable[..., Any]) -> NoReturn:
    refuse("SW255", call=getattr(function, "__name__", "a function"), when=_NULLS, advice="")


def _found(x: Any) -> list[AnyForm]:
    if type(x) is AnyForm:
        return [x]
    if isinstance(x, dict):
        x = tuple(x.values())
    return [a for part in x for a in _found(part)] if type(x) in (list, tuple) else []


def _formed(x: Any, dense: frozenset[str]) -> Any:
    """Replaces each AnyForm by its Series."""
    if type(x) is AnyForm:
        return x.series(dense)
    if isinstance(x, dict):
        return {key: _formed(value, dense) for key, value in x.items()}
    return type(x)(_formed(part, dense) for part in x) if type(x) in (list, tuple) else x


@dataclass(frozen=True, slots=True)
class _Picture:
    """The observable properties of a result: its class and dtype, and a key of its values.

    `guards`: the rows that the loop flags.
    """

    seen: Any
    value: Any
    guards: frozenset[Any]


def _picture(loop: LoopBuilder, result: Any, terms: Terms, dense: frozenset[str]) -> _Picture | None:
    """Snapshots a result for rows where the `dense` columns are not NULL; None where other properties are observable."""
    if type(result) is TracedSeries and result.batch_dependent is None:
        seen: Any = (result._dtype, result.kind, result.missing, result.has_nat, result.nat_objects)
    elif type(result) is TracedArray and result.ndim == 1:
        seen = ("array", str(result.dtype))
    else:
        return None
    if result.loop is not loop or loop.some:
        return None
    made = _terms_of(loop, terms, dense)
    value = made[result.value.id]
    guards = frozenset((made[g].key, g in loop.local) for g in loop.guards if made[g].constant != 1)
    return _Picture(seen, (str(value.type.plain()), value.key, value.valid and value.valid.key), guards)


def _terms_of(loop: LoopBuilder, terms: Terms, dense: frozenset[str]) -> list[Term]:
    made: list[Term] = []
    for at, let in enumerate(loop.body):
        type = loop.value(at).type
        if isinstance(let.op, Read):
            made.append(terms.column(let.op.column, type, is_null=type.nullable and let.op.column not in dense))
        else:
            made.append(terms.apply(let.op, [made[a] for a in let.args], type))
    return made
