"""Measures a text model's cost per row with and without the feature cache on Zipf-distributed titles, and the hit rate.

    python tests/bench/feature_cache.py [--rows N]     (bench_willump.py prints it as well)

One Spark of one core reads Parquet and counts all rows. The model is TF-IDF of words and of character n-grams with a logistic
regression. The table shows nanoseconds a row in kernels, including look-ups, for the alternating modes `never`, `always` and
`auto`. They are the operator's own metric, the best of the repeats. It also shows the hit rate, and the cache's memory beside
its limit. The scores of all three are compared first, bit by bit. Each run has its own rows, drawn like the others: hits come
from other rows, never from the same ones in an earlier run. With exponent 0 all titles are equally frequent: the more titles,
the less it pays.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from local_session import local_session

MODES = ("never", "always", "auto")
MODE, MEMORY = "spark.sparkweld.featureCache.mode", "spark.sparkweld.featureCache.maxBytes"
MEGABYTES = 16
#: (exponent of Zipf's law, distinct titles)
CASES = ((1.3, 1_000_000), (1.1, 1_000_000), (1.0, 1_000_000), (0.7, 1_000_000), (0.0, 10_000), (0.0, 100_000), (0.0, 10**7))
_WORDS = "samsung galaxy apple iphone case cover leather black white red blue silver gold wireless charger cable usb lamp desk"
_HEAD = "| Zipf exponent | titles | without ns | always ns | auto ns | gain of auto | hit rate, always | hit rate, auto |"


def titles(numbers: np.ndarray) -> pa.Array:
    """Returns a title per number, six words and the number; equal numbers have equal titles."""
    words = np.array([f"{word}{i}" for word in _WORDS.split() for i in range(40)])
    made = words[(numbers * 2654435761 % 2**31) % len(words)]
    for k in range(1, 6):
        made = np.char.add(np.char.add(made, " "), words[(numbers * (2654435761 + 2 * k) // (7 * k) % 2**31) % len(words)])
    return pa.array(np.char.add(np.char.add(made, " "), numbers.astype(str)))


def drawn(exponent: float, distinct: int, rows: int, seed: int) -> np.ndarray:
    """Draws numbers below `distinct`, number k with a probability proportional to ``(k + 1) ** -exponent``."""
    weights = np.cumsum(np.arange(1, distinct + 1, dtype=np.float64) ** -exponent)
    return np.searchsorted(weights, np.random.default_rng(seed).random(rows) * weights[-1])


def model() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import FeatureUnion, Pipeline

    data = titles(np.arange(4000)).to_pandas()
    terms = [("words", TfidfVectorizer(ngram_range=(1, 2))), ("chars", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)))]
    return Pipeline([("terms", FeatureUnion(terms)), ("model", LogisticRegression())]).fit(data, data.str.contains("black|usb"))


def report(frame: Any) -> dict[str, int]:
    """Returns the metrics of the only operator."""
    return json.loads(frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))["operators"][0]


def measured(spark: Any, paths: list[str], score: Any, rows: int) -> dict[str, Any]:
    """Returns mode -> (ns a row, hit rate).

    The first path is for comparing, the others for one run each. Raises SystemExit when two modes disagree on scores.
    """
    path, runs = paths[0], iter(paths[1:])
    spark.conf.set(MODE, "never")
    expected = spark.read.parquet(path).select(score("title").alias("s")).toArrow()
    for mode in MODES:
        spark.conf.set(MODE, mode)
        if not spark.read.parquet(path).select(score("title").alias("s")).toArrow().equals(expected):
            raise SystemExit(f"FAILED: {mode} returns other scores than no cache")
    costs: dict[str, list[float]] = {mode: [] for mode in MODES}
    shares = {}
    for _ in range(len(paths) // len(MODES)):
        for mode in MODES:
            spark.conf.set(MODE, mode)
            frame = spark.read.parquet(next(runs)).select(score("title").alias("s"))
            frame._jdf.queryExecution().toRdd().count()
            what = report(frame)
            if what["numOutputRows"] != rows or what["deoptimisedBatches"]:
                raise SystemExit(f"FAILED: some rows did not run in the kernel: {what}")
            costs[mode].append(what["kernelTime"] / rows)
            shares[mode] = what["cachedRows"] / rows
    return {mode: (min(costs[mode]), shares[mode]) for mode in MODES}


def run(rows: int, repeats: int = 3) -> list[str]:
    """Prints the table; returns the faults."""
    from pyspark.sql.functions import pandas_udf

    spark = local_session(1, "3g", {MEMORY: f"{MEGABYTES}m"})
    fitted, faults = model(), []

    @pandas_udf("double")
    def score(title: pd.Series) -> pd.Series:
        return pd.Series(fitted.predict_proba(title)[:, 1])

    print(f"\n{rows:,} rows, {MEGABYTES} MB of cache, one core\n\n{_HEAD}\n|" + "---:|" * 8)
    with tempfile.TemporaryDirectory() as folder:
        for number, (exponent, distinct) in enumerate(CASES):
            paths = [str(Path(folder) / f"{number}-{seed}.parquet") for seed in range(1 + len(MODES) * repeats)]
            for seed, path in enumerate(paths):
                pq.write_table(pa.table({"title": titles(drawn(exponent, distinct, rows, seed))}), path)
            found = measured(spark, paths, score, rows)
            plain, always, auto = (found[mode] for mode in MODES)
            costs = f"{plain[0]:.0f} | {always[0]:.0f} | {auto[0]:.0f} | {plain[0] / auto[0]:.2f}x"
            print(f"| {exponent:g} | {distinct:,} | {costs} | {always[1]:.1%} | {auto[1]:.1%} |", flush=True)
            if auto[0] > 1.1 * plain[0]:
                faults.append(f"auto costs {auto[0]:.0f} ns a row where no cache costs {plain[0]:.0f}")
    held = spark._jvm.io.sparkweld.SparkWeldRuntime.caches().bytes()
    print(f"\nmemory of the cache: {held:,} bytes, at most {MEGABYTES << 20:,}")
    spark.stop()
    return faults if held <= MEGABYTES << 20 else [*faults, "the cache exceeds its memory limit"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    faults = run(parser.parse_args().rows)
    print("\n".join(f"FAILED: {fault}" for fault in faults) or "all scores equal, all targets met")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
