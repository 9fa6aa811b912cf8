"""Times top-K queries and score filters over millions of rows: row skipping against scoring all rows in kernels.

    python tests/bench/top_rows.py --data FOLDER [--rows N] [--cases WORDS] [--off-rows N] [--repeats N] [--cpu] [--mode MODE]
    (bench_willump.py prints it as well)

Columns of the table: *exact* has all of the plugin's rules. *full* is the same session without row skipping by score and
without caches of earlier rows, so that kernels score every row and Spark selects. *off* is the same session with the plugin off
over fewer rows. It is the time of a first-ten query in two tasks, scaled to the table's rows. It is measured once per workload,
since without the plugin every query scores all rows. `--off-rows 0` omits it. Times are the best of alternating repeats, up to
the collected rows of a top-K query, and up to the noop sink for a filter. With `--cpu` it is the processors' time of the JVM
and its descendants, which other work on the machine changes little. A *full* run of over LONG seconds is timed for one query of
each kind only, because all of the kind score the same rows.

Before timing, the answers of *exact* are compared one by one with the scores that *full* has written, over all rows. Those with
the plugin off are compared over its rows. Filters are compared by count and a sum of hashes of row numbers and scores.
*approximate* replaces *exact* by a ranking fitted to some rows of the same table, and its recall is counted. It extrapolates to
the smaller K. *exact* has bounds wherever possible, or with `--mode auto` where the plugin adds them by itself. *exact* has a
target against *full* where features or joins are expensive; where nothing is, there are no targets. Below each table is the
time of reading its rows, a lower bound of every query.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from local_session import local_session
from process_memory import cpu_seconds
from top_rows_cases import WORKLOADS, Workload, parts_of

import sparkweld
from sparkweld.errors import Refusal

ENABLED = "spark.sparkweld.enabled"
#: Settings that skip work: rows by their scores, and repeated terms of strings.
SKIPPING = {
    "spark.sparkweld.topK.enabled": ("true", "false"), "spark.sparkweld.featureCache.mode": ("auto", "never"),
}  # fmt: skip
#: Rows of a table, and its rows with the plugin off.
ROWS, OFF_ROWS = 5_000_000, 100_000
REPEATS = 2
#: Seconds of a run over all rows beyond which it is not timed again for each query.
LONG = 30.0
LIMITS, PASSES = (10, 100, 1000), (0.001, 0.01, 0.1)
TARGETS = {"exact": 3.0, "approximate": 5.7, "off": 23.0}
RECALL = 0.95
RANKINGS = "spark.sparkweld.rankings.path"
#: The largest share of a table for which a query by candidates is planned.
LARGEST = 0.0005
#: Prefix of a workload process's fault lines, and its exit code.
_FAULT, _FAULTY = "FAILED: ", 3
_HEAD = "| workload | query | rows | exact | full | exact vs full | off | exact vs off |\n|---|---|---:|---:|---:|---:|---:|---:|"


class OtherAnswer(Exception):
    """Two runs of a query that must agree do not."""


@dataclass(frozen=True)
class Asked:
    """The parameters of a measurement: `rows` of a table, `off_rows` of them with the plugin off, and the clock."""

    rows: int
    off_rows: int
    cpu: bool = False
    approximate_only: bool = False
    repeats: int = REPEATS
    mode: str = "always"

    def arguments(self) -> list[str]:
        """Returns the same parameters as command line arguments of another process."""
        flags = ["--mode", self.mode] + ["--cpu"] * self.cpu + ["--approximate"] * self.approximate_only
        return ["--rows", str(self.rows), "--off-rows", str(self.off_rows), "--repeats", str(self.repeats), *flags]


class Table:
    """The rows of a workload in Parquet files, the `first` of them for the plugin off, and their scores."""

    def __init__(self, spark: Any, case: Workload, asked: Asked, folder: Path) -> None:
        self.spark, self.case, self.rows, self.sides = spark, case, asked.rows, Sides(spark, asked.mode)
        self.cpu, self.repeats, self.folder = asked.cpu, asked.repeats, folder
        self.off_rows = min(asked.off_rows, asked.rows)
        self.paths: dict[bool, list[str]] = {False: [], True: []}
        for part in parts_of(case, self.rows):
            if self.off_rows and not self.paths[True]:
                half, few = -(-self.off_rows // 2), part[: self.off_rows]
                self.off_rows = len(few)
                for piece in (few[:half], few[half:]):  # a task for each of the two cores
                    self._write(piece, first=True)
            self._write(part, first=False)
        self._scored: dict[bool, Any] = {}
        self._kept: dict[bool, Any] = {}
        self.off: float | None = None
        #: kind of query -> the best time of *full*, where it exceeds LONG
        self.long: dict[str, float] = {}
        self.side = None
        if case.side is not None:
            self.side = str(folder / "side.parquet")
            pq.write_table(pa.Table.from_pandas(case.side, preserve_index=False), self.side)

    def _write(self, rows: Any, first: bool) -> None:
        paths = self.paths[first]
        paths.append(str(self.folder / f"{'first' if first else 'rows'}-{len(paths)}.parquet"))
        pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), paths[-1])

    def rows_of(self, first: bool = False) -> Any:
        """Returns the rows with all columns that the model reads."""
        frame = self.spark.read.parquet(*self.paths[first])
        return frame if self.side is None else frame.join(self.spark.read.parquet(self.side), self.case.key, "left")

    def reading(self) -> float:
        """Returns the seconds of reading the rows alone, without scoring or joining, the best of the repeats."""
        frame = self.spark.read.parquet(*self.paths[False])
        return min(seconds(frame, self.cpu) for _ in range(self.repeats + 1))

    def scored(self, first: bool = False) -> Any:
        """Returns their scores by one function for all queries, as in a user's session: later queries reuse its plan state."""
        if first not in self._scored:
            self._scored[first] = self._by_model(first)
        return self._scored[first]

    def _by_model(self, first: bool) -> Any:
        features = [self.case.text] if list(self.case.rows.columns) == [self.case.text] else None
        scored = sparkweld.score(self.rows_of(first), self.case.model, features, output="score", proba=self.case.proba)
        return scored.select("id", "score")

    def kept(self, alone: bool = False) -> Any:
        """Returns the scores of *full*, written once.

        `alone`: those of the first rows with the plugin off, which must be off; also records the time scaled to all rows.
        """
        if alone not in self._kept:
            scores = str(self.folder / f"scores-{alone}")
            if not alone:
                self.sides.use("full")
            self.scored(first=alone).write.parquet(scores)
            if alone:  # the workers are started by now, and have loaded the model
                self.off = seconds(top(LIMITS[0])(self.scored(first=True)), self.cpu) * self.rows / self.off_rows
            self._kept[alone] = self.spark.read.parquet(scores)
        return self._kept[alone]


def top(k: int) -> Callable[[Any], Any]:
    from pyspark.sql import functions as F

    return lambda scored: scored.orderBy(F.desc("score"), "id").limit(k)


def above(threshold: float) -> Callable[[Any], Any]:
    return lambda scored: scored.where(scored["score"] > threshold)


def is_top(frame: Any) -> bool:
    """Whether a query is a top-K query; otherwise it is a filter."""
    return str(frame._jdf.logicalPlan().toString()).startswith("GlobalLimit")


def answer(frame: Any) -> Any:
    """Returns the value by which two runs of a query are compared."""
    from pyspark.sql import functions as F

    if is_top(frame):
        return [(row.id, row.score) for row in frame.collect()]
    row = frame.agg(F.count("*").alias("n"), F.sum(F.hash("id", "score").cast("long")).alias("h")).collect()[0]
    return row.n, row.h


def seconds(frame: Any, cpu: bool) -> float:
    """Returns the seconds of one run, wall time or CPU time."""
    clock = cpu_seconds if cpu else time.perf_counter
    started = clock()
    if is_top(frame):
        frame.collect()
    else:
        frame.write.format("noop").mode("overwrite").save()
    return clock() - started


class Sides:
    """The settings of the three columns of the table. `mode`: that the mode of score bounds for *exact*."""

    def __init__(self, spark: Any, mode: str) -> None:
        self.spark, self.skipping = spark, SKIPPING | {"spark.sparkweld.scoreBounds.mode": (mode, "never")}

    def use(self, side: str) -> None:
        self.spark.conf.set(ENABLED, "false" if side == "off" else "true")
        for name, (exact, other) in self.skipping.items():
            self.spark.conf.set(name, exact if side == "exact" else other)


def measured(table: Table, query: Callable[[Any], Any]) -> dict[str, float]:
    """Returns side -> seconds over all rows.

    Raises OtherAnswer. Approximate scores may differ from Python's within their bound.
    """
    sides = table.sides

    def run(side: str, what: Callable[[Any], Any], first: bool = False) -> Any:
        sides.use(side)
        return what(query(table.kept(alone=True) if side == "off" else table.scored(first)))

    if run("exact", answer) != answer(query(table.kept())):
        raise OtherAnswer("skipping rows changes the answer")
    if table.off_rows:
        alone, mine = run("off", answer), run("exact", answer, True)
        if not same(alone, mine):
            raise OtherAnswer(f"the answer differs with and without the plugin: {alone} and {mine}")
    return timed(table, lambda side: run(side, lambda frame: frame))


def timed(table: Table, query: Callable[[str], Any]) -> dict[str, float]:
    """Returns side -> its best seconds, in alternating runs, except plugin off, and *full* where it is long."""
    kind = "first" if is_top(query("full")) else "filter"
    known = {"full": [table.long[kind]]} if kind in table.long else {}
    times: dict[str, list[float]] = {side: [] for side in ("exact", "full") if side not in known}
    for _ in range(table.repeats):
        for side, found in times.items():
            found.append(seconds(query(side), table.cpu))
    best = {side: min(found) for side, found in (times | known).items()}
    if best["full"] > LONG:
        table.long[kind] = best["full"]
    return best | ({} if table.off is None else {"off": table.off})


def same(alone: Any, mine: Any) -> bool:
    """Whether answers agree: approximate scores may differ in last digits, and so may a filter's hashes; row counts may not."""
    if isinstance(alone, tuple):
        return alone[0] == mine[0]
    close = np.allclose([s for _, s in alone], [s for _, s in mine], rtol=1e-12)
    return len(alone) == len(mine) and close and {i for i, _ in alone} == {i for i, _ in mine}


def thresholds(table: Table) -> list[float]:
    """Returns the scores that each share of PASSES exceeds."""
    found = table.kept().approxQuantile("score", [1 - share for share in PASSES], 1e-5)
    return [float(value) for value in found]


def line(name: str, query: str, rows: int, found: dict[str, float]) -> str:
    cells = f"{found['exact']:.2f} s | {found['full']:.2f} s | {found['full'] / found['exact']:.2f}x"
    off = f"{found['off']:.1f} s | {found['off'] / found['exact']:.1f}x" if "off" in found else " | "
    return f"| {name} | {query} | {rows:,} | {cells} | {off} |"


def exact(table: Table, name: str) -> list[str]:
    """Prints the lines of a workload; returns the missed targets. Raises OtherAnswer when Python scores."""
    table.sides.use("full")
    if "in Python: " in (told := sparkweld.explain(table.scored())):
        raise OtherAnswer(f"no kernel scores its rows:\n{told}")
    queries = [(f"first {k:,}", top(k)) for k in LIMITS]
    queries += [(f"score > its {1 - share:.1%} quantile", above(t)) for share, t in zip(PASSES, thresholds(table), strict=True)]
    missed = []
    for what, query in queries:
        found = measured(table, query)
        print(line(name, what, table.rows, found), flush=True)
        target = TARGETS["exact"] if table.case.expensive == "features" else 0.0
        missed += below(name, what, found, target) if table.case.expensive else []
    return missed


def approximate(table: Table, name: str) -> list[str]:
    """Prints the results of a ranking for queries of each size; returns the missed targets."""
    case = table.case
    ks = [k for k in LIMITS if k <= table.rows * LARGEST]
    # 1.5 times the rows that suffice to certify the largest query
    some = min(table.rows, int(1.5 * 59 / 0.5 * table.rows / ks[-1]))
    rows = table.rows_of().limit(some).toPandas()[list(case.rows.columns)]
    started = time.perf_counter()
    try:
        made = sparkweld.ranking.fit(
            case.model, rows, ks, RECALL, rows=table.rows, path=table.folder / "ranking", proba=case.proba,
            text=case.text if list(case.rows.columns) == [case.text] else None, extrapolate=True,
        )
    except Refusal as refused:
        print(f"| {name}, approximate | no ranking: {refused.code} {refused.message} |", flush=True)
        return [f"{name}: no ranking ({refused.code}), the target is {TARGETS['approximate']:g}x full"]
    print(f"\n{name}: a ranking of {len(rows):,} rows, {time.perf_counter() - started:.0f} s\n")
    print("\n".join(f"    {line}" for line in made.certificate.lines()) + "\n")
    return [fault for k in ks for fault in _approximate(table, name, k)]


def _approximate(table: Table, name: str, k: int) -> list[str]:
    sides = table.sides

    def query(side: str) -> Any:
        """Returns an unmodified query: the setting alone distinguishes the sides."""
        sides.use(side)
        table.spark.conf.unset(RANKINGS)
        if side == "exact":
            table.spark.conf.set(RANKINGS, str(table.folder / "ranking"))
        return top(k)(table.scored())

    wanted = {row.id for row in top(k)(table.kept()).collect()}
    near = query("exact")
    recall = len(wanted & {row.id for row in near.collect()}) / k
    told = sparkweld.explain(near)
    if table.off_rows:
        sides.use("off")
        table.kept(alone=True)
    found = timed(table, query)
    table.spark.conf.unset(RANKINGS)
    print(line(f"{name}, approximate", f"first {k:,}, recall {recall:.1%}", table.rows, found), flush=True)
    print("\n".join(line for line in told.splitlines() if "measured: the small model" in line))
    faults = [] if recall >= RECALL else [f"{name}: the approximate answer has {recall:.1%} of the rows"]
    if "the small model scored" not in told or "the full model scored every row" in told:
        faults.append(f"{name}, first {k:,}: the full model scored every row")
    missed = below(f"{name}, approximate", f"first {k:,}", found, TARGETS["approximate"]) if table.case.expensive else []
    return faults + missed


def below(name: str, query: str, found: dict[str, float], target: float) -> list[str]:
    """Returns the missed targets: against the full scoring, and against the plugin off."""
    return [
        f"{name}, {query}: {found[side] / found['exact']:.2f}x {side}, the target is {least:g}x"
        for side, least in (("full", target), ("off", TARGETS["off"]))
        if side in found and found[side] < least * found["exact"]
    ]


def run(data: Path, asked: Asked, names: list[str]) -> list[str]:
    """Prints the tables; returns the faults.

    Each workload has a separate process, and so a separate Spark. Its memory is free afterwards, and a process that the system
    killed for lack of memory is reported.
    """
    faults: list[str] = []
    off = f"; off: {asked.off_rows:,} rows, times {asked.rows / asked.off_rows:g}" if asked.off_rows else ""
    clock = "the processors' seconds" if asked.cpu else "seconds"
    about = f"top-K queries and score filters, {asked.rows:,} rows, two cores, {clock}{off}"
    print(f"\n{about}\n\n{_HEAD}", flush=True)
    for name in names:
        command = [sys.executable, __file__, "--data", str(data), "--workload", name, *asked.arguments()]
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


def run_one(data: Path, asked: Asked, name: str) -> list[str]:
    """Prints the lines of a workload; returns the faults."""
    spark = session()
    with tempfile.TemporaryDirectory() as folder:
        case = WORKLOADS[name](data)
        table = Table(spark, case, asked, Path(folder))
        try:
            faults = [] if asked.approximate_only else exact(table, name)
            if case.ranked:
                faults += approximate(table, name)
            print(f"\n{name}: reading the rows takes {table.reading():.2f} s", flush=True)
        except OtherAnswer as wrong:
            faults = [f"{name}: {wrong}"]
    spark.stop()
    own, children = (resource.getrusage(who).ru_maxrss >> 10 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"{name}: at most {own:,} MB in Python, {children:,} MB in the largest process below it\n\n{_HEAD}", flush=True)
    return faults


def session() -> Any:
    """Returns a Spark session of two cores with the plugin."""
    return local_session(2, "4g", {
        "spark.sql.shuffle.partitions": "4",
        "spark.sparkweld.compile.timeout": "60s",  # reading a forest of 360 MB exceeds the default of ten seconds
        "spark.sql.execution.arrow.pyspark.enabled": "true",  # rows for a ranking arrive as columns, not as objects
    })  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SPARKWELD_SOURCES"), help="folder of the tables")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--off-rows", type=int, default=OFF_ROWS, help="rows with the plugin off; 0: skip these runs")
    parser.add_argument("--cases", default=" ".join(WORKLOADS), help="only workloads with these names")
    parser.add_argument("--approximate", action="store_true", help="only approximate queries")
    parser.add_argument("--cpu", action="store_true", help="measure CPU time, not wall time")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--mode", choices=["auto", "always"], default="always", help="the mode of score bounds for *exact*")
    parser.add_argument("--workload", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    asked = Asked(arguments.rows, arguments.off_rows, arguments.cpu, arguments.approximate, arguments.repeats, arguments.mode)
    if arguments.workload:
        faults = run_one(arguments.data, asked, arguments.workload)
        print("".join(f"{_FAULT}{fault}\n" for fault in faults), end="")
        return _FAULTY if faults else 0
    faults = run(arguments.data, asked, arguments.cases.split())
    print("\n".join(f"{_FAULT}{fault}" for fault in faults) or "all answers equal, all targets met")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
