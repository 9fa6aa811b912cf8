"""Refuses functions of modules that operators leave to Spark: `module:` in `spark.sparkweld.deny` and `spark.sparkweld.allow`."""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

from sparkweld.contract.requests import Settings
from sparkweld.reasons import refusal
from udf_compiler.process.context_variables import assigned

#: Packages whose functions are made by the compiler itself, of functions that it has checked.
_OWN = ("sparkweld", "udf_compiler")

_SETTINGS: ContextVar[Settings | None] = ContextVar("permitted modules", default=None)


def permitting(settings: Settings) -> AbstractContextManager[object]:
    """Applies the patterns of these settings to the functions that are read inside the block."""
    return assigned(_SETTINGS, settings)


def check_module(function: Any) -> None:
    """Refuses (SW370) a function whose module is denied, or not among the allowed ones."""
    settings = _SETTINGS.get()
    if settings is None or not (settings.denied_modules or settings.allowed_modules):
        return
    module = _module_of(function)
    if module.split(".")[0] in _OWN:
        return
    denied = _first(settings.denied_modules, module)
    if denied is not None:
        raise _left(module, "spark.sparkweld.deny", f"it contains module:{denied}")
    if settings.allowed_modules and _first(settings.allowed_modules, module) is None:
        raise _left(module, "spark.sparkweld.allow", "no pattern of a module matches it")


def _left(module: str, setting: str, why: str) -> Exception:
    return refusal("SW370", what=f"functions of the module {module}", setting=setting, why=why)


def _first(patterns: Sequence[str], module: str) -> str | None:
    """Returns the first pattern that matches the module or a package that contains it."""
    parts = module.split(".")
    names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return next((pattern for pattern in patterns if any(_matches(pattern, name) for name in names)), None)


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


def _module_of(function: Any) -> str:
    while isinstance(function, functools.partial | types.MethodType):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    known = getattr(function, "__module__", None)
    return known if isinstance(known, str) else type(function).__module__
