"""Models a dict of constant keys that is an element of a list of the row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import Traced, raw


class TracedRecord(Traced):
    """A dict of constant keys that nothing changes: an element of a list."""

    __slots__ = ("names", "values_")
    __dataclass_fields__ = ("names", "values_")
    what = "dict"
    stands_for = dict

    names: tuple[str, ...]
    values_: tuple[Any, ...]

    def __init__(self, names: Sequence[str], values: Sequence[Any]) -> None:
        self.names, self.values_ = tuple(names), tuple(values)

    __class__ = dict  # type: ignore[assignment]

    def _get(self, key: Any, default: Any = None) -> Any:
        return self.values_[self.names.index(key)] if key in self else default

    def __getitem__(self, key: Any) -> Any:
        if key not in self:
            raise in_place(KeyError(key))
        return self._get(key)

    def __contains__(self, key: Any) -> bool:
        if type(key) is not str:
            refuse("SW251", call=f"dict[...] with {raw(key)}")
        return key in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __bool__(self) -> bool:
        return bool(self.names)

    def __getattr__(self, name: str) -> Any:
        known: dict[str, Any] = {
            "get": self._get, "keys": lambda: self.names, "values": lambda: self.values_,
            "items": lambda: tuple(zip(self.names, self.values_, strict=True)),
        }  # fmt: skip
        return known[name] if name in known else refuse("SW251", call=f"dict.{name}")
