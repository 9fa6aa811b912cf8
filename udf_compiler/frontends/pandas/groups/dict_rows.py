"""Traces ``frame.to_dict("records")`` of a group: the list of its rows as dicts, over which loops run in regions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from udf_compiler.frontends.pandas.apply.row_iterator import Rows, check_loop
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.groups.elements import rows_in_region
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_CALL = "DataFrame.to_dict"


class DictRows(Traced):
    """The rows of `frame`, as they are when the list is made, as dicts."""

    __slots__ = ("frame", "shared")
    what = "list of the rows of a group"
    stands_for = list
    __class__ = list  # type: ignore[assignment]

    def __init__(self, frame: TracedFrame) -> None:
        self.frame, self.shared = frame, True

    @property
    def length(self) -> GroupScalar:
        """Returns the number of rows."""
        return current().group.length(self.frame, "len()")  # type: ignore[union-attr, no-any-return]

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        return rows_in_region(lambda to: to.elements(self))

    def listed(self, to: Any) -> Any:
        """Returns the rows in a region, whose columns are lists of a `Lister`."""
        return to.dict_rows(self.frame)

    def __getattr__(self, name: str) -> Any:
        refuse("SW312", call=f"list.{name}", what="a method of a list of rows")


def _to_dict(group: FrameGroup, frame: TracedFrame) -> Any:
    def rows(frame: TracedFrame, orient: Any = "dict") -> DictRows:
        if orient != "records" or not all(type(name) is str for name in frame.series):
            refuse("SW312", call=_CALL, what='other than with "records"')
        return DictRows(TracedFrame(frame.loop, {name: series.twin(shared=True) for name, series in frame.series.items()}))

    return bound(rows, frame, _CALL)


FRAME = {"to_dict": _to_dict}
