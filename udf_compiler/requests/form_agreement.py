"""Compares the forms of a program column by column and reports why a row may depend on its batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from sparkweld.contract import requests
from sparkweld.contract.requests import PipelineRequest
from sparkweld.ir.ops import Read
from sparkweld.ir.program import Input, Loop, body_types
from udf_compiler.boundary.columns import ONE_FORM, title_of
from udf_compiler.frontends.pandas.any_form import MOST_COLUMNS, for_all_forms
from udf_compiler.frontends.tracing.value_numbering import Term, Terms


@dataclass(frozen=True, slots=True)
class BatchCall:
    """A call whose function sees NULLs through the dtypes of its batch.

    `loop` is the number of its loop; `columns` are the input columns whose dtype depends on NULLs. `spreads`: one row of a
    batch may decide the results of other rows, or where they are computed.
    """

    udf: str
    loop: int
    columns: frozenset[str]
    spreads: bool


@dataclass(frozen=True, slots=True)
class Form:
    """The traced loops of a request, for batches with NULLs in some columns and without NULLs in the others."""

    inputs: Sequence[Input]
    loops: Sequence[Loop]
    calls: Sequence[BatchCall]


def batchwise(
    request: PipelineRequest, calls: Sequence[BatchCall], trace: Callable[[PipelineRequest], Form | None]
) -> str | None:
    """Returns why a row's result may differ between batches; None if it provably does not, or if the request does not require it.

    One trace may represent all forms (see `any_form`). Otherwise the forms are compared. A row that has a NULL occurs only
    in batches with NULLs in that column. So each form is compared with the form that has NULLs in one more column, over rows
    where that column is not NULL.
    """
    if not request.regrouped or any(map(_has_nulls, request.inputs)):
        return None
    for call in calls:
        if call.spreads:
            return f"a row may decide about others of its batch in {call.udf}"
    if _in_all_forms(request, calls, trace):
        return None
    forms: dict[frozenset[str], Form | None] = {}
    for call in calls:
        if len(call.columns) > MOST_COLUMNS:
            return f"{call.udf} reads {len(call.columns)} columns whose NULLs decide dtypes"
        for some, column in _steps(call.columns):
            for nulls in (some, some | {column}):
                if nulls not in forms:
                    forms[nulls] = trace(_with_nulls(request, nulls))
            found = _difference(forms[some], forms[some | {column}], column)
            if found is not None:
                return found
    return None


def _in_all_forms(
    request: PipelineRequest, calls: Sequence[BatchCall], trace: Callable[[PipelineRequest], Form | None]
) -> bool:
    """Whether one trace represents all forms.

    A call of one column has only two forms, and comparing those is as cheap.
    """
    if all(len(call.columns) < 2 for call in calls):
        return False
    with for_all_forms():
        form = trace(_with_nulls(request, frozenset().union(*(call.columns for call in calls))))
    return form is not None and len(form.calls) == len(calls) and not any(call.spreads for call in form.calls)


def _steps(columns: frozenset[str]) -> Iterator[tuple[frozenset[str], str]]:
    """Yields each proper subset of the columns with each column that it lacks."""
    for count in range(len(columns)):
        for some in map(frozenset, combinations(sorted(columns), count)):
            yield from ((some, column) for column in sorted(columns - some))


def _has_nulls(given: requests.Input) -> bool:
    """Whether an input belongs to a form for batches with NULLs in it; batch dependence is not checked for those."""
    return given.state == "nullable" and given.type not in ONE_FORM


def _with_nulls(request: PipelineRequest, columns: frozenset[str]) -> PipelineRequest:
    inputs = (replace(given, state="nullable") if given.name in columns else given for given in request.inputs)
    return replace(request, inputs=tuple(inputs))


def _difference(less: Form | None, more: Form | None, column: str) -> str | None:
    if less is None or more is None:
        return f"there is no kernel for a batch with NULLs in {title_of(column)}"
    if any(call.spreads for call in (*less.calls, *more.calls)):
        return f"a row may decide about others of a batch that has NULLs in {title_of(column)}"
    calls = {call.loop for call in less.calls}
    if calls != {call.loop for call in more.calls} or len(less.loops) != len(more.loops):
        return f"it computes other columns in a batch that has NULLs in {title_of(column)}"
    terms = Terms()
    title = title_of(column)
    sides = [_columns_of(form, terms, column) for form in (less, more)]
    for number, loops in enumerate(zip(less.loops, more.loops, strict=True)):
        results = [_Results.of(loop, columns, terms) for loop, columns in zip(loops, sides, strict=True)]
        if number in calls and results[0] != results[1]:
            return f"{loops[0].name} returns other rows where the batch has a NULL in {title}"
        for result, columns in zip(results, sides, strict=True):
            columns.update(result.columns)
    return None


def _columns_of(form: Form, terms: Terms, present: str) -> dict[str, Term]:
    """Returns the input columns of a row in which `present` is not NULL."""
    columns = {}
    for given in form.inputs:
        columns[given.name] = terms.column(given.name, given.type, is_null=given.type.nullable and given.name != present)
    return columns


@dataclass(frozen=True, slots=True)
class _Results:
    """The effects of a loop: the columns it appends, the rows its guards flag, and the rows its filter keeps."""

    columns: dict[str, Term]
    guards: frozenset[int]
    where: int | None
    some: int

    @staticmethod
    def of(loop: Loop, columns: dict[str, Term], terms: Terms) -> _Results:
        types, made = body_types(loop), []
        for let, type in zip(loop.body, types, strict=True):
            if isinstance(let.op, Read):
                made.append(columns[let.op.column])
            else:
                made.append(terms.apply(let.op, [made[a] for a in let.args], type))
        guards = frozenset(made[g].key for g in loop.guards if made[g].constant != 1)
        where = None if loop.where is None else made[loop.where].key
        appended = {a.column: made[a.value] for a in loop.appends}
        return _Results(appended, guards, where, len(loop.some))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Results) or self.columns.keys() != other.columns.keys():
            return False
        same = all(_is_same(term, other.columns[name]) for name, term in self.columns.items())
        return same and (self.guards, self.where, self.some) == (other.guards, other.where, other.some)


def _is_same(a: Term, b: Term) -> bool:
    """Whether two columns have equal values and equal NULLs."""
    if a.type.plain() != b.type.plain() or a.key != b.key:
        return False
    return (a.valid and a.valid.key) == (b.valid and b.valid.key)
