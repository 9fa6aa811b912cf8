"""Records a call on lazy values: as native operations, as a call of an annotated function, or by running it on real data.

The call first runs on samples. So the library itself determines the result's class, dtype and name, and type errors are raised at
the call. Then the UDF compiler traces it. A call that it refuses becomes a call of an annotated function, or is computed together
with its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.core.computation import expressions

from sparkweld.annotations import Annotation, annotation_of
from sparkweld.annotations.annotating import ATTRIBUTE
from sparkweld.lazy_evaluation import black_boxes
from sparkweld.lazy_evaluation.definition import Definition, Recorder, definitions, replaced
from sparkweld.lazy_evaluation.evaluating import compute_definitions
from sparkweld.lazy_evaluation.leaves import definition_of, is_aligned, is_mask, kept_rows, lazy_value
from sparkweld.lazy_evaluation.recipes import traced
from sparkweld.lazy_evaluation.samples import RAISED, key_of, sampled
from sparkweld.lazy_evaluation.values import Lazy
from udf_compiler.backends.worker_pipelines.black_boxes import Foreign, dtype_of, kind_of
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.batch_dependent import BATCH_DEPENDENT
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS

#: Attributes whose own attributes are the methods.
_ACCESSORS = ("str", "dt")
#: Longer Series are computed by numexpr where it is installed, with other rounding.
_NUMEXPR_ROWS = 1_000_000


class Method:
    """A method or property of the underlying object: ``Method(("str", "lower"))(s)`` is ``s.str.lower()``."""

    def __init__(self, path: tuple[str, ...], is_property: bool = False) -> None:
        self.path, self.is_property = path, is_property

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        for name in self.path:
            x = getattr(x, name)
        return x if self.is_property else x(*args, **kwargs)

    def unbound(self, owner: type) -> Any:
        """Returns the function of the class; None for a property or a longer path."""
        return getattr(owner, self.path[0], None) if len(self.path) == 1 and not self.is_property else None


class Accessor:
    """The accessor ``s.str`` or ``s.dt`` of a lazy Series."""

    def __init__(self, owner: Lazy, name: str) -> None:
        self._owner, self._name = owner, name

    def __getattr__(self, name: str) -> Any:
        real = getattr(getattr(pd.Series, self._name), name)  # pandas raises AttributeError for names that it lacks
        path = (self._name, name)
        if isinstance(real, property):
            return record(Method(path, True), (self._owner,), {})
        return lambda *args, **kwargs: record(Method(path), (self._owner, *args), kwargs)

    def __getitem__(self, key: Any) -> Any:
        return record(lambda s, k: getattr(s, self._name)[k], (self._owner, key), {})


def attribute(x: Lazy, name: str) -> Any:
    """Returns an attribute of a lazy value: a method that is recorded when called, an accessor, or a property's value."""
    if not hasattr(x.real, name):
        return getattr(x.compute(), name)  # a label, or the library raises
    found = getattr(x.real, name)
    if name in _ACCESSORS and x.real is pd.Series:
        return Accessor(x, name)
    if callable(found) and not isinstance(found, property):
        return lambda *args, **kwargs: record(Method((name,)), (x, *args), kwargs)
    definition = x._definition
    if name == "index" and definition.known_rows == definition.space.rows:
        return definition.index
    if name == "name":
        return definition.name
    return record(Method((name,), True), (x,), {})


def element(x: Lazy, key: Any) -> Any:
    """Returns ``x[key]``: a boolean mask creates a new row domain; any other key is computed."""
    owner = x._definition
    given = _defined(owner.session, key, owner.space.rows)
    if owner.space.is_recorded and isinstance(given, Definition) and is_aligned([owner, given]) and is_mask(given):
        return kept_rows([owner], given)[0]
    return record(lambda s, k: s[k], (x, key), {})


def record(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Returns the result of ``function(*args, **kwargs)``, lazy where possible, for lazy or real arguments."""
    found = definitions(_unwrapped((args, dict(kwargs))))
    if not found:
        return function(*args, **kwargs)
    session, rows = found[0].session, found[0].space.rows
    defined = _defined(session, (args, dict(kwargs)), rows)
    if found[0].space.is_recorded and is_aligned(found := definitions(defined)):
        result = _captured(function, defined[0], defined[1], found)
        if result is not NotImplemented:
            return result
    return forwarded(session, function, defined)


def forwarded(session: Recorder, function: Callable[..., Any], defined: Any) -> Any:
    """Calls the function on real data; a result with rows becomes lazy."""
    compute_definitions(definitions(defined))
    args, kwargs = replaced(defined, lambda d: d.real)
    result = function(*args, **kwargs)
    rows = isinstance(result, pd.Series | pd.DataFrame) or isinstance(result, np.ndarray) and result.ndim == 1
    return session.wrap(result) if rows and len(result) else result


def _unwrapped(x: Any) -> Any:
    """Replaces lazy values in nested arguments with their definitions."""
    if isinstance(x, Lazy):
        return x._definition
    if type(x) in (list, tuple):
        return type(x)([_unwrapped(element) for element in x])
    if type(x) is dict:
        return {key: _unwrapped(value) for key, value in x.items()}
    return x


def _defined(session: Recorder, x: Any, rows: int) -> Any:
    """Replaces lazy values, and real Series and arrays of `rows` rows, with definitions."""
    if type(x) in (list, tuple):
        return type(x)([_defined(session, element, rows) for element in x])
    if type(x) is dict:
        return {key: _defined(session, value, rows) for key, value in x.items()}
    if rows > 1 and (isinstance(x, pd.Series) or type(x) is np.ndarray and x.ndim == 1) and len(x) == rows:
        return definition_of(session, x)
    return _unwrapped(x)


def _captured(function: Callable[..., Any], args: Any, kwargs: Any, found: list[Definition]) -> Any:
    """Returns a lazy value, a merged result, or NotImplemented."""
    key = None if kwargs else key_of(function, args)
    sample = sampled(key, function, args, kwargs)
    if sample is RAISED:
        return NotImplemented
    made_native = _native(key, function, args, kwargs, found)
    if made_native is not None:
        native, guards = made_native
        results = native if isinstance(native, tuple) else (native,)
        samples = sample if isinstance(native, tuple) else (sample,)
        if len(results) == len(samples) and all(_agrees(r, s) for r, s in zip(results, samples, strict=True)):
            made = _results(function, args, kwargs, found, guards, results, samples, isinstance(native, tuple))
            return made if isinstance(native, tuple) else made[0]
    return black_boxes.captured(_annotation(function, found[0], args), function, args, kwargs, found)


def _results(
    function: Any, args: Any, kwargs: Any, found: list[Definition], guards: tuple[int, ...], results: tuple[Any, ...],
    samples: Any, several: bool,
) -> tuple[Lazy, ...]:  # fmt: skip
    first, labels = found[0], next((d.index for d in found if d.index is not None), None)
    made = []
    for position, (result, sample) in enumerate(zip(results, samples, strict=True)):
        call = _item(function, position) if several else function
        definition = Definition(first.session, first.space, first.domain, result, call, args, kwargs)
        definition.guards = guards
        if isinstance(sample, pd.Series):
            definition.index, definition.name = labels, sample.name
        made.append(lazy_value(definition))
    return tuple(made)


def _item(function: Callable[..., Any], position: int) -> Callable[..., Any]:
    return lambda *args, **kwargs: function(*args, **kwargs)[position]


def _native(
    key: Hashable | None, function: Callable[..., Any], args: Any, kwargs: Any, found: list[Definition]
) -> tuple[Any, tuple[int, ...]] | None:
    """Returns the traced result of a call and its guards; None when the compiler refuses it or must not be asked."""
    wide = expressions.USE_NUMEXPR and found[0].space.rows > _NUMEXPR_ROWS and any(d.is_series for d in found)
    takes_code = any(callable(x) and not isinstance(x, type) for x in (*args, *kwargs.values()))
    if wide or takes_code or hasattr(function, ATTRIBUTE) or any(type(d.traced) is Foreign for d in found):
        return None
    return traced(key, function, args, kwargs, found)


def _agrees(result: Any, sample: Any) -> bool:
    """Whether a traced result has the class and dtype that the library returned for the samples."""
    if type(result) is TracedSeries:
        kind = kind_of(result)
        if kind is BATCH_DEPENDENT:
            return isinstance(sample, pd.Series)
        return isinstance(sample, pd.Series) and kind in (NUMBERS, STRINGS) and dtype_of(result) == sample.dtype
    if type(result) is TracedArray:
        return type(sample) is np.ndarray and sample.ndim == 1 == result.ndim and sample.dtype == result.dtype
    return False


def _annotation(function: Any, first: Definition, args: Any) -> Annotation | None:
    """Returns the annotation of a function, of a method in its class, or of the function passed to `Series.map`."""
    if not isinstance(function, Method):
        return annotation_of(function)
    if first.is_series and function.path in (("map",), ("apply",)) and len(args) == 2 and callable(args[1]):
        found = annotation_of(args[1])
        dtype = getattr(first.traced.example, "dtype", None) if type(first.traced) is Foreign else None
        if isinstance(dtype, pd.api.extensions.ExtensionDtype) and not isinstance(dtype, pd.StringDtype):
            return None  # these dtypes map in their own ways: categories to categories
        return found if found is not None and found.elementwise else None
    unbound = function.unbound(pd.Series if first.is_series else np.ndarray)
    return None if unbound is None else annotation_of(unbound)
