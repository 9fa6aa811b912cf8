"""Configures a SparkSession builder so that its session starts with the plugin: sets the flag and the jar.

Experiments with Spark 4.3 showed which setting ships the jar. `spark.jars` alone is enough for the driver and for executors in
their own JVMs, since Spark fetches those jars before it starts an executor's plugins. A driver JVM may already run, under
spark-submit or after a stopped session. The jar is then also added to its class loader.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkweld.bridge.jar import PLUGIN_CLASS, installed_jar, jar_path, spark_home
from sparkweld.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PLUGINS_KEY = "spark.plugins"
JARS_KEY = "spark.jars"


def configure(builder: SparkSession.Builder) -> SparkSession.Builder:
    """Sets `spark.plugins` and, where needed, `spark.jars` on a Classic builder, and returns it.

    Preserves plugins and jars that the builder, spark-submit or spark-defaults.conf name already. Call it after the builder's
    own `.config` calls. Raises UserError for a Spark Connect builder, since the plugin belongs on the server. Raises it also
    when a SparkContext without the plugin is running, since plugins start with the context, and when the jar is not built.
    """
    # pyspark-client, for Connect, has no py4j, which this module loads
    from sparkweld.bridge import jvm as live

    options: dict[str, Any] = builder._options
    _refuse_remote(builder, options)
    if _is_running_with_plugin(live):
        return builder
    jvm = live.running_jvm()
    plugins = _split(_current(options, jvm, PLUGINS_KEY))
    if PLUGIN_CLASS not in plugins:
        plugins.append(PLUGIN_CLASS)
    builder.config(PLUGINS_KEY, ",".join(plugins))
    if installed_jar(spark_home()) is not None:
        return builder
    jar = jar_path()
    jars = _split(_current(options, jvm, JARS_KEY))
    if not any(Path(name).name == jar.name for name in jars):
        jars.append(str(jar))
    builder.config(JARS_KEY, ",".join(jars))
    if jvm is not None:
        live.add_to_classpath(jvm, jar)
    return builder


def _refuse_remote(builder: Any, options: dict[str, Any]) -> None:
    remote = options.get("spark.remote") or os.environ.get("SPARK_REMOTE")
    api_mode = str(options.get("spark.api.mode") or os.environ.get("SPARK_API_MODE") or "")
    is_connect_class = ".connect." in type(builder).__module__
    if not remote and api_mode.lower() != "connect" and not is_connect_class:
        return
    raise UserError(
        f"this builder makes a Spark Connect session ({remote or 'api mode connect'}), and the plugin belongs on its "
        f"server, not in the client. Start the server with `--conf {PLUGINS_KEY}={PLUGIN_CLASS} --jars JAR`, where "
        "`python -m sparkweld jar` prints JAR; the client's program stays as it is. (The server that "
        'PySpark itself starts for remote("local") cannot have it: it replaces spark.plugins.)'
    )


def _is_running_with_plugin(live: Any) -> bool:
    """Whether a context with the plugin is running. Raises UserError when one is running without it."""
    # pyspark-client, for Connect, has no SparkContext
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    if context is None:
        return False
    if PLUGIN_CLASS in _split(live.context_conf(context, PLUGINS_KEY)):
        return True
    raise UserError(
        "a SparkContext without the plugin runs already in this process, and Spark starts plugins with the context "
        "only. Stop it first, call configure before the first session, or start the job with "
        f"`--conf {PLUGINS_KEY}={PLUGIN_CLASS}`."
    )


def _current(options: dict[str, Any], jvm: Any, key: str) -> str | None:
    """Returns the value that the session would have: the builder's, else spark-submit's, else spark-defaults.conf's."""
    if key in options:
        return str(options[key])
    if jvm is not None:
        # pyspark-client, for Connect, has no py4j, which this module loads
        from sparkweld.bridge.jvm import submitted_conf

        return submitted_conf(jvm, key)
    from_arguments = _submit_argument(key)
    return from_arguments if from_arguments is not None else _default(key)


def _submit_argument(key: str) -> str | None:
    """Returns the last value of `key` in PYSPARK_SUBMIT_ARGS: of `--conf key=value`, and of `--jars` for spark.jars."""
    words = shlex.split(os.environ.get("PYSPARK_SUBMIT_ARGS", ""))
    found = None
    for flag, value in zip(words, words[1:], strict=False):
        if flag in ("--conf", "-c") and value.startswith(f"{key}="):
            found = value.partition("=")[2]
        if flag == "--jars" and key == JARS_KEY:
            found = value
    return found


def _default(key: str) -> str | None:
    """Returns the value of `key` in spark-defaults.conf, which a builder's own value would replace."""
    folder = Path(os.environ.get("SPARK_CONF_DIR") or spark_home() / "conf")
    try:
        text = (folder / "spark-defaults.conf").read_text(encoding="utf-8")
    except OSError:
        return None  # most installations have no such file
    found = None
    for line in text.splitlines():
        name, *value = re.split(r"[\s=:]+", line.strip(), maxsplit=1)  # parses a line as java.util.Properties does
        if name == key:
            found = "".join(value).strip()
    return found


def _split(value: str | None) -> list[str]:
    return [part.strip() for part in (value or "").split(",") if part.strip()]
