"""Extracts stage times, the plan with its explanation, and SparkWeld's metrics from Spark's event log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The heading under which Spark prints the output of an ExtendedExplainGenerator.
EXTENDED = "== Extended Information"
KERNEL_BATCHES = "batches run in kernels"
UNSURE_ROWS = "rows deferred to the full model"
#: Metrics of batches outside kernels: of Python functions, and of Spark's ML library.
OTHER_BATCHES = ("batches run in Python", "batches run as Spark planned them")


def event_log_arguments(folder: Path) -> list[str]:
    """Returns spark-submit arguments that make the application write one plain JSON-lines log into `folder`."""
    conf = {"enabled": "true", "dir": folder.as_uri(), "compress": "false", "rolling.enabled": "false"}
    return [part for key, value in conf.items() for part in ("--conf", f"spark.eventLog.{key}={value}")]


@dataclass(frozen=True)
class Run:
    """One application: its longest stage (seconds, tasks), the plan of the query that ran it, and that stage's metrics.

    `weld` maps the names of the Weld operators' metrics to their sums; empty when the plan has no such operator.
    """

    stage_seconds: float
    stage_tasks: int
    plan: str
    weld: dict[str, int]

    @property
    def ran_in_kernels(self) -> bool:
        """Whether kernels ran batches and Python ran none: a Weld operator in the plan alone proves nothing."""
        return self.weld.get(KERNEL_BATCHES, 0) > 0 and not any(self.weld.get(name, 0) for name in OTHER_BATCHES)

    def explanation(self) -> str:
        """Returns the plan's tree and the plugin's explanation; without the plugin only the tree."""
        tree = self.plan.split("\n\n\n")[0].strip()
        at = self.plan.find(EXTENDED)
        return tree if at < 0 else f"{tree}\n\n{self.plan[at:].strip()}"


def read_run(folder: Path) -> Run:
    """Reads the only event log in `folder`; the query is the one that executed the longest stage."""
    logs = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(logs) != 1:
        raise RuntimeError(f"expected one event log in {folder}, found {[path.name for path in logs]}")
    with logs[0].open(encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    stages = [e["Stage Info"] for e in events if e["Event"] == "SparkListenerStageCompleted"]
    if not stages:
        raise RuntimeError(f"{logs[0]} has no finished stage")
    longest = max(stages, key=_stage_seconds)
    execution = next((_execution_of(e) for e in events if longest["Stage ID"] in e.get("Stage IDs", ())), None)
    plan = _last_plan(events, execution)
    return Run(_stage_seconds(longest), longest["Number of Tasks"], plan, _weld_metrics(events, longest))


def weld_totals(folder: Path) -> dict[str, int]:
    """Returns the sums of the Weld operators' metrics over all queries of the event log in `folder`, which may lack its end."""
    (log,) = [path for path in folder.iterdir() if not path.name.startswith(".")]
    events = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            continue  # a killed driver left half a line
    names = _weld_names(events)
    values: dict[int, int] = {}
    for event in events:
        for accumulable in event.get("Stage Info", {}).get("Accumulables", ()):
            if accumulable["ID"] in names:  # each attempt of a stage has the value of all attempts so far
                values[accumulable["ID"]] = max(values.get(accumulable["ID"], 0), int(accumulable["Value"]))
    sums: dict[str, int] = dict.fromkeys(names.values(), 0)
    for key, value in values.items():
        sums[names[key]] += value
    return sums


def _stage_seconds(stage: dict[str, Any]) -> float:
    return (stage["Completion Time"] - stage["Submission Time"]) / 1000


def _execution_of(job_start: dict[str, Any]) -> str | None:
    return job_start.get("Properties", {}).get("spark.sql.execution.id")


def _last_plan(events: list[dict[str, Any]], execution: str | None) -> str:
    # Adaptive execution reports a query's plan again after each change.
    plans = [e["physicalPlanDescription"] for e in events
             if "physicalPlanDescription" in e and str(e["executionId"]) == execution]
    return plans[-1] if plans else ""


def _weld_metrics(events: list[dict[str, Any]], stage: dict[str, Any]) -> dict[str, int]:
    names = _weld_names(events)
    sums: dict[str, int] = dict.fromkeys(names.values(), 0)
    for accumulable in stage["Accumulables"]:
        if accumulable["ID"] in names:
            sums[names[accumulable["ID"]]] += int(accumulable["Value"])
    return sums


def _weld_names(events: list[dict[str, Any]]) -> dict[int, str]:
    names: dict[int, str] = {}
    waiting = [event["sparkPlanInfo"] for event in events if "sparkPlanInfo" in event]
    while waiting:
        node = waiting.pop()
        waiting += node["children"]
        if node["nodeName"].startswith("Weld"):
            names |= {metric["accumulatorId"]: metric["name"] for metric in node["metrics"]}
    return names
