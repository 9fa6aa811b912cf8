"""Checks that programs and model constants reach an executor in a JVM of its own, one broadcast per constant block."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.drivers import ROOT

pytestmark = pytest.mark.slow

PROGRAM = """
import warnings
from sklearn.neural_network import MLPRegressor
warnings.simplefilter("ignore")
columns = "id", "cast(id as double) / 20000 as x", "if(id % 1000 = 7, null, id) as k"
spark.range(0, 20000, 1, 2).selectExpr(*columns).write.parquet(PATH)

def query(seed):
    y = np.random.default_rng(seed).normal(size=(50, 3))
    model = MLPRegressor(hidden_layer_sizes=(20, 20), max_iter=2, random_state=seed).fit(y[:, :2], y[:, 2])
    @pandas_udf("double")
    def score(x: pd.Series, k: pd.Series) -> pd.Series:
        return pd.Series(model.predict(np.column_stack([x, k.fillna(0) / 20000]))).round(9)
    return lambda: spark.read.parquet(PATH).select("id", score("x", "k").alias("r")).where("r > 0 or id % 2 = 0")
"""

PLAIN = """
@pandas_udf("double")
def f(x: pd.Series, k: pd.Series) -> pd.Series:
    return np.sqrt(x) * 2.0 + k
report(plain=off_and_on(spark, lambda: spark.read.parquet(PATH).select("id", f("x", "k").alias("r")).where("r > 50")))
"""

def program(master: str, folder: Path, rest: str) -> str:
    return f"PATH = {str(folder / 't')!r}\nspark = session({master!r})\n{PROGRAM}{rest}"


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        ("first, second = query(1), query(2)\nreport(first=off_and_on(spark, first), second=off_and_on(spark, second))",
         ["first", "second"]),
        pytest.param(PLAIN, ["plain"], marks=pytest.mark.nightly),  # one query of a model has both forms, too
    ],
    ids=["models", "function"],
)  # fmt: skip
def test_an_executor_reads_programs_and_models(applications, tmp_path, rest, names):
    """It receives both forms, with and without NULLs, of a function or of two models of one shape."""
    conf = {"spark.executorEnv.PYTHONPATH": str(ROOT), "spark.executor.memory": "1g"}
    ran = applications.run(program("local-cluster[1,1,1024]", tmp_path, rest), conf=conf)
    for name in names:
        facts = ran.facts[name]
        assert facts["equal"] and facts["rows"] >= 10_000
        assert sum(o["kernelBatches"] for o in facts["operators"]) > 0
        assert sum(o["deoptimisedBatches"] for o in facts["operators"]) == 0
