"""Compares compiled ``sum`` with CPython's, by the rule of each version."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparkweld.errors import Refusal
from sparkweld.ir import evaluate
from sparkweld.ir.ops.lists import PYTHON_SUM
from sparkweld.ir.python_rules import rules_of
from tests.helpers.pythons import since
from tests.helpers.scalars import check, columns_of, function_of, result_of, rows_of, same, traced
from udf_compiler.frontends.python import sums
from udf_compiler.frontends.python.sums import sum_of

#: Elements and start (their source), and the result before 3.12, in 3.12 and 3.13, and from 3.14 on.
FACTS: list[tuple[str, float, float, float]] = [
    ("[1e16, 1.0, -1e16], 0", 0.0, 1.0, 1.0),
    ("[1e16, 1, -1e16], 0", 0.0, 0.0, 1.0),
    ("[1, 1e16, 1.0, -1e16], 0", 0.0, 1.0, 1.0),
    ("[True, 1e16, 1.0, -1e16], 0", 0.0, 1.0, 1.0),
    ("[1e16, True, 1.0, -1e16], 0", 0.0, 1.0, 2.0),
    ("[0.1, 0.2, 0.3], 0", 0.6000000000000001, 0.6, 0.6),
    ("[0.1, 0.2, 0.3], 0.0", 0.6000000000000001, 0.6, 0.6),
    ("[0.1, 0.2, 0.3], False", 0.6000000000000001, 0.6000000000000001, 0.6000000000000001),
    ("[1.0, 1e100, 1.0, -1e100], 0", 0.0, 2.0, 2.0),
    ("[1e100, 1, 1.0, -1e100], 0", 0.0, 1.0, 2.0),
    ("[0.5, 1e16, 3, -1e16], 0", 4.0, 4.5, 3.5),
    ("[1.0, 1e16, 1.0, 2**64, -(2**64)], 0", 1e16, 1e16, 1.0000000000000002e16),
    ("[1e16, 1.0, -1e16], 2**63", 2.0**63, 2.0**63, 2.0**63),
    ("[2**63 - 1, 1, 1e16, 1.0, -1e16], 0", 2.0**63, 2.0**63, 2.0**63),
    ("[1e308, 1e308, -1e308], 0", math.inf, math.inf, math.inf),
    ("[inf, 1.0, 2.0], 0", math.inf, math.inf, math.inf),
    ("[nan, 1e16, 1.0], 0", math.nan, math.nan, math.nan),
    ("[-0.0, -0.0], 0", 0.0, 0.0, 0.0),
    ("[-0.0, -0.0], -0.0", -0.0, -0.0, -0.0),
    ("[], -0.0", -0.0, -0.0, -0.0),
    ("[], True", True, True, True),
    ("[True, True], 0", 2, 2, 2),
]
VERSIONS = {(3, 10): 1, (3, 11): 1, (3, 12): 2, (3, 13): 2, (3, 14): 3}
SCOPE = {"inf": math.inf, "nan": math.nan}


def interpreters() -> dict[tuple[int, int], Path]:
    """Returns the running Python and the versions that pyenv has installed."""
    found = {sys.version_info[:2]: Path(sys.executable)}
    for path in sorted((Path.home() / ".pyenv/versions").glob("3.*/bin/python")):
        major, minor, *_ = path.parent.parent.name.split(".")
        found.setdefault((int(major), int(minor)), path)
    return {version: path for version, path in found.items() if version in VERSIONS}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_its_rule(version):
    for source, *results in FACTS:
        got, wanted = sum_of(*eval(source, dict(SCOPE)), rules_of(version)), results[VERSIONS[version] - 1]
        assert same(got, wanted), f"{source} in {version}: {got!r}"


def test_the_rules_are_those_of_the_interpreters():
    """Every installed interpreter is tested, at least the running one."""
    program = "import json\nfrom math import inf, nan\nprint(json.dumps([repr(sum(*eval(s))) for s in {}]))"
    for version, path in interpreters().items():
        given = program.format([source for source, *_ in FACTS])
        ran = subprocess.run([path, "-I", "-c", given], capture_output=True, text=True, check=True)
        assert json.loads(ran.stdout) == [repr(results[VERSIONS[version] - 1]) for _, *results in FACTS], version


def test_this_versions_rule_is_that_of_lists():
    assert PYTHON_SUM == ("sum_compensated" if rules_of(sys.version_info).compensates_floats else "sum_in_order")


#: Ways to add values of a row.
SUMS = (
    "sum([a, b, c])",
    "sum((a, b, c)) / 3",
    "sum([b, c], a)",
    "sum([b, c], start=a)",
    "sum([a, b, c], 0.0)",
    "sum([a, b, c], True)",
    "sum([a, 1e16, b, -1e16, c])",
    "sum([a, 1, b, 2.5, c])",
    "sum(x for x in (a, b, c))",
    "sum(x for x in (a, b, c) if x > 0)",
    "sum([x * 2 for x in [a, b, c]])",
    "sum(x * w for x, w in zip((a, b, c), (0.1, 0.2, 0.3)))",
    "sum(map(lambda x: x + 1.0, (a, b, c)))",
    "sum(filter(lambda x: x > 0, [a, b, c]))",
    "sum({'x': a, 'y': b, 'z': c}.values())",
    "sum(sorted([a, b, c]))",
    "sum(reversed([a, b, c]))",
    "sum([a, b] + [c])",
    "sum(range(3), a)",
    "float(sum([w, a, b, c]))",
    "float(sum([a, w, b, c]))",
    "float(sum([a, b, c], w))",
)
TYPES = (("f64",) * 3, ("i64", "f64", "f64"), ("f64", "i64", "f64"), ("f64", "f64", "bool"), ("bool", "f64", "f64"), ("i64",) * 3)


@pytest.mark.parametrize("types", TYPES, ids=" ".join)
@pytest.mark.parametrize("source", SUMS)
def test_sums_of_a_rows_values(source, types):
    """`w` is np.float64, which is not exactly float."""
    needless = 800 if types.count("i64") == 3 else 300  # ints beyond 64 bits
    with np.errstate(all="ignore"):
        check(f"lambda a, b, c: {source}", types, needless=needless, w=np.float64(0.5))


def test_a_total_that_grows_in_a_loop():
    for added in ("x if x > 0 else 0.25", "x if x > 0 else 1", "w * x", "x if x > 0 else 2**53 + 1"):
        with np.errstate(all="ignore"):
            check(f"def f(xs, a):\n    return float(sum({added} for x in xs)) + a", ("list<f64>", "f64"), w=np.float64(0.5))


@pytest.mark.parametrize("version", [(3, 11), (3, 14)])
@pytest.mark.parametrize("types", TYPES[:5], ids=" ".join)
def test_values_of_a_row_by_the_rules_of_other_versions(version, types, monkeypatch):
    model: Callable[..., Any] = partial(sum_of, rules=rules_of(version))
    monkeypatch.setattr(sums, "sum_of", model)
    compared = 0
    for source in SUMS[:8]:
        rows = rows_of(types)
        result = evaluate(traced(function_of(f"lambda a, b, c: {source}"), types), columns_of(types, rows), len(rows))
        expected = function_of(f"lambda a, b, c: {source}", sum=model)
        for at in np.flatnonzero(~result.flagged):
            wanted, got = expected(*rows[at]), result_of(result.columns, at)
            assert same(got, wanted), f"{source} {rows[at]}: expected {wanted!r}, got {got!r}"
            compared += 1
    assert compared >= 4 * len(rows), f"only {compared} values of {8 * len(rows)} are not flagged"


@pytest.mark.parametrize(
    "call",
    [
        "math.fsum([a, b])",
        since((3, 12), "math.sumprod([a, b], [b, a])"),
        since((3, 12), "math.sumprod((x for x in (a, b)), [0.1, 0.2])"),
        "math.dist([a, b], [0.0, 0.1])",
    ],
)
def test_functions_that_add_exactly_are_refused(call):
    """math.sumprod would return the sum of rounded products of symbolic values: (1e22, 1e16) and (1e16, 1e22) differ."""
    with pytest.raises(Refusal, match="SW251"):
        traced(function_of(f"lambda a, b: {call}"), ("f64", "f64"))


def test_functions_that_add_constants_exactly():
    check("lambda a: math.fsum([0.1] * 10) * a + math.prod([a, 2.0, a])", ("f64",))
