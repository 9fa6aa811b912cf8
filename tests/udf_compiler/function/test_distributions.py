"""Checks the versions of packages that a reply records."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest

from udf_compiler.function import distributions


@pytest.fixture
def read(monkeypatch):
    """Returns the packages whose descriptions are read, with no version known before."""
    names, version = [], importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: names.append(name) or version(name))
    distributions._version.cache_clear()
    yield names
    distributions._version.cache_clear()


def test_each_description_is_read_once(read):
    first = distributions.versions(["sklearn"])
    assert first["numpy"] == np.__version__ and "scikit-learn" in first
    assert distributions.versions(["sklearn"]) == first
    assert sorted(read) == sorted(set(read)) and set(read) == first.keys() - {"python"}


def test_a_package_that_is_missing_is_looked_for_again(read, monkeypatch):
    monkeypatch.setattr(distributions, "distributions", lambda: {"absent": ["sparkweld-is-absent"]})
    for _ in range(2):
        assert distributions.versions(["absent"])["sparkweld-is-absent"] == "none"
    assert read.count("sparkweld-is-absent") == 2
