"""Compares traced aggregates of groups and window frames with PySpark's own conversion of pandas' results.

A worker builds a Series from the result of one group, and one Series from the results of all frames of a window partition.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
)

from sparkweld.errors import Refusal
from sparkweld.ir.ops import Optional
from tests.helpers import worker
from tests.helpers.answers import aggregate_compiler
from tests.helpers.compile_requests import column, python_step, request, udf
from tests.helpers.compiled import no_fault, spark_name
from tests.helpers.outcomes import same
from udf_compiler.backends.aggregates.compile import Form
from udf_compiler.backends.aggregates.probe import evaluate_form

DTYPES = {"long": np.int64, "boolean": np.bool_, "float": np.float32, "double": np.float64}
DECLARED = (BooleanType(), IntegerType(), LongType(), FloatType(), DoubleType())
GROUPS: dict[str, list[list[Any]]] = {
    "long": [[1, 2, 3], [None, 5, 2**53 + 1], [None, None, 3], [2**62, 2**62, 1], [None], [-129], [2**31, 2**24 + 1]],
    "double": [[1.0, None, 2.5], [None, None], [2.0**53 + 2, 1.0], [float("inf")], [1e300], [-0.0, 0.0]],
    "float": [[1.0, None, 2.5], [0.1, 0.2], [16777216.0]],
    "boolean": [[True, False, True], [True, None, False, True], [None, True], [None], [False, None]],
}
SOURCES = (
    "v.sum()", "v.mean()", "v.max()", "len(v)", "float(v.sum())", "v.std()", "v.sum() > 1", "v.isna().sum()", "v.notna().mean()",
    "v[v > 1].sum()", "(v * 2**62).sum()", "v.sum() / v.count()",
)  # fmt: skip


def compiled(source: str, type: str, returns: DataType, nulls: bool, frames: bool) -> Form | None:
    step = python_step(r=udf(0, column("a", type, nullable=True), returns=spark_name(returns), evalType=202))
    made = request(step, inputs={"a": type})
    made["inputs"][0]["nullable"], made["frames"] = True, int(frames)
    function = eval(f"lambda v: {source}", {"__name__": "__main__", "np": np})
    try:
        return aggregate_compiler(made, function)._form({"a"} if nulls else set())
    except Refusal as error:
        no_fault(error.code, message=str(error))
        return None


def converted(results: list[Any], returns: DataType) -> list[Any]:
    """Converts a Series of results as a worker does. Raises the worker's exceptions."""
    return worker.converted(pd.Series(results), returns).to_pylist()


def slices(group: list[Any]) -> list[list[tuple[int, int]]]:
    """Returns the frames of each row: the rows up to it, from it on, and itself."""
    rows = range(len(group))
    return [[(0, at + 1) for at in rows], [(at, len(group)) for at in rows], [(at, at + 1) for at in rows]]


def series_of(group: list[Any], type: str, nulls: bool) -> pd.Series:
    dtype = {"boolean": object}.get(type, np.float64) if nulls else DTYPES[type]
    return pd.Series(group, dtype=dtype)


def compare(source: str, type: str, returns: DataType, group: list[Any], frames: list[tuple[int, int]], form: Form) -> None:
    function = eval(f"lambda v: {source}", {"np": np})
    two_forms = type not in ("float", "double")
    nulls = two_forms and None in group
    series = series_of(group, type, nulls)
    values = np.array([0 if v is None else v for v in group]).astype(DTYPES[type])
    valid = np.array([v is not None for v in group])
    got, errors = [], []
    for start, end in frames:
        given = Optional(values[start:end], valid[start:end]) if nulls or not two_forms else values[start:end]
        value, raised = evaluate_form(form, {"a": given}, end - start)
        got.append(value if value is None else value.item())
        errors += raised
    try:
        expected = converted([function(series.iloc[start:end]) for start, end in frames], returns)
    except Exception as error:  # noqa: BLE001 - any exception of the worker
        assert errors, f"{source} as {returns}: {error!r} for {group} by {frames}, got {got}"
        return
    assert not errors, f"{source} as {returns}: {expected} for {group} by {frames}, got {errors}"
    pairs = zip(got, expected, strict=True)
    assert all(same(a, b, 4) for a, b in pairs), f"{source} as {returns}: {expected} for {group} by {frames}, got {got}"


@pytest.mark.gate_cases("groups")
@pytest.mark.parametrize("frames", [False, True], ids=["groups", "frames"])
def test_results_convert_as_in_a_worker(frames):
    compared = 0
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source in SOURCES:
            for type, groups in GROUPS.items():
                for returns in DECLARED:
                    forms: dict[bool, Form | None] = {}
                    for group in groups:
                        nulls = type not in ("float", "double") and None in group
                        if nulls not in forms:
                            forms[nulls] = compiled(source, type, returns, nulls, frames)
                        form = forms[nulls]
                        for cut in (slices(group) if frames else [[(0, len(group))]]) if form else []:
                            compare(source, type, returns, group, cut, form)
                            compared += 1
    assert compared > 700
