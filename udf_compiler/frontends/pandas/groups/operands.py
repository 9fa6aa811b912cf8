"""Traces a group's scalars as operands and arguments beside columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from udf_compiler.frontends.pandas.array import TracedArray, as_array
from udf_compiler.frontends.pandas.groups import elements, single_values, summaries
from udf_compiler.frontends.pandas.groups.made_lists import GroupList, GroupRecords
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.groups.single_values import GroupElement
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import BINARY, REFLECTED, symbol

#: Series methods whose scalar arguments may as well be columns.
_TAKE_SCALARS = frozenset("fillna where mask clip".split())
_COMPARISONS = frozenset("eq ne lt le gt ge".split())


class Operands:
    """The part of a `FrameGroup` that combines scalars with columns; `loop` is that of the scalars."""

    loop: LoopBuilder

    def of_rows(self, value: Value, loop: LoopBuilder) -> Value:
        """Returns a value of the loop of scalars in each row of another loop."""
        return loop.repeat(value)

    def with_series(self, scalar: GroupScalar, series: TracedSeries, name: str, reflected: bool) -> Any:
        """Returns ``series op scalar``, or ``scalar op series`` when reflected. The scalar is a Python number in arithmetic."""
        call = f"Series {symbol(name)} ..." if not reflected else f"... {symbol(name)} Series"
        series.kind.check_numeric(call)
        if name in ("pow", "divmod"):
            refuse("SW312", call=call, what="of a reduction")
        array = self.array(scalar, series.loop)
        if name not in _COMPARISONS or scalar.weak:
            function = (REFLECTED if reflected and name in REFLECTED else BINARY)[name]
            self._check_weak(scalar, function, series.dtype, call)
        return series._binary(name, array, reflected)

    def text_of(self, scalar: GroupScalar) -> GroupElement:
        """Returns ``str(x)`` of a number."""
        return single_values.text_of(scalar)

    def operand(self, scalar: GroupScalar, loop: LoopBuilder, dtypes: list[np.dtype], call: str) -> Value:
        """Returns a scalar as an operand beside columns of these dtypes."""
        if scalar.weak:
            for dtype in dtypes:
                self._check_weak(scalar, np.add, dtype, call)
        return self.of_rows(scalar.value, loop)

    def array_beside(self, x: Any, arrays: list[TracedArray], call: str) -> TracedArray:
        """Returns a scalar, or np.arange up to the number of rows, as an array, for a function of it and of these arrays."""
        if type(x) is elements.Places:
            return as_array(self.column(x, arrays[0].loop), call)
        value = self.operand(x, arrays[0].loop, [a.dtype for a in arrays], call)
        return TracedArray(arrays[0].loop, (value,), shared=True)

    def beside(self, args: tuple[Any, ...], call: str) -> tuple[Any, ...]:
        """Returns the arguments of a function of columns, with an array in place of each scalar beside them."""
        loop = next((x.loop for x in args if isinstance(x, TracedSeries | TracedArray)), None)
        if loop is None or not any(type(x) is GroupScalar for x in args):
            return args
        dtypes = [x.dtype for x in args if isinstance(x, TracedSeries | TracedArray) and x.dtype != np.bool_]
        return tuple(
            TracedArray(loop, (self.operand(x, loop, dtypes, call),), shared=True) if type(x) is GroupScalar else x for x in args
        )

    def array(self, scalar: GroupScalar, loop: LoopBuilder) -> TracedArray:
        """Returns an array with the scalar in each row."""
        return TracedArray(loop, (self.of_rows(scalar.value, loop),), shared=True)

    def _check_weak(self, scalar: GroupScalar, function: Any, dtype: np.dtype, call: str) -> None:
        """Refuses (SW312) a Python number beside a column where a column of the number's dtype has another result."""
        number = {"b": True, "i": 1, "f": 1.0}[scalar.dtype.kind]
        column = np.ones(1, dtype)
        made = [np.asarray(run_prototype(call, function, column, x)).dtype for x in (number, np.ones(1, scalar.dtype))]
        if made[0] != made[1]:
            refuse("SW312", call=call, what=f"{scalar.dtype} beside {dtype}")

    def with_columns(self, method: Callable[..., Any], name: str, series: TracedSeries) -> Callable[..., Any]:
        """Returns a Series method that also takes scalars of the group, as columns that have them in each row."""
        if name not in _TAKE_SCALARS:
            return method

        def called(*args: Any, **kwargs: Any) -> Any:
            if not any(type(x) is GroupScalar for x in (*args, *kwargs.values())):
                return method(*args, **kwargs)
            if name == "clip":
                self._guard_bounds(*(*args, None, None)[:2], **kwargs)
            columns = [x if type(x) is not GroupScalar else self.column(x, series.loop) for x in (*args, *kwargs.values())]
            return method(*columns[: len(args)], **dict(zip(kwargs, columns[len(args) :], strict=True)))

        return called

    def _guard_bounds(self, low: Any, high: Any, lower: Any = None, upper: Any = None, **others: Any) -> None:
        """Flags a lower bound above the upper one: pandas swaps two scalars, and not two columns."""
        bounds = [x for x in (lower if low is None else low, upper if high is None else high) if x is not None]
        if len(bounds) == 2:
            above = bounds[0] > bounds[1]
            self.loop.guard(self.loop.call("logical_not", above.value))

    def column(self, x: Any, loop: LoopBuilder) -> TracedSeries | None:
        """Returns a new column with a scalar or an element of the group in each row; None for anything else."""
        if type(x) is GroupScalar:
            value = self.of_rows(x.value, loop)
            return TracedSeries(loop, value, value.type.dtype)
        return x.column(self, loop) if type(x) in (GroupElement, GroupList, GroupRecords, elements.Places) else None

    def constant_column(self, x: Any, loop: LoopBuilder) -> TracedSeries | None:
        """Returns a column with a scalar, an element or a constant in each row; None for anything else."""
        return summaries.column_of(self, x, loop)  # type: ignore[arg-type]
