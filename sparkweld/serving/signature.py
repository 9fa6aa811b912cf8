"""Describes a kernel to whoever calls it: its columns in order, and the memory that a call requires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: Kind of a value in a kernel -> NumPy's code of it. Strings and lists are views of 16 bytes: an address and a length.
CODES: dict[str, str] = {
    "bool": "?", "i8": "b", "i16": "h", "i32": "i", "i64": "q", "f32": "f", "f64": "d", "date": "i", "ts": "q",
}  # fmt: skip

VIEW_BYTES = 16

#: Spark's name of a type -> the kind of its values.
_KINDS = {
    "boolean": "bool", "byte": "i8", "short": "i16", "integer": "i32", "long": "i64", "float": "f32", "double": "f64",
    "string": "str", "date": "date", "timestamp_ntz": "ts",
}  # fmt: skip


def kind_of(type: str) -> str:
    """Returns the kind of the values of a Spark type."""
    element = type.removeprefix("array<").removesuffix(">")
    return _KINDS[type] if element == type else f"list<{_KINDS[element]}>"


@dataclass(frozen=True)
class Column:
    """A column: its name, Spark's name of its `type`, the `kind` of its values in the kernel, and whether it may be NULL."""

    name: str
    type: str
    kind: str
    nullable: bool

    @property
    def element(self) -> str:
        """The kind of a list's elements; empty for other columns."""
        return self.kind[len("list<") : -1] if self.kind.startswith("list<") else ""

    @property
    def is_view(self) -> bool:
        """Whether the column stores addresses and lengths."""
        return self.kind not in CODES

    @property
    def dtype(self) -> np.dtype:
        """The dtype of a fixed-width column."""
        # By its size: "q" names a type of its own, which is no subclass of np.int64, as pandas and MLflow request.
        return np.dtype(np.dtype(CODES[self.kind]).str)

    @property
    def width(self) -> int:
        """Bytes of a value."""
        return VIEW_BYTES if self.is_view else self.dtype.itemsize


@dataclass(frozen=True)
class Signature:
    """What a call passes to a kernel.

    `memory`: bytes of memory for the kernel's models, 0 without models. `allocates`: it writes strings or lists into an arena.
    `symbol`: the name of the function in the object code.
    """

    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    memory: int
    allocates: bool
    symbol: str

    def to_json(self) -> dict[str, Any]:
        """Returns the signature as JSON."""
        return asdict(self)

    @staticmethod
    def of_json(data: Mapping[str, Any]) -> Signature:
        """Inverts `to_json`. Raises KeyError and TypeError for other JSON."""
        inputs, outputs = (tuple(Column(**column) for column in data[name]) for name in ("inputs", "outputs"))
        return Signature(inputs, outputs, int(data["memory"]), bool(data["allocates"]), str(data["symbol"]))
