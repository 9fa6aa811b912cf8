"""Annotates functions, and finds the annotation of a function: its own, or that of a library's table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from sparkweld.annotations.annotation import Annotation, Examples, check_signature
from sparkweld.annotations.checking import check as check_now
from sparkweld.annotations.errors import AnnotationError
from sparkweld.annotations.split_types import Rows, SplitType
from sparkweld.annotations.tables import find

#: Attribute in which `splittable` stores the annotation of a function; it travels with a function that is pickled by value.
ATTRIBUTE = "__sparkweld_annotation__"

#: Attribute with which `row_local` marks a function, and the largest tolerance that it takes.
ROW_LOCAL, _MOST_RTOL = "__sparkweld_row_local__", 0.01

_CHECKED: ContextVar[bool] = ContextVar("sparkweld_annotations_checked", default=True)
_F = TypeVar("_F", bound=Callable[..., Any])


@contextmanager
def unchecked() -> Iterator[None]:
    """Disables the trials of annotations that the enclosed code creates, for a caller that checks them all afterwards."""
    token = _CHECKED.set(False)
    try:
        yield
    finally:
        _CHECKED.reset(token)


def annotate(
    function: Callable[..., Any],
    args: Sequence[SplitType],
    kwargs: Mapping[str, SplitType] | None = None,
    returns: SplitType | None = None,
    *,
    elementwise: bool = False,
    wants_rows: bool = False,
    examples: Examples | None = None,
    check: bool = True,
) -> Annotation:
    """Annotates any function; the annotation can be called in the function's place.

    Raises AnnotationError when the types do not fit the signature and, unless `check` is False, when random splits show that the
    annotation is false.
    """
    if returns is None:
        raise AnnotationError(f"the annotation of {function!r} does not describe its result: pass returns=")
    if isinstance(args, SplitType):
        raise AnnotationError(f"the annotation of {function!r} requires a tuple of split types, not {args!r}")
    made = Annotation(function, tuple(args), dict(kwargs or {}), returns, elementwise, wants_rows, examples)
    check_signature(made)
    if check and _CHECKED.get():
        check_now(made)
    return made


def splittable(*args: Any, **options: Any) -> Callable[[_F], _F]:
    """Decorates a function with its annotation, and returns the function itself. Takes and raises the same as `annotate`."""

    def decorate(function: _F) -> _F:
        setattr(function, ATTRIBUTE, annotate(function, *args, **options))
        return function

    return decorate


def row_local(function: Any = None, *, rtol: float = 0.0) -> Any:
    """Declares that a UDF's function is row-local, and returns the function; without one, returns the decorator.

    Takes the function of a scalar pandas or Arrow UDF, also of iterators. Takes the UDF itself, too, such as one from
    `predict_batch_udf`. The declaration promises that each row's result depends on this row alone, to the bit, and is the
    same whenever it is computed. So equal rows may share one result, and rows may be passed in any order and number. Workers
    check this on some rows.

    `rtol`: floats may differ by this share of the largest float of their row. The last digits of many networks depend on the
    other rows of a call. Raises AnnotationError for other objects, and for an `rtol` outside 0 to 0.01.
    """
    if not 0 <= rtol <= _MOST_RTOL:
        raise AnnotationError(f"rtol={rtol!r} is not between 0 and {_MOST_RTOL}")
    if function is None:
        return lambda given: row_local(given, rtol=rtol)
    target = getattr(function, "func", function)  # of PySpark's UDF
    try:
        setattr(target, ROW_LOCAL, float(rtol))
    except AttributeError:
        raise AnnotationError(f"{function!r} cannot be declared row-local: pass the function of a UDF, or the UDF") from None
    return function


def tolerance_of(function: object) -> float | None:
    """Returns the `rtol` of a function that is declared by `row_local`, None for any other."""
    rtol = getattr(function, ROW_LOCAL, None)
    return rtol if type(rtol) is float else None


def is_row_local(function: object) -> bool:
    """Whether a UDF's own function is declared row-local, by `row_local` or by an annotation of rows to rows."""
    if tolerance_of(function) is not None:
        return True
    own = getattr(function, ATTRIBUTE, None)
    if not isinstance(own, Annotation) or own.elementwise or own.wants_rows or type(own.returns) is not Rows:
        return False
    return all(type(x) is Rows for x in (*own.args, *own.kwargs.values()))


def annotation_of(function: object) -> Annotation | None:
    """Returns the annotation of a function: its own, or that of a library's table; None when there is none."""
    if isinstance(function, Annotation):
        return function
    own = getattr(function, ATTRIBUTE, None)
    if isinstance(own, Annotation):
        return own
    return find(function)
