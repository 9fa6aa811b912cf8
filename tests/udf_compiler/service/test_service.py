"""Checks the compile service as a process (streams, faulty requests, exit) and, in this process, its reply cache."""

from __future__ import annotations

import importlib.util
import io
import os
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.serializers import CPickleSerializer
from sklearn.neural_network import MLPRegressor

from sparkweld.contract.constants import PROTOCOL
from sparkweld.contract.decoding import MessageError
from sparkweld.contract.replies import Seconds, StatusReply
from sparkweld.contract.requests import read_request
from sparkweld.ir import ConstantBlock, parse_program
from sparkweld.reasons import refusal
from tests.helpers.compile_requests import payload, python_step, request, run_reply, udf
from udf_compiler.process.spark_line import BROADCASTS
from udf_compiler.requests.compilation import Compilation
from udf_compiler.service import server as service_module
from udf_compiler.service.host import describe_host, llvmlite_library, version_of
from udf_compiler.service.protocol import Message, StreamError, read_message, write_message
from udf_compiler.service.replies import refused
from udf_compiler.service.request_keys import request_key
from udf_compiler.service.server import ReplyCache, Service

ROOT = Path(__file__).resolve().parents[3]
#: Timeout in seconds for operations that take milliseconds on an idle machine.
PATIENCE = 60


class Child:
    """A service process and both its pipes."""

    def __init__(self, cwd, **environment):
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "udf_compiler.service"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=cwd, env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0", **environment},
        )  # fmt: skip
        self.errors: list[bytes] = []
        self._drain = threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)
        self._drain.start()
        self.sent = 0

    def send(self, blobs=(), **header):
        self.sent += 1
        write_message(self.process.stdin, {"id": self.sent, **header}, blobs)

    def ask(self, blobs=(), **header):
        self.send(blobs, **header)
        reply = read_message(self.process.stdout)
        assert reply.header["id"] == header.get("id", self.sent)
        return reply

    def stop(self):
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._drain.join(PATIENCE)
        self.process.stderr.close()


@pytest.fixture
def child(tmp_path):
    started = Child(tmp_path)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Starts one process for all tests that leave it unchanged."""
    started = Child(tmp_path_factory.mktemp("service"), SPARKWELD_CACHE_DIR=str(tmp_path_factory.mktemp("cache")))
    yield started
    started.stop()


def one_udf(function):
    return {**request(python_step(r=udf(0, "a")))}, [payload(function)]


def test_hello_identifies_the_service(shared):
    hello = shared.ask(op="hello").header
    assert hello["status"] == "ok" and hello["protocol"] == PROTOCOL and hello["pid"] == shared.process.pid
    assert set(hello["versions"]) == {"python", "pyspark", "pandas", "numpy", "pyarrow", "numba", "llvmlite"}
    assert hello["versions"]["numpy"] == np.__version__
    assert hello["cpu"].startswith(hello["cpuName"] + "|")
    assert os.path.isabs(hello["llvmlite"]) and os.path.exists(hello["llvmlite"])
    assert hello["vectorMath"] in ("libmvec", "own", "none")
    assert "numbaError" not in hello


def test_hello_compile_object_in_one_process(shared):
    header, blobs = one_udf(lambda a: a * 2 + 1)
    reply = shared.ask(blobs, **header).header
    np.testing.assert_array_equal(run_reply(reply, {"a": np.array([1.5, 2.0])})["r"], [4.0, 5.0])
    made = shared.ask(op="object", program=reply["program"])
    assert made.header["status"] == "ok", made.header
    assert made.header["symbol"] == f"sw_{reply['hash'][:16]}"
    assert made.header["cpu"] == shared.ask(op="hello").header["cpu"]
    assert made.blobs[0][:4] == b"\x7fELF"


def test_blocks_are_sent_as_blobs_unless_they_are_known(shared):
    model = MLPRegressor(hidden_layer_sizes=(2,), max_iter=1, random_state=0)
    with pytest.warns(UserWarning, match="iterations"):
        model.fit(np.ones((20, 1)), np.arange(20))

    def score(a):
        return pd.Series(model.predict(a.to_numpy().reshape(-1, 1)))

    header, blobs = one_udf(score)
    first = shared.ask(blobs, **header)
    (block,) = parse_program(first.header["program"]).blocks
    assert first.header["blocks"] == [{"digest": block.digest, "bytes": block.size}]
    (data,) = first.blobs
    block = block.with_data(np.frombuffer(data, np.uint8))
    assert ConstantBlock.of(**{part.name: block[part.name] for part in block.layout}) == block
    known = shared.ask(blobs, has=[block.digest], **header)
    assert known.header["blocks"] == first.header["blocks"] and known.blobs == ()
    assert shared.ask(blobs, has=["other"], **header).blobs == (data,)
    made = shared.ask(op="object", program=first.header["program"])
    assert made.header["memory"] > 0


def test_an_object_is_read_from_the_cache_of_another_process(tmp_path):
    header, blobs = one_udf(lambda a: a * 3 - 1)
    made = []
    for _ in range(2):
        child = Child(tmp_path, SPARKWELD_CACHE_DIR=str(tmp_path / "cache"))
        program = child.ask(blobs, **header).header["program"]
        made.append(child.ask(op="object", program=program))
        child.stop()
    assert [m.header["cached"] for m in made] == [False, True]
    assert made[0].blobs == made[1].blobs


def test_a_cache_folder_that_cannot_be_used_is_a_warning(tmp_path):
    (tmp_path / "file").write_text("")
    child = Child(tmp_path, SPARKWELD_CACHE_DIR=str(tmp_path / "file"))
    header, blobs = one_udf(lambda a: a * 3 - 1)
    program = child.ask(blobs, **header).header["program"]
    made = child.ask(op="object", program=program)
    child.stop()
    assert made.header["status"] == "ok" and str(tmp_path / "file") in made.header["warning"]


def test_a_refusal_is_a_reply(shared):
    header, blobs = one_udf(lambda a: a.cumsum())
    reply = shared.ask(blobs, **header).header
    assert reply["status"] == "refused"
    assert reply["refusals"][0]["udf"] == "f"


@pytest.mark.parametrize("operation", ["compile", "catalyst_equivalent", "independent"])
def test_functions_of_another_python_are_refused(shared, operation):
    """A function by reference can be unpickled in any version, and ``sum([0.1, 0.2, 0.3])`` differs before 3.12."""
    header, blobs = one_udf(lambda a: a * 2)
    same = f"{sys.version_info.major}.{sys.version_info.minor}"
    for versions, status in (([same], "ok"), (["3.8"], "refused")):
        reply = shared.ask(blobs, **{**header, "op": operation, "python": {"includes": [], "versions": versions}}).header
        assert reply["status"] == status, reply
    assert [r["code"] for r in reply["refusals"]] == ["SW411"] and "Python 3.8" in reply["refusals"][0]["message"]


def test_prints_of_user_code_do_not_reach_the_replies(shared, tmp_path):
    (tmp_path / "weld_noisy.py").write_text(
        "import os, sys\nprint('from python')\nos.write(1, b'from a descriptor\\n')\nprint(sys.stdin.read() == '')\n"
        "def f(a): return a + 1\n"
    )
    bytes_ = b"\x80\x04cweld_noisy\nf\ncpyspark.sql.types\nDoubleType\n)R\x86."
    header = request(python_step(r=udf(0, "a")), includes=[str(tmp_path)])
    assert shared.ask([bytes_], **header).header["status"] == "ok"
    expected = (b"from python", b"from a descriptor", b"True")
    deadline = time.monotonic() + PATIENCE
    while not all(text in b"".join(shared.errors) for text in expected):
        assert time.monotonic() < deadline, shared.errors
        time.sleep(0.05)


FAULTS = {
    "exit": "import sys; sys.exit(7)",
    "memory": "raise MemoryError('too large')",
    "interrupt": "raise KeyboardInterrupt",
    "missing": "import no_such_module_anywhere",
    "syntax": "this is no python",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_request_ends_the_service(shared, tmp_path, fault):
    (tmp_path / f"weld_{fault}.py").write_text(FAULTS[fault] + "\n")
    header = request(python_step(r=udf(0, "a")), includes=[str(tmp_path)])
    reply = shared.ask([f"cweld_{fault}\nf\n.".encode()], **header).header
    assert reply["status"] in ("refused", "error")
    if fault == "missing":
        assert reply["refusals"][0]["code"] == "SW201"
    assert shared.ask(op="hello").header["status"] == "ok"


def test_a_pickle_that_recurses_without_end(shared):
    bytes_ = b"]" + b"(l" * 200_000 + b"."
    header = request(python_step(r=udf(0, "a")))
    assert shared.ask([bytes_], **header).header["status"] in ("refused", "error")


def test_unknown_and_incomplete_requests_are_errors(shared):
    reply = shared.ask(op="divine").header
    assert reply["status"] == "error" and "divine" in reply["message"]
    reply = shared.ask(op="compile").header
    assert reply["status"] == "error" and "MessageError: inputs: missing" in reply["message"] and "Traceback" in reply["trace"]
    reply = shared.ask(op="object", program="not a program").header
    assert reply["status"] == "error" and "VerifyError" in reply["message"]
    assert shared.ask(nothing=1).header["status"] == "error"


def test_large_payloads(shared):
    weights = np.arange(3_000_000.0)
    header, blobs = one_udf(lambda a: a + weights[-1])
    assert len(blobs[0]) > 20 << 20
    reply = shared.ask(blobs, **header).header
    np.testing.assert_array_equal(run_reply(reply, {"a": np.array([1.0])})["r"], [3_000_000.0])


def test_a_frame_that_is_no_json_is_answered_and_the_next_is_read(shared):
    shared.process.stdin.write(struct.pack(">I", 4) + b"{no}" + struct.pack(">I", 1) + struct.pack(">Q", 3) + b"abc")
    shared.process.stdin.flush()
    reply = read_message(shared.process.stdout).header
    assert (reply["id"], reply["status"]) == (None, "error")
    assert shared.ask(op="hello").header["status"] == "ok"


def test_garbage_on_the_stream_ends_the_service_with_an_error(child):
    child.process.stdin.write(b"GET / HTTP/1.1\r\n\r\n" * 10)
    child.process.stdin.flush()
    reply = read_message(child.process.stdout).header
    assert reply["status"] == "error" and "limit" in reply["message"]
    assert child.process.wait(PATIENCE) == 0


def test_shutdown_ends_the_service(child):
    assert child.ask(op="shutdown").header["status"] == "ok"
    assert child.process.wait(PATIENCE) == 0


def test_the_end_of_the_stream_ends_the_service(child):
    child.ask(op="hello")  # the first one imports, which may exceed the time that requests have after the end of the stream
    child.send(op="hello")
    child.process.stdin.close()
    assert read_message(child.process.stdout).header["status"] == "ok"
    assert child.process.wait(PATIENCE) == 0
    assert child.process.stdout.read() == b""


@pytest.mark.slow
def test_user_code_that_hangs_does_not_outlive_the_stream(child, tmp_path):
    (tmp_path / "weld_hangs.py").write_text("import time\nprint('hanging', flush=True)\nwhile True: time.sleep(1)\n")
    child.send([b"cweld_hangs\nf\n."], **request(python_step(r=udf(0, "a")), includes=[str(tmp_path)]))
    while not any(b"hanging" in line for line in child.errors):
        time.sleep(0.05)
    child.process.stdin.close()
    assert child.process.wait(PATIENCE) == 1


@pytest.mark.slow
def test_the_death_of_the_parent_ends_the_service(tmp_path):
    """The parent is killed while another process still holds the request pipe open."""
    reading, writing = os.pipe()
    script = textwrap.dedent(
        f"""
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-m", "udf_compiler.service"], stdin={reading}, stdout=subprocess.PIPE)
        child.stdout.read(1)  # of its first answer: it watches this process by now
        print(child.pid, flush=True)
        time.sleep(3600)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, pass_fds=[reading], cwd=ROOT)
    requests = os.fdopen(writing, "wb")
    write_message(requests, {"id": 1, "op": "hello"})
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + PATIENCE
    while os.path.exists(f"/proc/{pid}") and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]:
        assert time.monotonic() < deadline, "the service outlives its parent"
        time.sleep(0.1)
    os.close(reading)
    requests.close()


def test_interrupts_of_the_terminal_are_the_parents(child):
    assert child.ask(op="hello").header["status"] == "ok"
    child.process.send_signal(signal.SIGINT)
    assert child.ask(op="hello").header["status"] == "ok"


def test_messages_are_read_back():
    stream = io.BytesIO()
    write_message(stream, {"id": 1, "text": "snö"}, [b"", b"abc"])
    write_message(stream, {"id": 2})
    stream.seek(0)
    assert read_message(stream) == Message({"id": 1, "text": "snö"}, (b"", b"abc"))
    assert read_message(stream) == Message({"id": 2}, ())
    assert read_message(stream) is None


@pytest.mark.parametrize(
    "bytes_, error",
    [
        (b"\0", StreamError),
        (struct.pack(">I", 5) + b"{}", StreamError),
        (struct.pack(">I", 1 << 31), StreamError),
        (struct.pack(">I", 2) + b"{}" + struct.pack(">I", 1 << 31), StreamError),
        (struct.pack(">I", 2) + b"{}" + struct.pack(">IQ", 1, 1 << 60), StreamError),
        (struct.pack(">I", 2) + b"[]" + struct.pack(">I", 0), MessageError),
        (struct.pack(">I", 3) + b"\xff\xfe\xfd" + struct.pack(">I", 0), MessageError),
    ],
)
def test_broken_frames(bytes_, error):
    with pytest.raises(error):
        read_message(io.BytesIO(bytes_))


def test_a_header_that_is_no_json_writes_nothing():
    stream = io.BytesIO()
    with pytest.raises(ValueError, match="JSON"):
        write_message(stream, {"x": float("nan")})
    assert stream.getvalue() == b""


def test_equal_requests_are_compiled_once(monkeypatch):
    calls = []

    def compiled(asked, blobs, check):
        calls.append(asked)
        return Compilation(refused(refusal("SW873", module=str(len(calls)))))

    monkeypatch.setattr("udf_compiler.requests.pipeline.compile_pipeline", compiled)
    service = Service()
    header, blobs = one_udf(lambda a: a)
    replies = [service.answer(Message({**header, "id": i}, tuple(blobs)))[0] for i in range(3)]
    assert [r["id"] for r in replies] == [0, 1, 2]
    assert ["module 1" in r["refusals"][0]["message"] for r in replies] == [True] * 3
    service.answer(Message({**header, "id": 9}, (b"other",)))
    assert len(calls) == 2


def test_errors_are_not_remembered(monkeypatch):
    outcomes = iter([ValueError("once"), Compilation(refused(refusal("SW231", "")))])

    def compiled(header, blobs, check):
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr("udf_compiler.requests.pipeline.compile_pipeline", compiled)
    service = Service()
    header, blobs = one_udf(lambda a: a)
    assert service.answer(Message({**header, "id": 1}, tuple(blobs)))[0]["status"] == "error"
    assert service.answer(Message({**header, "id": 2}, tuple(blobs)))[0]["status"] == "refused"


def key_of(message):
    return request_key(read_request(message.header), message.blobs)


def test_changed_files_make_another_request(tmp_path):
    path = tmp_path / "values"
    path.write_bytes(b"1")
    entry = udf(0, "a", broadcasts=[{"id": 1, "path": str(path)}])
    message = Message({**request(python_step(r=entry), includes=[str(tmp_path / "x.zip")]), "id": 1}, (b"p",))
    first = key_of(message)
    assert key_of(Message({**message.header, "id": 2}, message.blobs)) == first
    path.write_bytes(b"22")
    second = key_of(message)
    (tmp_path / "x.zip").write_bytes(b"")
    assert len({first, second, key_of(message)}) == 3


def test_a_function_in_a_broadcast_is_identified_by_its_contents(tmp_path):
    def key(number: int, held: bytes, payload: bytes | None = None, op: str = "compile", others: int = 0) -> str:
        path = tmp_path / str(number)
        path.write_bytes(held)
        variables = [{"id": at, "path": str(path)} for at in range(number, number + 1 + others)]
        header = {**request(python_step(r=udf(0, "a", broadcasts=variables))), "op": op, "id": number}
        named = CPickleSerializer().dumps(Named(number)) if payload is None else payload
        return key_of(Message(header, (named,)))

    first = key(1, b"function")
    assert key(2, b"function") == first
    assert key(2, b"another one") != first
    assert key(2, b"function", payload=b"function") != first
    assert key(2, b"function", payload=CPickleSerializer().dumps((Named(2), 1))) != first
    assert key(2, b"function", payload=CPickleSerializer().dumps(Named(1))) != first
    assert key(2, b"function", others=1) != key(4, b"function", others=1)  # the function holds their numbers
    assert key(1, b"function", op="fuse") != key(2, b"function", op="fuse")  # the reply contains the payload
    assert key(1, b"function", op="catalyst_equivalent") == key(2, b"function", op="catalyst_equivalent") != first


def test_a_refusal_of_a_function_in_a_broadcast_is_remembered(tmp_path, monkeypatch):
    """Each query has its own broadcast; the service unpickles the function once."""
    service, function, asked = Service(), payload(lambda a: a + 1), list[int]()
    compiled = service._translate
    monkeypatch.setattr(service, "_translate", lambda request, blobs: asked.append(request.id) or compiled(request, blobs))
    for number in (1, 2):
        (tmp_path / str(number)).write_bytes(function)
        entry = udf(0, "a", broadcasts=[{"id": number, "path": str(tmp_path / str(number))}])
        header = {**request(python_step(r=entry)), "op": "fuse", "id": number}
        reply, _ = service.answer(Message(header, (CPickleSerializer().dumps(Named(number)),)))
        assert reply["status"] == "refused" and reply["id"] == number
    assert asked == [1]


class Named:
    """The object that PySpark pickles for a broadcast."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return BROADCASTS._from_id, (self.number,)


def test_the_reply_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(service_module, "MAX_CACHED_REPLIES", 3)
    monkeypatch.setattr(service_module, "MAX_CACHED_BYTES", 1000)
    cache = ReplyCache()
    for i in range(4):
        cache.put(str(i), (StatusReply(status="ok"), (b"n",)))
        assert cache.get("0") is not None or i == 3
    assert cache.get("1") is None and cache.get("0") is not None
    cache.put("large", (StatusReply(status="ok"), (bytes(980),)))
    assert cache.get("large") is not None and cache.get("3") is None
    cache.put("too large", (StatusReply(status="ok"), (bytes(2000),)))
    assert cache.get("too large") is None and cache.get("large") is not None


def test_a_reply_that_is_no_json_is_an_error(monkeypatch):
    made = Compilation(refused(refusal("SW231", "")))
    nan = replace(made, reply=replace(made.reply, seconds=Seconds(trace=float("nan"), optimize=0.0)))
    monkeypatch.setattr("udf_compiler.requests.pipeline.compile_pipeline", lambda *given: nan)
    header, blobs = one_udf(lambda a: a)
    assert Service().answer(Message({**header, "id": 1}, tuple(blobs)))[0]["status"] == "error"


def test_missing_packages_are_said_in_the_hello(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("numba", "llvmlite") else found(name))
    facts = describe_host()
    assert facts.versions["numba"] is None and facts.versions["pandas"] is not None
    assert "numba and llvmlite" in facts.numba_error
    assert facts.llvmlite is None and facts.cpu is None
    assert llvmlite_library() is None and version_of("numba") is None


@pytest.mark.parametrize(
    "package,version,minimum", [("numba", "0.61.2", "0.62"), ("numpy", "1.25.2", "1.26"), ("pandas", "1.5.3", "2.0")]
)
def test_packages_that_are_too_old_are_said_in_the_hello_with_the_minimum(monkeypatch, package, version, minimum):
    """The plugin then warns once with this sentence, and Spark runs the functions."""
    of = version_of
    monkeypatch.setattr("udf_compiler.service.host.version_of", lambda name: version if name == package else of(name))
    facts = describe_host()
    assert facts.numba_error == f"{package} {version} is older than {minimum}, the oldest that SparkWeld supports"
    assert facts.cpu is None


def test_a_pyspark_on_the_path_is_the_one_that_counts(tmp_path, monkeypatch):
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark" / "__init__.py").write_text("")
    (tmp_path / "pyspark" / "version.py").write_text('__version__: str = "4.9.1"\n')
    spec = importlib.util.spec_from_file_location("pyspark", tmp_path / "pyspark" / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert version_of("pyspark") == "4.9.1"


def test_a_fault_of_the_decoder_is_a_reply(monkeypatch):
    def broken(header):
        raise TypeError("no decoder")

    monkeypatch.setattr(service_module, "read_request", broken)
    header, blobs = Service().answer(Message({"id": 7, "op": "hello"}))
    assert (header["id"], header["status"], blobs) == (7, "error", ())
    assert "TypeError: no decoder" in header["message"]
