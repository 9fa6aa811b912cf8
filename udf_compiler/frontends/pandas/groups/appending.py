"""Appends to lists that a loop over a group has made, where code after the loop calls their method `append`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.pandas.datetimes import DATETIMES
from udf_compiler.frontends.pandas.groups.listed_times import RowSpan, RowTime
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.groups.single_values import GroupElement, GroupSpan
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.path_explorer import Explorer, Leaf
from udf_compiler.frontends.python.record_dicts import TracedRecord
from udf_compiler.frontends.python.record_parts import ListRow
from udf_compiler.frontends.python.regions.growing import Growing
from udf_compiler.frontends.python.values import TracedScalar, of_value
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup


def appended(items: Any, x: Any) -> Any:
    """Returns a list of the loop of scalars with one more element, which the function has computed of the group."""
    session = current()
    group: FrameGroup = session.group
    made = Growing(items)
    session.of_columns = True
    group.appended.append((x, _contents(x)))
    try:
        tree = Explorer(group.loop).explore(lambda: made.append(_element(group, x)))
    finally:
        session.of_columns = False
    if not isinstance(tree, Leaf) or tree.guards or tree.error is not None or type(made.value) is not type(items):
        refuse("SW312", call="list.append", what="such an element")
    return made.value


def check_appended(group: FrameGroup) -> None:
    """Refuses (SW256) a change of an object after it has joined such a list, which would see the change."""
    for x, before in group.appended:
        now = _contents(x)
        if len(now) != len(before) or any(a is not b for a, b in zip(now, before, strict=True)):
            refuse("SW256", call="Code after list.append")


def _contents(x: Any) -> list[Any]:
    if type(x) is dict:
        return [*x, *x.values()]
    return list(x) if type(x) is list else []


def _element(group: FrameGroup, x: Any) -> Any:
    """Returns an element, or a row of elements, as values of the loop of scalars."""
    if type(x) is dict and x and all(type(name) is str for name in x):
        return TracedRecord([*x], [_element(group, part) for part in x.values()])
    if type(x) in (list, tuple):
        return (ListRow if type(x) is list else tuple)([_element(group, part) for part in x])
    return single(group, x, group.loop)


def single(group: FrameGroup, x: Any, loop: LoopBuilder) -> Any:
    """Returns a number, string or time of the group as one of a row of `loop`; anything but values of the group unchanged."""
    if type(x) is GroupScalar:
        value = x.value if loop is group.loop else group.of_rows(x.value, loop)
        return of_value(value) if x.weak else numpy_scalar(value, x.dtype)
    if type(x) is GroupElement:
        x.guard_present(group)
        value = group.loop.value_of(x.value)
        value = value if loop is group.loop else loop.repeat(value)
        return RowTime(TracedScalar("int", value)) if x.series.kind is DATETIMES else of_value(value)
    if type(x) is GroupSpan:
        return RowSpan(TracedScalar("int", x.value if loop is group.loop else loop.repeat(x.value)))
    return refuse("SW312", call="list.append", what="such an element") if isinstance(x, Traced) else x
