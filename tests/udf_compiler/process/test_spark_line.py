"""Compares the facts of the installed line of Spark with its own worker, and checks what other lines refuse."""

from __future__ import annotations

import datetime
import importlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import ByteType, IntegerType, StringType

from sparkweld.annotations import Rows, Sum, annotate
from sparkweld.contract.constants import ARROW_BATCHED, BATCHED, GROUPED_AGG_PANDAS, SCALAR_ARROW, SCALAR_PANDAS
from sparkweld.errors import Refusal
from tests.helpers.answers import compile_aggregate, compile_fused, compile_partial, compile_pipeline
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.lines import LINE as INSTALLED
from tests.helpers.worker import arguments_of, converted, outputs
from udf_compiler.boundary import datetime_columns
from udf_compiler.boundary.series import SAFELY
from udf_compiler.eval_types import kind_of
from udf_compiler.process import spark_line
from udf_compiler.process.spark_line import LINE, line_of


def test_the_line_is_that_of_the_installed_spark():
    assert LINE.compared and LINE.name == ".".join(map(str, INSTALLED))
    assert line_of(f"{LINE.name}.9.dev0") is LINE


def test_results_are_cast():
    dates = pd.Series([datetime.date(1970, 1, 2)])
    if LINE.casts_results:
        assert converted(dates, IntegerType()).to_pylist() == [1]
    else:
        with pytest.raises(ValueError):
            converted(dates, IntegerType())


def test_plain_functions_over_arrow_receive_python_values():
    seen: list[object] = []
    batch = pa.RecordBatch.from_arrays([pa.array([1, None])], ["_0"])
    outputs(lambda x: str(seen.append(x)), [batch], StringType(), ARROW_BATCHED)
    assert (repr(seen) == "[1, None]") is LINE.plain_values_over_arrow
    if not LINE.plain_values_over_arrow:
        with pytest.raises(Refusal, match="SW114.*useArrow"):
            kind_of(ARROW_BATCHED, "f").check_confs({}, "f")
    kind_of(BATCHED, "f").check_confs({SAFELY: "false"}, "f")  # no result of it passes through Arrow


@pytest.mark.skipif(INSTALLED < (4, 1), reason="Spark 4.0 has no Arrow UDFs")
def test_the_error_of_an_arrow_result_that_does_not_fit():
    module, _, name = LINE.arrow_misfit.rpartition(".")
    batch = pa.RecordBatch.from_arrays([pa.array([300])], ["_0"])
    with pytest.raises(Exception) as raised:
        outputs(lambda x: x, [batch], ByteType(), SCALAR_ARROW)
    innermost = raised.value
    while innermost.__cause__ is not None:
        innermost = innermost.__cause__
    assert type(innermost) is getattr(importlib.import_module(module), name)


def test_aggregates_whose_results_may_misfit_require_checks():
    """By default, conversions are checked from Spark 4.1 on."""

    def compiled(returns, pandas):
        step = python_step(r=udf(0, column("x", "double"), returns=returns, evalType=GROUPED_AGG_PANDAS))
        return compile_aggregate(request(step, inputs={"x": "double"}, pandas=pandas), [payload(lambda x: x.sum())])

    for checked in [{SAFELY: "true"}] + [{}] * LINE.checks_results:
        assert compiled("long", checked)["status"] == "ok"
    for unchecked in [{SAFELY: "false"}] + [{}] * (not LINE.checks_results):
        assert compiled("double", unchecked)["status"] == "ok"
        with pytest.raises(Refusal, match="SW110"):
            compiled("long", unchecked)


def test_the_unit_of_timestamps(monkeypatch):
    batch = pa.RecordBatch.from_arrays([pa.array([0]).cast(pa.timestamp("us", tz="UTC"))], ["_0"])
    (theirs,) = arguments_of(batch)
    assert (theirs.dtype == "M8[ns]") is LINE.nanoseconds
    step = python_step(r=udf(0, column("t", "timestamp")))
    for nanoseconds in (False, True):
        monkeypatch.setattr(datetime_columns, "LINE", replace(LINE, nanoseconds=nanoseconds))
        reply = compile_pipeline(request(step, inputs={"t": "timestamp"}), [payload(lambda t: t.dt.year * 1.0)])
        assert reply["status"] == "ok"
        reply = compile_pipeline(request(step, inputs={"t": "timestamp"}), [payload(lambda t: t.astype("int64") * 1.0)])
        assert (reply["status"] == "ok") is nanoseconds


def test_an_unknown_line_compiles_nothing(monkeypatch):
    monkeypatch.setattr(spark_line, "LINE", line_of("5.0.0"))
    with pytest.raises(Refusal, match="SW114.*5.0"):
        kind_of(SCALAR_PANDAS, "f")


def test_payloads_that_call_pyspark_need_its_functions(monkeypatch):
    monkeypatch.setattr(spark_line, "LINE", replace(LINE, worker_conversions=False))
    step = python_step(r=udf(0, column("x", "double"), evalType=GROUPED_AGG_PANDAS))
    made = {**request(step, inputs={"x": "double"}), "keys": 0}
    with pytest.raises(Refusal, match="SW114"):
        compile_partial(made, [payload(annotate(lambda s: float(s.sum()), (Rows(),), returns=Sum(), check=False))])
    with pytest.raises(Refusal, match="SW648"):  # explain then shows why no kernel aggregates
        compile_partial(made, [payload(lambda s: float(s.sum()))])
    with pytest.raises(Refusal, match="SW114"):
        compile_fused(request(python_step(r=udf(0, "a"))), [payload(np.abs)])
