"""Whether bounds of models before a filter are won back, by what they were measured to cost and to spare.

They are made once, when a query is planned: a forest is read back and its trees are cut, and more loops are compiled. Each row
that they rule out then goes without its model. How many these are, nobody knows before; kernels find out and go without bounds
where they are few, so that what is at stake is the time that comes once. All numbers are processors' time of one core, of the
models in docs/cascades.md.
"""

from __future__ import annotations

from sparkweld.ir import Program
from sparkweld.ir.ops import TextSums, TreeEnsemble
from sparkweld.ir.text_layout import WORD, Head
from sparkweld.optimizer.model_ranges import is_bounded

#: Seconds that compiling takes longer, and for the parts of a forest; seconds to cut a forest, a tree, and for each byte of it.
_COMPILE, _PARTS, _FOREST, _TREE, _BYTE = 0.4, 0.7, 0.3, 4e-3, 25e-9
#: Bytes of a tree that takes a nanosecond a row, and the power of them that time grows with, from 13 kB to 0.4 MB.
_TREE_BYTES, _GROWTH = 160.0, 0.38
#: Bytes of a tree below which bounds rule out as much time as they take, some 100 leaves: boosting, and shallow trees.
_LEAST_BYTES = 5000.0
#: The share of a forest's time that is spared where a tenth of the rows pass.
_SPARED = 0.25
#: Nanoseconds a row that are spared of a text, of some 50 characters, by words and by pieces of them.
_WORDS, _PIECES = 50.0, 1000.0
#: The part of the time that planning may take which cutting trees may take.
_PATIENCE = 0.4


def bounds_pay(program: Program, rows: int, timeout: float) -> bool:
    """Whether a task of so many rows wins back the bounds of the models of its loops, made well within `timeout` seconds."""
    models = {let.op.at(0) for loop in program.loops for let in loop.body if is_bounded(let.op)}  # type: ignore[attr-defined]
    compiling, cuts, spared = _COMPILE, 0.0, 0.0
    for op in models:
        if isinstance(op, TextSums):
            spared += _WORDS if op.block["head"][Head.ANALYZER] == WORD else _PIECES
        elif isinstance(op, TreeEnsemble) and op.block.size >= _LEAST_BYTES * op.trees:
            compiling += _PARTS
            cuts += _FOREST + _TREE * op.trees + _BYTE * op.block.size
            spared += _SPARED * op.trees * (op.block.size / op.trees / _TREE_BYTES) ** _GROWTH
    return cuts <= _PATIENCE * timeout and rows * spared * 1e-9 >= compiling + cuts
