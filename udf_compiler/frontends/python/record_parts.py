"""Defines the parts of records that are no numbers and no strings: dates and times, in functions of a group NumPy's scalars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from udf_compiler.frontends.python.listed import Held, tag_of
from udf_compiler.frontends.python.new_lists import kind_of
from udf_compiler.frontends.python.result_kinds import kind_of_time
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import in_place

#: Tags before the kind of a part's list: its elements are dates, naive datetimes, or numbers of which some may be scalars of
#: NumPy. Other tags are those of `Held`.
DATES, DATETIMES, MIXED = "date", "datetime", "mixed"
#: Kinds of lists of NumPy's scalars that pandas converts as Python's.
_WIDE = ("list<i64>", "list<f64>", "list<bool>")


class ListRow(Held):
    """A list that is an element of another list, and that nothing changes."""

    __slots__ = ("items",)
    __dataclass_fields__ = ("items",)
    what = "list in a list"
    stands_for = list

    items: tuple[Any, ...]

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = tuple(items)

    __class__ = list  # type: ignore[assignment]

    def __getitem__(self, key: Any) -> Any:
        if type(key) is not int:
            refuse("SW251", call=f"{self.what}[...]")
        if not -len(self.items) <= key < len(self.items):
            raise in_place(IndexError("list index out of range"))
        return self.items[key]

    def __len__(self) -> int:
        return len(self.items)


def kind_of_part(x: Any) -> str | None:
    """Returns the kind of a list of such parts; None where kernels support none."""
    if current().of_columns and tag_of(x):
        return f"{tag_of(x)} list<i64>"
    time = tag_of_time(x)
    if time:
        return f"{time} list<i64>"
    of = kind_of([x])
    return None if of is None or (of[1] and not are_wide(of)) else f"{MIXED if of[1] else ''} {of[0]}".strip()


def tag_of_time(x: Any) -> str:
    """Returns the tag of a part that is a date or a naive datetime; "" for other values. Groups have times of their own."""
    if current().of_columns:
        return DATES if type(x) is TracedScalar and x.kind == "date" else ""
    return kind if (kind := kind_of_time(x)) in (DATES, DATETIMES) else ""


def are_wide(kind: tuple[str, str]) -> bool:
    """Whether NumPy's scalars, of a list of this kind, become the columns that Python's numbers become."""
    return current().of_columns and kind[0] in _WIDE


def untagged(kind: str) -> str:
    """Returns the kind of a part's list without a tag."""
    return kind.rpartition(" ")[2]


def tag_of_kind(kind: str) -> str:
    """Returns the tag before the kind of a part's list, or ""."""
    return kind.rpartition(" ")[0]


def tagged(x: TracedScalar, kind: str) -> TracedScalar:
    return TracedScalar(x.kind, x.value, numpy=tag_of_kind(kind))
