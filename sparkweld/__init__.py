"""Compiles the Python UDFs of Spark jobs to fused native kernels: the Python half of the SparkWeld plugin.

The plugin does not use this module at run time. It serves sessions that are built in Python, users who inspect plans, and UDFs
that report at their definition whether they compile:

    builder = sparkweld.configure(SparkSession.builder)     # sets the flag and the jar
    scored = sparkweld.score(df, "model.joblib")            # adds a fitted model's predictions as a column
    print(sparkweld.explain(df))                            # what was compiled, and what was not and why
    print(sparkweld.profile(df))                            # runs a query without and with kernels: rows, times, advice
    @sparkweld.pandas_udf("double", exact=True)             # Spark's decorator, with options for this function
    x = sparkweld.lazy(array)                               # NumPy and pandas on local data, by the same kernels
    program = sparkweld.compile(model, example)             # a function or model to call outside Spark; save and load it
    fast = sparkweld.accelerate(model)                      # the same estimator, whose predict runs a program

Names are resolved on first use, so `import sparkweld.ir` never loads pyspark.
"""

from __future__ import annotations

import importlib

#: `typing` is not imported: `python -m sparkweld` runs this module before it removes the current folder from the import path,
#: and that folder may hold a `typing.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sparkweld import mlflow
    from sparkweld.api import cascade, ranking
    from sparkweld.api.accelerating import accelerate
    from sparkweld.api.compiling import compile
    from sparkweld.api.explain import explain
    from sparkweld.api.scoring import score
    from sparkweld.api.session import configure
    from sparkweld.api.switch import set_enabled
    from sparkweld.api.udfs import pandas_udf, udf
    from sparkweld.bridge.jar import jar_path
    from sparkweld.errors import InternalError, Refusal, RefusalWarning, SparkWeldError, UserError
    from sparkweld.lazy_evaluation import compute, lazy
    from sparkweld.profiling import profile
    from sparkweld.serving.program import load

__all__ = [
    "InternalError",
    "Refusal",
    "RefusalWarning",
    "SparkWeldError",
    "UserError",
    "accelerate",
    "cascade",
    "compile",
    "compute",
    "configure",
    "explain",
    "jar_path",
    "lazy",
    "load",
    "mlflow",
    "pandas_udf",
    "profile",
    "ranking",
    "score",
    "set_enabled",
    "udf",
]

_MODULES = {"cascade": "sparkweld.api.cascade", "mlflow": "sparkweld.mlflow", "ranking": "sparkweld.api.ranking"}
_HOMES = {
    "accelerate": "sparkweld.api.accelerating",
    "compile": "sparkweld.api.compiling",
    "compute": "sparkweld.lazy_evaluation",
    "configure": "sparkweld.api.session",
    "explain": "sparkweld.api.explain",
    "jar_path": "sparkweld.bridge.jar",
    "lazy": "sparkweld.lazy_evaluation",
    "load": "sparkweld.serving.program",
    "pandas_udf": "sparkweld.api.udfs",
    "profile": "sparkweld.profiling",
    "score": "sparkweld.api.scoring",
    "set_enabled": "sparkweld.api.switch",
    "udf": "sparkweld.api.udfs",
    "InternalError": "sparkweld.errors",
    "Refusal": "sparkweld.errors",
    "RefusalWarning": "sparkweld.errors",
    "SparkWeldError": "sparkweld.errors",
    "UserError": "sparkweld.errors",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("sparkweld")
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'sparkweld' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def load_ipython_extension(shell: Any) -> None:
    """Defines the cell magic ``%%sparkweld``; IPython calls it for ``%load_ext sparkweld``."""
    from sparkweld.profiling.magic import register

    register(shell)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
