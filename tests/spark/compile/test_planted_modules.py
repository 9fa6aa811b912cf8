"""Checks that nothing imports modules that another user planted in shared folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.drivers import ROOT, run_driver, warnings

pytestmark = pytest.mark.slow

#: Runs in place of a module: reports that it ran, then loads the replaced module, so that no other process is harmed.
PLANTED = """
import importlib.machinery, importlib.util, os, sys
with open({ran!r}, "a") as file:
    file.write({place!r} + " " + __name__ + "\\n")
here = os.path.dirname(os.path.abspath(__file__))
here = os.path.dirname(here) if __name__.endswith("__init__") or hasattr(sys.modules[__name__], "__path__") else here
others = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
spec = importlib.machinery.PathFinder.find_spec(__name__, others)
if spec is not None:
    module = importlib.util.module_from_spec(spec)
    sys.modules[__name__] = module
    spec.loader.exec_module(module)
"""
OF_PYTHON = ("queue", "json", "signal", "threading", "contextlib", "sitecustomize", "usercustomize")
OF_OURS = ("numba", "llvmlite", "numpy", "pandas", "sparkweld", "udf_compiler", "encodings")

QUERY = """
@pandas_udf("double")
def f(x: pd.Series) -> pd.Series:
    return x * 3.5
spark.range(0, 2000, 1, 1).selectExpr("cast(id as double) as x").write.parquet(PATH)
frame = spark.read.parquet(PATH).select(f("x").alias("r"))
frame._jdf.queryExecution().executedPlan()
"""
RUN = "report(rows=rows(frame), **measured(frame))\n"

#: The environment of the compile service.
VARIABLES = """
from pathlib import Path
jvm = spark._jvm.java.lang.ProcessHandle.current()
children = [Path(f"/proc/{child.pid()}") for child in jvm.children().toArray() if child.isAlive()]
service, = (child for child in children if b"udf_compiler.service" in (child / "cmdline").read_bytes())
variables = [line.partition("=") for line in (service / "environ").read_text().split("\\0") if line]
report(variables={name: value for name, _, value in variables})
"""


@pytest.fixture
def ran(tmp_path):
    """Returns the file in which planted modules report that they ran."""
    return tmp_path / "ran"


def plant(place: Path, ran: Path, *names: str) -> list[Path]:
    source = PLANTED.format(ran=str(ran), place=str(place))
    made = [place / f"{name}.py" for name in names]
    for path in made:
        path.write_text(source)
    return made


def open_to_all(place: Path, ran: Path) -> Path:
    """Creates a folder like /tmp, full of planted modules and packages."""
    place.mkdir()
    plant(place, ran, *OF_PYTHON)
    for name in OF_OURS:
        (place / name).mkdir()
        plant(place / name, ran, "__init__")
    place.chmod(0o1777)
    return place


def test_no_planted_module_runs(tmp_path, ran):
    """None runs, from the JVM's temporary folder or from a world-writable folder of the import path.

    A worker would import modules from there, so the query stays with it. No secret reaches the service, and no variable that
    loads code.
    """
    temporary, on_path = open_to_all(tmp_path / "temporary", ran), open_to_all(tmp_path / "path", ran)
    program = f"PATH = {str(tmp_path / 't')!r}\nspark = session()\n{QUERY}report(**measured(frame))\n{VARIABLES}"
    done = run_driver(
        program,
        env={"AWS_SECRET_ACCESS_KEY": "hidden", "OF_THE_JVM": "hidden"},
        conf={
            "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={temporary}",
            "spark.executorEnv.PYTHONPATH": f"{tmp_path}/missing:{on_path}::{ROOT}",
            "spark.executorEnv.NUMBA_CACHE_DIR": str(on_path),
            "spark.executorEnv.PYTHONSTARTUP": str(on_path / "json.py"),
            "spark.executorEnv.DB_PASSWORD": "hidden",
            "spark.executorEnv.FACTOR": "shown",
        },
    )
    assert not ran.exists(), ran.read_text()
    assert [refusal["code"] for refusal in done.facts["refusals"]] == ["SW208"]
    assert any(str(on_path) in line for line in warnings(done)), warnings(done)
    assert done.facts["variables"]["FACTOR"] == "shown"
    assert "hidden" not in done.facts["variables"].values()
    assert not {"NUMBA_CACHE_DIR", "PYTHONSTARTUP"} & set(done.facts["variables"])
    assert [path.name for path in temporary.iterdir() if path.name.startswith("sparkweld-")] == []


def test_shared_folders_of_this_machine(applications, tmp_path, ran):
    """With a user's settings nothing is imported that others can put into these folders."""
    planted = [path for place in ("/tmp", "/var/tmp", "/dev/shm") for path in plant(Path(place), ran, "queue", "bisect")]
    try:
        done = applications.run(f"PATH = {str(tmp_path / 't')!r}\nspark = session()\n{QUERY}{RUN}")
    finally:
        for path in planted:
            path.unlink()
    assert not ran.exists(), ran.read_text()
    assert done.facts["rows"] == [[x * 3.5] for x in range(2000)]
    assert done.facts["operators"][0]["kernelBatches"] == 1
