"""Computes the sizes that a kernel's driver needs, and enforces the limits on programs. Imports no Numba."""

from __future__ import annotations

from dataclasses import dataclass

from sparkweld.ir.layouts.model_memory import MODEL_TILE
from sparkweld.ir.layouts.trees import PIECE
from sparkweld.ir.ops import CategoryStatistics, ModelOp, TreeEnsemble
from sparkweld.ir.ops.base import Let
from sparkweld.ir.ops.memory import allocates
from sparkweld.ir.program import Program, output_types
from sparkweld.kernels.codegen.kept_rows import rows_of_models
from sparkweld.reasons import refusal

#: Programs of more values are refused: each value adds about a millisecond of compile time.
MAX_VALUES = 5000

#: A row loop returns the number of flagged rows below this bit, and from it on two bits for each pair of `Loop.some`.
SEEN_SHIFT = 32
#: The number of pairs of `Loop.some` that fit above that bit.
MAX_SOME = 15

#: Rows of a block of a filtered program: its outputs stay in the first-level cache until they are compacted.
_BLOCK = 1024
#: The same for a program with a trial, whose row loop calls are timed.
_TRIAL_BLOCK = 4096
#: Most bytes of the scratch tile; a task thread of the JVM has a stack of 1 MB.
_SCRATCH = 192 * 1024
_TILES = (64, 32, 16)

#: Most bytes a row of inputs and outputs of such a program, and most arguments of its models in total.
_MODEL_WIDTH = 1 << 16
MAX_ARGUMENTS = 1 << 13
#: Most bytes of a block: the limit of one message of the compile service's protocol.
MAX_BLOCK_BYTES = 1 << 30


def program_allocates(program: Program) -> bool:
    """Whether the kernel of an optimised program requires an arena.

    The arena is {cursor, end}, two int64; its address is in the entry of `columns` after that of the selection. The kernel
    advances the cursor by each new string's bytes. When the cursor has passed the end, the outputs are meaningless. The kernel
    must then run again with an arena that has at least the bytes requested, and twice the old size. Columns between stages are
    in the arena, too.
    """
    return bool(program.stages) or any(allocates(let.op) for loop in program.loops for let in loop.body)


def most_rows(program: Program) -> int:
    """Returns the most rows of a block that a program's models are computed for."""
    models = [(let.op, rows) for loop in program.loops for let, rows in rows_of_models(loop).items()]
    trees = (op.block_rows(some=bool(rows)) for op, rows in models if isinstance(op, TreeEnsemble))
    return max([PIECE, *trees, *(op.rows for op, _ in models if isinstance(op, CategoryStatistics))])


@dataclass(frozen=True)
class Shape:
    """A program as the driver sees it. `widths`: bytes a row of each address, 0 for an unused one."""

    inputs: int
    outputs: int
    tile: int
    block: int
    filtered: bool
    nullable: tuple[bool, ...]
    allocates: bool
    widths: tuple[int, ...]
    blocks: int = 0

    @property
    def selection_entry(self) -> int:
        """Returns the entry of `columns` with the selection. The arena's entry is the next one.

        In the row loop's table the same entry holds the address of the filter's bytes.
        """
        return 2 * (self.inputs + self.outputs)

    @property
    def block_entry(self) -> int:
        """Returns the first of the extra entries."""
        return self.selection_entry + 2

    @property
    def extra_entries(self) -> int:
        """Returns the number of entries of `columns` after the arena's: the addresses of the blocks and of the memory."""
        return self.blocks + 1 if self.blocks else 0

    @property
    def values(self) -> tuple[int, ...]:
        """Returns the constants in the order of the indices that `drive` reads."""
        entries = 2 * self.inputs, self.selection_entry
        kept_flags = self.block if self.filtered else 0
        head = (*entries, self.tile, self.block, int(self.filtered), sum(self.widths), kept_flags)
        return (*head, int(self.allocates), self.extra_entries, *self.widths)


def shape_of(program: Program) -> Shape | None:
    """Returns the shape of an optimised program.

    Returns None when a row is too wide for the smallest scratch tile or, with models, wider than `_MODEL_WIDTH`.
    """
    widths: list[int] = []
    nullable = tuple(t.nullable for t in output_types(program))
    for type in (*(i.type for i in program.inputs), *output_types(program)):
        widths += [type.width, int(type.nullable)]
    blocks = len(program.blocks)
    tiles = [tile for tile in _TILES if tile * sum(widths) <= _SCRATCH]
    if blocks:
        tiles = [MODEL_TILE if _scores_tiles(program) else _TILES[-1]]
    if not tiles or (blocks and sum(widths) > _MODEL_WIDTH):
        return None
    filtered = program.loops[0].where is not None
    least = _TRIAL_BLOCK if program.has_trials else _BLOCK
    block = max(least, most_rows(program)) if filtered else 1 << 40
    allocates = program_allocates(program)
    return Shape(len(program.inputs), len(nullable), tiles[0], block, filtered, nullable, allocates, tuple(widths), blocks)


def _scores_tiles(program: Program) -> bool:
    """Whether some model of a program is scored for whole tiles."""
    models = [let.op for loop in program.loops for let in loop.body if isinstance(let.op, ModelOp)]
    return not models or not all(isinstance(op, TreeEnsemble) and op.by_row for op in models)


def check_size(program: Program) -> None:
    """Raises the refusal of a program that is too large for a kernel (see `MAX_VALUES`; rows of some 12,000 bytes)."""
    if program.size > MAX_VALUES:
        raise refusal("SW501", what=f"{program.size} values", limit=f"{MAX_VALUES} values")
    if (pairs := sum(len(loop.some) for loop in program.loops)) > MAX_SOME:
        raise refusal("SW501", what=f"{pairs} guards of whole batches", limit=f"{MAX_SOME} of them")
    if (largest := max((block.size for block in program.blocks), default=0)) > MAX_BLOCK_BYTES:
        raise refusal("SW501", what=f"a model of {largest:,} bytes", limit=f"{MAX_BLOCK_BYTES:,} bytes")
    calls = {Let(let.op.at(0), let.args) for loop in program.loops for let in loop.body if isinstance(let.op, ModelOp)}
    if (arguments := sum(len(call.args) for call in calls)) > MAX_ARGUMENTS:
        raise refusal("SW501", what=f"models of {arguments} arguments", limit=f"{MAX_ARGUMENTS} of them")
    parts = (*(stage.program for stage in program.stages), program.last)
    if any(shape_of(part) is None for part in parts):
        limit = f"{_MODEL_WIDTH:,} bytes per row" if program.blocks else "the width of a scratch tile on the stack"
        raise refusal("SW501", what="rows that are too wide", limit=limit)


def kernel_symbol(program: Program, streams: bool = False) -> str:
    """Returns the name of a program's kernel function."""
    return f"sw_{program.digest[:16]}{'_streams' if streams else ''}"
