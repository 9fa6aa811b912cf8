"""Checks reports on event logs: with and without the plugin, compressed, rolled, cut, and what is no event log."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from sparkweld import report
from sparkweld.cli.main import main
from sparkweld.errors import UserError
from sparkweld.report.pages import to_html, to_text

_SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQL"
REASON = {
    "code": "SW214", "category": "purity", "title": "Module not available", "message": "f uses the module <socket>.",
    "hint": "Use NumPy.", "place": "f, line 3 of job.py",
}  # fmt: skip


def node(name, text, children=(), **metrics):
    listed = [{"name": key.replace("_", " "), "accumulatorId": number, "metricType": "sum"} for key, number in metrics.items()]
    return {"nodeName": name, "simpleString": text, "children": list(children), "metadata": {}, "metrics": listed}


def run_of(name, where, **values):
    numbers = dict.fromkeys(("rows", "batches", "kernelNanos", "pythonMillis", "loadMillis", "pythonBatches", "guardedRows"), 0)
    return {"functions": [name], "where": where, "fused": [], "approximate": [], "refusals": [], **numbers, **values}


def application(plugin, queries):
    yield {"Event": "SparkListenerLogStart", "Spark Version": "4.3.0"}
    yield {"Event": "SparkListenerApplicationStart", "App Name": "nightly <b>", "App ID": "app-1", "Timestamp": 1}
    plugins = "x.Other,io.sparkweld.SparkWeldPlugin" if plugin else ""
    yield {"Event": "SparkListenerEnvironmentUpdate", "Spark Properties": [["spark.plugins", plugins]]}
    for number, plan in enumerate(queries):
        yield {
            "Event": f"{_SQL}ExecutionStart", "executionId": number, "description": "save at <job>", "time": 1000,
            "sparkPlanInfo": plan,
        }  # fmt: skip
        yield {"Event": f"{_SQL}ExecutionEnd", "executionId": number, "time": 3500, "errorMessage": "" if number == 0 else "died"}


def written(path: Path, events) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


PLAIN = node(
    "Project", "Project [f#7]",
    [node("BatchEvalPython", "BatchEvalPython [f(coalesce(x#1, cast((y#2 + 1) as double)))#5, g(x#1)#6], [pythonUDF0#8]", (),
          time_to_run_Python_workers=11, number_of_output_rows=12)],
)  # fmt: skip


def stages(**values):
    listed = [{"ID": int(key[1:]), "Value": value, "Name": "x"} for key, value in values.items()]
    run_time = {"ID": 900, "Name": "internal.metrics.executorRunTime", "Value": 4000}
    blocks = {"ID": 901, "Name": "internal.metrics.updatedBlockStatuses", "Value": []}
    return {"Event": "SparkListenerStageCompleted", "Stage Info": {"Accumulables": [*listed, run_time, blocks]}}


def test_an_application_with_the_plugin(tmp_path):
    kernel = run_of("score", "kernel", rows=1000, batches=10, kernelNanos=5_000_000, pythonBatches=2, approximate=["exp"])
    python = run_of("f", "python", rows=10, pythonMillis=15, refusals=[REASON])
    kernel["kinds"] = ["pandas UDF"]  # later than version 1: a log of an earlier release has none
    queries = [
        {"version": 1, "executionId": 0, "millis": 900, "planningMillis": 70, "failed": False, "runs": [kernel]},
        {"version": 1, "executionId": 1, "millis": 90, "failed": True, "runs": [kernel, python]},
        {"version": 2, "executionId": 2, "of": "a later version"},
    ]
    queries = [{"Event": "io.sparkweld.ui.SparkWeldQuery", **query} for query in queries]
    made = report.of(written(tmp_path / "log", [*application(True, [PLAIN, PLAIN]), *queries]))
    assert made.application.plugin
    assert [(q.id, q.millis, q.failed) for q in made.application.queries] == [(0, 900, False), (1, 90, True)]
    f, score = made.functions
    assert (score.function, score.where, score.queries, score.rows, score.kernel_seconds) == ("score", "kernel", 2, 2000, 0.01)
    assert (score.batches, score.python_batches, score.approximate) == (20, 4, ("exp",))
    assert (score.kinds, f.kinds) == (("pandas UDF",), ())
    assert (f.where, f.python_seconds, f.codes) == ("python", 0.015, ("SW214",))
    assert made.native_share == pytest.approx(0.4) and made.would_be_native is None
    (reason,) = made.refusals
    assert (reason.code, reason.functions, reason.queries, reason.python_seconds) == ("SW214", ("f",), 1, 0.015)
    text = to_text(made)
    assert "40.0 % of the functions' time was native" in text and "score: kernel, 2 queries, 2,000 rows" in text
    assert "planning of these queries 0.07 s" in text
    assert "5,000.0 ns a row" in text and "4 of 20 batches in Python" in text
    assert "0.01 s: f: SW214 Module not available" in text or "0.02 s: f: SW214 Module not available" in text
    page = to_html(made)
    assert "<socket>" not in page and "&lt;socket&gt;" in page and "<b>" not in page and "SparkWeld: nightly &lt;b&gt;" in page
    assert json.loads(made.to_json())["application"]["queries"][0]["runs"][0]["kernel_nanos"] == 5_000_000


def test_an_application_without_the_plugin_is_qualified(tmp_path):
    job = tmp_path / "job.py"
    job.write_text(
        "import socket\nfrom pyspark.sql.functions import udf\n\n@udf('double')\ndef f(x):\n    return x + 1 if x else None\n\n"
        "@udf('double')\ndef g(x):\n    return float(len(socket.gethostname()))\n"
    )
    one = node("ArrowEvalPython", "ArrowEvalPython [f(x#1)#5], [pythonUDF0#8], 101", (), time_to_execute_Python_code=21,
               time_to_run_Python_workers=22, number_of_output_rows=23)  # fmt: skip
    two = node("MapInPandas", "MapInPandas g(x#1, y#2)#9, [a#10]", (), data_sent_to_Python_workers=31)
    events = [*application(False, [one, two]), stages(a21=3000, a22=9000, a23=70), stages(a31=5)]
    made = report.of(written(tmp_path / "log", events), [str(job)])
    g, f = made.functions
    assert (f.function, f.python_seconds, f.rows, f.basis) == ("f", 3.0, 70, "worker")  # the more exact of two metrics
    assert (g.function, g.kinds, g.python_seconds, g.basis) == ("g", ("MapInPandas",), 4.0, "stage")
    assert f.verdict is not None and f.verdict.compiled and g.verdict is not None and not g.verdict.compiled
    assert made.would_be_native == pytest.approx(3 / 7) and made.native_share == 0
    text = to_text(made)
    assert "took 42.9 % of the time in Python: at most 3.00 s" in text and "an upper bound" in text
    assert main(["report", str(tmp_path / "log"), "--html", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


def test_names_of_functions_in_plans(tmp_path):
    made = report.of(written(tmp_path / "log", [*application(False, [PLAIN]), stages(a11=50, a12=3)]))
    assert [total.function for total in made.functions] == ["f, g"] and made.functions[0].python_seconds == 0.05


def test_rolled_compressed_and_unfinished_logs(tmp_path):
    events = [json.dumps(event).encode() + b"\n" for event in [*application(False, [PLAIN]), stages(a11=50, a12=3)]]
    folder = tmp_path / "eventlog_v2_app-1"
    folder.mkdir()
    (folder / "appstatus_app-1").touch()
    for number, part in ((1, events[:3]), (2, events[3:5]), (10, [events[5], events[0][:20]])):
        (folder / f"events_{number}_app-1.zstd").write_bytes(pa.compress(b"".join(part), "zstd", asbytes=True))
    assert [total.python_seconds for total in report.of(folder).functions] == [0.05]
    cut = tmp_path / "app-1.zstd.inprogress"
    frames = [pa.compress(part, "zstd", asbytes=True) for part in (b"".join(events * 20), events[0] * 5000)]
    cut.write_bytes(frames[0] + frames[1][:-4])
    assert [total.python_seconds for total in report.of(cut).functions] == [0.05]  # a frame that is still written ends the log


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing", None, "there is no event log"),
        ("empty", b"", "has no event"),
        ("text", b"hello\nworld\n", "line 1: not an event of Spark"),
        ("json", b"[1, 2]\n", "line 1: not an event of Spark"),
        ("log.lz4", b"x", "spark.eventLog.compression.codec=zstd"),
    ],
)
def test_what_is_no_event_log(tmp_path, capsys, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        report.of(path)
    assert main(["report", str(path)]) == 1
    assert message in capsys.readouterr().err
    with pytest.raises(UserError, match="not the folder of one event log"):
        report.of(tmp_path)
