"""Checks the wheels for distribution: their platform tags, their contents, and a first query where there is no compiler.

They are nightly, because they compile the bridge for all lines of Spark and install Spark into a new environment. The gate
checks the wheel of this machine (test_packaging.py) and the jar of each line by itself.
"""

from __future__ import annotations

import io
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.nightly]
MACHINES = ("x86_64", "aarch64")
#: The programs that the PATH of a machine without development tools has. Spark's scripts call them.
PROGRAMS = ("bash", "sh", "env", "dirname", "basename", "uname", "ps", "cat", "grep", "sed", "rm", "ls", "readlink", "mkdir",
            "hostname", "tr", "java")
JOB = """
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf
import sparkweld

spark = SparkSession.builder.getOrCreate()

@pandas_udf("long")
def words(texts: pd.Series) -> pd.Series:
    return texts.str.lower().str.count("spark[a-z]*")

texts = spark.range(100000).selectExpr("case id % 3 when 0 then 'Sparks SPARK' when 1 then 'weld' end as text")
df = texts.select(words("text").alias("n"))
print("rows", sorted((str(row.n), row["count"]) for row in df.groupBy("n").count().collect()))
print(sparkweld.explain(df))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Builds the wheel of each machine, as `make wheel` does."""
    pytest.importorskip("ziglang", reason="needs the extra `wheel`")
    made = {}
    for machine in MACHINES:
        folder = tmp_path_factory.mktemp(machine)
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", str(folder), "."]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "SPARKWELD_WHEEL": machine}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        (made[machine],) = folder.glob("*.whl")
    return made


@pytest.mark.parametrize("machine", MACHINES)
def test_a_wheel_has_the_tag_that_its_symbols_allow(wheels: dict[str, Path], machine: str):
    """manylinux_2_17 is older than glibc 2.28, the oldest one of managed Sparks."""
    tag = f"manylinux_2_17_{machine}"
    assert wheels[machine].name.endswith(f"-py3-none-{tag}.whl")
    command = [sys.executable, "-m", "auditwheel", "show", str(wheels[machine])]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f'the following platform tag: "{tag}"' in " ".join(done.stdout.split())


@pytest.mark.parametrize("machine", MACHINES)
def test_a_wheel_has_the_jar_of_each_line_with_the_shim_of_each_machine(wheels: dict[str, Path], machine: str):
    from sparkweld.bridge.jar import LINES

    with zipfile.ZipFile(wheels[machine]) as wheel:
        names = wheel.namelist()
        jars = {name: wheel.read(name) for name in names if name.endswith(".jar")}
    assert sorted(jars) == [f"sparkweld/_bridge/spark-{line}/sparkweld.jar" for line in LINES]
    assert {name for name in names if name.endswith(".so")} == {
        f"sparkweld/_bridge/spark-{line}/libsparkweld_jni.so" for line in LINES
    }
    for name, content in jars.items():
        with zipfile.ZipFile(io.BytesIO(content)) as jar:
            shims = {entry for entry in jar.namelist() if entry.startswith("native/")}
            assert shims == {f"native/linux-{each}/libsparkweld_jni.so" for each in MACHINES}, name
            assert re.search(r"Spark-Version: ([\d.]+)", jar.read("META-INF/MANIFEST.MF").decode())[1].startswith(
                re.search(r"spark-([\d.]+)/", name)[1])


def test_five_commands_lead_to_a_kernel_without_compiler_or_make(wheels: dict[str, Path], tmp_path: Path):
    programs = tmp_path / "bin"
    programs.mkdir()
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if os.environ.get("JAVA_HOME") else shutil.which("java")
    for program in PROGRAMS:
        found = java if program == "java" else shutil.which(program)
        assert found, program
        (programs / program).symlink_to(found)
    (tmp_path / "job.py").write_text(JOB)
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name in ("HOME", "LANG")}
    environment = {**kept, "PATH": str(programs), "SPARK_LOCAL_IP": "127.0.0.1"}
    assert shutil.which("cc", path=environment["PATH"]) is shutil.which("make", path=environment["PATH"]) is None

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "venv", "v")
    environment["PATH"] = f"{tmp_path}/v/bin:{programs}"  # what `. v/bin/activate` does
    run("v/bin/pip", "install", "-q", f"{wheels[platform.machine()]}[spark]")
    run("v/bin/python", "-m", "sparkweld", "install")
    said = run("v/bin/spark-submit", "--conf", "spark.plugins=io.sparkweld.SparkWeldPlugin", "job.py")
    assert "rows [('0', 33333), ('2', 33334), ('None', 33333)]" in said
    assert re.search(r"^compiled words", said, re.MULTILINE), said
