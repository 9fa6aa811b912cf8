"""Checks annotations by trial: the call on random chunks must equal the call on the whole, with unchanged inputs.

Mozart trusted its annotations, and some in its own tables were wrong. No finite number of trials proves one right. These find
the faults that occur in practice: state, results of another length, dependence on neighbours, lost or reordered rows, changed
inputs.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.annotations.annotation import Annotation, Arguments, check_signature
from sparkweld.annotations.containers import count_rows, equal, has_rows
from sparkweld.annotations.errors import AnnotationError, DomainError
from sparkweld.annotations.split_types import Filtered, Mutated, Rows, SplitType, Unknown

#: Rows of each trial, and the number of random cuts of each. Zero rows come first, then one.
_SIZES = (0, 1, 2, 7, 64, 257)
_CUTS = 3


@dataclass(frozen=True)
class _Call:
    """One trial: the arguments, copied for every use, because a function may change them."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def fresh(self) -> Arguments:
        return tuple(_copy(a) for a in self.args), {k: _copy(v) for k, v in self.kwargs.items()}


@dataclass(frozen=True)
class _Whole:
    """The result of the call on the whole, and its arguments afterwards, in the form of `Annotation.typed`."""

    result: Any
    after: list[tuple[str, SplitType, Any]]


def check(annotation: Annotation, seed: int = 0) -> int:
    """Tries an annotation, and returns the number of conclusive trials. Raises AnnotationError with the input that fails.

    A call on the whole that raises is inconclusive (a function may require rows); when all raise, the annotation cannot be
    checked.
    """
    check_signature(annotation)
    rng = np.random.default_rng(seed)
    told, error = 0, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the function's warnings about unusual example values
        for rows in _SIZES:
            call = _example(annotation, rng, rows)
            whole = _run(annotation, call)
            if isinstance(whole, str):
                error = whole
                continue
            _one_trial(annotation, call, rows, whole, rng)
            told += 1
    if told == 0:
        raise AnnotationError(f"{annotation.name} cannot be checked: every call on its examples raises {error}. Give examples=.")
    return told


def _example(annotation: Annotation, rng: np.random.Generator, rows: int) -> _Call:
    try:
        if annotation.examples is not None:
            args, kwargs = annotation.examples(rng, rows)
            args, kwargs = tuple(args), dict(kwargs)
        else:
            args = tuple(t.example(rng, rows) for t in annotation.args)
            kwargs = {name: t.example(rng, rows) for name, t in annotation.kwargs.items()}
    except LookupError as error:
        raise AnnotationError(f"{annotation.name} cannot be checked: {error}. Give examples=.") from None
    except Exception as error:
        what = f"its examples, functions from a number of rows to (args, kwargs), raise {type(error).__name__}: {error}"
        raise AnnotationError(f"{annotation.name} cannot be checked: {what}.") from error
    return _Call(args, kwargs)


def _run(annotation: Annotation, call: _Call) -> _Whole | str:
    """Calls the function on the whole; returns the result, or the error that it raises as a string."""
    args, kwargs = call.fresh()
    try:
        return _Whole(annotation.call(args, kwargs), annotation.typed(args, kwargs))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - any function may be called here, and its error is the result
        return f"{type(error).__name__}: {error}"


def _one_trial(annotation: Annotation, call: _Call, rows: int, whole: _Whole, rng: np.random.Generator) -> None:
    again = _run(annotation, call)
    if isinstance(again, str) or not annotation.returns.same(again.result, whole.result):
        given = again if isinstance(again, str) else again.result
        raise _fault(annotation, call, "keeps state: a second call on the same input returns", given, whole.result)
    _check_inputs(annotation, call, whole)
    try:
        found = annotation.rows(call.args, call.kwargs)
    except DomainError as fault:
        raise AnnotationError(f"{annotation.name}: its examples do not fit it: {fault}") from None
    if isinstance(annotation.returns, Rows) and found is not None:
        length = count_rows(whole.result) if has_rows(whole.result) else None
        if length != found:
            raise _fault(annotation, call, f"returns another length for {found} rows than annotated:", length, found)
    if isinstance(annotation.returns, Unknown) or found is None:
        return
    for cuts in _cuts(rng, rows) if rows else [[0, 0]]:
        _try_cuts(annotation, call, cuts, whole)


def _try_cuts(annotation: Annotation, call: _Call, cuts: Sequence[int], whole: _Whole) -> None:
    args, kwargs = call.fresh()
    try:
        merged = annotation.on_pieces(args, kwargs, cuts)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as in `_run`
        said = f"{type(error).__name__}: {error}"
        raise _fault(annotation, call, f"fails for the chunks {_pieces(cuts)}:", said, whole.result) from None
    if not annotation.returns.same(merged, whole.result):
        raise _fault(annotation, call, f"returns another result for the chunks {_pieces(cuts)}:", merged, whole.result)
    for (name, split_type, value), (_, _, wanted) in zip(annotation.typed(args, kwargs), whole.after, strict=True):
        if isinstance(split_type, Mutated) and not equal(value, wanted):
            raise _fault(annotation, call, f"changes {name} in another way for the chunks {_pieces(cuts)}:", value, wanted)


def _check_inputs(annotation: Annotation, call: _Call, whole: _Whole) -> None:
    """Checks that every argument that is not annotated as `Mutated` is unchanged."""
    before = annotation.typed(call.args, call.kwargs)
    for (name, split_type, value), (_, _, untouched) in zip(whole.after, before, strict=True):
        if not isinstance(split_type, Mutated) and _is_copied(value) and not equal(value, untouched):
            raise _fault(annotation, call, f"changes {name}, which is not annotated as Mutated:", value, untouched)


def _cuts(rng: np.random.Generator, rows: int) -> list[list[int]]:
    """Returns lists of cuts, with empty chunks and chunks of one row among them."""
    found = [[0, 0, rows], [0, rows, rows]]
    if 0 < rows <= 8:
        found.append(list(range(rows + 1)))
    for _ in range(_CUTS):
        inner = sorted(rng.integers(0, rows + 1, int(rng.integers(1, 6))).tolist())
        found.append([0, *inner, rows])
    return found


def _pieces(cuts: Sequence[int]) -> str:
    return ", ".join(f"[{a}:{b}]" for a, b in zip(cuts, cuts[1:], strict=False))


def _fault(annotation: Annotation, call: _Call, what: str, got: Any, wanted: Any) -> AnnotationError:
    given = ", ".join([*map(_short, call.args), *(f"{k}={_short(v)}" for k, v in call.kwargs.items())])
    kind = "some rows" if isinstance(annotation.returns, Filtered) else type(annotation.returns).__name__
    found, whole = _short(got), _short(wanted)
    if found == whole and type(got) is not type(wanted):
        found, whole = (f"{text} ({type(value).__name__})" for text, value in ((found, got), (whole, wanted)))
    return AnnotationError(
        f"{annotation.name}, annotated to return {kind}, {what} {found}; the call on all rows returns {whole}. Input: {given}"
    )


def _short(value: Any) -> str:
    if hasattr(value, "tolist"):
        value = value.tolist()
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 200 else f"{text[:200]}…"


def _is_copied(value: Any) -> bool:
    """Whether a call could visibly change the value in place: data can, a model has no equality to compare."""
    return has_rows(value) or isinstance(value, dict)


def _copy(value: Any) -> Any:
    return copy.deepcopy(value) if _is_copied(value) else value
