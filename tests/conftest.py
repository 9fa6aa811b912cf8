"""What tests of several areas share: the bridge's build script as a module."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import sys
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
#: For every JVM that a test starts, Spark's and others: none lives long enough for the optimising compiler and a concurrent
#: collector to pay, and Spark's generated classes fill the default sizes of code and classes.
JVM = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC -XX:MetaspaceSize=512m"
os.environ.setdefault("JDK_JAVA_OPTIONS", JVM)


@pytest.hookimpl(trylast=True)  # after the marks of tests/spark
def pytest_collection_modifyitems(items):
    """Processes that share the tests know them by their ids, and end together: files with the longest tests come first."""
    if strange := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"ids with an address, which each process has another: {strange}")
    long = {item.path for item in items if item.get_closest_marker("spark") or item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="module")
def builder() -> types.ModuleType:
    """jvm-bridge/build.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("bridge_build", ROOT / "jvm-bridge" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
