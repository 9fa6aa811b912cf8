"""The constants of models on their way to executors in JVMs of their own: one broadcast each, and what happens without it."""

from __future__ import annotations

import pytest

from tests.helpers.drivers import ROOT, run_driver

pytestmark = pytest.mark.slow

PROGRAM = """
import warnings
from sklearn.neural_network import MLPRegressor
warnings.simplefilter("ignore")
spark = session("local-cluster[2,1,1024]")
spark.range(0, 20000, 1, 4).selectExpr("id", "cast(id as double) / 20000 as x", "if(id % 1000 = 7, null, id) as k").write.parquet(PATH)

def query(seed):
    y = np.random.default_rng(seed).normal(size=(50, 3))
    model = MLPRegressor(hidden_layer_sizes=(20, 20), max_iter=2, random_state=seed).fit(y[:, :2], y[:, 2])
    @pandas_udf("double")
    def score(x: pd.Series, k: pd.Series) -> pd.Series:
        return pd.Series(model.predict(np.column_stack([x, k.fillna(0) / 20000]))).round(9)
    return lambda: spark.read.parquet(PATH).select("id", score("x", "k").alias("r")).where("r > 0 or id % 2 = 0").orderBy("id")

def kernel_of(plan):
    if plan.getClass().getSimpleName() == "WeldExec":
        return plan.kernel()
    inner = [plan.executedPlan()] if hasattr(plan, "executedPlan") and "Adaptive" in plan.getClass().getName() else []
    children = plan.children()
    inner += [children.apply(i) for i in range(children.size())]
    return next((k for k in map(kernel_of, inner) if k is not None), None)

first, second = query(1), query(2)
report(first=off_and_on(spark, first), second=off_and_on(spark, second))

# Another model, whose broadcast Spark has lost before a task asks for it.
third = query(3)
lost = third()
kernel = kernel_of(lost._jdf.queryExecution().executedPlan())
broadcast = kernel.models().head().broadcast(spark._jsc.sc())
spark._jvm.org.apache.spark.SparkEnv.get().blockManager().removeBroadcast(broadcast.id(), True)
got = rows(lost)
spark.conf.set("spark.sparkweld.enabled", "false")
report(lost={"equal": rows(third()) == got, **measured(lost)})
"""


def test_executors_read_models(tmp_path):
    """Both forms, with and without NULLs, of two models of one shape; SW870 where the constants cannot be read."""
    conf = {"spark.executorEnv.PYTHONPATH": str(ROOT), "spark.executor.memory": "1g"}
    ran = run_driver(f"PATH = {str(tmp_path / 't')!r}\n{PROGRAM}", conf=conf)
    for name in ("first", "second"):
        facts = ran.facts[name]
        assert facts["equal"] and facts["rows"] >= 10_000
        assert sum(o["kernelBatches"] for o in facts["operators"]) > 0
        assert sum(o["deoptimisedBatches"] for o in facts["operators"]) == 0
    lost = ran.facts["lost"]
    assert lost["equal"]
    assert sum(o["kernelBatches"] for o in lost["operators"]) == 0
    assert sum(o["deoptimisedBatches"] for o in lost["operators"]) > 0
