"""Grouped aggregate UDFs to Spark's own aggregates and expressions over them. Start at `compile`."""

from udf_compiler.aggregates.compile import compile_aggregate

__all__ = ["compile_aggregate"]
