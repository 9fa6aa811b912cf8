"""The model ops of a loop to calls for blocks of rows: which ops are one call, and what lies where in the kernel's memory.

The memory, whose address a kernel is given, holds the driver's tile, then the columns between stages, then the scratch of
the calls, which one call after the other uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sparkweld.ir.blocks import ALIGNMENT
from sparkweld.ir.ops import ModelOp
from sparkweld.ir.program import Let, Program
from sparkweld.ir.types import Type
from sparkweld.kernels.frontend import Operation, numba_type
from sparkweld.kernels.models import PIECE, Scorer, scorer
from sparkweld.kernels.models.library import constant_table, pointer_table
from sparkweld.kernels.shape import MODEL_TILE, Shape
from sparkweld.kernels.stages import ModelCall
from sparkweld.kernels.strings.memory_access import store_word

#: Bytes of the columns between stages past which a block has fewer rows, so that they stay in the second-level cache.
_MOST_BYTES = 1 << 19


class ModelCalls:
    """The calls of a loop's model ops, and the kernel's memory."""

    def __init__(self, program: Program, types: Sequence[Type], shape: Shape) -> None:
        self.shape, self.types = shape, types
        self.blocks = {block: number for number, block in enumerate(program.blocks)}
        self.calls: list[ModelCall] = []
        #: Bytes of tile and columns so far: where the scratch of the calls begins in the end.
        self.memory = _aligned(shape.tile * sum(shape.widths)) if self.blocks else 0
        self._known: dict[Let, int] = {}
        self._lets: list[Let] = []
        self._rows = MODEL_TILE

    @property
    def memory_entry(self) -> int:
        """Where the row loop's table has the memory's address."""
        return self._first_entry + len(self.blocks)

    @property
    def _first_entry(self) -> int:
        return 2 * (self.shape.inputs + self.shape.outputs) + 2

    def add(self, index: int, let: Let, arguments: Sequence[str]) -> None:
        """The op of value `index`, which is one more result of an earlier call or a call of its own."""
        assert isinstance(let.op, ModelOp)
        model = Let(let.op.at(0), let.args)
        target = (let.op.output, f"v{index}", numba_type(self.types[index]))
        if model not in self._known:
            self._known[model] = len(self.calls)
            self._lets.append(let)
            self.calls.append(ModelCall(len(self.calls), tuple(arguments), ()))
        at = self._known[model]
        self.calls[at] = ModelCall(at, self.calls[at].arguments, (*self.calls[at].targets, target))

    def place(self, widths: Sequence[int]) -> int:
        """Rows of a block when so many bytes a row lie between stages; with models, the calls' scratch is placed too."""
        if not self.calls:
            return self.shape.tile
        self._rows = PIECE
        while self._rows > MODEL_TILE and self._rows * sum(widths) > _MOST_BYTES:
            self._rows //= 2
        return self._rows

    def column(self, size: int) -> int | None:
        """Offset of a new column in the memory; None without models, where columns lie on the stack."""
        if not self.calls:
            return None
        offset = self.memory
        self.memory = _aligned(offset + size)
        return offset

    def lines(
        self, call: ModelCall, columns: Sequence[str], rows: str, name: Callable[[Operation], str], head: list[str]
    ) -> list[str]:
        """The source of one call: its tables of addresses, and the call."""
        made = self._scorer(call)
        outputs = len(self._op(call).results(*self._argument_types(call)))
        n = call.number
        head.append(f"t{n} = {name(pointer_table(len(columns)))}()")
        head.append(f"o{n} = {name(pointer_table(outputs))}()")
        head.append(f"p{n} = {name(constant_table(made.parameters))}()")
        head.append(f"m{n} = address(table, {self._first_entry + self.blocks[self._op(call).block]})")
        store = name(store_word)
        head += [f"{store}(o{n}, {8 * output}, c_{target})" for output, target, _ in call.targets]
        lines = [f"{store}(t{n}, {8 * at}, {column})" for at, column in enumerate(columns)]
        return [*lines, f"{name(made.function)}(t{n}, {rows}, m{n}, o{n}, memory + {self.memory}, p{n})"]

    @property
    def total(self) -> int:
        """Bytes of the memory."""
        return self.memory + _aligned(max((self._scorer(call).scratch for call in self.calls), default=0))

    def _op(self, call: ModelCall) -> ModelOp:
        op = self._lets[call.number].op
        assert isinstance(op, ModelOp)
        return op

    def _argument_types(self, call: ModelCall) -> tuple[Type, ...]:
        return tuple(self.types[a] for a in self._lets[call.number].args)

    def _scorer(self, call: ModelCall) -> Scorer:
        return scorer(self._op(call), self._argument_types(call))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
