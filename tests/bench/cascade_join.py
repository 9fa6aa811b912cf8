"""Measures the saving of a cascade in Spark when only the full model reads columns of joined films.

bench_willump.py prints the results. The table holds copies of the real ratings with slightly perturbed numbers. Films are
joined by broadcast, and Spark knows that a film has one row. Four sides alternate: the full model over the join, the cascade
above the join, below it, and as planned by default. Below the join, only unsure rows are joined. Titles and genres are
strings, which are always joined above, so all three cascades then have one plan; the printed plans show which. Before timing,
the first file's answers are compared with the models in Python, and the cascades' answers by sums over all rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cascade_cases import Joined
from process_memory import cpu_seconds
from top_rows import OtherAnswer, seconds
from top_rows_cases import Workload, parts_of

import sparkweld

PATH, MODE = "spark.sparkweld.cascades.path", "spark.sparkweld.cascades.joins.mode"
#: Side -> mode that places its cascade below the join or not; the full model has none.
SIDES = {"full": None, "above": "never", "below": "always", "default": "auto"}
HEAD = (
    "| loss | full | cascade above the join | below it | by default | full vs default | in processors' time |\n"
    "|---|---:|---:|---:|---:|---:|---:|"
)
REPEATS = 3
#: Number of rows whose answers are compared with Python's.
COMPARED = 50_000


class JoinedTable:
    """The rows in Parquet files, and the films in another."""

    def __init__(self, spark: Any, case: Joined, rows: int, folder: Path) -> None:
        self.spark, self.case, self.rows = spark, case, rows
        made = parts_of(Workload(case.rows, None, False, tuple(case.numbers)), rows)
        for number, part in enumerate(made):
            if number == 0:
                self.first = part[:COMPARED].merge(case.side, on=case.key, how="left")
            pq.write_table(pa.Table.from_pandas(part, preserve_index=False), folder / f"rows-{number}.parquet")
        pq.write_table(pa.Table.from_pandas(case.side, preserve_index=False), folder / "side.parquet")
        self._rows = spark.read.parquet(*(str(path) for path in sorted(folder.glob("rows-*.parquet"))))
        side = spark.read.parquet(str(folder / "side.parquet"))
        self._joined = self._rows.join(side.dropDuplicates([case.key]), case.key, "left")

    def join_cost(self) -> float:
        """Returns the join's CPU nanoseconds a row: the query with it minus the query without it, the best of alternating
        runs.
        """
        queries = {"without": self._rows, "with": self._joined}
        found: dict[str, list[float]] = {name: [] for name in queries}
        for _ in range(REPEATS + 1):
            for name, frame in queries.items():
                found[name].append(seconds(frame, cpu=True))
        return max(0.0, min(found["with"][1:]) - min(found["without"][1:])) / self.rows * 1e9

    def labelled(self, model: Any, side: str, path: Path) -> Any:
        """Returns the query of an unmodified job: settings alone distinguish the sides."""
        for name, value in ((PATH, None if side == "full" else str(path)), (MODE, SIDES[side])):
            self.spark.conf.unset(name) if value is None else self.spark.conf.set(name, value)
        return sparkweld.score(self._joined, model, self.case.columns, output="label").select("id", "label")

    def compare(self, cascade: Any, path: Path) -> None:
        """Raises OtherAnswer when a side's answers differ from Python's, or one cascade's from another's."""
        from pyspark.sql import functions as F

        sums = {}
        for side in SIDES:
            answers = (cascade.full if side == "full" else cascade).predict(self.first)
            frame = self.labelled(cascade.full, side, path)
            mine = frame.where(F.col("id") < len(answers)).toPandas().sort_values("id")["label"].to_numpy()
            if not np.array_equal(mine, answers):
                wrong = np.sum(mine != answers) if len(mine) == len(answers) else len(mine)
                raise OtherAnswer(f"{side}: {wrong:,} of {len(answers):,} rows are answered otherwise than in Python")
            sums[side] = frame.agg(F.count("*"), F.sum(F.hash("id", "label").cast("long"))).collect()
        if not sums["above"] == sums["below"] == sums["default"]:
            raise OtherAnswer("the cascade answers otherwise below the join than above it")

    def timed(self, cascade: Any, path: Path) -> dict[str, tuple[float, float]]:
        """Returns side -> (best wall seconds, best processor seconds), in alternating runs."""
        found: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
        for _ in range(REPEATS):
            for side, times in found.items():
                frame, before = self.labelled(cascade.full, side, path), cpu_seconds()
                times.append((seconds(frame, cpu=False), cpu_seconds() - before))
        return {side: (min(wall for wall, _ in times), min(cpu for _, cpu in times)) for side, times in found.items()}

    def line(self, name: str, path: Path) -> str:
        """Compares the answers of a directory's cascade; returns its table line, followed by Spark's plan."""
        cascade = sparkweld.cascade.load(path)
        self.compare(cascade, path)
        times = self.timed(cascade, path)
        cells = " | ".join(f"{wall:.2f} s ({cpu:.2f} s)" for wall, cpu in times.values())
        gains = [full / default for full, default in zip(times["full"], times["default"], strict=True)]
        told = "\n".join(f"    {side}: {text}" for side in ("below", "default") for text in self.plan(cascade, side, path))
        return f"| {name} | {cells} | {gains[0]:.2f}x | {gains[1]:.2f}x |\n\n{told}\n"

    def plan(self, cascade: Any, side: str, path: Path) -> list[str]:
        """Returns the joins of Spark's plan and the line of `explain` that reports `below joins` or not."""
        frame = self.labelled(cascade.full, side, path)
        frame.write.format("noop").mode("overwrite").save()
        told = sparkweld.explain(frame)
        if "in Python: " in told:
            raise OtherAnswer(f"{side}: no kernel scores its rows:\n{told}")
        plan = str(frame._jdf.queryExecution().executedPlan()).splitlines()
        return [*(text.strip(" :+-*()0123456789") for text in plan if "Join" in text), *told.splitlines()]
