"""Top-K queries and score filters over millions of rows to their times: what is skipped, against all rows scored in kernels.

    python tests/bench/top_rows.py --data FOLDER [--rows N] [--cases WORDS]     (bench_willump.py prints it as well)

Columns of the table: *exact* has all of the plugin's rules, *full* is the same session with those off that skip rows by their
scores or look up what came before, so that kernels score every row and Spark picks, *off* is the same session with the plugin off
over one file of the rows (its time is that of so many rows, times the number of files). Times are the best of the repeats,
taken by turns, to the collected rows of a top-K query, and to the noop sink for a filter. Before, the answers of all three
are compared, row by row; filters' by count and a sum of hashes of the rows' numbers and scores. *approximate* is a ranking
fitted to some rows of the same table, in the place of *exact*, and its recall is counted. It extrapolates to the smaller K.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from top_rows_cases import PART, WORKLOADS, Workload, parts_of

import sparkweld
from sparkweld.errors import Refusal

ENABLED = "spark.sparkweld.enabled"
#: What skips work: rows by their scores, and the terms of texts that come again.
SKIPPING = {
    "spark.sparkweld.topK.enabled": ("true", "false"), "spark.sparkweld.scoreBounds.mode": ("always", "never"),
    "spark.sparkweld.featureCache.mode": ("auto", "never"),
}  # fmt: skip
LIMITS, PASSES = (10, 100, 1000), (0.001, 0.01, 0.1)
TARGETS = {"exact": 3.0, "approximate": 5.7, "off": 23.0}
RECALL = 0.95
RANKINGS = "spark.sparkweld.rankings.path"
#: The largest part of a table that a query by candidates wants.
LARGEST = 0.0005
#: What a process of a workload says, and its exit code.
_FAULT, _FAULTY = "FAILED: ", 3
_HEAD = "| workload | query | rows | exact | full | exact vs full | off | exact vs off |\n|---|---|---:|---:|---:|---:|---:|---:|"


class OtherAnswer(Exception):
    """Two runs of a query that have to agree do not."""


class Table:
    """The rows of a workload in Parquet files, `first` of which the plugin is off for, and their scores."""

    def __init__(self, spark: Any, case: Workload, rows: int, folder: Path) -> None:
        self.spark, self.case, self.rows = spark, case, rows
        self.paths = []
        for number, part in enumerate(parts_of(case, rows)):
            self.paths.append(str(folder / f"{number}.parquet"))
            pq.write_table(pa.Table.from_pandas(part, preserve_index=False), self.paths[-1])
        self._scored: dict[bool, Any] = {}
        self.side = None
        if case.side is not None:
            self.side = str(folder / "side.parquet")
            pq.write_table(pa.Table.from_pandas(case.side, preserve_index=False), self.side)

    def rows_of(self, first: bool = False) -> Any:
        """The rows with all columns that the model reads."""
        frame = self.spark.read.parquet(*(self.paths[:1] if first else self.paths))
        return frame if self.side is None else frame.join(self.spark.read.parquet(self.side), self.case.key, "left")

    def scored(self, first: bool = False) -> Any:
        """Their scores, by one function for all queries, as a session has it: what is planned once is known to the next."""
        if first not in self._scored:
            self._scored[first] = self._by_model(first)
        return self._scored[first]

    def _by_model(self, first: bool) -> Any:
        features = [self.case.text] if list(self.case.rows.columns) == [self.case.text] else None
        scored = sparkweld.score(self.rows_of(first), self.case.model, features, output="score", proba=self.case.proba)
        return scored.select("id", "score")


def top(k: int) -> Callable[[Any], Any]:
    from pyspark.sql import functions as F

    return lambda scored: scored.orderBy(F.desc("score"), "id").limit(k)


def above(threshold: float) -> Callable[[Any], Any]:
    return lambda scored: scored.where(scored["score"] > threshold)


def answer(frame: Any) -> Any:
    """What two runs of a query are compared by."""
    from pyspark.sql import functions as F

    if frame._jdf.logicalPlan().toString().startswith("GlobalLimit"):
        return [(row.id, row.score) for row in frame.collect()]
    row = frame.agg(F.count("*").alias("n"), F.sum(F.hash("id", "score").cast("long")).alias("h")).collect()[0]
    return row.n, row.h


def seconds(frame: Any) -> float:
    """Of one run."""
    started = time.perf_counter()
    if frame._jdf.logicalPlan().toString().startswith("GlobalLimit"):
        frame.collect()
    else:
        frame.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started


class Sides:
    """The settings of the three columns of the table."""

    def __init__(self, spark: Any) -> None:
        self.spark = spark

    def use(self, side: str) -> None:
        self.spark.conf.set(ENABLED, "false" if side == "off" else "true")
        for name, (exact, other) in SKIPPING.items():
            self.spark.conf.set(name, exact if side == "exact" else other)


def measured(table: Table, query: Callable[[Any], Any], repeats: int) -> dict[str, float]:
    """side -> seconds, of all rows. Raises OtherAnswer. Answers of kept scores may differ from Python's."""
    sides = Sides(table.spark)

    def run(side: str, what: Callable[[Any], Any], first: bool) -> Any:
        sides.use(side)
        return what(query(table.scored(first)))

    if run("exact", answer, False) != run("full", answer, False):
        raise OtherAnswer("skipping rows gives another answer than all rows")
    alone, mine = run("off", answer, True), run("exact", answer, True)
    if not same(alone, mine):
        raise OtherAnswer(f"the plugin gives another answer than without it: {alone} and {mine}")
    found = {side: min(run(side, seconds, False) for _ in range(repeats)) for side in ("exact", "full")}
    found["off"] = run("off", seconds, True) * table.rows / min(PART, table.rows)
    return found


def same(alone: Any, mine: Any) -> bool:
    """Scores that are *kept* may differ in their last digits, and with them a filter's hashes; never the number of rows."""
    if isinstance(alone, tuple):
        return alone[0] == mine[0]
    close = np.allclose([s for _, s in alone], [s for _, s in mine], rtol=1e-12)
    return len(alone) == len(mine) and close and {i for i, _ in alone} == {i for i, _ in mine}


def thresholds(table: Table) -> list[float]:
    """The scores past which each share of PASSES lies."""
    Sides(table.spark).use("full")
    found = table.scored().approxQuantile("score", [1 - share for share in PASSES], 1e-5)
    return [float(value) for value in found]


def line(name: str, query: str, rows: int, found: dict[str, float]) -> str:
    cells = f"{found['exact']:.2f} s | {found['full']:.2f} s | {found['full'] / found['exact']:.2f}x"
    return f"| {name} | {query} | {rows:,} | {cells} | {found['off']:.1f} s | {found['off'] / found['exact']:.1f}x |"


def exact(table: Table, name: str, repeats: int) -> list[str]:
    """Prints the lines of a workload; what is below its target."""
    queries = [(f"first {k:,}", top(k)) for k in LIMITS]
    queries += [(f"score > its {1 - share:.1%} quantile", above(t)) for share, t in zip(PASSES, thresholds(table), strict=True)]
    missed = []
    for what, query in queries:
        found = measured(table, query, repeats)
        print(line(name, what, table.rows, found), flush=True)
        missed += below(name, what, found, TARGETS["exact"])
    return missed


def approximate(table: Table, name: str, folder: Path, repeats: int) -> list[str]:
    """Prints what a ranking makes of queries of each size; what is below its target."""
    case = table.case
    ks = [k for k in LIMITS if k <= table.rows * LARGEST]
    # half as many again as could certify the largest query
    some = min(table.rows, int(1.5 * 59 / 0.5 * table.rows / ks[-1]))
    rows = table.rows_of().limit(some).toPandas()[list(case.rows.columns)]
    started = time.perf_counter()
    try:
        made = sparkweld.ranking.fit(
            case.model, rows, ks, RECALL, rows=table.rows, path=folder / "ranking", proba=case.proba,
            text=case.text if list(case.rows.columns) == [case.text] else None, extrapolate=True,
        )
    except Refusal as refused:
        print(f"| {name}, approximate | no ranking: {refused.code} {refused.message} |", flush=True)
        return [f"{name}: no ranking ({refused.code}), the target is {TARGETS['approximate']:g}x full"]
    print(f"\n{name}: a ranking of {len(rows):,} rows, {time.perf_counter() - started:.0f} s\n")
    print("\n".join(f"    {line}" for line in made.certificate.lines()) + "\n")
    return [fault for k in ks for fault in _approximate(table, name, folder, k, repeats)]


def _approximate(table: Table, name: str, folder: Path, k: int, repeats: int) -> list[str]:
    sides = Sides(table.spark)

    def query(side: str) -> Any:
        """An unmodified query: the setting alone tells the sides apart."""
        sides.use(side)
        table.spark.conf.unset(RANKINGS)
        if side == "exact":
            table.spark.conf.set(RANKINGS, str(folder / "ranking"))
        return top(k)(table.scored(first=side == "off"))

    wanted = {row.id for row in query("full").collect()}
    near = query("exact")
    recall = len(wanted & {row.id for row in near.collect()}) / k
    told = sparkweld.explain(near)
    times: dict[str, list[float]] = {"exact": [], "full": []}
    for _ in range(repeats):
        for side in times:
            times[side].append(seconds(query(side)))
    found = {side: min(of) for side, of in times.items()}
    found["off"] = seconds(query("off")) * table.rows / min(PART, table.rows)
    table.spark.conf.unset(RANKINGS)
    print(line(f"{name}, approximate", f"first {k:,}, recall {recall:.1%}", table.rows, found), flush=True)
    print("\n".join(line for line in told.splitlines() if "measured: the small model" in line))
    faults = [] if recall >= RECALL else [f"{name}: the approximate answer has {recall:.1%} of the rows"]
    if "the small model scored" not in told or "the full model scored every row" in told:
        faults.append(f"{name}, first {k:,}: the full model scored every row")
    return faults + below(f"{name}, approximate", f"first {k:,}", found, TARGETS["approximate"])


def below(name: str, query: str, found: dict[str, float], target: float) -> list[str]:
    """What is below its target, that against the full scoring or that against the plugin off."""
    return [
        f"{name}, {query}: {found[side] / found['exact']:.2f}x {side}, the target is {least:g}x"
        for side, least in (("full", target), ("off", TARGETS["off"]))
        if found[side] < least * found["exact"]
    ]


def run(data: Path, rows: int, names: list[str], approximate_only: bool = False) -> list[str]:
    """Prints the tables; what is wrong. Each workload has a process, and so a Spark, of its own: its memory is free afterwards,
    and the end of one that the system has ended for want of memory is said.
    """
    faults: list[str] = []
    about = f"top-K queries and score filters, {rows:,} rows, two cores; off: {PART:,} rows, times {rows / PART:g}"
    print(f"\n{about}\n\n{_HEAD}", flush=True)
    for name in names:
        command = [sys.executable, __file__, "--data", str(data), "--rows", str(rows), "--workload", name]
        command += ["--approximate"] if approximate_only else []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for text in process.stdout:
                if text.startswith(_FAULT):
                    faults.append(text.removeprefix(_FAULT).strip())
                else:
                    print(text, end="", flush=True)
        if process.returncode not in (0, _FAULTY):
            how = f"signal {-process.returncode}" if process.returncode < 0 else f"code {process.returncode}"
            faults.append(f"{name}: its process ended by {how}" + (" (out of memory?)" if process.returncode == -9 else ""))
    return faults


def run_one(data: Path, rows: int, name: str, approximate_only: bool = False, repeats: int = 2) -> list[str]:
    """Prints the lines of a workload; what is wrong."""
    spark = session()
    with tempfile.TemporaryDirectory() as folder:
        case = WORKLOADS[name](data)
        table = Table(spark, case, rows, Path(folder))
        try:
            faults = [] if approximate_only else exact(table, name, repeats)
            if case.ranked:
                faults += approximate(table, name, Path(folder), repeats)
        except OtherAnswer as wrong:
            faults = [f"{name}: {wrong}"]
    spark.stop()
    own, children = (resource.getrusage(who).ru_maxrss >> 10 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"\n{name}: at most {own:,} MB in Python, {children:,} MB in the largest process below it\n\n{_HEAD}", flush=True)
    return faults


def session() -> Any:
    """A Spark of two cores with the plugin."""
    from pyspark.sql import SparkSession

    conf = {"spark.ui.enabled": "false", "spark.driver.memory": "4g", "spark.ui.showConsoleProgress": "false",
            "spark.sql.execution.arrow.pyspark.enabled": "true"}  # rows for a ranking come as columns, not as objects
    builder = SparkSession.builder.master("local[2]").config("spark.sql.shuffle.partitions", "4")
    for key, value in conf.items():
        builder = builder.config(key, value)
    return sparkweld.configure(builder).getOrCreate()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SPARKWELD_SOURCES"), help="folder of the tables")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--cases", default=" ".join(WORKLOADS), help="only those whose names are among these words")
    parser.add_argument("--approximate", action="store_true", help="only queries by candidates")
    parser.add_argument("--workload", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    if arguments.workload:
        faults = run_one(arguments.data, arguments.rows, arguments.workload, arguments.approximate)
        print("".join(f"{_FAULT}{fault}\n" for fault in faults), end="")
        return _FAULTY if faults else 0
    faults = run(arguments.data, arguments.rows, arguments.cases.split(), arguments.approximate)
    print("\n".join(f"{_FAULT}{fault}" for fault in faults) or "all answers equal, all targets met")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
