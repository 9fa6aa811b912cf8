"""Programs to the sizes that the fixed part of a kernel works with, and the limits of programs. Imports no Numba."""

from __future__ import annotations

from dataclasses import dataclass

from sparkweld.ir.program import Program, output_types
from sparkweld.reasons import refusal

#: Programs of more values are refused: compile time grows with them, by about a millisecond each.
MAX_VALUES = 5000

#: Rows of a block of a filtered program: its outputs stay in the first-level cache until they are compacted.
_BLOCK = 1024
#: Most bytes of the scratch tile; a task thread of the JVM has a stack of 1 MB.
_SCRATCH = 192 * 1024
_TILES = (64, 32, 16)


@dataclass(frozen=True)
class Shape:
    """What the driver has to know of a program. `widths`: bytes a row of each address, 0 for one that is not used."""

    inputs: int
    outputs: int
    tile: int
    block: int
    filtered: bool
    nullable: tuple[bool, ...]
    widths: tuple[int, ...]

    @property
    def values(self) -> tuple[int, ...]:
        """The constants in the order in which `drive` asks for them."""
        entries = 2 * self.inputs, 2 * (self.inputs + self.outputs)
        kept_flags = self.block if self.filtered else 0
        return (*entries, self.tile, self.block, int(self.filtered), sum(self.widths), kept_flags, *self.widths)


def shape_of(program: Program) -> Shape | None:
    """The shape of an optimised program, None when a row is too wide for the smallest scratch tile."""
    widths: list[int] = []
    nullable = tuple(t.nullable for t in output_types(program))
    for type in (*(i.type for i in program.inputs), *output_types(program)):
        widths += [type.dtype.itemsize, int(type.nullable)]
    for tile in _TILES:
        if tile * sum(widths) <= _SCRATCH:
            filtered = program.loops[0].where is not None
            block = _BLOCK if filtered else 1 << 40
            return Shape(len(program.inputs), len(nullable), tile, block, filtered, nullable, tuple(widths))
    return None


def check_size(program: Program) -> None:
    """Raises the refusal of a program that is too large for a kernel (see `MAX_VALUES`; rows of some 12,000 bytes)."""
    if program.size > MAX_VALUES:
        raise refusal("SW501", what=f"{program.size} values", limit=f"{MAX_VALUES} values")
    if shape_of(program) is None:
        raise refusal("SW501", what="rows that are too wide", limit="what fits a scratch tile on the stack")
