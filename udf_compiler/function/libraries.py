"""Decides which code the compiler never follows: libraries have only stand-ins, and the standard library is partly open."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from typing import Any

from udf_compiler.function.bytecode import Use
from udf_compiler.function.module_paths import LIBRARIES
from udf_compiler.function.payload import name_of
from udf_compiler.function.wrappers import is_wrapper

#: Packages whose frames and classes are recognized by name.
_OURS = frozenset(("sparkweld", "udf_compiler"))

#: SparkWeld's own functions for users, which are read like users' functions.
_FOLLOWED = frozenset(("sparkweld.api.predictors", "udf_compiler.backends.worker_pipelines.composed"))

#: Modules whose functions read a model from a file; `udf_compiler.frontends.models.loaders` supports some.
_LOADERS = frozenset(("joblib", "pickle", "cloudpickle", "dill", "skops", "mlflow"))
_KNOWN_LOADERS = frozenset(("joblib", "pickle", "cloudpickle", "pyspark.cloudpickle"))

#: Modules of the standard library that may be used; objects read from them are checked like any others.
_OPEN_MODULES = frozenset("operator functools itertools typing collections dataclasses numbers enum string".split())

#: Modules of PySpark with classes that have stand-ins, such as Row and Vectors; all else in them is refused where it is read.
_OF_PYSPARK = frozenset(("pyspark", "pyspark.sql", "pyspark.sql.types", "pyspark.ml", "pyspark.ml.linalg"))


def refuse_module(name: str, use: Use) -> None:
    """Refuses (SW214) libraries without a stand-in, and the standard library except for its modules of pure functions.

    Refuses (SW805) modules that load models by other means.
    """
    root = name.partition(".")[0]
    if name in _KNOWN_LOADERS or name in _OF_PYSPARK:
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
    """Whether a library has the module.

    A function that was pickled by value keeps its module name. This may be any name: of a script's folder, of a notebook, or
    of a library's tests, which count as users of the library.
    """
    if "tests" in module.split("."):
        return False
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError: a loaded module without a spec
        return module in sys.modules


def described(original: Any, use: Use) -> str:
    """Returns the origin of an object, such as ``random.gauss``, or its name where it is used."""
    owner = getattr(original, "__self__", None)
    module = getattr(original, "__module__", None) or (type(owner).__module__ if owner is not None else None)
    name = getattr(original, "__qualname__", None) or name_of(original)
    return f"{module}.{name}" if isinstance(module, str) and module != "builtins" else (name or use.name)
