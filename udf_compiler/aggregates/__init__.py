"""Grouped aggregate UDFs to Spark's own aggregates and expressions over them. Start at `compile`."""

from udf_compiler.aggregates.compile import GROUPED_AGG_PANDAS, compile_aggregate

__all__ = ["GROUPED_AGG_PANDAS", "compile_aggregate"]
