"""Queries a live driver JVM through py4j; no other file uses py4j.

Every function takes pyspark objects, never imports pyspark's SQL classes, and returns plain Python values.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import time
from pathlib import Path
from typing import Any

from py4j.java_gateway import JavaPackage
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkContext

from sparkweld.bridge.jar import PLUGIN_CLASS
from sparkweld.errors import UserError
from sparkweld.reasons import refusal

#: The longest time in seconds that the end of Python waits for a JVM that ends.
_LONGEST_END = 20.0

#: Classes are looked up by their full names: for each package of a path, py4j would search all jars of Spark.
_EXPLAIN_CLASS = "io.sparkweld.ui.WeldExplain"
_RUNTIME_CLASS = "io.sparkweld.SparkWeldRuntime"


def running_jvm() -> Any | None:
    """Returns the JVM view of this process's driver, or None when there is none yet."""
    # under spark-submit the JVM is the parent process, and is connected to on first use
    if SparkContext._gateway is None and "PYSPARK_GATEWAY_PORT" in os.environ:
        SparkContext._ensure_initialized()
    return SparkContext._jvm


def submitted_conf(jvm: Any, key: str) -> str | None:
    """Returns the value of `key` from spark-submit and spark-defaults.conf in a running JVM; None when it is not set."""
    conf = jvm.org.apache.spark.SparkConf()
    return conf.get(key) if conf.contains(key) else None


def context_conf(context: Any, key: str) -> str | None:
    """Returns the value of `key` in a running SparkContext; None when it is not set."""
    value = context.getConf().get(key, None)
    return None if value is None else str(value)


def add_to_classpath(jvm: Any, jar: Path) -> None:
    """Makes the jar's classes visible in a JVM that started without it.

    Spark runs Python drivers under a class loader that accepts further jars, as `spark-shell` requires. Raises UserError under
    any other loader.
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
    """Whether the plugin is on the driver's class path."""
    return bool(jvm.org.apache.spark.util.Utils.classIsLoadable(PLUGIN_CLASS))


def set_enabled(jvm: Any, enabled: bool) -> bool:
    """Turns the plugin on or off for all sessions. False: it is not loaded."""
    return plugin_is_loadable(jvm) and bool(getattr(jvm, _RUNTIME_CLASS).setEnabled(enabled))


def explain(query_execution: Any, jvm: Any) -> str | None:
    """Returns the plugin's report on a query's plan; None when the plugin's classes are not in the JVM."""
    if not plugin_is_loadable(jvm):
        return None
    target = getattr(jvm, _EXPLAIN_CLASS)
    if isinstance(target, JavaPackage):
        raise UserError(f"the plugin in this JVM has no {_EXPLAIN_CLASS}: its jar and this package differ in version")
    return str(target.explain(query_execution))


def with_ranking(query: Any, path: str) -> Any:
    """Marks the DataFrame `query`, a limit of a sort, for an answer from the candidates of the ranking in `path`.

    Refuses SW958 where no plugin can do so.
    """
    session = query.sparkSession
    jvm = running_jvm() if hasattr(query, "_jdf") else None
    plugins = (context_conf(session.sparkContext, "spark.plugins") or "") if jvm is not None else ""
    if PLUGIN_CLASS not in plugins.split(",") or not plugin_is_loadable(jvm):
        raise refusal("SW958", path=path, k="K", why="it needs the plugin, in a session that is not of Spark Connect")
    assert jvm is not None
    jvm.io.sparkweld.rules.RankingRule.named(query._jdf, path)
    return query


class Files:
    """A Hadoop file system, identified by one of its paths; implements `sparkweld.api.tables.Place`."""

    def __init__(self, spark: Any, where: str) -> None:
        context = self._context = spark.sparkContext
        self._jvm_ends = False
        self._path = context._jvm.org.apache.hadoop.fs.Path
        try:
            self._system = self._path(where).getFileSystem(context._jsc.hadoopConfiguration())
        except Py4JJavaError as error:
            raise UserError(f"{where} is not in a file system that Spark can access: {_message(error)}") from None

    def exists(self, name: str) -> bool:
        """Whether the path exists. Raises UserError when the file system fails to answer."""
        try:
            return bool(self._system.exists(self._path(name)))
        except Py4JJavaError as error:
            raise UserError(f"{name} cannot be checked for existence: {_message(error)}") from None

    def rename(self, old: str, new: str) -> None:
        """Renames a path. Raises UserError when the file system does not."""
        if not self._system.rename(self._path(old), self._path(new)):
            raise UserError(f"{old} cannot be renamed to {new}")

    def delete(self, name: str) -> None:
        self._system.delete(self._path(name), True)

    def aside(self, name: str, mark: str) -> str:
        """Returns a hidden name in the same folder."""
        path = self._path(name)
        return str(self._path(path.getParent(), f".{path.getName()}.{mark}").toString())

    def begun(self, name: str, mark: str) -> str:
        """Returns a path in a hidden folder, which is deleted when the JVM ends.

        Tasks in a local JVM may still write while Hadoop deletes. So a local folder is deleted again when Python ends. Of a
        terminated application, that waits for the end of the JVM.
        """
        folder = self.aside(name, mark)
        if not self._system.mkdirs(self._path(folder)):
            raise UserError(f"{folder} cannot be created")
        self._system.deleteOnExit(self._path(folder))
        if self._system.getScheme() == "file":
            jvm = self._context._jvm.java.lang.ProcessHandle.current().pid()
            atexit.register(self._remove, self._path(folder).toUri().getPath(), jvm)
        return f"{folder}/rows"

    def done(self, begun: str) -> None:
        # It stays registered for deletion at exit: a task of a cancelled query may still write and recreate it.
        try:
            self._system.delete(self._path(begun).getParent(), True)
        finally:
            self._jvm_ends = self._is_stopped()

    def _is_stopped(self) -> bool:
        try:
            return bool(self._context._jsc.sc().isStopped())
        except (Py4JError, OSError):  # the connection is lost
            return True

    def _remove(self, folder: str, jvm: int) -> None:
        deadline = time.monotonic() + _LONGEST_END
        while self._jvm_ends and os.getppid() == jvm and time.monotonic() < deadline:
            time.sleep(0.05)
        shutil.rmtree(folder, ignore_errors=True)


def last_execution(spark: Any) -> int:
    """Returns Spark's id of the newest query of this session's context, -1 when there was none."""
    known = _executions(spark)
    return int(known.last().executionId()) if known.nonEmpty() else -1


def _executions(spark: Any) -> Any:
    """Returns the queries that Spark still stores, oldest first: it keeps the last thousand."""
    spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()
    return spark._jsparkSession.sharedState().statusStore().executionsList()


def operators_since(spark: Any, last: int) -> list[tuple[str, dict[str, int]]]:
    """Returns the operators of the queries after id `last`, each with its metrics by the names that Spark's UI shows."""
    store, known = spark._jsparkSession.sharedState().statusStore(), _executions(spark)
    newest_first = (known.apply(at).executionId() for at in range(known.size() - 1, -1, -1))
    found = []
    for execution in reversed(list(itertools.takewhile(lambda number: number > last, newest_first))):
        values, nodes = store.executionMetrics(execution), store.planGraph(execution).allNodes()
        for node in (nodes.apply(at) for at in range(nodes.size())):
            metrics = (node.metrics().apply(at) for at in range(node.metrics().size()))
            # a node may have two metrics of one name, of which no task counted one
            shown = [(m.name(), values.get(m.accumulatorId())) for m in metrics]
            counts = {name: value.get().replace(",", "") for name, value in shown if value.isDefined()}
            found.append((str(node.name()).strip(), {name: int(text) for name, text in counts.items() if text.isdigit()}))
    return found


def _message(error: Any) -> str:
    return str(error.java_exception.getMessage())[:300]
