"""Which code the compiler never follows: libraries are known by their stand-ins alone, the standard library in parts."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from typing import Any

from udf_compiler.bytecode import Use
from udf_compiler.module_paths import LIBRARIES
from udf_compiler.payload import name_of
from udf_compiler.wrappers import is_wrapper

#: Frames and classes of these are told by name.
_OURS = frozenset(("sparkweld", "udf_compiler"))

#: Functions that we wrote for users, and that are read like theirs.
_FOLLOWED = frozenset(("sparkweld.api.predictors", "sparkweld.fused.composed"))

#: Modules whose functions read a model from a file; of some, `udf_compiler.models.loaders` knows how.
_LOADERS = frozenset(("joblib", "pickle", "cloudpickle", "dill", "skops", "mlflow"))
_KNOWN_LOADERS = frozenset(("joblib", "pickle", "cloudpickle", "pyspark.cloudpickle"))

#: Modules of the standard library that may be named; what is read from them is checked like any other object.
_OPEN_MODULES = frozenset(("operator", "functools", "itertools", "typing", "collections", "dataclasses", "numbers", "enum"))


def refuse_module(name: str, use: Use) -> None:
    """Refuses (SW214) libraries without a stand-in and the standard library but for its modules of pure functions.

    Refuses (SW805) modules that load models in ways of their own.
    """
    root = name.partition(".")[0]
    if name in _KNOWN_LOADERS:
        return
    if root in _LOADERS:
        raise use.refusal("SW805", call=root)
    if root in LIBRARIES or (root in sys.stdlib_module_names and root not in _OPEN_MODULES):
        raise use.refusal("SW214", module=name)


def is_library(original: Any) -> bool:
    """Whether a function or class belongs to a library whose code is never followed."""
    if is_wrapper(original):
        return False
    module = str(getattr(original, "__module__", None) or type(original).__module__)
    if module in _FOLLOWED:
        return False
    root = module.partition(".")[0]
    return root in _LOADERS | _OURS or (root in LIBRARIES and _has(module))


@cache
def _has(module: str) -> bool:
    """Whether a library has the module. A function that was pickled by value keeps the name of its module, which may be any
    name: that of a script's folder, of a notebook, or of a library's tests, which are users of it."""
    if "tests" in module.split("."):
        return False
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError: a module without a spec is there
        return module in sys.modules


def described(original: Any, use: Use) -> str:
    """``random.gauss``: where an object comes from, or its name where it is used."""
    owner = getattr(original, "__self__", None)
    module = getattr(original, "__module__", None) or (type(owner).__module__ if owner is not None else None)
    name = getattr(original, "__qualname__", None) or name_of(original)
    return f"{module}.{name}" if isinstance(module, str) and module != "builtins" else (name or use.name)
