"""Decides by a cost model whether bound-based filtering before models repays its planning cost.

Bounds are computed once, when a query is planned: a forest's trees are cut, and more loops are compiled. Each row that they rule
out then skips its model. The number of such rows is unknown in advance; kernels measure it and drop the bounds where it is
small. So only the one-time cost is at risk. All numbers are CPU time of one core, for the models in docs/cascades.md.
"""

from __future__ import annotations

from sparkweld.ir import Program
from sparkweld.ir.ops import ModelOp, TextSums, TreeEnsemble
from sparkweld.ir.text_models import WORD

#: Seconds of extra compile time, and for the stages of a forest; seconds to cut a forest, a tree, and each byte of it.
_COMPILE, _PARTS, _FOREST, _TREE, _BYTE = 0.4, 0.7, 0.3, 4e-3, 25e-9
#: Bytes of a tree that takes a nanosecond a row, and the exponent of the growth of time with bytes, from 13 kB to 0.4 MB.
_TREE_BYTES, _GROWTH = 160.0, 0.38
#: Bytes of a tree, some 100 leaves, below which bounds cost as much time as they save: boosted and shallow trees.
_LEAST_BYTES = 5000.0
#: Share of a forest's time that is saved where a tenth of the rows pass.
_SPARED = 0.25
#: Nanoseconds a row saved for a document of some 50 characters, by words and by character n-grams.
_WORDS, _PIECES = 50.0, 1000.0
#: Share of the planning timeout that cutting trees may take.
_PATIENCE = 0.4


def bounds_pay(program: Program, laid_out: Program, rows: int, timeout: float) -> bool:
    """Whether a task of `rows` rows repays the bounds of its loops' models, which must be built well within `timeout` seconds.

    `laid_out`: the same program with its layouts, whose bytes determine the costs of forests.
    """
    models = _models(program, TextSums) | _models(laid_out, TreeEnsemble)
    compiling, cuts, spared = _COMPILE, 0.0, 0.0
    for op in models:
        if isinstance(op, TextSums):
            spared += _WORDS if op.model.analyzer.kind == WORD else _PIECES
        elif isinstance(op, TreeEnsemble) and op.block.size >= _LEAST_BYTES * op.trees:
            compiling += _PARTS
            cuts += _FOREST + _TREE * op.trees + _BYTE * op.block.size
            spared += _SPARED * op.trees * (op.block.size / op.trees / _TREE_BYTES) ** _GROWTH
    return cuts <= _PATIENCE * timeout and rows * spared * 1e-9 >= compiling + cuts


def _models(program: Program, kind: type[ModelOp]) -> set[ModelOp]:
    ops = (let.op for loop in program.loops for let in loop.body)
    return {op.at(0) for op in ops if isinstance(op, kind) and op.block.data is not None}
