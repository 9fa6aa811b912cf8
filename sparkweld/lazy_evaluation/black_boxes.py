"""Captures calls of annotated functions on lazy values, after a call on samples that reveals the result's type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from sparkweld.annotations import Annotation, Merge
from sparkweld.annotations.errors import DomainError
from sparkweld.annotations.split_types import Filtered
from sparkweld.lazy_evaluation.definition import Definition
from sparkweld.lazy_evaluation.evaluating import compute_source
from sparkweld.lazy_evaluation.leaves import lazy_value
from udf_compiler.backends.worker_pipelines.black_boxes import Returned, argument, fits, traced_result, tried


def captured(
    annotation: Annotation | None, function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any], found: list[Definition]
) -> Any:
    """Returns the call's lazy or merged result; NotImplemented when the annotation is missing or excludes such arguments."""
    if annotation is None or isinstance(annotation.returns, Filtered) and found[0].is_series:
        return NotImplemented
    mapped = args[:1] if annotation.elementwise and len(args) == 2 and callable(args[1]) else args
    form = "list" if annotation.elementwise else None
    if not fits(annotation, mapped, kwargs, lambda x: x.traced if isinstance(x, Definition) else None):
        return NotImplemented
    taken = [argument(x.traced, form) if isinstance(x, Definition) else x for x in mapped]
    named = {key: argument(x.traced, form) if isinstance(x, Definition) else x for key, x in kwargs.items()}
    lost = (
        t is None
        for t, x in zip((*taken, *named.values()), (*mapped, *kwargs.values()), strict=True)
        if isinstance(x, Definition)
    )
    if any(lost):
        return NotImplemented
    samples = [x.sample() if isinstance(x, Definition) else x for x in mapped]
    returned = tried(annotation, samples, {k: x.sample() if isinstance(x, Definition) else x for k, x in kwargs.items()})
    if returned is None or returned.form == "arrow":
        return NotImplemented
    try:
        source = found[0].space.capture.call(annotation, tuple(taken), named, returned.form, returned.type)
    except DomainError:
        return NotImplemented  # the annotation requires whole values, so the eager call receives them
    definition = Definition(found[0].session, found[0].space, found[0].domain, None, function, args, kwargs)
    return _result(annotation, definition, source, returned, found)


def _result(annotation: Annotation, definition: Definition, source: Any, returned: Returned, found: list[Definition]) -> Any:
    if isinstance(annotation.returns, Merge):
        return compute_source(definition, source)
    capture = definition.space.capture
    domain = capture.domain_of(source)
    assert domain is not None
    definition.domain = domain
    definition.traced = traced_result(source, domain, returned, capture.loop(domain), series=found[0].is_series)
    if returned.form == "series" or (returned.form == "list" and found[0].is_series):
        definition.index = next(d.index for d in found if d.index is not None)
        definition.name = returned.example.name if isinstance(returned.example, pd.Series) else found[0].name
    return lazy_value(definition)
