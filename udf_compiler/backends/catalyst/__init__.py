"""Translates IR programs to Catalyst expressions of the same value, bit for bit. Start at `expressions`."""

from udf_compiler.backends.catalyst.expressions import CatalystEquivalents, equivalent_outputs

__all__ = ["CatalystEquivalents", "equivalent_outputs"]
