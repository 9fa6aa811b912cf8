"""Finds the plugin's jar and Spark's jars, and installs the plugin's jar among Spark's or removes it."""

from __future__ import annotations

import filecmp
import importlib.util
import os
import shutil
from pathlib import Path

from sparkweld.contract.constants import LINES
from sparkweld.errors import UserError

JAR_NAME = "sparkweld.jar"
#: The lines of Spark on which all tests pass; on the others the plugin is inactive (`BuiltFor` in the bridge).
TESTED_LINES = ("3.5", "4.0", "4.1", "4.2", "4.3")
SHIM_NAME = "libsparkweld_jni.so"
PLUGIN_CLASS = "io.sparkweld.SparkWeldPlugin"
_PACKAGE = Path(__file__).resolve().parent.parent


def jar_path(spark: str | None = None) -> Path:
    """Returns the absolute path of the plugin's jar for a line of Spark, for `--jars` and `spark.jars`.

    `spark`: a line or a version, such as 4.1 or 4.1.3; by default that of `spark_home()`. Raises UserError when the plugin does
    not run on it, or when its jar is not built.
    """
    return _product(JAR_NAME, spark)


def shim_path(spark: str | None = None) -> Path:
    """Returns the absolute path of the native shim, for inspection. The jar carries the copy that is used."""
    return _product(SHIM_NAME, spark)


def line_of(version: str) -> str:
    """Returns the line of Spark of a version: 4.1 for 4.1.3. Raises UserError when the plugin does not run on it."""
    line = ".".join(version.split(".")[:2])
    if line not in LINES:
        raise UserError(f"SparkWeld does not run on Spark {version}. It runs on Spark {', '.join(LINES)}.")
    return line


def _product(name: str, spark: str | None) -> Path:
    line = line_of(spark_version(spark_home()) if spark is None else spark)
    path = _PACKAGE / "_bridge" / f"spark-{line}" / name
    if not path.is_file():
        raise UserError(
            f"{path} does not exist: the bridge of this installation is not built for Spark {line}. In a source checkout run "
            f"`python jvm-bridge/build.py --spark {line}`; otherwise install a wheel with all lines, which `make wheel` builds."
        )
    return path


def spark_home(explicit: str | os.PathLike[str] | None = None) -> Path:
    """Returns the Spark that jobs run with: `explicit`, else $SPARK_HOME, else the one inside pip's pyspark.

    Raises UserError when that folder holds no Spark.
    """
    if explicit is not None:
        home, source = Path(explicit), "--spark-home"
    elif os.environ.get("SPARK_HOME"):
        home, source = Path(os.environ["SPARK_HOME"]), "SPARK_HOME"
    else:
        spec = importlib.util.find_spec("pyspark")
        if spec is None or spec.origin is None:
            raise UserError("no Spark found: SPARK_HOME is not set and pyspark is not installed; pass --spark-home DIR")
        home, source = Path(spec.origin).parent, "pyspark"
    if not any((home / "jars").glob("spark-core_*.jar")):
        raise UserError(f"no Spark in {home} (from {source}): its folder jars/ has no spark-core jar")
    return home.resolve()


def spark_version(home: Path) -> str:
    """Returns the version in the name of Spark's core jar, such as `4.3.0` or `4.0.1-amzn-0`.

    Raises UserError for Spark 3 with Scala 2.13: the plugin's jar for Spark 3 needs Scala 2.12, as most distributions have it.
    """
    core = sorted((home / "jars").glob("spark-core_*.jar"))[0]
    scala, _, version = core.stem.removeprefix("spark-core_").partition("-")
    if version.startswith("3.") and scala != "2.12":
        raise UserError(f"SparkWeld does not run on Spark {version} with Scala {scala}. Use Spark {version} with Scala 2.12.")
    return version


def installed_jar(home: Path) -> Path | None:
    """Returns the plugin's jar among Spark's own jars, or None."""
    path = home / "jars" / JAR_NAME
    return path if path.is_file() else None


def install(home: Path) -> tuple[Path, bool]:
    """Copies the jar into Spark's jars; returns its path there and whether anything changed.

    The copy is atomic: a Spark that starts meanwhile sees the old jar or the new one, and running JVMs keep theirs.
    Raises UserError when the folder cannot be written.
    """
    source, target = jar_path(spark_version(home)), home / "jars" / JAR_NAME
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return target, False
    near = target.with_name(f".{JAR_NAME}.{os.getpid()}")
    try:
        shutil.copyfile(source, near)
        near.chmod(0o644)
        os.replace(near, target)
    except OSError as fault:
        near.unlink(missing_ok=True)
        raise _unwritable(target, source, fault) from None
    return target, True


def uninstall(home: Path) -> tuple[Path, bool]:
    """Removes the jar from Spark's jars; returns its path there and whether it existed."""
    target = home / "jars" / JAR_NAME
    try:
        target.unlink()
    except FileNotFoundError:
        return target, False
    except OSError as fault:
        raise _unwritable(target, None, fault) from None
    return target, True


def _unwritable(target: Path, source: Path | None, fault: OSError) -> UserError:
    return UserError(
        f"cannot change {target}: {fault.strerror or fault}. Run the command as the user that owns {target.parent}"
        + (f", or leave Spark as it is and give each job `--jars {source}`." if source is not None else ".")
    )
