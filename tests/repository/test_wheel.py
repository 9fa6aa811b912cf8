"""Checks the wheels for distribution: their tags and contents, a first query without a compiler, and one with the minimums.

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

from tests.helpers.metadata import EXTRAS, minimums, oldest_python

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
#: Queries with a string function and with models of the library of each extra. `rows` are equal without the plugin.
OLDEST = """
import os, tempfile, warnings
import pandas as pd
warnings.simplefilter("ignore")
import lightgbm, mlflow, sklearn, xgboost
from pyspark.sql import SparkSession, functions as F
from pyspark.sql.functions import pandas_udf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import sparkweld

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
data = pd.DataFrame({"a": [float(n % 7) for n in range(200)], "b": [n % 11 / 4 for n in range(200)]})
label = (data.a + data.b > 4).astype("int64")
models = {
    "linear": make_pipeline(StandardScaler(), LogisticRegression()).fit(data, label),
    "light": lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=2, verbosity=-1).fit(data, label),
    "boosted": xgboost.XGBClassifier(n_estimators=5).fit(data, label),
}
saved = os.path.join(tempfile.mkdtemp(), "model")
mlflow.sklearn.save_model(models["linear"], saved, pip_requirements=[], pyfunc_predict_fn="predict_proba",
                          signature=mlflow.models.infer_signature(data, label))
spark = SparkSession.builder.getOrCreate()

def score_by(name):
    model = models[name]

    def score(a: pd.Series, b: pd.Series) -> pd.Series:
        return pd.Series(model.predict_proba(pd.DataFrame({"a": a, "b": b}))[:, 1].astype("float64"))

    score.__name__ = name
    return F.round(pandas_udf(score, "double")("a", "b"), 6).alias(name)

@pandas_udf("long")
def words(texts: pd.Series) -> pd.Series:
    return texts.str.lower().str.count("spark[a-z]*")

logged = F.round(mlflow.pyfunc.spark_udf(spark, saved, result_type="double")(F.struct("a", "b")), 6).alias("logged")
rows = spark.range(20000).selectExpr("id % 7 / 1D as a", "id % 11 / 4D as b", "if(id % 3 = 0, 'Spark SPARKS', null) as text")
df = rows.select(words("text").alias("words"), *map(score_by, models), logged)
print("rows", sorted(map(str, map(tuple, df.groupBy(df.columns).count().collect()))))
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


def test_the_oldest_libraries_run_kernels_and_models(wheels: dict[str, Path], tmp_path: Path):
    """pip installs the minimums of pyproject.toml, for the package and all its extras, on the oldest Python that it supports."""
    find = ["sh", str(ROOT / "jvm-bridge" / "prerequisites.sh")]
    named = {**os.environ, "PYTHON": f"python{oldest_python()}"}
    python = subprocess.run([*find, "python"], env=named, capture_output=True, text=True, check=True).stdout.strip()
    java = subprocess.run([*find, "java-home"], capture_output=True, text=True, check=True).stdout.strip()
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name in ("HOME", "LANG", "PATH")}
    environment = {**kept, "JAVA_HOME": java, "SPARK_LOCAL_IP": "127.0.0.1"}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    limits = [f"{name}=={minimum}" for name, minimum in minimums("dependencies", *EXTRAS).items()]
    (tmp_path / "minimums.txt").write_text("\n".join(limits))
    (tmp_path / "job.py").write_text(OLDEST)
    if not run(python, "--version").startswith(f"Python {oldest_python()}."):
        assert "CI" not in os.environ, "the nightly workflow sets up the oldest Python"
        pytest.skip(f"the oldest libraries run on Python {oldest_python()}, which is not on PATH")
    run(python, "-m", "venv", "v")
    environment["PATH"] = f"{tmp_path}/v/bin:{environment['PATH']}"
    # spark_udf of MLflow before 2.21 imports flask, which mlflow-skinny does not require
    wheel = f"{wheels[platform.machine()]}[{','.join(EXTRAS)}]"
    run("v/bin/pip", "install", "-q", "-c", "minimums.txt", wheel, "flask")
    assert "FAIL" not in run("v/bin/python", "-m", "sparkweld", "doctor")  # which runs a kernel
    run("v/bin/python", "-m", "sparkweld", "install")
    without = run("v/bin/spark-submit", "job.py")
    flags = {"spark.plugins": "io.sparkweld.SparkWeldPlugin", "spark.sparkweld.untestedLines.enabled": "true"}
    said = run("v/bin/spark-submit", *(part for key in flags for part in ("--conf", f"{key}={flags[key]}")), "job.py")
    assert _rows(said) == _rows(without)
    compiled = {name for line in re.findall(r"^compiled (.*)", said, re.MULTILINE) for name in line.split(", ")}
    assert {"words", "linear", "light", "boosted", "udf"} <= compiled, said


def _rows(said: str) -> str:
    (line,) = (line for line in said.splitlines() if line.startswith("rows "))
    return line
