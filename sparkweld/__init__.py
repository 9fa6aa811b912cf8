"""Turns pandas UDFs of Spark jobs into fused native kernels: the Python half of the SparkWeld plugin.

The plugin needs nothing of this module at run time; it is for sessions built in Python, for looking at plans, and for
UDFs that say at their definition what becomes of them:

    builder = sparkweld.configure(SparkSession.builder)     # the flag and the jar
    scored = sparkweld.score(df, "model.joblib")            # a fitted model's predictions as a column
    print(sparkweld.explain(df))                            # what was compiled, and what was not and why
    @sparkweld.pandas_udf("double", exact=True)             # Spark's decorator, and options for this one function
    x = sparkweld.lazy(array)                               # NumPy and pandas on local data, by the same kernels

Names are resolved when first used, so that `import sparkweld.ir` never loads pyspark.
"""

from __future__ import annotations

import importlib

#: `typing` is not imported: `python -m sparkweld` runs this before it leaves the current folder, which may hold a `typing.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sparkweld.api import cascade, ranking
    from sparkweld.api.explain import explain
    from sparkweld.api.scoring import score
    from sparkweld.api.session import configure
    from sparkweld.api.udfs import pandas_udf, udf
    from sparkweld.bridge.jar import jar_path
    from sparkweld.errors import InternalError, Refusal, RefusalWarning, SparkWeldError, UserError
    from sparkweld.local import compute, lazy

__all__ = [
    "InternalError",
    "Refusal",
    "RefusalWarning",
    "SparkWeldError",
    "UserError",
    "cascade",
    "compute",
    "configure",
    "explain",
    "jar_path",
    "lazy",
    "pandas_udf",
    "ranking",
    "score",
    "udf",
]

_HOMES = {
    "compute": "sparkweld.local",
    "configure": "sparkweld.api.session",
    "explain": "sparkweld.api.explain",
    "jar_path": "sparkweld.bridge.jar",
    "lazy": "sparkweld.local",
    "pandas_udf": "sparkweld.api.udfs",
    "score": "sparkweld.api.scoring",
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
    if name in ("cascade", "ranking"):
        return importlib.import_module(f"sparkweld.api.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'sparkweld' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
