"""Checks the budgets of a compile: inlined operations and CPU time."""

from __future__ import annotations

import hashlib
import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import payload, python_step, request, run_reply, udf
from tests.udf_compiler.service.test_service import Child
from udf_compiler.eval_types import plain_results
from udf_compiler.frontends.pandas import trace
from udf_compiler.frontends.python.path_explorer import Explorer
from udf_compiler.service import blob_store
from udf_compiler.service.protocol import Message
from udf_compiler.service.server import Service


def of_levels(depth, leaf, twice):
    """Returns a function whose helper calls another helper twice, and so on, `depth` levels deep."""
    lines = [f"def h0(x):\n    return {leaf}"]
    lines += [f"def h{level}(x):\n    return {twice.replace('h', f'h{level - 1}')}" for level in range(1, depth + 1)]
    scope: dict[str, object] = {}
    exec("\n".join([*lines, f"def f(x):\n    return h{depth}(x)"]), scope)
    return scope["f"]


PLAIN, BRANCHES = "x * 0.5 + 1.0", "x * 0.5 + 1.0 if x > 0.0 else x"
SAME, OTHERS = "h(x) + h(x)", "h(x) + h(x * 0.25)"


@pytest.mark.nightly_cases("200-x * 0.5 + 1.0-h(x) + h(x)-100000")
@pytest.mark.parametrize(
    ("kind", "leaf", "twice", "limit"),
    [(200, PLAIN, SAME, trace.WORK_LIMIT), (100, PLAIN, OTHERS, 10_000), (100, BRANCHES, OTHERS, 10_000)],
)
def test_helpers_that_call_helpers_twice(monkeypatch, kind, leaf, twice, limit):
    """Twenty levels would take hours; four still compile. One case shows that the limit itself is low enough."""
    monkeypatch.setattr(trace, "WORK_LIMIT", limit)
    step = python_step(r=udf(0, "a", evalType=kind))
    started = time.process_time()
    reply = compile_pipeline(request(step), [payload(of_levels(20, leaf, twice))])
    assert time.process_time() - started < 20
    refusal = reply["refusals"][0]
    assert (refusal["code"], refusal["udf"]) == ("SW287", "f")
    assert f"{limit:,}" in refusal["message"] or "1,048,576" in refusal["message"]
    function, x = of_levels(4, leaf, twice), np.linspace(-3, 3, 7)
    found = run_reply(compile_pipeline(request(step), [payload(function)]), {"a": x})["r"]
    assert found.tolist() == [function(v) for v in x.tolist()]


def local_functions():
    """Returns functions that are pickled by value, so that unpickling them imports nothing."""

    def endless(x: pd.Series) -> pd.Series:
        total = 0
        while total > -1:
            total += 1
        return x + total

    def searched(most):
        """Runs when the function that holds its result is read, and twice catches what should end it."""
        caught = total = 0
        while total > -1:
            try:
                total += sum(range(100))
            except BaseException:
                caught += 1
                if caught > 2:
                    raise
        return total

    class Held:
        def __reduce__(self):
            return searched, (3,)

    held = Held()

    def stubborn(x: pd.Series) -> pd.Series:
        return x + held

    def doubled(x: pd.Series) -> pd.Series:
        return x * 2.0

    def content(x):
        """Gives another result where something ends its loop."""
        try:
            return x + sum([n & 1 for n in [0] * 4_000_000])
        except:  # noqa: E722 - as users write it
            return -1.0

    return endless, stubborn, doubled, content


ENDLESS, STUBBORN, DOUBLED, CONTENT = local_functions()


@pytest.mark.gate_cases("stubborn")
@pytest.mark.parametrize("function", [ENDLESS, STUBBORN])
def test_a_function_that_uses_up_its_cpu_time_is_named_and_others_are_answered(tmp_path, function):
    child = Child(tmp_path)
    try:
        child.ask([payload(DOUBLED)], **request(python_step(r=udf(0, "a", name="first"))))  # the first request does the imports
        step = python_step(r=udf(0, "a", name="good"), q=udf(1, "a", name="bad"))
        header = request(step, outputs=("r", "q"))
        reply = child.ask([payload(DOUBLED), payload(function)], **header, cpuMs=700).header
        assert [(r["code"], r["udf"]) for r in reply["refusals"]] == [("SW408", "bad")] and reply["retire"]
        assert "0.7 s" in reply["refusals"][0]["message"]
        again = child.ask([payload(DOUBLED)], **request(python_step(r=udf(0, "a", name="good"))), cpuMs=20_000)
        assert again.header["status"] == "ok" and "retire" not in again.header
    finally:
        child.stop()


def test_a_function_that_catches_the_end_of_its_cpu_time_has_no_kernel(tmp_path):
    child = Child(tmp_path)
    try:
        child.ask([payload(DOUBLED)], **request(python_step(r=udf(0, "a", name="first"))))
        step = python_step(r=udf(0, "a", name="content", evalType=100))
        reply = child.ask([payload(CONTENT)], **request(step), cpuMs=300).header
        assert [r["code"] for r in reply["refusals"]] == ["SW408"], reply
    finally:
        child.stop()


def test_the_limit_is_no_part_of_a_request():
    service = Service()
    header = request(python_step(r=udf(0, "a")))
    for limit in (10_000, 20_000):
        assert service.answer(Message({**header, "id": 1, "cpuMs": limit}, (payload(DOUBLED),)))[0]["status"] == "ok"
    assert len(service._replies._replies._values) == 1


def keyed(*blobs, sent):
    """Returns a request about one function whose payloads are named by digest; the frame contains those at `sent`."""
    digests = [hashlib.sha256(blob).hexdigest() for blob in blobs]
    header = {**request(python_step(r=udf(0, "a"))), "id": 1, "digests": digests, "sent": sent}
    return Message(header, tuple(blobs[at] for at in sent))


def test_payloads_are_sent_once(monkeypatch):
    service, blob = Service(), payload(DOUBLED)
    assert service.answer(keyed(blob, sent=[]))[0]["status"] == "needs"
    assert service.answer(keyed(blob, sent=[0]))[0]["status"] == "ok"
    assert service.answer(keyed(blob, sent=[]))[0]["status"] == "ok"
    assert len(service._replies._replies._values) == 1
    monkeypatch.setattr(blob_store, "MAX_BLOB_BYTES", 10)
    other = Service()
    assert other.answer(keyed(blob, sent=[0]))[0]["status"] == "ok"  # larger than the whole cache
    assert other.answer(keyed(blob, sent=[]))[0]["status"] == "needs"


def chain_of(depth, kind):
    """Returns a request for a function of its own result, `depth` times, as Spark plans chained `withColumn` calls."""
    entry = udf(0, "a", evalType=kind)
    for _ in range(depth - 1):
        entry = udf(0, entry, evalType=kind)
    return request(python_step(r=entry))


@pytest.mark.parametrize("kind", [100, 200])
def test_a_chain_of_calls_takes_memory_by_its_length(kind):
    """Twenty-four nested calls once took 200 MB for their names alone, doubling with each further one."""
    blob, header = payload(lambda x: x * 0.5 + 1.0), chain_of(24, kind)
    compile_pipeline(header, [blob])
    tracemalloc.start()
    try:
        reply = compile_pipeline(header, [blob])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20
    expected = x = np.linspace(-3, 3, 7)
    for _ in range(24):
        expected = expected * 0.5 + 1.0
    assert run_reply(reply, {"a": x})["r"].tolist() == expected.tolist()


def counted_loops(monkeypatch):
    """Records the runs of functions on paths from here on."""
    runs = []
    run = Explorer._run
    monkeypatch.setattr(Explorer, "_run", lambda self, call: runs.append(call) or run(self, call))
    return runs


def test_nullable_arguments_do_not_multiply_the_paths_of_a_function(monkeypatch):
    """NULL or not, nine columns have 512 combinations. A function that uses one of 200 columns has two paths."""
    runs, scope = counted_loops(monkeypatch), {}

    def reply(result, *columns):
        exec(f"def f({', '.join(f'a{at}' for at in range(len(columns)))}):\n    return {result}", scope)
        inputs = dict.fromkeys(columns, "double")
        return compile_pipeline(request(python_step(r=udf(0, *columns, evalType=100)), inputs=inputs), [payload(scope["f"])])

    wide = [f"c{at}" for at in range(200)]
    assert reply("a0", *wide)["status"] == "ok"
    assert len(runs) <= 4
    assert reply("a0", *wide[:9])["status"] == "ok"
    assert reply("a0", *["a", "b"] * 6)["status"] == "ok"
    runs.clear()
    assert reply("f'" + "".join(f"{{a{at}}}" for at in range(200)) + "'", *wide)["status"] == "ok"
    assert len(runs) < 10
    runs.clear()
    tried = reply("(" + ", ".join(f"a{at} or -1.0" for at in range(200)) + ")", *wide)
    assert [refusal["code"] for refusal in tried["refusals"]] == ["SW287"]
    assert len(runs) < 500


def test_a_chain_of_branches_is_not_run_on_a_few_paths_of_each_call(monkeypatch):
    """A call with many paths multiplies those of each call around it: forty calls once ran 13,000 paths, for two seconds."""
    scope: dict[str, object] = {}
    exec("def f(x):\n    return x * 0.5 + 1.0 if x > 0.0 else -x", scope)
    runs, blob = [], payload(scope["f"])
    walk = plain_results.run_function
    monkeypatch.setattr(plain_results, "run_function", lambda *args, **kwargs: runs.append(1) or walk(*args, **kwargs))
    reply = compile_pipeline(chain_of(40, 100), [blob])
    assert len(runs) < 3000
    x = np.linspace(-3, 3, 7)
    expected = x.tolist()
    for _ in range(40):
        expected = [scope["f"](v) for v in expected]
    assert run_reply(reply, {"a": x})["r"].tolist() == expected
