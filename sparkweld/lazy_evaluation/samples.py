"""Runs calls on samples of lazy values to learn the result's class, dtype and name, or that the call raises.

Operators and ufuncs on numbers run once per combination of types, names and constants, because pandas takes longer than a kernel
for thousands of rows. Other calls may depend on more and run each time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np

from sparkweld.lazy_evaluation.definition import Definition, replaced
from udf_compiler.backends.worker_pipelines.black_boxes import dtype_of, kind_of
from udf_compiler.frontends.pandas.series import NUMBERS

#: The result of a call on samples that raises.
RAISED = object()
_CONSTANTS = (bool, int, float, np.bool_, np.int64, np.float64)
_MODULES = ("_operator", "pandas.core.roperator")
#: Results of this process by key, and the limit on their number.
_known: dict[Hashable, Any] = {}
_KEPT = 4096


def sampled(key: Hashable | None, function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Any:
    """Returns ``function(*args, **kwargs)`` on samples, RAISED where it raises; callers must not change it.

    `key`: see `key_of`.
    """
    if key is None:
        return _asked(function, args, kwargs)
    if key not in _known:
        made = _asked(function, args, kwargs)
        if len(_known) >= _KEPT:
            return made
        _known[key] = made
    return _known[key]


def _asked(function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Any:
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sample_args, sample_kwargs = replaced((args, kwargs), lambda d: d.sample())
            return function(*sample_args, **sample_kwargs)
    except Exception:  # noqa: BLE001 - the real call raises it, too, or succeeds where only samples fail
        return RAISED


def key_of(function: Callable[..., Any], args: Any) -> Hashable | None:
    """Returns a key of all that a call's result on samples and its trace depend on; None for calls where that is unknown."""
    owner: Any = function
    named: tuple[Any, ...] = ()
    if isinstance(function, partial):
        owner, named = function.func, tuple(function.keywords.items())
        if function.args or owner.__module__ != "sparkweld.lazy_evaluation.values":
            return None
    elif not isinstance(function, np.ufunc) and getattr(function, "__module__", None) not in _MODULES:
        return None
    kinds = tuple(map(_kind, args))
    return None if None in kinds else (owner, named, kinds)


def _kind(x: Any) -> Hashable | None:
    if type(x) is Definition:
        if kind_of(x.traced) is not NUMBERS or not (x.name is None or type(x.name) is str):
            return None
        return x.is_series, dtype_of(x.traced), x.name
    return (type(x), x, str(x)) if type(x) in _CONSTANTS else None  # -0.0 equals 0.0, and 1 equals True
