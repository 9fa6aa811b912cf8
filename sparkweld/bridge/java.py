"""Runs one class of the plugin's jar in a short-lived `java`, with Spark's jars on its class path."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sparkweld.bridge.jar import jar_path, spark_home, spark_version
from sparkweld.errors import UserError

MINIMUM_JAVA = 17


def java_program() -> str:
    """Returns the `java` that Spark would start: $JAVA_HOME's, else the one on PATH. Raises UserError when there is none."""
    home = os.environ.get("JAVA_HOME")
    path = shutil.which("java", path=os.path.join(home, "bin")) if home else shutil.which("java")
    if path is None:
        where = f"JAVA_HOME is {home}, without bin/java" if home else "JAVA_HOME is not set and java is not on PATH"
        raise UserError(f"no Java: {where}. Install a JDK {MINIMUM_JAVA} or newer, or point JAVA_HOME at one.")
    return path


def java_version(java: str) -> tuple[int, str]:
    """Returns the feature release and the full version of a `java`, such as (17, "17.0.9")."""
    answer = _run([java, "-version"], timeout=30)
    text = answer.stderr + answer.stdout
    match = re.search(r'version "((?:1\.)?(\d+)[^"]*)"', text)
    if match is None:
        raise UserError(f"{java} -version prints no readable version: {text.strip()[:200]!r}")
    return int(match.group(2)), match.group(1)


def run_class(
    name: str, arguments: Sequence[str] = (), timeout: float = 60, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs `name`'s main method and returns its output and exit code unchecked.

    Raises UserError when there is no Java, no Spark, no jar, or no answer within `timeout` seconds.
    """
    home = home or spark_home()
    classpath = os.pathsep.join([str(jar_path(spark_version(home))), str(home / "jars" / "*")])
    flags = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-Xshare:auto"]
    return _run([java_program(), *flags, "-cp", classpath, name, *arguments], timeout)


def _run(command: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"no answer within {timeout:g} s from: {' '.join(command[-3:])}") from None
    except OSError as fault:
        raise UserError(f"cannot run {command[0]}: {fault.strerror or fault}") from None
