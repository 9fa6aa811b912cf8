"""Shares fixtures and hooks among test areas: the bridge's build script, JVM options, the order of tests, stored counts."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import pathlib
import sys
import tempfile
import types

import pytest

from tests.helpers import class_archive, parts
from tests.helpers.class_archive import JVM

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("JDK_JAVA_OPTIONS", class_archive.options(JVM))
# Two processes run tests on two cores. Threads of OpenMP that wait for a core spin: the models of tests took eight times the CPU.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# All processes of a run share one cache of kernels, which starts empty: each function of kernels is compiled in one of them.
if "PYTEST_XDIST_WORKER" not in os.environ:
    CACHE = tempfile.TemporaryDirectory(prefix="sparkweld-kernels-")
    os.environ["SPARKWELD_CACHE_DIR"] = CACHE.name


@pytest.hookimpl(wrapper=True)  # around the marks of tests/spark, and around the selection by -m
def pytest_collection_modifyitems(config, items):
    """Rejects ids with addresses, which differ between parallel processes, and puts files with the longest tests first."""
    if strange := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"ids with an address, which each process has another: {strange}")
    for item in items:
        if "/tests/udf_compiler/" in str(item.path):
            item.add_marker(pytest.mark.sampled)
    mark_combinations(items)
    mark_other_cases(items, whole=not any("[" in argument for argument in config.args))
    yield
    if part := config.getoption("part"):
        select_part(config, items, part)
    long = {item.path for item in items if item.get_closest_marker("spark") or item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


def select_part(config, items, part):
    """Deselects the tests of the other part. `items` are those that the selection by -m has left."""
    second = parts.second_part(items)
    others = [item for item in items if (item in second) != (part == 2)]
    config.hook.pytest_deselected(items=others)
    dropped = set(others)
    items[:] = [item for item in items if item not in dropped]


@pytest.hookimpl(optionalhook=True)  # xdist may be missing
def pytest_xdist_make_scheduler(config, log):
    from tests.helpers.scheduling import SparkInTwoProcesses

    return SparkInTwoProcesses(config, log)


def pytest_collection_finish():
    """Leaves ten thousand tests and their modules out of later garbage collections, whose CPU time would be the tests'."""
    gc.collect()
    gc.freeze()


def cases_of_tests(items, *marks):
    """Returns the cases of each test that has one of the marks."""
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        if any(item.get_closest_marker(mark) for mark in marks):
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return tests


def mark_combinations(items):
    """Marks as nightly the tests of `each_value_once` that repeat parameters' values which others of the same function have.

    Of a product of parameters, `make test` runs as many combinations as the longest parameter has values. So each value of each
    parameter occurs. `make nightly` runs the others.
    """
    for product in cases_of_tests(items, "each_value_once").values():
        factors = [mark.args[0].split(", ") for mark in product[0].iter_markers("parametrize")]
        factors += [[name] for name in product[0].callspec.params if not any(name in names for names in factors)]  # of fixtures
        chosen = [[repr([item.callspec.params[name] for name in names]) for names in factors] for item in product]
        values = [list(dict.fromkeys(column)) for column in zip(*chosen, strict=True)]
        longest = max(range(len(values)), key=lambda factor: len(values[factor]))
        for item, row in zip(product, chosen, strict=True):
            at = [known.index(value) for known, value in zip(values, row, strict=True)]
            if any(here != at[longest] % len(known) for here, known in zip(at, values, strict=True)):
                item.add_marker(pytest.mark.nightly)


def mark_other_cases(items, whole):
    """Marks as nightly the cases that `gate_cases` does not name, and those that `nightly_cases` names.

    The marks have the ids of parameters, or `gate_cases` a number n for the first of every n cases. An id that no case has is an
    error where all cases are collected (`whole`).
    """
    for name, cases in cases_of_tests(items, "gate_cases", "nightly_cases").items():
        ids, gate = [item.callspec.id for item in cases], cases[0].get_closest_marker("gate_cases")
        named = (gate or cases[0].get_closest_marker("nightly_cases")).args
        if isinstance(named[0], int):
            named = ids[:: named[0]]
        if whole and (unknown := set(named) - set(ids)):
            raise pytest.UsageError(f"{name} names ids that no case has: {sorted(unknown)}")
        for item in cases:
            if (item.callspec.id in named) != (gate is not None):
                item.add_marker(pytest.mark.nightly)


@pytest.fixture(scope="module")
def builder() -> types.ModuleType:
    """Returns jvm-bridge/build.py, a script outside any package, as a module."""
    spec = importlib.util.spec_from_file_location("bridge_build", ROOT / "jvm-bridge" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def pytest_addoption(parser):
    parser.addoption("--golden", action="store_true", help="write what tests expect from files under tests/, then read the diff")
    parser.addoption("--part", type=int, choices=(1, 2), help="run one of the two parts of tests/helpers/parts.py")


#: Tests with cases that are not traced -> the number of cases that are; and those with another number before NumPy 2.
TRACED = ROOT / "tests" / "fixtures" / "traced.json"
TRACED_BEFORE_NUMPY_2 = TRACED.with_stem("traced_before_numpy_2")


@pytest.fixture
def traced_counts(request):
    """Fails a test that traces fewer or more of its cases than the stored files state: by default, all of them."""
    from tests.helpers.tracing import OUTCOMES
    from udf_compiler.frontends.tracing.lower import BY_VALUE

    OUTCOMES.clear()
    yield
    name, path = request.node.nodeid, TRACED_BEFORE_NUMPY_2 if BY_VALUE else TRACED
    stored = json.loads(path.read_text(encoding="utf-8"))
    every, count = f"{len(OUTCOMES)} of {len(OUTCOMES)}", f"{sum(OUTCOMES)} of {len(OUTCOMES)}"
    usual = json.loads(TRACED.read_text(encoding="utf-8")).get(name, every) if BY_VALUE else every
    if not request.config.getoption("golden"):
        assert count == stored.get(name, usual), f"traced {count} cases, not {stored.get(name, usual)}"
        return
    stored.pop(name, None)
    stored |= {name: count} if count != usual else {}
    path.write_text(json.dumps(stored, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
