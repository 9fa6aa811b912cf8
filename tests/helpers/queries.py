"""Runs the query cases of tests/queries with SparkWeld off and on, and renders the verdicts and the plan that each expects.

A case is a `.sql` file, or a `.py` file with `query(spark)`. Its first line is a comment or docstring that states what it shows.
The views are the tables of tests/helpers/plans.py, and SQL calls the UDFs of that file as `py_NAME`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import sparkweld
from tests.helpers import plans
from tests.helpers.differential import ENABLED, Measured, measured, run
from tests.helpers.outcomes import Outcome, differences, tokens

FOLDER = Path(__file__).resolve().parents[1] / "queries"
CASES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".sql", ".py") and path.stem != "__init__")
AGGREGATES = (plans.spread, plans.present)

#: Lines of an explanation that state a verdict, without the words that depend on this machine or on a measurement.
_VERDICT = re.compile(r"^(?:\S.*|  (?:fused|pipeline|block|guards|approximate): .*|  \w+, filter: .*|  SW\d+ [^:]*)")
_NODE = re.compile(r"^([ :+|-]*)(?:\*\(\d+\) )?(\w+)")


@dataclass(frozen=True)
class Ran:
    """The outcomes of a case without and with SparkWeld, and the second run's verdicts, counts and plan."""

    off: Outcome
    on: Outcome
    verdicts: list[str]
    what: Measured
    plan: list[str]

    def problems(self) -> list[str]:
        return differences(self.off, self.on)

    def text(self) -> str:
        """Returns the text that is stored beside the case."""
        ran = "kernels" if self.what.kernel_batches else "Spark's own operators"
        ran += ", and Python for flagged rows" if self.what.deoptimised_batches else ""
        return "\n".join([*self.verdicts, f"ran in {ran}", "", *self.plan]) + "\n"


def expected_of(path: Path) -> Path:
    return path.with_suffix(".expected")


def without_result_stages(text: str) -> str:
    """Removes the result stages from the text of a case, as Spark 3.5 has none: their children take their places."""
    kept: list[str] = []
    stages: list[int] = []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        while stages and indent <= stages[-1]:
            stages.pop()
        if line.strip() == "ResultQueryStage":
            stages.append(indent)
        else:
            kept.append(line[3 * len(stages) :])
    return "\n".join(kept) + "\n"


def prepare(spark: Any, folder: str) -> None:
    """Writes the tables and registers the views and functions that cases name."""
    plans.write_tables(folder)
    spark.read.parquet(f"{folder}/items-*.parquet").createOrReplaceTempView("items")
    spark.read.parquet(f"{folder}/kinds.parquet").createOrReplaceTempView("kinds")
    for function in (*(made for made, _, _ in plans.UDFS), *AGGREGATES):
        spark.udf.register(f"py_{function.__name__}", function)


def run_case(spark: Any, path: Path) -> Ran:
    off, _ = run(spark, lambda: _query(spark, path), {ENABLED: "false"})
    on, frame = run(spark, lambda: _query(spark, path), {ENABLED: "true"})
    execution = frame._jdf.queryExecution()
    if execution.optimizedPlan().outputOrdering().isEmpty():
        off, on = _in_any_order(off), _in_any_order(on)
    verdicts = [found.group() for line in sparkweld.explain(frame).splitlines() if (found := _VERDICT.match(line))]
    return Ran(off, on, verdicts, measured(frame), _nodes(execution.executedPlan().toString()))


def _query(spark: Any, path: Path) -> Any:
    if path.suffix == ".sql":
        return spark.sql(path.read_text(encoding="utf-8"))
    return import_module(f"tests.queries.{path.stem}").query(spark)


def _in_any_order(outcome: Outcome) -> Outcome:
    return outcome if outcome.rows is None else Outcome(tuple(sorted(outcome.rows, key=tokens)))


def _nodes(plan: str) -> list[str]:
    """Returns the operators of an executed plan, indented, without their arguments; the initial plan is left out."""
    lines = plan.partition("+- == Initial Plan ==")[0].splitlines()
    found = [match for line in lines if not line.strip().endswith("==") and (match := _NODE.match(line))]
    return [" " * len(match.group(1)) + match.group(2) for match in found]
