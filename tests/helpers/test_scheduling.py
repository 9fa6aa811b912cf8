"""Checks which processes run the tests with Spark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEST = "import os, pathlib\ndef test_it(): pathlib.Path('ran', __name__).write_text(os.environ['PYTEST_XDIST_WORKER'])\n"
CONFTEST = """
def pytest_xdist_make_scheduler(config, log):
    from tests.helpers.scheduling import SparkInTwoProcesses
    return SparkInTwoProcesses(config, log)
"""


def test_the_third_process_runs_no_test_with_spark(tmp_path):
    for folder in ("tests/spark", "tests/kernels", "ran"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for at in range(6):
        (tmp_path / f"tests/spark/test_spark_{at}.py").write_text(TEST)
        (tmp_path / f"tests/kernels/test_kernels_{at}.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "3", "--dist", "loadfile"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT), "PATH": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    ran = {path.name: path.read_text() for path in (tmp_path / "ran").iterdir()}
    assert len(ran) == 12
    assert {worker for name, worker in ran.items() if name.startswith("test_spark")} <= {"gw0", "gw1"}
    assert "gw2" in ran.values()
