"""Checks the changes of functions' sources: what they change, where, and that nothing else changes."""

from __future__ import annotations

import importlib.util
import sys

import pandas as pd
import pytest

from sparkweld.profiling.edits import edited

JOB = '''
import logging

log = logging.getLogger("job")


def outer(k):
    def inplace(x, y):
        """Replaces small values."""
        x[x < 10] = k  # keeps this comment
        y.fillna(0, inplace=True)
        return x + y

    return inplace


def noisy(x):
    if x > 3:
        print("é", x,
              x)
    for i in range(2): print(i)
    log.info("seen")
    return x + 1


def mixed(x):
    return x.map(lambda v: 0 if v < 5 else -1 if v < 6 else v * 1.5)


def untouched(x):
    y = x.copy()
    y[y < 0] = 1
    return y


one_line = lambda x: print(x)
'''


@pytest.fixture
def job(tmp_path):
    """Returns the functions of a job's file, as a module."""
    path = tmp_path / "job.py"
    path.write_text(JOB, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("edited_job", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["edited_job"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["edited_job"]


def diff_of(function, code, returns="double"):
    """Returns the lines that an edit removes and adds."""
    made = edited(function, (code,), returns)
    return None if made is None else [line for line in made.diff if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def test_arguments_are_copied_before_they_change(job):
    function = job.outer(3.0)
    assert diff_of(function, "SW256") == ["+        x = x.copy()", "+        y = y.copy()"]
    made = edited(function, ("SW256",), "double")
    x = pd.Series([1.0, 5.5, 10.0])
    assert made.function(x, pd.Series([1.0, None, 2.0])).tolist() == [4.0, 3.0, 12.0]
    assert x.tolist() == [1.0, 5.5, 10.0]
    assert made.diff[0] == "--- job.py" and made.diff[2] == "@@ -8,4 +8,6 @@"


def test_output_is_removed_where_it_has_lines_of_its_own(job):
    removed = ['-        print("é", x,', "-              x)", "+        pass", '-    log.info("seen")']
    assert diff_of(job.noisy, "SW229") == removed
    assert edited(job.noisy, ("SW229",), "double").function(1) == 2


def test_integers_become_floats_on_all_paths(job):
    assert diff_of(job.mixed, "SW297")[1].endswith("lambda v: 0.0 if v < 5 else -1.0 if v < 6 else v * 1.5)")
    assert diff_of(job.mixed, "SW297", returns="long") is None


def test_nothing_to_change(job):
    assert diff_of(job.untouched, "SW256") is None  # it changes no argument
    assert diff_of(job.noisy, "SW250") is None  # a reason without a change
    assert diff_of(job.one_line, "SW229") is None
    assert edited(len, ("SW229",), "double") is None


def test_a_file_with_other_code_by_now(job, tmp_path):
    (tmp_path / "job.py").write_text(JOB.replace("x + 1", "x + 2"), encoding="utf-8")
    assert diff_of(job.noisy, "SW229") is None
    exec(compile("def nowhere(x):\n    print(x)\n    return x\n", "<no file>", "exec"), vars(job))
    assert diff_of(job.nowhere, "SW229") is None
