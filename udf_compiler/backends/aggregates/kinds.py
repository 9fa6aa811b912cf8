"""Defines how each kind of aggregate UDF receives columns and converts its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.contract.constants import GROUPED_AGG_ARROW, GROUPED_AGG_PANDAS
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Array, Optional, Read
from sparkweld.ir.types import BOOL
from sparkweld.reasons import refusal
from udf_compiler.backends.aggregates.compute import PythonScalar
from udf_compiler.backends.aggregates.groups import Groups
from udf_compiler.backends.aggregates.objects import ObjectBools
from udf_compiler.boundary.series import SPARK_TYPES, Field, check_confs, check_safely, column_of_result, series_of_column
from udf_compiler.eval_types.scalar_arrow import ScalarArrow
from udf_compiler.frontends.arrow import ARROW_TYPES, TracedArrow, safe_cast
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.pandas.trace import trace
from udf_compiler.process.spark_line import LINE


class AggregateKind(Protocol):
    """How aggregate functions of one kind take columns and return a scalar."""

    #: Whether NULLs of a group decide the dtype of the function's argument.
    sees_states: bool

    #: The error that a worker raises for a result that does not fit the return type.
    misfit: str

    def check_confs(self, confs: Mapping[str, str | None], udf: str) -> None:
        """Refuses confs under which a worker deviates from this kind."""
        ...

    def check_misfits(self, confs: Mapping[str, str | None], udf: str) -> None:
        """Refuses confs under which a worker converts a result that does not fit the return type, instead of raising."""
        ...

    def stand_in(self, obj: object) -> object | None:
        """Returns the stand-in for a library's object; None when the function may not use it."""
        ...

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        """Returns the function's argument for a column."""
        ...

    def result(self, groups: Groups, result: Any, to: str, place: str, checked: bool) -> tuple[Value, str]:
        """Returns the group's value after the worker's conversion of the result, and the result's type for messages.

        Guards of the groups' loop flag the groups for which the worker raises. `checked`: see `checks_results`.
        """
        ...

    def real(self, traced: Any, columns: Mapping[str, Array], rows: int) -> Any:
        """Returns the real object that a traced argument represents."""
        ...

    def scalar(self, given: Any) -> Any:
        """Returns the original's result as a Python or NumPy scalar; None for a value that becomes NULL."""
        ...


class PandasAggregate:
    sees_states = True
    misfit = "pyarrow.lib.ArrowInvalid"
    stand_in = staticmethod(stand_in)
    check_misfits = staticmethod(check_safely)

    def check_confs(self, confs: Mapping[str, str | None], udf: str) -> None:
        check_confs(confs, udf)

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        if field.spark_type == "boolean" and field.state == "nullable":
            return ObjectBools(loop, field.value, field.name)
        return series_of_column(loop, field.value, field.spark_type, True, field.state, field.name)

    def result(self, groups: Groups, result: Any, to: str, place: str, checked: bool) -> tuple[Value, str]:
        if type(result) is not GroupScalar or result.loop is not groups.loop:
            raise refusal("SW385", place, type=getattr(result, "what", type(result).__name__))
        series = TracedSeries(groups.loop, result.value, result.dtype)
        return column_of_result(groups.loop, series, to, place, checked), str(result.dtype)

    def real(self, traced: Any, columns: Mapping[str, Array], rows: int) -> Any:
        if isinstance(traced, TracedFrame):
            return pd.DataFrame({name: self.real(s, columns, rows) for name, s in traced.series.items()})
        values = values_of(traced.loop, columns)
        array = rows_of(values, traced.value, rows)
        if isinstance(traced, ObjectBools):
            valid = rows_of(values, traced.valid, rows)
            return pd.Series([bool(v) if known else None for v, known in zip(array, valid, strict=True)], dtype=object)
        assert isinstance(traced, TracedSeries)
        return pd.Series(array.copy())

    def scalar(self, given: Any) -> Any:
        return None if pd.isna(given) else given


class ArrowAggregate:
    """The kind of Arrow aggregate UDFs.

    The result is an Arrow scalar, or a Python value whose type pyarrow infers. The worker then casts it safely to the declared
    type (worker.py, `enforce_schema`).
    """

    sees_states = False
    misfit = LINE.arrow_misfit
    check_confs = staticmethod(ScalarArrow().check_confs)
    stand_in = staticmethod(ScalarArrow().stand_in)
    argument = staticmethod(ScalarArrow().argument)

    def check_misfits(self, confs: Mapping[str, str | None], udf: str) -> None:
        """The cast is always checked."""

    def result(self, groups: Groups, result: Any, to: str, place: str, checked: bool) -> tuple[Value, str]:
        scalar = result.scalar if type(result) is PythonScalar else result
        if type(scalar) is not TracedArrow or scalar.loop is not groups.loop:
            raise refusal("SW385", place, type=getattr(result, "what", type(result).__name__))
        type_ = SPARK_TYPES.get(to)
        if type_ not in ARROW_TYPES or type_ == BOOL != scalar.value.type:
            raise refusal("SW104", place, type=to)
        cast = trace(lambda: safe_cast(scalar, type_, f"the conversion to {to}"), (), loop=groups.loop, place=place)
        return cast.whole(), str(ARROW_TYPES[scalar.value.type])

    def real(self, traced: Any, columns: Mapping[str, Array], rows: int) -> Any:
        values = values_of(traced.loop, columns)
        array = rows_of(values, traced.value, rows)
        mask = None if traced.valid is None else ~rows_of(values, traced.valid, rows)
        return pa.array(array.copy(), ARROW_TYPES[traced.value.type], mask=mask)

    def scalar(self, given: Any) -> Any:
        return given.as_py() if isinstance(given, pa.Scalar) else given


def values_of(loop: LoopBuilder, columns: Mapping[str, Array]) -> list[Array]:
    """Evaluates all values of a loop."""
    values: list[Array] = []
    for let in loop.body:
        made = columns[let.op.column] if isinstance(let.op, Read) else let.op.evaluate(*(values[a] for a in let.args))
        values.append(made)
    return values


def rows_of(values: Sequence[Array], value: Value, rows: int) -> np.ndarray:
    """Returns a plain value of every row; broadcasts constants, which no column sizes."""
    found = values[value.id]
    return np.broadcast_to(found.values if isinstance(found, Optional) else found, rows)


KINDS: dict[int, Callable[[], AggregateKind]] = {GROUPED_AGG_PANDAS: PandasAggregate, GROUPED_AGG_ARROW: ArrowAggregate}
