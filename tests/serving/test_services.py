"""Sends requests to the examples for Ray Serve and BentoML: `make servers`.

Ray takes 450 MB and BentoML pins other packages, so the environment of the other tests has neither.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import sparkweld
from tests.serving.test_programs import BONUS, bonus

pytestmark = [pytest.mark.servers, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
RAY = (
    "import sys, time, ray\n"
    "from ray import serve\n"
    "import serve_ray\n"
    "ray.init(num_cpus=2, include_dashboard=False)\n"
    "serve.start(http_options={'host': '127.0.0.1', 'port': int(sys.argv[2])})\n"
    "serve.run(serve_ray.app({'program': sys.argv[1]}))\n"
    "print('ready', flush=True)\n"
    "sys.stdin.read()\n"
    "serve.shutdown(); ray.shutdown()\n"
)


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "bonus.sparkweld"
    sparkweld.compile(bonus, BONUS, "double").save(path)
    return str(path)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def posted(url, body):
    """Returns the status and the answer; waits for a service that is starting."""
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    for _ in range(240):
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 404:  # a server that has no service yet
                    return error.code, json.loads(error.read())
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"{url} does not answer")


def check(command, stored, url, wrap, wrong, tmp_path):
    """Starts a service and compares its answers. `wrong`: the status of a row without a result."""
    environment = {**os.environ, "SPARKWELD_PROGRAM": stored, "BENTOML_DO_NOT_TRACK": "true", "RAY_USAGE_STATS_ENABLED": "0"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "jobs"), environment.get("PYTHONPATH", "")])
    with open(tmp_path / "log", "wb") as log:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, cwd=tmp_path)
        try:
            rows = [{"pay": 10.0 * at, "age": 20 + at, "job": "smith"} for at in range(5)]
            assert [posted(url, wrap(row)) for row in rows] == [(200, {"result": bonus(**row)}) for row in rows]
            status, answer = posted(url, wrap({"pay": "1.0", "age": 18, "job": "smith"}))
            assert status == wrong and "column 'pay' does not hold double" in json.dumps(answer)
        except AssertionError:
            print((tmp_path / "log").read_text()[-3000:])
            raise
        finally:
            child.stdin.close()
            if "ready" not in (tmp_path / "log").read_text():
                child.terminate()
            child.wait(60)


def test_ray_serve(stored, tmp_path):
    port = free_port()
    check([sys.executable, "-c", RAY, stored, str(port)], stored, f"http://127.0.0.1:{port}/", lambda row: row, 422, tmp_path)


def test_bentoml(stored, tmp_path):
    port = free_port()
    options = ["--working-dir", str(ROOT / "jobs"), "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "bentoml", "serve", *options, "serve_bento:Scorer"]
    check(command, stored, f"http://127.0.0.1:{port}/predict", lambda row: {"row": row}, 400, tmp_path)
