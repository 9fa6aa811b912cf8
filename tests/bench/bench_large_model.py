"""Measures planning seconds and the memory of driver, compile service and workers for forests of 200 MB and 1 GB.

    make bench BENCH=large_model            (or: python tests/bench/bench_large_model.py [--megabytes 200 1000] [--heap 4g])

Each size runs in its own JVM, whose heap is also the executors' (local mode). A forest of deep trees is grown on random numbers
and scored by sparkweld.score over ROWS rows. The query is planned and run twice with the plugin, and run with it off. The
results are compared. Meanwhile the largest resident memory of each process is read from /proc.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from process_memory import descendants, of_process
from progress import Progress
from submit import session_environment

ROWS, COLUMNS, LEAVES = 20_000, 10, 20_000
#: Substring of a process's command line -> its name in the report.
KINDS = {"udf_compiler.service": "service", "pyspark.daemon": "workers", "org.apache.spark.deploy.SparkSubmit": "jvm"}


def forest(megabytes: int) -> tuple[object, int]:
    """Returns a forest whose pickle has about `megabytes` MB, and its size: grown trees, repeated with other leaf values."""
    from sklearn.ensemble import RandomForestRegressor

    random = np.random.default_rng(0)
    x = random.normal(size=(2 * LEAVES, COLUMNS))
    model = RandomForestRegressor(n_estimators=4, max_leaf_nodes=LEAVES, random_state=0).fit(x, random.normal(size=len(x)))
    one = len(pickle.dumps(model.estimators_[0]))
    grown = list(model.estimators_)
    while len(model.estimators_) * one < megabytes * 1_000_000:
        tree = copy.deepcopy(grown[len(model.estimators_) % len(grown)])
        tree.tree_.value[:] += len(model.estimators_)
        model.estimators_.append(tree)
    model.n_estimators = len(model.estimators_)
    return model, len(model.estimators_) * one


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Yields the largest resident megabytes of this process and its children during the `with` block, by kind."""
    peaks: dict[str, float] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            now: dict[str, float] = {"driver": of_process(os.getpid())["residentMb"]}
            for pid in descendants(os.getpid()):
                try:
                    line = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
                    kind = next((name for part, name in KINDS.items() if part in line), "other")
                    now[kind] = now.get(kind, 0.0) + of_process(pid)["residentMb"]
                except (OSError, KeyError, ValueError):
                    continue  # it ended meanwhile
            for kind, megabytes in now.items():
                peaks[kind] = max(peaks.get(kind, 0.0), megabytes)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def measure(megabytes: int) -> dict[str, object]:
    """Measures the times and peaks of one size; runs in a session's own process."""
    from pyspark.sql import SparkSession

    import sparkweld

    spark = SparkSession.builder.getOrCreate()
    path = tempfile.mkdtemp(prefix="sparkweld-large-") + "/t"
    columns = [f"randn({at}) as c{at}" for at in range(COLUMNS)]
    spark.range(ROWS).selectExpr(*columns).coalesce(2).write.parquet(path)
    df = spark.read.parquet(path)
    model, size = forest(megabytes)
    names = [f"c{at}" for at in range(COLUMNS)]
    seconds: dict[str, float] = {}

    def timed(what, run):
        began = time.perf_counter()
        made = run()
        seconds[what] = round(time.perf_counter() - began, 2)
        return made

    def plan(scored):
        return scored._jdf.queryExecution().executedPlan().toString()

    with watched() as peaks:
        scored = timed("score()", lambda: sparkweld.score(df, model, names))
        spark._jvm.java.lang.Thread.sleep(3000)  # wait until the compile service has finished its imports
        plan_text = timed("plan", lambda: plan(scored))
        on = timed("run", lambda: scored.toPandas())
        again = scored.select("*")
        timed("plan again", lambda: plan(again))
        timed("run again", lambda: again.toPandas())
    explained = sparkweld.explain(scored)
    spark.conf.set("spark.sparkweld.enabled", "false")
    with watched() as without:
        off = timed("run, off", lambda: scored.select("*").toPandas())
    assert np.array_equal(on.prediction, off.prediction)
    refusal = next((line.strip() for line in explained.splitlines() if "SW" in line), "")
    kernel = "Weld [" in plan_text
    return {"bytes": size, "trees": len(model.estimators_), "kernel": kernel, "refusal": refusal, "seconds": seconds,
            "peaks": {k: round(v) for k, v in peaks.items()}, "off": {k: round(v) for k, v in without.items()}}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--heap", default="4g", help="the JVM's heap (default 4g)")
    parser.add_argument("--timeout", default="60s", help="how long planning may wait (default 60s)")
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside is not None:
        print("FOUND " + json.dumps(measure(arguments.inside)))
        return 0
    progress = Progress()
    settings = ["--master", "local[2]", "--driver-memory", arguments.heap, "--conf", "spark.ui.enabled=false",
                "--conf", f"spark.sparkweld.compile.timeout={arguments.timeout}"]  # fmt: skip
    for megabytes in arguments.megabytes:
        progress.say(f"a forest of {megabytes} MB, heap {arguments.heap}")
        done = subprocess.run([sys.executable, __file__, "--inside", str(megabytes)], capture_output=True, text=True,
                              env=session_environment(True, settings))  # fmt: skip
        found = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
        if not found:
            progress.say(f"FAILED:\n{done.stderr[-3000:]}")
            return 1
        show(megabytes, json.loads(found[0].removeprefix("FOUND ")))
    return 0


def show(megabytes: int, found: dict) -> None:
    print(f"\n{found['trees']} trees, {found['bytes'] / 1e6:,.0f} MB: {'a kernel' if found['kernel'] else found['refusal']}")
    print("| " + " | ".join(found["seconds"]) + " |\n" + "|" + "---:|" * len(found["seconds"]))
    print("| " + " | ".join(f"{s:.1f} s" for s in found["seconds"].values()) + " |")
    for label in ("peaks", "off"):
        print(f"resident, {'with the plugin' if label == 'peaks' else 'plugin off'}: "
              + ", ".join(f"{kind} {size:,} MB" for kind, size in sorted(found[label].items())))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
