"""Models the matches that `finditer` of a pattern finds in a string of the row: the strings of their groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.row_lists import TracedRows
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import Traced, raw

#: Begins the name of a group that may take no part in a match: its string is None then, which a list of strings does not show.
OPTIONAL = "?"


class FoundMatch(Traced):
    """One of all matches. `names` holds the names or numbers of its groups, and `values` their strings."""

    __slots__ = ("names", "values")
    __dataclass_fields__ = ("names", "values")  # as in the other elements of a region's state
    what = "match"
    stands_for = re.Match
    visible = frozenset({"group", "groups", "groupdict"})

    names: tuple[str, ...]
    values: tuple[Any, ...]

    def __init__(self, names: Sequence[str], values: Sequence[Any]) -> None:
        self.names, self.values = tuple(names), tuple(values)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: Any) -> Any:
        return self.group(key)

    def __getattr__(self, name: str) -> Any:
        refuse("SW251", call=f"Match.{name} of a match of finditer")

    def group(self, *keys: Any) -> Any:
        """Returns one group's string; a tuple for several groups."""
        if len(keys) > 1:
            return tuple(map(self._group, keys))
        return self._group(*keys)

    def groups(self, default: Any = None) -> tuple[Any, ...]:
        return tuple(self._group(number) for number in range(1, len(self.values)))

    def groupdict(self, default: Any = None) -> dict[str, Any]:
        names = [name.removeprefix(OPTIONAL) for name in self.names]
        return {name: self._group(number) for number, name in enumerate(names) if not name.isdigit()}

    def _group(self, key: Any = 0) -> Any:
        if type(key) not in (int, str):
            refuse("SW262", call="Match.group", what=raw(key))
        names = [name.removeprefix(OPTIONAL) for name in self.names]
        number = names.index(key) if type(key) is str and key in names and not key.isdigit() else key
        if type(number) is str or not 0 <= number < len(self.values):
            raise in_place(IndexError("no such group"))
        if self.names[number].startswith(OPTIONAL):
            refuse("SW262", call="Match.group", what="a group that may take no part")
        return self.values[number]


class FoundMatches(TracedRows):
    """All matches, in order. `names`: as in `FoundMatch`; `parts` holds the list of each group's strings."""

    __slots__ = ()
    what = "iterator over matches"

    def at(self, position: Any) -> Any:
        """Returns a match by its number."""
        return FoundMatch(self.names, [lists.element(part, position) for part in self.parts])
