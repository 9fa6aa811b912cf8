"""Dispatches what a function asks of a whole group: attributes and functions of pandas, NumPy and pyarrow that are reductions."""

from __future__ import annotations

from typing import Any

from udf_compiler.backends.aggregates import compute, reductions
from udf_compiler.backends.aggregates.groups import Groups
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar


class ReducedGroups(Groups):
    """The groups of one trace, as frontends ask them (`Session.groups`)."""

    def series_attribute(self, series: Any, name: str) -> Any:
        """Returns a Series attribute that is a reduction."""
        return reductions.series_attribute(series, name)

    def array_attribute(self, array: TracedArray, name: str) -> Any:
        """Returns a one-dimensional array's attribute that is a reduction, or None."""
        return reductions.array_attribute(array, name)

    def numpy_function(self, function: Any, args: tuple[Any, ...]) -> Any:
        """Returns the reduction that a NumPy function applies to these arguments, or None."""
        flat = not (args and isinstance(args[0], TracedArray) and args[0].ndim != 1)
        return reductions.numpy_function(getattr(function, "__name__", "")) if flat else None

    def compute_function(self, name: str) -> Any:
        """Returns an aggregate function of pyarrow.compute, or None for an unknown one."""
        return compute.FUNCTIONS.get(name)

    def arrow_attribute(self, scalar: Any, name: str) -> Any:
        """Returns an attribute of each group's Arrow scalar."""
        return compute.scalar_attribute(scalar, name)

    def part(self, series: Any, mask: Any) -> Any:
        """Returns ``series[mask]``: the selected rows of the group."""
        return reductions.part_of(series, mask)

    def length(self, x: Any) -> GroupScalar:
        """Returns the number of rows."""
        return reductions.length(x)
