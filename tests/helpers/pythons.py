"""Declares what differs between versions of Python in tests."""

from __future__ import annotations

import sys
from typing import Any

import pytest


def since(version: tuple[int, int], *values: Any) -> Any:
    """Returns a parameter of a test that fails before a version of Python: they lack, or cannot pickle, what it uses."""
    release = ".".join(map(str, version))
    mark = pytest.mark.xfail(sys.version_info[:2] < version, reason=f"works since Python {release}")
    return pytest.param(*values, marks=mark)
