"""Runs the installation scripts of conf/platforms with a scratch Spark and stand-ins for the clouds' commands.

They are nightly: each makes a Python environment, and two run a query in it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = ROOT / "conf" / "platforms"
nightly = pytest.mark.nightly
PLUGIN = "spark.plugins=io.sparkweld.SparkWeldPlugin"
#: What `aws s3 cp` and `gcloud storage cp` do: copy each address to the last argument.
COPY = """#!/bin/sh
for to; do :; done
for from; do case "$from" in ??://*) cp "BUCKET/${from##*/}" "$to" ;; esac; done
"""
JOB = """
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf
import sparkweld

spark = SparkSession.builder.getOrCreate()

@pandas_udf("long")
def words(texts: pd.Series) -> pd.Series:
    return texts.str.count("spark[a-z]*")

df = spark.range(100000).selectExpr("if(id % 2 = 0, 'sparks spark', null) as text").select(words("text").alias("n"))
print("rows", sorted((str(row.n), row["count"]) for row in df.groupBy("n").count().collect()), sparkweld.__file__)
print(sparkweld.explain(df))
"""


@pytest.mark.parametrize("script", sorted(path.name for path in PLATFORMS.glob("*.sh")))
def test_a_script_is_correct_shell_and_stops_at_the_first_error(script: str):
    path = PLATFORMS / script
    shell = path.read_text().splitlines()[0].removeprefix("#!")
    assert subprocess.run([shell, "-n", str(path)], capture_output=True, text=True).stderr == ""
    assert re.search(r"^set -eu(o pipefail)?$", path.read_text(), re.MULTILINE)


def test_the_page_names_each_script():
    page = (ROOT / "docs" / "install.md").read_text()
    assert [path.name for path in PLATFORMS.iterdir() if f"`{path.name}`" not in page] == []


class Machine:
    """A scratch machine: a Spark, a Python environment without SparkWeld, a bucket with the wheel, and commands of clouds."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        import pyspark

        self.folder, self.wheel = folder, wheel
        self.spark = folder / "spark"
        shutil.copytree(Path(pyspark.__file__).parent, self.spark, copy_function=os.symlink)
        self.bucket = folder / "bucket"
        self.bucket.mkdir()
        shutil.copy(wheel, self.bucket)
        shutil.copy(PLATFORMS / "install.sh", self.bucket)
        subprocess.run([sys.executable, "-m", "venv", str(folder / "environment")], check=True)
        self.python = folder / "environment" / "bin" / "python"
        # pyspark, pandas and Numba of this environment, but not its editable SparkWeld, whose finder only a site folder starts
        packages = next((folder / "environment" / "lib").glob("python*")) / "site-packages"
        (packages / "cluster.pth").write_text(sysconfig.get_path("purelib"))
        commands = folder / "commands"
        commands.mkdir()
        for name in ("aws", "gcloud"):
            (commands / name).write_text(COPY.replace("BUCKET", str(self.bucket)))
            (commands / name).chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYSPARK_PYTHON", "SPARK_HOME")}
        self.environment = {**kept, "PATH": f"{commands}:{os.environ['PATH']}", "SPARKWELD_PYTHON": str(self.python),
                            "SPARK_HOME": str(self.spark), "SPARKWELD_SUDO": "", "SPARKWELD_FOLDER": str(folder / "opt")}

    def run(self, *command: str | Path, **environment: str) -> str:
        done = subprocess.run([str(part) for part in command], cwd=self.folder, env={**self.environment, **environment},
                              capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def jar(self) -> Path:
        return self.spark / "jars" / "sparkweld.jar"

    def check_installed(self) -> None:
        """Asserts that the wheel's package is the one that Python imports, and that its jar is among Spark's."""
        where = self.run(self.python, "-c", "import sparkweld; print(sparkweld.__file__, sparkweld.jar_path())").split()
        assert all(path.startswith(str(self.folder / "environment")) for path in where)
        assert self.jar().read_bytes() == Path(where[1]).read_bytes()

    def check_query(self, python: Path, *options: str) -> None:
        (self.folder / "job.py").write_text(JOB)
        said = self.run(self.spark / "bin" / "spark-submit", "--conf", PLUGIN, *options, "job.py",
                        PYSPARK_PYTHON=str(python), PYSPARK_DRIVER_PYTHON=str(python))
        assert "rows [('2', 50000), ('None', 50000)]" in said
        assert re.search(r"^compiled words", said, re.MULTILINE), said


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", str(folder), "."]
    subprocess.run(command, cwd=ROOT, check=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture
def machine(tmp_path: Path, wheel: Path) -> Machine:
    return Machine(tmp_path, wheel)


@nightly
def test_standalone(machine: Machine):
    script = PLATFORMS / "install.sh"
    machine.run(script, machine.wheel, machine.python, machine.spark)
    machine.check_installed()
    before = machine.jar().stat()
    assert "already there" in machine.run(script, machine.wheel, machine.python, machine.spark)
    assert machine.jar().stat() == before
    machine.check_query(machine.python)


@nightly
def test_the_commands_of_the_image(machine: Machine):
    text = (PLATFORMS / "Dockerfile").read_text()
    assert re.search(r"^COPY sparkweld-\*\.whl install\.sh /tmp/sparkweld/$", text, re.MULTILINE)
    (command,) = re.findall(r"^RUN (.*)$", text, re.MULTILINE)
    for there, here in {"/tmp/sparkweld": machine.bucket, "python3": machine.python, "/opt/spark": machine.spark}.items():
        assert there in command
        command = command.replace(there, str(here))
    machine.run("sh", "-c", command)
    machine.check_installed()
    assert not machine.bucket.exists()


@nightly
def test_emr_waits_for_its_spark(machine: Machine):
    (core,) = (machine.spark / "jars").glob("spark-core_*.jar")
    away = core.rename(machine.folder / core.name)
    machine.run(PLATFORMS / "emr-bootstrap.sh", f"s3://bucket/{machine.wheel.name}")
    time.sleep(1)
    assert not machine.jar().exists()
    away.rename(core)
    deadline = time.monotonic() + 120
    while not machine.jar().exists():
        assert time.monotonic() < deadline, (machine.folder / "opt" / "install.log").read_text()
        time.sleep(0.5)
    machine.check_installed()


@nightly
def test_dataproc(machine: Machine):
    machine.run(PLATFORMS / "dataproc-init.sh", SPARKWELD_WHEEL_URL=f"gs://bucket/{machine.wheel.name}")
    machine.check_installed()


@nightly
def test_databricks(machine: Machine):
    with zipfile.ZipFile(machine.wheel) as wheel:
        lines = {name.split("/")[2].removeprefix("spark-") for name in wheel.namelist() if name.endswith("sparkweld.jar")}
    script, jars = PLATFORMS / "databricks-init.sh", machine.folder / "databricks" / "jars"
    jars.mkdir(parents=True)
    given = {"SPARKWELD_WHEEL": str(machine.bucket / machine.wheel.name), "SPARKWELD_DATABRICKS": str(jars.parent)}
    machine.run(script, **given, DATABRICKS_RUNTIME_VERSION="99.1")
    assert list(jars.iterdir()) == []
    for line, runtime in {"3.5": "16.4", "4.0": "17.3", "4.1": "18.0"}.items():
        if line in lines:
            machine.run(script, **given, DATABRICKS_RUNTIME_VERSION=runtime)
            with zipfile.ZipFile(jars / "sparkweld.jar") as jar:
                assert f"Spark-Version: {line}." in jar.read("META-INF/MANIFEST.MF").decode()
            (jars / "sparkweld.jar").unlink()
        else:  # the wheel of a source tree has the jars that were built there
            with pytest.raises(AssertionError, match=r"is not built for Spark|does not run on Spark"):
                machine.run(script, **given, DATABRICKS_RUNTIME_VERSION=runtime)
        assert list(jars.iterdir()) == []


@nightly
def test_yarn(machine: Machine):
    archive = machine.folder / "made" / "environment.tar.gz"
    archive.parent.mkdir()
    said = machine.run(PLATFORMS / "yarn-archive.sh", machine.wheel, sys.executable, archive)
    assert "--archives" in said and PLUGIN in said
    container = machine.folder / "environment-of-a-container"
    with tarfile.open(archive) as packed:
        packed.extractall(container, filter="fully_trusted")  # links to the interpreter, as YARN extracts them
    machine.check_query(container / "bin" / "python", "--jars", str(archive.parent / "sparkweld.jar"))
    assert not machine.jar().exists()
