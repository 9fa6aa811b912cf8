"""Sends HTTP requests on the loopback interface to the services of jobs/: Python's own server and FastAPI."""

from __future__ import annotations

import http.client
import importlib.util
import json
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvicorn

import sparkweld
from tests.serving.test_batching import Held
from tests.serving.test_programs import BONUS, TABLE, bonus, trees

JOBS = Path(__file__).resolve().parents[2] / "jobs"


def job(name):
    """Imports a file of jobs/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, JOBS / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def program():
    return sparkweld.compile(bonus, BONUS, "double")


class Plain:
    """The service of jobs/serve.py."""

    def __init__(self, program, most_waiting):
        self._server = job("serve").server_of(program, 0, most_waiting)
        self.port, self.batcher = self._server.server_address[1], self._server.RequestHandlerClass.batcher
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.batcher.close()


class Fast:
    """The service of jobs/serve_fastapi.py, run by uvicorn."""

    def __init__(self, program, most_waiting):
        service = job("serve_fastapi").app_of(program, most_waiting)
        self.batcher = service.state.batcher
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._server = uvicorn.Server(uvicorn.Config(service, log_level="error", lifespan="on", loop="asyncio", ws="none"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()

    def stop(self):
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture(params=[Plain, Fast])
def service(request, program):
    made = request.param(program, 20)
    yield made
    made.stop()


def ask(service, body, path="/predict", method="POST"):
    """Returns the status and the answer, without its key `error` or `detail`."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    try:
        content = body if isinstance(body, str) else json.dumps(body)
        connection.request(method, path, content if method == "POST" else None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        return response.status, answer.get("error", answer.get("detail", answer))
    finally:
        connection.close()


def test_rows_and_their_errors(service):
    assert ask(service, {}, "/columns", "GET") == (200, BONUS)
    assert ask(service, {"pay": 100.0, "age": 20, "job": "cook"}) == (200, {"result": 9.0})
    assert ask(service, {"pay": None, "age": 20, "job": None}) == (200, {"result": None})
    assert ask(service, {"pay": float("inf"), "age": 20, "job": "cook"}) == (200, {"result": "Infinity"})
    status, message = ask(service, {"pay": 1.0, "age": 18, "job": "smith"})
    assert status == 422 and message.startswith("ZeroDivisionError")
    status, message = ask(service, {"pay": "1.0", "age": 18, "job": "smith"})
    assert status == 422 and "column 'pay' does not hold double" in message
    for wrong in ("[1, 2]", '{"pay": ', '"text"'):
        assert ask(service, wrong)[0] == 422
    assert ask(service, {}, "/other")[0] == 404


def test_concurrent_requests_share_calls_and_a_full_queue_says_so(service):
    batcher, rows = service.batcher, [{"pay": 10.0 * at, "age": 20 + at, "job": "smith"} for at in range(20)]
    held = Held(batcher)
    with ThreadPoolExecutor(20) as threads:
        answers = [threads.submit(ask, service, row) for row in rows]
        try:
            for _ in range(3000):
                if len(batcher._waiting) == 20:
                    break
                time.sleep(0.01)
            status, message = ask(service, rows[0])
        finally:
            held.release()
        assert status == 503 and "20 rows wait" in message
        assert [made.result(60) for made in answers] == [(200, {"result": bonus(**row)}) for row in rows]
    assert (batcher.rows, batcher.calls) == (21, 2)


def test_the_script_serves_a_stored_program_without_the_compiler(tmp_path, program):
    program.save(tmp_path / "bonus.sparkweld")
    check = (
        "import sys, runpy\n"
        "sys.argv = ['serve.py', '--program', sys.argv[2], '--port', '0']\n"
        "import http.server; http.server.ThreadingHTTPServer.serve_forever = lambda self: None\n"
        f"runpy.run_path({str(JOBS / 'serve.py')!r}, run_name='__main__')\n"
        "assert not {'numba', 'pandas', 'pyspark', 'udf_compiler'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", check, "x", str(tmp_path / "bonus.sparkweld")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("bonus(pay double, age long, job string) -> result double\nhttp://127.0.0.1:")


def test_the_script_compiles_a_model(tmp_path):
    fitted, features = trees()
    fitted.booster_.save_model(tmp_path / "trees.txt")
    TABLE.assign(at=TABLE["age"].astype("datetime64[ns, UTC]")).to_parquet(tmp_path / "table.parquet")
    serve = job("serve")
    read = serve.arguments().parse_args
    made = serve.program_of(read(["--model", str(tmp_path / "trees.txt"), "--example", str(tmp_path / "table.parquet")]))
    assert made(features).tolist() == fitted.predict(features).tolist()
    with pytest.raises(sparkweld.UserError, match="pass --example"):
        serve.program_of(read(["--model", str(tmp_path / "trees.txt")]))
