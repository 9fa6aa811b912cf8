"""Replaces a fitted model in a compiled function with methods on traced columns and plain attributes, nothing else."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir.types import BOOL, I64
from udf_compiler.frontends.models.features import Features, features_of
from udf_compiler.frontends.models.labels import labels
from udf_compiler.frontends.models.matrices import TracedMatrix
from udf_compiler.frontends.models.output import TracedLabels, TracedSparse, contained, given_back
from udf_compiler.frontends.models.pools import TracedPool
from udf_compiler.frontends.models.row_labels import RowLabels
from udf_compiler.frontends.models.tested_versions import LIBRARIES
from udf_compiler.frontends.models.translator import METHODS, Translator, method_of
from udf_compiler.frontends.pandas.apply.comprehensions import Values, collect, is_collection
from udf_compiler.frontends.pandas.apply.results import ListSeries
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.lists import Rows, for_model, stack_of, stacked
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts, texts_of
from udf_compiler.frontends.pandas.strings import text_series
from udf_compiler.frontends.python.ndarrays import leave_none
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.operands import as_float, as_int, as_text, is_number, is_text, kind_of
from udf_compiler.frontends.python.path_explorer import explorer, is_exploring
from udf_compiler.frontends.python.row_matrices import RowMatrix, is_matrix, made_of, vector
from udf_compiler.frontends.python.values import is_scalar, of_value
from udf_compiler.frontends.tracing.exceptions import unwatched
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced

#: Attributes of fitted estimators that are arrays or numbers.
_PLAIN = frozenset(
    """classes_ n_features_in_ feature_names_in_ n_outputs_ coef_ intercept_ mean_ scale_ best_score_ best_iteration
    best_iteration_ best_score feature_names feature_name_""".split()
)


class TracedModel(StandIn):
    """A model that cannot be written; its attributes are copies or read-only."""

    __slots__ = ("_translator",)
    what = "model"

    def __init__(self, translator: Translator) -> None:
        object.__setattr__(self, "_translator", translator)

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return self._translator.model

    def __getattr__(self, name: str) -> Any:
        with unwatched():
            return self._attribute(name)

    def _attribute(self, name: str) -> Any:
        translator = self._translator
        if name in METHODS:
            made = method_of(translator, name)
            method = functools.partial(_called, translator, name, made)
            method.__signature__ = inspect.signature(getattr(translator.model, name))  # type: ignore[attr-defined]
            return method
        if name in _PLAIN:
            return constant(translator.fitted(name), translator.call(name))
        if name in ("named_steps", "named_transformers_", "named_estimators_"):
            parts = translator.fitted(name)
            return {key: _part(translator, part) for key, part in parts.items()}
        if name == "steps":
            return [(key, _part(translator, part)) for key, part in translator.fitted("steps")]
        if name == "get_booster" and hasattr(translator.model, name):
            return lambda: TracedModel(translator.part(translator.model.get_booster()))
        if name in ("best_estimator_", "estimator_", "regressor_", "booster_"):
            return TracedModel(translator.part(translator.fitted(name)))
        refuse("SW802", name=translator.name, method=name)

    def __getitem__(self, key: Any) -> Any:
        if type(self._translator).__name__ != "Pipeline" or not isinstance(key, int | str | slice):
            refuse("SW802", name=self._translator.name, method="[...]")
        return _part(self._translator, self._translator.model[key])

    def __setattr__(self, name: str, value: object = None) -> None:
        refuse("SW256", call=f"{self._translator.name}.{name} = ...")

    __delattr__ = __setattr__


def _part(translator: Translator, part: Any) -> Any:
    return part if part is None or isinstance(part, str) else TracedModel(translator.part(part))


def _called(translator: Translator, name: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with unwatched():
        return _computed(translator, name, method, args, kwargs)


def _computed(
    translator: Translator, name: str, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    call = translator.call(name)
    x, options = _arguments(translator, name, method, args, kwargs)
    single = translator.SINGLE and is_exploring() and _is_flat(x, call, translator.CATEGORIES)
    if single:
        x = RowMatrix([x]) if is_scalar(x) else [x if type(x) is list else x.tolist()]
    if translator.SINGLE and translator.CATEGORIES and is_exploring() and _has_texts(x):
        x = _mixed_row(x[0], call)
    else:
        x = row_argument(x, call) if is_exploring() else rows_argument(x)
        x = for_model(x, translator.width, call)
    if isinstance(x, TracedSparse):
        given: Any = x.features
    else:
        given = x if isinstance(x, TracedMatrix | TracedPool | Features) else features_of(x, call, translator.CATEGORIES)
    try:
        made = method(given, **options)
    except AttributeError as error:
        if type(error.obj).__module__.partition(".")[0] not in LIBRARIES:
            raise
        # A model that another version fitted, or a version whose classes have other attributes.
        refuse("SW812", name=type(error.obj).__name__, attribute=error.name)
    result = given_back(contained(translator, made) if name == "transform" else made, call)
    if not is_exploring():
        return result
    labelled = type(result) in (TracedTexts, TracedLabels)
    result = row_result(result, call, functools.partial(_sample, translator, name, given, options) if labelled else None)
    return result[0] if single else result


def _sample(translator: Translator, name: str, given: Any, options: dict[str, Any]) -> np.ndarray:
    """Returns the model's own result for one row of the same container and dtypes."""
    return np.asarray(run_prototype(translator.call(name), getattr(translator.model, name), given.prototype(), **options))


def _is_flat(x: Any, call: str, texts: bool) -> bool:
    """Whether a value of a row holds single values: a list of numbers, or an array of one dimension. Refuses (SW810) a tuple.

    `texts`: the list may contain strings.
    """
    if type(x) is tuple:
        refuse("SW810", call=call, what="a tuple")
    if is_scalar(x):
        return bool(x.numpy == "ndarray")
    constants = type(x) is np.ndarray and x.ndim == 1  # such as three NULLs
    return constants or (type(x) is list and bool(x) and all(is_number(v) or (texts and is_text(v)) for v in x))


def _has_texts(x: Any) -> bool:
    """Whether a value is a list of one row with strings."""
    return type(x) is list and len(x) == 1 and type(x[0]) is list and any(map(is_text, x[0]))


def _mixed_row(row: list[Any], call: str) -> Features:
    """Returns the features of one row of numbers and strings. Leaves rows with None to Python."""
    if explorer().inside:
        refuse("SW810", call=call, what="a value within a loop or one of many branches")
    if any(v is None for v in row):
        leave_none()
    if not all(is_number(v) or is_text(v) for v in row):
        refuse("SW810", call=call, what="a list of other values than numbers and strings")
    loop = explorer().loop
    make = {"int": as_int, "float": as_float, "bool": lambda v: v.value if is_scalar(v) else loop.const(v, BOOL)}
    return Features(loop, tuple(as_text(v) if is_text(v) else make[kind_of(v)](v) for v in row))


def row_argument(x: Any, call: str) -> Any:
    """Returns the matrix of the one row that a function of single rows passes to a model, or the Series of its one string.

    Returns other arguments unchanged.
    """
    if explorer().inside:
        refuse("SW810", call=call, what="a value within a loop or one of many branches")
    if type(x) in (list, tuple) and len(x) == 1 and is_text(x[0]):
        return text_series(explorer().loop, as_text(x[0]))
    if type(x) in (list, tuple):
        x = made_of(x)
    if not is_matrix(x):
        return x
    if len(x.rows) != 1:
        refuse("SW810", call=call, what=f"a matrix of {len(x.rows)} rows")
    return stack_of(explorer().loop, x.rows[0].value)


def row_result(result: Any, call: str, sample: Callable[[], np.ndarray] | None = None) -> Any:
    """Returns the array, or the sparse matrix, that a model returns for one row.

    Refuses (SW818) anything but numbers, and strings in an array like that of `sample`.
    """
    if type(result) is TracedSparse:
        return result
    if sample is not None:
        texts, dimensions = (result, 1) if type(result) is TracedTexts else (result.texts, 2)
        like = sample()
        if like.dtype.kind not in "OU" or (like.dtype == object and any(type(label) is not str for label in like.flat)):
            refuse("SW818", call=call)
        return RowLabels(of_value(texts_of(texts).value), dimensions, like.dtype == object)
    if type(result) is not TracedArray:
        refuse("SW818", call=call)
    row = vector([numpy_scalar(value, value.type.dtype) for value in result.columns])
    return RowMatrix([row]) if result.ndim == 2 else row


def rows_argument(x: Any) -> Any:
    """Returns the column, or the matrix, of a list with an element or array for each row, and of an array of strings.

    A vectoriser of strings reads each element of a list or an array as of a Series. Other models take none of single values.
    """
    if is_collection(x):
        x = x.column if type(x) is Values else collect(x)
    if type(x) is Rows and x.of_list:
        x = x.series
    elif type(x) is not ListSeries:
        return texts_of(x)
    return stacked(x)


#: LightGBM's names of the number of threads, on which no prediction depends.
_THREADS = ("num_threads", "num_thread", "nthread", "nthreads", "n_jobs")


def _arguments(
    translator: Translator, name: str, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Returns the data of a call and its non-default options. Refuses (SW840) unsupported options."""
    call, signature = translator.call(name), inspect.signature(getattr(translator.model, name))
    check_form(getattr(translator.model, name), args, kwargs, call)
    bound = signature.bind(*args, **kwargs).arguments
    if not bound:
        refuse("SW262", call=call, what="no data")
    (_, x), *others = bound.items()
    known = inspect.signature(method).parameters
    options: dict[str, Any] = {}
    for option, value in others:
        parameter = signature.parameters[option]
        options.update(value if parameter.kind is parameter.VAR_KEYWORD else {option: value})
    for option, value in list(options.items()):
        default = signature.parameters[option].default if option in signature.parameters else inspect.Parameter.empty
        threads = option in _THREADS and option not in signature.parameters and type(value) is int
        if threads or (type(value) is type(default) and value == default):
            del options[option]
        elif option not in known or not _is_plain(value):
            refuse("SW840", call=call, option=option)
    return x, options


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str | np.generic)


class Constants(np.ndarray):
    """A read-only array of a model; a traced index takes one element per row, for example of `classes_`."""

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, Traced):
            return super().__getitem__(key)
        if not isinstance(key, TracedArray) or key.dtype.kind != "i" or key.ndim != 1 or self.ndim != 1:
            refuse("SW257", call="an array of a model [...]", shape=f"{self.shape}")
        return _taken(np.asarray(self), key)


def _taken(table: np.ndarray, key: TracedArray) -> Any:
    """Returns ``table[key]``. Rows whose index is out of range are guarded: NumPy raises."""
    loop, index = key.loop, key.loop.cast(key.value, I64)
    size = loop.const(len(table), I64)
    index = loop.select(loop.call("less", index, loop.const(0, I64)), loop.call("add", index, size), index)
    inside = loop.call("logical_and", loop.call("greater_equal", index, loop.const(0, I64)), loop.call("less", index, size))
    loop.guard(inside, local=True)
    return given_back(labels(features_of(key, "classes_[...]"), index, table, "classes_[...]"), "classes_[...]")


def constant(value: Any, call: str) -> Any:
    """Returns an attribute of a fitted estimator as read-only data. Refuses SW819."""
    if isinstance(value, np.ndarray) and (value.dtype.kind in "biufU" or all(isinstance(v, str) for v in value.ravel())):
        made = value.copy().view(Constants)
        made.flags.writeable = False
        return made
    if value is None or isinstance(value, int | float | str | np.generic):
        return value
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return list(value)
    refuse("SW819", call=call, type=type(value).__name__)


