"""Builds the spark-submit command and environment that a user would type, with the plugin on or off."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pyspark

REPOSITORY = Path(__file__).resolve().parents[2]
FLAG_FILE = REPOSITORY / "conf" / "spark-defaults.conf"
NO_FLAG_FILE = Path(__file__).with_name("without-flag.conf")
SPARK_HOME = Path(pyspark.__file__).parent


def plugin_jar() -> Path:
    """Returns the bridge's jar, as `python -m sparkweld jar` prints it. RuntimeError when there is none."""
    command = [sys.executable, "-m", "sparkweld", "jar"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    path = Path(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else None
    if done.returncode != 0 or path is None or not path.is_file():
        raise RuntimeError(f"no bridge jar (build it with `make bridge`): {' '.join(command)}\n{done.stderr.strip()}")
    return path


def jar_installed() -> bool:
    """Whether `python -m sparkweld install` put the jar beside Spark's own, so that the flag alone is enough."""
    return any((SPARK_HOME / "jars").glob("sparkweld*.jar"))


def flag_arguments() -> list[str]:
    """Returns the arguments that enable the plugin: the properties file with the flag, and the jar unless it is installed."""
    flag = ["--properties-file", str(FLAG_FILE)]
    return flag if jar_installed() else [*flag, "--jars", str(plugin_jar())]


def spark_submit(plugin: bool, arguments: list[str]) -> list[str]:
    """Returns the command line; neither side reads the machine's spark-defaults.conf."""
    chosen = flag_arguments() if plugin else ["--properties-file", str(NO_FLAG_FILE)]
    return [str(SPARK_HOME / "bin" / "spark-submit"), *chosen, *arguments]


def session_environment(plugin: bool, arguments: list[str], extra: dict[str, str] | None = None) -> dict[str, str]:
    """Returns the environment in which a Python process's own SparkSession starts with these spark-submit arguments."""
    submit = [*spark_submit(plugin, arguments)[1:], "pyspark-shell"]
    return {**spark_environment(extra), "PYSPARK_SUBMIT_ARGS": shlex.join(submit)}


def spark_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Returns this process's environment with this interpreter for Spark's workers, and the checkout's package on the path."""
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    environment["SPARK_HOME"] = str(SPARK_HOME)
    environment.pop("PYSPARK_SUBMIT_ARGS", None)
    # Suppresses the two warnings about a machine whose name resolves to its loopback address.
    environment.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    return {**environment, **(extra or {})}
