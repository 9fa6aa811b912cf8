"""Turns questions about a live driver JVM into py4j calls: the only file that knows py4j.

Every function takes pyspark objects, never imports pyspark's SQL classes, and returns plain Python values.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from py4j.java_gateway import JavaPackage

from sparkweld.bridge.jar import PLUGIN_CLASS
from sparkweld.errors import UserError

_EXPLAIN_CLASS = "io.sparkweld.ui.WeldExplain"


def running_jvm() -> Any | None:
    """The JVM view of this process's driver, or None when there is none yet."""
    from pyspark import SparkContext

    # under spark-submit the JVM is the parent process, and is connected to on first use
    if SparkContext._gateway is None and "PYSPARK_GATEWAY_PORT" in os.environ:
        SparkContext._ensure_initialized()
    return SparkContext._jvm


def submitted_conf(jvm: Any, key: str) -> str | None:
    """What spark-submit and spark-defaults.conf say about `key` in a running JVM; None when nothing."""
    conf = jvm.org.apache.spark.SparkConf()
    return conf.get(key) if conf.contains(key) else None


def context_conf(context: Any, key: str) -> str | None:
    """The value of `key` in a running SparkContext; None when it is not set."""
    value = context.getConf().get(key, None)
    return None if value is None else str(value)


def add_to_classpath(jvm: Any, jar: Path) -> None:
    """Makes the jar's classes visible in a JVM that started without it.

    Spark runs Python drivers under a class loader that takes jars later too, as `spark-shell` needs it. Raises
    UserError under any other loader.
    """
    if plugin_is_loadable(jvm):
        return
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    if loader.getClass().getSimpleName() not in ("MutableURLClassLoader", "ChildFirstURLClassLoader"):
        raise UserError(
            f"the driver's JVM runs already, without {jar}. Start the job with `--jars {jar}`, or run "
            "`python -m sparkweld install` once so that the flag alone is enough."
        )
    loader.addURL(jvm.java.io.File(str(jar)).toURI().toURL())


def plugin_is_loadable(jvm: Any) -> bool:
    """Whether the driver's class path has the plugin."""
    return bool(jvm.org.apache.spark.util.Utils.classIsLoadable(PLUGIN_CLASS))


def explain(query_execution: Any, jvm: Any) -> str | None:
    """The plugin's own account of a query's plan; None when the plugin's classes are not in the JVM."""
    if not plugin_is_loadable(jvm):
        return None
    target: Any = jvm
    for part in _EXPLAIN_CLASS.split("."):
        target = getattr(target, part)
    if isinstance(target, JavaPackage):
        raise UserError(f"the plugin in this JVM has no {_EXPLAIN_CLASS}: its jar and this package differ in version")
    return str(target.explain(query_execution))
