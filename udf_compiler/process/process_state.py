"""Detects and reverts changes that user code makes to this process while it is imported, read or traced.

A worker keeps such a change and computes with it: with ``np.seterr(all="raise")`` in a module, the logarithm of a negative
number raises there. A kernel would ignore the change, and it would alter the meaning of other functions in this process from
then on. Settings that change no result, such as pandas' display options, may change.
"""

from __future__ import annotations

import builtins
import datetime
import functools
import inspect
import itertools
import locale
import math
import operator
import os
import random
import re
import statistics
import string
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the process. `meaning`: the part of it that affects results."""

    title: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    meaning: Callable[[Any], Any] = lambda value: value


#: pandas options that affect only display.
_SHOWN = ("display", "io", "plotting", "styler")
#: Python's default. A higher limit changes no function that stays below this one.
_RECURSION = 1000
#: Names that this process itself sets while user code runs, names that Python fills in, and the size of the cache of `re`, which
#: some versions of NumPy change when SciPy is imported.
_IGNORED = frozenset(
    ("__import__", "_", "__warningregistry__", "__doc__", "__annotations__", "__annotations_cache__", "_MAXCACHE")
)


def _numpy_raises(settings: Mapping[str, str]) -> list[str]:
    return [kind for kind, action in settings.items() if action in ("raise", "call")]


def _filters() -> list[Any]:
    return list(warnings.filters)


def _write_filters(filters: Sequence[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    with warnings.catch_warnings():
        pass  # makes Python forget which warnings it has ignored


def _options() -> dict[str, Any]:
    from pandas._config import config  # pandas is loaded after the service's hello

    return dict(_leaves(config._global_config, ""))


def _leaves(options: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _write_options(options: Mapping[str, Any]) -> None:
    import pandas as pd

    now = _options()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for deprecated options
        for name, value in options.items():
            if now.get(name) is not value:
                pd.set_option(name, value)


def _zone() -> tuple[str | None, tuple[str, str]]:
    return os.environ.get("TZ"), time.tzname


def _write_zone(zone: tuple[str | None, tuple[str, str]]) -> None:
    os.environ.pop("TZ", None)
    if zone[0] is not None:
        os.environ["TZ"] = zone[0]
    time.tzset()


#: The settings of PyTorch when it is imported.
_PYTORCH = ("float32", "cpu", True, "highest")


def _of_pytorch() -> tuple[Any, ...]:
    """Returns PyTorch's settings: the default dtype and device, whether gradients are computed, and the precision of products.

    Without PyTorch, these are its defaults.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "nn"):
        return _PYTORCH
    dtype, precision = str(torch.get_default_dtype()).removeprefix("torch."), torch.get_float32_matmul_precision()
    return dtype, str(torch.empty(0).device), torch.is_grad_enabled(), precision


def _write_pytorch(settings: tuple[Any, ...]) -> None:
    torch: Any = sys.modules["torch"]
    dtype, device, gradients, precision = settings
    torch.set_default_dtype(getattr(torch, dtype))
    if str(torch.empty(0).device) != device:
        torch.set_default_device(device)
    torch.set_grad_enabled(gradients)
    torch.set_float32_matmul_precision(precision)


@cache
def _settings() -> tuple[Setting, ...]:
    import numpy as np

    return (
        Setting("warnings to errors", _filters, _write_filters, lambda value: [f for f in value if f[0] == "error"]),
        Setting("np.seterr", np.geterr, lambda value: np.seterr(**value), _numpy_raises),
        Setting("np.set_printoptions(legacy=...)", lambda: np.get_printoptions()["legacy"],
                lambda value: np.set_printoptions(legacy=value)),
        Setting("pandas options", _options, _write_options,
                lambda value: {name: x for name, x in value.items() if name.partition(".")[0] not in _SHOWN}),
        Setting("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda value: locale.setlocale(locale.LC_ALL, value)),
        Setting("the time zone", _zone, _write_zone, lambda value: value[1]),
        Setting("the defaults of PyTorch", _of_pytorch, _write_pytorch),
        Setting("sys.setrecursionlimit", sys.getrecursionlimit, sys.setrecursionlimit, lambda value: min(value, _RECURSION)),
    )  # fmt: skip


@cache
def _namespaces() -> tuple[Any, ...]:
    """Returns modules and classes whose functions kernels replace."""
    # These libraries are loaded after the service's hello.
    import numpy as np
    import pandas as pd
    import pyarrow.compute as pc
    from pandas.core.indexes.accessors import CombinedDatetimelikeProperties, DatetimeProperties
    from pandas.core.strings.accessor import StringMethods

    modules = (builtins, datetime, functools, itertools, math, operator, random, re, statistics, string, np, pd, pc)
    return (*modules, pd.Series, pd.DataFrame, pd.Index, StringMethods, DatetimeProperties, CombinedDatetimelikeProperties)


def warnings_raise() -> bool:
    """Whether this process's environment variables, which the workers share, turn warnings into errors."""
    actions = (option.partition(":")[0].strip() for option in sys.warnoptions)
    return any(action and "error".startswith(action) for action in actions)


def ignore_warning_options() -> None:
    """Disables warnings as errors in this process, regardless of its environment variables: they would break its own imports."""
    _write_filters([f for f in _filters() if f[0] != "error"])


class ProcessState:
    """A snapshot of the process state."""

    def __init__(self) -> None:
        self._settings = [(setting, setting.read()) for setting in _settings()]
        self._namespaces = [(of, dict(vars(of))) for of in _namespaces()]

    def taken_back(self) -> list[str]:
        """Reverts the changes since the snapshot and returns their names."""
        found = []
        for of, before in self._namespaces:  # builtins first: the following code calls them
            for name in _changed(of, before):
                _put_back(of, name, before)
                found.append(f"{of.__name__}.{name}")
        for setting, before in self._settings:
            if setting.meaning(setting.read()) != setting.meaning(before):
                setting.write(before)
                found.append(setting.title)
        return found


def _changed(of: Any, before: Mapping[str, Any]) -> list[str]:
    """Returns the names whose meaning has changed.

    An added name counts only if it hides a base's: existing code does not use it.
    """
    now = vars(of)
    bases = of.__mro__[1:] if inspect.isclass(of) else ()
    changed = [name for name, value in before.items() if name not in _IGNORED and now.get(name, before) is not value]
    added = now.keys() - before.keys() if len(now) != len(before) or changed else frozenset()
    return changed + [name for name in added - _IGNORED if any(name in vars(base) for base in bases)]


def _put_back(of: Any, name: str, before: Mapping[str, Any]) -> None:
    if name in before:
        setattr(of, name, before[name])
    else:
        delattr(of, name)


__all__ = ["ProcessState", "ignore_warning_options", "warnings_raise"]
