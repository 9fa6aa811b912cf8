"""Shares fixtures and hooks among test areas: the bridge's build script as a module, JVM options, the order of tests."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import sys
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
#: Options of every JVM that a test starts, Spark's and others. None lives long enough for the optimising compiler and a
#: concurrent collector to pay, and Spark's generated classes fill the default sizes of code cache and metaspace.
JVM = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC -XX:MetaspaceSize=512m"
os.environ.setdefault("JDK_JAVA_OPTIONS", JVM)


@pytest.hookimpl(trylast=True)  # after the marks of tests/spark
def pytest_collection_modifyitems(items):
    """Rejects ids with addresses, which differ between parallel processes, and puts files with the longest tests first."""
    if strange := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"ids with an address, which each process has another: {strange}")
    long = {item.path for item in items if item.get_closest_marker("spark") or item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="module")
def builder() -> types.ModuleType:
    """Returns jvm-bridge/build.py, a script outside any package, as a module."""
    spec = importlib.util.spec_from_file_location("bridge_build", ROOT / "jvm-bridge" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
