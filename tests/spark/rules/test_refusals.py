"""Checks refusals that the JVM half decides: of plans, of the environment, and of invalid replies."""

from __future__ import annotations

import stat
import sys

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType

from sparkweld.contract.constants import PROTOCOL
from tests.helpers.differential import check, measured, run
from tests.helpers.drivers import warnings
from tests.helpers.lines import LINE
from tests.helpers.sampling import some

QUERY = """
@pandas_udf("double")
def f(x: pd.Series) -> pd.Series:
    return x * 2.0 + 1.0
query = lambda: spark.range(0, 9000).selectExpr("id", "cast(id as double) as x").select("id", f("x").alias("r"))
"""

#: A compile service that greets, and then answers as its first line specifies, or as a function is named. Replaces the Python
#: interpreter.
SERVICE = """#!{python}
import json, re, struct, sys, time
FIRST = {mode!r}
def mode_of(text):
    named = re.search('"name": *"(error|inputs|outputs|filtered|types|missing)"', text)
    return named[1] if named else FIRST
def read():
    global MODE
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        sys.exit(0)
    text = sys.stdin.buffer.read(*struct.unpack(">I", head)).decode()
    request, MODE = json.loads(text), mode_of(text)
    for _ in range(*struct.unpack(">I", sys.stdin.buffer.read(4))):
        sys.stdin.buffer.read(*struct.unpack(">Q", sys.stdin.buffer.read(8)))
    return request
def write(request, blobs=(), **reply):
    text = json.dumps({{"id": request["id"], **reply}}).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(text)) + text + struct.pack(">I", len(blobs)))
    for blob in blobs:
        sys.stdout.buffer.write(struct.pack(">Q", len(blob)) + blob)
    sys.stdout.buffer.flush()
while True:
    request = read()
    if request["op"] == "hello":
        protocol = {protocol} + (MODE == "protocol")
        write(request, status="ok", protocol=protocol, pid=1, cpu="c", cpuName="c", cpuFeatures="", llvmlite={llvmlite!r},
              vectorMath="none", versions={{"numba": "1"}})
    elif request["op"] == "object":
        if MODE == "object-late":
            time.sleep(3600)
        if MODE == "object-error":
            write(request, status="error", message="no object today", trace="")
        else:
            write(request, [b"garbage"], status="ok", symbol="sw_x", imports=[], cpu="c", memory=0, cached=False, seconds=0.0)
    elif MODE == "error":
        write(request, status="error", message="a bug of ours", trace="")
    elif MODE == "heap":  # a reply that the driver's heap has no room for
        sys.stdout.buffer.write(struct.pack(">I2sIQ", 2, b"{{}}", 1, 1 << 30))
        sys.stdout.buffer.flush()
        time.sleep(3600)
    elif MODE == "noise":
        sys.stdout.buffer.write(b"a print of the user's, and not a frame")
        sys.stdout.buffer.flush()
    else:
        outputs = [{{"name": name, "type": "double", "nullable": True}} for name in request["outputs"]]
        if MODE == "outputs":
            outputs.append({{"name": "more", "type": "double", "nullable": True}})
        if MODE == "types":
            outputs[0]["type"] = "long"
        inputs = ["nowhere#0"] if MODE == "inputs" else []
        reply = dict(status="ok", program="p", hash="h", blocks=[], inputs=inputs, outputs=outputs, vectors=[], watched=[],
                     filtered=MODE == "filtered", flags=False, guarded=False, piecewise=True, batchwise=None, batchRows=0,
                     repeatable=True, kept=[], singlePrecision=False, nodes=1, udfs=[], fused=["f" if MODE == FIRST else MODE],
                     seconds={{"trace": 0.0, "optimize": 0.0}})
        if MODE == "missing":
            del reply["hash"]
        write(request, **reply)
"""


@pandas_udf(DoubleType())
def half(x: pd.Series) -> pd.Series:
    return x * 0.5


@pandas_udf(DoubleType())
def twice(x: pd.Series) -> pd.Series:
    return x * 2.0


@pandas_udf(DoubleType())
def centred(x: pd.Series) -> pd.Series:
    return x - x.ewm(alpha=0.5).std()


@pytest.fixture
def table(parquet):
    ids = np.arange(9000)
    return parquet({"id": ids, "x": np.linspace(0, 1, 9000), "name": [f"n{i % 40}" for i in ids]})


def test_a_nondeterministic_udf(spark, table):
    loose = pandas_udf(lambda x: x * 2.0, "double").asNondeterministic()
    check(spark, lambda: table.select("id", loose("x").alias("r")), refused="SW302")


def test_a_broadcast_that_is_encrypted(applications):
    program = """
    spark = session()
    big = np.arange(300_000.0)
    @pandas_udf("double")
    def f(x: pd.Series) -> pd.Series:
        return x + big[7]
    query = lambda: spark.range(0, 9000).selectExpr("id", "cast(id as double) as x").select("id", f("x").alias("r"))
    report(**off_and_on(spark, query))
    """
    ran = applications.run(program, conf={"spark.io.encryption.enabled": "true"})
    assert ran.facts["equal"]
    assert [r["code"] for r in ran.facts["refusals"]] == ["SW303"]


def test_an_expression_beside_the_udf_stays_in_spark_and_explain_reports_it(spark, table):
    def query():
        return table.where(F.levenshtein("name", F.lit("n")) > 0).select("id", half("x").alias("r"))

    check(spark, query)
    text = spark._jvm.io.sparkweld.ui.WeldExplain.explain(query()._jdf.queryExecution())
    assert "compiled half" in text
    assert "not fused: Filter" in text
    assert "SW304" in text


@pandas_udf(DoubleType())
def total(s: pd.DataFrame, x: pd.Series) -> pd.Series:
    return s["a"] + s["b"] + x


def test_a_struct_that_another_udf_computes(spark, table):
    @pandas_udf("a double, b double")
    def pair(x: pd.Series) -> pd.DataFrame:
        return pd.DataFrame({"a": x, "b": x * 2.0})

    check(spark, lambda: table.select("id", total(pair("x"), "x").alias("r")))


def test_a_struct_that_a_map_computes(spark, table):
    def paired(batches):
        for pdf in batches:
            yield pdf.assign(s=[{"a": v, "b": v * 2.0} for v in pdf.x])

    def query():
        made = table.select("id", "x").mapInPandas(paired, "id long, x double, s struct<a: double, b: double>")
        return made.select("id", total("s", "x").alias("r"))

    check(spark, query, refused="SW305")


def test_an_argument_that_kernels_do_not_compute(spark, table):
    check(spark, lambda: table.select("id", half(F.rand(7)).alias("r")), refused="SW306")


def test_two_environments(spark, table):
    @pandas_udf("double")
    def other(x: pd.Series) -> pd.Series:
        return x + 1.0

    environment = spark.sparkContext.environment
    environment["SPARKWELD_TEST_ENVIRONMENT"] = "1"
    try:
        other("x")  # the function captures the environment of its first call
    finally:
        del environment["SPARKWELD_TEST_ENVIRONMENT"]
    check(spark, lambda: table.select("id", half("x").alias("r"), other("x").alias("q")), refused="SW307")


def test_a_column_without_a_columnar_form(spark):
    from pyspark.ml.linalg import Vectors

    rows = [(i, float(i), Vectors.dense([i, 1.0])) for i in range(50)]
    frame = spark.createDataFrame(rows, ["id", "x", "v"])
    check(spark, lambda: frame.select("id", "v", half("x").alias("r")).select("id", "r", F.col("v").isNull()))
    nested = spark.createDataFrame([(i, x, [v]) for i, x, v in rows], ["id", "x", "v"])
    check(spark, lambda: nested.select("id", "v", half("x").alias("r")).select("id", "r", F.size("v")), refused="SW308")


def test_a_service_that_does_not_start_is_not_started_again_at_once(applications):
    again = "made = [off_and_on(spark, query) for _ in range(4)]\nreport(made=made)"
    ran = applications.run("spark = session()\n" + QUERY + again, conf={"spark.sparkweld.compile.python": "/usr/bin/false"})
    assert all(made["equal"] for made in ran.facts["made"])
    first, *others = ([refusal["code"] for refusal in made["refusals"]] for made in ran.facts["made"])
    # after a second, then four and sixteen, it starts again: on a busy machine, a query may come as late
    assert first == ["SW401"] and ["SW403"] in others
    assert len(warnings(ran)) == 1, warnings(ran)


@pytest.mark.gate_cases("protocol-SW401")
@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("protocol", "SW401"),
        ("noise", "SW404"),
        ("heap", "SW404"),
    ],
)
def test_a_service_that_ends_with_nonsense(applications, tmp_path, mode, code):
    program = "spark = session()\n" + QUERY + "report(**off_and_on(spark, query))"
    ran = applications.run(program, conf=_service(tmp_path, mode), bugs=True)
    assert ran.facts["equal"]
    assert [r["code"] for r in ran.facts["refusals"]] == [code]
    assert not ran.facts["operators"]


@pytest.mark.sampled
def test_a_service_that_answers_nonsense_about_some_functions(applications, tmp_path):
    codes = {"error": "SW511", **dict.fromkeys(some(("types", "outputs", "inputs", "filtered", "missing"), 2), "SW512")}
    queries = (QUERY.replace("def f(", f"def {name}(").replace('f("x")', f'{name}("x")') for name in codes)
    asked = (f"{query}report({name}=off_and_on(spark, query))\n" for name, query in zip(codes, queries, strict=True))
    ran = applications.run("spark = session()\n" + "".join(asked), conf=_service(tmp_path, "none"), bugs=True)
    for name, code in codes.items():
        facts = ran.facts[name]
        assert facts["equal"] and not facts["operators"]
        assert [r["code"] for r in facts["refusals"]] == [code], name


@pytest.mark.gate_cases("garbage-object-SW406", "object-late-SW402")
@pytest.mark.parametrize(("mode", "code"), [("object-error", "SW511"), ("garbage-object", "SW406"), ("object-late", "SW402")])
def test_a_service_that_makes_no_usable_object_code(applications, tmp_path, mode, code):
    conf = {**_service(tmp_path, mode), **({"spark.sparkweld.compile.objectTimeout": "1s"} if mode == "object-late" else {})}
    ran = applications.run("spark = session()\n" + QUERY + "report(**off_and_on(spark, query))", conf=conf, bugs=True)
    assert ran.facts["equal"]
    assert all(o["kernelBatches"] == 0 and o["deoptimisedBatches"] > 0 for o in ran.facts["operators"])
    assert any(code in line for line in warnings(ran)), warnings(ran)


def _service(tmp_path, mode) -> dict[str, str]:
    import llvmlite.binding.ffi as ffi

    script = tmp_path / "service"
    script.write_text(SERVICE.format(protocol=PROTOCOL, python=sys.executable, mode=mode, llvmlite=str(ffi.lib._name)))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {"spark.sparkweld.compile.python": str(script)}


def test_a_program_that_the_driver_forgot(applications, tmp_path):
    program = """
    path = PATH
    spark = session()
    spark.range(0, 9000, 1, 1).selectExpr("id", "if(id % 5 = 0, null, id) as k").write.parquet(path)
    table = spark.read.parquet(path)
    def udf_number(n):
        @pandas_udf("double")
        def f(k: pd.Series) -> pd.Series:
            return k * float(n)
        return f
    frames = [table.select("id", udf_number(n)("k").alias("r")) for n in range(9)]
    for frame in frames:
        frame._jdf.queryExecution().executedPlan()
    got = rows(frames[0])
    report(rows=len(got), total=sum(r[1] or 0.0 for r in got), **measured(frames[0]))
    """.replace("PATH", repr(str(tmp_path / "t")))
    ran = applications.run(program, conf={"spark.sparkweld.compile.cachedReplies": "1"})
    assert ran.facts["rows"] == 9000 and ran.facts["total"] == 0.0
    assert ran.facts["operators"][0]["deoptimisedBatches"] > 0
    assert any("SW407" in line for line in warnings(ran)), warnings(ran)


def test_one_refused_udf_does_not_keep_its_siblings_in_python(spark, table):
    def query():
        return table.select("id", centred("x").alias("c"), half("x").alias("h"), twice("x").alias("t"))

    outcome, frame = run(spark, query, {})
    what = measured(frame)
    assert what.operators == 1 and what.kernel_batches > 0
    assert what.refusals == ("SW250",)
    expected, _ = run(spark, query, {"spark.sparkweld.enabled": "false"})
    assert outcome.rows == expected.rows


def test_a_refused_udf_above_a_kernel_sees_the_batches_of_a_plan_without_kernels(spark, table):
    def query():
        return table.withColumn("h", half("x")).where("h > 0.1").select("id", centred(F.col("h") + 1).alias("c"))

    outcome, frame = run(spark, query, {})
    assert measured(frame).operators == 1
    expected, _ = run(spark, query, {"spark.sparkweld.enabled": "false"})
    assert outcome.rows == expected.rows


@pytest.mark.gate_cases("id % 3 = 0")
@pytest.mark.parametrize("condition", ["id % 3 = 0", "id % 3 != 0", "id > 4500"])
def test_nulls_that_a_filter_drops_or_keeps_decide_the_dtype_above_it(spark, parquet, condition):
    ids = np.arange(9000)
    frame = parquet({"id": ids, "k": pd.array(np.where(ids % 3 == 0, None, ids + 1), "Int64")})

    @pandas_udf("double")
    def quotient(k: pd.Series) -> pd.Series:
        return k // 7

    what = check(spark, lambda: frame.where(condition).select("id", quotient("k").alias("r")))
    assert what.kernel_batches > 3  # more than one per batch of the scan: a kernel on either side of the filter


def plus_one(x):
    return x + 1.0


def multiplied_by(x: pd.Series, factor: pd.Series) -> pd.Series:
    return x * factor


def both_sums(x: pd.Series, y: pd.Series) -> float:
    return x.sum() + y.sum()


@pytest.mark.gate_cases("pandas-none")
@pytest.mark.parametrize("arguments", [("x", "x", "x"), {"x": "x", "no_such": "x"}, ()], ids=["too many", "no such name", "none"])
@pytest.mark.parametrize("kind", ["plain", "pickled", "pandas", "aggregate"])
def test_calls_with_other_arguments_than_the_function_has(spark, parquet, kind, arguments):
    """They fail in the worker with the user's own TypeError, not as an internal error of SparkWeld."""
    table = parquet({"x": np.arange(3.0)})
    made = {
        "plain": lambda: F.udf(plus_one, "double", useArrow=True),
        "pickled": lambda: F.udf(plus_one, "double", useArrow=False),
        "pandas": lambda: pandas_udf(multiplied_by, "double"),
        "aggregate": lambda: pandas_udf(both_sums, "double"),
    }[kind]()
    if LINE < (4, 0) and isinstance(arguments, dict):  # of_named_arguments
        with pytest.raises(TypeError):
            made(**arguments)
        return
    call = made(**arguments) if isinstance(arguments, dict) else made(*arguments)
    query = (lambda: table.agg(call.alias("r"))) if kind == "aggregate" else (lambda: table.select(call.alias("r")))
    expected, _ = run(spark, query, {"spark.sparkweld.enabled": "false"})
    absent = LINE < (4, 0) and kind == "plain" and not arguments  # its worker asks for the first column
    assert expected.error == ("IndexError" if absent else "TypeError"), expected
    check(spark, query, refused="SW261")
