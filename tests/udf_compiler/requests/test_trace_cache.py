"""Checks cached traces: they yield the reply of a new trace, and changed inputs are traced again."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from sparkweld.contract.replies import Watch
from tests.helpers.answers import (
    compile_catalyst_equivalent,
    compile_implied,
    compile_independent,
    compile_pipeline,
    compile_reads,
    or_refused,
)
from tests.helpers.compile_requests import call, column, literal, payload, python_step, request, udf
from udf_compiler.requests import udfs
from udf_compiler.requests.trace_cache import no_traces, remembering

_NAMES = {"EWR": 1.0, "JFK": 2.0}
_FOREST = RandomForestClassifier(5, max_depth=3, random_state=0).fit(
    pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"]), np.arange(60) % 2
)


def _scored(a: pd.Series, b: pd.Series) -> pd.Series:
    return pd.Series(_FOREST.predict_proba(pd.DataFrame({"a": a, "b": b}))[:, 1])


def _stepped(x: float) -> float:
    total = 0.0
    while x > 1:
        total, x = total + x, x / 2
    return total


#: name -> (function, types of its columns, the return type)
CASES = {
    "line": (lambda a: a * 2 + 1, ["double"], "double"),
    "same column twice": (lambda a, b: a - b, ["double", "double"], "double"),
    "guards": (lambda a, b: a // b, ["long", "long"], "long"),
    "texts": (lambda s: s.str.lower().str.slice(0, 3), ["string"], "string"),
    "dates": (lambda t: t.dt.dayofweek, ["timestamp"], "integer"),
    "a table": (lambda s: s.map(_NAMES), ["string"], "double"),
    "a loop": (lambda a: a.apply(_stepped), ["double"], "double"),
    "kept": (lambda a: np.exp(a), ["double"], "double"),
    "a forest": (_scored, ["double", "double"], "double"),
}


def entry(types, returns, number, blob=0, **given):
    names = [f"{name}#{at + number}" for at, name in enumerate("ab"[: len(types)])]
    given = {"returns": returns, **given}
    return udf(blob, *(column(n, t) for n, t in zip(names, types, strict=True)), **given), dict(zip(names, types, strict=True))


def asked(types, returns, number, *steps, **given):
    """Returns a request about one call; the numbers in its columns' names start at `number`."""
    one, inputs = entry(types, returns, number)
    made = request(python_step(r=one), *steps, inputs=inputs, **given)
    for column_ in made["inputs"]:
        column_["state"] = "nullable" if column_["type"] in ("double", "string") else "dense"
    return made


def told(reply):
    """Returns a reply without times, digests and column numbers."""
    blocks = [block.digest for block in reply.get("blocks", ())]
    kept = {key: value for key, value in reply.items() if key not in ("seconds", "hash")}
    return re.sub(r"#\d+", "", json.dumps({**kept, "blocks": blocks}, sort_keys=True))


@pytest.fixture
def loads(monkeypatch):
    """Records the unpickled payloads."""
    loaded, load = [], udfs.load_command
    monkeypatch.setattr(udfs, "load_command", lambda blob: loaded.append(blob) or load(blob))
    return loaded


@pytest.mark.parametrize("name", CASES)
def test_all_questions_about_a_call_trace_it_once(name, loads):
    function, types, returns = CASES[name]
    blobs = [payload(function)]
    above = {"kind": "filter", "condition": call("IsNotNull", column("r", returns))}
    questions = [
        (compile_independent, asked(types, returns, 1)), (compile_catalyst_equivalent, asked(types, returns, 5)),
        (compile_implied, asked(types, returns, 7, above)), (compile_reads, asked(types, returns, 9)),
        (compile_pipeline, asked(types, returns, 11)), (compile_pipeline, asked(types, returns, 0, above)),
    ]  # fmt: skip
    alone = [told(or_refused(make, made, blobs)) for make, made in questions]
    assert '"status": "ok"' in alone[-1]
    loads.clear()
    with remembering(no_traces()):
        together = [told(or_refused(make, made, blobs)) for make, made in questions]
    assert together == alone and len(loads) == 1


def test_chained_calls_and_named_arguments(loads):
    inner, inputs = entry(["double"], "double", 3, name="inner")
    outer = udf(1, ("x", inner), ("y", column("a#3")), name="outer")
    made = request(python_step(r=outer), inputs=inputs, nullable_state=["a#3"])
    blobs = [payload(lambda a: a + 1), payload(lambda x, y: x * y)]
    alone = told(compile_pipeline(made, blobs))
    loads.clear()
    with remembering(no_traces()):
        assert [told(compile_pipeline(made, blobs)) for _ in range(2)] == [alone] * 2 and len(loads) == 2


def test_one_column_in_the_place_of_two_is_another_call(loads):
    blobs = [payload(lambda a, b: a - b)]
    two, inputs = entry(["double", "double"], "double", 1)
    one = udf(0, column("a#1"), column("a#1"))
    with remembering(no_traces()):
        made = [request(python_step(r=e), inputs=inputs, nullable_state=list(inputs)) for e in (two, one)]
        replies = [compile_pipeline(each, blobs) for each in made]
    assert len(loads) == 2 and [reply["inputs"] for reply in replies] == [["a#1", "b#2"], ["a#1"]]


@pytest.mark.parametrize(
    "change",
    [{"exact": True}, {"includes": ["/no/such.zip"]}, {"pandas": {"spark.sql.session.timeZone": "UTC"}}, "state", "nullable",
     "title", "payload", "returns", "domain", "timezone"],
    ids=str,
)  # fmt: skip
def test_dependencies_of_a_trace(change, loads):
    function, types, returns = (lambda a: a * 2 + 1), ["long"], "long"
    first = asked(types, returns, 1)
    other = asked(types, returns, 1, **(change if isinstance(change, dict) else {}))
    blobs = [payload(function)]
    if change == "state":
        other["inputs"][0]["state"] = "nullable"
    elif change == "nullable":
        other["inputs"][0]["nullable"] = False
    elif change == "title":
        other = json.loads(json.dumps(other).replace("a#1", "weight#1"))
    elif change == "payload":
        blobs = [payload(lambda a: a * 2 + 2)]
    elif change == "returns":
        other["steps"][0]["udfs"][0]["udf"]["returnType"] = "double"
    elif change == "timezone":
        other["conf"]["timezone"] = "Europe/Berlin"
    elif change == "domain":
        kept = call("GreaterThan", column("a#1", "long"), literal(3, "long"))
        other["steps"].insert(0, {"kind": "filter", "condition": kept})
        other["filtered"] = True
    alone = told(compile_pipeline(other, blobs))
    loads.clear()
    with remembering(no_traces()):
        compile_pipeline(first, [payload(function)])
        assert told(compile_pipeline(other, blobs)) == alone and len(loads) == 2


def test_files_that_a_trace_read_are_read_again(tmp_path, loads):
    broadcast = tmp_path / "values"
    broadcast.write_bytes(b"1")
    one, inputs = entry(["double"], "double", 1, broadcasts=[{"id": 1, "path": str(broadcast)}])
    made = request(python_step(r=one), inputs=inputs, nullable_state=list(inputs))
    with remembering(no_traces()):
        for content, times in ((b"1", 1), (b"1", 1), (b"22", 2)):
            if content != b"1":
                broadcast.write_bytes(content)
            compile_pipeline(made, [payload(lambda a: a + 1)])
            assert len(loads) == times


def test_a_function_that_loads_a_file_is_traced_each_time(tmp_path, loads):
    import joblib

    path = str(tmp_path / "forest.joblib")
    joblib.dump(_FOREST, path)

    def scored(a: pd.Series, b: pd.Series) -> pd.Series:
        model = joblib.load(path)
        return pd.Series(model.predict_proba(pd.DataFrame({"a": a, "b": b}))[:, 1])

    made = asked(["double", "double"], "double", 1)
    made["python"]["files"] = {"limit": 1 << 20, "folder": str(tmp_path), "jobFiles": str(tmp_path)}
    with remembering(no_traces()):
        replies = [compile_pipeline(made, [payload(scored)]) for _ in range(2)]
    assert len(loads) == 2 and all(len(reply["files"]) == 1 for reply in replies), replies


def test_refusals_are_repeated(loads):
    made = asked(["double"], "double", 1)
    with remembering(no_traces()):
        codes = [compile_pipeline(made, [payload(lambda a: a.cumsum())])["refusals"][0]["code"] for _ in range(2)]
    assert len(set(codes)) == 1 and len(loads) == 2


def test_a_column_beside_the_results_is_in_every_program(monkeypatch, loads):
    """An example is a cascade, whose confidence is monitored."""
    made = udfs.UdfTracer._made

    def watching(self, kind, loop, entry, notes, presence):
        values = made(self, kind, loop, entry, notes, presence)
        loop.append("watched 0", values[0])
        loop.program.watched["watched 0"] = watch
        return values

    monkeypatch.setattr(udfs.UdfTracer, "_made", watching)
    numbers = {"band": 0.0, "sure_cost": 1.0, "full_cost": 2.0, "edges": (0.5,), "counts": (1, 2), "limit": 0, "differs": 0}
    watch = Watch(path="x", labels=False, **numbers)
    question = asked(["double"], "double", 1)
    with remembering(no_traces()):
        replies = [compile_pipeline(question, [payload(lambda a: a + 1)]) for _ in range(2)]
    assert len(loads) == 2 and [len(reply["watched"]) for reply in replies] == [1, 1]
