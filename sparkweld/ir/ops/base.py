"""What an op is: a frozen value with a type rule and a meaning in NumPy terms."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.types import Type


class Optional(NamedTuple):
    """Values of a nullable type: `values` (anything where invalid) and `valid`, one bool a row."""

    values: np.ndarray
    valid: np.ndarray


#: What `evaluate` takes and gives: one value a row.
Array = np.ndarray | Optional


def of_rows(array: Array, rows: int) -> Array:
    """The array, or one value for all rows as an array of them."""
    if isinstance(array, Optional):
        return Optional(*(of_rows(part, rows) for part in array))  # type: ignore[arg-type]
    return array if np.shape(array) == (rows,) else np.broadcast_to(array, rows)


class Op:
    """Base of all ops. Subclasses are frozen dataclasses whose fields are the op's parameters.

    `examples` holds (op, argument types) pairs; the tests run each of them through the evaluator, the text form and
    the kernel. Every op is total: for any argument bits it gives some value and never traps, which is why a loop may
    compute it for rows that a filter drops.
    """

    name: ClassVar[str]
    examples: ClassVar[tuple[tuple[Op, tuple[Type, ...]], ...]] = ()

    def infer(self, *args: Type) -> Type:
        """Result type for these argument types. Raises VerifyError when the op does not take them."""
        raise NotImplementedError

    def evaluate(self, *args: Array) -> Array:
        """The meaning of the op: argument arrays of n rows to the result's n rows (NULL handling included)."""
        raise NotImplementedError

    @property
    def bound(self) -> str | None:
        """None when a kernel gives `evaluate`'s bits; else the documented bound on the difference, as text."""
        return None

    def _wants(self, condition: bool, expected: str, args: tuple[Type, ...]) -> None:
        if not condition:
            raise VerifyError(f"{self.name} wants {expected}, got ({', '.join(map(str, args))})")
