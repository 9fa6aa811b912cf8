"""Checks that the structured form of `sparkweld.explain` holds what its text says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType

import sparkweld
from sparkweld.errors import UserError


@pytest.fixture
def table(parquet):
    return parquet({"id": np.arange(20), "x": np.linspace(-3.0, 3.0, 20)})


@pandas_udf(DoubleType())
def doubled(x: pd.Series) -> pd.Series:
    return np.exp(x) * 2.0


@pandas_udf(DoubleType())
def centred(x: pd.Series) -> pd.Series:
    return x - x.ewm(alpha=0.5).std()


def test_a_kernel_with_its_fused_nodes(spark, table):
    spark.conf.set("spark.sparkweld.backend", "native")  # and not Spark's own expressions, which would be as fast
    try:
        frame = table.select("id", doubled("x").alias("r")).where("r > 3")
        told, text = sparkweld.explain(frame, format="dict"), sparkweld.explain(frame)
    finally:
        spark.conf.unset("spark.sparkweld.backend")
    assert (told["active"], told["message"]) == (True, "")
    (entry,) = [entry for entry in told["entries"] if entry["kind"] == "compiled"]
    assert (entry["functions"], entry["refusals"]) == (["doubled"], [])
    assert {"doubled", "filter"} <= set(entry["fused"]) and f"fused: {' + '.join(entry['fused'])}" in text
    assert f"program: {entry['program'][0][:12]}" in text
    assert len(entry["approximate"]) == 1 and f"approximate: {entry['approximate'][0]}" in text
    assert [f"note: {note}" in text for note in entry["notes"]] == [True] * len(entry["notes"]) != []


def test_a_refusal_has_its_code_category_place_and_hint(spark, table):
    frame = table.select("id", centred("x").alias("r"))
    told, text = sparkweld.explain(frame, format="dict"), sparkweld.explain(frame)
    (entry,) = told["entries"]
    assert (entry["kind"], entry["functions"]) == ("in_python", ["centred"])
    (refusal,) = entry["refusals"]
    assert (refusal["code"], refusal["category"]) == ("SW250", "function") and "centred" in refusal["place"]
    assert f"SW250 {refusal['title']}: {refusal['message']}" in text and refusal["hint"] in text


def test_a_query_without_functions_has_no_entries(spark, table):
    assert sparkweld.explain(table.select("id"), format="dict") == {"active": True, "message": "", "entries": []}


def test_another_format_is_an_error_and_the_settings_are_restored(spark, table):
    with pytest.raises(UserError, match="format='json': pass 'text' or 'dict'"):
        sparkweld.explain(table, format="json")
    sparkweld.explain(table, format="dict")
    assert spark.conf.get("spark.sparkweld.explain.format", None) is None
