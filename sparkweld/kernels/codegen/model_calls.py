"""Groups a loop's model ops into calls for blocks of rows, and lays out the kernel's memory.

The kernel receives the memory's address. The memory holds a head (see `MEMORY_HEAD`), the driver's tile, the state that calls
keep between runs of the kernel, and the columns between stages. The rest is shared by successive calls: scratch, and the rows
that need the call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sparkweld.ir.blocks import round_up
from sparkweld.ir.layouts.model_memory import HEAD_WORDS, MEMORY_HEAD, MODEL_TILE
from sparkweld.ir.layouts.trees import BLOCK
from sparkweld.ir.ops import ModelOp
from sparkweld.ir.ops.base import Let
from sparkweld.ir.program import Program
from sparkweld.ir.types import Type
from sparkweld.kernels.codegen.kept_rows import Condition, rows_of_models
from sparkweld.kernels.codegen.shape import Shape, most_rows
from sparkweld.kernels.codegen.stages import ModelCall, width_of
from sparkweld.kernels.functions.models import PIECE, scorer, selection
from sparkweld.kernels.functions.models.library import constant_table, pointer_table
from sparkweld.kernels.functions.strings.memory_access import store_word
from sparkweld.kernels.llvm.numba_frontend import Operation, numba_type

#: Bytes of the columns between stages beyond which a block has fewer rows, so that they stay in the second-level cache.
_MOST_BYTES = 1 << 19
#: The same for blocks of more rows than one call scores: computing a forest takes far longer than reading these columns from a
#: farther cache. The last is for forests whose own tables are read from a farther cache.
_MOST_BYTES_OF_FORESTS, _MOST_BYTES_OF_FAR_PARTS = 1 << 20, 1 << 23
#: A model is scored for all rows of a block when more than this many of four need it: gathering them costs more than it saves.
_FEW = 3


@dataclass(frozen=True)
class Block:
    """The context of a call's source: the number of rows, the naming of operations, and the lines before the loop.

    `some_rows`: the number of rows without those that fill up a last tile.
    """

    rows: str
    some_rows: str
    name: Callable[[Operation], str]
    head: list[str]


class ModelCalls:
    """The calls of a loop's model ops, and the kernel's memory."""

    def __init__(self, program: Program, types: Sequence[Type], shape: Shape) -> None:
        self.shape, self.types = shape, types
        self.blocks = {block: number for number, block in enumerate(program.blocks)}
        self.calls: list[ModelCall] = []
        #: Bytes of tile and columns so far; finally, the offset where the calls' shared memory begins.
        self.memory = MEMORY_HEAD + round_up(shape.tile * sum(shape.widths)) if self.blocks else 0
        #: Bytes of the whole memory.
        self.total = self.memory
        #: Number of a call -> the offsets of its state word and of the area that it keeps between runs.
        self._kept: dict[int, tuple[int, int]] = {}
        self._known: dict[Let, int] = {}
        self._lets: list[Let] = []
        self._rows = MODEL_TILE
        self._most_rows = most_rows(program)
        self._rows_of = rows_of_models(program.loops[0])

    @property
    def memory_entry(self) -> int:
        """Returns the entry of the row loop's table that holds the memory's address."""
        return self.shape.block_entry + len(self.blocks)

    def rows_of(self, let: Let) -> frozenset[Condition]:
        """Returns the conditions of the rows that need this model; none when the model has its call already."""
        assert isinstance(let.op, ModelOp)
        model = Let(let.op.at(0), let.args)
        return frozenset() if model in self._known else self._rows_of.get(model, frozenset())

    def add(self, index: int, let: Let, arguments: Sequence[str], rows: str) -> None:
        """Adds the op of value `index`: a further result of an earlier call, or a new call for the rows in `rows`."""
        assert isinstance(let.op, ModelOp)
        model = Let(let.op.at(0), let.args)
        target = (let.op.output, f"v{index}", numba_type(self.types[index]))
        if model not in self._known:
            self._known[model] = len(self.calls)
            self._lets.append(let)
            self._keep(scorer(let.op).kept)
            self.calls.append(ModelCall(len(self.calls), tuple(arguments), (), rows))
        at = self._known[model]
        self.calls[at] = replace(self.calls[at], targets=(*self.calls[at].targets, target))

    def _keep(self, size: int) -> None:
        """Reserves the area of the next call that persists between runs, and a word of the head for its state.

        Without a free word in the head, the call shares the word that is always 0, and so caches nothing.
        """
        if size:
            place = 8 * (len(self._kept) + 1)
            self._kept[len(self.calls)] = (place if place < 8 * HEAD_WORDS else 0, self.memory)
            self.total = self.memory = round_up(self.memory + size)

    def place(self, widths: Sequence[int]) -> int:
        """Returns the rows of a block, given the widths of the columns between stages."""
        if not self.calls:
            return self.shape.tile
        self._rows = self._most_rows
        most = _MOST_BYTES if self._rows == PIECE else _MOST_BYTES_OF_FORESTS
        if self._rows > BLOCK:
            most = _MOST_BYTES_OF_FAR_PARTS
        while self._rows > MODEL_TILE and self._rows * sum(widths) > most:
            self._rows //= 2
        return self._rows

    def column(self, size: int) -> int | None:
        """Returns the offset of a new column in the memory; None without models, where columns are on the stack."""
        if not self.calls:
            return None
        offset = self.memory
        self.total = self.memory = round_up(offset + size)
        return offset

    def lines(self, call: ModelCall, columns: Sequence[str], block: Block) -> list[str]:
        """Returns the source of one call: its tables of addresses, and the call. `columns`: addresses of `call.columns`."""
        n, name, made = call.number, block.name, scorer(self._op(call))
        results = len(self._op(call).results(*self._argument_types(call)))
        kept = self._kept.get(n, ())
        block.head.extend([
            f"t{n} = {name(pointer_table(len(call.arguments) + len(kept)))}()",
            f"o{n} = {name(pointer_table(results))}()",
            f"p{n} = {name(constant_table(made.parameters))}()",
            f"m{n} = address(table, {self.shape.block_entry + self.blocks[self._op(call).block]})",
            *(f"{name(store_word)}(t{n}, {8 * (len(call.arguments) + i)}, memory + {at})" for i, at in enumerate(kept)),
        ])  # fmt: skip
        if call.rows or self._rows > made.rows:
            block.head.append(f"w{n} = {name(constant_table([type.width for type in self._argument_types(call)]))}()")
        if self._rows > made.rows:
            types = self._op(call).results(*self._argument_types(call))
            block.head.append(f"r{n} = {name(constant_table([type.width for type in types]))}()")
        lines = [f"{name(store_word)}(t{n}, {8 * at}, {column})" for at, column in enumerate(columns[: len(call.arguments)])]
        lines += [f"{name(store_word)}(o{n}, {8 * output}, c_{target})" for output, target, _ in call.targets]
        whole = self._score(call, block, block.rows, self.memory)
        return [*lines, *(self._for_some_rows(call, columns[-1], block, whole) if call.rows else whole)]

    def loops_of(self, call: ModelCall) -> int:
        """Returns the number of chunk loops in the source of a call: one over all rows, and one over the selected rows."""
        return (2 if call.rows else 1) if self._rows > scorer(self._op(call)).rows else 0

    def _for_some_rows(self, call: ModelCall, wanted: str, block: Block, whole: list[str]) -> list[str]:
        """Emits the call for the rows that need it, when they are few: gathered, scored, and scattered."""
        n, name, numbers = call.number, block.name, self.memory
        tile = 1 if scorer(self._op(call)).multiple == 1 else MODEL_TILE
        space = numbers + 8 * self._rows
        some = f"w{n}, {len(call.arguments)}, memory + {numbers}, found{n}, padded{n}, memory + {space}, {self._rows}"
        inside = [f"padded{n} = found{n} + {tile - 1} & {-tile}", f"{name(selection.gather_columns)}(t{n}, {some})"]
        space += self._rows * sum(type.width for type in self._argument_types(call))
        back = []
        for output, target, result in call.targets:
            place, width = f"memory + {space}", width_of(result)
            space += width * self._rows
            inside.append(f"{name(store_word)}(o{n}, {8 * output}, {place})")
            back.append(f"{name(selection.scatter)}(c_{target}, {place}, {width}, memory + {numbers}, found{n})")
        inside += [*self._score(call, block, f"padded{n}", round_up(space)), *back]
        return [
            f"found{n} = {name(selection.kept_rows)}(memory + {numbers}, {wanted}, {block.rows})",
            f"if found{n} * 4 > {block.rows} * {_FEW}:",
            *(f"    {line}" for line in whole),
            f"elif found{n} > 0:",
            *(f"    {line}" for line in inside),
        ]

    def _score(self, call: ModelCall, block: Block, rows: str, scratch: int) -> list[str]:
        """Emits the call for `rows` rows; in chunks, where blocks exceed the model's rows per call."""
        made, n, go_on = scorer(self._op(call)), call.number, block.name(selection.go_on)
        if made.multiple < MODEL_TILE and rows == block.rows:
            rows = block.some_rows if made.multiple == 1 else f"({block.some_rows} + {made.multiple - 1} & {-made.multiple})"
        self.total = max(self.total, round_up(scratch + made.scratch))
        call_of = f"{block.name(made.function)}(t{n}, {{}}, m{n}, o{n}, memory + {scratch}, p{n})"
        if self._rows <= made.rows:
            return [call_of.format(rows)]
        results = len(self._op(call).results(*self._argument_types(call)))
        return [
            f"left{n} = {rows}",
            f"while left{n} > 0:",
            f"    {call_of.format(f'{made.rows} if left{n} > {made.rows} else left{n}')}",
            f"    {go_on}(t{n}, w{n}, {len(call.arguments)}, {made.rows})",
            f"    {go_on}(o{n}, r{n}, {results}, {made.rows})",
            f"    left{n} -= {made.rows}",
        ]

    def _op(self, call: ModelCall) -> ModelOp:
        op = self._lets[call.number].op
        assert isinstance(op, ModelOp)
        return op

    def _argument_types(self, call: ModelCall) -> tuple[Type, ...]:
        return tuple(self.types[a] for a in self._lets[call.number].args)
