"""A call on lazy values to what the library gives for samples: its class, its dtype, its name, or that it raises.

Operators and ufuncs on numbers are asked once for each combination of types, names and constants, for pandas takes longer to
answer than a kernel takes for thousands of rows. Other calls may depend on more, and are asked each time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np

from sparkweld.local.definition import Definition, replaced
from sparkweld.local.traced import dtype_of, kind_of

#: What a sample gives when the library raises.
RAISED = object()
_CONSTANTS = (bool, int, float, np.bool_, np.int64, np.float64)
_MODULES = ("_operator", "pandas.core.roperator")
#: Answers of this process, by what they depend on, and how many are kept.
_known: dict[Hashable, Any] = {}
_KEPT = 4096


def sampled(key: Hashable | None, function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Any:
    """``function(*args, **kwargs)`` on samples; RAISED where it raises. Nobody may change what it gives. `key`: by `key_of`."""
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
    except Exception:  # noqa: BLE001 - the real call will raise it, or show that only samples do
        return RAISED


def key_of(function: Callable[..., Any], args: Any) -> Hashable | None:
    """All that the answer for a call depends on, and its trace; None for calls of which that is not known."""
    owner: Any = function
    named: tuple[Any, ...] = ()
    if isinstance(function, partial):
        owner, named = function.func, tuple(function.keywords.items())
        if function.args or owner.__module__ != "sparkweld.local.values":
            return None
    elif not isinstance(function, np.ufunc) and getattr(function, "__module__", None) not in _MODULES:
        return None
    kinds = tuple(map(_kind, args))
    return None if None in kinds else (owner, named, kinds)


def _kind(x: Any) -> Hashable | None:
    if type(x) is Definition:
        if kind_of(x.traced) != "numpy" or not (x.name is None or type(x.name) is str):
            return None
        return x.is_series, dtype_of(x.traced), x.name
    return (type(x), x, str(x)) if type(x) in _CONSTANTS else None  # -0.0 equals 0.0, and 1 equals True
