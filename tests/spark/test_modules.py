"""Checks that functions of modules come from the file that a worker imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.drivers import ROOT, run_driver, warnings

pytestmark = pytest.mark.slow

TABLE = """
import importlib, zipfile
from pathlib import Path
spark = session(MASTER)
spark.range(0, 3000, 1, 1).selectExpr("cast(id as double) as x").write.parquet(PATH)
def query(function):
    return lambda: spark.read.parquet(PATH).select(pandas_udf(function, "double")("x").alias("r"))
"""

LOCAL = """
import mylib
facts = {}
def compare(name, function):
    ran = off_and_on(spark, query(function))
    facts[name] = [ran["equal"], sum(o["kernelBatches"] for o in ran["operators"]), rows(query(function)())[1][0]]
compare("first", mylib.f)
Path("constants.py").write_text("K = 5.0")
importlib.reload(sys.modules["constants"])
importlib.reload(mylib)
compare("edited", mylib.f)
with zipfile.ZipFile(ZIP, "w") as archive:
    archive.writestr("added/__init__.py", "")
    archive.writestr("added/inner.py", "def f(s): return s * 7.0")
spark.sparkContext.addPyFile(ZIP)
from added import inner
compare("added", inner.f)
report(**facts)
"""


def test_the_module_that_a_worker_imports(tmp_path):
    """The job's folder comes before PYTHONPATH, and the temporary folder is no place for modules. An edit counts."""
    job, other, temporary = (tmp_path / name for name in ("job", "other", "temporary"))
    for folder, factor in ((job, 3), (other, 9), (temporary, 11)):
        folder.mkdir()
        (folder / "mylib.py").write_text("import constants\ndef f(s): return s * constants.K")
        (folder / "constants.py").write_text(f"K = {factor}.0")
    places = f"MASTER = 'local[1]'\nPATH = {str(tmp_path / 't')!r}\nZIP = {str(tmp_path / 'job.zip')!r}\n"
    done = run_driver(
        places + TABLE + LOCAL,
        cwd=job,
        env={"PYTHONPATH": f"{other}:{ROOT}"},
        conf={"spark.python.worker.reuse": "false", "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={temporary}"},
    )
    assert done.facts["first"] == [True, 1, 3.0]
    assert done.facts["edited"] == [True, 1, 5.0]
    assert done.facts["added"] == [True, 1, 7.0]


EXECUTORS = """
import mylib
def ran(frame):
    found = rows(frame)[1][0]
    return [found, sum(o["kernelBatches"] for o in measured(frame)["operators"])]
same = ran(query(mylib.f)())
planned = query(mylib.f)()
planned._jdf.queryExecution().executedPlan()
Path(MODULE).write_text("def f(s): return s * 5.0")
report(same=same, changed=ran(planned))
"""


def test_executors_with_another_file(tmp_path):
    """A task whose workers would import another file than the driver's runs in Python, and says so."""
    module = Path(tmp_path / "mylib.py")
    module.write_text("def f(s): return s * 3.0")
    places = f"MASTER = 'local-cluster[1,1,1024]'\nPATH = {str(tmp_path / 't')!r}\nMODULE = {str(module)!r}\n"
    path = f"{tmp_path}:{ROOT}"
    done = run_driver(
        places + TABLE + EXECUTORS,
        env={"PYTHONPATH": path},
        conf={"spark.python.worker.reuse": "false", "spark.executorEnv.PYTHONPATH": path},
    )
    assert done.facts["same"] == [3.0, 1]
    assert done.facts["changed"] == [5.0, 0]
    assert not any("SW873" in line for line in warnings(done))
