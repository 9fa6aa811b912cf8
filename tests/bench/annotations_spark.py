"""Times UDFs with black-box calls in Spark, plugin on and off in one session, after comparing all rows."""

from __future__ import annotations

import argparse
import html
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.special
import snowballstemmer
from local_session import local_session
from mozart_spark import measure_mozart
from progress import Progress
from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import arrow_udf, pandas_udf
from pyspark.sql.types import DoubleType, LongType, StringType

import sparkweld
from sparkweld.annotations import Merged, Rows, splittable

# As if the job's own file defined the functions: pickled by value, because the workers cannot import this module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

ENABLED = "spark.sparkweld.enabled"
ROWS = 4_000_000


def _middle(price: pd.Series, strike: pd.Series, t: pd.Series, vol: pd.Series) -> pd.Series:
    spread = vol * np.sqrt(t)
    d1 = (np.log(price / strike) + (0.03 + vol * vol * 0.5) * t) / spread
    d2 = d1 - spread
    n1 = 0.5 + 0.5 * scipy.special.erf(d1 * 0.7071067811865476)
    n2 = 0.5 + 0.5 * np.tanh(d2 * 0.7978845608028654 * (1 + 0.044715 * d2 * d2))
    call = price * n1 - strike * np.exp(-0.03 * t) * n2
    delta = np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi) * price * np.sqrt(t) + np.log1p(np.exp(d2)) - np.sin(d1) * np.cos(d2)
    return call + delta.where(call > delta, np.tanh(delta))


def _risk(price: pd.Series, strike: pd.Series) -> pd.Series:
    return scipy.special.ndtr(scipy.special.log_ndtr(scipy.special.kl_div(price, strike)))


def _letters(name: pd.Series) -> pd.Series:
    return name.map(lambda text: unicodedata.normalize("NFKD", text))


def _unescaped(name: pd.Series) -> pd.Series:
    return name.map(html.unescape)


def _all_black(price: pd.Series, strike: pd.Series, t: pd.Series, vol: pd.Series) -> pd.Series:
    return scipy.special.gammaincc(vol, scipy.special.betainc(t, vol, scipy.special.expit(scipy.special.erf(price))))


def _strings(name: pd.Series) -> pd.Series:
    return name.str.strip().str.lower().map(html.escape).str.slice(0, 12)


def _middle_of_arrow(price: pa.Array, strike: pa.Array, t: pa.Array, vol: pa.Array) -> pa.Array:
    spread = pc.multiply(vol, pc.sqrt(t))
    drift = pc.multiply(pc.add(pc.multiply(pc.multiply(vol, vol), 0.5), 0.03), t)
    d1 = pc.divide(pc.add(pc.ln(pc.divide(price, strike)), drift), spread)
    d2 = pc.subtract(d1, spread)
    n1 = pc.add(pc.multiply(pa.array(scipy.special.erf(pc.multiply(d1, 0.7071067811865476).to_numpy())), 0.5), 0.5)
    n2 = pc.add(pc.multiply(pc.tanh(pc.multiply(d2, 0.7978845608028654)), 0.5), 0.5)
    call = pc.subtract(pc.multiply(price, n1), pc.multiply(pc.multiply(strike, pc.exp(pc.multiply(t, -0.03))), n2))
    delta = pc.subtract(pc.log1p(pc.exp(d2)), pc.multiply(pc.sin(d1), pc.cos(d2)))
    return pc.add(call, pc.if_else(pc.greater(call, delta), delta, pc.tanh(delta)))


def _strings_of_arrow(name: pa.Array) -> pa.Array:
    return pc.add(pc.utf8_length(pc.utf8_title(pc.utf8_trim_whitespace(name))), 1)


_STEMMER = snowballstemmer.stemmer("english")


@splittable((Rows(container="list", dtype="str"),), returns=Rows(container="list"), elementwise=True)
def _stem(word: str) -> str:
    return _STEMMER.stemWord(word)  # type: ignore[no-any-return]


def _stems(name: pd.Series) -> pd.Series:
    return name.str.lower().map(_stem).str.len() / name.str.len()


#: (name, function, columns, type, required speedup over plugin off, share of the rows)
UDFS: tuple[tuple[str, Callable[..., Any], tuple[str, ...], Any, float, float], ...] = (
    ("one call in the middle", _middle, ("price", "strike", "t", "vol"), DoubleType(), 2.0, 1.0),
    ("cheap black boxes alone", _risk, ("price", "strike"), DoubleType(), 1.5, 1.0),
    ("cheap calls for each string", _letters, ("title",), StringType(), 1.5, 0.5),
    ("black boxes for strings that repeat", _unescaped, ("name",), StringType(), 1.5, 0.5),
    ("black boxes for strings that do not", _unescaped, ("title",), StringType(), 0.0, 0.5),
    ("expensive black boxes alone", _all_black, ("price", "strike", "t", "vol"), DoubleType(), 0.0, 1.0),
    ("strings", _strings, ("name",), StringType(), 0.0, 1.0),
    ("one call in the middle, arrays of Arrow", _middle_of_arrow, ("price", "strike", "t", "vol"), DoubleType(), 0.0, 1.0),
    ("strings, arrays of Arrow", _strings_of_arrow, ("title",), LongType(), 0.0, 1.0),
    ("stems of words", _stems, ("name",), DoubleType(), 0.0, 0.05),
)


def _log_state(x: pd.Series) -> tuple[int, float]:
    return len(x), float(np.log1p(x * x).sum())


def _log_finish(state: tuple[int, float]) -> float:
    return state[1] / max(state[0], 1)


@splittable((Rows(),), returns=Merged(lambda a, b: (a[0] + b[0], a[1] + b[1]), 1e-9, _log_state, _log_finish), check=False)
def _log_mean(x: pd.Series) -> float:
    return float(np.log1p(x * x).sum()) / max(len(x), 1) if len(x) != -1 else max(x, key=abs)


def _measure_groups(spark: SparkSession, folder: Path, arguments: argparse.Namespace, progress: Progress) -> bool:
    """Prints one line for a grouped aggregate by annotation: seconds and shuffled bytes; returns whether it misses the target."""
    rng, rows = np.random.default_rng(2), int(10_000_000 * arguments.scale)
    keys = rng.integers(0, max(rows // 1000, 1), rows)
    pq.write_table(pa.table({"k": keys, "x": rng.normal(size=rows)}), folder / "g.parquet", row_group_size=max(1, rows // 8))
    function = pandas_udf(_log_mean, DoubleType())  # type: ignore[call-overload]
    query = spark.read.parquet(str(folder / "g.parquet")).groupBy("k").agg(function("x").alias("r"))
    text = with_plugin(spark, "true", lambda: sparkweld.explain(query.select("*")))
    if "partial aggregation in Python" not in text:
        raise RuntimeError(f"the aggregate is not computed from partial states:\n{text}")
    off, on = (_results(spark, query, e, "k") for e in ("false", "true"))
    if not np.allclose(off, on, rtol=1e-9, equal_nan=True):
        raise RuntimeError("the aggregate returns other rows")
    seconds, shuffled = best(spark, lambda: query, 2), {}
    for enabled in ("false", "true"):
        before = _shuffled(spark)
        with_plugin(spark, enabled, lambda: query.select("*").write.format("noop").mode("overwrite").save())
        shuffled[enabled] = _shuffled(spark) - before
    factor = seconds["false"] / seconds["true"]
    print(
        f"| grouped aggregate, {rows // 1000:,} groups | {rows:,} | {seconds['false']:.2f} s, {shuffled['false']:,} B shuffled | "
        f"{seconds['true']:.2f} s, {shuffled['true']:,} B shuffled | {factor:.2f}x | 5x: {'PASS' if factor >= 5 else 'FAIL'} |",
        flush=True,
    )
    progress.say(f"Spark, grouped aggregate: {factor:.2f}x")
    return factor < 5


def _shuffled(spark: SparkSession) -> int:
    """Returns the bytes that all tasks have written for shuffles so far."""
    executors = spark.sparkContext._jsc.sc().statusStore().executorList(True)
    return sum(executors.apply(i).totalShuffleWrite() for i in range(executors.size()))


def measure_spark(arguments: argparse.Namespace, progress: Progress) -> bool:
    """Prints the table; returns whether a target is missed.

    Raises RuntimeError where rows differ or no pipeline ran.
    """
    spark = local_session(2, "3g")
    failed = False
    with TemporaryDirectory(prefix="sparkweld-bench-") as folder:
        frame = _table(spark, Path(folder), int(ROWS * arguments.scale))
        print("| UDF in Spark | rows | plugin off | plugin on | on vs off | target |\n|---|---:|---:|---:|---:|---|")
        for name, function, columns, type, target, part in UDFS:
            rows = int(ROWS * arguments.scale * part)
            made = arrow_udf if name.endswith("arrays of Arrow") else pandas_udf
            query = frame.where(f"id < {rows}").select("id", made(function, type)(*columns).alias("r"))
            _compare(spark, query, name)
            seconds = best(spark, lambda query=query: query, arguments.repeats)
            factor = seconds["false"] / seconds["true"]
            failed |= factor < target
            verdict = f"{target:g}x: {'PASS' if factor >= target else 'FAIL'}" if target else ""
            print(
                f"| {name} | {rows:,} | {seconds['false']:.2f} s | {seconds['true']:.2f} s | {factor:.2f}x | {verdict} |",
                flush=True,
            )
            progress.say(f"Spark, {name}: {factor:.2f}x")
        if arguments.mozart:
            measure_mozart(spark, Path(folder), arguments, progress)
        failed |= _measure_groups(spark, Path(folder), arguments, progress)
    spark.stop()
    return failed


def _table(spark: SparkSession, folder: Path, rows: int) -> DataFrame:
    rng = np.random.default_rng(1)
    names = np.array([unicodedata.normalize("NFC", f" Name<{k}> &co ") for k in range(5000)], object)
    columns = {
        "id": np.arange(rows), "price": rng.uniform(10, 200, rows), "strike": rng.uniform(10, 200, rows),
        "t": rng.uniform(0.1, 2, rows), "vol": rng.uniform(0.1, 0.5, rows), "name": rng.choice(names, rows),
        "title": [f"Caf\u00e9 <b>{k}</b> &amp; \ufb01ne title" for k in range(rows)],
    }  # fmt: skip
    table = pa.table(columns)
    (folder / "t").mkdir()
    for task in range(2):  # the first rows of the table are in both files
        pq.write_table(table.take(np.arange(task, rows, 2)), folder / "t" / f"{task}.parquet", row_group_size=max(1, rows // 8))
    return spark.read.parquet(str(folder / "t"))


def with_plugin(spark: SparkSession, enabled: str, run: Callable[[], Any]) -> Any:
    """Returns the result of `run` with `spark.sparkweld.enabled` set to `enabled`."""
    spark.conf.set(ENABLED, enabled)
    return run()


def _results(spark: SparkSession, query: DataFrame, enabled: str, key: str) -> np.ndarray:
    return with_plugin(spark, enabled, lambda: query.select("*").toPandas().sort_values(key)["r"].to_numpy())  # type: ignore[no-any-return]


def _compare(spark: SparkSession, query: DataFrame, name: str) -> None:
    text = with_plugin(spark, "true", lambda: sparkweld.explain(query.select("*")))
    if "pipeline in Python" not in text:
        raise RuntimeError(f"{name} does not run as a pipeline:\n{text}")
    off, on = (_results(spark, query, e, "id") for e in ("false", "true"))
    same = np.allclose(off, on, rtol=1e-9, atol=1e-12, equal_nan=True) if off.dtype.kind == "f" else np.array_equal(off, on)
    if not same:
        raise RuntimeError(f"{name}: plugin on returns other rows")


def best(spark: SparkSession, query: Callable[[], DataFrame], repeats: int) -> dict[str, float]:
    """Returns the best seconds of the query with the plugin off ("false") and on ("true"), in alternating runs."""
    seconds = {"false": float("inf"), "true": float("inf")}
    for _ in range(repeats):
        for enabled in seconds:
            began = time.perf_counter()
            with_plugin(spark, enabled, lambda: query().select("*").write.format("noop").mode("overwrite").save())
            seconds[enabled] = min(seconds[enabled], time.perf_counter() - began)
    return seconds
