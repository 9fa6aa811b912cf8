"""Models a list of dates or datetimes of the row by the list of their numbers."""

from __future__ import annotations

from typing import Any

from sparkweld.ir.types import DATE, TS
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.nested_lists import Change, item
from udf_compiler.frontends.python.operands import as_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, of_value
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw


class TracedTimes(Traced):
    """A list of dates, or of naive datetimes. `first` is the list of their days, or microseconds, since 1970."""

    __slots__ = ("first",)
    __dataclass_fields__ = ("first",)  # as in the other elements of a region's state
    what = "list of dates or datetimes"
    stands_for = list

    first: TracedScalar

    def __init__(self, numbers: TracedScalar) -> None:
        self.first = numbers

    __class__ = list  # type: ignore[assignment]

    @property
    def count(self) -> Any:
        """Returns the number of elements."""
        return lists.length(self.first)

    def at(self, position: Any) -> Any:
        """Returns the element at an index within the list."""
        number = lists.call("at", self.first, as_int(position))
        return of_value(explorer().loop.cast(number, DATE if self.first.kind == "list<i32>" else TS))

    def mapped(self, change: Change) -> TracedTimes:
        """Returns a list of some elements, by a change that permutes or drops elements."""
        return TracedTimes(change(self.first))

    def __bool__(self) -> bool:
        return explorer().decide(lists.truth(self.first))

    def __getitem__(self, key: Any) -> Any:
        return item(self, key)

    def __iter__(self) -> Any:
        refuse("SW223")

    def __reversed__(self) -> Any:
        refuse("SW223")

    def __contains__(self, x: Any) -> bool:
        refuse("SW222", call=f"in with {raw(x)}", kind=self.what)
