"""Holds what a program consists of: its columns, its kernels, and the function itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sparkweld.serving.original import Original
from sparkweld.serving.runner import Runner
from sparkweld.serving.signature import Column, Signature


@dataclass(frozen=True)
class Kernel:
    """One form of a program as machine code.

    `object_code` returns it as a position-independent object, or as the shared library that a file holds. `blocks` are the bytes
    of its models. `program`: its text; `compile_for` compiles programs in that form for a level of `LEVELS`, and is None where a
    file held the kernel. `others`: level -> (the shared library for it, the bytes of memory of a call).
    """

    signature: Signature
    blocks: tuple[np.ndarray, ...]
    object_code: Callable[[], bytes]
    is_linked: bool = False
    program: str = ""
    compile_for: Callable[[str, Sequence[str]], list[tuple[bytes, int]]] | None = None
    others: Mapping[str, tuple[bytes, int]] = field(default_factory=dict)


#: Most rows for which the kernel for few rows is called.
FEW_ROWS = 16


@dataclass(frozen=True)
class Form:
    """The kernels for tables with NULLs in certain columns, ready to run: for many rows and for a few.

    They are the same unless the program has ensembles of trees, which have another form for a few rows.
    """

    kernel: Kernel
    runner: Runner
    few_kernel: Kernel
    few_runner: Runner

    def runner_of(self, rows: int) -> Runner:
        """Returns the kernel for this number of rows."""
        return self.few_runner if rows <= FEW_ROWS else self.runner


@dataclass(frozen=True)
class Parts:
    """The parts of a program.

    In pandas, a column of integers with NULLs has another dtype. So there is a form for each set of columns with NULLs. `struct`:
    the result has several columns. `by_row`: the function takes the values of one row. `original`: the function, for what no
    kernel may decide; None where a file did not hold it.
    """

    name: str
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    struct: bool
    by_row: bool
    forms: dict[frozenset[str], Form]
    original: Original | None = None

    def title(self) -> str:
        """Returns the name with the columns and their types."""
        return f"{self.name}({typed(self.inputs)}) -> {typed(self.outputs)}"


def typed(columns: tuple[Column, ...]) -> str:
    """Returns the names and types of columns for a message."""
    return ", ".join(f"{column.name} {column.type}" for column in columns)
