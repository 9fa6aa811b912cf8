"""Defines the interface of ops: frozen values with a type rule, and semantics in terms of NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.types import Type


class Optional(NamedTuple):
    """Values of a nullable type: `values` (arbitrary where invalid) and `valid`, one bool a row."""

    values: np.ndarray
    valid: np.ndarray


#: An argument or result of `evaluate`: one value a row.
Array = np.ndarray | Optional


def of_rows(array: Array, rows: int) -> Array:
    """Broadcasts an array, or one value for all rows, to `rows` rows."""
    if isinstance(array, Optional):
        return Optional(*(of_rows(part, rows) for part in array))  # type: ignore[arg-type]
    return array if np.shape(array) == (rows,) else np.broadcast_to(array, rows)


class Op:
    """Base of all ops. Subclasses are frozen dataclasses whose fields are the op's parameters.

    `examples` holds (op, argument types) pairs; the tests run each of them through the evaluator, the text form and the kernel.
    Every op is total: for any argument bits it returns some value and never traps. So a loop may compute it for rows that a
    filter drops.
    """

    name: ClassVar[str]
    examples: ClassVar[tuple[tuple[Op, tuple[Type, ...]], ...]] = ()

    def infer(self, *args: Type) -> Type:
        """Returns the result type for these argument types. Raises VerifyError when the op does not accept them."""
        raise NotImplementedError

    def evaluate(self, *args: Array) -> Array:
        """Defines the semantics: maps argument arrays of n rows to the result's n rows, NULL handling included."""
        raise NotImplementedError

    @property
    def bound(self) -> str | None:
        """None when a kernel computes the same bits as `evaluate`; else the documented error bound, as a string."""
        return None

    def _wants(self, condition: bool, expected: str, args: tuple[Type, ...]) -> None:
        if not condition:
            raise VerifyError(f"{self.name} expects {expected}, got ({', '.join(map(str, args))})")


@dataclass(frozen=True, slots=True)
class Let:
    """One SSA value: `op` applied to earlier values of the body, which are named by position."""

    op: Op
    args: tuple[int, ...] = ()
