"""Grouped aggregate UDFs to Spark's own aggregates and expressions over them. Start at `compile`."""

from udf_compiler.aggregates.compile import compile_aggregate, compile_as
from udf_compiler.aggregates.kinds import PandasAggregate

__all__ = ["PandasAggregate", "compile_aggregate", "compile_as"]
