"""Turns pandas UDFs of Spark jobs into fused native kernels: the Python half of the SparkWeld plugin.

The plugin needs nothing of this module at run time; it is for sessions built in Python, for looking at plans, and for
UDFs that say at their definition what becomes of them:

    builder = sparkweld.configure(SparkSession.builder)     # the flag and the jar
    print(sparkweld.explain(df))                            # what was compiled, and what was not and why
    @sparkweld.pandas_udf("double", exact=True)             # Spark's decorator, and options for this one function

Names are resolved when first used, so that `import sparkweld.ir` never loads pyspark.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparkweld.api import cascade
    from sparkweld.api.explain import explain
    from sparkweld.api.session import configure
    from sparkweld.api.udfs import pandas_udf, udf
    from sparkweld.bridge.jar import jar_path
    from sparkweld.errors import InternalError, Refusal, RefusalWarning, SparkWeldError, UserError

__all__ = [
    "InternalError",
    "Refusal",
    "RefusalWarning",
    "SparkWeldError",
    "UserError",
    "cascade",
    "configure",
    "explain",
    "jar_path",
    "pandas_udf",
    "udf",
]

_HOMES = {
    "configure": "sparkweld.api.session",
    "explain": "sparkweld.api.explain",
    "jar_path": "sparkweld.bridge.jar",
    "pandas_udf": "sparkweld.api.udfs",
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
    if name == "cascade":
        return importlib.import_module("sparkweld.api.cascade")
    if name not in _HOMES:
        raise AttributeError(f"module 'sparkweld' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
