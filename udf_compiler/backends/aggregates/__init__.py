"""Compiles grouped aggregate UDFs to Spark's own aggregates and expressions over their results. Start at `compile`."""

from udf_compiler.backends.aggregates.compile import compile_aggregate, compile_as
from udf_compiler.backends.aggregates.kinds import GROUPED_AGG_ARROW, GROUPED_AGG_PANDAS, PandasAggregate

__all__ = ["GROUPED_AGG_ARROW", "GROUPED_AGG_PANDAS", "PandasAggregate", "compile_aggregate", "compile_as"]
