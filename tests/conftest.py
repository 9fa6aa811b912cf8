"""What tests of several areas share: the bridge's build script as a module."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items):
    """Processes that share the tests know them by their ids."""
    if strange := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"ids with an address, which each process has another: {strange}")


@pytest.fixture(scope="module")
def builder() -> types.ModuleType:
    """jvm-bridge/build.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("bridge_build", ROOT / "jvm-bridge" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
