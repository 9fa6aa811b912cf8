"""Collects the Python functions of an application's queries from its events.

Applications with the plugin have an event of ours for each query (`QueryEvent.scala`). For others, functions and times are those
of Spark's own plans and metrics, so that one can see what the plugin would be worth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: The version of the events of ours that this module reads.
VERSION = 1
_OURS = "io.sparkweld.ui.SparkWeldQuery"
_SQL = "org.apache.spark.sql.execution.ui."
#: Names of nodes that run Python functions.
_PYTHON = re.compile("Python|Pandas|InArrow")
#: The end of a call with its id in a node's description: ``score(x#1, y#2)#7``; and the name before its arguments.
_END, _NAME = re.compile(r"\)#\d+"), re.compile(r"[^\s\[\](),]+$")
_ROWS = "number of output rows"
#: Names of the metrics of the time in Python, the most exact first. Spark 3.5 has none.
_TIMES = ("time to execute Python code", "time to run Python workers")
_SENT = "data sent to Python workers"


@dataclass(frozen=True)
class Run:
    """What one node of a query did with its functions; `runs` of the event in `QueryEvent.scala` has the fields.

    `basis`: how the time in Python was measured: "worker", or "stage" where only the time of the node's whole stage is known.
    """

    functions: tuple[str, ...]
    where: str
    rows: int = 0
    kernel_nanos: int = 0
    python_millis: int = 0
    load_millis: int = 0
    batches: int = 0
    python_batches: int = 0
    guarded_rows: int = 0
    fused: tuple[str, ...] = ()
    approximate: tuple[str, ...] = ()
    refusals: tuple[Mapping[str, str], ...] = ()
    kinds: tuple[str, ...] = ()
    basis: str = "worker"


@dataclass(frozen=True)
class Query:
    """A query with Python functions. `id`: its number in Spark's SQL tab. Times in milliseconds; `started` since 1970.

    `planning_millis`: of the optimizer and the planner, 0 in logs without the plugin, and of its earlier releases.
    """

    id: int
    description: str
    started: int
    millis: int
    failed: bool
    runs: tuple[Run, ...]
    planning_millis: int = 0


@dataclass(frozen=True)
class Application:
    """An application. `plugin`: it ran with SparkWeld, whose events state what became of the functions."""

    id: str
    name: str
    spark: str
    plugin: bool
    queries: tuple[Query, ...]


@dataclass
class _Open:
    """A query of which not all events have been read."""

    description: str = ""
    started: int = 0
    ended: int = 0
    failed: bool = False
    plan: Mapping[str, Any] | None = None
    runs: tuple[Run, ...] | None = None
    millis: int | None = None
    planning_millis: int = 0


@dataclass
class _Reader:
    """What has been read so far. `values`: a metric's number -> its value; `stages`: -> milliseconds of the stage that has it."""

    id: str = ""
    name: str = ""
    spark: str = ""
    plugin: bool = False
    queries: dict[int, _Open] = field(default_factory=dict)
    values: dict[int, int] = field(default_factory=dict)
    stages: dict[int, int] = field(default_factory=dict)

    def query(self, number: Any) -> _Open:
        return self.queries.setdefault(int(number), _Open())


def read(events: Iterable[Mapping[str, Any]]) -> Application:
    """Returns the application of an event log. Events that it does not know are skipped."""
    reader = _Reader()
    for event in events:
        _add(reader, event)
    found = []
    for number, one in sorted(reader.queries.items()):
        runs = one.runs if one.runs is not None else tuple(_of_plan(one.plan, reader)) if not reader.plugin else ()
        if runs:
            millis = one.millis if one.millis is not None else max(one.ended - one.started, 0)
            found.append(Query(number, one.description, one.started, millis, one.failed, runs, one.planning_millis))
    return Application(reader.id, reader.name, reader.spark, reader.plugin, tuple(found))


def _add(reader: _Reader, event: Mapping[str, Any]) -> None:
    match event["Event"]:
        case "SparkListenerLogStart":
            reader.spark = event["Spark Version"]
        case "SparkListenerApplicationStart":
            reader.id, reader.name = event.get("App ID") or "", event["App Name"]
        case "SparkListenerEnvironmentUpdate":
            plugins = dict(event.get("Spark Properties", ())).get("spark.plugins", "")
            reader.plugin = "io.sparkweld.SparkWeldPlugin" in plugins.split(",")
        case "SparkListenerStageCompleted":
            _add_stage(reader, event["Stage Info"])
        case name if name == _SQL + "SparkListenerSQLExecutionStart":
            query = reader.query(event["executionId"])
            query.description, query.started, query.plan = event["description"], event["time"], event["sparkPlanInfo"]
        case name if name == _SQL + "SparkListenerSQLAdaptiveExecutionUpdate":
            reader.query(event["executionId"]).plan = event["sparkPlanInfo"]
        case name if name == _SQL + "SparkListenerSQLExecutionEnd":
            query = reader.query(event["executionId"])
            query.ended, query.failed = event["time"], bool(event.get("errorMessage"))
        case name if name == _OURS and event["version"] == VERSION:
            query = reader.query(event["executionId"])
            query.millis, query.failed, query.runs = event["millis"], event["failed"], tuple(map(of_event, event["runs"]))
            query.planning_millis = event.get("planningMillis", 0)


def _add_stage(reader: _Reader, stage: Mapping[str, Any]) -> None:
    """Adds the values of a stage's metrics. The value of a metric includes those of earlier stages."""
    held = {one["ID"]: one for one in stage.get("Accumulables", ())}
    run_time = next((one["Value"] for one in held.values() if one.get("Name") == "internal.metrics.executorRunTime"), 0)
    for number, one in held.items():
        try:
            value = int(one["Value"])
        except (KeyError, TypeError, ValueError):
            continue  # a collection, or an accumulator of the user's own
        reader.values[number] = max(value, reader.values.get(number, 0))
        reader.stages[number] = reader.stages.get(number, 0) + int(run_time)


def of_event(run: Mapping[str, Any]) -> Run:
    """Returns a run from the fields that our event has for it."""
    return Run(
        tuple(run["functions"]), run["where"], run["rows"], run["kernelNanos"], run["pythonMillis"], run["loadMillis"],
        run["batches"], run["pythonBatches"], run["guardedRows"], tuple(run["fused"]), tuple(run["approximate"]),
        tuple(run["refusals"]), tuple(run.get("kinds", ())),
    )  # fmt: skip


def _of_plan(plan: Mapping[str, Any] | None, reader: _Reader) -> Iterator[Run]:
    """Yields the runs of the nodes of one of Spark's own plans that call Python functions."""
    if plan is None:
        return
    if _PYTHON.search(plan["nodeName"]):
        metrics = {metric["name"]: metric["accumulatorId"] for metric in plan.get("metrics", ())}
        measured = (reader.values.get(metrics[name], 0) for name in _TIMES if name in metrics)
        millis, basis = next((value for value in measured if value), 0), "worker"
        if not millis and _SENT in metrics:
            millis, basis = reader.stages.get(metrics[_SENT], 0), "stage"
        rows = reader.values.get(metrics.get(_ROWS, -1), 0)
        names = tuple(dict.fromkeys(_called(plan["simpleString"]))) or (plan["nodeName"],)
        yield Run(names, "python", rows, python_millis=millis, kinds=(plan["nodeName"],), basis=basis)
    for child in plan["children"]:
        yield from _of_plan(child, reader)


def _called(text: str) -> Iterator[str]:
    """Yields the names of the calls with an id in a node's description."""
    for end in _END.finditer(text):
        at, depth = end.start(), 1
        while at > 0 and depth:
            at -= 1
            depth += (text[at] == ")") - (text[at] == "(")
        if name := _NAME.search(text[:at]):
            yield name[0]
