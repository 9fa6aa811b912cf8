"""Compiles `applyInPandas` functions. A group is one batch; the result has rows of it in the same order, or one row."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from sparkweld.contract.spark_types import StructField
from sparkweld.ir import LoopBuilder, Value
from sparkweld.reasons import refusal
from udf_compiler.boundary.group_columns import series_of_group
from udf_compiler.boundary.series import Field, check_names
from udf_compiler.eval_types.kind import Call
from udf_compiler.eval_types.of_group import OfGroup, refuse_models
from udf_compiler.eval_types.scalar_pandas import check_named
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.groups.elements import element
from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup
from udf_compiler.frontends.tracing.values import moved, raw
from udf_compiler.probing.differences import tolerance_of
from udf_compiler.probing.group_probe import probe_group
from udf_compiler.process.spark_line import check_groups
from udf_compiler.rebuild.purity import Prepared, prepare


class GroupKind(OfGroup):
    """A kind whose functions see a whole group as one batch; some lines of Spark are refused (SW114)."""

    def check_confs(self, confs: Mapping[str, str | None], udf: str) -> None:
        check_groups(udf)
        super().check_confs(confs, udf)

    def prepare(self, function: Any) -> Prepared:
        return prepare(function, self.stand_in)


class GroupedMap(GroupKind):
    """Eval type 201 (SQL_GROUPED_MAP_PANDAS_UDF): the arguments are the struct of the group's columns and that of its keys."""

    def struct(self, loop: LoopBuilder, fields: Sequence[Field], title: str) -> Any:
        """Returns the DataFrame of columns that a worker converts one by one, unlike the fields of a struct."""
        if fields:  # without a key, all rows are one group
            check_names([field.name for field in fields], title)
        return TracedFrame(loop, {field.name: series_of_group(loop, field) for field in fields})

    def call(self, call: Call) -> Any:
        frame, keys = call.args
        frame.shared = False  # the worker creates it only for this function
        # a copy for the probe: the function may mutate the frame itself
        given = TracedFrame(call.loop, {name: series.twin(shared=False) for name, series in frame.series.items()})
        takes_key = _takes_key(call)
        group = FrameGroup(call.loop)

        def of_group() -> Any:
            key = [element(group, series, 0, "the key") for series in keys.series.values()] if takes_key else []
            own = moved(frame, call.loop)  # the function may assign columns, and runs again for each path of a loop over rows
            return call.prepared.function(*([tuple(key)] if takes_key else []), own)

        of_group.__wrapped__ = call.prepared.function  # type: ignore[attr-defined]
        result = call.traced(of_group, group=group, catching=True)
        if not isinstance(result, TracedFrame):
            raise refusal("SW106", call.place, what=raw(result))
        check_named(call, result)
        if result.loop.program.wholes:
            refuse_models(result.loop, call.place, "group")
        group.guard(result.loop)
        tolerance = tolerance_of(call.kept, result.loop.body)
        probe_group(call.original, given, keys if takes_key else None, result, call.place, tolerance)
        return result

    def rows(self, call: Call, result: TracedFrame, fields: Sequence[StructField]) -> tuple[LoopBuilder, list[Value]]:
        """Returns the loop of the result's rows and the values of the declared columns; the frame must have no others.

        A worker takes columns by their places where none has a string as its name.
        """
        names = [field.name for field in fields]
        by_place = len(result.series) == len(names) and all(type(name) is int for name in result.series)
        if not by_place and sorted(map(str, result.series)) != sorted(names):
            raise refusal("SW364", call.place, given=", ".join(map(str, result.series)), required=", ".join(names))
        loop, values = result.loop, []
        for at, field in enumerate(fields):
            series = list(result.series.values())[at] if by_place else result.series[field.name]
            value = self.converted(call, loop, series, field.type)
            if value.type.nullable and not field.nullable:
                loop.guard(loop.is_valid(value))
                value = loop.value_of(value)
            values.append(value)
        return loop, values


def _takes_key(call: Call) -> bool:
    """Whether the function has a second parameter: a worker passes the key before the rows."""
    try:
        count = len(inspect.getfullargspec(call.original).args)
    except TypeError:
        count = 0
    if count not in (1, 2):
        raise refusal("SW106", call.place, what=f"a function of {count} parameters")
    return count == 2
