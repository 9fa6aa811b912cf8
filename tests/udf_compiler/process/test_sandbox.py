"""Checks the resource limits of the compile service, and a service that unpickles no functions."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.udf_compiler.function.test_modules import asked, codes, constants, payload_of, service, write
from udf_compiler.function import payload as payload_module
from udf_compiler.process.sandbox import cpu_seconds

__all__ = ["service"]
GIB = 1 << 30


def limits(pid):
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[0] for line in lines}


def test_limits_of_the_process(service):
    child = service(SPARKWELD_MAX_MEMORY=str(6 * GIB))
    child.ask(op="hello")
    found = limits(child.process.pid)
    assert found["Max core file size"] == "0"
    assert found["Max data size"] == str(6 * GIB)
    assert found["Max file size"] == str(2 * GIB)
    status = Path(f"/proc/{child.process.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status and "Umask:\t0077" in status


def test_no_inherited_descriptor(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    with secret.open() as file:
        command = [sys.executable, "-m", "udf_compiler.service"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, pass_fds=[file.fileno()], cwd=Path(__file__).parents[3], **pipes) as child:
            from udf_compiler.service.protocol import read_message, write_message

            write_message(child.stdin, {"id": 1, "op": "hello"})
            assert read_message(child.stdout).header["status"] == "ok"
            opened = [os.readlink(path) for path in Path(f"/proc/{child.pid}/fd").iterdir() if path.is_symlink()]
            child.stdin.close()
            child.kill()
    assert str(secret) not in opened


def test_more_memory_than_allowed_is_a_refusal(service, tmp_path):
    folder = write(tmp_path / "folder", large="K = bytearray(4 << 30)\ndef f(s): return s", small="def f(s): return s * 3.0")
    child = service(SPARKWELD_WORKER_PATH=str(folder), SPARKWELD_MAX_MEMORY=str(2 * GIB))
    assert codes(asked(child, "large")) in (["SW872"], ["SW204"])  # of the import, which raises MemoryError
    assert constants(asked(child, "small")) == {"3.0"}


def test_memory_that_runs_out_in_the_compiler(service, monkeypatch):
    from udf_compiler.service import server as service_module
    from udf_compiler.service.protocol import Message

    made = service_module.Service()
    monkeypatch.setattr(made, "_cached", lambda request, blobs, limit: bytearray(1 << 62))
    header, _ = made.answer(Message({"id": 1, "op": "object", "program": ""}, ()))
    assert [refusal["code"] for refusal in header["refusals"]] == ["SW872"]


def test_files_have_a_limit(service, tmp_path):
    source = f"open({str(tmp_path / 'made')!r}, 'wb').truncate(3 << 30)\ndef f(s): return s"
    folder = write(tmp_path / "folder", writes=source)
    assert codes(asked(service(SPARKWELD_WORKER_PATH=str(folder)), "writes")) == ["SW204"]


def test_cpu_time_has_a_limit_that_moves_on():
    before = resource.getrlimit(resource.RLIMIT_CPU)
    with cpu_seconds(60_000):
        assert resource.getrlimit(resource.RLIMIT_CPU)[0] >= 600
    assert resource.getrlimit(resource.RLIMIT_CPU) == (before[1], before[1])
    assert signal.getsignal(signal.SIGXCPU) == signal.SIG_DFL


def test_a_service_that_reads_no_function(service, tmp_path, monkeypatch):
    """It unpickles neither the command nor a broadcast: the module that the pickle names is not imported."""
    ran = tmp_path / "ran"
    folder = write(tmp_path / "folder", runs=f"open({str(ran)!r}, 'w')\ndef f(s): return s")
    child = service(SPARKWELD_WORKER_PATH=str(folder), SPARKWELD_UNPICKLE="never")
    assert codes(asked(child, "runs")) == ["SW871"]
    for op in ("catalyst_equivalent", "reads", "implied", "aggregate", "fuse", "cut", "cascade", "full_model"):
        header = {**request(python_step(r=udf(0, "a"))), "op": op}
        assert child.ask([payload_of("runs")], **header).header["status"] != "ok"
    assert not ran.exists()
    monkeypatch.setenv("SPARKWELD_UNPICKLE", "no such choice")
    with pytest.raises(Exception, match="requires unpickling it"):
        payload_module.load_command(payload(lambda s: s))
