"""Checks that the classes of a first plan load without a query, and that this changes no counter."""

from __future__ import annotations


def test_classes_load_without_a_request(spark):
    runtime = spark._jvm.io.sparkweld.SparkWeldRuntime.driver().get().compiler()
    before = runtime.asked()
    loaded = spark._jvm.io.sparkweld.rules.FirstPlan.load(spark.sparkContext._jsc.sc().conf())
    assert loaded.startswith("1 links, ") and "SW512" in loaded
    assert runtime.asked() == before
