"""Checks a driver that reads no pickled function: UDFs stay in Python, pyspark.ml models run in kernels."""

from __future__ import annotations

import pytest

from tests.helpers.drivers import warnings

pytestmark = pytest.mark.slow

PROGRAM = """
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import DecisionTreeRegressor
spark = session()
spark.range(0, 3000, 1, 1).selectExpr("cast(id as double) as a", "cast(id % 7 as double) as b", "id % 5 as k").write.parquet(PATH)
table = spark.read.parquet(PATH)
class Runs:
    def __reduce__(self):
        return (exec, ("import sys\\nif 'udf_compiler.service' in ' '.join(sys.orig_argv): open(%r, 'w')" % RAN,))
held = Runs()
@pandas_udf("double")
def f(a: pd.Series) -> pd.Series:
    return a * 2.0 if held is None else a
@F.udf("double")
def plain(a):
    return a * 3.0
@pandas_udf("double")
def mean(a: pd.Series) -> float:
    return a.mean()
def facts(query):
    ran = off_and_on(spark, query)
    return [ran["equal"], sum(o["kernelBatches"] for o in ran["operators"]), sorted({r["code"] for r in ran["refusals"]})]
features = VectorAssembler(inputCols=["a", "b"], outputCol="v").transform(table)
model = DecisionTreeRegressor(maxDepth=2, featuresCol="v", labelCol="b").fit(features)
os.mkdir(FOLDER)
for name in ("certificate.json", "ranking.json"):
    open(os.path.join(FOLDER, name), "w").write("{}")
spark.conf.set("spark.sparkweld.cascades.path", FOLDER)
spark.conf.set("spark.sparkweld.rankings.path", FOLDER)
report(
    first=facts(lambda: table.select(f("a").alias("r")).orderBy(F.col("r").desc()).limit(3)),
    scalar=facts(lambda: table.select(f("a").alias("r"))),
    plain=facts(lambda: table.select(plain("a").alias("r"))),
    filtered=facts(lambda: table.where(f("a") > 3).select("a")),
    aggregate=facts(lambda: table.groupBy("k").agg(mean("a").alias("r")).orderBy("k")),
    ml=facts(lambda: model.transform(VectorAssembler(inputCols=["a", "b"], outputCol="v").transform(table)).select("prediction")),
)
"""


def test_never(applications, tmp_path):
    ran = tmp_path / "ran"
    places = f"PATH, RAN, FOLDER = {str(tmp_path / 't')!r}, {str(ran)!r}, {str(tmp_path / 'folder')!r}\n"
    done = applications.run(places + PROGRAM, conf={"spark.sparkweld.compile.unpickle": "never"})
    for name in ("first", "scalar", "plain", "filtered", "aggregate"):
        assert done.facts[name] == [True, 0, ["SW871"]], name
    assert done.facts["ml"][:2] == [True, 1]
    assert not ran.exists()
    assert not [line for line in warnings(done) if "SW95" in line], "folders that a session names are not looked at"
