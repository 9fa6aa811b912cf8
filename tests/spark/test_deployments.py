"""Runs jobs in other deployments: executors in their own JVMs, and a Connect server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.drivers import ROOT, run_driver, warnings
from tests.helpers.lines import LINE, WORKER_PIPELINES

pytestmark = pytest.mark.slow

QUERY = """
@pandas_udf("double")
def f(x: pd.Series, k: pd.Series) -> pd.Series:
    return np.sqrt(x) * 2.0 + k
spark.range(0, 20000, 1, 4).selectExpr("id", "cast(id as double) as x", "if(id % 1000 = 7, null, id) as k").write.parquet(PATH)
query = lambda: spark.read.parquet(PATH).select("id", f("x", "k").alias("r")).where("r > 50").orderBy("id")
"""


def program_for(master, tmp_path):
    path = str(tmp_path / "t")
    return f"PATH = {path!r}\nspark = session({master!r})\n{QUERY}\nreport(**off_and_on(spark, query))"


#: Hides llvmlite and Numba from every Python started by an executor, recognised by the variable that Spark's worker sets.
WITHOUT_NUMBA = """
import os, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("llvmlite", "numba"):
            raise ModuleNotFoundError(f"no {name} on executors", name=name)
if b"SPARK_LOG_URL_STDERR" in open(f"/proc/{os.getppid()}/environ", "rb").read():
    sys.meta_path.insert(0, Missing())
"""

RUNS = """
import time
frame = query()
frame.collect()
jvm = spark._jvm.io.sparkweld
runs = json.loads(jvm.contract.Encoder.text(jvm.ui.RunReader().of(frame._jdf.queryExecution().executedPlan())))["runs"]
deadline = time.monotonic() + 10
while not jvm.support.WarnOnce.warned("executor:") and time.monotonic() < deadline:
    time.sleep(0.1)
report(runs=runs, warned=jvm.support.WarnOnce.warned("executor:"))
"""


@pytest.mark.nightly(
    "test_workers_without_numba",
    "tests/spark/rules/test_refusals.py::test_a_service_that_makes_no_usable_object_code",
)
def test_executors_without_numba(applications, tmp_path):
    """The driver compiles; executors without llvmlite, at the driver's path and in their Python, run all batches in Python."""
    import llvmlite.binding

    packages = tmp_path / "packages"
    library = Path(llvmlite.binding.__file__).with_name("libllvmlite.so")
    shutil.copytree(library.parents[1], packages / "llvmlite", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    copied = packages / "llvmlite" / "binding" / library.name
    (packages / "sitecustomize.py").write_text(WITHOUT_NUMBA)
    path = str(tmp_path / "t")
    planned = "query()._jdf.queryExecution().executedPlan()"  # the compile service has loaded the library, and reported its path
    program = f"PATH = {path!r}\nspark = session('local-cluster[1,1,1024]')\n{QUERY}\n{planned}\nos.unlink({str(copied)!r})\n"
    ran = applications.run(
        program + "report(**off_and_on(spark, query))\n" + RUNS,
        conf={"spark.executorEnv.PYTHONPATH": f"{packages}{os.pathsep}{ROOT}"},
    )
    assert ran.facts["equal"]
    assert ran.facts["rows"] > 10_000
    assert ran.facts["operators"], ran.facts
    assert sum(o["kernelBatches"] for o in ran.facts["operators"]) == 0
    assert sum(o["deoptimisedBatches"] for o in ran.facts["operators"]) > 0
    (run,) = ran.facts["runs"]
    assert run["where"] == "kernel" and run["rows"] == run["pythonRows"] > 10_000 and run["batches"] == run["pythonBatches"] > 0
    assert ran.facts["warned"], "the driver has not received the executor's warning"
    (warning,) = warnings(ran)
    assert "SW406" in warning and "(Reported by executor 0; " in ran.log


def test_workers_without_numba(applications, tmp_path):
    """Where the workers' environment has no Numba, the compile service has none: Spark's plan remains, with the reason."""
    for name in ("llvmlite", "numba"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not here')")
    program = program_for("local[2]", tmp_path)
    ran = applications.run(program, conf={"spark.executorEnv.PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"})
    assert ran.facts["equal"]
    assert not ran.facts["operators"]
    assert {refusal["code"] for refusal in ran.facts["refusals"]} == {"SW405"}
    assert len(warnings(ran)) == 1, warnings(ran)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def spark_home() -> Path:
    import pyspark

    return Path(pyspark.__file__).parent


@pytest.fixture(scope="module")
def connect_server(tmp_path_factory):
    """Yields the port of a server, and its log. Skips the test on a line whose package has no server."""
    from sparkweld.bridge.jar import jar_path

    if LINE < (4, 0):
        assert not list((spark_home() / "jars").glob("spark-connect*"))
        pytest.skip("PySpark 3.5 has no Connect server")
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "server.log"
    command = [
        str(spark_home() / "bin" / "spark-submit"),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", "local[2]"),
        *("--conf", "spark.plugins=io.sparkweld.SparkWeldPlugin", "--jars", str(jar_path())),
        *("--conf", f"spark.connect.grpc.binding.port={port}", "--conf", "spark.connect.grpc.binding.address=127.0.0.1"),
        *("--conf", "spark.ui.enabled=false", "--conf", "spark.driver.host=127.0.0.1"),
        *("--conf", "spark.sparkweld.compile.tinyRows=0", "spark-internal"),
    ]
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(ROOT)}
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        try:
            _wait_for(port, server, log)
            yield port, log
        finally:
            server.terminate()
            server.wait(30)


def _wait_for(port: int, server: subprocess.Popen, log: Path) -> None:
    deadline = time.time() + 120
    while time.time() < deadline:
        assert server.poll() is None, log.read_text()[-4000:]
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise AssertionError("the Connect server did not open its port: " + log.read_text()[-4000:])


def test_connect_client_without_the_plugin(connect_server):
    port, log = connect_server
    program = """
        spark = SparkSession.builder.remote(os.environ["REMOTE"]).getOrCreate()
        spark.conf.set("spark.sparkweld.backend", "native")
        @pandas_udf("double")
        def f(x: pd.Series) -> pd.Series:
            return np.sqrt(x) * 2.0 + 1.0
        query = lambda: spark.range(0, 20000).selectExpr("id", "cast(id as double) as x").select("id", f("x").alias("r"))
        spark.conf.set("spark.sparkweld.enabled", "false")
        expected = rows(query())
        spark.conf.set("spark.sparkweld.enabled", "true")
        frame = query()
        report(equal=rows(frame) == expected, rows=len(expected), plan=frame._explain_string(), loaded="sparkweld" in sys.modules)

        from scipy.special import erf
        @pandas_udf("double")
        def first(x: pd.Series, y: pd.Series) -> pd.Series:
            return erf(x / y) * x + y * 0.5 - x * x / (y + 2.0) + (x - y) * (x + y) * 0.25
        @pandas_udf("double")
        def second(y: pd.Series, x: pd.Series) -> pd.Series:
            return (erf(x / y) - y * y) / (x + 1.0) + (x + 0.5) * (y - 0.5) * (x * 3.0 - y / 7.0)
        table = spark.range(0, 20000).selectExpr("id", "sqrt(id) as x", "id % 7 + 0.5D as y")
        siblings = lambda: table.select("id", first("x", "y").alias("r"), second(y="y", x="x").alias("q"))
        spark.conf.set("spark.sparkweld.enabled", "false")
        expected = rows(siblings())
        spark.conf.set("spark.sparkweld.enabled", "true")
        frame = siblings()
        report(siblings=[rows(frame) == expected, len(expected), frame._explain_string()])
    """
    facts = run_driver(program, env={"REMOTE": f"sc://127.0.0.1:{port}"}).facts
    assert facts["equal"], log.read_text()[-3000:]
    assert facts["rows"] == 20_000
    assert not facts["loaded"]
    assert "Weld [f]" in facts["plan"]
    assert "compiled f" in facts["plan"]
    equal, count, plan = facts["siblings"]
    assert (equal, count) == (True, 20_000)
    assert ("pipeline in Python: first + second" in plan) is WORKER_PIPELINES


@pytest.mark.nightly("test_connect_client_without_the_plugin", "tests/spark/ml/test_one_vs_rest.py::test_one_vs_rest")
def test_models_of_spark_by_a_connect_client(connect_server):
    program = """
        spark = SparkSession.builder.remote(os.environ["REMOTE"]).getOrCreate()
        spark.conf.set("spark.sparkweld.backend", "native")
        from pyspark.ml import Pipeline
        from pyspark.ml.classification import DecisionTreeClassifier, LogisticRegression, OneVsRest
        from pyspark.ml.feature import HashingTF, IDF, Interaction, Tokenizer, VectorAssembler
        data = spark.range(0, 2000).selectExpr("id", "id % 7 as a", "sqrt(id) as b", "id % 7 > 2 or id > 900 as y")
        data = data.selectExpr("id", "a", "b", "double(y) as label", "if(y, 'The cat', if(a = 1, 'the Dog cat', 'a Dog')) as t")
        assemble, tree = VectorAssembler(inputCols=["a", "b"], outputCol="v"), DecisionTreeClassifier(maxDepth=2)
        interact = Interaction(inputCols=["v", "a"], outputCol="features")
        texts = [Tokenizer(inputCol="t", outputCol="w"), HashingTF(inputCol="w", outputCol="c", numFeatures=64)]
        import pyspark
        pipelines = {
            # the client of Spark 4.0 scores OneVsRest by Python functions of its own
            "tree": [assemble, interact, tree if pyspark.__version__ < "4.1" else OneVsRest(classifier=tree)],
            "text": [*texts, IDF(inputCol="c", outputCol="features"), LogisticRegression(maxIter=1)],
        }
        for name, stages in pipelines.items():
            model = Pipeline(stages=stages).fit(data)
            scored = lambda: model.transform(data).select("id", "prediction", "rawPrediction")
            spark.conf.set("spark.sparkweld.enabled", "false")
            expected = scored().collect()
            spark.conf.set("spark.sparkweld.enabled", "true")
            frame = scored()
            report(**{name: [frame.collect() == expected, len({r.prediction for r in expected}), frame._explain_string()]})
    """
    facts = run_driver(program, env={"REMOTE": f"sc://127.0.0.1:{connect_server[0]}"}).facts
    scores = "array_to_vector" * (LINE >= (4, 1))
    compiled = {
        "tree": f"compiled VectorAssembler, Interaction, DecisionTreeClassificationModel.predictRaw, {scores}",
        "text": "compiled Tokenizer, HashingTF, IDFModel, LogisticRegressionModel.predictRaw, ",
    }
    for name, line in compiled.items():
        equal, classes, plan = facts[name]
        assert (equal, classes) == (True, 2)
        assert line in plan


ARTIFACTS = """
import zipfile
from pathlib import Path
clients = []
for factor in (3, 5):
    folder = Path(FOLDER, str(factor))
    folder.mkdir()
    (folder / "artifactlib.py").write_text("import zippedrates\\ndef f(s): return s * zippedrates.K")
    with zipfile.ZipFile(folder / "rates.zip", "w") as archive:
        archive.writestr("zippedrates.py", f"K = {factor}.0")
    client = SparkSession.builder.remote(os.environ["REMOTE"]).create()
    client.conf.set("spark.sparkweld.backend", "native")
    client.addArtifacts(str(folder / "artifactlib.py"), str(folder / "rates.zip"), pyfile=True)
    clients.append(client)
sys.path[:0] = [str(folder), str(folder / "rates.zip")]
import artifactlib
f = pandas_udf(artifactlib.f, "double")
ran = []
for client in (*clients, *clients):
    frame = client.range(0, 3000, 1, 1).selectExpr("cast(id as double) as x").select(f("x").alias("r"))
    client.conf.set("spark.sparkweld.enabled", "false")
    expected = rows(frame)
    client.conf.set("spark.sparkweld.enabled", "true")
    ran.append([rows(frame) == expected, expected[1][0], "Weld [f]" in frame._explain_string()])
import sparkweld
told = sparkweld.explain(frame, format="dict")
kept = client.conf.get("spark.sparkweld.explain.format", None)
report(ran=ran, told=[told["active"], [[entry["kind"], entry["functions"]] for entry in told["entries"]]], kept=kept)
os._exit(0)  # threads of the clients would wait for ever
"""


def test_functions_of_modules_that_sessions_have_added(connect_server, tmp_path):
    """Two sessions of one server have different modules of one name, from a file and in an archive."""
    port, log = connect_server
    done = run_driver(f"FOLDER = {str(tmp_path)!r}\n" + ARTIFACTS, env={"REMOTE": f"sc://127.0.0.1:{port}"})
    assert done.facts["ran"] == [[True, 3.0, True], [True, 5.0, True]] * 2, log.read_text()[-3000:]
    assert done.facts["told"] == [True, [["compiled", ["f"]]]] and done.facts["kept"] is None


USERS = """
from pyspark.sql.functions import udf
import sparkweld
ran = {}
for user in ("ada", "bob"):
    client = SparkSession.builder.remote(os.environ["REMOTE"] + f"/;user_id={user}").create()
    client.conf.set("spark.sparkweld.deny", "user:a*")
    frame = client.range(0, 3000, 1, 1).select(udf(lambda x: x + 1, "long")("id").alias("r"))
    values = [row.r for row in frame.collect()]
    ran[user] = [values == list(range(1, 3001)), frame.executionInfo.metrics.toText()]
try:
    sparkweld.set_enabled(client, False)
except sparkweld.UserError as error:
    ran["error"] = str(error)
report(ran=ran)
os._exit(0)  # threads of the clients would wait for ever
"""


def test_the_users_of_a_connect_server_are_those_of_its_clients(connect_server):
    port, log = connect_server
    ran = run_driver(USERS, env={"REMOTE": f"sc://127.0.0.1:{port}"}).facts["ran"]
    assert ran["ada"][0] and ran["bob"][0], log.read_text()[-3000:]
    assert "Weld" not in ran["ada"][1] and "Weld" in ran["bob"][1]
    assert "spark.sparkweld.killSwitch.path" in ran["error"]
