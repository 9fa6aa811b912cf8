"""Checks that local time is found alike on the driver and on executors, and that replies record its use."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import time

import pytest
from pyspark.sql.types import DoubleType, TimestampType

from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.repository.test_packaging import ROOT
from tests.udf_compiler.service.test_service import Child
from udf_compiler.process.local_time import constant_offset, described

SCRIPT = ROOT / "jvm-bridge" / "src" / "main" / "resources" / "sparkweld" / "worker_modules.py"
ZONES = {"UTC": 0, "Etc/GMT-3": 10_800, "EST5": -18_000, "America/New_York": None, "Asia/Kolkata": None, "<+0530>-5:30": 19_800}


@pytest.mark.parametrize("zone", ZONES)
def test_executors_find_what_the_driver_has(monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert constant_offset() == ZONES[zone]
        question = json.dumps({"first": [], "libraries": ["local time"]})
        answer = subprocess.run([sys.executable, str(SCRIPT)], input=question, capture_output=True, text=True, check=True)
        assert json.loads(answer.stdout)["libraries"] == {"local time": described()}
    finally:
        monkeypatch.undo()
        time.tzset()


def _reply(child, function, returns, **header):
    given = request(python_step(r=udf(0, "a", evalType=101, returns=returns.typeName())))
    return child.ask([payload(function, returns)], **{**given, **header}).header


def test_replies_record_the_use_of_local_time(tmp_path):
    child = Child(tmp_path, TZ="Etc/GMT-3")
    try:
        for _ in range(2):  # the second reply is made from the first one's trace
            reply = _reply(child, lambda a: datetime.datetime.fromtimestamp(a), TimestampType())
            assert reply["libraries"]["local time"] == "10800"
            assert "local time" not in _reply(child, lambda a: a + 1, DoubleType())["libraries"]
    finally:
        child.stop()


def test_a_zone_whose_offset_changes_is_refused(tmp_path):
    child = Child(tmp_path, TZ="Europe/Berlin")
    try:
        reply = _reply(child, lambda a: datetime.datetime.fromtimestamp(a), TimestampType())
        assert [record["code"] for record in reply["refusals"]] == ["SW264"]
    finally:
        child.stop()


def test_the_tests_run_in_utc():
    assert os.environ["TZ"] == "UTC" and constant_offset() == 0
