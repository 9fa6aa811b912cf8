"""Checks that functions of modules come from the file that a worker imports."""

from __future__ import annotations

import os
import sys

import pytest

from tests.helpers.drivers import ROOT, run_driver, warnings
from tests.udf_compiler.function.test_installed_modules import extension

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
    facts[name] = [ran["equal"], sum(o["kernelBatches"] for o in ran["operators"]), ran["second"][0][0]]
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
    """The job's folder precedes PYTHONPATH, and the temporary folder contributes no modules. An edit counts."""
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
sys.path[:0] = [BEFORE, FOLDER]
import ofjob, otherjob, thirds, gravity
def ran(frame):
    found = rows(frame)[1][0]
    return [found, sum(o["kernelBatches"] for o in measured(frame)["operators"])]
facts = {module.__name__: [ran(query(module.f)())] for module in (ofjob, otherjob, thirds, gravity)}
def change(module, files):
    planned = query(module.f)()
    planned._jdf.queryExecution().executedPlan()
    for path, source in files.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(source)
    facts[module.__name__].append(ran(planned))
    for path in files:
        Path(path).unlink()
change(ofjob, {FOLDER + "/ofjob.py": "def f(s): return s * 5.0"})
change(otherjob, {BEFORE + "/otherjob.py": "def f(s): return s * 6.0"})
change(thirds, {BEFORE + "/colorsys.py": "ONE_THIRD = 7.0"})
change(gravity, {BEFORE + "/scipy/__init__.py": "", BEFORE + "/scipy/constants.py": "g = 9.0"})
report(**facts)
"""


def test_executors_with_other_files(applications, tmp_path):
    """A task whose workers would import another file than the driver's runs in Python.

    Cases: a module of the job that has changed or is shadowed by an earlier folder. A standard and an installed module that are
    shadowed there.
    """
    before, folder = tmp_path / "before", tmp_path / "folder"
    before.mkdir()
    folder.mkdir()
    (folder / "ofjob.py").write_text("def f(s): return s * 3.0")
    (folder / "otherjob.py").write_text("def f(s): return s * 4.0")
    (folder / "thirds.py").write_text("from colorsys import ONE_THIRD\ndef f(s): return s * ONE_THIRD")
    (folder / "gravity.py").write_text("from scipy.constants import g\ndef f(s): return s * g")
    places = f"MASTER = 'local-cluster[1,1,1024]'\nPATH = {str(tmp_path / 't')!r}\n"
    places += f"BEFORE, FOLDER = {str(before)!r}, {str(folder)!r}\n"
    path = os.pathsep.join([str(before), str(folder), str(ROOT)])
    done = applications.run(
        places + TABLE + EXECUTORS, conf={"spark.python.worker.reuse": "false", "spark.executorEnv.PYTHONPATH": path}
    )
    assert done.facts["ofjob"] == [[3.0, 1], [5.0, 0]]
    assert done.facts["otherjob"] == [[4.0, 1], [6.0, 0]]
    assert done.facts["thirds"] == [[1.0 / 3.0, 1], [7.0, 0]]
    assert done.facts["gravity"] == [[9.80665, 1], [9.0, 0]]
    assert not any("SW873" in line for line in warnings(done))


CHANGED = """
sys.path[:0] = FOLDERS
import company, drives
from tests.udf_compiler.function.test_installed_modules import extension
facts = {}
def compare(name, function):
    ran = off_and_on(spark, query(function))
    facts[name] = [ran["equal"], sum(o["kernelBatches"] for o in ran["operators"]), ran["second"][0][0]]
compare("installed", company.f)
Path(FOLDERS[0], "company", "rates.py").write_text("K = 5.0")
compare("installed anew", company.f)
compare("machine code", drives.f)
extension(Path(FOLDERS[1]), "fastrates", 5.0)
compare("other machine code", drives.f)
report(**facts)
"""


@pytest.mark.nightly(
    "test_executors_with_other_files",
    "tests/udf_compiler/function/test_installed_modules.py::test_a_package_that_is_installed_anew",
    "tests/udf_compiler/function/test_installed_modules.py::test_an_extension_that_has_changed_needs_a_new_process",
)
def test_packages_and_machine_code_that_change_while_the_application_runs(applications, tmp_path):
    """Workers that start later import the current files, and so do kernels."""
    base, folder = tmp_path / "base", tmp_path / "folder"
    installed = base / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (installed / "company").mkdir(parents=True)
    folder.mkdir()
    (installed / "company" / "__init__.py").write_text("from company.rates import K\ndef f(s): return s * K")
    (installed / "company" / "rates.py").write_text("K = 3.0")
    (folder / "drives.py").write_text("import fastrates\ndef f(s): return s * fastrates.K")
    extension(folder, "fastrates", 3.0)
    places = f"MASTER = 'local[1]'\nPATH = {str(tmp_path / 't')!r}\nFOLDERS = {[str(installed), str(folder)]!r}\n"
    done = applications.run(
        places + TABLE + CHANGED,
        conf={
            "spark.python.worker.reuse": "false",
            "spark.executorEnv.PYTHONUSERBASE": str(base),
            "spark.executorEnv.PYTHONPATH": os.pathsep.join([str(installed), str(folder), str(ROOT)]),
        },
    )
    assert done.facts["installed"] == done.facts["machine code"] == [True, 1, 3.0]
    assert done.facts["installed anew"] == done.facts["other machine code"] == [True, 1, 5.0]


SEEDED = """
os.environ["PYTHONHASHSEED"] = "7"  # PySpark hands it to workers
spark = session()
words = F.udf(lambda n: ",".join({"red", "green", "blue", "black", "white"}), "string")
facts = off_and_on(spark, lambda: spark.range(0, 2, 1, 1).select(words("id")))
del os.environ["PYTHONHASHSEED"]
report(order=",".join({"red", "green", "blue", "black", "white"}), **facts)
"""


def test_the_order_of_a_set_is_that_of_the_workers(applications):
    """It depends on a variable that a job may set; the program itself has another seed."""
    done = applications.run(SEEDED)
    assert (done.facts["equal"], done.facts["rows"]) == (True, 2), done.facts
    assert sum(o["kernelBatches"] for o in done.facts["operators"]) == 1, done.facts
    assert done.facts["second"] != [[done.facts["order"]]]
