"""Makes py4j remember the classes and packages that names of the JVM mean."""

from __future__ import annotations

from functools import cache

from py4j.java_gateway import JavaPackage, JVMView


def remember_names() -> None:
    """Caches what `jvm.NAME` and `package.NAME` return.

    py4j asks the JVM at each use. There, a name outside all wildcard imports is searched in all 300 jars of Spark, once for each
    such import. That took a tenth of the JVM's time in tests.
    """
    for kind in (JVMView, JavaPackage):
        if not hasattr(kind.__getattr__, "cache_info"):
            kind.__getattr__ = cache(kind.__getattr__)
