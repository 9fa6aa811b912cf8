"""Programs to the sizes that the fixed part of a kernel works with, and the limits of programs. Imports no Numba."""

from __future__ import annotations

from dataclasses import dataclass

from sparkweld.ir.ops import ModelOp, TreeEnsemble, Trial
from sparkweld.ir.ops.memory import allocates
from sparkweld.ir.program import Let, Program, output_types
from sparkweld.ir.tree_layouts import PIECE
from sparkweld.kernels.kept_rows import rows_of_models
from sparkweld.reasons import refusal

#: Programs of more values are refused: compile time grows with them, by about a millisecond each.
MAX_VALUES = 5000

#: A row loop gives the number of flagged rows, and from this bit on two bits for each pair of `Loop.some`.
SEEN_SHIFT = 32
#: Pairs of `Loop.some` that have room there.
MAX_SOME = 15

#: Rows of a block of a filtered program: its outputs stay in the first-level cache until they are compacted.
_BLOCK = 1024
#: The same of one with a trial, whose turns are timed.
_TRIAL_BLOCK = 4096
#: Most bytes of the scratch tile; a task thread of the JVM has a stack of 1 MB.
_SCRATCH = 192 * 1024
_TILES = (64, 32, 16)

#: Rows of a tile of a program with models, whose tile does not lie on the stack; a model is called for whole tiles.
MODEL_TILE = 64
#: The head of the memory of such a program: a zero and 7 words for calls that may keep something there from one run to the next,
#: then as many that count what they looked for, and what they found. Whoever gives the memory sets the 7 words to KEEPS when all
#: runs get the same memory, which nothing else writes, and all other words to 0.
HEAD_WORDS, KEEPS = 8, 1
MEMORY_HEAD = 3 * 8 * HEAD_WORDS
#: Most bytes a row of inputs and outputs of such a program, and most arguments of its models together.
_MODEL_WIDTH = 1 << 16
MAX_ARGUMENTS = 1 << 13
#: Bytes of a block: what one message of the compile service's protocol holds.
MAX_BLOCK_BYTES = 1 << 30


def program_allocates(program: Program) -> bool:
    """Whether the kernel of an optimised program wants an arena: {cursor, end}, two int64 whose address is in the entry of
    `columns` behind that of the selection. The kernel moves the cursor on by each new string's bytes; when it has passed the end,
    the outputs mean nothing, and the kernel has to run again with an arena of as many bytes at least, and twice the old one.
    """
    return any(allocates(let.op) for loop in program.loops for let in loop.body)


def most_rows(program: Program) -> int:
    """Rows of a block that a program's models are computed for, at most."""
    models = [(let.op, rows) for loop in program.loops for let, rows in rows_of_models(loop).items()]
    return max((op.block_rows(some=bool(rows)) for op, rows in models if isinstance(op, TreeEnsemble)), default=PIECE)


def has_trials(program: Program) -> bool:
    """Whether calls of the row loop take different ways, to find out what costs less."""
    return any(isinstance(let.op, Trial) for loop in program.loops for let in loop.body)


@dataclass(frozen=True)
class Shape:
    """What the driver has to know of a program. `widths`: bytes a row of each address, 0 for one that is not used."""

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
        """Entry of `columns` with the selection; in the row loop's table the filter's bytes. The arena's is the next one."""
        return 2 * (self.inputs + self.outputs)

    @property
    def block_entry(self) -> int:
        """The first of the extra entries."""
        return self.selection_entry + 2

    @property
    def extra_entries(self) -> int:
        """Entries of `columns` behind that of the arena: the blocks' addresses, and the address of memory for the kernel."""
        return self.blocks + 1 if self.blocks else 0

    @property
    def values(self) -> tuple[int, ...]:
        """The constants in the order in which `drive` asks for them."""
        entries = 2 * self.inputs, self.selection_entry
        kept_flags = self.block if self.filtered else 0
        head = (*entries, self.tile, self.block, int(self.filtered), sum(self.widths), kept_flags)
        return (*head, int(self.allocates), self.extra_entries, *self.widths)


def shape_of(program: Program) -> Shape | None:
    """The shape of an optimised program, None when a row is too wide for the smallest scratch tile, or for one of models."""
    widths: list[int] = []
    nullable = tuple(t.nullable for t in output_types(program))
    for type in (*(i.type for i in program.inputs), *output_types(program)):
        widths += [type.width, int(type.nullable)]
    blocks = len(program.blocks)
    tiles = [MODEL_TILE] if blocks else [tile for tile in _TILES if tile * sum(widths) <= _SCRATCH]
    if not tiles or (blocks and sum(widths) > _MODEL_WIDTH):
        return None
    filtered = program.loops[0].where is not None
    least = _TRIAL_BLOCK if has_trials(program) else _BLOCK
    block = max(least, most_rows(program)) if filtered else 1 << 40
    allocates = program_allocates(program)
    return Shape(len(program.inputs), len(nullable), tiles[0], block, filtered, nullable, allocates, tuple(widths), blocks)


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
    if shape_of(program) is None:
        limit = f"{_MODEL_WIDTH:,} bytes a row" if program.blocks else "what fits a scratch tile on the stack"
        raise refusal("SW501", what="rows that are too wide", limit=limit)
