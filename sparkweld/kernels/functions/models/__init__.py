"""Implements model ops as functions that score a chunk of rows. Start at `library`; each family has its module.

To add an op, write its function in a module of its family, and a row in `_SCORERS` and `_MODULES`:

    @score_function
    def score(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:

`arguments`: address of int64 addresses, one per column, in the argument's dtype (bool: a byte; str, lists: two int64). `outputs`:
the same for the results; 0 for an unused one. `rows`: a multiple of MODEL_TILE, at most the scorer's; the last rows may be
padding, of zeros and empty strings. `block`: address of the op's block. `scratch`: as many bytes as the scorer requests, with
undefined content. `parameters`: address of the scorer's int64 numbers. The function's result is ignored.

Columns do not overlap, and their alignment is unknown; block and scratch are aligned to 64 bytes. All bit patterns are legal
inputs: rows that a guard flags or a filter drops are scored too. Access columns through `row_access` in an innermost loop over
rows, which LLVM then vectorises, or else through the operations of `kernels.functions.strings.memory_access`. The same code
must compute all rows, so that bits do not depend on the row. So libm functions belong in a loop of a constant number of rows
(64).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sparkweld.errors import InternalError
from sparkweld.ir.layouts import trees as tree_layouts
from sparkweld.ir.layouts.model_memory import MODEL_TILE
from sparkweld.ir.layouts.tree_masks import mask_bytes
from sparkweld.ir.layouts.tree_walks import walk_bytes
from sparkweld.ir.layouts.trees import WALKERS
from sparkweld.ir.ops import (
    CategoryStatistics,
    Distances,
    Interpolate,
    KernelSums,
    KeyTable,
    Mlp,
    ModelOp,
    Neighbours,
    TextSums,
    TextTotals,
    TreeEnsemble,
    VectorColumns,
    VectorSums,
    WeightedMedian,
)
from sparkweld.ir.ops.texts import TextOp
from sparkweld.kernels.functions.models import (
    category_statistics,
    dense,
    instance_based,
    keys,
    selection,
    statistics,
    text,
    text_entries,
    text_string_cache,
    text_token_cache,
    text_totals,
    trees,
    vectors,
)
from sparkweld.kernels.functions.models.library import ModelFunction
from sparkweld.kernels.functions.models.tree_rows import row_bytes

#: Most rows of a call.
PIECE = tree_layouts.PIECE


@dataclass(frozen=True)
class Scorer:
    """An op's implementation: its function, the function's parameters, and the bytes of scratch that it requires.

    `kept`: bytes of an area that persists between calls. The addresses of its state, a word of the memory's head, and of the area
    then follow those of the arguments. `rows`: most rows of a call, which is for a multiple of `multiple` rows.
    """

    function: ModelFunction
    parameters: tuple[int, ...] = ()
    scratch: int = 0
    kept: int = 0
    rows: int = PIECE
    multiple: int = MODEL_TILE


def _mlp(op: Mlp) -> Scorer:
    return Scorer(dense.mlp[op.type], dense.mlp_parameters(op), dense.mlp_scratch(op))


def _distances(op: Distances) -> Scorer:
    return Scorer(dense.distances[op.type], (op.count, op.block.length("centres") // op.count))


def _trees(op: TreeEnsemble) -> Scorer:
    parameters = (op.begin, op.end if op.is_part else op.trees, op.arguments)
    key = op.form, op.width, op.sums
    if op.by_row:
        return Scorer(trees.ROW_ENTRIES[key], parameters, row_bytes(op.columns), rows=op.rows, multiple=1)
    masks = op.form == "mask"
    # All columns may have a shifted copy (see `layouts.trees`).
    scratch = mask_bytes(2 * op.columns, op.slots, op.outputs) if masks else walk_bytes(op.columns, op.slots, op.rows)
    return Scorer(trees.ENTRIES[key], parameters, scratch, rows=op.rows, multiple=MODEL_TILE if masks else WALKERS)


def _text_sums(_: TextSums) -> Scorer:
    return Scorer(text.text_sums, scratch=text_entries.SCRATCH, kept=text_string_cache.KEPT)


def _text_totals(op: TextTotals) -> Scorer:
    return Scorer(text_totals.text_totals, (op.sum,), text_entries.SCRATCH, text_token_cache.KNOWN)


def _kernel_sums(op: KernelSums) -> Scorer:
    offsets = op.block.offset("weights"), op.block.offset("numbers")
    parameters = (op.count, op.width, op.sums, instance_based.KERNELS[op.kernel], op.degree, *offsets)
    return Scorer(instance_based.kernel_sums, parameters, instance_based.KERNEL_SCRATCH)


def _neighbours(op: Neighbours) -> Scorer:
    width = op.block.length("points") // op.count
    parameters = (op.nearest, op.count, width, op.columns, op.block.offset("values"))
    return Scorer(instance_based.neighbours, parameters, instance_based.neighbours_scratch(op.nearest))


def _interpolate(op: Interpolate) -> Scorer:
    return Scorer(statistics.interpolate, (op.points, op.block.offset("ys"), op.block.offset("slopes")))


def _weighted_median(op: WeightedMedian) -> Scorer:
    count = op.block.length("weights")
    return Scorer(statistics.weighted_median, (count,), 16 * count)


def _key_table(op: KeyTable) -> Scorer:
    return Scorer(keys.key_numbers, (op.block.offset("values") if op.has_values else 0,))


def _category_statistics(op: CategoryStatistics) -> Scorer:
    parameters = category_statistics.parameters(op)
    return Scorer(category_statistics.category_statistics, parameters, scratch=8 * op.rows, rows=op.rows)


def _vector_sums(op: VectorSums) -> Scorer:
    offsets = op.block.offset("weights"), op.block.offset("numbers")
    parameters = (op.size, op.outputs, int(op.started), vectors.CHECKS[op.check], *offsets, len(op.steps), *op.steps)
    return Scorer(vectors.vector_sums, parameters, vectors.SCRATCH)


_SCORERS: dict[type[ModelOp], Callable[..., Scorer]] = {
    Mlp: _mlp, Distances: _distances, TreeEnsemble: _trees, TextSums: _text_sums, TextTotals: _text_totals,
    KernelSums: _kernel_sums, Neighbours: _neighbours, Interpolate: _interpolate, WeightedMedian: _weighted_median,
    VectorColumns: lambda op: Scorer(vectors.vector_columns, (op.size,)), VectorSums: _vector_sums,
    KeyTable: _key_table, CategoryStatistics: _category_statistics,
}  # fmt: skip

_MODULES = (category_statistics, dense, keys, trees, text, text_totals, selection, instance_based, statistics, vectors)
_FUNCTIONS = {f.symbol: f for module in _MODULES for f in module.FUNCTIONS}


def scorer(op: ModelOp) -> Scorer:
    """Returns the implementation of `op`. Raises InternalError for an op without a kernel, or without its layout."""
    if type(op) not in _SCORERS or (isinstance(op, TextOp) and not op.is_laid_out):
        raise InternalError(f"{op.name} has no kernel")
    return _SCORERS[type(op)](op)


def used_functions(names: Iterable[str]) -> Iterator[ModelFunction]:
    """Returns the model functions among these names of a module."""
    return (_FUNCTIONS[name] for name in names if name in _FUNCTIONS)
