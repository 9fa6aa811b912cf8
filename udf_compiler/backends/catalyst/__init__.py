"""Translates IR programs to Catalyst expressions of the same value, bit for bit. Start at `expressions`."""

from udf_compiler.backends.catalyst.expressions import Twins, twin_outputs

__all__ = ["Twins", "twin_outputs"]
