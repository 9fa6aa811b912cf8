"""Reads what differs between versions of scikit-learn by feature, so that no translator compares version numbers.

The features are those of the installed library, not of the model. For a model that another version fitted, the library runs its
own code. That raises where the model lacks an attribute.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from udf_compiler.function.bytecode import codes_of

#: Options of `check_array` that some versions lack, and that change no value and no dtype.
_WITHOUT_EFFECT = ("force_writeable",)


def validate_data(model: Any, x: Any, **options: Any) -> Any:
    """Calls ``validate_data(model, x, **options)``, which was a method with another name for `ensure_all_finite` before 1.6."""
    library = importlib.import_module("sklearn.utils.validation")
    if hasattr(library, "validate_data"):
        return library.validate_data(model, x, **options)
    if options.pop("skip_check_array", False):
        model._check_feature_names(x, **options)
        model._check_n_features(x, **options)
        return x
    known = inspect.signature(library.check_array).parameters
    given = {name: value for name, value in options.items() if name in known or name not in _WITHOUT_EFFECT}
    return model._validate_data(x, force_all_finite=given.pop("ensure_all_finite", True), **given)


def allows_nan(estimator: Any) -> bool:
    """Returns the estimator's tag `allow_nan`; tags were a dict before 1.6."""
    if hasattr(estimator, "__sklearn_tags__"):
        return bool(estimator.__sklearn_tags__().input_tags.allow_nan)
    return bool(estimator._get_tags()["allow_nan"])


def uses(method: Callable[..., Any], name: str) -> bool:
    """Whether a method of the library reads an attribute or calls a function of this name."""
    return any(name in code.co_names for code in codes_of(inspect.unwrap(method).__code__))


def mentions(method: Callable[..., Any], text: str) -> bool:
    """Whether a method of the library has this string as a constant, or passes an argument of this name."""
    constants = (value for code in codes_of(inspect.unwrap(method).__code__) for value in code.co_consts)
    return any(text == value or (isinstance(value, tuple | frozenset) and text in value) for value in constants)



def option(model: Any, name: str, before: Any) -> Any:
    """Returns a parameter of the model, or the value `before` that versions without this parameter are equivalent to."""
    return getattr(model, name) if name in inspect.signature(type(model).__init__).parameters else before


def fitted_transformers(model: Any, by_name: bool) -> Iterator[tuple[str, Any, Any, float | None]]:
    """Yields (name, transformer, columns, weight) of a ColumnTransformer, as its `transform` does."""
    if "replace_strings" in inspect.signature(model._iter).parameters:  # before 1.4
        return model._iter(fitted=True, replace_strings=True, column_as_strings=by_name)  # type: ignore[no-any-return]
    return model._iter(fitted=True, column_as_labels=by_name, skip_drop=True, skip_empty_columns=True)  # type: ignore[no-any-return]
