"""Runs a query with SparkWeld off and on and compares the outcomes; a vacuous run is a failure.

PySpark's own behaviour is the oracle. A case that did not run in Weld is *vacuous*: it fails unless it names the expected
refusal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparkweld.api.settings import changed as session_conf
from tests.helpers.lines import VERSIONS, skip_refused, to_arrow
from tests.helpers.outcomes import Outcome, differences, outcome_of

ENABLED = "spark.sparkweld.enabled"
BACKEND = "spark.sparkweld.backend"
#: Looked up by its full name: for each package of `jvm.io.sparkweld...` py4j would scan Spark's 300 jars a dozen times.
WELD_REPORT = "io.sparkweld.ui.WeldReport"


@dataclass(frozen=True)
class Measured:
    """Weld's metrics for one executed query, summed over its operators."""

    operators: int
    batches: int
    kernel_batches: int
    deoptimised_batches: int
    guarded_rows: int
    refusals: tuple[str, ...]
    #: (UDF, kind) of each UDF rewritten to Spark expressions.
    rewritten: tuple[tuple[str, str], ...] = ()
    #: The approximate operations of all operators.
    kept: tuple[str, ...] = ()
    #: The refusals as people read them: the functions, the code and the message.
    reasons: tuple[str, ...] = ()


def measured(frame: Any) -> Measured:
    """Reads the metrics and refusals from an executed DataFrame's plan."""
    reporter = getattr(frame.sparkSession._jvm, WELD_REPORT)
    report = json.loads(reporter.report(frame._jdf.queryExecution()))
    operators = report["operators"]
    return Measured(
        operators=len(operators),
        batches=sum(o["kernelBatches"] + o["deoptimisedBatches"] for o in operators),
        kernel_batches=sum(o["kernelBatches"] for o in operators),
        deoptimised_batches=sum(o["deoptimisedBatches"] for o in operators),
        guarded_rows=sum(o["guardedRows"] for o in operators),
        refusals=tuple(r["code"] for r in report["refusals"]),
        rewritten=tuple((r["udf"], r["kind"]) for r in report.get("rewritten", ())),
        kept=tuple(kept for made in (*operators, *report.get("rewritten", ())) for kept in made.get("kept", ())),
        reasons=tuple(f"{', '.join(r['udfs'])}: {r['code']}: {r['message']}" for r in report["refusals"]),
    )


def run(spark: Any, query: Callable[[], Any], conf: dict[str, str]) -> tuple[Outcome, Any]:
    """Returns the outcome of the DataFrame that `query` creates under `conf`, and the DataFrame."""
    with session_conf(spark, conf):
        frame = query()
        return outcome_of(lambda: to_arrow(frame)), frame


def check(spark: Any, query: Callable[[], Any], **expected: Any) -> Measured:
    """Asserts what `checked` does, and returns the metrics alone."""
    return checked(spark, query, **expected)[0]


def checked(
    spark: Any,
    query: Callable[[], Any],
    *,
    refused: str | None = None,
    deopt: bool | None = False,
    ulp: int = 0,
    conf: dict[str, str] | None = None,
    rewritten: int | None = None,
) -> tuple[Measured, Any]:
    """Asserts that `query` has one outcome with SparkWeld off and on, and that the second run is not vacuous.

    `refused`: the reason code that must keep the query out of Weld. `deopt`: whether batches must (True) or must not (False)
    deoptimise to Python. None allows both, but some batch must have reached a kernel or a guard. `ulp`: see `differences`.
    `rewritten`: the least number of UDFs rewritten to Spark expressions; none may then remain in Python.

    Returns the metrics of the second run and its executed DataFrame.
    """
    # A case about kernels must not depend on the cost model's choice.
    conf = {**({} if rewritten is not None else {BACKEND: "native"}), **(conf or {})}
    expected, _ = run(spark, query, {**conf, ENABLED: "false"})
    actual, frame = run(spark, query, {**conf, ENABLED: "true"})
    what = measured(frame)
    problems = differences(expected, actual, ulp)
    if not problems and not what.operators:
        skip_refused(what.refusals, _plan(frame))
    if refused is not None:
        if what.operators or refused not in what.refusals:
            problems.append(f"expected the refusal {refused}, got {what.operators} operators{_refused(what)}")
    elif rewritten is not None:
        if len(what.rewritten) < rewritten or "Python" in _plan(frame):
            problems.append(f"vacuous: {rewritten} UDFs were to become expressions, got {len(what.rewritten)}{_refused(what)}")
    else:
        problems += _vacuous(what, actual, deopt)
    assert not problems, "\n".join([f"{VERSIONS}: {problems[0]}", *problems[1:], f"{what}", _plan(frame)])
    return what, frame


def _vacuous(what: Measured, actual: Outcome, deopt: bool | None) -> list[str]:
    if not what.operators:
        return [f"vacuous: no operator ran in Weld{_refused(what)}"]
    if actual.size and not what.kernel_batches and deopt is False:
        return ["vacuous: no batch went through a kernel"]
    if deopt is False and what.deoptimised_batches:
        return [f"{what.deoptimised_batches} batches were deoptimised"]
    if deopt is True and not what.deoptimised_batches and actual.error is None:
        return ["vacuous: no batch was deoptimised"]
    return []


def _refused(what: Measured) -> str:
    """Returns the reasons for which Spark runs functions itself, as the end of a message."""
    return f"; refused: {' | '.join(what.reasons)}" if what.reasons else "; nothing was refused"


def _plan(frame: Any) -> str:
    return str(frame._jdf.queryExecution().executedPlan().toString())
