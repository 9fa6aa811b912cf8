"""Calls of annotated functions on lazy values: tried on samples for what they return, then added to the capture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.annotations import Annotation, Merge
from sparkweld.annotations.domains import RowDomain
from sparkweld.annotations.errors import DomainError
from sparkweld.annotations.split_types import Filtered, Mutated, Rows
from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.types import BOOL, F64, I64, STR, of_dtype
from sparkweld.local.definition import Definition
from sparkweld.local.space import Foreign
from sparkweld.pipelines import Argument
from udf_compiler.trace import TracedArray, TracedSeries
from udf_compiler.trace.text import Missing, text_series

#: Python's own types of a list's elements, whose Series and arrays have one dtype.
_ELEMENTS = {float: F64, int: I64, bool: BOOL, str: STR}


def captured(
    annotation: Annotation | None, function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any], found: list[Definition]
) -> Any:
    """The lazy result of a call, or its merged result; NotImplemented when it is not annotated, or not for such arguments."""
    if annotation is None or isinstance(annotation.returns, Filtered) and found[0].is_series:
        return NotImplemented
    mapped = args[:1] if annotation.elementwise and len(args) == 2 and callable(args[1]) else args
    form = "list" if annotation.elementwise else None
    if not _fits(annotation, mapped, kwargs):
        return NotImplemented
    taken = [_argument(x, form) for x in mapped]
    named = {key: _argument(x, form) for key, x in kwargs.items()}
    if any(x is NotImplemented for x in (*taken, *named.values())):
        return NotImplemented
    tried = _tried(annotation, mapped, kwargs)
    if tried is None:
        return NotImplemented
    made_form, type, example = tried
    try:
        source = found[0].space.capture.call(annotation, tuple(taken), named, made_form, type)
    except DomainError:
        return NotImplemented  # the function takes whole values there, so it gets them
    return _result(annotation, function, args, kwargs, found, source, made_form, type, example)


def _result(
    annotation: Annotation, function: Any, args: Any, kwargs: Any, found: list[Definition], source: Any, form: str, type: Any,
    example: Any,
) -> Any:  # fmt: skip
    from sparkweld.local.evaluating import compute_source
    from sparkweld.local.recording import lazy_value

    first, capture = found[0], found[0].space.capture
    definition = Definition(first.session, first.space, first.domain, None, function, args, kwargs)
    if isinstance(annotation.returns, Merge):
        return compute_source(definition, source)
    domain = capture.domain_of(source)
    assert domain is not None
    definition.domain = domain
    definition.traced = _traced(source, domain, form, type, example, capture.loop(domain), series=found[0].is_series)
    if form == "series" or (form == "list" and found[0].is_series):
        definition.index = next(d.index for d in found if d.index is not None)
        definition.name = example.name if isinstance(example, pd.Series) else found[0].name
    return lazy_value(definition)


def _fits(annotation: Annotation, args: Any, kwargs: Mapping[str, Any]) -> bool:
    """Merged results are taken of the very dtypes that the annotation was checked with: sums of floats depend on their order."""
    try:
        typed = annotation.typed(args, kwargs)
    except DomainError:
        return False
    rows = [(t, x) for _, t, x in typed if isinstance(x, Definition)]
    if not all(isinstance(t, Rows) for t, _ in rows) or any(isinstance(t, Mutated) for t, _ in rows):
        return False  # changes in place are seen by whoever else holds the data
    if not isinstance(annotation.returns, Merge):
        return True
    return all(isinstance(t, Rows) and t.dtype == str(_dtype(x.traced)) for t, x in rows)


def _dtype(traced: Any) -> Any:
    if type(traced) is Foreign:
        return object
    return traced.dtype if type(traced) is TracedArray else object.__getattribute__(traced, "_dtype")


def _argument(x: Any, form: str | None) -> Any:
    """An argument as the function will see it; NotImplemented for rows that have no form of their own."""
    if not isinstance(x, Definition):
        return x
    traced = x.traced
    if type(traced) is TracedSeries:
        kind, missing = object.__getattribute__(traced, "kind"), object.__getattribute__(traced, "missing")
        if kind not in ("numpy", "text") or missing.nan or (missing.none and form != "list"):
            return NotImplemented
    source = source_of(traced)
    return Argument((source,), form or ("series" if x.is_series else "array"))


def source_of(traced: Any) -> Any:
    """The value or column of a traced form."""
    return (
        traced.column
        if type(traced) is Foreign
        else object.__getattribute__(traced, "value")
        if type(traced) is TracedSeries
        else traced.value
    )


def _tried(annotation: Annotation, args: Any, kwargs: Mapping[str, Any]) -> tuple[str, Type | None, Any] | None:
    """(form, type, result) of the call on samples; None when it raises, or gives what no column is made of."""
    given = [x.sample() if isinstance(x, Definition) else x for x in args]
    named = {key: x.sample() if isinstance(x, Definition) else x for key, x in kwargs.items()}
    if annotation.elementwise:
        given = [x.tolist() if hasattr(x, "tolist") else x for x in given]
    try:
        with np.errstate(all="ignore"):
            result = annotation.call(given, named)
    except Exception:  # noqa: BLE001 - samples are no data: the call on those will show
        return None
    if isinstance(annotation.returns, Merge):
        return "merged", None, result
    return returned(result)


def returned(result: Any) -> tuple[str, Type | None, Any] | None:
    """(form, type, itself) of a function's result; None when it has no rows of one dimension."""
    if isinstance(result, pd.Series) and isinstance(result.dtype, np.dtype):
        return "series", _type(result.to_numpy()), result
    if type(result) is np.ndarray and result.ndim == 1:
        return "array", _type(result), result
    if type(result) is list and result:
        kinds = set(map(type, result))
        return "list", _ELEMENTS.get(kinds.pop()) if len(kinds) == 1 else None, result
    return None


def _type(array: np.ndarray) -> Type | None:
    if array.dtype == object:
        return STR if len(array) and set(map(type, array.tolist())) == {str} else None
    return of_dtype(array.dtype) if array.dtype.isnative else None


def _traced(source: Any, domain: RowDomain, form: str, type: Type | None, example: Any, loop: LoopBuilder, series: bool) -> Any:
    if not isinstance(source, Value) or type is None:
        values = example.to_numpy() if isinstance(example, pd.Series) else example
        if isinstance(values, list):
            made = np.empty(len(values), object)
            made[:] = values
            values = made
        return Foreign(source if isinstance(source, str) else "", domain, form, values)
    if type == STR:
        return text_series(loop, source, Missing())
    if form == "series" or (form == "list" and series):
        return TracedSeries(loop, source, type.dtype, shared=True)
    return TracedArray(loop, (source,), shared=True)


def traced_like(traced: Any, source: Any, domain: RowDomain, loop: LoopBuilder) -> Any:
    """The same kind of traced value for another source."""
    if type(traced) is Foreign:
        return Foreign(source, domain, traced.form, traced.example)
    if type(traced) is TracedArray:
        return TracedArray(loop, (source,), shared=True)
    get = object.__getattribute__
    made = TracedSeries(loop, source, get(traced, "_dtype"), get(traced, "kind"), True, get(traced, "missing"))
    return made
