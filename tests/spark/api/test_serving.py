"""Compares programs outside Spark with the rows of the same functions and models in Spark, with the plugin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

import sparkweld
from tests.serving.test_programs import BONUS, TABLE, bonus, model, trees

pytestmark = pytest.mark.spark


def bits(values):
    """Returns floats as their bits, None as itself."""
    return [None if x is None else np.float64(x).tobytes() for x in values]


@pytest.mark.nightly("test_scores_of_spark_and_of_a_program")
def test_rows_of_spark_and_of_a_program(spark):
    table = TABLE.astype(object)
    table[["pay", "job"]] = table[["pay", "job"]].where(np.random.default_rng(5).random((len(table), 2)) > 0.1, None)
    frame = spark.createDataFrame(table.to_dict("records"), "age long, pay double, job string").coalesce(1)
    scored = frame.select(F.udf(bonus, "double", useArrow=True)("pay", "age", "job").alias("y"))
    program = sparkweld.compile(bonus, BONUS, "double")
    wanted = [row["y"] for row in scored.collect()]
    columns = {name: table[name].tolist() for name in BONUS}
    assert bits(None if x != x else x for x in program(columns).tolist()) == bits(wanted)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    assert bits(program.predict_row(**row) for row in rows) == bits(wanted)


@pytest.mark.gate_cases("fitted0-True")
@pytest.mark.parametrize(("fitted", "proba"), [(model(), True), (trees()[0], False)])
def test_scores_of_spark_and_of_a_program(spark, fitted, proba):
    scored = sparkweld.score(spark.createDataFrame(TABLE).coalesce(1), fitted, proba=proba)
    program = sparkweld.compile(fitted, TABLE, proba=proba)
    wanted = [row["prediction"] for row in scored.collect()]
    needed = TABLE[[column.name for column in program.inputs]]
    assert isinstance(program(needed), pd.Series) and bits(program(needed)) == bits(wanted)
    assert bits(program.predict_row(**row) for row in needed.to_dict("records")) == bits(wanted)
